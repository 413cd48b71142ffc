//! What the judge asks of a vision-language model, and how it answers.
//!
//! An [`Engine`] runs the model. It has one operation: [`Ask`] names a shared prefix (a system prompt and pictures) and many
//! short [`Branch`]es that continue it; the engine answers them all. Probabilities are *read* from the logits, never sampled.

mod failure;

use std::sync::Arc;

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use types::progress::Teller;

pub use failure::{EngineError, EngineFailure};

/// A model behind the judge: llama.cpp in a process of its own, or a server.
///
/// The judge sees nothing else of it. Methods that wait stop when their token is cancelled.
pub trait Engine: Send + Sync {
    /// What it can do; known before anything is loaded.
    fn capabilities(&self) -> Capabilities;

    /// Most tokens that a picture takes.
    fn image_tokens(&self) -> u32;

    /// Makes the model ready if it is not, tells how far that is, and says what it is.
    fn load<'a>(
        &'a self,
        teller: &'a Teller,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<EngineInfo, EngineError>>;

    /// Who answers. Makes the model ready if it is not, because only then it is known.
    fn identity<'a>(&'a self, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<EngineIdentity, EngineError>>;

    /// Answers questions; makes the model ready if it is not. `pictures` are those that the ask names.
    fn ask<'a>(
        &'a self,
        ask: Ask,
        pictures: Vec<KeyedPixels>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Answers, EngineError>>;

    /// What it takes of this machine's GPU, for an engine that runs here.
    fn residency(&self) -> Option<&dyn GpuResident>;
}

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Which probabilities of the next token it gives.
    pub probabilities: Probabilities,
    /// Most pictures in one prompt.
    pub images: u32,
    /// Whether it can hold an answer to a grammar ([`Want::Constrained`]).
    pub constrained_text: bool,
}

/// The probabilities of the next token that an engine gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probabilities {
    /// Those of every token.
    All,
    /// Those of so many likeliest tokens.
    Likeliest(u32),
}

/// Who answers, as far as the engine knows: what a score depends on beside the question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineIdentity {
    /// Fingerprint of the model.
    pub model: String,
    /// Fingerprint of its projector; empty where the model is one thing.
    pub mmproj: String,
    /// Fingerprints of the adapters, with their weights.
    pub adapters: Vec<String>,
    /// The program that computes, with its version.
    pub engine: String,
    /// The device and, of a processor, its instruction sets in use.
    pub backend: String,
}

/// An engine that takes memory of a GPU of this machine, and can give it back.
pub trait GpuResident: Send + Sync {
    /// Whether it can lie on a GPU at all: by this build, and by its settings.
    fn may_use_gpu(&self) -> bool;

    /// Whether it holds its memory now, or is taking it.
    fn is_loaded(&self) -> bool;

    /// Bytes that it needs free where it runs, with what is left free as a margin.
    ///
    /// # Errors
    /// When its files cannot be read.
    fn memory_needed(&self) -> Result<u64, EngineError>;

    /// The GPUs of this machine and their free memory, as the driver says now.
    fn gpus<'a>(&'a self, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<Vec<GpuMemory>, EngineError>>;

    /// Gives all its memory back. The next question takes it again.
    fn unload(&self) -> BoxFuture<'_, ()>;
}

/// A GPU of this machine, as its driver describes it now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuMemory {
    /// The engine's name for it, such as `CUDA0`.
    pub name: String,
    /// What it is, such as `NVIDIA GeForce RTX 4090`.
    pub description: String,
    /// Free memory in bytes.
    pub free: u64,
    /// All memory in bytes.
    pub total: u64,
}

/// Pixels of a fitted picture: RGB8, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Three bytes a pixel, row by row.
    pub rgb: Vec<u8>,
}

/// A picture fitted for the model, named by its pixels.
#[derive(Clone, Debug)]
pub struct KeyedPixels {
    /// The name.
    pub key: PixelKey,
    /// The pixels.
    pub pixels: Arc<Pixels>,
}

/// Sha-256 (hex) of a fitted picture's width, height and RGB bytes.
///
/// It names the pixels the model sees, not the file they came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PixelKey(pub String);

/// What a branch wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// The probabilities of the ten digit tokens as the next token.
    Digits,
    /// The probabilities of yes and no as the next token.
    YesNo,
    /// Greedily decoded text of at most this many tokens, up to the end of the first line.
    Text {
        /// Upper bound, in tokens.
        max_tokens: u32,
    },
    /// Greedily decoded text of at most this many tokens that a grammar allows, to the end of what it
    /// allows.
    Constrained {
        /// GBNF, its first rule `root`.
        grammar: String,
        /// Upper bound, in tokens.
        max_tokens: u32,
    },
}

/// One question put behind the shared prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// What stands before the question, empty for nothing. Branches of an ask with the same lead share
    /// its tokens: it is fed once, and tokenised apart from what follows.
    pub lead: String,
    /// The question, without any chat markup. It is tokenised as plain text, so nothing in it
    /// can pass for a control token.
    pub text: String,
    /// What is wanted.
    pub want: Want,
}

