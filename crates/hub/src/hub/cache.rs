//! The cache on disk, as Hugging Face's own programs lay it out:
//! `models--owner--name/{blobs/ETAG, snapshots/COMMIT/path/file → blob, refs/REVISION}` and `.locks/`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use super::answers::{RemoteFile, is_commit};
use crate::name::RepoId;
use files::replace::replace;

/// Folders of snapshots that are looked through for references.
const DEEPEST: usize = 16;

/// The cache.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in a folder, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn repo(&self, repo: &RepoId) -> PathBuf {
        self.root.join(repo.folder())
    }

    /// Where a file's content lies.
    pub fn blob(&self, file: &RemoteFile) -> PathBuf {
        self.repo(&file.id.repo).join("blobs").join(&file.etag)
    }

    /// Where a file lies under its name.
    pub fn snapshot(&self, file: &RemoteFile) -> PathBuf {
        let folder = self.repo(&file.id.repo).join("snapshots").join(&file.commit);
        file.id.file.split('/').fold(folder, |path, part| path.join(part))
    }

    /// What is written while a file comes. Not the name that others use: they would take a file with holes for its
    /// beginning.
    pub(super) fn incomplete(&self, file: &RemoteFile) -> PathBuf {
        self.beside_blob(file, ".prompt-calibrator.incomplete")
    }

    /// Which of its pieces are there.
    pub(super) fn pieces(&self, file: &RemoteFile) -> PathBuf {
        self.beside_blob(file, ".prompt-calibrator.pieces")
    }

    fn beside_blob(&self, file: &RemoteFile, ending: &str) -> PathBuf {
        let mut name = OsString::from(&file.etag);
        name.push(ending);
        self.repo(&file.id.repo).join("blobs").join(name)
    }

    /// The file that is locked while a blob is written; the same that Hugging Face's own programs lock.
    pub fn lock(&self, file: &RemoteFile) -> PathBuf {
        let folder = self.root.join(".locks").join(file.id.repo.folder());
        folder.join(format!("{}.lock", file.etag))
    }

    /// Gives a blob its name in its snapshot, and answers with the path there. Where links cannot be made the blob itself
    /// goes there.
    ///
    /// # Errors
    /// What the system says.
    pub fn link(&self, file: &RemoteFile) -> io::Result<PathBuf> {
        let (blob, path) = (self.blob(file), self.snapshot(file));
        let folder = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(folder)?;
        if path.is_symlink() && path.canonicalize().ok() == blob.canonicalize().ok() {
            return Ok(path);
        }
        // Over an old one at once, so that nobody finds none.
        let beside = folder.join(format!(".{}.{}", std::process::id(), file.etag));
        match symlink(&upwards(folder, &blob), &beside) {
            Ok(()) => fs::rename(&beside, &path)?,
            Err(_) => fs::rename(&blob, &path)?,
        }
        sync_folder(folder);
        Ok(path)
    }

    /// Remembers which commit a revision means.
    ///
    /// # Errors
    /// What the system says.
    pub fn remember(&self, repo: &RepoId, revision: &str, commit: &str) -> io::Result<()> {
        if is_commit(revision) {
            return Ok(());
        }
        let refs = self.repo(repo).join("refs");
        let path = revision.split('/').fold(refs, |path, part| path.join(part));
        if fs::read_to_string(&path).is_ok_and(|old| old == commit) {
            return Ok(());
        }
        replace(&path, commit)
    }
}

fn symlink(to: &Path, at: &Path) -> io::Result<()> {
    let _ = fs::remove_file(at);
    #[cfg(unix)]
    return std::os::unix::fs::symlink(to, at);
    #[cfg(windows)]
    return std::os::windows::fs::symlink_file(to, at);
    #[cfg(not(any(unix, windows)))]
    return Err(io::Error::from(io::ErrorKind::Unsupported));
}

/// The way from a folder to a file, both below the same folder; so the cache can be moved.
fn upwards(folder: &Path, file: &Path) -> PathBuf {
    let shared = folder
        .components()
        .zip(file.components())
        .take_while(|(a, b)| a == b)
        .count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(file.components().skip(shared)).collect()
}

/// Makes a folder's entries last, where the system can.
pub(super) fn sync_folder(folder: &Path) {
    if cfg!(unix)
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

/// The links below a repository's snapshots that lead to a blob.
pub fn references(snapshots: &Path, blob: &Path) -> Vec<PathBuf> {
    let Ok(blob) = blob.canonicalize() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut folders = vec![(snapshots.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < DEEPEST => folders.push((path, depth + 1)),
                Ok(kind) if kind.is_symlink() && path.canonicalize().is_ok_and(|end| end == blob) => found.push(path),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::FileId;

    fn remote(file: &str) -> RemoteFile {
        RemoteFile {
            id: FileId {
                repo: RepoId::parse("Org/Name").unwrap(),
                file: file.into(),
            },
            commit: "c0".repeat(20),
            size: 3,
            etag: "e".repeat(64),
        }
    }

    #[test]
    fn the_layout_is_that_of_the_hubs_own_programs() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("hub"));
        let file = remote("deep/m.gguf");
        fs::create_dir_all(cache.blob(&file).parent().unwrap()).unwrap();
        fs::write(cache.blob(&file), "abc").unwrap();
        for _ in 0..2 {
            let path = cache.link(&file).unwrap();
            let wanted = format!("models--Org--Name/snapshots/{}/deep/m.gguf", file.commit);
            assert_eq!(path, cache.root().join(wanted));
            assert_eq!(fs::read_to_string(&path).unwrap(), "abc");
            #[cfg(unix)]
            assert_eq!(
                fs::read_link(&path).unwrap(),
                Path::new(&format!("../../../blobs/{}", file.etag))
            );
        }
        cache.remember(&file.id.repo, "refs/pr/1", &file.commit).unwrap();
        let at = cache.root().join("models--Org--Name/refs/refs/pr/1");
        assert_eq!(fs::read_to_string(at).unwrap(), file.commit);
        cache.remember(&file.id.repo, &file.commit, &file.commit).unwrap();
        assert_eq!(
            fs::read_dir(cache.root().join("models--Org--Name/refs"))
                .unwrap()
                .count(),
            1
        );

        // The cache can be moved, and a blob with two names is seen to have two.
        let moved = folder.path().join("moved");
        fs::rename(cache.root(), &moved).unwrap();
        let cache = Cache::new(moved);
        assert_eq!(fs::read_to_string(cache.snapshot(&file)).unwrap(), "abc");
        cache.link(&remote("again.gguf")).unwrap();
        let snapshots = cache.root().join("models--Org--Name/snapshots");
        #[cfg(unix)]
        assert_eq!(references(&snapshots, &cache.blob(&file)).len(), 2);
        let lock = format!(".locks/models--Org--Name/{}.lock", file.etag);
        assert_eq!(cache.lock(&file), cache.root().join(lock));
    }
}
