//! Getting a model: what is on this machine already is used where it lies, the rest is fetched.

use std::fs::{self, TryLockError};
use std::path::{Path, PathBuf};

use super::error::{ModelsError, size};
use super::hub::{Cache, Hub, HubError, RemoteFile, Transfer, hash_of, kept};
use super::local::{self, Sought};
use super::name::{self, FileId, Wanted};
use super::record::{self, Installed, InstalledFile, Origin, Record, Role};
use super::telling::Telling;

/// Connections for one file.
pub const CONNECTIONS: usize = 4;
/// Room that is left free on the disk, in bytes.
const RESERVE: u64 = 16 << 20;

/// What is needed to get models.
pub struct Pull<'a> {
    /// The hub.
    pub hub: &'a Hub,
    /// Where files are kept.
    pub cache: &'a Cache,
    /// What is installed.
    pub record: &'a Record,
    /// Folders where a file may lie already, beside the cache.
    pub look_in: Vec<PathBuf>,
    /// Where progress is told.
    pub telling: &'a Telling,
}

/// A model that is there now, and what that took.
#[derive(Debug)]
pub struct Pulled {
    /// The model.
    pub model: Installed,
    /// Bytes of the files that were fetched.
    pub fetched: u64,
    /// Files that were there, outside the cache.
    pub elsewhere: Vec<PathBuf>,
}

/// A file that is wanted, and where it is, as far as that is known.
struct Part {
    role: Role,
    remote: RemoteFile,
    at: Option<(PathBuf, Origin)>,
}

