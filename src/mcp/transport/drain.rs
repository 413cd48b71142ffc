//! What a session has in flight: how much that may be, and that ending loses no answers.
//!
//! The input is over only when nothing is in flight any more, or time is up.
//!
//! rmcp stops delivering notifications as soon as a transport says that its input ended, so that a handler reporting
//! progress would hang until it is cancelled. Here the end is held back instead, and the session stays whole until then.

use std::collections::HashSet;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorData, GetMeta, JsonRpcMessage, ProtocolVersion,
    RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::wire;
use crate::mcp::panic_guard::{MAX_RUNNING, MAX_WAITING};

/// Requests of one session that may be in flight before nothing more is read. A client that writes and does not read its
/// answers thus blocks itself; answers would otherwise pile up without end, since rmcp starts a task for each of them. More
/// than tool calls may run and wait, so that those, which may take long, never keep a cancellation from being read.
const MAX_IN_FLIGHT: usize = MAX_RUNNING + MAX_WAITING + 96;

/// Subscriptions of one session that may be open. They end when the client says so, and count apart.
const MAX_LISTENING: usize = 64;

/// The requests that were taken and neither answered nor cancelled. An answer that is not yet written counts as none.
#[derive(Clone, Default)]
struct InFlight(watch::Sender<Ids>);

#[derive(Default)]
struct Ids {
    requests: HashSet<RequestId>,
    /// Subscriptions are never waited for: they have no end of their own.
    listening: HashSet<RequestId>,
}

impl InFlight {
    /// Notes a request, or says why it cannot be taken.
    fn add(&self, id: &RequestId, request: &ClientRequest) -> Result<(), Box<ServerJsonRpcMessage>> {
        let mut refused = None;
        self.0.send_if_modified(|ids| {
            let listens = matches!(request, ClientRequest::SubscriptionsListenRequest(_));
            if ids.requests.contains(id) || ids.listening.contains(id) {
                refused = Some(wire::id_in_flight(id));
            } else if !listens {
                return ids.requests.insert(id.clone());
            } else if ids.listening.len() < MAX_LISTENING {
                return ids.listening.insert(id.clone());
            } else {
                let told = format!("{MAX_LISTENING} subscriptions are open already: cancel one, then ask again");
                refused = Some(ServerJsonRpcMessage::error(
                    ErrorData::invalid_request(told, None),
                    Some(id.clone()),
                ));
            }
            false
        });
        refused.map_or(Ok(()), |refused| Err(Box::new(refused)))
    }

    fn remove(&self, id: &RequestId) {
        self.0
            .send_if_modified(|ids| ids.requests.remove(id) || ids.listening.remove(id));
    }

    async fn wait(&self, until: impl Fn(&Ids) -> bool) {
        // The sender lives in self, so that the wait ends only in one way.
        let _ = self.0.subscribe().wait_for(until).await;
    }

    async fn none_left(&self) {
        self.wait(|ids| ids.requests.is_empty()).await;
    }

    async fn room(&self) {
        self.wait(|ids| ids.requests.len() < MAX_IN_FLIGHT).await;
    }

    fn is_listening(&self) -> bool {
        !self.0.borrow().listening.is_empty()
    }
}

/// A transport that ends when `inner` does, or when `shutdown` is asked for, after the answers in flight.
///
/// `inner.receive` must be safe to drop and call again: a message must not get lost by it.
pub(super) struct Draining<T> {
    inner: T,
    in_flight: InFlight,
    /// The answer to a request that was not taken, being written. Nothing more is read until it is.
    refusing: Option<JoinHandle<()>>,
    opened: bool,
    /// Set once the input is over; until then the answers in flight may still be sent.
    ends_at: Option<Instant>,
    grace: Duration,
    shutdown: CancellationToken,
    session: CancellationToken,
}

impl<T: Transport<RoleServer>> Draining<T> {
    /// `session` is what the session runs under: it is cancelled when `grace` was not enough.
    pub(super) fn new(inner: T, grace: Duration, shutdown: CancellationToken, session: CancellationToken) -> Self {
        Self {
            inner,
            in_flight: InFlight::default(),
            refusing: None,
            opened: false,
            ends_at: None,
            grace,
            shutdown,
            session,
        }
    }

    /// Notes what a message starts or ends. Before the session opened, only requests pass: rmcp ends the session when
    /// anything else comes first, such as the cancellation of a discovery.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        match &message {
            JsonRpcMessage::Request(request) => {
                if let Err(refused) = self.in_flight.add(&request.id, &request.request) {
                    let answer = self.inner.send(*refused);
                    self.refusing = Some(tokio::spawn(async move {
                        // The transport itself notes that nobody reads any more.
                        let _ = answer.await;
                    }));
                    return None;
                }
                self.opened |= opens_session(&request.request);
            }
            _ if !self.opened => {
                tracing::warn!("skipped what came before the session was opened");
                return None;
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    self.in_flight.remove(id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Some(message)
    }

    /// The next message, once there is room for what it may ask. Safe to drop and call again.
    async fn next(&mut self) -> Option<ClientJsonRpcMessage> {
        if let Some(refusing) = &mut self.refusing {
            let _ = refusing.await;
            self.refusing = None;
        }
        self.in_flight.room().await;
        self.inner.receive().await
    }
}

/// Whether rmcp leaves its opening phase at this request.
fn opens_session(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        other => other
            .get_meta()
            .missing_required_keys(&ProtocolVersion::V_2026_07_28)
            .is_empty(),
    }
}

fn answered(message: &ServerJsonRpcMessage) -> Option<RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(response.id.clone()),
        JsonRpcMessage::Error(error) => error.id.clone(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Draining<T> {
    type Error = T::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let id = answered(&item);
        let sending = self.inner.send(item);
        let in_flight = self.in_flight.clone();
        async move {
            let sent = sending.await;
            if let Some(id) = id {
                in_flight.remove(&id);
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let ends_at = loop {
            if let Some(ends_at) = self.ends_at {
                break ends_at;
            }
            let shutdown = self.shutdown.clone();
            let over = tokio::select! {
                biased;
                () = shutdown.cancelled() => true,
                message = self.next() => match message {
                    Some(message) => {
                        if let Some(message) = self.admit(message) {
                            return Some(message);
                        }
                        false
                    }
                    None => true,
                },
            };
            if over {
                self.ends_at = Some(Instant::now() + self.grace);
            }
        };
        if tokio::time::timeout_at(ends_at, self.in_flight.none_left())
            .await
            .is_err()
        {
            tracing::warn!("the session ends: requests still in flight are cancelled");
            self.session.cancel();
        } else if self.in_flight.is_listening() {
            self.session.cancel();
        }
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
