//! Why the judge process gave no answer.

use std::time::Duration;

use judge::engine::{EngineError, EngineFailure};

use crate::error::LlamaError;

/// What most likely ended a judge process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It asked for more memory than there is.
    OutOfMemory,
    /// Somebody ended it: the system, when memory is short, or a person.
    Killed,
    /// It crashed: damaged files, an input that llama.cpp cannot take, a fault in a driver.
    Crashed,
}

/// Why the judge process gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorkerError {
    /// The engine said so; the process lives on.
    #[error(transparent)]
    Engine(#[from] LlamaError),
    /// There is no llama.cpp in this program.
    #[error("this program was built without llama.cpp, so it has no judge of its own; nothing was judged")]
    NotBuilt,
    /// The process could not be started.
    #[error("the judge process could not be started: {0}")]
    Spawn(String),
    /// The process ended while it worked. A fresh one is started for the next call.
    #[error("{} ({status}); nothing was recorded, and a fresh one starts with the next call{}", died(*.cause), last_words(.log))]
    Died {
        /// How it ended.
        status: String,
        /// What most likely ended it.
        cause: Cause,
        /// The last lines it logged.
        log: String,
    },
    /// The process showed no sign of life and was ended. A fresh one is started for the next call.
    #[error("the judge process did nothing for {} s and was ended; nothing was recorded, and a fresh one starts with the next call{}", .silent.as_secs(), last_words(.log))]
    Hung {
        /// How long it was silent.
        silent: Duration,
        /// The last lines it logged.
        log: String,
    },
    /// Its answer is not one that can be true: the process was ended, nothing of it is used.
    #[error(
        "the judge process gave an answer that cannot be true ({0}); it was ended, nothing was recorded, and a fresh one starts with the next call"
    )]
    Lied(String),
    /// The same question ended the process before, as often as is tried.
    #[error(
        "these pictures with this rubric ended the judge process {times} times (at last: {last}), so they are not tried again; nothing was started"
    )]
    Refused {
        /// How often.
        times: u32,
        /// What happened the last time.
        last: String,
    },
    /// The process ended between two questions of a judgement, and the next one lies elsewhere: it is another judge.
    #[error(
        "the judge process ended in the middle of a judgement, and the new one computes on {now} instead of {before}; nothing was recorded"
    )]
    Moved {
        /// Where the first part was computed.
        before: String,
        /// Where the rest would be.
        now: String,
    },
    /// The model's files cannot be read.
    #[error("the judge's model files cannot be read: {0}")]
    Files(String),
    /// The worker was shut down.
    #[error("the judge is shutting down")]
    Closed,
}

fn died(cause: Cause) -> &'static str {
    match cause {
        Cause::OutOfMemory => "the judge process ran out of memory",
        Cause::Killed => "the judge process was killed from outside, perhaps by the system for want of memory",
        Cause::Crashed => "the judge process crashed",
    }
}

fn last_words(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!(". Its last words: {log}")
    }
}

/// What llama.cpp, CUDA and Vulkan say when memory is short, in lower case.
const MEMORY_WORDS: [&str; 7] = [
    "out of memory",
    "out of device memory",
    "outofdevicememory",
    "failed to allocate",
    "unable to allocate",
    "bad_alloc",
    "not enough memory",
];

/// Whether a log speaks of too little memory.
pub(super) fn speaks_of_memory(log: &str) -> bool {
    let log = log.to_lowercase();
    MEMORY_WORDS.iter().any(|words| log.contains(words))
}

impl WorkerError {
    /// Whether there was not enough memory.
    #[must_use]
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Died { cause, .. } => *cause == Cause::OutOfMemory,
            Self::Engine(LlamaError::Context { .. }) => true,
            Self::Engine(LlamaError::Load { reason, .. }) => speaks_of_memory(reason),
            _ => false,
        }
    }

    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Engine(error) => error.hint(),
            Self::NotBuilt => "Install a build with llama.cpp (the README says how), or build it with the default features.".into(),
            Self::Spawn(_) => "Check that the prompt-calibrator binary is still in its place and executable.".into(),
            Self::Died {
                cause: Cause::OutOfMemory | Cause::Killed,
                ..
            } => "Free memory (let ComfyUI unload its models, close other programs), or choose a smaller model or fewer --image-tokens; then call again.".into(),
            Self::Died { .. } => {
                "Call again. If it crashes again, the model file or its projector is probably damaged: run `prompt-calibrator doctor`.".into()
            }
            Self::Hung { .. } => {
                "Call again. If it hangs again, look at the disk and the GPU's driver, and run `prompt-calibrator doctor`.".into()
            }
            Self::Lied(_) => "Call again. If it happens again, verify the model files with `prompt-calibrator doctor`.".into(),
            Self::Refused { .. } => {
                "Judge another picture, or save this one anew (as PNG, at another size). With other pictures the judge goes on working; starting the server anew allows another try.".into()
            }
            Self::Moved { .. } => "Call again: then all of it is asked of the new one. Its scores are not compared with those from before.".into(),
            Self::Files(_) => "Check --model and --mmproj; `prompt-calibrator doctor` shows what is configured.".into(),
            Self::Closed => "Start the server again.".into(),
        }
    }

    /// Whether the caller's cancellation is the reason.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(LlamaError::Cancelled))
    }

    /// Whether the question itself may be what ended the process.
    pub(super) fn blames_the_question(&self) -> bool {
        matches!(
            self,
            Self::Hung { .. }
                | Self::Died {
                    cause: Cause::Crashed,
                    ..
                }
        )
    }
}

types::hints!(WorkerError);

impl From<WorkerError> for EngineError {
    fn from(error: WorkerError) -> Self {
        if error.is_cancelled() {
            return Self::Cancelled;
        }
        let out_of_memory = error.is_out_of_memory();
        let hint = error.hint();
        Self::Failed(EngineFailure::new(error, hint, out_of_memory))
    }
}
