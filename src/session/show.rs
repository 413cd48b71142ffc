//! Pictures for a client: previews and contact sheets, as JPEG.

use super::files::blocking;
use super::judging::{Judgement, JudgementOf};
use super::queue::Queued;
use super::{Service, ServiceError};
use crate::history::ImageHash;
use crate::picture::{Limits, MAX_CELLS, PREVIEW_SIDE, Picture, SheetCell, decode, preview, sheet};

impl Service {
    /// A preview of every picture of an iteration's runs, at most 768 px a side.
    ///
    /// # Errors
    /// [`ServiceError`] when a picture cannot be read.
    pub async fn previews(&self, queued: &Queued) -> Result<Vec<Vec<u8>>, ServiceError> {
        let mut previews = Vec::new();
        for (image, _) in queued.runs.iter().flat_map(|run| &run.images) {
            previews.push(self.preview(&image.hash).await?);
        }
        Ok(previews)
    }

    async fn preview(&self, hash: &ImageHash) -> Result<Vec<u8>, ServiceError> {
        let picture = self.stored_picture(hash).await?;
        blocking(move || Ok(preview(&picture, PREVIEW_SIDE)?)).await
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
        blocking(move || {
            let mut pictures: Vec<(Picture, String)> = Vec::new();
            for (path, label) in cells {
                let bytes = std::fs::read(&path).map_err(|e| ServiceError::File {
                    path: path.clone(),
                    reason: e.to_string(),
                })?;
                pictures.push((decode(&bytes, &Limits::default())?, label));
            }
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
