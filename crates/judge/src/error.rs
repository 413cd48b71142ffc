//! Why a judgement could not be made.

use super::cache::MemoryError;
use super::engine::EngineError;
use super::stored::Unreadable;
use imaging::PictureError;
use safety::Refusal;

/// Nothing was scored and nothing was recorded as a score.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The engine or its model.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The adults-only guard.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The memory of frozen values.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// What is kept of a judge cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The engine cannot do what a judgement takes.
    #[error("the judge's engine cannot judge: {0}")]
    Incapable(String),
    /// Too many judgements wait already.
    #[error("the judge is busy: {waiting} judgements wait already; this one was not begun")]
    Busy {
        /// How many.
        waiting: usize,
    },
}

impl JudgeError {
    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Picture(error) => error.hint(),
            Self::Refused(refusal) => refusal.hint(),
            Self::Memory(error) => error.hint.clone(),
            Self::Unreadable(error) => error.hint(),
            Self::Incapable(_) => "Nothing was judged. Use another engine, such as llama.cpp.".into(),
            Self::Busy { .. } => "What was rendered is kept. Wait until running judgements are done, then call again with the same session and iteration, or the same pictures.".into(),
        }
    }

    /// Whether there was not enough memory for the judge.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_out_of_memory())
    }

    /// Whether the caller's cancellation is the reason.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(EngineError::Cancelled))
    }
}

types::hints!(JudgeError);
