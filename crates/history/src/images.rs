//! The images, each once, named by the SHA-256 of its file's bytes: `images/ab/abcdef….png`.
//!
//! A file appears under its name only when all of it is on the disk: it is written beside it under another name,
//! synced, and renamed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::error::{HistoryError, Result};
use super::store::{Store, blocking};
use types::{ImageHash, PictureFormat};

/// What a file is called while it is written, behind a UUID.
const PARTIAL: &str = "partial";
/// A file that was not written to for so long is not being written any more.
const LEFT: Duration = Duration::from_secs(3_600);

/// An image that is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Its name.
    pub hash: ImageHash,
    /// Its format.
    pub format: PictureFormat,
    /// Its file.
    pub path: PathBuf,
}

/// Whether the content of an image is compared with its name when it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Hash what was read; a difference is [`HistoryError::ImageDamaged`].
    Hash,
    /// Take it as it is.
    No,
}

/// The folder of images. Its calls block.
#[derive(Debug, Clone)]
pub struct ImageStore {
    folder: PathBuf,
}

impl ImageStore {
    /// The images of a data folder; nothing is touched yet.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("images"),
        }
    }

    /// Keeps the bytes of an image file. What is there already, whole, is not written again; a damaged file is mended.
    pub fn put(&self, bytes: &[u8]) -> Result<StoredImage> {
        let format = PictureFormat::of(bytes).ok_or(HistoryError::NoImage { length: bytes.len() })?;
        let hash = ImageHash::of(bytes);
        let path = self.path_as(&hash, format);
        let stored = StoredImage { hash, format, path };
        match holds(&stored.path, bytes) {
            Ok(true) => {
                // Whoever removes old pictures sees that this one is wanted again; where that fails it is only older.
                if let Ok(file) = File::options().append(true).open(&stored.path) {
                    let _ = file.set_modified(SystemTime::now());
                }
                return Ok(stored);
            }
            Ok(false) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(HistoryError::folder("read", &stored.path, e)),
        }
        let folder = self.shelf(&stored.hash);
        if !folder.is_dir() {
            fs::create_dir_all(&folder)
                .and_then(|()| sync_folder(&self.folder))
                .map_err(|e| HistoryError::folder("make the image folder", &folder, e))?;
        }
        write_whole(&folder, &stored.path, bytes)
            .map_err(|e| HistoryError::folder("write the image", &stored.path, e))?;
        Ok(stored)
    }

    /// Finds an image's file.
    pub fn find(&self, hash: &ImageHash) -> Result<StoredImage> {
        for format in PictureFormat::ALL {
            let path = self.path_as(hash, format);
            if path.is_file() {
                return Ok(StoredImage {
                    hash: *hash,
                    format,
                    path,
                });
            }
        }
        Err(HistoryError::ImageMissing {
            hash: *hash,
            folder: self.folder.clone(),
        })
    }

    /// Reads an image's file.
    pub fn read(&self, hash: &ImageHash, verify: Verify) -> Result<(StoredImage, Vec<u8>)> {
        let stored = self.find(hash)?;
        let bytes = fs::read(&stored.path).map_err(|e| HistoryError::folder("read the image", &stored.path, e))?;
        if verify == Verify::Hash && ImageHash::of(&bytes) != *hash {
            return Err(HistoryError::ImageDamaged {
                hash: *hash,
                path: stored.path,
            });
        }
        Ok((stored, bytes))
    }

    /// All images that are there, as far as they can be listed.
    pub fn all(&self) -> Vec<StoredImage> {
        let entries = |folder: &Path| {
            fs::read_dir(folder)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        };
        let files = entries(&self.folder).flat_map(|shelf| entries(&shelf).collect::<Vec<_>>());
        files
            .filter_map(|path| {
                let hash = ImageHash::parse(path.file_stem()?.to_str()?).ok()?;
                let extension = path.extension()?.to_str()?;
                let format = PictureFormat::ALL
                    .into_iter()
                    .find(|format| format.extension() == extension)?;
                Some(StoredImage { hash, format, path })
            })
            .collect()
    }

    /// Removes what processes that were killed left half-written: files of our own naming, and only old ones, since another
    /// process may be writing.
    pub fn remove_leftovers(&self) {
        let folders = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let files = folders.flat_map(|shelf| fs::read_dir(shelf.path()).into_iter().flatten().flatten());
        for file in files.map(|entry| entry.path()).filter(|path| is_partial(path)) {
            let age = fs::symlink_metadata(&file).and_then(|data| data.modified());
            let old = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= LEFT));
            if old && let Err(error) = fs::remove_file(&file) {
                tracing::warn!(%error, path = %file.display(), "what a killed process left stays");
            }
        }
    }

    /// A folder for each of the first two digits, so that none grows too long to list.
    fn shelf(&self, hash: &ImageHash) -> PathBuf {
        self.folder.join(&hash.to_string()[..2])
    }

    fn path_as(&self, hash: &ImageHash, format: PictureFormat) -> PathBuf {
        self.shelf(hash).join(format!("{hash}.{}", format.extension()))
    }
}

fn is_partial(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    path.extension().is_some_and(|extension| extension == PARTIAL)
        && Uuid::try_parse(stem).is_ok_and(|id| id.get_version_num() == 4 && id.to_string() == stem)
}

/// Whether a file holds exactly these bytes; compared piece by piece, so that they do not lie in memory twice.
fn holds(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let file = File::open(path)?;
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut rest = bytes;
    loop {
        let piece = file.fill_buf()?;
        let length = piece.len();
        match rest.split_at_checked(length) {
            _ if length == 0 => return Ok(rest.is_empty()),
            Some((wanted, behind)) if wanted == piece => rest = behind,
            _ => return Ok(false),
        }
        file.consume(length);
    }
}

/// Writes `bytes` to `path` such that it is there whole or not at all.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = folder.join(format!("{}.{PARTIAL}", Uuid::new_v4()));
    let written = (|| {
        let mut file = File::create_new(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        drop(file);
        fs::rename(&partial, path)
    })();
    if written.is_err() {
        // The first error is the one that matters.
        let _ = fs::remove_file(&partial);
    }
    written?;
    sync_folder(folder)
}

/// Makes the new name durable. Windows knows no such call.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

impl Store {
    /// Keeps the bytes of an image file; when this returns they are on the disk.
    pub async fn put_image(&self, bytes: Vec<u8>) -> Result<StoredImage> {
        let images = self.images().clone();
        blocking(move || images.put(&bytes)).await
    }

    /// Finds an image's file.
    pub async fn find_image(&self, hash: &ImageHash) -> Result<StoredImage> {
        let (images, hash) = (self.images().clone(), *hash);
        blocking(move || images.find(&hash)).await
    }

    /// Reads an image's file.
    pub async fn read_image(&self, hash: &ImageHash, verify: Verify) -> Result<(StoredImage, Vec<u8>)> {
        let (images, hash) = (self.images().clone(), *hash);
        blocking(move || images.read(&hash, verify)).await
    }
}
