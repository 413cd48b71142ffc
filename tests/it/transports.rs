//! Every transport, in each era of the protocol, against clients that misbehave and tools that fail.

mod http_edges;
mod stdio_edges;
mod toy_server;

use std::time::Duration;

use crate::support::mcp_client::{Era, Failure};
use serde_json::{Value, json};
use toy_server::{Setup, Via};

const ENOUGH: Duration = Duration::from_secs(20);

fn text_of(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_default()
}

/// Makes a module of tests from each body: one for each way to reach a server.
macro_rules! over_every_transport {
    ($($body:ident)*) => {$(
        mod $body {
            use super::*;

            over_every_transport! { @each $body
                stdio_2025_11_25 Stdio Era::Session("2025-11-25");
                stdio_2024_11_05 Stdio Era::Session("2024-11-05");
                stdio_2026_07_28 Stdio Era::Modern;
                http_2025_11_25 Http Era::Session("2025-11-25");
                http_2025_06_18 Http Era::Session("2025-06-18");
                http_2026_07_28 Http Era::Modern;
                legacy_sse_2024_11_05 LegacySse Era::Session("2024-11-05");
            }
        }
    )*};
    (@each $body:ident $($name:ident $via:ident $era:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            bodies::$body(Setup::new(Via::$via, $era, ENOUGH).await).await;
        }
    )*};
}

over_every_transport! {
    tools_are_listed_and_called
    a_panic_is_answered_and_the_next_call_works
    wrong_parameters_are_named
    two_calls_run_at_once
    a_cancelled_request_gets_no_answer_and_others_do
    progress_grows_and_stops_before_the_answer
    a_huge_result_arrives_whole
    a_shutdown_lets_requests_in_flight_finish
}

#[tokio::test]
async fn what_the_newest_revision_removed_is_unknown_there_and_checked_elsewhere() {
    for (era, expected) in [(Era::Modern, -32601), (Era::Session("2025-11-25"), -32602)] {
        let setup = Setup::new(Via::Http, era, ENOUGH).await;
        for method in ["resources/subscribe", "resources/unsubscribe", "logging/setLevel"] {
            assert_eq!(
                error_code(&setup, method, json!({})).await,
                expected,
                "{method} {era:?}"
            );
        }
    }
    let setup = Setup::new(Via::Http, Era::Modern, ENOUGH).await;
    assert_eq!(error_code(&setup, "initialize", json!({})).await, -32601);
    let level = json!({"level": "info"});
    assert_eq!(error_code(&setup, "logging/setLevel", level).await, -32601);
}

async fn error_code(setup: &Setup, method: &str, params: Value) -> i64 {
    match setup.client.request(method, params).await {
        Err(Failure::Rpc { code, .. }) => code,
        other => panic!("{method}: {other:?}"),
    }
}

/// What must hold however a server is reached.
mod bodies {
    use super::*;

    pub async fn tools_are_listed_and_called(setup: Setup) {
        let listed = setup.client.result("tools/list", json!({})).await;
        assert_eq!(listed["tools"][0]["name"], "echo");
        let said = json!({"text": "grüße 🖼 \u{2028}\n\"quoted\""});
        let result = setup.client.call_tool("echo", said.clone()).await;
        assert_eq!(text_of(&result), said["text"]);
    }

    pub async fn a_panic_is_answered_and_the_next_call_works(setup: Setup) {
        let result = setup.client.call_tool("panic", json!({})).await;
        assert_eq!(result["isError"], true, "{result}");
        let told = text_of(&result);
        assert!(told.contains("The tool panic failed"), "{told}");
        assert!(told.contains("index out of bounds"), "{told}");

        let failure = setup.client.request("prompts/get", json!({"name": "x"})).await;
        let Err(Failure::Rpc { code, message, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(code, -32603);
        assert!(message.contains("no prompt today"), "{message}");

        let result = setup.client.call_tool("echo", json!({"text": "still here"})).await;
        assert_eq!(text_of(&result), "still here");
    }

    pub async fn wrong_parameters_are_named(setup: Setup) {
        let params = json!({"name": "echo", "arguments": "not an object"});
        let failure = setup.client.request("tools/call", params).await;
        let Err(Failure::Rpc { code, message, .. }) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(code, -32602);
        assert!(message.contains("params of tools/call"), "{message}");
        assert!(message.contains("not an object"), "{message}");
    }

    pub async fn two_calls_run_at_once(setup: Setup) {
        let calls = [0, 1].map(|_| setup.client.start_tool("meet", json!({})));
        for call in &calls {
            assert_eq!(text_of(&call.answer().await.unwrap()), "met");
        }
    }

    pub async fn a_cancelled_request_gets_no_answer_and_others_do(setup: Setup) {
        let held = setup.client.start_tool("hold", json!({}));
        setup.toy.until("held").await;
        setup.client.cancel(&held).await;
        setup.toy.until("cancelled").await;
        // The tool has returned; what the server says next comes after anything that it would say to the cancelled request.
        let result = setup.client.call_tool("echo", json!({"text": "other"})).await;
        assert_eq!(text_of(&result), "other");
        assert!(!held.is_answered(), "{}", setup.client.log());
    }

    pub async fn progress_grows_and_stops_before_the_answer(setup: Setup) {
        let call = setup.client.start_tool("progress", json!({}));
        // The first step is news, the two after it only beats.
        setup.client.progressed(&call, 3).await;
        setup.toy.release.add_permits(1);
        assert_eq!(text_of(&call.answer().await.unwrap()), "four steps");

        let told = setup.client.progress_of(&call);
        assert_eq!(told[0]["total"], 100.0);
        assert!(told.iter().any(|params| params["message"] == "step 1 of 4"), "{told:?}");
        let values: Vec<f64> = told.iter().map(|params| params["progress"].as_f64().unwrap()).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!((25.0..26.0).contains(values.last().unwrap()), "{values:?}");

        // The client itself fails when progress comes after the answer.
        let sprints = [0; 50].map(|_| setup.client.start_tool("sprint", json!({})));
        for sprint in &sprints {
            assert_eq!(text_of(&sprint.answer().await.unwrap()), "finished");
        }
        setup.client.call_tool("echo", json!({})).await;
    }

    pub async fn a_huge_result_arrives_whole(setup: Setup) {
        let result = setup.client.call_tool("huge", json!({})).await;
        assert_eq!(text_of(&result).len(), 8 << 20);
    }

    pub async fn a_shutdown_lets_requests_in_flight_finish(setup: Setup) {
        let held = setup.client.start_tool("hold", json!({}));
        setup.toy.until("held").await;
        setup.shutdown.cancel();
        assert!(!held.is_answered());
        setup.toy.release.add_permits(1);
        assert_eq!(text_of(&held.answer().await.unwrap()), "released");
        setup.server.ended().await;
    }
}
