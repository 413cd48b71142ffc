//! HTTP: who is let in, what is refused, and what frees a session.

use std::net::SocketAddr;

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use prompt_calibrator::mcp::transport::http::{self, Bound, HttpError, HttpOptions};
use prompt_calibrator::mcp::transport::{MAX_BODY_BYTES, legacy_sse};

use crate::support::mcp_client::{Era, Failure, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::{LegacySse, StreamableHttp};
use crate::transports::toy_server::{Server, Setup, Toy, Via, http_client};
use crate::transports::{ENOUGH, text_of};

const ERA: Era = Era::Session("2025-11-25");

struct Plain {
    http: reqwest::Client,
    bound: Bound,
}

impl Plain {
    async fn new(change: impl FnOnce(&mut HttpOptions)) -> Self {
        let mut options = HttpOptions::loopback(0);
        change(&mut options);
        let toy = Toy::new();
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            bound: http::serve(options, move || toy.clone()).await.unwrap(),
        }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("http://{}{path}", self.bound.addr))
            .timeout(LIMIT)
    }
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

fn discover(request: RequestBuilder) -> RequestBuilder {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    request
        .header("Accept", "application/json, text/event-stream")
        .header("Content-Type", "application/json")
        .header("MCP-Protocol-Version", "2026-07-28")
        .header("Mcp-Method", "server/discover")
        .body(message.to_string())
}

const ROUTES: [(Method, &str); 6] = [
    (Method::POST, "/mcp"),
    (Method::GET, "/mcp"),
    (Method::GET, "/sse"),
    (Method::POST, "/message"),
    (Method::GET, "/health"),
    (Method::GET, "/nowhere"),
];

#[tokio::test]
async fn strange_hosts_and_origins_are_forbidden_on_every_route() {
    let server = Plain::new(|options| {
        options.allowed_origins = vec!["https://app.example".to_owned()];
    })
    .await;
    for (method, path) in ROUTES {
        for (name, value) in [
            ("Host", "evil.example"),
            ("Host", "evil.example:80"),
            ("Origin", "http://evil.example"),
            ("Origin", "null"),
            ("Origin", "http://app.example"),
            ("Origin", "http://127.0.0.1:9"),
            ("Origin", "http://localhost"),
        ] {
            let request = server.ask(method.clone(), path).header(name, value);
            assert_eq!(status(request).await, 403, "{method} {path} with {name}: {value}");
        }
    }
    let own = format!("http://localhost:{}", server.bound.addr.port());
    for (name, value) in [
        ("Host", "localhost:1"),
        ("Origin", own.as_str()),
        ("Origin", "https://app.example"),
    ] {
        let request = discover(server.ask(Method::POST, "/mcp")).header(name, value);
        assert_eq!(status(request).await, 200, "{name}: {value}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_answers() {
    let server = Plain::new(|options| options.token = Some("t0ken".to_owned())).await;
    let origin = "http://localhost:6274";
    let preflight = server
        .ask(Method::OPTIONS, "/mcp")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST");
    let preflight = preflight.send().await.unwrap();
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-allow-origin"], origin);
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("Mcp-Session-Id") && allowed.contains("Authorization"));

    let request = discover(server.ask(Method::POST, "/mcp")).bearer_auth("t0ken");
    let answer = request.header("Origin", origin).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], origin);
    let exposed = answer.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("Mcp-Session-Id"));
}

#[tokio::test]
async fn the_token_is_asked_for_on_every_route_but_health() {
    let server = Plain::new(|options| options.token = Some("t0ken".to_owned())).await;
    for (method, path) in ROUTES {
        for token in [None, Some("t0ke"), Some("T0ken")] {
            let mut request = server.ask(method.clone(), path);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let refused = request.send().await.unwrap();
            let expected = if path == "/health" { 200 } else { 401 };
            assert_eq!(refused.status(), expected, "{method} {path} with {token:?}");
            assert_eq!(refused.headers().contains_key("www-authenticate"), expected == 401);
        }
    }
    let inbox = Inbox::default();
    let url = format!("http://{}/mcp", server.bound.addr);
    let wire = StreamableHttp::new(&inbox, &url, Some("t0ken"));
    McpClient::new(wire, inbox, ERA).open().await;
    let inbox = Inbox::default();
    let base = format!("http://{}", server.bound.addr);
    let wire = LegacySse::connect(&inbox, &base, Some("t0ken")).await;
    McpClient::new(wire, inbox, Era::Session("2024-11-05")).open().await;
}

