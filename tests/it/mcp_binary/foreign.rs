//! Words of strangers reach terminal and agent without anything that is not seen; prompts reach ComfyUI as they are.

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::reading::command_line;
use crate::mcp_binary::studio::{ambiguous_workflow, workflow};

/// Clears a screen, turns text around, hides a word.
const HOSTILE: &str = "\u{1b}[2J\u{202e}red\u{202c}\u{9b}1m\u{e0049}\u{2028}end";

fn is_hidden(c: &char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

/// Every text of an answer, as a client has it once it has read the JSON.
fn clean(what: &str, value: &Value) {
    match value {
        Value::String(text) => assert_eq!(text.chars().find(is_hidden), None, "{what}: {text:?}"),
        Value::Array(items) => items.iter().for_each(|item| clean(what, item)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| {
            clean(what, &json!(name));
            clean(what, field);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn titles_prompts_and_errors_go_out_clean_and_prompts_go_in_as_they_are() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut graph = ambiguous_workflow();
    graph["9"]["_meta"]["title"] = json!(format!("Subject {HOSTILE}"));
    graph["9"]["inputs"]["value"] = json!(HOSTILE);
    let asked = json!({"workflow": bench.write("titles.json", graph.to_string()), "positive": "a star"});
    let question = server.whole("inject_prompt", asked).await;
    clean("a question", &question);
    let candidate = &question["structuredContent"]["question"]["candidates"]["9.value"];
    assert!(
        candidate
            .as_str()
            .unwrap()
            .starts_with("\"Subject \\u{1b}[2J\\u{202e}red"),
        "{candidate}"
    );

    let prompt = format!("a circle {HOSTILE}\nin two lines");
    let made = json!({"workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"),
        "title": HOSTILE, "note": HOSTILE, "positive": prompt});
    let draft = server.whole("inject_prompt", made).await;
    clean("a draft", &draft);
    let session = draft["structuredContent"]["session"].as_str().unwrap();
    let made = json!({"session": session, "seeds": [1]});
    clean("a result", &server.whole("queue_generation", made).await);
    let rendered = bench.studio.graphs().await.remove(0);
    assert_eq!(rendered["2"]["inputs"]["text"], json!(prompt), "byte for byte");

    let full = server
        .whole("get_history", json!({"session": session, "iteration": 1}))
        .await;
    clean("an iteration", &full);
    let shown = full["structuredContent"]["iterations"][0]["positive"].as_str().unwrap();
    assert!(
        shown.contains("\\u{202e}red") && shown.ends_with("\nin two lines"),
        "{shown}"
    );
    for arguments in [json!({}), json!({"session": session})] {
        clean("a list", &server.whole("get_history", arguments).await);
    }
    clean("resources/list", &server.result("resources/list", json!({})).await);
    let uri = format!("calibrator://sessions/{session}/iterations/1/workflow");
    let read = server.result("resources/read", json!({"uri": uri})).await;
    clean("a workflow", &read);
    let graph: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(graph["2"]["inputs"]["text"], json!(prompt), "the same document");

    // ComfyUI's own words, and a file's name.
    let mut unknown = workflow(1);
    unknown["5"]["class_type"] = json!(format!("KSampler{HOSTILE}"));
    let asked = json!({"workflow": bench.write("unknown.json", unknown.to_string()), "positive": "a star"});
    let said = server.refused("inject_prompt", asked).await;
    clean("an error", &json!(said));
    let said = server
        .refused(
            "judge_pair",
            json!({"reference": bench.file(&format!("{HOSTILE}.png"))}),
        )
        .await;
    clean("an error", &json!(said));

    let data = bench.data();
    for arguments in [
        &["sessions", "list"][..],
        &["sessions", "show", session],
        &["sessions", "prune", HOSTILE],
    ] {
        let (_, out, error) = command_line(&data, arguments);
        clean("a terminal", &json!(out));
        clean("a terminal", &json!(error));
    }
}

#[tokio::test]
async fn a_long_prompt_is_cut_in_a_view_that_says_where_it_is_whole() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let prompt = "a red circle, ".repeat(1_430);
    let asked =
        json!({"workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": prompt});
    let draft = server.tool("inject_prompt", asked).await;
    let session = draft["session"].as_str().unwrap();
    let full = server
        .tool("get_history", json!({"session": session, "iteration": 1}))
        .await;
    assert!(full.to_string().len() <= 4_000, "{} bytes", full.to_string().len());
    let uri = format!("calibrator://sessions/{session}/iterations/1");
    let summary = full["summary"].as_str().unwrap();
    assert!(
        summary.contains(&format!("Texts are cut; whole they are in {uri}.")),
        "{summary}"
    );
    let read = server.result("resources/read", json!({"uri": uri})).await;
    let whole: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(whole["iterations"][0]["positive"], json!(prompt));
    assert_eq!(whole["iterations"][0]["changes"]["2.text"]["to"], json!(prompt));

    // What is short is whole, and nothing is said of it.
    let short = server
        .tool(
            "inject_prompt",
            json!({"session": session, "parent": 0, "positive": "a star"}),
        )
        .await;
    let shown = server
        .tool(
            "get_history",
            json!({"session": session, "iteration": short["iteration"]}),
        )
        .await;
    assert!(!shown["summary"].as_str().unwrap().contains("Texts are cut"), "{shown}");
}
