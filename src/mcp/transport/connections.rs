//! The connections of the HTTP server: how many there may be, and how long a request may take to arrive.
//!
//! Each holds a descriptor, and the history, the pictures and ComfyUI need some too. `axum::serve` knows neither limit.
//! Whoever only holds connections keeps nobody out: idle ones make way (`places`).

use std::io;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use http::{Method, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::MAX_BODY_BYTES;
use super::places::{Handle, Places};

/// Connections open at once. For another one the one that is idle for longest is closed; where all are at work, the new one is.
/// Far below the 1,024 descriptors that many systems allow a process.
pub const MAX_CONNECTIONS: usize = 512;

/// How long the head of a connection's first request may take to arrive.
const FIRST_LIMIT: Duration = Duration::from_secs(10);

/// How long the heads of further ones may take, and a connection may stay open between two requests.
const HEAD_LIMIT: Duration = Duration::from_secs(60);

/// How long the body may take.
const BODY_LIMIT: Duration = Duration::from_secs(60);

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

/// Reads what is posted before any route sees it, within the limits of size and time. From then until its answer was taken the
/// connection is at work.
pub(super) async fn gather(request: Request, next: Next) -> Response {
    let place = request.extensions().get::<Handle>().cloned();
    if let Some(place) = &place {
        place.speaks();
    }
    let request = match whole(request).await {
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

async fn whole(request: Request) -> Result<Request, Box<Response>> {
    if request.method() != Method::POST {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    // What is announced as too large is not waited for.
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(Box::new(too_large()));
    }
    let read = tokio::time::timeout(BODY_LIMIT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await;
    Err(Box::new(match read {
        Ok(Ok(body)) => return Ok(Request::from_parts(head, Body::from(body))),
        Ok(Err(error)) if is_too_large(&error) => too_large(),
        Ok(Err(error)) => (StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")).into_response(),
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

fn is_too_large(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
