//! The WebSocket `/ws`: opened over the client's own HTTP stack, so that TLS, credentials and path prefix are the same,
//! and without an `Origin`, which ComfyUI would compare with its address.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use reqwest::{Method, Upgraded, header};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::client::Client;
use super::error::ComfyError;
use super::events::{Message, feature_flags, parse_binary, parse_text};

/// Largest message taken from a server, in bytes; a larger one costs the connection.
const MESSAGE_LIMIT: usize = 16 * 1024 * 1024;
/// How long a closing handshake may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<Upgraded>,
}

impl Socket {
    /// Connects under a client id. Open it before submitting: the server replays nothing.
    ///
    /// # Errors
    /// Any transport error; [`ComfyError::Http`] when the server or a proxy does not speak WebSocket.
    pub async fn open(client: &Client, client_id: &str) -> Result<Self, ComfyError> {
        let limit = client.request_timeout();
        let opening = Self::handshake(client, client_id);
        let what = || "opening the WebSocket of ComfyUI".to_owned();
        timeout(limit, opening)
            .await
            .unwrap_or_else(|_| Err(ComfyError::Timeout { what: what(), limit }))
    }

    async fn handshake(client: &Client, client_id: &str) -> Result<Self, ComfyError> {
        let key = generate_key();
        let mut request = client.request(Method::GET, &["ws"], &[("clientId", client_id)]);
        request.builder = request
            .builder
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let label = request.label.clone();
        let answer = client.send(request).await?;
        let status = answer.status();
        if status != 101 {
            answer.success().await?;
            return Err(ComfyError::Http {
                request: label,
                status,
                body: "not a WebSocket".into(),
            });
        }
        let accepted = answer.response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|value| value.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            let detail = "its handshake does not fit the request".into();
            return Err(ComfyError::BadAnswer {
                what: "the WebSocket answer".into(),
                detail,
            });
        }
        let raw = answer
            .response
            .upgrade()
            .await
            .map_err(|error| client.transport_error(&error, label.clone()))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let mut stream = WebSocketStream::from_raw_socket(raw, Role::Client, Some(config)).await;
        let flags = stream.send(Frame::text(feature_flags())).await;
        flags.map_err(|error| ComfyError::Broken {
            request: label,
            detail: error.to_string(),
        })?;
        Ok(Self { stream })
    }

    /// The next message that is understood; `None` when the connection is gone.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let understood = match self.stream.next().await? {
                Ok(Frame::Text(text)) => parse_text(&text),
                Ok(Frame::Binary(bytes)) => parse_binary(&bytes),
                Ok(Frame::Close(_)) => return None,
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(%error, "the WebSocket of ComfyUI broke");
                    return None;
                }
            };
            if understood.is_some() {
                return understood;
            }
        }
    }

    /// Closes and waits a moment for the server to agree: a new socket opened under the same client id before the server
    /// has let go of the old one would hear nothing.
    pub async fn close(mut self) {
        let farewell = async {
            if self.stream.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        };
        // A server that does not answer is left; dropping the stream closes the connection.
        let _ = timeout(CLOSE_LIMIT, farewell).await;
    }
}