impl Pull<'_> {
    /// Gets a model and its projector, checks both, and records them.
    ///
    /// # Errors
    /// [`ModelsError`]. What was fetched before stays in the cache and is not fetched again.
    pub async fn run(&self, wanted: &Wanted, revision: &str) -> Result<Pulled, ModelsError> {
        if !name::is_plain(revision) {
            let (repo, revision) = (wanted.model.repo.to_string(), revision.to_owned());
            return Err(HubError::NoRevision { repo, revision }.into());
        }
        let mut parts = self.ask(wanted, revision).await?;
        // Better now than after hours, where the record cannot be read.
        self.record.read()?;
        let models = parts.iter().take_while(|part| part.role == Role::Model).count();
        let (model, projector) = parts.split_at_mut(models);
        self.look(model).await?;
        self.look(projector).await?;
        self.room(&parts)?;
        let mut fetched = 0;
        for part in parts.iter_mut().filter(|part| part.at.is_none()) {
            fetched += part.remote.size;
            self.fetch(part).await?;
        }
        for part in &parts {
            let (repo, commit) = (&part.remote.id.repo, &part.remote.commit);
            let revision = if *repo == wanted.model.repo { revision } else { "main" };
            let remembered = self.cache.remember(repo, revision, commit);
            // Others find the file by it; we do not.
            if let Err(error) = remembered {
                tracing::warn!(%error, %repo, "the cache's reference could not be written");
            }
        }
        let model = self.installed(wanted, revision, &parts)?;
        // Hours may have passed since it was looked at, and somebody may have removed it as another model's.
        if let Some(gone) = model.files.iter().find(|file| !file.path.is_file()) {
            let (name, path) = (model.name.clone(), gone.path.clone());
            return Err(ModelsError::Gone { name, path });
        }
        self.record.add(model.clone())?;
        let outside = |path: &PathBuf| !path.starts_with(self.cache.root());
        let elsewhere = model
            .files
            .iter()
            .map(|file| file.path.clone())
            .filter(outside)
            .collect();
        Ok(Pulled {
            model,
            fetched,
            elsewhere,
        })
    }

    /// What the hub says of all files.
    async fn ask(&self, wanted: &Wanted, revision: &str) -> Result<Vec<Part>, ModelsError> {
        let repo = &wanted.model.repo;
        let part = async |role, id: FileId, revision: &str| -> Result<Part, ModelsError> {
            let remote = self.hub.info(&id, revision, self.telling).await?;
            Ok(Part { role, remote, at: None })
        };
        let mut parts = Vec::new();
        let split = name::parts(&wanted.model.file);
        // The first answer says which commit the revision is now; all the rest is asked of that one.
        let mut revision = revision.to_owned();
        for file in split.unwrap_or_else(|| vec![wanted.model.file.clone()]) {
            let repo = repo.clone();
            let found = part(Role::Model, FileId { repo, file }, &revision).await?;
            revision.clone_from(&found.remote.commit);
            parts.push(found);
        }
        let projector = match &wanted.projector {
            Some(projector) => projector.clone(),
            None => {
                let files = self.hub.files(repo, &revision, self.telling).await?;
                let file = name::choose_projector(&wanted.model.file, &files);
                let file = file.map_err(|there| ModelsError::Projector {
                    repo: repo.to_string(),
                    there,
                })?;
                self.telling.note(format!("The projector is {file}."));
                let repo = repo.clone();
                FileId { repo, file }
            }
        };
        // A revision is one repository's.
        let revision = if projector.repo == *repo {
            revision.as_str()
        } else {
            "main"
        };
        parts.push(part(Role::Projector, projector, revision).await?);
        Ok(parts)
    }

    /// Looks for files that have to lie together: each in its own place in the cache, or all side by side elsewhere. They
    /// count when their content is what the hub says.
    async fn look(&self, parts: &mut [Part]) -> Result<(), ModelsError> {
        let mut missing = false;
        for part in parts.iter_mut() {
            let (blob, named) = (self.cache.blob(&part.remote), self.cache.snapshot(&part.remote));
            let mut candidates = vec![named.clone(), blob.clone()];
            candidates.dedup_by_key(|path| path.canonicalize().ok());
            for path in candidates {
                if self.is_it(&path, &part.remote).await? {
                    // The link is made only where the content has no name yet.
                    let linked = if path == blob {
                        self.cache.link(&part.remote)
                    } else {
                        Ok(named.clone())
                    };
                    let path = linked.map_err(ModelsError::io("write", &named))?;
                    part.at = Some((path, Origin::Found));
                    break;
                }
            }
            missing |= part.at.is_none();
        }
        if !missing || parts.iter().any(|part| part.remote.sha256().is_none()) {
            return Ok(());
        }
        let sought = parts.iter().map(|part| Sought {
            name: part.remote.id.file.rsplit('/').next().unwrap_or_default().to_owned(),
            size: part.remote.size,
        });
        let (sought, mut folders): (Vec<_>, _) = (sought.collect(), vec![self.cache.root().to_owned()]);
        folders.extend(self.look_in.iter().cloned());
        let found = tokio::task::spawn_blocking(move || local::find(&folders, &sought)).await;
        for place in found.unwrap_or_default() {
            let mut right = true;
            for (path, part) in place.iter().zip(parts.iter()) {
                right = right && self.is_it(path, &part.remote).await?;
            }
            if right {
                for (path, part) in place.into_iter().zip(parts.iter_mut()) {
                    part.at = Some((path, Origin::Found));
                }
                break;
            }
        }
        Ok(())
    }

    /// Whether a file is there and holds what the hub says.
    async fn is_it(&self, path: &Path, remote: &RemoteFile) -> Result<bool, ModelsError> {
        let there = fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == remote.size);
        let (true, Some(wanted)) = (there, remote.sha256()) else {
            return Ok(there);
        };
        match hash_of(path.to_owned(), &remote.id.file, self.telling).await {
            Ok(hash) if hash.eq_ignore_ascii_case(wanted) => Ok(true),
            Ok(_) => {
                self.telling.note(format!(
                    "{} has another content than the hub's; it is not used.",
                    path.display()
                ));
                Ok(false)
            }
            // What cannot be read cannot be used; it may be somebody else's.
            Err(_) => Ok(false),
        }
    }

    /// Room on the disk for all that is to be fetched.
    fn room(&self, parts: &[Part]) -> Result<(), ModelsError> {
        let missing = parts.iter().filter(|part| part.at.is_none()).map(|part| &part.remote);
        let needed: u64 = missing
            .map(|remote| remote.size.saturating_sub(kept(self.cache, remote)))
            .fold(0, u64::saturating_add);
        if needed == 0 {
            return Ok(());
        }
        let there = self
            .cache
            .root()
            .ancestors()
            .find(|folder| folder.is_dir())
            .unwrap_or(Path::new("."));
        // A disk that does not say how much is free is tried.
        let free = fs4::available_space(there).unwrap_or(u64::MAX);
        match needed.saturating_add(RESERVE) <= free {
            true => Ok(()),
            false => Err(ModelsError::NoRoom {
                folder: self.cache.root().to_owned(),
                needed,
                free,
            }),
        }
    }

    /// Fetches a file, or waits for whoever does.
    async fn fetch(&self, part: &mut Part) -> Result<(), ModelsError> {
        let remote = &part.remote;
        let lock = self.cache.lock(remote);
        let folder = lock.parent().unwrap_or(self.cache.root());
        fs::create_dir_all(folder).map_err(ModelsError::io("make the folder", folder))?;
        let mut held = record::open_lock(&lock)?;
        let waited = matches!(held.try_lock(), Err(TryLockError::WouldBlock));
        if waited {
            let file = &remote.id.file;
            self.telling.note(format!(
                "{file} is being fetched by another program already; waiting for that."
            ));
            let lock = lock.clone();
            let locked = tokio::task::spawn_blocking(move || record::locked(&lock)).await;
            held = locked.unwrap_or_else(|error| Err(ModelsError::io("lock", folder)(std::io::Error::other(error))))?;
        }
        // Somebody may have finished it meanwhile, also while we were at another file.
        let there = self.is_it(&self.cache.blob(remote), remote).await?;
        if !there {
            let left = kept(self.cache, remote);
            if left > 0 {
                let (left, total) = (size(left), size(remote.size));
                self.telling
                    .note(format!("{}: going on, {left} of {total} are there.", remote.id.file));
            }
            Transfer::new(self.hub, self.cache, remote, self.telling, CONNECTIONS)
                .run()
                .await?;
        }
        let path = self
            .cache
            .link(remote)
            .map_err(ModelsError::io("write", self.cache.snapshot(remote)))?;
        drop(held);
        part.at = Some((path, if there { Origin::Found } else { Origin::Downloaded }));
        Ok(())
    }

    fn installed(&self, wanted: &Wanted, revision: &str, parts: &[Part]) -> Result<Installed, ModelsError> {
        let files = parts.iter().filter_map(|part| {
            let (path, origin) = part.at.clone()?;
            Some(InstalledFile {
                role: part.role,
                repo: part.remote.id.repo.to_string(),
                file: part.remote.id.file.clone(),
                // The record and the configuration outlive the working folder.
                path: std::path::absolute(&path).unwrap_or(path),
                size: part.remote.size,
                sha256: part.remote.sha256().map(str::to_owned),
                origin,
            })
        });
        Ok(Installed {
            name: wanted.name.clone(),
            repo: wanted.model.repo.to_string(),
            revision: revision.to_owned(),
            commit: parts.first().map(|part| part.remote.commit.clone()).unwrap_or_default(),
            files: files.collect(),
        })
    }
}
