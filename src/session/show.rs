//! Pictures for a client: previews and contact sheets, as JPEG.

use std::path::Path;

use super::files::{blocking, room};
use super::judging::{Judgement, JudgementOf};
use super::queue::Queued;
use super::{Service, ServiceError};
use history::{StoredImage, Verify};
use imaging::{Limits, MAX_CELLS, PREVIEW_SIDE, Picture, SheetCell, decode, preview, sheet};
use types::{ImageHash, Seed, hint};

/// Larger files are not sent, in bytes: they would be a third larger in base64, and clients keep whole messages in memory.
pub const MAX_SENT: u64 = 8 << 20;

/// Previews that one result carries at most: a client's conversation keeps them all.
const MOST_PREVIEWS: usize = 8;

/// Previews, and in a sentence each what is not among them.
#[derive(Debug, Default)]
pub struct Previews {
    /// As JPEG.
    pub pictures: Vec<Vec<u8>>,
    /// Why others are missing.
    pub missing: Vec<String>,
}

impl Service {
    /// A labelled preview of each of the first pictures of an iteration's runs, at most 768 px a side. What cannot be shown is said, since
    /// the runs are as good without.
    pub async fn previews(&self, queued: &Queued) -> Previews {
        let mut previews = Previews::default();
        let mut all: Vec<(Seed, ImageHash, String)> = Vec::new();
        for report in &queued.runs {
            let seed = report.run.seed;
            let score = report
                .judgement
                .as_ref()
                .and_then(|judgement| judgement.verdict.overall_score);
            let score = score.map(|score| format!(" {score:.2}")).unwrap_or_default();
            let label = format!("#{} seed {seed}{score}, a preview", queued.n);
            all.extend(report.images.iter().map(|kept| (seed, kept.image.hash, label.clone())));
        }
        for (seed, hash, label) in all.iter().take(MOST_PREVIEWS) {
            match self.shown(hash, label).await {
                Ok(jpeg) => previews.pictures.push(jpeg),
                Err(error) => previews
                    .missing
                    .push(format!("Seed {seed} is not shown: {}", hint::in_words(&error))),
            }
        }
        if all.len() > MOST_PREVIEWS {
            let told = format!("Only the first {MOST_PREVIEWS} of {} are attached.", all.len());
            previews.missing.push(told);
        }
        previews
    }

    /// A small copy of a stored picture with a label below it, at most 768 px a side.
    ///
    /// # Errors
    /// [`ServiceError`] when the picture is withheld or cannot be read.
    pub async fn shown(&self, hash: &ImageHash, label: &str) -> Result<Vec<u8>, ServiceError> {
        self.may_be_shown(hash).await?;
        let label = label.to_owned();
        self.with_stored(hash, move |picture| {
            let cell = SheetCell {
                picture: &picture,
                label: &label,
                marked: false,
            };
            Ok(sheet(&[cell])?)
        })
        .await
    }

    /// A small copy of a stored picture as JPEG, at most 768 px a side.
    ///
    /// # Errors
    /// [`ServiceError`] when the picture cannot be read.
    pub async fn preview(&self, hash: &ImageHash) -> Result<Vec<u8>, ServiceError> {
        self.with_stored(hash, |picture| Ok(preview(&picture, PREVIEW_SIDE)?))
            .await
    }

    /// A stored picture's file, its content checked against its name.
    ///
    /// # Errors
    /// [`ServiceError`] when it cannot be read, or is too large to be sent over a connection: then its path is told.
    pub async fn picture_file(&self, hash: &ImageHash) -> Result<(StoredImage, Vec<u8>), ServiceError> {
        let stored = self.store.find_image(hash).await?;
        let path = stored.path.display().to_string();
        let size = match tokio::fs::metadata(&stored.path).await {
            Ok(metadata) => metadata.len(),
            Err(error) => {
                let reason = error.to_string();
                return Err(ServiceError::File { path, reason });
            }
        };
        if size > MAX_SENT {
            return Err(ServiceError::usage(
                format!("the picture has {size} bytes; more than {MAX_SENT} are not sent"),
                format!("Open the file, {path}, or read its preview."),
            ));
        }
        Ok(self.store.read_image(hash, Verify::Hash).await?)
    }

    /// Fails for a picture that the guard refused: whoever refused it, it is not shown.
    ///
    /// # Errors
    /// [`ServiceError::Usage`] with the guard's reason.
    pub async fn may_be_shown(&self, hash: &ImageHash) -> Result<(), ServiceError> {
        match self.store.refusal_of(hash).await? {
            None => Ok(()),
            Some(reason) => Err(ServiceError::usage(
                format!("the picture is withheld: {reason}"),
                "Pictures that the guard has refused are not sent.",
            )),
        }
    }

    /// The reference beside what was judged, labelled with scores.
    ///
    /// # Errors
    /// [`ServiceError`] when a picture cannot be read.
    pub async fn contact_sheet(&self, judgements: &[Judgement]) -> Result<Vec<u8>, ServiceError> {
        let Some(first) = judgements.first() else {
            return Err(ServiceError::Internal("nothing to show".into()));
        };
        let [reference, _] = &first.pictures;
        for path in judgements.iter().flat_map(|judgement| &judgement.pictures) {
            if let Some(hash) = hash_of(path) {
                self.may_be_shown(&hash).await?;
            }
        }
        let mut cells = vec![(reference.clone(), "reference".to_owned())];
        for judgement in judgements.iter().take(MAX_CELLS - 1) {
            let [_, generated] = &judgement.pictures;
            let name = match &judgement.of {
                JudgementOf::Files { .. } => "generated".to_owned(),
                JudgementOf::Run { n, seed, .. } => format!("#{n} seed {seed}"),
            };
            let score = judgement
                .verdict
                .overall_score
                .map(|s| format!(" {s:.2}"))
                .unwrap_or_default();
            cells.push((generated.clone(), format!("{name}{score}")));
        }
        let mut pictures: Vec<(Picture, String)> = Vec::new();
        for (path, label) in cells {
            let limits = Limits::default();
            let size = tokio::fs::metadata(&path).await.map_or(0, |about| about.len());
            let _room = room(size).await;
            let small = blocking(move || {
                let bytes = std::fs::read(&path).map_err(|e| ServiceError::File {
                    path: path.clone(),
                    reason: e.to_string(),
                })?;
                Ok(decode(&bytes, &limits)?.shrunk(PREVIEW_SIDE)?)
            });
            pictures.push((small.await?, label));
        }
        blocking(move || {
            let cells: Vec<SheetCell<'_>> = pictures
                .iter()
                .map(|(picture, label)| SheetCell {
                    picture,
                    label,
                    marked: false,
                })
                .collect();
            Ok(sheet(&cells)?)
        })
        .await
    }
}

/// The hash of a file in the image store, which is its name.
#[must_use]
pub fn hash_of(path: &str) -> Option<ImageHash> {
    Path::new(path).file_stem()?.to_str()?.parse().ok()
}
