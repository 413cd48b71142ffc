//! A server that is killed, and the next one on the same data folder.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::{Apart, LivingStudio};

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

#[tokio::test]
async fn seeds_that_are_asked_for_while_others_run_are_run_too() {
    let studio = LivingStudio::new(Duration::from_millis(20)).await;
    let bench = Bench::with_studio(Via::Stdio, ERA, studio);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let first =
        json!({"session": session, "positive": "a blue square", "knobs": {"steps": 60}, "seeds": [5, 6], "wait_s": 0});
    server.tool("queue_generation", first).await;
    let others = json!({"session": session, "iteration": 2, "seeds": [7, 8], "wait_s": 0});
    let told = server.tool("queue_generation", others).await;
    assert_eq!(told["state"], "running", "{told}");

    let made = server
        .tool("queue_generation", json!({"session": session, "iteration": 2}))
        .await;
    assert_eq!(made["state"], "done", "{made}");
    let runs = made["runs"].as_array().unwrap();
    let seeds: Vec<u64> = runs.iter().map(|run| run["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [5, 6, 7, 8], "{made}");
    assert_eq!(bench.studio.submissions().await, 4, "each once");
}

/// ComfyUI's queue and history live in its memory. The call that asks for the runs is the one that sends them anew: after its second
/// look, and only what is gone.
#[tokio::test]
async fn what_a_restarted_comfyui_has_forgotten_is_sent_anew_by_the_call_that_asks_for_it() {
    let forgets = Apart::at(([127, 0, 0, 1], 0).into(), Duration::from_millis(20)).await;
    let url = forgets.studio.url.clone();
    let bench = Bench::new(Via::Stdio, ERA).await;
    let killed = bench.start(&url).await;
    killed.open().await;
    let session = killed.session(&bench).await;
    let asked =
        json!({"session": session, "positive": "a blue square", "knobs": {"steps": 100}, "seeds": [5, 6], "wait_s": 0});
    killed.tool("queue_generation", asked).await;
    forgets.studio.busy().await;
    // Until it is written down that ComfyUI has taken it.
    for _ in 0..20 {
        forgets.studio.tick().await;
    }
    drop(killed);
    forgets.end().await;

    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let studio = LivingStudio::at(address, Duration::from_millis(1)).await;
    let server = bench.start(&url).await;
    server.open().await;
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
    let said = made["summary"].as_str().unwrap();
    assert!(
        said.contains("Seed 5 was submitted anew") && !said.contains("Seed 6 was"),
        "{said}"
    );
    assert_eq!(studio.submissions().await, 2, "each once");
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

/// SQLite would go on writing to a file that has no name any more, and all that was answered would be gone with it.
#[cfg(unix)]
#[tokio::test]
async fn a_data_folder_that_is_removed_or_moved_while_serving_is_told_of() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let more = || json!({"session": session, "positive": "a blue square"});
    let aside = bench.data().with_extension("aside");
    std::fs::rename(bench.data(), &aside).unwrap();
    let told = server.refused("inject_prompt", more()).await;
    assert!(
        told.contains("removed, moved or replaced") && told.contains(&bench.data().display().to_string()),
        "{told}"
    );
    assert!(
        told.contains("nothing was recorded") && !bench.data().exists(),
        "{told}"
    );
    // Put back, all of it is there, and it goes on.
    std::fs::rename(&aside, bench.data()).unwrap();
    assert_eq!(server.tool("inject_prompt", more()).await["iteration"], 2);
    std::fs::remove_dir_all(bench.data()).unwrap();
    server.refused("get_history", json!({"session": session})).await;
    let told = server.refused("inject_prompt", more()).await;
    assert!(told.contains("there is no session"), "{told}");
}

/// Asking for the same run again renders nothing, so that is not what an agent is told to do.
#[tokio::test]
async fn a_picture_that_is_gone_is_named_and_can_be_rendered_again() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked = json!({"session": session, "iteration": 1, "seeds": [5]});
    let made = server.tool("queue_generation", asked.clone()).await;
    let picture = made["runs"][0]["pictures"][0].as_str().unwrap().to_owned();
    std::fs::remove_file(&picture).unwrap();
    let hash = Path::new(&picture).file_stem().unwrap().to_str().unwrap();
    let again = server.tool("queue_generation", asked).await;
    assert!(again.to_string().contains("gone from the data folder"), "{again}");
    let told = server
        .refused("judge_pair", json!({"session": session, "iteration": 1}))
        .await;
    for part in ["iteration 1, seed 5", hash, "`parent`: 1", "`seeds`: [5]"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // What it says works.
    let anew = json!({"session": session, "parent": 1, "seeds": [5], "judge": true});
    let made = server.tool("queue_generation", anew).await;
    assert_eq!(
        (&made["state"], &made["iteration"]),
        (&json!("done"), &json!(2)),
        "{made}"
    );
    assert!(
        Path::new(made["runs"][0]["pictures"][0].as_str().unwrap()).is_file(),
        "{made}"
    );

    std::fs::remove_dir_all(bench.data().join("images")).unwrap();
    let told = server.refused("judge_pair", json!({"session": session})).await;
    assert!(
        told.contains("the reference is gone") && told.contains("`reference`"),
        "{told}"
    );
    let given =
        json!({"session": session, "reference": bench.file("reference.png"), "positive": "a red circle, evening"});
    server.tool("inject_prompt", given).await;
    server.tool("judge_pair", json!({"session": session})).await;
}
