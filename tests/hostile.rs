//! The real binary against clients that mean no good, or are broken: malformed and enormous messages, floods, clients that
//! do not read, connections that are dropped in every phase. Whatever comes, the program answers what it can, serves the
//! others and does not grow.
//!
//! Memory, descriptors and threads are read from /proc, so this is for Linux.

#![cfg(test)]
#![cfg(target_os = "linux")]

mod support;

#[path = "mcp_binary/bench.rs"]
#[allow(dead_code)] // Made for tests/mcp_binary.
mod bench;
#[path = "hostile/connections.rs"]
mod connections;
#[path = "hostile/dropped.rs"]
mod dropped;
#[path = "hostile/files.rs"]
mod files;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/judging.rs"]
mod judging;
#[path = "hostile/memory.rs"]
mod memory;
#[path = "hostile/messages.rs"]
mod messages;
#[path = "hostile/methods.rs"]
mod methods;
#[path = "hostile/prey.rs"]
mod prey;
#[path = "hostile/sessions.rs"]
mod sessions;
#[path = "mcp_binary/shape.rs"]
mod shape;
#[path = "hostile/soak.rs"]
mod soak;
#[path = "mcp_binary/studio.rs"]
#[allow(dead_code)]
mod studio;
#[path = "mcp_binary/warm.rs"]
mod warm;
