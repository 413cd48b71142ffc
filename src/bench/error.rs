//! Why nothing could be measured.

use std::path::PathBuf;

use imaging::PictureError;
use judge::JudgeError;
use judge::rubric::RubricError;

/// Nothing was measured to the end; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The judge.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A picture's file.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is no picture.
    #[error("{}: {source}", path.display())]
    NoPicture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PictureError,
    },
    /// The rubric with that many axes.
    #[error("a rubric to measure with could not be made: {0}")]
    Rubric(#[from] RubricError),
    /// There was nothing to measure.
    #[error("no budget of image tokens was given, so nothing was measured")]
    Nothing,
}

impl BenchError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Judge(error) => error.hint(),
            Self::Picture(error) | Self::NoPicture { source: error, .. } => error.hint(),
            Self::File { .. } => "Name two pictures that can be read, or none: then scenes are rendered.".into(),
            Self::Rubric(_) => "Ask for 1 to 120 axes.".into(),
            Self::Nothing => "Name one with --tokens, such as 256.".into(),
        }
    }
}

types::hints!(BenchError);
