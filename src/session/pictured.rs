//! Pictures from the image store, and what to do about one whose file is gone.

use super::judging::JudgementOf;
use super::{Service, ServiceError};
use history::HistoryError;
use imaging::Picture;
use types::ImageHash;

/// What a stored picture is, for whoever reads that its file is gone.
pub(super) enum Pictured<'a> {
    /// What is aimed at.
    Reference,
    /// What is judged.
    Judged(&'a JudgementOf),
    /// Another one that is compared with.
    Other,
}

impl Pictured<'_> {
    fn in_words(&self) -> String {
        match self {
            Self::Reference => "the reference".to_owned(),
            Self::Judged(JudgementOf::Run { n, seed, .. }) => format!("the picture of iteration {n}, seed {seed},"),
            Self::Judged(JudgementOf::Files { generated }) => format!("the copy of {generated}"),
            Self::Other => "a picture to compare with".to_owned(),
        }
    }

    fn what_to_do(&self) -> String {
        match self {
            Self::Reference => {
                "Restore the file from a copy, or give the same picture again as `reference`, with the session: then it is kept anew.".to_owned()
            }
            Self::Judged(JudgementOf::Run { n, seed, .. }) => format!(
                "Restore the file from a copy, or render it again as a new iteration: queue_generation with `session`, `parent`: {n} and `seeds`: [{seed}]. What was judged before stays recorded."
            ),
            Self::Judged(JudgementOf::Files { .. }) => "Call again with the file: then it is kept anew.".to_owned(),
            Self::Other => {
                "Restore the file from a copy, or render its iteration again as a new one: queue_generation with `session`, the iteration as `parent`, and its seed in `seeds`.".to_owned()
            }
        }
    }

    /// Says of an error which picture it is about, where the file is gone.
    fn explain(&self, error: HistoryError) -> ServiceError {
        match error {
            HistoryError::ImageMissing { hash, folder } => ServiceError::PictureGone {
                what: self.in_words(),
                hash,
                folder,
                what_to_do: self.what_to_do(),
            },
            other => other.into(),
        }
    }
}

/// What a picture shows, whatever else its file holds: two that are equal are the same, pixel for pixel.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Look {
    size: (u32, u32),
    pixels: ImageHash,
}

impl Service {
    /// What a picture from the image store shows.
    pub(super) async fn look(&self, hash: &ImageHash) -> Result<Look, ServiceError> {
        self.with_stored(hash, |picture| {
            Ok(Look {
                size: (picture.width(), picture.height()),
                pixels: ImageHash::of(picture.rgb()),
            })
        })
        .await
    }

    /// A picture from the image store, of which it is known what it is.
    pub(super) async fn pictured(&self, hash: &ImageHash, what: &Pictured<'_>) -> Result<Picture, ServiceError> {
        self.is_there(hash, what).await?;
        self.stored_picture(hash).await
    }

    /// Whether a picture's file is there, before its turn has come.
    pub(super) async fn is_there(&self, hash: &ImageHash, what: &Pictured<'_>) -> Result<(), ServiceError> {
        let found = self.store.find_image(hash).await;
        found.map(drop).map_err(|error| what.explain(error))
    }
}