#[tokio::test]
async fn a_server_that_others_can_reach_needs_a_token() {
    let start = async |addr: &str, token: Option<&str>| {
        let mut options = HttpOptions::loopback(0);
        options.addr = addr.parse::<SocketAddr>().unwrap();
        options.token = token.map(str::to_owned);
        http::serve(options, Toy::new).await
    };
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let refused = start(addr, None).await;
        assert!(matches!(refused, Err(HttpError::TokenNeeded { .. })), "{addr}");
    }
    assert!(matches!(
        start("127.0.0.1:0", Some("")).await,
        Err(HttpError::EmptyToken)
    ));
    // An address of no interface here: past the check of the token, so that only binding fails.
    assert!(matches!(
        start("192.0.2.1:0", Some("t")).await,
        Err(HttpError::Bind { .. })
    ));
    assert_ne!(start("127.0.0.1:0", None).await.unwrap().addr.port(), 0);
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    let server = Plain::new(|_| {}).await;
    let inbox = Inbox::default();
    let base = format!("http://{}", server.bound.addr);
    let wire = LegacySse::connect(&inbox, &base, None).await;
    let endpoint = wire.endpoint().to_owned();
    let (over, under) = (" ".repeat(MAX_BODY_BYTES + 1), " ".repeat(MAX_BODY_BYTES));
    let post = |body: &str| server.http.post(&endpoint).body(body.to_owned());
    assert_eq!(status(post(&over)).await, 413);
    assert_eq!(status(post(&under)).await, 202);
    let request = discover(server.ask(Method::POST, "/mcp")).body(over);
    assert_eq!(status(request).await, 413);
}

#[tokio::test]
async fn the_old_transport_refuses_what_it_cannot_read() {
    let server = Plain::new(|_| {}).await;
    let unknown = "/message?sessionId=6b1c0e1a-0000-4000-8000-000000000000";
    assert_eq!(status(server.ask(Method::POST, unknown).body("{}")).await, 404);
    assert_eq!(status(server.ask(Method::POST, "/message")).await, 400);
    let inbox = Inbox::default();
    let base = format!("http://{}", server.bound.addr);
    let wire = LegacySse::connect(&inbox, &base, None).await;
    let refused = server.http.post(wire.endpoint()).body("{\"id\":4,\"method\":\"ping\"}");
    let refused = refused.send().await.unwrap();
    assert_eq!(refused.status(), 400);
    let told: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(4), &json!(-32600)));
}

#[tokio::test]
async fn a_dropped_sse_connection_cancels_its_requests_and_frees_the_session() {
    let setup = Setup::new(Via::LegacySse, Era::Session("2024-11-05"), ENOUGH).await;
    let Server::Http(bound) = &setup.server else {
        unreachable!("it is HTTP");
    };
    let sessions = bound.legacy_sessions();
    assert_eq!(sessions.open(), 1);
    let held = setup.client.start_tool("hold", json!({}));
    setup.toy.until("held").await;
    drop(setup.client);
    setup.toy.until("cancelled").await;
    let freed = tokio::time::timeout(LIMIT, sessions.all_ended());
    freed.await.expect("the session stayed");
    assert!(!held.is_answered());
}

#[tokio::test]
async fn the_old_transport_has_a_limit_of_sessions() {
    let server = Plain::new(|_| {}).await;
    let base = format!("http://{}", server.bound.addr);
    let inbox = Inbox::default();
    let mut open = Vec::new();
    for _ in 0..legacy_sse::MAX_SESSIONS {
        open.push(LegacySse::connect(&inbox, &base, None).await);
    }
    assert_eq!(status(server.ask(Method::GET, "/sse")).await, 503);
    drop(open);
    let sessions = server.bound.legacy_sessions();
    tokio::time::timeout(LIMIT, sessions.all_ended())
        .await
        .expect("sessions stayed");
    LegacySse::connect(&inbox, &base, None).await;
}

#[tokio::test]
async fn sessions_are_apart_and_end_when_deleted() {
    let setup = Setup::new(Via::Http, ERA, ENOUGH).await;
    let Server::Http(bound) = &setup.server else {
        unreachable!("it is HTTP");
    };
    let other = http_client(Via::Http, bound.addr, Inbox::default(), ERA).await;
    other.open().await;
    assert_ne!(other.session_id(), setup.client.session_id());

    let url = format!("http://{}/mcp", bound.addr);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let delete = http.delete(&url).header("Mcp-Session-Id", other.session_id().unwrap());
    assert!(status(delete).await.is_success());
    let refused = other.request("tools/list", json!({})).await;
    assert!(matches!(refused, Err(Failure::Http { status: 404, .. })), "{refused:?}");
    let result = setup.client.call_tool("echo", json!({"text": "mine"})).await;
    assert_eq!(text_of(&result), "mine");
}

#[tokio::test]
async fn the_stream_of_a_cancelled_request_ends() {
    let setup = Setup::new(Via::Http, ERA, ENOUGH).await;
    let held = setup.client.start_tool("hold", json!({}));
    setup.toy.until("held").await;
    setup.client.cancel(&held).await;
    assert_eq!(held.answer().await, Err(Failure::Closed));
}

#[tokio::test]
async fn a_shutdown_ends_open_streams() {
    let setup = Setup::new(Via::LegacySse, Era::Session("2024-11-05"), ENOUGH).await;
    let Server::Http(bound) = &setup.server else {
        unreachable!("it is HTTP");
    };
    let addr = bound.addr;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let other = http_client(Via::Http, addr, Inbox::default(), ERA).await;
    other.open().await;
    let mut stream = http
        .get(format!("http://{addr}/mcp"))
        .header("Accept", "text/event-stream")
        .header("Mcp-Session-Id", other.session_id().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    setup.shutdown.cancel();
    setup.client.closed().await;
    let rest = async { while let Ok(Some(_)) = stream.chunk().await {} };
    tokio::time::timeout(LIMIT, rest).await.expect("the stream did not end");
    setup.server.ended().await;
}
