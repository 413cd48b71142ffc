//! HTTP that is odd, cut off or never ends.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use prompt_calibrator::mcp::transport::MAX_BODY_BYTES;
use prompt_calibrator::mcp::transport::connections::MAX_CONNECTIONS;

use crate::hostile::prey::{Prey, head, initialize, meta, request, within};
use crate::support::mcp_client::Era;

const MODERN: &str = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n";

fn listed() -> String {
    request(1, "tools/list", meta()).to_string()
}

#[tokio::test]
async fn odd_requests_are_refused_and_good_ones_served() {
    let prey = Prey::over_http().await;
    let body = listed();
    let length = format!("Content-Length: {}\r\n", body.len());
    let close = "Connection: close\r\n";
    let post = |headers: &str| {
        let mut bytes = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\n{close}{MODERN}{headers}\r\n").into_bytes();
        bytes.extend(body.as_bytes());
        bytes
    };
    let both = "Accept: application/json, text/event-stream\r\n";
    let json = "Content-Type: application/json\r\n";
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("good", post(&format!("{both}{json}{length}")), &[200]),
        ("no content type", post(&format!("{both}{length}")), &[415]),
        (
            "text",
            post(&format!("{both}Content-Type: text/plain\r\n{length}")),
            &[415],
        ),
        (
            "a form",
            post(&format!(
                "{both}Content-Type: multipart/form-data; boundary=x\r\n{length}"
            )),
            &[415],
        ),
        (
            "not ASCII",
            post(&format!("{both}Content-Type: application/jsön\r\n{length}")),
            &[415],
        ),
        (
            "another kind of JSON",
            post(&format!("{both}Content-Type: application/json-seq\r\n{length}")),
            &[415],
        ),
        ("accepts nothing", post(&format!("{json}{length}")), &[406]),
        (
            "accepts pictures",
            post(&format!("Accept: image/png\r\n{json}{length}")),
            &[406],
        ),
        ("no length", post(&format!("{both}{json}")), &[400]),
        (
            "two lengths",
            post(&format!("{both}{json}{length}Content-Length: 5\r\n")),
            &[400],
        ),
        (
            "no number",
            post(&format!("{both}{json}Content-Length: five\r\n")),
            &[400],
        ),
        (
            "a negative length",
            post(&format!("{both}{json}Content-Length: -1\r\n")),
            &[400],
        ),
        (
            "an endless length",
            post(&format!("{both}{json}Content-Length: 18446744073709551616\r\n")),
            &[400],
        ),
        (
            "too much announced",
            post(&format!("{both}{json}Content-Length: 9999999999\r\n")),
            &[413],
        ),
        (
            "too little announced",
            post(&format!("{both}{json}Content-Length: 10\r\n")),
            &[400],
        ),
        (
            "an unknown coding",
            post(&format!("{both}{json}Transfer-Encoding: rot13\r\n")),
            &[400, 501],
        ),
        (
            "a broken chunk",
            post(&format!("{both}{json}Transfer-Encoding: chunked\r\n")),
            &[400],
        ),
        (
            "no host",
            format!("GET /health HTTP/1.1\r\n{close}\r\n").into_bytes(),
            &[400, 403],
        ),
        (
            "a space before the colon",
            format!("GET /health HTTP/1.1\r\nHost : x\r\n{close}\r\n").into_bytes(),
            &[400],
        ),
        (
            "a line feed in a header",
            b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\nb\r\n\r\n".to_vec(),
            &[400],
        ),
        ("another protocol", b"HELO localhost\r\n\r\n".to_vec(), &[400, 0]),
        (
            "TLS",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            &[400, 0],
        ),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[400, 505, 0]),
        ("HTTP/3.7", b"GET /health HTTP/3.7\r\n\r\n".to_vec(), &[400, 505]),
        (
            "an unknown method",
            format!("BREW /mcp HTTP/1.1\r\nHost: localhost\r\n{close}\r\n").into_bytes(),
            &[405],
        ),
        (
            "a path of dots",
            format!("GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n{close}\r\n").into_bytes(),
            &[404],
        ),
        (
            "a long path",
            format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(100_000)).into_bytes(),
            &[414, 431, 404],
        ),
        (
            "a long header",
            format!(
                "GET /health HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
                "a".repeat(1_000_000)
            )
            .into_bytes(),
            &[431],
        ),
        (
            "many headers",
            format!(
                "GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
                "X: y\r\n".repeat(5_000)
            )
            .into_bytes(),
            &[431],
        ),
        (
            "no session id",
            format!("POST /message HTTP/1.1\r\nHost: localhost\r\n{close}Content-Length: 0\r\n\r\n").into_bytes(),
            &[400],
        ),
        (
            "a wrong session id",
            format!("POST /message?sessionId=%00 HTTP/1.1\r\nHost: localhost\r\n{close}Content-Length: 0\r\n\r\n")
                .into_bytes(),
            &[400],
        ),
        (
            "an unknown session",
            post(&format!(
                "{both}{json}{length}Mcp-Session-Id: {}\r\n",
                "x".repeat(5_000)
            )),
            &[200, 404],
        ),
    ];
    for (what, bytes, due) in cases {
        let answer = prey.exchange(&bytes).await;
        assert!(due.contains(&answer.status()), "{what}: {}", answer.0);
    }
    prey.serves().await;
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused_however_they_are_sent() {
    let prey = Prey::over_http().await;
    let before = prey.holds();
    let large = vec![b' '; 5_000_000];
    for path in ["/mcp", "/message?sessionId=6b1c0e1a-0000-4000-8000-000000000000"] {
        let answer = prey.post(path, MODERN, &large).await;
        // The server may hang up before the client has read.
        assert!(matches!(answer.status(), 413 | 0), "{path}: {}", answer.0);
        // Chunk after chunk, for ever: it stops reading at the limit.
        let mut connection = prey.connect().await;
        connection
            .write_all(&head(path, "Transfer-Encoding: chunked\r\n"))
            .await
            .unwrap();
        let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
        let mut sent = 0;
        while connection.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
            assert!(sent < 64 * MAX_BODY_BYTES, "{path}: it reads on and on");
        }
    }
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    prey.serves().await;
}

