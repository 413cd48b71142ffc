//! MCP over HTTP: `/mcp` (streamable HTTP, all protocol revisions), `/sse` and `/message` (deprecated), `/health`.
//!
//! Revisions up to 2025-11-25 have sessions on `/mcp`; 2026-07-28 has none, each request stands for itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use rmcp::ServerHandler;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections;
use super::guard::{self, BadOrigin, Guard, HEALTH_PATH};
use super::legacy_sse::{self, LegacySse, Sessions};
use super::wire::{self, Decoded};
use super::{DEFAULT_GRACE, MAX_BODY_BYTES, sessions};
use crate::mcp::panic_guard::{Gate, Guarded};

/// How long connections may take to close once everything was answered.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How the HTTP server is run.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Token that every request must carry, except `/health`. Required when `addr` is not loopback.
    pub token: Option<String>,
    /// Origins of web pages that may talk to the server, as `https://host[:port]`, besides its own; with a token also besides all
    /// on this machine.
    pub allowed_origins: Vec<String>,
    /// Names that `Host` may have, without port, besides `localhost` and the address listened on.
    pub allowed_hosts: Vec<String>,
    /// How long requests in flight may still run after `shutdown`.
    pub grace: Duration,
    /// Cancelling it ends the server.
    pub shutdown: CancellationToken,
}

impl HttpOptions {
    /// Listens on 127.0.0.1 only, without a token.
    pub fn loopback(port: u16) -> Self {
        Self {
            addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            token: None,
            allowed_origins: Vec::new(),
            allowed_hosts: Vec::new(),
            grace: DEFAULT_GRACE,
            shutdown: CancellationToken::new(),
        }
    }
}

/// Why the HTTP server does not run.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Other machines could reach the server and nothing would keep them out.
    #[error("the server was not started: {addr} can be reached from other machines and no token is set")]
    TokenNeeded {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// A token was set and is empty.
    #[error("the server was not started: the token is empty")]
    EmptyToken,
    /// An allowed origin is none.
    #[error("the server was not started: {0}")]
    Origin(#[from] BadOrigin),
    /// The address cannot be listened on.
    #[error("the server was not started: cannot listen on {addr}: {source}")]
    Bind {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The server ran and stopped.
    #[error("the server stopped: {0}")]
    Stopped(#[source] io::Error),
}

impl HttpError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::TokenNeeded { .. } => {
                "Listen on 127.0.0.1, or set a token (PROMPT_CALIBRATOR_HTTP_TOKEN).".to_owned()
            }
            Self::EmptyToken => "Give a token of some length, or none and listen on 127.0.0.1.".to_owned(),
            Self::Origin(_) => "Write each allowed origin as https://host or http://host:port.".to_owned(),
            Self::Bind { .. } => {
                "Another program may listen there: choose another port, or 0 for a free one.".to_owned()
            }
            Self::Stopped(_) => "Start it again; the log has the cause.".to_owned(),
        }
    }
}

types::hints!(HttpError);

/// A server that listens.
#[derive(Debug)]
pub struct Bound {
    /// Where it listens, with the real port.
    pub addr: SocketAddr,
    task: JoinHandle<io::Result<()>>,
    sessions: Sessions,
}

impl Bound {
    /// The open sessions of the deprecated transport.
    pub fn legacy_sessions(&self) -> Sessions {
        self.sessions.clone()
    }

    /// Waits until the server has ended, which `shutdown` asks for.
    ///
    /// # Errors
    /// [`HttpError::Stopped`] when it ended by itself.
    pub async fn join(self) -> Result<(), HttpError> {
        self.task
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
            .map_err(HttpError::Stopped)
    }
}

/// Starts the server; `factory` makes the handler of each session and of each request that has none.
///
/// When `options.shutdown` is cancelled, no connections are taken any more, requests in flight have `options.grace` to be
/// answered, then they are cancelled; it ends at most some seconds later.
///
/// # Errors
/// [`HttpError`], all but [`HttpError::Stopped`].
pub async fn serve<H, F>(options: HttpOptions, factory: F) -> Result<Bound, HttpError>
where
    H: ServerHandler,
    F: Fn() -> H + Clone + Send + Sync + 'static,
{
    match options.token.as_deref() {
        Some("") => return Err(HttpError::EmptyToken),
        None if !options.addr.ip().to_canonical().is_loopback() => {
            return Err(HttpError::TokenNeeded { addr: options.addr });
        }
        _ => {}
    }
    let bind_error = |source| HttpError::Bind {
        addr: options.addr,
        source,
    };
    let listener = TcpListener::bind(options.addr).await.map_err(bind_error)?;
    let addr = listener.local_addr().map_err(bind_error)?;
    let guard = Guard::new(addr, options.token, &options.allowed_origins, &options.allowed_hosts)?;

    let gate = Gate::default();
    let factory = move || Guarded::new(factory(), gate.clone());
    let running = Running {
        shutdown: options.shutdown,
        grace: options.grace,
        requests: TaskTracker::new(),
        sessions: CancellationToken::new(),
    };
    let legacy = LegacySse {
        factory: factory.clone(),
        tasks: running.requests.clone(),
        grace: options.grace,
        shutdown: running.shutdown.clone(),
        sessions: Sessions::default(),
    };
    let sessions = legacy.sessions.clone();
    let open = Arc::new(sessions::Sessions::default());
    let mcp = Router::new()
        .route_service("/mcp", streamable(factory, Arc::clone(&open), running.sessions.clone()))
        .layer(middleware::from_fn_with_state(open, look_into));
    let app = mcp
        .merge(legacy_sse::routes(legacy))
        .route(
            HEALTH_PATH,
            get(async || axum::Json(serde_json::json!({"status": "ok"}))),
        )
        .layer(middleware::from_fn_with_state(
            connections::Bodies::default(),
            connections::gather,
        ))
        .layer(middleware::from_fn_with_state(running.requests.clone(), track))
        .layer(middleware::from_fn_with_state(Arc::new(guard), guard::check));
    let task = tokio::spawn(running.run(listener, app));
    tracing::info!(%addr, "listening");
    Ok(Bound { addr, task, sessions })
}

