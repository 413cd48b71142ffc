//! Where a prompt goes can be asked of the user; nobody has to answer.

use serde_json::{Value, json};

use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::ambiguous_workflow;
use crate::support::mcp_client::Era;

async fn bench(via: Via, era: Era) -> (Bench, Value) {
    let mut bench = Bench::new(via, era).await;
    bench.capabilities = json!({"elicitation": {}});
    let workflow = bench.write("two_texts.json", ambiguous_workflow().to_string());
    (bench, json!({"workflow": workflow, "positive": "a blue square"}))
}

#[tokio::test]
async fn older_clients_are_asked_by_a_request_of_the_servers_own() {
    for via in [Via::Stdio, Via::Http, Via::LegacySse] {
        let version = if via == Via::LegacySse {
            "2024-11-05"
        } else {
            "2025-11-25"
        };
        let (bench, arguments) = bench(via, Era::Session(version)).await;
        let server = bench.open().await;
        let mut answered = Vec::new();
        for (answer, state) in [
            (json!({"action": "accept", "content": {"place": "9.value"}}), "done"),
            (json!({"action": "decline"}), "question"),
            (json!({"action": "cancel"}), "question"),
            (json!({"action": "accept", "content": {"place": 7}}), "question"),
        ] {
            let call = server.start_tool("queue_generation", arguments.clone());
            let form = server
                .message("the question", |message| {
                    message["method"] == "elicitation/create" && !answered.contains(&message["id"])
                })
                .await;
            answered.push(form["id"].clone());
            let shown = form["params"]["message"].as_str().unwrap();
            assert!(
                shown.contains("does the prompt go") && shown.contains("9.value (Subject): \"a red circle\""),
                "{shown}"
            );
            let places = &form["params"]["requestedSchema"]["properties"]["place"]["enum"];
            assert_eq!(places, &json!(["8.value", "9.value"]), "{form}");
            let names = &form["params"]["requestedSchema"]["properties"]["place"]["enumNames"];
            assert_eq!(names[1], "9.value (Subject): a red circle", "{form}");
            server.respond(&form, answer.clone()).await;
            let made = server.answer("queue_generation", &call).await;
            assert_eq!(made["state"], state, "{answer}: {made}");
        }
    }
}

#[tokio::test]
async fn newer_clients_are_asked_by_a_result_and_call_again() {
    for via in [Via::Stdio, Via::Http] {
        let (bench, arguments) = bench(via, Era::Modern).await;
        let server = bench.open().await;
        let call = json!({"name": "inject_prompt", "arguments": arguments});
        let asked = server.result("tools/call", call.clone()).await;
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        let form = &asked["inputRequests"]["positive"];
        assert_eq!(form["method"], "elicitation/create", "{asked}");

        let mut again = call.clone();
        again["requestState"] = asked["requestState"].clone();
        again["inputResponses"] = json!({"positive": {"action": "decline"}});
        let declined = server.result("tools/call", again.clone()).await;
        assert_eq!(
            declined["structuredContent"]["question"]["role"], "positive",
            "{declined}"
        );

        again["inputResponses"] = json!({"positive": {"action": "accept", "content": {"place": "9.value"}}});
        let drafted = server.result("tools/call", again.clone()).await;
        assert_eq!(
            drafted["structuredContent"]["changes"][0]["place"], "9.value",
            "{drafted}"
        );

        // A place that was never offered is refused like one in the arguments; a state of one's own making changes nothing.
        again["inputResponses"] = json!({"positive": {"action": "accept", "content": {"place": "1.ckpt_name"}}});
        let refused = server.result("tools/call", again.clone()).await;
        assert_eq!(refused["isError"], true, "{refused}");
        again["requestState"] = json!("{not json");
        again["inputResponses"] = json!({});
        let asked = server.result("tools/call", again).await;
        assert_eq!(asked["resultType"], "input_required", "{asked}");
    }
}
