//! llama.cpp itself, the only place that names it.
//!
//! The model, its vocabulary and the devices go through `llama-cpp-2`'s safe types. Contexts and
//! the vision encoder stand on its sys crate, because the safe types hide what the design needs:
//! reading and reusing image embeddings (`mtmd_get_output_embd`), decoding them without encoding
//! again, the abort callbacks, a progress callback for the projector. Every `unsafe` of the
//! project is in `raw` beside this file.

mod backends;
mod buffers;
pub mod child;
mod devices;
mod engine;
mod forks;
mod kept;
mod leaks;
mod prefixes;
mod prompt;
mod raw;
mod tokens;
mod vision;

pub use backends::Loader;
pub use buffers::{Listener, buffers};
pub use devices::gpus;
pub use engine::{LlamaEngine, load_model};
pub use prompt::{Piece, Prompter};
pub use raw::{instructions, version};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Tells a running ask to stop. Cheap to clone; checked inside llama.cpp's callbacks, and since whoever
/// looks at it is alive, the looks are counted.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<Watched>);

#[derive(Debug, Default)]
struct Watched {
    stop: AtomicBool,
    looks: AtomicU64,
}

impl StopFlag {
    /// Asks the running work to stop as soon as it can.
    pub fn stop(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }

    /// Makes the flag ready for the next request.
    pub fn clear(&self) {
        self.0.stop.store(false, Ordering::SeqCst);
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.looks.fetch_add(1, Ordering::Relaxed);
        self.0.stop.load(Ordering::SeqCst)
    }

    /// How often the running work has looked so far: a number that moves while the work does.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::Relaxed)
    }
}
