//! The judge and ComfyUI on one GPU, and several seeds of one call.

use std::time::Duration;

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::LivingStudio;

/// Both take turns where they are told to: the judge is gone while pictures are rendered, ComfyUI is asked for memory before the
/// judge loads, and what it cost is said.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn told_to_be_exclusive_they_take_turns() {
    let mut bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(Duration::from_millis(5)).await);
    bench.settings = vec!["--gpu-sharing", "exclusive"];
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let step = |prompt: &str| json!({"session": session, "positive": prompt, "seeds": [1, 2], "judge": true});
    let first = server.tool("queue_generation", step("a red circle")).await;
    let said = first["summary"].as_str().unwrap();
    assert!(said.contains("GPU handed to the judge in"), "{said}");
    assert!(
        !said.contains("GPU handed to ComfyUI"),
        "there was no judge to unload: {said}"
    );
    assert_eq!(
        said.matches("GPU handed").count(),
        1,
        "two seeds, one hand-over: {said}"
    );
    assert_eq!(bench.judge_processes(), 1);

    let mut long = step("a blue square");
    long["knobs"] = json!({"steps": 400});
    long["wait_s"] = json!(0);
    let begun = server.tool("queue_generation", long).await;
    bench.studio.busy().await;
    assert_eq!(bench.judge_processes(), 0, "no judge while a picture is rendered");
    let asked = json!({"session": session, "iteration": begun["iteration"]});
    let second = server.tool("queue_generation", asked).await;
    let said = second["summary"].as_str().unwrap();
    assert!(
        said.contains("GPU handed to ComfyUI") && said.contains("GPU handed to the judge"),
        "{said}"
    );
    // Asking for what is on record takes nothing from anybody.
    let said = server
        .tool("queue_generation", json!({"session": session, "iteration": 2}))
        .await;
    assert!(!said["summary"].as_str().unwrap().contains("GPU handed"), "{said}");
    assert_eq!(bench.judge_processes(), 1);
}

#[tokio::test]
async fn pictures_of_several_seeds_are_told_as_they_come() {
    let bench = Bench::with_studio(Via::Stdio, ERA, LivingStudio::new(Duration::from_millis(10)).await);
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let three = json!({"session": session, "positive": "a red circle", "seeds": [1, 2, 3], "knobs": {"steps": 60}, "wait_s": 0});
    let begun = server.tool("queue_generation", three).await;
    assert_eq!(begun["state"], "running");
    let mut seen = vec![0];
    let all = loop {
        let now = server
            .tool(
                "queue_generation",
                json!({"session": session, "iteration": 2, "wait_s": 0}),
            )
            .await;
        let runs = now["runs"].as_array().map_or(0, Vec::len);
        if seen.last() != Some(&runs) {
            seen.push(runs);
        }
        if now["state"] == "done" {
            break now;
        }
        bench.studio.tick().await;
    };
    assert_eq!(seen, [0, 1, 2, 3], "one by one: {all}");
    assert_eq!(bench.studio.submissions().await, 3);
}