#[tokio::test]
async fn large_bodies_on_their_way_have_a_bound_and_keep_no_small_one_out() {
    const MANY: usize = 200;
    /// What is left of all that is sent, in KiB: the room for large bodies (16 MiB), 96 KiB for each connection, and what serving others
    /// takes, with much to spare: the bodies themselves are 800 MiB.
    const GROWTH: u64 = 16 * 1024 + MANY as u64 * 96 + 64 * 1024;
    let prey = Prey::over_http().await;
    prey.serves().await;
    let before = prey.holds();
    let body = Arc::new(vec![b' '; MAX_BODY_BYTES - 1]);
    let mut sending = JoinSet::new();
    for n in 0..MANY {
        let mut connection = prey.connect().await;
        let body = Arc::clone(&body);
        // Half of them do not say how much it will be.
        let length = match n % 2 {
            0 => format!("Content-Length: {MAX_BODY_BYTES}\r\n"),
            _ => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        connection.write_all(&head("/mcp", &length)).await.unwrap();
        if n % 2 == 1 {
            let chunk = format!("{MAX_BODY_BYTES:x}\r\n");
            connection.write_all(chunk.as_bytes()).await.unwrap();
        }
        sending.spawn(async move {
            // All but the last byte, as far as the server takes it.
            let _ = connection.write_all(&body).await;
            std::future::pending::<()>().await;
            drop(connection);
        });
    }
    prey.until_it("the room to be full", |held| held.memory > before.memory + 14 * 1024)
        .await;
    // Nobody's small calls are kept out meanwhile.
    let mut most = 0;
    for _ in 0..20 {
        prey.serves().await;
        most = most.max(prey.holds().memory);
    }
    let grown = most.saturating_sub(before.memory);
    assert!(grown < GROWTH, "{grown} KiB more");
    // A large one has its turn when those are gone.
    sending.shutdown().await;
    let call =
        json!({"name": "get_history", "arguments": {"session": "x".repeat(1_000_000)}, "_meta": meta()["_meta"]});
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: get_history\r\n";
    let answer = prey
        .post("/mcp", headers, request(1, "tools/call", call).to_string().as_bytes())
        .await;
    assert_eq!(answer.message()["id"], 1, "{}", answer.0);
}

/// The ways to leave in the middle of a request.
fn beginnings() -> Vec<Vec<u8>> {
    let body = listed();
    let whole = [
        head("/mcp", &format!("{MODERN}Content-Length: {}\r\n", body.len())),
        body.into_bytes(),
    ]
    .concat();
    let opened = initialize().to_string();
    let opening = [
        head("/mcp", &format!("Content-Length: {}\r\n", opened.len())),
        opened.into_bytes(),
    ]
    .concat();
    let chunked = [head("/mcp", "Transfer-Encoding: chunked\r\n"), b"5\r\n{\"jso".to_vec()].concat();
    let body_from = whole.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    vec![
        Vec::new(),
        b"P".to_vec(),
        b"POST /mcp HTTP/1.1\r\nHo".to_vec(),
        whole[..body_from].to_vec(),
        whole[..body_from + 10].to_vec(),
        chunked,
        head(
            "/message?sessionId=6b1c0e1a-0000-4000-8000-000000000000",
            "Content-Length: 100\r\n",
        ),
        whole,
        opening,
        b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".to_vec(),
    ]
}

#[tokio::test]
async fn connections_dropped_in_every_phase_leave_nothing_behind() {
    let prey = Prey::over_http().await;
    prey.serves().await;
    let before = prey.holds();
    for beginning in beginnings() {
        for n in 0..40 {
            let mut connection = prey.connect().await;
            connection.write_all(&beginning).await.unwrap();
            // Half of them say that they will write no more; what is dropped with unread bytes in it is reset.
            if n % 2 == 0 {
                connection.shutdown().await.unwrap();
            }
        }
    }
    prey.until_it("the connections to be closed", |held| {
        held.descriptors <= before.descriptors
    })
    .await;
    prey.serves().await;
}

#[tokio::test]
async fn a_connection_dropped_in_the_middle_of_an_answer_leaves_nothing_behind() {
    let prey = Prey::over_http().await;
    prey.serves().await;
    let before = prey.holds();
    let body = listed();
    let ask = [
        head("/mcp", &format!("{MODERN}Content-Length: {}\r\n", body.len())),
        body.into_bytes(),
    ]
    .concat();
    for n in 0..60 {
        let mut connection = prey.connect().await;
        // More answers than the connection holds.
        let _ = connection.write_all(&ask.repeat(50)).await;
        let mut few = vec![0; 1 + n * 37];
        within("the first bytes", connection.read_exact(&mut few))
            .await
            .unwrap();
    }
    prey.until_it("the connections to be closed", |held| {
        held.descriptors <= before.descriptors
    })
    .await;
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < 48 * 1024, "{grown} KiB more");
    prey.serves().await;
}

