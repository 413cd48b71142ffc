//! The judge's engine on llama.cpp.
//!
//! [`Llama`] is what the judge sees. It runs llama.cpp in a child process of the same binary ([`worker`]), because an abort in
//! C++ must not end the server and because ending a process is what surely gives a GPU's memory back. [`memory`] plans what a
//! judge takes and where its parts go, from the heads of its files. llama.cpp itself is in `cpp`, which only the child process
//! runs; a build without the feature `cpp` has none and needs no C++ compiler.

pub mod cells;
#[cfg(feature = "cpp")]
pub mod cpp;
pub mod error;
mod fingerprint;
mod llama;
pub mod machine;
pub mod memory;
pub mod spec;
pub mod worker;

pub use llama::Llama;
