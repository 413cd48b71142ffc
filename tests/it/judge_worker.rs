//! The judge process with the real llama.cpp on the bundled random-weight files.

mod answers;
mod ends;
mod kept;
mod others;
mod prefixes;
mod setting;
mod survives;
mod threads;
