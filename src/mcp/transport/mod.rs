//! How messages reach the server: standard input and output, streamable HTTP, and the older HTTP+SSE.
//!
//! Every transport takes any [`rmcp::ServerHandler`] and puts a [`Guarded`](super::panic_guard::Guarded) around it, so that
//! a request is answered also when its handler panics. Ending is the same everywhere: no new requests are taken, those
//! in flight have a limited time to be answered, then they are cancelled.

pub mod connections;
mod drain;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod guard;
pub mod http;
pub mod legacy_sse;
mod places;
pub mod sessions;
pub mod stdio;
mod wire;

use std::time::Duration;

/// How long requests in flight may still run after the input ended or a shutdown was asked for.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Largest body of one HTTP request, in bytes (4 MiB). Larger ones are refused with status 413.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Messages up to this size, in bytes, are read without asking for room. Only calls of tools may be larger.
const SMALL_MESSAGE: usize = 64 * 1024;

/// Largest line on standard input, in bytes: what a body may have. Longer ones are refused and the session goes on.
pub const MAX_LINE_BYTES: usize = MAX_BODY_BYTES;
