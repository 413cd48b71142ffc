//! What a judge remembers of a reference: its frozen values, its scale, its self-check.
//!
//! The judge knows nothing of the history; whoever calls it hands it a [`Memory`].

use std::collections::HashMap;
use std::sync::Mutex;

use futures::future::BoxFuture;
use serde_json::Value;

use types::hint::Hint;
use types::{ImageHash, JudgeHash, RubricHash};

/// What is remembered, and of which picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Step A's values of a reference. An agent may edit them.
    ReferenceValues(ImageHash),
    /// Ceiling and floor per axis of a reference.
    Scale(ScaleOf),
    /// The self-check of a judge.
    SelfCheck,
    /// What suits a judge best ([`super::calibration::Fit`]); its judge is the hash without the evidence mode.
    Fit,
}

/// Of what a scale is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScaleOf {
    /// A reference as the judge sees it.
    Picture(ImageHash),
    /// A reference whose values were written by hand: the digest of its hash and of the values.
    Edited([u8; 32]),
}

/// Names one remembered thing.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MemoryKey {
    /// What.
    pub kind: Kind,
    /// Who judges.
    pub judge: JudgeHash,
    /// By which rubric.
    pub rubric: RubricHash,
}

/// A remembered value.
#[derive(Clone, Debug, PartialEq)]
pub struct Remembered {
    /// The value.
    pub value: Value,
    /// Whether an agent edited it.
    pub edited: bool,
}

/// The memory could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct MemoryError {
    /// What failed.
    pub message: String,
    /// What to do next.
    pub hint: String,
}

impl Hint for MemoryError {
    fn what_to_do(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

/// Where a judge keeps what it need not compute again.
pub trait Memory: Send + Sync {
    /// What was stored last under this key.
    fn load<'a>(&'a self, key: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>>;

    /// Stores a value; it is on disk when this returns, where there is a disk.
    fn store<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>>;

    /// Stores a value that was written by hand; what was there before is no longer in force.
    fn edit<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>>;
}

/// A memory that lasts as long as the process.
#[derive(Debug, Default)]
pub struct ProcessMemory(Mutex<HashMap<MemoryKey, Remembered>>);

impl ProcessMemory {
    fn put(&self, key: &MemoryKey, remembered: Remembered) {
        let mut map = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        map.insert(key.clone(), remembered);
    }
}

impl Memory for ProcessMemory {
    fn load<'a>(&'a self, key: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        let map = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Box::pin(std::future::ready(Ok(map.get(key).cloned())))
    }

    fn store<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        self.put(key, Remembered { value, edited: false });
        Box::pin(std::future::ready(Ok(())))
    }

    fn edit<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        self.put(key, Remembered { value, edited: true });
        Box::pin(std::future::ready(Ok(())))
    }
}
