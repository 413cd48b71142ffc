//! `get_history` of long sessions through the real binary: what an agent pays for a view, and how the work grows.
//!
//! `cargo test --release --test it history_scale:: -- --nocapture` prints both tables.

use std::path::Path;

use crate::support::long_session;
use crate::support::mcp_client::{Era, Inbox, McpClient};
use crate::support::mcp_wire::Pipes;
use history::Store;
use serde_json::{Value, json};
use types::SessionId;

/// What every view but the full iteration may take: 600 tokens of four bytes.
const BUDGET: usize = 2_400;
/// A view of a hundred times as many iterations may read so many times as much of the history.
const GROWTH: u64 = 2;
/// What every view may read, in bytes: the longest session here takes a hundred times as much.
const LITTLE: u64 = 256 << 10;

/// A server with its client, and the process.
async fn server(data: &Path) -> (McpClient, u32) {
    let folder = data.display().to_string();
    let inbox = Inbox::default();
    let program = Path::new(env!("CARGO_BIN_EXE_prompt-calibrator"));
    let arguments = [
        "serve",
        "--data-dir",
        &folder,
        "--comfyui",
        "http://127.0.0.1:1",
        "--log",
        "error",
    ];
    let wire = Pipes::spawn(&inbox, program, &arguments, &[("HOME", &folder)]);
    let process = wire.process();
    let client = McpClient::new(wire, inbox, Era::Session("2025-11-25"));
    client.open().await;
    (client, process)
}

async fn view(client: &McpClient, arguments: &Value) -> Value {
    let call = json!({"name": "get_history", "arguments": arguments});
    let answer = client.result("tools/call", call).await;
    assert_ne!(answer["isError"], true, "{answer}");
    answer["structuredContent"].clone()
}

fn views(session: &SessionId) -> [(&'static str, Value); 7] {
    [
        ("sessions", json!({})),
        ("trend", json!({"session": session})),
        ("trend, an older page", json!({"session": session, "page": 3})),
        ("axis", json!({"session": session, "axis": "lighting_color"})),
        (
            "axis, an older page",
            json!({"session": session, "axis": "lighting_color", "page": 3}),
        ),
        ("advice", json!({"session": session, "advice": true})),
        ("iteration", json!({"session": session, "iteration": 90})),
    ]
}

#[tokio::test]
async fn every_view_of_a_hundred_iterations_and_twenty_axes_is_short() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    let mut session = long_session::put(&store, 100).await;
    for _ in 0..20 {
        session = long_session::put(&store, 100).await;
    }
    assert!(long_session::rubric().axes.len() >= 20);
    let (client, _) = server(folder.path()).await;
    for (name, asked) in views(&session) {
        let shown = view(&client, &asked).await;
        let bytes = shown.to_string().len();
        println!("{name:<22} {bytes:>6} bytes, {:>4} tokens", bytes / 4);
        assert!(
            shown["summary"].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {shown}"
        );
        assert!(name == "iteration" || bytes <= BUDGET, "{name}: {bytes} bytes: {shown}");
    }
    let trend = view(&client, &json!({"session": session})).await;
    let rows = trend["iterations"].as_array().unwrap();
    assert_eq!(rows.len(), 20);
    assert!(
        rows.iter()
            .all(|row| row["note"].as_str().is_some_and(|note| note.chars().count() >= 12)),
        "{trend}"
    );
    assert_eq!(rows.iter().filter(|row| row["best"] == true).count(), 1, "{trend}");
    let advice = view(&client, &json!({"session": session, "advice": true})).await;
    for part in ["axis", "ref", "gen", "score", "tried", "parent"] {
        assert!(!advice["advice"][part].is_null(), "{part}: {advice}");
    }
}

/// The bytes that a process has read so far, from files and pipes.
#[cfg(target_os = "linux")]
fn bytes_read(process: u32) -> u64 {
    let counted = std::fs::read_to_string(format!("/proc/{process}/io")).unwrap();
    let read = counted.lines().find_map(|line| line.strip_prefix("rchar: "));
    read.unwrap().parse().unwrap()
}

/// Counted and not timed, so that a busy machine changes nothing. Every view is asked of a server of its own, which has no
/// page of the history in memory yet.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_view_reads_hardly_more_of_a_longer_session() {
    let sizes = [100, 1_000, 10_000];
    let mut all = Vec::new();
    for iterations in sizes {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let session = long_session::put(&store, iterations).await;
        // Closed, so that the rows are in the file and no longer in its journal.
        drop(store);
        let mut of_size = Vec::new();
        for (_, asked) in views(&session) {
            let (client, process) = server(folder.path()).await;
            let before = bytes_read(process);
            view(&client, &asked).await;
            of_size.push(bytes_read(process) - before);
        }
        all.push(of_size);
    }
    println!("KiB that a view reads, by iterations of the session: {sizes:?}");
    for (at, (name, _)) in views(&SessionId::random()).iter().enumerate() {
        let read: Vec<u64> = all.iter().map(|of_size| of_size[at]).collect();
        println!(
            "{name:<22} {:>8} {:>8} {:>8}",
            read[0] >> 10,
            read[1] >> 10,
            read[2] >> 10
        );
        let most = GROWTH * read[0].max(LITTLE);
        assert!(
            read[2] <= most,
            "{name} grows with the session: {read:?} bytes are read"
        );
    }
}
