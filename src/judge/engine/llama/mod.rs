//! llama.cpp, the only place that names it.
//!
//! The model, its vocabulary and the devices go through `llama-cpp-2`'s safe types. Contexts and
//! the vision encoder stand on its sys crate, because the safe types hide what the design needs:
//! reading and reusing image embeddings (`mtmd_get_output_embd`), decoding them without encoding
//! again, the abort callbacks, a progress callback for the projector. Every `unsafe` of the
//! project is in `raw.rs` beside this file.

mod engine;
mod forks;
mod prompt;
mod raw;
mod tokens;
mod vision;

pub use engine::{LlamaEngine, load_model};
pub use prompt::{Piece, Prompter};
pub use raw::version;
pub use vision::Pixels;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Tells a running ask to stop. Cheap to clone; checked inside llama.cpp's callbacks.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicBool>);

impl StopFlag {
    /// Asks the running work to stop as soon as it can.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Makes the flag ready for the next request.
    pub fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
