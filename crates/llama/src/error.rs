//! Why llama.cpp could not answer.

use std::path::PathBuf;

use judge::engine::PixelKey;
use serde::{Deserialize, Serialize};

/// Why llama.cpp could not answer. Serialisable, because it runs in a child process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum LlamaError {
    /// A model file is missing or unreadable.
    #[error("the judge's {what} {path} cannot be read: {reason}")]
    File {
        /// "model", "projector" or "adapter".
        what: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// llama.cpp refused to load a file.
    #[error("llama.cpp could not load the judge's {what} {path}: {reason}")]
    Load {
        /// "model", "projector" or "adapter".
        what: String,
        /// The file.
        path: PathBuf,
        /// What is known of the reason.
        reason: String,
    },
    /// Nothing beside the program can compute on this machine.
    #[error("no part of llama.cpp for this processor was found in {folder}: {reason}")]
    NoBackend {
        /// Where it was looked for.
        folder: PathBuf,
        /// What is wrong there.
        reason: String,
    },
    /// The model lacks something that judging needs.
    #[error("the judge's model cannot be used: {0}")]
    Unsuitable(String),
    /// The context could not be created, usually for want of memory.
    #[error("a context of {cells} tokens could not be created (out of memory?)")]
    Context {
        /// Tokens asked for.
        cells: u32,
    },
    /// A prompt is larger than the layout it was announced with.
    #[error("{what} takes {tokens} tokens, more than the {limit} planned for it")]
    TooLong {
        /// What is too long.
        what: String,
        /// Its size.
        tokens: u32,
        /// The planned size.
        limit: u32,
    },
    /// The engine needs pixels it no longer holds.
    #[error("pixels of {} picture(s) are needed", .0.len())]
    NeedPixels(Vec<PixelKey>),
    /// The vision encoder failed.
    #[error("the picture could not be encoded (code {0})")]
    Encode(i32),
    /// Decoding failed.
    #[error("llama.cpp could not decode (code {0})")]
    Decode(i32),
    /// The model produced numbers that are not finite: corrupt weights or a wrong projector.
    #[error("the judge's model produced values that are not numbers (in the {0})")]
    NotFinite(String),
    /// What the model computes depends on what it has seen before.
    #[error(
        "the judge's model cannot be used: an answer to the same question comes out otherwise when another picture was in memory before (its logits differ by {difference:.3} of {range:.1}), so scores would depend on what was judged before"
    )]
    Leaks {
        /// The largest difference of a logit to a run on its own.
        difference: f32,
        /// From the smallest to the largest logit of that run.
        range: f32,
    },
    /// The caller cancelled.
    #[error("the judgement was cancelled")]
    Cancelled,
    /// Two ends of the worker disagree, which is a defect.
    #[error("the judge process was asked for something it cannot do: {0}")]
    Protocol(String),
}

impl LlamaError {
    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::File { .. } => {
                "Check the path given with --model / --mmproj; `prompt-calibrator doctor` shows what is configured.".into()
            }
            Self::Load { what, .. } if what == "projector" => {
                "Use the mmproj file that belongs to this model (same repository, same size) and check that its download is complete.".into()
            }
            Self::Load { what, .. } if what == "adapter" => {
                "Use a LoRA adapter in GGUF form that was made for this very model, or leave --adapter out.".into()
            }
            Self::Load { .. } => {
                "Check that the file is a complete Qwen3-VL GGUF (compare its size with the hub's); a truncated download is the usual cause.".into()
            }
            Self::NoBackend { .. } => {
                "Unpack the whole archive again: the program needs the folders `backends` and `lib` beside it. A link to the program may lie elsewhere, a copy may not.".into()
            }
            Self::Unsuitable(_) => "Choose a Qwen3-VL GGUF and its mmproj (Gemma 3 loads too, unmeasured).".into(),
            Self::Context { .. } => {
                "Free memory (close other programs, or let ComfyUI unload its models), choose a smaller model or fewer --image-tokens.".into()
            }
            Self::TooLong { .. } => "Shorten the rubric's definitions or use fewer axes.".into(),
            Self::NotFinite(_) => {
                "The model file is damaged or the projector belongs to another model: verify both files.".into()
            }
            Self::Leaks { .. } => {
                "Nothing was judged. Choose another model (`prompt-calibrator models list` shows some); llama.cpp does not share this one's memory between questions as it should.".into()
            }
            Self::Cancelled => "Nothing was recorded; ask again when wanted.".into(),
            Self::NeedPixels(_) | Self::Encode(_) | Self::Decode(_) | Self::Protocol(_) => {
                "Ask again; if it happens twice, run `prompt-calibrator doctor` and report the message.".into()
            }
        }
    }
}

types::hints!(LlamaError);
