//! Bodies that are posted to `/message` of the deprecated transport, one for each line of the input, without a socket. Each is
//! taken or refused, and all events of the session are JSON-RPC.

// The handler's futures are nested deeply, and this crate lays them out itself.
#![recursion_limit = "256"]
#![no_main]

mod server;

use std::cell::OnceCell;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::StreamExt;
use http::{Request, StatusCode};
use libfuzzer_sys::fuzz_target;
use prompt_calibrator::mcp::transport::fuzzing;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Posts of one input.
const POSTS: usize = 32;

struct Served {
    runtime: Runtime,
    routes: Router,
    _folder: TempDir,
}

thread_local! {
    static SERVED: OnceCell<Served> = const { OnceCell::new() };
}

fn served() -> Served {
    let runtime = server::runtime();
    let (routes, folder) = runtime.block_on(async {
        let (handler, folder) = server::server();
        (fuzzing::legacy(move || handler.clone()), folder)
    });
    Served {
        runtime,
        routes,
        _folder: folder,
    }
}

async fn session(routes: Router, bodies: Vec<Vec<u8>>) {
    let opened = Request::get("/sse").body(Body::empty()).expect("a request");
    let opened = routes.clone().oneshot(opened).await.expect("an answer");
    assert_eq!(opened.status(), StatusCode::OK);
    let mut events = opened.into_body().into_data_stream();
    let first = events.next().await.expect("an event").expect("bytes");
    let first = String::from_utf8(first.to_vec()).expect("UTF-8");
    let endpoint = first
        .lines()
        .find_map(|line| line.strip_prefix("data: "))
        .expect("an address")
        .to_owned();

    let reading = tokio::spawn(async move {
        while let Some(Ok(event)) = events.next().await {
            let event = String::from_utf8(event.to_vec()).expect("UTF-8");
            for data in event.lines().filter_map(|line| line.strip_prefix("data: ")) {
                let message: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!(message["jsonrpc"], "2.0", "{message}");
            }
        }
    });
    for body in bodies {
        let post = Request::post(&endpoint).body(Body::from(body)).expect("a request");
        let posted = tokio::time::timeout(Duration::from_secs(10), routes.clone().oneshot(post)).await;
        let status = posted.expect("it is taken or refused").expect("an answer").status();
        // A session whose opening was refused is gone.
        assert!(matches!(status.as_u16(), 202 | 400 | 404), "{status}");
    }
    reading.abort();
    // Dropping the stream ends the session; the next one has its place.
    let _ = reading.await;
}

fuzz_target!(|bytes: &[u8]| {
    let bodies = bytes
        .split(|byte| *byte == b'\n')
        .take(POSTS)
        .map(<[u8]>::to_vec)
        .collect();
    SERVED.with(|served_once| {
        let served = served_once.get_or_init(served);
        served.runtime.block_on(session(served.routes.clone(), bodies));
    });
});
