//! The HTTP+SSE transport of protocol 2024-11-05. Deprecated: for clients that know nothing newer.
//!
//! `GET /sse` opens a stream of events. The first, `endpoint`, holds the address to which the client posts its messages;
//! each further one, `message`, holds a message of the server. The stream is the session: closing it ends the session.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures::{Stream, StreamExt};
use http::StatusCode;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{RoleServer, ServerHandler, ServiceExt};
use serde::Deserialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::MAX_BODY_BYTES;
use super::connections::Room;
use super::drain::Draining;
use super::wire::{self, Decoded};

/// Sessions open at once; more are refused with status 503.
pub const MAX_SESSIONS: usize = 64;

/// Messages that may lie between a session and its connection before the faster side waits.
const CHANNEL: usize = 16;

/// What the sessions share.
pub(super) struct LegacySse<F> {
    /// Makes the handler of a session, already guarded.
    pub(super) factory: F,
    /// The sessions' tasks.
    pub(super) tasks: TaskTracker,
    pub(super) grace: Duration,
    pub(super) shutdown: CancellationToken,
    pub(super) sessions: Sessions,
}

/// The open sessions, by the id in their address. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<watch::Sender<HashMap<Uuid, mpsc::Sender<ClientJsonRpcMessage>>>>);

impl Sessions {
    /// How many are open.
    pub fn open(&self) -> usize {
        self.0.borrow().len()
    }

    /// Waits until none is open.
    pub async fn all_ended(&self) {
        // The sender lives in self, so that the wait ends only in one way.
        let _ = self.0.subscribe().wait_for(HashMap::is_empty).await;
    }

    /// Adds one, unless there are [`MAX_SESSIONS`].
    fn add(&self, id: Uuid, to_session: mpsc::Sender<ClientJsonRpcMessage>) -> bool {
        self.0.send_if_modified(|sessions| {
            let room = sessions.len() < MAX_SESSIONS;
            if room {
                sessions.insert(id, to_session);
            }
            room
        })
    }

    fn remove(&self, id: &Uuid) {
        self.0.send_modify(|sessions| {
            sessions.remove(id);
        });
    }

    fn get(&self, id: &Uuid) -> Option<mpsc::Sender<ClientJsonRpcMessage>> {
        self.0.borrow().get(id).cloned()
    }
}

/// The routes `/sse` and `/message`.
pub(super) fn routes<H, F>(state: LegacySse<F>) -> Router
where
    H: ServerHandler,
    F: Fn() -> H + Send + Sync + 'static,
{
    Router::new()
        .route("/sse", get(open::<H, F>))
        .route("/message", post(message::<F>))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(state))
}

async fn open<H, F>(State(state): State<Arc<LegacySse<F>>>) -> Response
where
    H: ServerHandler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let id = Uuid::new_v4();
    let (to_session, from_client) = mpsc::channel(CHANNEL);
    let (to_client, from_session) = mpsc::channel(CHANNEL);
    if !state.sessions.add(id, to_session) {
        let told = format!("{MAX_SESSIONS} sessions are open already: close one, or use /mcp");
        return (StatusCode::SERVICE_UNAVAILABLE, told).into_response();
    }
    // Its id is what lets a client post into the session: nothing for a log that others may hear.
    tracing::info!("a client uses the deprecated HTTP+SSE transport; /mcp replaces it");

    let session = CancellationToken::new();
    let connected = session.clone().drop_guard();
    let channels = Draining::new(
        Channels { from_client, to_client },
        state.grace,
        state.shutdown.clone(),
        session.clone(),
    );
    let handler = (state.factory)();
    let sessions = state.sessions.clone();
    state.tasks.spawn(async move {
        match handler.serve_with_ct(channels, session).await {
            Ok(running) => {
                let _ = running.waiting().await;
            }
            Err(error) => tracing::debug!(%error, "a session was not opened"),
        }
        sessions.remove(&id);
        tracing::debug!("a session of the deprecated transport ended");
    });
    Sse::new(events(id, from_session, connected))
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// The stream a client sees. Dropping it, which is what a lost connection does, cancels the session.
fn events(
    id: Uuid,
    from_session: mpsc::Receiver<ServerJsonRpcMessage>,
    connected: DropGuard,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let endpoint = Event::default()
        .event("endpoint")
        .data(format!("/message?sessionId={id}"));
    let messages = futures::stream::unfold((from_session, connected), |(mut from_session, connected)| async move {
        let message = from_session.recv().await?;
        Some((message, (from_session, connected)))
    })
    .filter_map(async |message| match serde_json::to_string(&message) {
        Ok(text) => Some(Event::default().event("message").data(text)),
        Err(error) => {
            tracing::error!(%error, "a message could not be written as JSON");
            None
        }
    });
    futures::stream::iter([endpoint]).chain(messages).map(Ok)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    session_id: Uuid,
}

async fn message<F>(
    State(state): State<Arc<LegacySse<F>>>,
    Query(address): Query<Address>,
    room: Option<Extension<Room>>,
    body: Bytes,
) -> Response
where
    F: Send + Sync + 'static,
{
    let unknown = || {
        let told = "there is no such session: it ended with its /sse connection; open a new one";
        (StatusCode::NOT_FOUND, told).into_response()
    };
    let Some(to_session) = state.sessions.get(&address.session_id) else {
        return unknown();
    };
    match wire::decode(&body) {
        Decoded::Skip => StatusCode::ACCEPTED.into_response(),
        Decoded::Reject(error) => (StatusCode::BAD_REQUEST, axum::Json(error)).into_response(),
        Decoded::Message(mut message) => {
            // Only a request may be large; the room goes with it, since this is answered before it is worked on.
            if let (JsonRpcMessage::Request(request), Some(Extension(room))) = (message.as_mut(), room) {
                request.request.extensions_mut().insert(room);
            }
            match to_session.send(*message).await {
                Ok(()) => StatusCode::ACCEPTED.into_response(),
                Err(_) => unknown(),
            }
        }
    }
}

/// One session's messages.
struct Channels {
    from_client: mpsc::Receiver<ClientJsonRpcMessage>,
    to_client: mpsc::Sender<ServerJsonRpcMessage>,
}

impl Transport<RoleServer> for Channels {
    type Error = io::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let to_client = self.to_client.clone();
        async move { to_client.send(item).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.from_client.recv().await
    }

    async fn close(&mut self) -> io::Result<()> {
        self.from_client.close();
        Ok(())
    }
}
