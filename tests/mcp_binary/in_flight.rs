//! Several requests at once, requests that are cancelled, and the end of the input.

use std::time::Duration;

use serde_json::json;

use crate::ERA;
use crate::bench::{Bench, Server, Via};
use crate::over_every_transport;
use crate::studio::LivingStudio;
use crate::support::mcp_client::Call;

over_every_transport! {
    a_cancelled_run_is_interrupted_and_not_answered
    a_cancelled_judgement_is_not_answered_and_the_next_one_is
    two_calls_at_once_are_both_answered
}

/// Slow enough to be cancelled, whatever else this machine does.
const SLOW: Duration = Duration::from_millis(20);
const MANY_STEPS: u32 = 1_000;

/// Begins a run that does not end by itself in any test's time.
async fn endless_run(server: &Server, session: &str) -> Call {
    let knobs = json!({"steps": MANY_STEPS});
    let call = server.start_tool(
        "queue_generation",
        json!({"session": session, "positive": "a blue square", "knobs": knobs, "note": "endless"}),
    );
    sampling(server, &call, MANY_STEPS).await;
    call
}

/// Waits until a call was told that the sampler is at work: it waits for that very run.
pub async fn sampling(server: &Server, call: &Call, steps: u32) {
    let token = call.progress_token();
    server
        .message("progress of the sampler", |message| {
            let told = &message["params"];
            let words = told["message"].as_str().unwrap_or_default();
            told["progressToken"] == *token && words.starts_with("ComfyUI: ") && words.contains(&steps.to_string())
        })
        .await;
}

mod bodies {
    use super::*;

    pub async fn a_cancelled_run_is_interrupted_and_not_answered(bench: Bench) {
        let bench = Bench::with_studio(bench.via, bench.era, LivingStudio::new(SLOW).await);
        let server = bench.open().await;
        let session = server.session(&bench).await;
        let call = endless_run(&server, &session).await;
        // Others are answered meanwhile, and see it.
        let trend = server.tool("get_history", json!({"session": session})).await;
        assert_eq!(trend["iterations"][1]["state"], "running", "{trend}");
        assert!(!call.is_answered());

        server.cancel(&call).await;
        let messages = bench.studio.idle().await;
        assert!(messages.contains(&"execution_interrupted".to_owned()), "{messages:?}");
        let asked = json!({"session": session, "positive": "a red star", "knobs": {"steps": 1}});
        let next = server.tool("queue_generation", asked).await;
        assert_eq!((&next["state"], &next["iteration"]), (&json!("done"), &json!(3)));
        assert!(!call.is_answered(), "{}", server.log());
        let trend = server.tool("get_history", json!({"session": session})).await;
        assert_eq!(trend["iterations"][1]["state"], "cancelled", "{trend}");
    }

    pub async fn a_cancelled_judgement_is_not_answered_and_the_next_one_is(bench: Bench) {
        let server = bench.open().await;
        let asked = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
        let call = server.start_tool("judge_pair", asked.clone());
        // At work: the model loads or is asked already.
        server.progressed(&call, 1).await;
        server.cancel(&call).await;
        let judged = server.tool("judge_pair", asked).await;
        assert_eq!(judged["axes"].as_array().unwrap().len(), 6);
        assert!(!call.is_answered(), "{}", server.log());
    }

    pub async fn two_calls_at_once_are_both_answered(bench: Bench) {
        let server = bench.open().await;
        let judge = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
        let itself = json!({"reference": bench.file("reference.png"), "generated": bench.file("reference.png")});
        let run = json!({"workflow": bench.file("workflow.json"), "positive": "a blue square"});
        let calls = [
            ("judge_pair", server.start_tool("judge_pair", judge)),
            ("judge_pair", server.start_tool("judge_pair", itself)),
            ("queue_generation", server.start_tool("queue_generation", run)),
        ];
        for (name, call) in &calls {
            server.answer(name, call).await;
        }
    }
}

/// A run is stopped by another call just as well.
#[tokio::test]
async fn a_run_is_stopped_by_asking_for_it() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(SLOW).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let call = endless_run(&server, &session).await;
    let stopped = server
        .tool(
            "queue_generation",
            json!({"session": session, "iteration": 2, "cancel": true}),
        )
        .await;
    assert_eq!(stopped["state"], "stopping");
    let told = call.answer().await.unwrap();
    assert_eq!(
        told["isError"], true,
        "it was not this request that was cancelled: {told}"
    );
    assert!(
        told["content"][0]["text"].as_str().unwrap().contains("stopped"),
        "{told}"
    );
    assert!(bench.studio.idle().await.contains(&"execution_interrupted".to_owned()));
    let nothing = server
        .tool(
            "queue_generation",
            json!({"session": session, "iteration": 2, "cancel": true}),
        )
        .await;
    assert!(
        nothing["summary"].as_str().unwrap().contains("not running"),
        "{nothing}"
    );
}

#[tokio::test]
async fn the_end_of_the_input_waits_for_what_is_in_flight() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(SLOW).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked = json!({"session": session, "positive": "a blue square", "knobs": {"steps": 30}});
    let call = server.start_tool("queue_generation", asked);
    bench.studio.busy().await;
    server.close_input();
    let made = call.answer().await.unwrap();
    assert_eq!(made["structuredContent"]["state"], "done", "{made}");
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn the_end_of_the_input_ends_a_server_with_nothing_to_do() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let unopened = bench.start(&bench.studio.url).await;
    unopened.close_input();
    assert_eq!(unopened.ended().await, Some(0), "{}", unopened.log());
    let server = bench.open().await;
    server
        .tool("judge_pair", json!({"reference": bench.file("reference.png")}))
        .await;
    server.close_input();
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn lines_that_are_not_json_are_answered_and_change_nothing() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    server.send_text("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/ca\n");
    let told = server
        .message("a parse error", |message| message["error"]["code"] == -32700)
        .await;
    assert!(told.get("id").is_none(), "{told}");
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none());
}
