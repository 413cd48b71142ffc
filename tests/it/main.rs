//! The program's tests in one binary, so that llama.cpp and everything else is linked once: the real binary over pipes and
//! HTTP, the real llama.cpp, what the repository ships. `cargo test --release --test it FOLDER::` runs a part of it.
//!
//! All of it shares a process: a test sets no variable and no folder of the process, and holds no port of a known number.
//! It gives a program that it starts an environment of its own.

#![cfg(test)]

mod bundled_judge;
mod cli;
mod completions;
mod contracts;
mod docs;
mod examples;
mod history_scale;
mod hostile;
mod init;
mod judge_protocol;
mod judge_worker;
mod layers;
mod mcp_binary;
mod models;
mod support;
mod transports;
