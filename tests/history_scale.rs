//! `get_history` of long sessions through the real binary: what an agent pays for a view, and how the time grows.
//!
//! `cargo test --release --test history_scale -- --nocapture` prints both tables.

#![cfg(test)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use history::Store;
use serde_json::{Value, json};
use support::long_session;
use support::mcp_client::{Era, Inbox, McpClient};
use support::mcp_wire::Pipes;
use types::SessionId;

/// What every view but the full iteration may take: 600 tokens of four bytes.
const BUDGET: usize = 2_400;
/// How often each view is asked for.
const TIMES: usize = 15;
/// A view of a hundred times as many iterations may take so many times as long.
const GROWTH: f64 = 4.0;

async fn server(data: &Path) -> McpClient {
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
    let client = McpClient::new(wire, inbox, Era::Session("2025-11-25"));
    client.open().await;
    client
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
    let client = server(folder.path()).await;
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

#[tokio::test]
async fn the_time_hardly_grows_with_the_session() {
    let mut medians: Vec<Vec<Duration>> = Vec::new();
    let sizes = [100, 1_000, 10_000];
    for iterations in sizes {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path());
        let session = long_session::put(&store, iterations).await;
        let client = server(folder.path()).await;
        let mut of_size = Vec::new();
        for (_, asked) in views(&session) {
            let mut times: Vec<Duration> = Vec::new();
            for _ in 0..TIMES {
                let started = Instant::now();
                view(&client, &asked).await;
                times.push(started.elapsed());
            }
            times.sort();
            of_size.push(times[TIMES / 2]);
        }
        medians.push(of_size);
    }
    println!("median of {TIMES} calls, in milliseconds, by iterations of the session: {sizes:?}");
    for (at, (name, _)) in views(&SessionId::random()).iter().enumerate() {
        let times: Vec<f64> = medians.iter().map(|of_size| of_size[at].as_secs_f64() * 1e3).collect();
        println!("{name:<22} {:>8.2} {:>8.2} {:>8.2}", times[0], times[1], times[2]);
        // One slow call of a busy machine is not a scan of the table; a scan is a hundred times as much.
        let least = times[0].max(1.0);
        assert!(times[2] <= GROWTH * least, "{name} grows with the session: {times:?}");
    }
}