fn streamable<H, F>(
    factory: F,
    open: Arc<sessions::Sessions>,
    ends: CancellationToken,
) -> StreamableHttpService<H, sessions::Sessions>
where
    H: ServerHandler,
    F: Fn() -> H + Send + Sync + 'static,
{
    let config = StreamableHttpServerConfig::default()
        .with_json_response(true)
        .with_max_request_body_bytes(MAX_BODY_BYTES)
        .with_cancellation_token(ends)
        // The guard checks hosts and origins for all routes.
        .disable_allowed_hosts()
        .disable_allowed_origins();
    StreamableHttpService::new(move || Ok(factory()), open, config)
}

/// Refuses what is no message as the other transports do, and sessions for which there is no place. rmcp would call the one a
/// media type that it does not support, without telling the id, and the other an error of the server.
async fn look_into(State(open): State<Arc<sessions::Sessions>>, request: Request, next: Next) -> Response {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let json = kind.is_some_and(|kind| kind.trim_start().starts_with("application/json"));
    if request.method() != Method::POST || !json {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    // It was gathered before and is whole.
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    // rmcp reads it once more: what was read here is dropped before.
    let opens = match wire::decode(&body) {
        Decoded::Message(message) => opens_session(&message),
        Decoded::Skip if body.trim_ascii().is_empty() => {
            return (StatusCode::BAD_REQUEST, "the body is empty").into_response();
        }
        Decoded::Skip => return StatusCode::ACCEPTED.into_response(),
        Decoded::Reject(error) => return (StatusCode::BAD_REQUEST, axum::Json(error)).into_response(),
    };
    if opens && open.all_in_use() {
        let full = sessions::SessionsError::Full.to_string();
        return (StatusCode::SERVICE_UNAVAILABLE, full).into_response();
    }
    next.run(Request::from_parts(head, Body::from(body))).await
}

fn opens_session(message: &ClientJsonRpcMessage) -> bool {
    let JsonRpcMessage::Request(request) = message else {
        return false;
    };
    matches!(request.request, ClientRequest::InitializeRequest(_))
}

/// Counts a posted request as in flight until the last byte of its answer was taken.
async fn track(State(requests): State<TaskTracker>, request: Request, next: Next) -> Response {
    if request.method() == Method::DELETE {
        let mut response = next.run(request).await;
        // The session has ended when this is answered; some clients complain about "accepted".
        if response.status() == StatusCode::ACCEPTED {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        return response;
    }
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    // A subscription has no answer to wait for.
    let listens = |name: &http::HeaderValue| name == "subscriptions/listen";
    if request.headers().get("mcp-method").is_some_and(listens) {
        return next.run(request).await;
    }
    let token = requests.token();
    next.run(request).await.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |chunk| {
            let _in_flight = &token;
            chunk
        }))
    })
}

struct Running {
    shutdown: CancellationToken,
    grace: Duration,
    /// Posted requests whose answers are not complete, and the sessions of the deprecated transport.
    requests: TaskTracker,
    /// Cancelling it ends the sessions and streams of `/mcp`.
    sessions: CancellationToken,
}

impl Running {
    async fn run(self, listener: TcpListener, app: Router) -> io::Result<()> {
        let _ends_with_the_server = self.sessions.clone().drop_guard();
        tokio::select! {
            ended = connections::serve(listener, app, self.shutdown.clone()) => ended,
            () = self.wind_down() => {
                tracing::warn!("some connections did not close in time and are dropped");
                Ok(())
            }
        }
    }

    /// Returns when the server should have ended long ago.
    async fn wind_down(&self) {
        self.shutdown.cancelled().await;
        self.requests.close();
        if tokio::time::timeout(self.grace, self.requests.wait()).await.is_err() {
            tracing::warn!("the server ends: requests still in flight are cancelled");
        }
        self.sessions.cancel();
        tokio::time::sleep(CLOSE_LIMIT).await;
    }
}
