//! Arguments that cannot be used: each is refused with what is wrong and what to do, and nothing is recorded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::studio::workflow;
use crate::support::answering::Answering;
use crate::support::mcp_client::{Era, Failure};

/// What the history says of a session, as a fingerprint.
async fn recorded(server: &Server, session: &str) -> [Value; 2] {
    [
        server.tool("get_history", json!({})).await,
        server.tool("get_history", json!({"session": session})).await,
    ]
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_protocol() {
    for era in [ERA, Era::Modern] {
        let bench = Bench::new(Via::Stdio, era).await;
        let server = bench.open().await;
        let asked = json!({"name": "draw", "arguments": {}});
        let Err(Failure::Rpc { code, message, .. }) = server.request("tools/call", asked).await else {
            panic!("it is no error: {}", server.log());
        };
        assert_eq!(code, -32602, "{message}");
        assert!(
            message.contains("no tool \"draw\"") && message.contains("judge_pair"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn bad_arguments_are_refused_and_nothing_is_recorded() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let before = recorded(&server, &session).await;
    let workflow = bench.file("workflow.json");
    let reference = bench.file("reference.png");
    let ui = bench.write("ui.json", r#"{"nodes": [], "links": [], "version": 0.4}"#);
    let broken = bench.write("broken.json", r#"{"1": {"#);
    let torn = bench.write("torn.png", &std::fs::read(&reference).unwrap()[..2000]);
    let many: Vec<u64> = (0..17).collect();

    let cases = [
        ("judge_pair", json!({"picture": reference}), "unknown field `picture`"),
        ("judge_pair", json!({"session": 5}), "`session`"),
        ("inject_prompt", json!({"workflow": workflow, "seed": -1}), "`seed`"),
        ("inject_prompt", json!({"session": session, "knobs": [1]}), "`knobs`"),
        ("judge_pair", json!({}), "no reference"),
        (
            "judge_pair",
            json!({"reference": bench.file("none.png")}),
            "cannot reach",
        ),
        ("judge_pair", json!({"reference": workflow}), "not a picture"),
        ("judge_pair", json!({"reference": torn}), "PNG"),
        ("judge_pair", json!({"reference": "https://example.org/a.png"}), "https"),
        ("judge_pair", json!({"session": "nosuchse"}), "nosuchse"),
        (
            "judge_pair",
            json!({"session": session, "iteration": 99}),
            "no iteration 99",
        ),
        (
            "judge_pair",
            json!({"session": session, "iteration": 1}),
            "no picture yet",
        ),
        (
            "judge_pair",
            json!({"session": session, "reference": reference}),
            "keeps its own reference",
        ),
        ("judge_pair", json!({"iteration": 1}), "without its session"),
        ("judge_pair", json!({"handle": "judge-none"}), "judge-none"),
        (
            "judge_pair",
            json!({"reference": reference, "rubric": "nicest"}),
            "nicest",
        ),
        ("get_history", json!({"session": "nosuchse"}), "nosuchse"),
        (
            "get_history",
            json!({"session": session, "iteration": 99}),
            "no iteration 99",
        ),
        ("get_history", json!({"iteration": 1}), "without its session"),
        ("get_history", json!({"handle": "judge-none"}), "judge-none"),
        ("queue_generation", json!({}), "neither a session nor"),
        (
            "queue_generation",
            json!({"session": session, "iteration": 99}),
            "no iteration 99",
        ),
        (
            "queue_generation",
            json!({"session": session, "seeds": many}),
            "17 seeds",
        ),
        (
            "queue_generation",
            json!({"session": session, "iteration": 1, "positive": "x"}),
            "not both",
        ),
        (
            "inject_prompt",
            json!({"positive": "x"}),
            "neither a session nor a workflow",
        ),
        ("inject_prompt", json!({"workflow": ui, "positive": "x"}), "UI format"),
        (
            "inject_prompt",
            json!({"workflow": broken, "positive": "x"}),
            "not valid JSON",
        ),
        (
            "inject_prompt",
            json!({"workflow": workflow, "reference": torn, "positive": "x"}),
            "PNG",
        ),
        (
            "inject_prompt",
            json!({"workflow": workflow, "target_score": 3}),
            "between 0 and 1",
        ),
        (
            "inject_prompt",
            json!({"workflow": workflow, "rubric": "nicest"}),
            "nicest",
        ),
        (
            "inject_prompt",
            json!({"session": session, "workflow": workflow}),
            "keeps its workflow",
        ),
        (
            "inject_prompt",
            json!({"session": session, "parent": 99}),
            "no iteration 99",
        ),
        (
            "inject_prompt",
            json!({"session": session, "knobs": {"5.sampler_name": "eulr"}}),
            "closest: euler",
        ),
        (
            "inject_prompt",
            json!({"session": session, "knobs": {"5.stepz": 3}}),
            "no input \"stepz\"",
        ),
        (
            "inject_prompt",
            json!({"session": session, "knobs": {"5.steps": "many"}}),
            "whole number",
        ),
        (
            "inject_prompt",
            json!({"session": session, "place": {"prompt": "2.text"}}),
            "no role",
        ),
        (
            "inject_prompt",
            json!({"session": session, "place": {"positive": "77.text"}}),
            "77",
        ),
    ];
    for (tool, arguments, expected) in cases {
        let said = server.refused(tool, arguments.clone()).await;
        assert!(said.contains(expected), "{tool} {arguments}: {said}");
        assert!(said.len() < 600, "too long: {said}");
    }
    assert_eq!(recorded(&server, &session).await, before);
    assert_eq!(bench.studio.submissions().await, 0);
}

#[tokio::test]
async fn a_judgement_needs_a_reference() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let opened = server
        .tool(
            "inject_prompt",
            json!({"workflow": bench.file("workflow.json"), "positive": "a red circle"}),
        )
        .await;
    let session = &opened["session"];
    for (tool, arguments) in [
        ("queue_generation", json!({"session": session, "judge": true})),
        ("judge_pair", json!({"session": session, "iteration": 1})),
    ] {
        let said = server.refused(tool, arguments).await;
        assert!(
            said.contains("no reference picture") && said.contains("`reference`"),
            "{said}"
        );
    }
    assert_eq!(bench.studio.submissions().await, 0, "refused before anything ran");
    // The reference can be given later, and then stays.
    let given = json!({"session": session, "reference": bench.file("reference.png"), "positive": "a blue circle"});
    server.tool("inject_prompt", given).await;
    let other = json!({"session": session, "reference": bench.file("generated.png"), "positive": "a blue circle"});
    let said = server.refused("inject_prompt", other).await;
    assert!(said.contains("another reference"), "{said}");
}

#[tokio::test]
async fn a_node_that_fails_is_named() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut graph = workflow(2);
    graph["1"]["inputs"]["ckpt_name"] = json!("gone.safetensors");
    let workflow = bench.write("gone.json", graph.to_string());
    let said = server
        .refused("inject_prompt", json!({"workflow": workflow, "positive": "x"}))
        .await;
    assert!(
        said.contains("gone.safetensors") && said.contains("stand-in.safetensors"),
        "{said}"
    );
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");
}

#[tokio::test]
async fn texts_beyond_their_limits_are_refused_and_nothing_is_recorded() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let (text, note) = ("x".repeat(64 * 1024), "x".repeat(4 * 1024));
    let longer = |text: &str| format!("{text}x");
    for (field, value, limit) in [
        ("positive", json!(longer(&text)), "65536"),
        ("negative", json!(longer(&text)), "65536"),
        ("knobs", json!({"positive": longer(&text)}), "65536"),
        ("note", json!(longer(&note)), "4096"),
    ] {
        for tool in ["inject_prompt", "queue_generation"] {
            let mut arguments = json!({"workflow": bench.file("workflow.json"), "positive": "a fox"});
            arguments[field] = value.clone();
            let said = server.refused(tool, arguments).await;
            for word in [field, limit, "nothing was written"] {
                assert!(said.contains(word), "{tool} {field}, {word}: {said}");
            }
        }
    }
    let titled = json!({"workflow": bench.file("workflow.json"), "positive": "a fox", "title": longer(&note)});
    let said = server.refused("inject_prompt", titled).await;
    assert!(said.contains("`title`") && said.contains("4096"), "{said}");
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");
    assert_eq!(bench.studio.submissions().await, 0);
    // What is as long as may be is taken.
    let taken = json!({"workflow": bench.file("workflow.json"), "positive": text, "note": note, "title": note});
    server.tool("inject_prompt", taken).await;
}

#[tokio::test]
async fn a_workflow_of_a_video_is_refused_before_anything_is_posted() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let posts = Arc::new(AtomicUsize::new(0));
    let posted = Arc::clone(&posts);
    // The classes as a real ComfyUI describes them.
    let classes: Value = serde_json::from_str(include_str!("../../fixtures/object_info.json")).unwrap();
    let comfyui = Answering::new(move |line| match line.split_once(" /object_info/") {
        Some(("GET", class)) => ("200 OK", json!({class: classes[class]}).to_string()),
        _ if line == "GET /queue" => ("200 OK", json!({"queue_running": [], "queue_pending": []}).to_string()),
        _ => {
            posted.fetch_add(usize::from(line.starts_with("POST")), Ordering::Relaxed);
            ("500 Internal Server Error", String::new())
        }
    })
    .await;
    let server = bench.start(&comfyui.url).await;
    server.open().await;
    let mut graph = workflow(1);
    graph["1"]["inputs"]["ckpt_name"] = json!("random_sd15_fp16.safetensors");
    graph["8"] = json!({"class_type": "CreateVideo", "inputs": {"images": ["6", 0], "fps": 24.0}});
    graph["9"] = json!({"class_type": "SaveVideo", "_meta": {"title": "Clip"},
        "inputs": {"video": ["8", 0], "filename_prefix": "clip", "format": "auto", "format.codec": "auto"}});
    let beside = bench.write("beside.json", graph.to_string());
    graph.as_object_mut().unwrap().remove("7");
    let video = bench.write("video.json", graph.to_string());
    for tool in ["queue_generation", "inject_prompt"] {
        let said = server
            .refused(tool, json!({"workflow": video, "positive": "a fox"}))
            .await;
        assert!(
            said.contains("node 9 \"Clip\": it makes a video, and no other node makes a picture"),
            "{tool}: {said}"
        );
        assert!(said.contains("Preview Image node behind the decoded frames"), "{said}");
        assert!(!said.contains("positive value"), "{said}");
    }
    assert_eq!(posts.load(Ordering::Relaxed), 0);
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");

    // Beside a picture it is only named.
    let draft = server
        .tool("inject_prompt", json!({"workflow": beside, "positive": "a fox"}))
        .await;
    assert!(draft["notes"].to_string().contains("it makes a video"), "{draft}");
}
