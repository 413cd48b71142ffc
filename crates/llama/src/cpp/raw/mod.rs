//! The project's only `unsafe` code: thin owners over llama.cpp's C types.
//!
//! Each type frees what it owns in `Drop`; lifetimes tie a context to its model. Nothing here
//! knows about judging.

mod adapter;
mod backend;
mod chunk;
mod context;
mod vision;

use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

pub use adapter::LoadedAdapter;
pub use backend::{BackendFolder, load_backend};
pub use chunk::{Chunk, ChunkKind, ChunkRef, Chunks};
pub use context::{Context, ContextSize, Entry};
pub use vision::Vision;

/// llama.cpp's version string.
#[must_use]
pub fn version() -> String {
    // SAFETY: llama_version returns a pointer to a static NUL-terminated string.
    unsafe { CStr::from_ptr(sys::llama_version()) }
        .to_string_lossy()
        .into_owned()
}

/// The instruction sets that the CPU backend uses, such as `AVX2 FMA AVX512 AMX_INT8`: sums come out
/// otherwise with others.
#[must_use]
pub fn instructions() -> String {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: returns a pointer to a NUL-terminated string in static storage, valid until the next call; it is copied at once,
    // and the lock keeps the next call out until then: this is the only place that calls it.
    let all = unsafe { CStr::from_ptr(sys::llama_print_system_info()) }.to_string_lossy();
    let cpu = all.rsplit("CPU :").next().unwrap_or_default();
    let used = cpu.split('|').filter_map(|part| part.trim().strip_suffix("= 1"));
    used.map(str::trim).collect::<Vec<_>>().join(" ")
}

fn model_ptr(model: &LlamaModel) -> *mut sys::llama_model {
    const _: () = assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>());
    // SAFETY: LlamaModel is `repr(transparent)` over a `repr(transparent)` non-null pointer to
    // llama_model, so reading it as that pointer is its documented layout; the assertion above
    // fails the build should that change. The pointer is valid while `model` is borrowed.
    unsafe { *std::ptr::from_ref(model).cast::<*mut sys::llama_model>() }
}

/// Whether the model keeps a state for each sequence, in all of its layers or in some: of such a state llama.cpp cannot copy
/// or remove a part.
pub fn keeps_states(model: &LlamaModel) -> bool {
    // SAFETY: the pointer comes from a live model, which is only read.
    unsafe { sys::llama_model_is_recurrent(model_ptr(model)) || sys::llama_model_is_hybrid(model_ptr(model)) }
}

/// Floats per token that the text model expects of an image embedding.
pub fn embedding_width(model: &LlamaModel) -> usize {
    // SAFETY: the pointer comes from a live model.
    let width = unsafe { sys::llama_model_n_embd_inp(model_ptr(model)) };
    usize::try_from(width).unwrap_or(0)
}
