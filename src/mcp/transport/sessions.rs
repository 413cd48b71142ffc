//! The sessions of `/mcp`: rmcp's own, but not without end.
//!
//! Many clients open a session for every few calls and never close one; each holds its tasks and buffers until it was idle
//! for hours. So their number has a limit: where it is reached, the one that was unused for longest makes room. The
//! protocol lets a server end a session at any time; its client gets status 404 and opens another one.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::wire;

/// Sessions open at once on `/mcp`. One costs some 120 KB.
pub const MAX_SESSIONS: usize = 256;

/// A session that saw no message for this long is forgotten; its client then opens a new one. Long, since one tool call
/// without progress is also silent, and people pause.
const SESSION_IDLE: Duration = Duration::from_secs(6 * 60 * 60);

/// How long an answer is kept for a client that lost its connection and asks for the rest of the stream. Clients do so
/// within seconds; all answers of that time are in memory.
const KEPT: Duration = Duration::from_secs(15);

/// [`LocalSessionManager`] with a limit, in which an id names one request at a time.
pub(super) struct Sessions {
    inner: LocalSessionManager,
    room: Arc<Semaphore>,
    open: Arc<Mutex<HashMap<SessionId, Open>>>,
}

/// What is known of an open session.
struct Open {
    used: Instant,
    /// Streams that a client reads: requests in flight, and waits for notifications.
    streams: usize,
    in_flight: HashSet<RequestId>,
    _place: OwnedSemaphorePermit,
}

/// Why a session cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    #[error("{MAX_SESSIONS} sessions are open already and all are in use: close one")]
    Full,
    #[error(transparent)]
    Session(#[from] LocalSessionManagerError),
}

impl Default for Sessions {
    fn default() -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(SESSION_IDLE);
        inner.session_config.completed_cache_ttl = KEPT;
        Self {
            inner,
            room: Arc::new(Semaphore::new(MAX_SESSIONS)),
            open: Arc::default(),
        }
    }
}

/// A stream that a client reads; dropping it is the end of it.
struct Reading {
    open: Arc<Mutex<HashMap<SessionId, Open>>>,
    session: SessionId,
    request: Option<RequestId>,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = open.get_mut(&self.session) {
            session.used = Instant::now();
            session.streams -= 1;
            if let Some(request) = &self.request {
                session.in_flight.remove(request);
            }
        }
    }
}

impl Sessions {
    /// Whether a new session would be refused now.
    pub(super) fn all_in_use(&self) -> bool {
        self.room.available_permits() == 0 && self.with(|open| open.values().all(|session| session.streams > 0))
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<SessionId, Open>) -> T) -> T {
        work(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A place for one more session, if need be that of the one that was unused for longest.
    async fn place(&self) -> Result<OwnedSemaphorePermit, SessionsError> {
        loop {
            if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
                return Ok(place);
            }
            let unused = self.with(|open| {
                let unused = open.iter().filter(|(_, session)| session.streams == 0);
                let id = unused.min_by_key(|(_, session)| session.used)?.0.clone();
                open.remove(&id);
                Some(id)
            });
            let id = unused.ok_or(SessionsError::Full)?;
            tracing::info!("ended the session that was unused for longest: there are {MAX_SESSIONS}");
            self.inner.close_session(&id).await?;
        }
    }

    fn touch(&self, id: &SessionId) {
        self.with(|open| {
            if let Some(session) = open.get_mut(id) {
                session.used = Instant::now();
            }
        });
    }

    /// Notes that a client reads a stream, of a request or of none. Nothing when the request's id is in flight already.
    fn reading(&self, id: &SessionId, request: Option<RequestId>) -> Option<Reading> {
        self.with(|open| {
            if let Some(session) = open.get_mut(id) {
                let new = request.clone().is_none_or(|request| session.in_flight.insert(request));
                if !new {
                    return None;
                }
                session.streams += 1;
            }
            Some(Reading {
                open: Arc::clone(&self.open),
                session: id.clone(),
                request,
            })
        })
    }
}

/// `stream`, which counts as read until it is dropped.
fn counted<S>(stream: S, reading: Option<Reading>) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static
where
    S: Stream<Item = ServerSseMessage> + Send + Sync + 'static,
{
    stream.map(move |message| {
        let _read = &reading;
        message
    })
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError>
    where
        Self::Transport: Transport<RoleServer>,
    {
        let place = self.place().await?;
        let (id, transport) = self.inner.create_session().await?;
        let session = Open {
            used: Instant::now(),
            streams: 0,
            in_flight: HashSet::new(),
            _place: place,
        };
        self.with(|open| open.insert(id.clone(), session));
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        self.with(|open| open.remove(id));
        Ok(self.inner.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let request = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let Some(reading) = self.reading(id, request.clone()) else {
            // rmcp would answer the first request on the second one's stream, and the second one never.
            let refused = request.map(|id| ServerSseMessage::from_message(wire::id_in_flight(&id)));
            return Ok(futures::stream::iter(refused).left_stream());
        };
        let stream = self.inner.create_stream(id, message).await?;
        Ok(counted(stream, Some(reading)).right_stream())
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), SessionsError> {
        self.touch(id);
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let reading = self.reading(id, None);
        Ok(counted(self.inner.create_standalone_stream(id).await?, reading))
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let reading = self.reading(id, None);
        Ok(counted(self.inner.resume(id, last_event_id).await?, reading))
    }
}
