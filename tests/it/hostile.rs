//! The real binary against clients that mean no good, or are broken: malformed and enormous messages, floods, clients that
//! do not read, connections that are dropped in every phase. Whatever comes, the program answers what it can, serves the
//! others and does not grow.
//!
//! Memory, descriptors and threads are read from /proc, so this is for Linux.

#![cfg(target_os = "linux")]

mod connections;
mod dropped;
mod files;
mod floods;
mod judging;
mod memory;
mod messages;
mod methods;
mod prey;
mod sessions;
mod soak;
