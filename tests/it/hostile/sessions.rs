//! Sessions that are opened and abandoned by the thousand.

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use prompt_calibrator::mcp::transport::{legacy_sse, sessions};

use crate::hostile::prey::{Answer, Prey, VERSION, initialize, meta, request, within};

fn in_session(id: &str) -> String {
    format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: {VERSION}\r\n")
}

async fn open(prey: &Prey) -> String {
    let opened = prey.post("/mcp", "", initialize().to_string().as_bytes()).await;
    opened
        .header("mcp-session-id")
        .unwrap_or_else(|| panic!("not opened: {}", opened.0))
}

async fn list(prey: &Prey, session: &str) -> Answer {
    let asked = request("list", "tools/list", json!({})).to_string();
    prey.post("/mcp", &in_session(session), asked.as_bytes()).await
}

async fn initialized(prey: &Prey, session: &str) {
    let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(
        prey.post("/mcp", &in_session(session), told.as_bytes()).await.status(),
        202
    );
}

/// The stream on which a session hears of changes, once it is open.
async fn listening(prey: &Prey, session: &str) -> BufReader<TcpStream> {
    let mut stream = BufReader::new(prey.connect().await);
    let head = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{}\r\n",
        in_session(session)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    within("the stream", stream.read_line(&mut line)).await.unwrap();
    assert!(line.contains("200 OK"), "{line}");
    stream
}

#[tokio::test]
async fn abandoned_sessions_make_room_for_new_ones_and_memory_has_a_bound() {
    const MANY: usize = 3_000;
    let prey = Prey::over_http().await;
    let used = open(&prey).await;
    initialized(&prey, &used).await;
    let listens = open(&prey).await;
    initialized(&prey, &listens).await;
    let stream = listening(&prey, &listens).await;
    let idle = open(&prey).await;
    let mut newest = String::new();
    let mut halfway = 0;
    for n in 0..MANY {
        newest = open(&prey).await;
        if n % 100 == 0 {
            assert_eq!(list(&prey, &used).await.status(), 200, "a session that is used stays");
        }
        if n == MANY / 2 {
            halfway = prey.holds().memory;
        }
    }
    // A session takes about 150 KiB: if the second half of them stayed, that would be seven times the limit.
    // What the first half adds beyond the sessions that are kept is the allocator's, and stops growing.
    let held = prey.holds();
    assert!(
        held.memory < halfway + 32 * 1024,
        "{halfway} KiB after half of the sessions, then {held:?}"
    );
    assert!(held.descriptors < 40, "{held:?}");
    assert_eq!(
        list(&prey, &idle).await.status(),
        404,
        "the one unused for longest is gone, and its client is told"
    );
    initialized(&prey, &newest).await;
    assert_eq!(list(&prey, &newest).await.status(), 200);
    assert_eq!(list(&prey, &listens).await.status(), 200, "one that listens is in use");
    drop(stream);
    prey.serves().await;
}

#[tokio::test]
async fn when_all_sessions_are_in_use_a_new_one_is_refused_until_one_is_not() {
    let prey = Prey::over_http().await;
    let mut streams = Vec::new();
    for _ in 0..sessions::MAX_SESSIONS {
        let session = open(&prey).await;
        initialized(&prey, &session).await;
        streams.push(listening(&prey, &session).await);
    }
    let refused = prey.post("/mcp", "", initialize().to_string().as_bytes()).await;
    assert_eq!(refused.status(), 503, "{}", refused.0);
    assert!(refused.0.contains("256 sessions are open already"), "{}", refused.0);
    // Who has no session needs no place.
    let modern = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n";
    let asked = request(1, "tools/list", meta()).to_string();
    assert_eq!(prey.post("/mcp", modern, asked.as_bytes()).await.status(), 200);
    streams.pop();
    within("a place", async {
        while prey
            .post("/mcp", "", initialize().to_string().as_bytes())
            .await
            .status()
            != 200
        {}
    })
    .await;
}

#[tokio::test]
async fn sse_sessions_that_are_dropped_at_once_leave_nothing() {
    const MANY: usize = 1_500;
    let prey = Prey::over_http().await;
    prey.serves().await;
    let before = prey.holds();
    for n in 0..MANY {
        let mut connection = prey.connect().await;
        connection
            .write_all(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        // Some go before the answer, some after it.
        if n % 2 == 0 {
            let mut line = String::new();
            within("the head", BufReader::new(connection).read_line(&mut line))
                .await
                .unwrap();
            assert!(line.contains(" 200 ") || line.contains(" 503 "), "{line}");
        }
    }
    prey.until_it("the connections to be closed", |held| {
        held.descriptors <= before.descriptors
    })
    .await;
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < 24 * 1024, "{grown} KiB more");
    // All places are free again.
    let mut open = Vec::new();
    for _ in 0..legacy_sse::MAX_SESSIONS {
        let mut stream = BufReader::new(prey.connect().await);
        within("a place", async {
            let mut line = String::new();
            while !line.contains(" 200 ") {
                stream = BufReader::new(prey.connect().await);
                stream
                    .write_all(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .await
                    .unwrap();
                line.clear();
                stream.read_line(&mut line).await.unwrap();
            }
        })
        .await;
        open.push(stream);
    }
    let refused = prey
        .exchange(b"GET /sse HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    assert_eq!(refused.status(), 503, "{}", refused.0);
    assert!(refused.0.contains("64 sessions are open already"), "{}", refused.0);
    drop(open);
    prey.until_it("the streams to be closed", |held| {
        held.descriptors <= before.descriptors + 1
    })
    .await;
    prey.serves().await;
}
