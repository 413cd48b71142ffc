//! Why an engine gave no answer.

use std::error::Error;
use std::sync::Arc;

/// Why an engine gave no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// The caller cancelled.
    #[error("the judgement was cancelled")]
    Cancelled,
    /// Question and answer do not fit each other, which is a defect.
    #[error("the judge's engine was asked for something it cannot do: {0}")]
    Protocol(String),
    /// The engine failed, in its own words.
    #[error(transparent)]
    Failed(EngineFailure),
}

impl EngineError {
    /// That an answer is of another kind than its question.
    #[must_use]
    pub fn wrong_kind() -> Self {
        Self::Protocol("an answer is of another kind than its question".into())
    }

    /// The engine's own error, where it is one of this type.
    #[must_use]
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Failed(failure) => failure.error.downcast_ref(),
            Self::Cancelled | Self::Protocol(_) => None,
        }
    }

    /// Whether there was not enough memory.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.out_of_memory)
    }
}

impl EngineError {
    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Cancelled => "Nothing was recorded; ask again when wanted.".into(),
            Self::Protocol(_) => {
                "Ask again; if it happens twice, run `prompt-calibrator doctor` and report the message.".into()
            }
            Self::Failed(failure) => failure.hint.clone(),
        }
    }
}

types::hints!(EngineError);

/// An engine's own error. It says what happened and what to do; the judge adds nothing.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{error}")]
pub struct EngineFailure {
    error: Arc<dyn Error + Send + Sync>,
    hint: String,
    out_of_memory: bool,
}

impl EngineFailure {
    /// Wraps an engine's error; `out_of_memory` where more free memory would have helped.
    pub fn new(error: impl Error + Send + Sync + 'static, hint: String, out_of_memory: bool) -> Self {
        Self {
            error: Arc::new(error),
            hint,
            out_of_memory,
        }
    }
}
