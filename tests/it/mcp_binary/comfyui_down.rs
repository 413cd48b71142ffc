//! Without a ComfyUI: a draft can be written, a run says what is missing, and both go on when it is back.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpSocket;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::Apart;
use crate::support::answering::Answering;

#[tokio::test]
async fn a_draft_waits_for_comfyui_to_come_back() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    // An address that is taken and does not listen: connecting to it is refused.
    let taken = TcpSocket::new_v4().unwrap();
    taken.set_reuseaddr(true).unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = taken.local_addr().unwrap();
    let server = bench.start(&format!("http://{address}")).await;
    server.open().await;

    let asked = json!({"workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a blue square"});
    let draft = server.tool("inject_prompt", asked).await;
    let notes = draft["notes"].to_string();
    assert!(
        notes.contains("not checked") && notes.contains("cannot be reached"),
        "{notes}"
    );
    // Nothing was run, so that there is nothing to be found again.
    assert!(
        notes.contains("The draft is kept") && !notes.contains("started twice"),
        "{notes}"
    );

    let session = draft["session"].clone();
    let run = json!({"session": session, "positive": "a green square", "judge": true});
    let said = server.refused("queue_generation", run).await;
    assert!(said.contains(&format!("http://{address}")), "{said}");
    assert!(
        said.contains("cannot be reached") && said.contains("opens in a browser"),
        "{said}"
    );
    // The prompt of the failed call was kept: the answer says under which number.
    assert!(said.contains("iteration 2 of session"), "{said}");
    assert!(said.len() < 600, "too long: {said}");
    let last = server
        .refused("inject_prompt", json!({"workflow": "last", "positive": "x"}))
        .await;
    assert!(last.contains("cannot be reached"), "{last}");
    let trend = server.tool("get_history", json!({"session": session})).await;
    // Nothing was sent, and that is sure: the next call need not look for it.
    assert_eq!(trend["iterations"][1]["state"], "failed", "{trend}");

    drop(taken);
    let comfyui = Apart::at(address, Duration::ZERO).await;
    let made = server
        .tool("queue_generation", json!({"session": session, "iteration": 2}))
        .await;
    assert_eq!(made["state"], "done");
    assert_eq!(comfyui.studio.submissions().await, 1);

    // With the definitions known a draft is checked, and it is said all the same that ComfyUI is away.
    let draft = json!({"session": session, "positive": "a white square"});
    let there = server.tool("inject_prompt", draft.clone()).await;
    assert!(!there.to_string().contains("does not answer"), "{there}");
    comfyui.end().await;
    let away = server.tool("inject_prompt", draft).await;
    let notes = away["notes"].to_string();
    assert!(
        notes.contains("does not answer at the moment") && notes.contains("The draft is kept"),
        "{notes}"
    );
    assert!(!notes.contains("not checked"), "{notes}");
}

/// What answers in its place is said at once, whatever the time to wait: the call has ten minutes, the test far less.
#[tokio::test]
async fn what_is_no_comfyui_is_told_at_once() {
    const PAGE: &str = "<html><head><title>Sign in</title></head></html>";
    for (status, body, words) in [
        ("502 Bad Gateway", "", ["502", "check that ComfyUI itself runs"]),
        ("200 OK", PAGE, ["titled \"Sign in\"", "login page"]),
        ("404 Not Found", PAGE, ["404", "path prefix"]),
        ("401 Unauthorized", "", ["401", "PROMPT_CALIBRATOR_COMFYUI_TOKEN"]),
    ] {
        let bench = Bench::new(Via::Stdio, ERA).await;
        let gate = Answering::new(move |_| (status, body.to_owned())).await;
        let server = bench.start(&gate.url).await;
        server.open().await;
        let asked = json!({"workflow": bench.file("workflow.json"), "positive": "a blue square", "wait_s": 600});
        let said = server.refused("queue_generation", asked).await;
        assert!(words.iter().all(|word| said.contains(word)), "{status}: {said}");
        assert!(!said.contains("node class"), "{status}: {said}");
        let asked = json!({"workflow": "last", "positive": "x"});
        let said = server.refused("inject_prompt", asked).await;
        assert!(!said.contains("this session"), "there is none: {said}");
    }
}

/// ComfyUI's own check of Host and Origin lets reading through.
#[tokio::test]
async fn posting_that_is_forbidden_alone_is_no_matter_of_credentials() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let gate = Answering::new(|line| match line {
        "GET /queue" => ("200 OK", json!({"queue_running": [], "queue_pending": []}).to_string()),
        line if line.starts_with("POST ") => ("403 Forbidden", String::new()),
        _ => ("500 Internal Server Error", String::new()),
    })
    .await;
    let server = bench.start(&gate.url).await;
    server.open().await;
    let asked = json!({"workflow": bench.file("workflow.json"), "positive": "a blue square"});
    let said = server.refused("queue_generation", asked).await;
    assert!(said.contains("403") && said.contains("Host and Origin"), "{said}");
    assert!(!said.contains("TOKEN"), "{said}");
}
