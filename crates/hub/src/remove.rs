//! Removing a model: what we fetched and nobody else needs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::ModelsError;
use super::hub::references;
use super::record::{Installed, Origin, Record};

/// What became of a model's files.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files that are gone.
    pub files: Vec<PathBuf>,
    /// Bytes that are free again.
    pub bytes: u64,
    /// Files that stay, and why.
    pub stay: Vec<(PathBuf, Stays)>,
}

/// Why a file stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stays {
    /// It was not fetched by us.
    NotOurs,
    /// Another installed model has it too.
    Shared,
    /// Another snapshot in the cache has it too.
    Linked,
}

impl Stays {
    /// In words.
    pub fn told(self) -> &'static str {
        match self {
            Self::NotOurs => "it was there before, and is only forgotten",
            Self::Shared => "another installed model uses it",
            Self::Linked => "another snapshot in the cache uses its content",
        }
    }
}

/// Removes a model's files as far as they were downloaded and nothing else refers to them, and forgets the model.
///
/// # Errors
/// [`ModelsError`]; the model is then still in the record, so that it can be tried again.
pub fn remove(model: &Installed, record: &Record) -> Result<Removed, ModelsError> {
    let others: Vec<Installed> = record
        .read()?
        .into_iter()
        .filter(|other| other.name != model.name)
        .collect();
    let mut removed = Removed::default();
    for file in &model.files {
        let path = &file.path;
        let shared = others
            .iter()
            .flat_map(|other| &other.files)
            .any(|other| other.path == *path);
        if shared || file.origin == Origin::Found {
            let why = if shared { Stays::Shared } else { Stays::NotOurs };
            removed.stay.push((path.clone(), why));
            continue;
        }
        let blob = fs::read_link(path).ok().and_then(|_| path.canonicalize().ok());
        let was_there = path.exists();
        gone(path)?;
        let Some(place) = Place::of(path) else { continue };
        // Only what lies among this repository's blobs is what we put there.
        let blob = blob.filter(|blob| place.blobs.canonicalize().is_ok_and(|blobs| blob.starts_with(blobs)));
        let linked = blob
            .as_ref()
            .is_some_and(|blob| !references(&place.snapshots, blob).is_empty());
        match (blob, linked) {
            (Some(_), true) => removed.stay.push((path.clone(), Stays::Linked)),
            (Some(blob), false) => {
                gone(&blob)?;
                removed.bytes += file.size;
                removed.files.push(path.clone());
            }
            (None, _) if was_there => {
                removed.bytes += file.size;
                removed.files.push(path.clone());
            }
            (None, _) => {}
        }
        place.tidy(path);
    }
    record.remove(&model.name)?;
    Ok(removed)
}

fn gone(path: &Path) -> Result<(), ModelsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ModelsError::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A repository's folder in the cache.
struct Place {
    repo: PathBuf,
    snapshots: PathBuf,
    blobs: PathBuf,
    commit: String,
}

impl Place {
    /// The one that a file in a snapshot belongs to.
    fn of(path: &Path) -> Option<Self> {
        let is_repo = |folder: &&Path| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("models--")) && path.starts_with(folder.join("snapshots"))
        };
        let repo = path.ancestors().skip(2).find(is_repo)?.to_owned();
        let snapshots = repo.join("snapshots");
        let commit = path.strip_prefix(&snapshots).ok()?.components().next()?;
        Some(Self {
            commit: commit.as_os_str().to_str()?.to_owned(),
            snapshots,
            blobs: repo.join("blobs"),
            repo,
        })
    }

    /// Removes folders that became empty, and references to this snapshot where it is gone: other programs call these damage.
    fn tidy(&self, path: &Path) {
        for folder in path
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(&self.snapshots))
        {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        self.tidy_refs(&self.repo.join("refs"));
        let _ = fs::remove_dir(&self.blobs);
        let _ = fs::remove_dir(&self.repo);
    }

    fn tidy_refs(&self, folder: &Path) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.tidy_refs(&path);
            } else if fs::read_to_string(&path).is_ok_and(|commit| commit.trim() == self.commit)
                && !self.snapshots.join(&self.commit).is_dir()
            {
                let _ = fs::remove_file(path);
            }
        }
        let _ = fs::remove_dir(folder);
    }
}
