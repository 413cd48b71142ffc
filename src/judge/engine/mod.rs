//! What the judge asks of a vision-language model, and how it answers.
//!
//! One operation: [`Ask`] names a shared prefix (a system prompt and pictures) and many short
//! [`Branch`]es that continue it; the engine answers them all from one prefill. Probabilities
//! are *read* from the logits, never sampled.

pub mod llama;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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

/// Tokens that are computed at once.
pub const MICRO_BATCH: u32 = 512;

impl Layout {
    /// Key-value cells of the context: the system prompt and the base picture, the other pictures, the branches.
    #[must_use]
    pub fn cells(&self) -> u32 {
        // The base's own label and each picture's markers are not in the plan of the text.
        const MARKUP: u32 = 64;
        let cells = self
            .system_tokens
            .saturating_add(MARKUP)
            .saturating_add(self.image_tokens.saturating_mul(self.more_images + 1))
            .saturating_add(self.branch_tokens);
        cells.checked_next_multiple_of(256).unwrap_or(cells)
    }

    /// Branches that are asked at once, in a model that keeps a state for each sequence (`states`) or in one that does not.
    #[must_use]
    pub fn at_once(&self, states: bool) -> u32 {
        if states {
            self.branches.min(STATES_AT_ONCE)
        } else {
            self.branches
        }
    }

    /// Sequences of the context: one for each branch that is asked at once, and the prefixes.
    #[must_use]
    pub fn sequences(&self, states: bool) -> u32 {
        self.at_once(states).saturating_add(PREFIXES)
    }
}

/// Prefixes that have a sequence of their own: the system prompt, that with the base picture, and the present one.
pub const PREFIXES: u32 = 3;

/// llama.cpp holds at most 256 sequences.
pub const MAX_BRANCHES: u32 = 256 - PREFIXES;

/// Branches at once in a model that keeps a state for each sequence: one takes 50 to 150 MiB, whether it is used or not. So
/// many questions for a digit about fill a micro batch.
pub const STATES_AT_ONCE: u32 = 16;

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

/// Which model to load and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelSpec {
    /// The language model, a GGUF file.
    pub model: PathBuf,
    /// Its vision projector, a GGUF file.
    pub mmproj: PathBuf,
    /// Most tokens a picture may take.
    pub image_tokens: u32,
    /// Threads; `None` lets the engine take the machine's cores.
    pub threads: Option<u32>,
    /// Layers to place on the GPU; `None` places all of them when there is a GPU backend.
    pub gpu_layers: Option<u32>,
    /// LoRA adapters, all in force at once.
    pub adapters: Vec<Adapter>,
    /// Where embeddings of lasting pictures are kept; `None` keeps none.
    pub keep: Option<KeepSpec>,
}

/// A LoRA adapter of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adapter {
    /// A GGUF file.
    pub path: PathBuf,
    /// Its weight: 1 is as it was trained.
    pub scale: f32,
}

/// A folder for embeddings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepSpec {
    /// The folder; it is made when it is needed.
    pub folder: PathBuf,
    /// Most bytes it may hold; what was not used for longest leaves first.
    pub limit: u64,
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

/// What a buffer of llama.cpp's holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BufferKind {
    /// Weights of the language model.
    Model,
    /// Keys and values.
    Context,
    /// What is computed in.
    Compute,
    /// Results in main memory.
    Output,
    /// Weights of the projector.
    Projector,
    /// Weights of an adapter.
    Adapter,
}

/// A buffer that llama.cpp says it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buffer {
    /// Where, in llama.cpp's words: `CUDA0`, `CPU`, `CPU_Mapped` …; empty where it does not say.
    pub place: String,
    /// What it holds.
    pub kind: BufferKind,
    /// Its size.
    pub bytes: u64,
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

/// Why an engine could not answer. Serialisable, because the engine runs in a child process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
pub enum EngineError {
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

impl EngineError {
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

types::hints!(EngineError);
