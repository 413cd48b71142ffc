//! The pictures of runs, and the files they lie in.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{Service, ServiceError};
use history::{HistoryError, RunImage};
use types::{ImageHash, PromptId};

/// A picture of a run.
#[derive(Clone, Debug)]
pub struct KeptPicture {
    /// What is recorded of it.
    pub image: RunImage,
    /// Its file.
    pub file: PictureFile,
}

/// Where a recorded picture's file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PictureFile {
    /// Here.
    At(PathBuf),
    /// It is gone from the data folder.
    Missing(ImageHash),
}

impl PictureFile {
    /// The file, unless it is gone.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::At(path) => Some(path),
            Self::Missing(_) => None,
        }
    }
}

/// As it is told in results.
impl fmt::Display for PictureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(path) => path.display().fmt(f),
            Self::Missing(hash) => write!(f, "missing: {hash}"),
        }
    }
}

impl Service {
    /// The pictures of a run with their files.
    pub(super) async fn pictures_of(&self, id: PromptId) -> Result<Vec<KeptPicture>, ServiceError> {
        let mut pictures = Vec::new();
        for image in self.store.images_of(id).await? {
            let file = match self.store.find_image(&image.hash).await {
                Ok(stored) => PictureFile::At(stored.path),
                Err(HistoryError::ImageMissing { hash, .. }) => PictureFile::Missing(hash),
                Err(error) => return Err(error.into()),
            };
            pictures.push(KeptPicture { image, file });
        }
        Ok(pictures)
    }
}
