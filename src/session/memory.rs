//! The judge's memory, kept in the history.

use futures::future::BoxFuture;
use serde_json::Value;

use history::{HistoryError, JudgeStateKind, ReferenceKey, Store};
use judge::cache::{Kind, Memory, MemoryError, MemoryKey, Remembered, ScaleOf};

/// Keeps frozen values and scales in the history's database.
pub struct HistoryMemory(pub Store);

fn failed(error: &HistoryError) -> MemoryError {
    MemoryError {
        message: error.to_string(),
        hint: error.hint(),
    }
}

/// Where a remembered thing lies in the history.
enum Place {
    Values(ReferenceKey),
    Scale(ReferenceKey),
    OfJudge(JudgeStateKind),
}

impl Place {
    fn of(key: &MemoryKey) -> Self {
        let of_reference = |reference| ReferenceKey {
            reference,
            judge: key.judge.clone(),
            rubric: key.rubric.clone(),
        };
        match key.kind {
            Kind::SelfCheck => Self::OfJudge(JudgeStateKind::SelfCheck),
            Kind::Fit => Self::OfJudge(JudgeStateKind::Fit),
            Kind::ReferenceValues(picture) => Self::Values(of_reference(picture)),
            Kind::Scale(ScaleOf::Picture(picture)) => Self::Scale(of_reference(picture)),
            Kind::Scale(ScaleOf::Edited(digest)) => Self::Scale(of_reference(digest.into())),
        }
    }
}

impl Memory for HistoryMemory {
    fn load<'a>(&'a self, key: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        Box::pin(async move {
            let frozen = match Place::of(key) {
                Place::OfJudge(kind) => {
                    let state = self.0.judge_state(&key.judge, &key.rubric, kind).await;
                    return state
                        .map(|found| found.map(|value| Remembered { value, edited: false }))
                        .map_err(|e| failed(&e));
                }
                Place::Scale(key) => self.0.scale(&key).await,
                Place::Values(key) => self.0.reference_values(&key).await,
            };
            let found = frozen.map_err(|e| failed(&e))?;
            Ok(found.map(|frozen| Remembered {
                value: frozen.value,
                edited: frozen.edited,
            }))
        })
    }

    fn store<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let stored = match Place::of(key) {
                // A later one takes the place of an earlier one, which stays in the history.
                Place::OfJudge(kind) => self.0.put_judge_state(&key.judge, &key.rubric, kind, value).await,
                Place::Scale(key) => self.0.put_scale(&key, value).await.map(drop),
                Place::Values(key) => self.0.put_reference_values(&key, value).await.map(drop),
            };
            stored.map_err(|e| failed(&e))
        })
    }

    fn edit<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let stored = match Place::of(key) {
                Place::OfJudge(kind) => self.0.put_judge_state(&key.judge, &key.rubric, kind, value).await,
                Place::Scale(key) | Place::Values(key) => self.0.edit_reference_values(&key, value).await.map(drop),
            };
            stored.map_err(|e| failed(&e))
        })
    }
}
