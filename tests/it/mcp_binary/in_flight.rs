//! Several requests at once, requests that are cancelled, and the end of the input.

use std::time::Duration;

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::over_every_transport;
use crate::mcp_binary::studio::LivingStudio;
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
    assert_eq!(nothing["state"], "done", "nothing is being stopped");
}

/// Somebody at ComfyUI's page stops a run: it is not for the agent to start it again.
#[tokio::test]
async fn a_run_that_a_person_stopped_is_asked_about() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(SLOW).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let call = endless_run(&server, &session).await;
    bench.studio.interrupt().await;
    let told = call.answer().await.unwrap();
    assert_eq!(told["isError"], true, "{told}");
    let said = told["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("stopped in ComfyUI") && said.contains("node 5"), "{said}");
    let (_, advice) = said.split_once("\nWhat to do: ").unwrap();
    assert!(advice.contains("ask the user"), "{said}");
    assert!(!advice.to_lowercase().contains("call again"), "{said}");
    let asked = json!({"session": session, "iteration": 2});
    let history = server.tool("get_history", asked).await;
    let run = &history["iterations"][0]["runs"][0];
    assert_eq!(run["state"], "cancelled", "{history}");
    assert!(
        run["error"].as_str().unwrap().contains("not by this server"),
        "{history}"
    );
}

#[tokio::test]
async fn whoever_stops_one_of_several_seeds_stops_the_others() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(SLOW).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked = json!({"session": session, "positive": "a blue square", "knobs": {"steps": 50}, "seeds": [5, 6, 7]});
    let call = server.start_tool("queue_generation", asked);
    sampling(&server, &call, 50).await;
    bench.studio.interrupt().await;
    let told = call.answer().await.unwrap();
    assert_eq!(told["isError"], true, "{told}");
    let said = told["content"][0]["text"].as_str().unwrap();
    assert!(
        said.contains("stopped in ComfyUI")
            && said.contains("seeds 6, 7 were not begun")
            && said.contains("ask the user"),
        "{said}"
    );
    assert_eq!(bench.studio.submissions().await, 1);
}

/// A client that gave up and calls again with the same words makes a second iteration; it is told of the first.
#[tokio::test]
async fn a_call_that_is_repeated_while_it_runs_is_told_so() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(SLOW).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked = json!({"session": session, "positive": "a blue square", "knobs": {"steps": MANY_STEPS}, "wait_s": 0});
    let first = server.tool("queue_generation", asked.clone()).await;
    assert!(!first["summary"].as_str().unwrap().contains("is the same"), "{first}");
    let second = server.tool("queue_generation", asked).await;
    let told = format!("Iteration 2 of session {session} is the same and still running");
    assert!(second["summary"].as_str().unwrap().contains(&told), "{second}");
}

/// The one-call path says what `inject_prompt` says.
#[tokio::test]
async fn what_is_to_be_known_of_a_prompt_is_told_by_both_tools() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked =
        json!({"session": session, "positive": "a {red|blue} square", "negative": "blurry", "knobs": {"cfg": 1.0}});
    let draft = server.tool("inject_prompt", asked.clone()).await;
    let notes: Vec<&str> = draft["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|note| note.as_str().unwrap())
        .collect();
    assert_eq!(notes.len(), 2, "{draft}");
    let made = server.tool("queue_generation", asked.clone()).await;
    let mut later = asked;
    later["wait_s"] = json!(0);
    let goes_on = server.tool("queue_generation", later).await;
    for answer in [made, goes_on] {
        let summary = answer["summary"].as_str().unwrap().to_lowercase();
        assert!(
            notes.iter().all(|note| summary.contains(&note.to_lowercase())),
            "{answer}"
        );
    }
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
