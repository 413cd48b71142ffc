//! What the judge process finds on this machine, and what it takes of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Why a GPU's backend is not used, where its driver is there and no card.
pub(crate) const NO_GPU: &str = "it found no GPU";

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

/// Which parts of llama.cpp the judge process has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backends {
    /// Whether they are files beside the program; else they are compiled in.
    pub dynamic: bool,
    /// What they can compute on, such as `CPU` or `Vulkan0 (NVIDIA GeForce RTX 4090)`.
    pub devices: Vec<String>,
    /// GPU files that are there and not used.
    pub unused: Vec<Unused>,
}

/// A backend's file that is there and not used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unused {
    /// The file.
    pub file: PathBuf,
    /// Why: what the system or llama.cpp said.
    pub reason: String,
}

impl Unused {
    /// Whether something is wrong here. A program for many machines carries files for drivers that most of them lack,
    /// which is nothing to complain of; nor is a driver without a card.
    #[must_use]
    pub fn is_a_fault(&self) -> bool {
        const USUAL: [&str; 4] = ["libcuda.so", "libamdhip64.so", "libvulkan.so", "no CUDA-capable device"];
        self.reason != NO_GPU && !USUAL.iter().any(|usual| self.reason.contains(usual))
    }
}