/// The shape of the work, from which the context is sized once per rubric and model.
///
/// Two asks of the same layout see the same context, so equal inputs give equal bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Upper bound of the system prompt with the pictures' labels, in tokens.
    pub system_tokens: u32,
    /// Upper bound of one picture, in tokens.
    pub image_tokens: u32,
    /// Most pictures in a prompt beside the base picture.
    pub more_images: u32,
    /// Most branches in one ask (at most [`MAX_BRANCHES`]).
    pub branches: u32,
    /// Upper bound of all branches of one ask together, leads and answers included, in tokens.
    pub branch_tokens: u32,
}

/// Most branches of an ask that an engine must be able to answer.
pub const MAX_BRANCHES: u32 = 253;

/// A request to an engine.
///
/// The engine renders it as a system turn and one user turn, `Image 1: <picture>`,
/// `Image 2: <picture>`, …, which every branch continues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The system prompt: task, axes and scale.
    pub system: String,
    /// The picture whose prefix (`[system, base]`) stays in memory between asks. Everything else
    /// is laid out behind it, so that the layout does not depend on what ran before.
    pub base: PixelKey,
    /// The pictures of the prompt, in order, under neutral labels.
    pub images: Vec<PixelKey>,
    /// Pictures that will be asked about again, also after a restart: their embeddings are kept on disk.
    pub lasting: Vec<PixelKey>,
    /// The questions.
    pub branches: Vec<Branch>,
    /// The shape of the work.
    pub layout: Layout,
}

/// The answer to one branch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// Natural-log probabilities of the tokens `0` … `9`, over the whole vocabulary.
    Digits {
        /// Indexed by digit.
        log_probs: [f64; 10],
    },
    /// Probabilities in `[0, 1]` over the whole vocabulary, summed over spellings (yes, Yes, …).
    YesNo {
        /// Probability of yes.
        yes: f64,
        /// Probability of no.
        no: f64,
    },
    /// Decoded text, trimmed.
    Text {
        /// The text; empty when the model ended at once.
        text: String,
        /// Whether the model ended by itself within the limit.
        ended: bool,
    },
}

/// Where an ask's time went, and how much of it was reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds in the vision encoder.
    pub encode_s: f64,
    /// Seconds decoding prefixes.
    pub prefill_s: f64,
    /// Seconds decoding branches up to their first answer token.
    pub branch_s: f64,
    /// Seconds decoding text answers.
    pub decode_s: f64,
    /// Pictures encoded in this ask.
    pub images_encoded: u32,
    /// Pictures whose embedding was read from disk.
    pub images_kept: u32,
    /// Prefix tokens decoded in this ask.
    pub prefill_tokens: u32,
    /// Prefix tokens taken from memory.
    pub reused_tokens: u32,
    /// Branch tokens decoded, answers included.
    pub branch_tokens: u32,
}

impl Cost {
    /// Adds another ask's cost.
    pub fn add(&mut self, other: &Cost) {
        self.encode_s += other.encode_s;
        self.prefill_s += other.prefill_s;
        self.branch_s += other.branch_s;
        self.decode_s += other.decode_s;
        self.images_encoded += other.images_encoded;
        self.images_kept += other.images_kept;
        self.prefill_tokens += other.prefill_tokens;
        self.reused_tokens += other.reused_tokens;
        self.branch_tokens += other.branch_tokens;
    }
}

/// The answers to an [`Ask`], in the order of its branches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// One per branch.
    pub answers: Vec<Answer>,
    /// What it cost.
    pub cost: Cost,
}

/// What is known of a loaded model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineInfo {
    /// `general.architecture`, such as `qwen3vl` or `qwen3vlmoe`.
    pub architecture: String,
    /// `general.name`, when the file has one.
    pub name: Option<String>,
    /// Parameters of the language model.
    pub parameters: u64,
    /// Bytes of the language model's tensors.
    pub bytes: u64,
    /// The device that runs it, such as `CPU` or `CUDA0`.
    pub backend: String,
    /// The processor's instruction sets that are in use, where the processor runs it.
    pub instructions: String,
    /// llama.cpp's version.
    pub engine: String,
    /// False when the file says that its weights are random: its scores mean nothing.
    pub trained: bool,
    /// What the model has seen, when the file says that this is little: on anything else its scores
    /// mean nothing.
    pub domain: Option<String>,
    /// Whether the model's template opens a thinking block, which is then closed empty.
    pub closes_thinking: bool,
    /// Whether this architecture is one the protocol was made for (Qwen3-VL).
    pub known_architecture: bool,
}

impl EngineInfo {
    /// The device and, of a processor, its instruction sets in use: what sums depend on.
    #[must_use]
    pub fn computes_on(&self) -> String {
        format!("{} {}", self.backend, self.instructions).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests;
