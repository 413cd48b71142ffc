//! Ends a session without losing answers: the input is over only when nothing is in flight any more, or time is up.
//!
//! rmcp stops delivering notifications as soon as a transport says that its input ended, so that a handler reporting
//! progress would hang until it is cancelled. Here the end is held back instead, and the session stays whole until then.

use std::collections::HashSet;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, GetMeta, JsonRpcMessage, ProtocolVersion, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::transport::Transport;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The requests that were taken and neither answered nor cancelled.
#[derive(Clone, Default)]
struct InFlight(watch::Sender<HashSet<RequestId>>);

impl InFlight {
    fn add(&self, id: &RequestId) {
        self.0.send_modify(|ids| {
            ids.insert(id.clone());
        });
    }

    fn remove(&self, id: &RequestId) {
        self.0.send_modify(|ids| {
            ids.remove(id);
        });
    }

    async fn none_left(&self) {
        // The sender lives in self, so that the wait ends only in one way.
        let _ = self.0.subscribe().wait_for(HashSet::is_empty).await;
    }
}

/// A transport that ends when `inner` does, or when `shutdown` is asked for, after the answers in flight.
///
/// `inner.receive` must be safe to drop and call again: a message must not get lost by it.
pub(super) struct Draining<T> {
    inner: T,
    in_flight: InFlight,
    opened: bool,
    /// Set once the input is over; until then the answers in flight may still be sent.
    ends_at: Option<Instant>,
    grace: Duration,
    shutdown: CancellationToken,
    session: CancellationToken,
}

impl<T> Draining<T> {
    /// `session` is what the session runs under: it is cancelled when `grace` was not enough.
    pub(super) fn new(inner: T, grace: Duration, shutdown: CancellationToken, session: CancellationToken) -> Self {
        Self {
            inner,
            in_flight: InFlight::default(),
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
                self.in_flight.add(&request.id);
                self.opened |= opens_session(&request.request);
            }
            _ if !self.opened => {
                tracing::warn!(?message, "skipped what came before the session was opened");
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
            let over = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => true,
                message = self.inner.receive() => match message {
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
        }
        None
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}
