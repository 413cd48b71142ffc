//! Calls that do not wait: they answer at once, the work goes on, and a second call gets its result.

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::over_every_transport;

over_every_transport! {
    work_goes_on_behind_a_handle
}

/// Unloading on request: alone, or behind a judgement; the next judgement loads again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_judges_memory_is_freed_on_request() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let pair = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
    let judged = server.tool("judge_pair", pair.clone()).await;
    assert_eq!(bench.judge_processes(), 1, "it stays for the next judgement");
    let freed = server.tool("judge_pair", json!({"unload": true})).await;
    assert!(freed["summary"].as_str().unwrap().contains("memory free"), "{freed}");
    assert_eq!(bench.judge_processes(), 0);
    let mut last = pair;
    last["unload"] = json!(true);
    let again = server.tool("judge_pair", last).await;
    assert_eq!(judged["axes"], again["axes"]);
    assert_eq!(bench.judge_processes(), 0, "it is gone when the answer is here");
}

mod bodies {
    use super::*;

    /// Every call is the first of its kind, so that the model has yet to be loaded.
    pub async fn work_goes_on_behind_a_handle(bench: Bench) {
        let server = bench.open().await;
        let asked =
            json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png"), "wait_s": 0});
        let begun = server.tool("judge_pair", asked).await;
        let handle = begun["handle"].as_str().unwrap();
        assert!(begun.get("axes").is_none() && begun["summary"].as_str().unwrap().contains(handle));
        let state = server.tool("get_history", json!({"handle": handle})).await;
        assert!(state["summary"].as_str().unwrap().contains(handle), "{state}");
        let judged = server.tool("judge_pair", json!({"handle": handle})).await;
        assert_eq!(judged["axes"].as_array().unwrap().len(), 6);
        assert!(judged.get("handle").is_none());
        let state = server.tool("get_history", json!({"handle": handle})).await;
        assert!(state["summary"].as_str().unwrap().contains("ended"), "{state}");
        let again = server.tool("judge_pair", json!({"handle": handle, "full": true})).await;
        assert_eq!(
            again["axes"].as_array().unwrap().len(),
            10,
            "a handle can be asked again"
        );

        let session = server.session(&bench).await;
        let asked =
            json!({"session": session, "positive": "a blue square", "seeds": [1, 2], "judge": true, "wait_s": 0});
        let begun = server.tool("queue_generation", asked).await;
        assert_eq!((&begun["state"], &begun["iteration"]), (&json!("running"), &json!(2)));
        assert!(begun.get("runs").is_none());
        // Session and iteration are enough: what was asked for is what comes, with its scores.
        let asked = json!({"session": session, "iteration": 2});
        let made = server.tool("queue_generation", asked.clone()).await;
        assert_eq!(made["state"], "done");
        let runs = made["runs"].as_array().unwrap();
        assert_eq!(runs.len(), 2, "{made}");
        assert!(
            made["axes"].is_array() && runs.iter().all(|run| run["overall_score"].is_number()),
            "{made}"
        );
        assert_eq!(bench.studio.submissions().await, 2);

        // Asked once more it answers from the record, and runs nothing.
        let again = server.tool("queue_generation", asked).await;
        let pictures = |made: &serde_json::Value| [0, 1].map(|i| made["runs"][i]["pictures"].clone());
        assert_eq!(pictures(&again), pictures(&made));
        assert_eq!(bench.studio.submissions().await, 2);
    }
}

/// One who joins a run may ask for more than the one who began it.
#[tokio::test]
async fn a_run_that_is_joined_is_judged_when_the_second_call_asks_for_it() {
    use std::time::Duration;

    use crate::mcp_binary::bench::Via;
    use crate::mcp_binary::studio::LivingStudio;

    let studio = LivingStudio::new(Duration::from_millis(5)).await;
    let bench = Bench::with_studio(Via::Stdio, crate::mcp_binary::ERA, studio);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let begun = json!({"session": session, "positive": "a blue square", "knobs": {"steps": 40}, "wait_s": 0});
    server.tool("queue_generation", begun).await;
    let more = json!({"session": session, "iteration": 2, "seeds": [7, 9], "judge": true});
    let made = server.tool("queue_generation", more).await;
    let runs = made["runs"].as_array().unwrap();
    assert_eq!(runs.iter().map(|run| &run["seed"]).collect::<Vec<_>>(), [7, 9]);
    assert!(
        made["axes"].is_array() && runs.iter().all(|run| run["overall_score"].is_number()),
        "{made}"
    );
    assert_eq!(bench.studio.submissions().await, 2, "the first seed was not run again");
}
