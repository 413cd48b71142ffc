//! The judge's memory, kept in the history.

use futures::future::BoxFuture;
use serde_json::Value;

use crate::history::{HistoryError, ImageHash, JudgeHash, ReferenceKey, RubricHash, Store};
use crate::judge::cache::{Kind, Memory, MemoryError, MemoryKey, Remembered};

/// Keeps frozen values and scales in the history's database.
pub struct HistoryMemory(pub Store);

/// Stands for the reference where there is none: the self-check uses the bank's own pictures.
const SELF_CHECK: &[u8] = b"the judge's self-check";

/// Stands for the reference of a fit, which was made on many.
const FIT: &[u8] = b"the judge's fit";

fn failed(error: &HistoryError) -> MemoryError {
    MemoryError {
        message: error.to_string(),
        hint: error.hint(),
    }
}

fn key(key: &MemoryKey) -> Result<ReferenceKey, MemoryError> {
    let bad = |e: crate::history::InvalidId| MemoryError {
        message: e.to_string(),
        hint: e.hint(),
    };
    let reference = match key.kind {
        Kind::SelfCheck => ImageHash::of(SELF_CHECK),
        Kind::Fit => ImageHash::of(FIT),
        Kind::ReferenceValues | Kind::Scale => ImageHash::parse(&key.picture).map_err(bad)?,
    };
    Ok(ReferenceKey {
        reference,
        judge: JudgeHash::parse(&key.judge).map_err(bad)?,
        rubric: RubricHash::parse(&key.rubric).map_err(bad)?,
    })
}

impl Memory for HistoryMemory {
    fn load<'a>(&'a self, wanted: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        Box::pin(async move {
            let key = key(wanted)?;
            let found = match wanted.kind {
                Kind::ReferenceValues | Kind::Fit => self.0.reference_values(&key).await,
                Kind::Scale | Kind::SelfCheck => self.0.scale(&key).await,
            };
            let found = found.map_err(|e| failed(&e))?;
            Ok(found.map(|frozen| Remembered {
                value: frozen.value,
                edited: frozen.edited,
            }))
        })
    }

    fn store<'a>(&'a self, wanted: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let key = key(wanted)?;
            let stored = match wanted.kind {
                Kind::ReferenceValues => self.0.put_reference_values(&key, value).await,
                // A later fit takes the place of an earlier one, which stays in the history.
                Kind::Fit => self.0.edit_reference_values(&key, value).await,
                Kind::Scale | Kind::SelfCheck => self.0.put_scale(&key, value).await,
            };
            stored.map(|_| ()).map_err(|e| failed(&e))
        })
    }

    fn edit<'a>(&'a self, wanted: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        Box::pin(async move {
            let key = key(wanted)?;
            let stored = self.0.edit_reference_values(&key, value).await;
            stored.map(|_| ()).map_err(|e| failed(&e))
        })
    }
}
