//! The connections of the HTTP server: how many there may be, and how long a request may take to arrive.
//!
//! Each holds a descriptor, and the history, the pictures and ComfyUI need some too. `axum::serve` knows neither limit.
//! Whoever only holds connections keeps nobody out: idle ones make way (`places`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::places::{Handle, Places};
use super::{MAX_BODY_BYTES, SMALL_MESSAGE};

/// Connections open at once. For another one the one that is idle for longest is closed; where all are at work, the new one is.
/// Far below the 1,024 descriptors that many systems allow a process.
pub const MAX_CONNECTIONS: usize = 512;

/// How long the head of a connection's first request may take to arrive.
const FIRST_LIMIT: Duration = Duration::from_secs(10);

/// How long the heads of further ones may take, and a connection may stay open between two requests.
const HEAD_LIMIT: Duration = Duration::from_secs(60);

/// How long the body may take.
const BODY_LIMIT: Duration = Duration::from_secs(60);

/// KiB of bodies that lie in memory at once, over all connections; all connections with a body of the largest size would hold 2 GiB.
/// Those of [`SMALL_MESSAGE`] need no room of it. Nearly all are smaller: whoever fills the room with bodies that never end keeps no
/// ordinary call out, only other large ones, and with each body for [`BODY_LIMIT`] at most.
const LARGE_BODIES: u32 = 16 << 10;

/// What a connection reads ahead, and the largest head of a request, in bytes.
const READ_AHEAD: usize = 32 * 1024;

/// How long to wait after the system refused a connection: it may have run out of descriptors.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// Serves `app` until `shutdown`, then ends when all connections have.
pub(super) async fn serve(listener: TcpListener, app: Router, shutdown: CancellationToken) -> io::Result<()> {
    let places = Places::new(MAX_CONNECTIONS);
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        let Some(place) = places.take() else {
            tracing::warn!("closed a connection: {MAX_CONNECTIONS} others are at work");
            continue;
        };
        // Head and body are written apart: the second would wait 40 ms for the first one's receipt.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection sends its answers late");
        }
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_LIMIT)
            .max_buf_size(READ_AHEAD)
            .serve_connection(
                TokioIo::new(stream),
                TowerToHyperService::new(app.clone().layer(Extension(place.handle()))),
            );
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            let says_nothing = async {
                if tokio::time::timeout(FIRST_LIMIT, place.spoke()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                },
                () = place.makes_way() => tracing::debug!("an idle connection made way for another one"),
                () = says_nothing => tracing::debug!("closed a connection over which no request came"),
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
    }
}

/// Whether only a client that is gone already is meant.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The room for bodies that are not small. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LARGE_BODIES as usize)))
    }
}

impl Bodies {
    /// Waits until there is room for so many bytes.
    async fn room(&self, bytes: usize) -> Room {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(LARGE_BODIES);
        let taken = Arc::clone(&self.0).acquire_many_owned(kib.min(LARGE_BODIES)).await;
        Room {
            // It is never closed.
            _taken: taken.ok().map(Arc::new),
        }
    }
}

/// The room that a request's body takes; none where it is small. The last clone that is dropped gives it back: one goes along
/// with the request, so that it lasts for as long as what was read of the body.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    _taken: Option<Arc<OwnedSemaphorePermit>>,
}

/// Reads what is posted before any route sees it, within the limits of size and time. From then until its answer was taken the
/// connection is at work.
pub(super) async fn gather(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    let place = request.extensions().get::<Handle>().cloned();
    if let Some(place) = &place {
        place.speaks();
    }
    let request = match whole(request, &bodies).await {
        Ok(request) => request,
        Err(refused) => return *refused,
    };
    let Some(place) = place else {
        return next.run(request).await;
    };
    match place.begins() {
        Some(at_work) => next.run(request).await.map(|body| at_work.until_taken(body)),
        // It is being closed, so that nobody reads this.
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn whole(request: Request, bodies: &Bodies) -> Result<Request, Box<Response>> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let (mut head, body) = request.into_parts();
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(Box::new(too_large()));
    }
    let read = tokio::time::timeout(BODY_LIMIT, gathered(body, bodies)).await;
    Err(Box::new(match read {
        Ok(Ok((body, room))) => {
            head.extensions.insert(room);
            return Ok(Request::from_parts(head, Body::from(body)));
        }
        Ok(Err(Ungathered::TooLarge)) => too_large(),
        Ok(Err(Ungathered::Broken(error))) => {
            (StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into_response()
        }
        Err(_) => {
            let told = format!("the body did not arrive within {} seconds", BODY_LIMIT.as_secs());
            (StatusCode::REQUEST_TIMEOUT, told).into_response()
        }
    }))
}

fn too_large() -> Response {
    let told = format!("the body is larger than {MAX_BODY_BYTES} bytes: pass paths or URIs, not file contents");
    (StatusCode::PAYLOAD_TOO_LARGE, told).into_response()
}

/// Why a body was not gathered.
enum Ungathered {
    TooLarge,
    Broken(axum::Error),
}

/// The whole body, with the room that it takes. One without an announced length takes the most that it may need, as soon as it
/// turns out not to be small.
async fn gathered(mut body: Body, bodies: &Bodies) -> Result<(Bytes, Room), Ungathered> {
    let announced = body.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let mut room = None;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Ungathered::Broken)?.into_data() else {
            continue;
        };
        let bytes = whole.len() + data.len();
        if bytes > MAX_BODY_BYTES {
            return Err(Ungathered::TooLarge);
        }
        if bytes > SMALL_MESSAGE && room.is_none() {
            let most = announced.unwrap_or(MAX_BODY_BYTES);
            room = Some(bodies.room(most).await);
            whole.reserve_exact(most.saturating_sub(whole.len()));
        }
        whole.extend_from_slice(&data);
    }
    Ok((Bytes::from(whole), room.unwrap_or_default()))
}
