//! Pipes: what ends a session, what must not, and what is answered on the way.

use std::time::Duration;

use serde_json::{Value, json};

use prompt_calibrator::mcp::transport::stdio::{self, StdioOptions};

use crate::support::mcp_client::{Era, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::Pipes;
use crate::transports::toy_server::{Setup, Toy, Via};
use crate::transports::{ENOUGH, text_of};

const ERA: Era = Era::Session("2025-11-25");

async fn setup() -> Setup {
    Setup::new(Via::Stdio, ERA, ENOUGH).await
}

async fn echo_works(setup: &Setup) {
    let result = setup.client.call_tool("echo", json!({"text": "alive"})).await;
    assert_eq!(text_of(&result), "alive", "{}", setup.client.log());
}

/// Waits for an error that answers no particular request.
async fn error(setup: &Setup, code: i64) -> Value {
    setup
        .client
        .message(&format!("error {code}"), |message| message["error"]["code"] == code)
        .await
}

#[tokio::test]
async fn malformed_lines_are_answered_and_change_nothing() {
    let setup = setup().await;
    for text in ["{\"jsonrpc\": \"2.0\", \"id\":\n", "\n", "  \r\n"] {
        setup.client.send_text(text);
    }
    assert!(error(&setup, -32700).await.get("id").is_none());
    setup.client.send_text("[1, 2]\n");
    error(&setup, -32600).await;
    setup.client.send_text("\u{0}\u{1}garbage {}\n");
    setup
        .client
        .send_text("{\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\"}\n");
    echo_works(&setup).await;
}

#[tokio::test]
async fn malformed_lines_before_the_handshake_change_nothing() {
    let setup = Setup::unopened(Via::Stdio, ERA, ENOUGH).await;
    setup.client.send_text("Content-Length: 12\r\n\r\n");
    error(&setup, -32700).await;
    let cancelled = json!({"requestId": 5});
    setup.client.notify("notifications/cancelled", cancelled).await;
    setup.client.send_text("{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}\n");
    assert_eq!(setup.client.open().await["serverInfo"]["name"], "toy");
    echo_works(&setup).await;
}

#[tokio::test]
async fn a_discovery_can_be_followed_by_either_era() {
    for era in [Era::Modern, ERA] {
        let setup = Setup::unopened(Via::Stdio, era, ENOUGH).await;
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let found = setup.client.result("server/discover", json!({"_meta": meta})).await;
        let versions = found["supportedVersions"].as_array().unwrap();
        assert!(versions.contains(&json!("2026-07-28")), "{found}");
        setup
            .client
            .notify("notifications/cancelled", json!({"requestId": 1}))
            .await;
        setup.client.open().await;
        echo_works(&setup).await;
    }
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_and_the_next_is_read() {
    let setup = setup().await;
    // The limit of the tests is one mebibyte.
    let fits = "x".repeat((1 << 20) - 400);
    let result = setup.client.call_tool("echo", json!({"text": fits})).await;
    assert_eq!(text_of(&result).len(), fits.len());

    let long = json!({"jsonrpc": "2.0", "id": 99, "method": "ping", "params": {"x": "y".repeat(3 << 20)}});
    setup.client.send_text(&format!("{long}\n"));
    let told = error(&setup, -32600).await;
    assert!(
        told["error"]["message"]
            .as_str()
            .unwrap()
            .contains("longer than 1048576 bytes")
    );
    echo_works(&setup).await;
}

#[tokio::test]
async fn the_end_of_the_input_ends_the_server() {
    let setup = setup().await;
    setup.client.close_input();
    setup.client.closed().await;
    setup.server.ended().await;
}

#[tokio::test]
async fn the_end_of_the_input_before_any_message_is_no_error() {
    let setup = Setup::unopened(Via::Stdio, ERA, ENOUGH).await;
    setup.client.close_input();
    setup.client.closed().await;
    setup.server.ended().await;
}

#[tokio::test]
async fn requests_in_flight_are_answered_after_the_end_of_the_input() {
    let setup = setup().await;
    let held = setup.client.start_tool("hold", json!({}));
    // One that tells progress all the time: rmcp alone would leave it hanging.
    let telling = setup.client.start_tool("progress", json!({}));
    setup.toy.until("held").await;
    setup.client.progressed(&telling, 1).await;
    setup.client.close_input();
    let before = setup.client.progress_of(&telling).len();
    setup.client.progressed(&telling, before + 2).await;
    setup.toy.release.add_permits(2);
    assert_eq!(text_of(&held.answer().await.unwrap()), "released");
    assert_eq!(text_of(&telling.answer().await.unwrap()), "four steps");
    setup.client.closed().await;
    setup.server.ended().await;
}

#[tokio::test]
async fn the_last_line_needs_no_line_feed() {
    let setup = setup().await;
    // Refused, so that its answer is one without an id, which the client keeps.
    setup.client.send_text("[]");
    setup.client.close_input();
    error(&setup, -32600).await;
    setup.client.closed().await;
}

#[tokio::test]
async fn requests_that_do_not_end_are_cut_off_after_the_grace() {
    let grace = Duration::from_millis(20);
    let setup = Setup::new(Via::Stdio, ERA, grace).await;
    let held = setup.client.start_tool("hold", json!({}));
    setup.toy.until("held").await;
    setup.client.close_input();
    // It is told to stop, stops, and may still say how far it got.
    setup.toy.until("cancelled").await;
    assert_eq!(text_of(&held.answer().await.unwrap()), "released");
    setup.client.closed().await;
    setup.server.ended().await;
}

#[tokio::test]
async fn a_cancelled_request_is_not_waited_for() {
    let longer_than_the_test = Duration::from_secs(600);
    let setup = Setup::new(Via::Stdio, ERA, longer_than_the_test).await;
    let held = setup.client.start_tool("hold", json!({}));
    setup.toy.until("held").await;
    setup.client.cancel(&held).await;
    setup.client.close_input();
    setup.client.closed().await;
    setup.server.ended().await;
    assert!(!held.is_answered());
}

#[tokio::test]
async fn a_tool_that_ignores_being_cancelled_does_not_keep_the_server() {
    let setup = Setup::new(Via::Stdio, ERA, Duration::from_millis(20)).await;
    let stubborn = setup.client.start_tool("stubborn", json!({}));
    setup.toy.until("stubborn began").await;
    setup.client.close_input();
    setup.client.closed().await;
    setup.server.ended().await;
    assert!(!stubborn.is_answered());
}

#[tokio::test]
async fn an_output_that_nobody_reads_ends_the_server() {
    let toy = Toy::new();
    let (to_server, from_client) = tokio::io::duplex(1 << 16);
    let (to_client, from_server) = tokio::io::duplex(1 << 16);
    let serving = stdio::serve_on(toy.clone(), from_client, to_client, StdioOptions::default());
    let serving = tokio::spawn(serving);
    let inbox = Inbox::default();
    let client = McpClient::new(Pipes::over(&inbox, from_server, to_server), inbox, ERA);
    client.open().await;
    client.start_tool("hold", json!({}));
    toy.until("held").await;
    client.close_output().await;
    toy.release.add_permits(1);
    // The input stays open all the time.
    let ended = tokio::time::timeout(LIMIT, serving).await.expect("it still runs");
    ended.unwrap().unwrap();
    drop(client);
}
