//! A server that is killed, and the next one on the same data folder.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::ERA;
use crate::bench::{Bench, Via};
use crate::studio::LivingStudio;

#[tokio::test]
async fn nothing_that_was_answered_is_lost_and_nothing_is_run_twice() {
    let studio = LivingStudio::new(Duration::from_millis(20)).await;
    let bench = Bench::with_studio(Via::Stdio, ERA, studio);
    let killed = bench.open().await;
    let session = killed.session(&bench).await;
    let judged = killed
        .tool("queue_generation", json!({"session": session, "judge": true}))
        .await;
    let begun = json!({"session": session, "positive": "a blue square", "knobs": {"steps": 100}, "wait_s": 0});
    let begun = killed.tool("queue_generation", begun).await;
    assert_eq!(begun["state"], "running");
    bench.studio.busy().await;
    // With SIGKILL, in the middle of the run.
    drop(killed);

    let server = bench.open().await;
    let trend = server.tool("get_history", json!({"session": session})).await;
    let states = [0, 1].map(|i| trend["iterations"][i]["state"].clone());
    assert_eq!(states[0], serde_json::Value::Null, "done goes without saying: {trend}");
    assert!(states[1] == "open" || states[1] == "running", "{trend}");
    let first = server
        .tool("get_history", json!({"session": session, "iteration": 1}))
        .await;
    let full = &first["iterations"][0];
    assert_eq!(full["runs"][0]["pictures"], judged["runs"][0]["pictures"]);
    assert!(Path::new(full["runs"][0]["pictures"][0].as_str().unwrap()).is_file());
    assert_eq!(full["judgements"][0]["axes"].as_object().unwrap().len(), 10);

    let asked = json!({"session": session, "iteration": 2, "judge": true});
    let made = server.tool("queue_generation", asked).await;
    assert_eq!(made["state"], "done", "{made}");
    assert_eq!(made["runs"].as_array().unwrap().len(), 1);
    assert!(made["axes"].is_array(), "{made}");
    assert_eq!(bench.studio.submissions().await, 2, "one for each iteration");
}

/// The seeds of a call are remembered, also those whose turn had not come when the program was killed.
#[tokio::test]
async fn seeds_of_a_call_that_was_broken_off_are_finished() {
    let studio = LivingStudio::new(Duration::from_millis(20)).await;
    let bench = Bench::with_studio(Via::Stdio, ERA, studio);
    let killed = bench.open().await;
    let session = killed.session(&bench).await;
    let asked =
        json!({"session": session, "positive": "a blue square", "knobs": {"steps": 60}, "seeds": [5, 6], "wait_s": 0});
    killed.tool("queue_generation", asked).await;
    bench.studio.busy().await;
    drop(killed);

    let server = bench.open().await;
    let made = server
        .tool("queue_generation", json!({"session": session, "iteration": 2}))
        .await;
    assert_eq!(made["state"], "done", "{made}");
    let seeds: Vec<u64> = made["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, [5, 6], "{made}");
    assert_eq!(bench.studio.submissions().await, 2, "each once");
}

/// Two clients of one user: each has a server of its own on the same data folder.
#[tokio::test]
async fn two_servers_share_a_data_folder() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let (one, other) = (bench.open().await, bench.open().await);
    let session = one.session(&bench).await;
    let made = other.tool("queue_generation", json!({"session": session})).await;
    assert_eq!(made["state"], "done");
    let seen = one.tool("get_history", json!({"session": session})).await;
    assert!(
        seen["iterations"][0].get("state").is_none(),
        "done goes without saying: {seen}"
    );
    let again = one
        .tool("queue_generation", json!({"session": session, "iteration": 1}))
        .await;
    assert_eq!(again["runs"][0]["pictures"], made["runs"][0]["pictures"]);
    assert_eq!(bench.studio.submissions().await, 1);
}
