//! Which model to load, and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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
