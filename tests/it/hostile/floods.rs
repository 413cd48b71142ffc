//! More requests than anybody can use, and clients that do not read what they asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

use crate::hostile::prey::{Prey, VERSION, head, meta, opening, read_all, request, within};
use crate::support::mcp_client::Era;

/// What a flood may make a server grow by, in KiB: the answers that a session may have in flight (256, of 140 KB each while
/// they wait for their turn), its tools' own work, and what the allocator keeps of it.
const GROWTH: u64 = 96 * 1024;
const FLOOD: usize = 5_000;

/// One of a few kinds of request, with a short or a long answer, a refusal or an error.
fn some_request(n: usize) -> Value {
    match n % 5 {
        0 => request(n, "tools/list", json!({})),
        1 => request(n, "ping", json!({})),
        2 => request(n, "tools/call", json!({"name": "get_history", "arguments": {}})),
        3 => request(
            n,
            "tools/call",
            json!({"name": "judge_pair", "arguments": {"iteration": n}}),
        ),
        _ => request(n, "no/such/method", json!({"n": n})),
    }
}

#[tokio::test]
async fn five_thousand_requests_at_once_are_each_answered_once() {
    let (prey, mut input, mut output) = Prey::over_pipes();
    input.write_all(&opening()).await.unwrap();
    let mut line = Vec::new();
    within("the opening", output.read_until(b'\n', &mut line))
        .await
        .unwrap();
    let before = prey.holds();
    let flood: String = (0..FLOOD).map(|n| format!("{}\n", some_request(n))).collect();
    let writing = tokio::spawn(async move {
        input.write_all(flood.as_bytes()).await.unwrap();
        input
    });
    let mut answers: HashMap<usize, Value> = HashMap::new();
    while answers.len() < FLOOD {
        line.clear();
        within("an answer", output.read_until(b'\n', &mut line)).await.unwrap();
        let answer: Value = serde_json::from_slice(&line).unwrap();
        let id = usize::try_from(answer["id"].as_u64().expect("an id of the flood")).unwrap();
        assert!(answers.insert(id, answer).is_none(), "{id} was answered twice");
    }
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < GROWTH, "{grown} KiB more");
    for (n, answer) in &answers {
        let right = match n % 5 {
            0 => answer["result"]["tools"].is_array(),
            1 => answer["result"].is_object(),
            // When many tools are called at once, some are told to come again.
            2 | 3 => answer["result"]["content"].is_array(),
            _ => answer["error"]["code"] == -32601,
        };
        assert!(right, "{n}: {answer}");
    }
    drop(writing.await.unwrap());
    let rest = read_all(output).await;
    assert!(rest.is_empty(), "{rest:?}");
    assert_eq!(prey.ended().await, Some(0));
}

/// Writes requests until the server takes no more, which is when a second passed without a byte. The rest is returned.
/// On a busy machine that may be too soon, which makes the flood smaller and no test fail.
async fn write_until_blocked(input: &mut (impl AsyncWriteExt + Unpin), mut flood: &[u8]) -> Vec<u8> {
    while !flood.is_empty() {
        match tokio::time::timeout(Duration::from_secs(1), input.write(flood)).await {
            Ok(written) => flood = &flood[written.unwrap()..],
            Err(_) => return flood.to_vec(),
        }
    }
    panic!("it took everything, though nobody reads the answers");
}

#[tokio::test]
async fn a_client_that_writes_and_never_reads_blocks_itself_and_loses_nothing() {
    const MANY: usize = 20_000;
    let (prey, mut input, mut output) = Prey::over_pipes();
    input.write_all(&opening()).await.unwrap();
    let mut line = Vec::new();
    within("the opening", output.read_until(b'\n', &mut line))
        .await
        .unwrap();
    let before = prey.holds();
    let flood: String = (0..MANY)
        .map(|n| format!("{}\n", request(n, "tools/list", json!({}))))
        .collect();
    let rest = write_until_blocked(&mut input, flood.as_bytes()).await;
    let taken = flood[..flood.len() - rest.len()].lines().count();
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < GROWTH, "{grown} KiB more after {taken} requests");
    // The pipes hold 64 KiB each, the server 256 requests.
    assert!(taken < 3_000, "{taken} requests were taken");
    // Those that were taken whole are answered when it reads at last.
    drop(input);
    let messages = read_all(output).await;
    let answered = messages
        .iter()
        .filter(|message| message["result"]["tools"].is_array())
        .count();
    assert!(answered == taken || answered + 1 == taken, "{answered} of {taken}");
    assert_eq!(prey.ended().await, Some(0));
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_the_server_from_ending() {
    let (prey, mut input, output) = Prey::over_pipes();
    input.write_all(&opening()).await.unwrap();
    let flood: String = (0..20_000)
        .map(|n| format!("{}\n", request(n, "tools/list", json!({}))))
        .collect();
    write_until_blocked(&mut input, flood.as_bytes()).await;
    prey.terminate();
    assert_eq!(
        prey.ended().await,
        Some(0),
        "it ends after the grace for what is in flight"
    );
    drop((input, output));
}

