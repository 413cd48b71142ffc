//! Every method of the protocol, in both eras, and every tool, with params of the wrong kind.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::hostile::prey::{Prey, VERSION, initialize, meta, opening, request, tell};
use crate::support::mcp_client::Era;

/// Of all revisions and extensions, those of the client's side too, and some of none.
const METHODS: [&str; 34] = [
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "resources/directory/read",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/get",
    "tasks/list",
    "tasks/update",
    "tasks/cancel",
    "tasks/result",
    "skills/list",
    "skills/get",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "notifications/initialized",
    "notifications/cancelled",
    "rpc.discover",
    "constructor",
    "../../etc/passwd",
    "tools/call ",
    "",
    "\u{202e}\u{0}🖼",
];

/// With this a subscription's stream, which has no end, begins.
const STREAM: &str = "\"method\":\"notifications/";

/// Nothing that any method takes; with `whole`, what else a request of the era needs is there.
fn wrong_params(whole: &Value) -> Vec<Value> {
    let fields = |value: Value| {
        let mut params = whole.clone();
        for name in [
            "name",
            "uri",
            "cursor",
            "arguments",
            "level",
            "ref",
            "argument",
            "taskId",
            "requestId",
            "filter",
            "protocolVersion",
            "capabilities",
            "clientInfo",
            "notifications",
            "inputResponses",
            "requestState",
        ] {
            params[name] = value.clone();
        }
        params
    };
    let mut all = vec![
        json!(5),
        json!("x"),
        json!([]),
        json!([1]),
        json!(true),
        json!({"_meta": 5}),
        json!({"_meta": []}),
    ];
    all.extend(
        [
            json!(-1),
            json!([[]]),
            json!({"a": {}}),
            json!(1e300),
            json!(u64::MAX),
            json!("\u{0}"),
            json!(null),
        ]
        .map(fields),
    );
    all.push(whole.clone());
    all
}

/// Whether this is a proper way to refuse.
fn is_refusal(error: &Value) -> bool {
    let says = error["message"].as_str().unwrap_or_default();
    matches!(
        error["code"].as_i64(),
        Some(-32600 | -32601 | -32602 | -32002 | -32021..=-32001)
    ) && !says.contains("panic")
}

async fn every_method_answers(whole: &Value, first: Vec<Vec<u8>>) {
    let mut asked = BTreeMap::new();
    let mut lines = first;
    for method in METHODS {
        for params in wrong_params(whole) {
            let id = asked.len();
            lines.push(request(id, method, params.clone()).to_string().into_bytes());
            asked.insert(id, (method, params));
        }
        lines.push(
            json!({"jsonrpc": "2.0", "id": format!("none {method}"), "method": method})
                .to_string()
                .into_bytes(),
        );
        // As a notification it has no answer.
        lines.push(
            json!({"jsonrpc": "2.0", "method": method, "params": {"x": 1}})
                .to_string()
                .into_bytes(),
        );
    }
    let messages = tell(lines).await;
    for (id, (method, params)) in &asked {
        let answers: Vec<_> = messages.iter().filter(|message| message["id"] == *id).collect();
        assert_eq!(answers.len(), 1, "{method} {params}: {answers:?}");
        let answer = answers[0];
        if !params.is_object() || !params["_meta"].is_object() && params.get("_meta").is_some() {
            assert!(answer["error"]["code"] == -32600, "{method} {params}: {answer}");
        } else if let Some(error) = answer.get("error") {
            assert!(is_refusal(error), "{method} {params}: {error}");
        } else {
            assert!(answer["result"].is_object(), "{method} {params}: {answer}");
        }
    }
    for method in METHODS {
        let id = format!("none {method}");
        let answers = messages.iter().filter(|message| message["id"] == *id);
        assert_eq!(answers.count(), 1, "{method} without params");
    }
    // What the server tells of itself has a method.
    let strange: Vec<_> = messages
        .iter()
        .filter(|message| message.get("id").is_none() && message.get("method").is_none())
        .collect();
    assert!(strange.is_empty(), "a notification was answered: {strange:?}");
}

#[tokio::test]
async fn every_method_of_the_older_revisions_answers_wrong_params() {
    every_method_answers(&json!({}), vec![opening().trim_ascii_end().to_vec()]).await;
}

#[tokio::test]
async fn every_method_of_the_newest_revision_answers_wrong_params() {
    let first = request("first", "tools/list", meta()).to_string().into_bytes();
    every_method_answers(&meta(), vec![first]).await;
}

#[tokio::test]
async fn every_method_answers_wrong_params_over_http() {
    let prey = Prey::over_http().await;
    let opened = prey.post("/mcp", "", initialize().to_string().as_bytes()).await;
    let session = opened.header("mcp-session-id").expect("a session");
    let old = format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {VERSION}\r\n");
    for method in METHODS.into_iter().filter(|method| !method.contains('\u{0}')) {
        let new = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        for (headers, whole) in [(&old, json!({})), (&new, meta())] {
            for params in wrong_params(&whole).into_iter().step_by(3) {
                let body = request(7, method, params.clone()).to_string();
                let answer = prey.post_until("/mcp", headers, body.as_bytes(), STREAM).await;
                let served = answer.status() == 200 || (400..500).contains(&answer.status());
                assert!(served, "{method} {params}: {}", answer.0);
                if answer.status() == 200 {
                    let message = answer.message();
                    if message.get("method").is_some() {
                        // A subscription: what it tells comes on this stream, until the client closes it.
                        assert_eq!(method, "subscriptions/listen", "{message}");
                        continue;
                    }
                    let right = message.get("result").is_some() || is_refusal(&message["error"]);
                    assert!(message["id"] == 7 && right, "{method} {params}: {message}");
                }
            }
        }
    }
    prey.serves().await;
}

#[tokio::test]
async fn every_argument_of_every_tool_may_be_anything() {
    let prey = Prey::over_http().await;
    let client = prey.client(Era::Session(VERSION)).await;
    let listed = client.result("tools/list", json!({})).await;
    let long = "é".repeat(100_000);
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("\u{0}"),
        json!("../../../etc/passwd"),
        json!("file:///dev/zero"),
        json!("/dev/zero"),
        json!("\u{202e}\u{fffd}🖼"),
        json!(long),
        json!([]),
        json!([[], {}]),
        json!({}),
        json!({"": null}),
        json!({"a": {"b": []}}),
        json!([0.5, "x", null]),
    ];
    for tool in listed["tools"].as_array().unwrap() {
        let name = tool["name"].as_str().unwrap();
        let properties = tool["inputSchema"]["properties"].as_object().unwrap();
        assert!(properties.len() > 2, "{tool}");
        for property in properties.keys() {
            for value in &values {
                let arguments = json!({(property.as_str()): value});
                let answer = client.call_tool(name, arguments).await;
                let text = answer["content"][0]["text"].as_str().unwrap_or_default();
                assert!(text.len() < 50_000, "{name} {property}: {} bytes", text.len());
                assert!(!text.contains("panic"), "{name} {property}: {text}");
                if answer["isError"] == true {
                    assert!(text.contains("What to do: "), "{name} {property} {value}: {text}");
                }
            }
        }
    }
    prey.serves().await;
}
