//! Workflows with node classes that ComfyUI runs others in place of, and workflows that lie in a request.

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::workflow;

/// A workflow whose prompt and whose picture go through classes that the server does not have any more.
fn older() -> Value {
    let mut graph = workflow(1);
    graph["2"] = json!({"class_type": "OldTextEncode", "_meta": {"title": "Prompt"}, "inputs": {"prompt": "a red circle", "clip": ["1", 1]}});
    graph["7"] = json!({"class_type": "OldSaver", "inputs": {"pics": ["6", 0], "prefix": "old"}});
    graph
}

#[tokio::test]
async fn a_replaced_class_is_not_missing_and_the_prompt_is_proven_to_arrive() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let opening =
        json!({"workflow": bench.write("older.json", older().to_string()), "positive": "a blue star", "seeds": [1]});
    let made = server.tool("queue_generation", opening).await;
    let summary = made["summary"].as_str().unwrap();
    for said in [
        "does not have \"OldTextEncode\" and runs CLIPTextEncode in its place, with that class's inputs: node 2 (Prompt).",
        "does not have \"OldSaver\" and runs SaveImage in its place, with that class's inputs: node 7 (OldSaver).",
    ] {
        assert_eq!(summary.matches(said).count(), 1, "{summary}");
    }
    assert!(!summary.contains("not proven"), "{summary}");
    let ran = bench.studio.graphs().await.remove(0);
    assert_eq!(
        ran["2"],
        json!({"class_type": "CLIPTextEncode", "_meta": {"title": "Prompt"}, "inputs": {"text": "a blue star", "clip": ["1", 1]}})
    );
    assert_eq!(
        ran["7"]["inputs"],
        json!({"images": ["6", 0], "filename_prefix": "old"})
    );

    // The session goes on with what runs, also where the place of the prompt is said, and a knob has its input's new name.
    let session = made["session"].as_str().unwrap();
    let on = json!({"session": session, "positive": "a green star", "place": {"positive": "2.text"}, "knobs": {"7.filename_prefix": "new"},
        "seeds": [1]});
    let made = server.tool("queue_generation", on).await;
    let summary = made["summary"].as_str().unwrap();
    assert!(
        !summary.contains("in its place") && !summary.contains("not proven"),
        "{summary}"
    );
    let ran = bench.studio.graphs().await.pop().unwrap();
    assert_eq!(
        (&ran["2"]["inputs"]["text"], &ran["7"]["inputs"]["filename_prefix"]),
        (&json!("a green star"), &json!("new"))
    );

    // The names of the file that the user has are understood, as knobs and as answers.
    let old = json!({"session": session, "positive": "a grey star", "place": {"positive": "2.prompt"}, "knobs": {"OldSaver.prefix": "older"}});
    let draft = server.tool("inject_prompt", old).await;
    let written: Vec<&Value> = draft["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["place"])
        .collect();
    assert_eq!(written, ["7.filename_prefix", "2.text"], "{draft}");
    let notes = draft["notes"].to_string();
    for said in [
        "OldSaver.prefix was written to 7.filename_prefix: ComfyUI runs SaveImage",
        "2.prompt was written to 2.text",
    ] {
        assert!(notes.contains(said), "{notes}");
    }

    // From the workflow as it was it is the same again, and a session hears of it once.
    let anew = json!({"session": session, "parent": 0, "positive": "a white star"});
    let draft = server.tool("inject_prompt", anew.clone()).await;
    assert!(!draft.to_string().contains("in its place"), "{draft}");
    // Of another program it is not known what it told.
    let server = bench.open().await;
    let draft = server.tool("inject_prompt", anew).await;
    assert!(
        draft["notes"].to_string().contains("runs CLIPTextEncode in its place"),
        "{draft}"
    );
}

#[tokio::test]
async fn classes_and_files_that_are_missing_are_told_once_each() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut graph = older();
    graph["1"]["inputs"]["ckpt_name"] = json!("gone.safetensors");
    graph["11"] = graph["1"].clone();
    graph["3"]["inputs"]["clip"] = json!(["11", 1]);
    for (id, title) in [("20", "First"), ("21", "Nowhere")] {
        graph[id] = json!({"class_type": "Nowhere", "_meta": {"title": title}, "inputs": {"image": ["6", 0]}});
    }
    let asked = json!({"workflow": bench.write("missing.json", graph.to_string()), "positive": "a star"});
    let said = server.refused("inject_prompt", asked).await;
    assert!(
        said.contains("the server has no node class \"Nowhere\" (node 20 \"First\", node 21)"),
        "{said}"
    );
    assert_eq!(said.matches("gone.safetensors").count(), 1, "{said}");
    assert!(said.contains("node 1 ") && said.contains("node 11 "), "{said}");
    assert!(!said.contains("OldTextEncode") && !said.contains("OldSaver"), "{said}");
}

#[tokio::test]
async fn a_workflow_in_a_request_is_taken_out_and_that_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let request = json!({"input": {"workflow": workflow(1), "images": [{"name": "a.png", "image": "aGk="}]}});
    let asked = json!({"workflow": bench.write("request.json", request.to_string()), "positive": "a star"});
    let draft = server.tool("inject_prompt", asked).await;
    assert!(
        draft["notes"]
            .to_string()
            .contains("The workflow was taken from input.workflow of its file"),
        "{draft}"
    );
    assert_eq!(draft["changes"][0]["place"], json!("2.text"), "{draft}");
    let both = json!({"first": workflow(1), "second": workflow(2)});
    let asked = json!({"workflow": bench.write("both.json", both.to_string()), "positive": "a star"});
    let said = server.refused("inject_prompt", asked).await;
    assert!(said.contains("the file holds 2 workflows: first, second"), "{said}");
}
