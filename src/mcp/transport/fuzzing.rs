//! What the fuzz targets (`fuzz/`) reach beyond what is public; in no other build.

use axum::Router;
use rmcp::ServerHandler;
use rmcp::model::JsonRpcMessage;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::DEFAULT_GRACE;
use super::legacy_sse::{self, LegacySse, Sessions};
use super::wire::{self, Decoded};
use crate::mcp::panic_guard::{Gate, Guarded};

/// What a client's bytes are taken for.
pub enum Seen {
    /// A request with this id.
    Request(Value),
    /// No message; this is the answer.
    Rejected(Value),
    /// Something without an answer.
    Other,
}

/// Decodes one message, as every transport does.
pub fn decode(bytes: &[u8]) -> Seen {
    match wire::decode(bytes) {
        Decoded::Message(message) => match *message {
            JsonRpcMessage::Request(request) => Seen::Request(request.id.into_json_value()),
            _ => Seen::Other,
        },
        Decoded::Skip => Seen::Other,
        Decoded::Reject(answer) => Seen::Rejected(serde_json::to_value(answer).unwrap_or_default()),
    }
}

/// `/sse` and `/message`, without a socket.
pub fn legacy<H, F>(factory: F) -> Router
where
    H: ServerHandler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let gate = Gate::default();
    legacy_sse::routes(LegacySse {
        factory: move || Guarded::new(factory(), gate.clone()),
        tasks: TaskTracker::new(),
        grace: DEFAULT_GRACE,
        shutdown: CancellationToken::new(),
        sessions: Sessions::default(),
    })
}
