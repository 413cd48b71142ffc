//! The judge's memory, kept in the history.

use futures::future::BoxFuture;
use serde_json::Value;

use history::{HistoryError, ImageHash, JudgeHash, JudgeStateKind, ReferenceKey, RubricHash, Store};
use judge::cache::{Kind, Memory, MemoryError, MemoryKey, Remembered};

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
    OfReference(ReferenceKey),
    OfJudge(JudgeHash, RubricHash, JudgeStateKind),
}

fn place(key: &MemoryKey) -> Result<Place, MemoryError> {
    let bad = |e: history::InvalidId| MemoryError {
        message: e.to_string(),
        hint: e.hint(),
    };
    let (judge, rubric) = (
        JudgeHash::parse(&key.judge).map_err(bad)?,
        RubricHash::parse(&key.rubric).map_err(bad)?,
    );
    Ok(match key.kind {
        Kind::SelfCheck => Place::OfJudge(judge, rubric, JudgeStateKind::SelfCheck),
        Kind::Fit => Place::OfJudge(judge, rubric, JudgeStateKind::Fit),
        Kind::ReferenceValues | Kind::Scale => Place::OfReference(ReferenceKey {
            reference: ImageHash::parse(&key.picture).map_err(bad)?,
            judge,
            rubric,
        }),
    })
}

impl Memory for HistoryMemory {
    fn load<'a>(&'a self, wanted: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        Box::pin(async move {
            let found = match &place(wanted)? {
                Place::OfJudge(judge, rubric, kind) => {
                    let state = self.0.judge_state(judge, rubric, *kind).await;
                    state.map(|found| found.map(|value| Remembered { value, edited: false }))
                }
                Place::OfReference(key) => {
                    let frozen = match wanted.kind {
                        Kind::Scale => self.0.scale(key).await,
                        _ => self.0.reference_values(key).await,
                    };
                    frozen.map(|found| {
                        found.map(|frozen| Remembered {
                            value: frozen.value,
                            edited: frozen.edited,
                        })
                    })
                }
            };
            found.map_err(|e| failed(&e))
        })
    }

    fn store<'a>(&'a self, wanted: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let stored = match &place(wanted)? {
                // A later one takes the place of an earlier one, which stays in the history.
                Place::OfJudge(judge, rubric, kind) => self.0.put_judge_state(judge, rubric, *kind, value).await,
                Place::OfReference(key) => match wanted.kind {
                    Kind::Scale => self.0.put_scale(key, value).await.map(drop),
                    _ => self.0.put_reference_values(key, value).await.map(drop),
                },
            };
            stored.map_err(|e| failed(&e))
        })
    }

    fn edit<'a>(&'a self, wanted: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let stored = match &place(wanted)? {
                Place::OfJudge(judge, rubric, kind) => self.0.put_judge_state(judge, rubric, *kind, value).await,
                Place::OfReference(key) => self.0.edit_reference_values(key, value).await.map(drop),
            };
            stored.map_err(|e| failed(&e))
        })
    }
}