#[tokio::test]
async fn a_client_of_sse_that_never_reads_its_stream_blocks_only_itself() {
    const MANY: usize = 4_000;
    let prey = Arc::new(Prey::over_http().await);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = BufReader::new(socket.connect(prey.address).await.unwrap());
    stream
        .write_all(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut line = String::new();
    let endpoint = within("the endpoint", async {
        while !line.starts_with("data: ") {
            line.clear();
            stream.read_line(&mut line).await.unwrap();
        }
        line["data: ".len()..].trim_end().to_owned()
    })
    .await;
    let other = prey.client(Era::Session(VERSION)).await;
    let before = prey.holds();
    for line in String::from_utf8(opening()).unwrap().lines() {
        assert_eq!(prey.post(&endpoint, "", line.as_bytes()).await.status(), 202);
    }

    let (room, done, taken) = (
        Arc::new(Semaphore::new(200)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let posts: Vec<_> = (0..MANY)
        .map(|n| {
            let (prey, room, done, taken) = (
                Arc::clone(&prey),
                Arc::clone(&room),
                Arc::clone(&done),
                Arc::clone(&taken),
            );
            let endpoint = endpoint.clone();
            tokio::spawn(async move {
                let _room = room.acquire().await.unwrap();
                let asked = request(n, "tools/list", json!({})).to_string();
                let status = prey.post(&endpoint, "", asked.as_bytes()).await.status();
                taken.fetch_add(usize::from(status == 202), Ordering::Relaxed);
                done.fetch_add(1, Ordering::Relaxed);
                status
            })
        })
        .collect();
    // Stuck: while others were answered twenty times, nothing was taken from this one.
    within("the client to block itself", async {
        loop {
            let before = done.load(Ordering::Relaxed);
            for _ in 0..20 {
                other.result("tools/list", json!({})).await;
            }
            if before > 0 && done.load(Ordering::Relaxed) == before {
                return;
            }
        }
    })
    .await;
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < GROWTH, "{grown} KiB more");
    assert!(taken.load(Ordering::Relaxed) < MANY, "everything was taken");
    drop(stream);
    // Those that wait are told that the session is gone, and so are the ones after them.
    let statuses = join_all(posts).await;
    assert!(
        statuses.iter().all(|status| matches!(status, Ok(202 | 404))),
        "{statuses:?}"
    );
    assert!(statuses.iter().any(|status| matches!(status, Ok(404))));
    prey.serves().await;
}

#[tokio::test]
async fn a_slow_reader_over_http_gets_everything_and_holds_up_nobody() {
    const MANY: usize = 400;
    let prey = Prey::over_http().await;
    let listed = request(1, "tools/list", meta()).to_string();
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n";
    let mut flood = Vec::new();
    for _ in 0..MANY {
        flood.extend(head("/mcp", &format!("{headers}Content-Length: {}\r\n", listed.len())));
        flood.extend(listed.as_bytes());
    }
    let before = prey.holds();
    let (mut reader, mut writer) = prey.connect().await.into_split();
    let writing = tokio::spawn(async move { writer.write_all(&flood).await.map(|()| writer) });
    // A few bytes at a time, and others are served after each.
    let other = prey.client(Era::Modern).await;
    let mut read = Vec::new();
    let mut few = [0; 512];
    for _ in 0..40 {
        let count = within("some bytes", reader.read(&mut few)).await.unwrap();
        read.extend_from_slice(&few[..count]);
        other.result("tools/list", json!({})).await;
    }
    let grown = prey.holds().memory.saturating_sub(before.memory);
    assert!(grown < GROWTH, "{grown} KiB more");
    within("the rest", async {
        let mut chunk = vec![0; 1 << 16];
        while String::from_utf8_lossy(&read).matches("HTTP/1.1 200 OK").count() < MANY {
            let count = reader.read(&mut chunk).await.unwrap();
            assert!(count > 0, "the connection ended before the last answer");
            read.extend_from_slice(&chunk[..count]);
        }
    })
    .await;
    drop(writing.await.unwrap().unwrap());
    prey.serves().await;
}