/// Waits until it is closed; what came before.
async fn until_closed(connection: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // Closed or reset.
    let _ = within("the end of a connection", connection.read_to_end(&mut rest)).await;
    rest
}

#[tokio::test]
async fn idle_connections_keep_nobody_out_and_have_a_bound() {
    let prey = Prey::over_http().await;
    // Its stream is an answer without end: it is at work.
    let client = prey.client(Era::Session("2024-11-05")).await;
    let mut open: Vec<TcpStream> = Vec::new();
    for n in 0..MAX_CONNECTIONS + 64 {
        let mut connection = prey.connect().await;
        // Half of them say nothing, the others ask something and are idle then.
        if n % 2 == 0 {
            let asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
            connection.write_all(asked).await.unwrap();
            let mut some = [0; 512];
            let came = within("an answer", connection.read(&mut some)).await.unwrap();
            assert!(some[..came].starts_with(b"HTTP/1.1 200"), "{n}");
        }
        open.push(connection);
    }
    prey.until_it("idle connections to make way", |held| {
        held.descriptors < MAX_CONNECTIONS + 40
    })
    .await;
    // Those that were idle for longest did, and whoever comes is served.
    until_closed(&mut open[0]).await;
    prey.serves().await;
    let listed: Value = client.result("tools/list", json!({})).await;
    assert!(listed["tools"].is_array());
    drop(open);
    prey.until_it("the connections to be closed", |held| held.descriptors < 60)
        .await;
    prey.serves().await;
}

#[tokio::test]
async fn a_connection_over_which_no_request_comes_is_closed() {
    let prey = Prey::over_http().await;
    for beginning in ["", "POST /mcp HTTP/1.1\r\nHo"] {
        let mut connection = prey.connect().await;
        connection.write_all(beginning.as_bytes()).await.unwrap();
        let came = until_closed(&mut connection).await;
        assert!(came.is_empty(), "{}", String::from_utf8_lossy(&came));
    }
}
