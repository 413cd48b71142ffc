//! Tool calls as tasks, for clients that can take them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::studio::{LivingStudio, ambiguous_workflow};
use crate::support::mcp_client::{Era, Failure, LIMIT};

fn able() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "elicitation": {"form": {}}})
}

async fn begun(server: &Server, tool: &str, arguments: Value) -> String {
    let made = server
        .result("tools/call", json!({"name": tool, "arguments": arguments}))
        .await;
    assert_eq!(
        (&made["resultType"], &made["status"]),
        (&json!("task"), &json!("working")),
        "{made}"
    );
    assert!(made["pollIntervalMs"].is_u64() && made["ttlMs"].is_u64(), "{made}");
    made["taskId"].as_str().unwrap().to_owned()
}

/// Asks after a task until its state is one of these.
async fn until(server: &Server, bench: &Bench, task: &str, states: &[&str]) -> Value {
    let deadline = std::time::Instant::now() + LIMIT;
    loop {
        assert!(
            std::time::Instant::now() < deadline,
            "waited too long for {states:?}\n{}",
            server.log()
        );
        let now = server.result("tasks/get", json!({"taskId": task})).await;
        if states.contains(&now["status"].as_str().unwrap()) {
            return now;
        }
        assert!(
            ["working", "input_required"].contains(&now["status"].as_str().unwrap()),
            "{now}"
        );
        bench.studio.tick().await;
    }
}

#[tokio::test]
async fn a_run_as_a_task_gives_its_result_when_it_is_asked_for() {
    for via in [Via::Stdio, Via::Http] {
        let mut bench = Bench::new(via, Era::Modern).await;
        bench.capabilities = able();
        let server = bench.open().await;
        let session = server.session(&bench).await;
        let asked = json!({"session": session, "seeds": [1, 2], "judge": true, "images": true, "wait_s": 0});
        let task = begun(&server, "queue_generation", asked).await;
        let done = until(&server, &bench, &task, &["completed"]).await;
        let result = &done["result"];
        assert_eq!(
            result["structuredContent"]["runs"].as_array().unwrap().len(),
            2,
            "{done}"
        );
        // Clients lose a task's pictures, so that there are addresses instead.
        let kinds: Vec<&str> = result["content"]
            .as_array()
            .unwrap()
            .iter()
            .map(|b| b["type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["text", "resource_link", "resource_link"]);
        // What is quick is answered at once.
        let told = server.tool("get_history", json!({"session": session})).await;
        assert_eq!(told["iterations"].as_array().unwrap().len(), 1);
        // An error of the tool is a result too; arguments that cannot be read are no work.
        let task = begun(&server, "judge_pair", json!({"session": "zzzzzzzz"})).await;
        let failed = until(&server, &bench, &task, &["completed"]).await;
        assert_eq!(failed["result"]["isError"], true, "{failed}");
        server.refused("judge_pair", json!({"picture": 5})).await;
        let unknown = server
            .request("tasks/get", json!({"taskId": "none"}))
            .await
            .unwrap_err();
        assert!(matches!(unknown, Failure::Rpc { code: -32602, .. }));
    }
}

#[tokio::test]
async fn cancelling_a_task_stops_the_run_in_comfyui() {
    let studio = LivingStudio::new(Duration::from_millis(10)).await;
    let mut bench = Bench::with_studio(Via::Stdio, Era::Modern, studio);
    bench.capabilities = able();
    let server = bench.open().await;
    let session = server.session(&bench).await;
    // It does not end by itself.
    let endless = json!({"session": session, "knobs": {"steps": 10_000}});
    let task = begun(&server, "queue_generation", endless).await;
    bench.studio.busy().await;
    server.result("tasks/cancel", json!({"taskId": task})).await;
    until(&server, &bench, &task, &["cancelled"]).await;
    let ended = bench.studio.idle().await;
    assert!(ended.iter().any(|kind| kind == "execution_interrupted"), "{ended:?}");
}

/// Two tasks on the same iteration share its run.
#[tokio::test]
async fn cancelling_one_of_two_tasks_leaves_the_other_its_run() {
    let studio = LivingStudio::new(Duration::from_millis(20)).await;
    let mut bench = Bench::with_studio(Via::Stdio, Era::Modern, studio);
    bench.capabilities = able();
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let asked = json!({"session": session, "knobs": {"steps": 200}});
    let first = begun(&server, "queue_generation", asked).await;
    bench.studio.busy().await;
    let second = begun(&server, "queue_generation", json!({"session": session, "iteration": 2})).await;
    // It waits for the run as soon as it tells the sampler's progress.
    loop {
        let now = server.result("tasks/get", json!({"taskId": second})).await;
        assert_eq!(now["status"], "working", "{now}");
        if now["statusMessage"]
            .as_str()
            .is_some_and(|words| words.starts_with("ComfyUI: "))
        {
            break;
        }
        bench.studio.tick().await;
    }
    server.result("tasks/cancel", json!({"taskId": second})).await;
    until(&server, &bench, &second, &["cancelled"]).await;
    assert_eq!(
        server.tool("get_history", json!({"session": session})).await["iterations"][1]["state"],
        "running"
    );
    let done = until(&server, &bench, &first, &["completed"]).await;
    assert_eq!(done["result"]["structuredContent"]["state"], "done", "{done}");
}

/// A task that waits for its user to say where the prompt goes.
async fn asking() -> (Bench, Server, String) {
    let mut bench = Bench::new(Via::Stdio, Era::Modern).await;
    bench.capabilities = able();
    let server = bench.open().await;
    let workflow = bench.write("two_texts.json", ambiguous_workflow().to_string());
    let asked = json!({"workflow": workflow, "positive": "a blue square"});
    let task = begun(&server, "queue_generation", asked).await;
    until(&server, &bench, &task, &["input_required"]).await;
    (bench, server, task)
}

#[tokio::test]
async fn a_task_asks_the_user_where_the_prompt_goes() {
    let (bench, server, task) = asking().await;
    let waiting = server.result("tasks/get", json!({"taskId": task})).await;
    let form = &waiting["inputRequests"]["positive"];
    assert_eq!(form["method"], "elicitation/create", "{waiting}");
    let answer = json!({"positive": {"action": "accept", "content": {"place": "9.value"}}});
    server
        .result("tasks/update", json!({"taskId": task, "inputResponses": answer}))
        .await;
    let done = until(&server, &bench, &task, &["completed"]).await;
    assert_eq!(done["result"]["structuredContent"]["state"], "done", "{done}");
}

#[tokio::test]
async fn cancelling_a_task_that_asks_ends_it() {
    let (bench, server, task) = asking().await;
    server.result("tasks/cancel", json!({"taskId": task})).await;
    until(&server, &bench, &task, &["cancelled"]).await;
}

/// Such clients are there, and do not know a task when they see one.
#[tokio::test]
async fn in_an_older_session_the_extension_changes_nothing() {
    let mut bench = Bench::new(Via::Stdio, crate::mcp_binary::ERA).await;
    bench.capabilities = able();
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let made = server.tool("queue_generation", json!({"session": session})).await;
    assert_eq!(made["state"], "done");
}

#[tokio::test]
async fn a_client_that_knows_no_tasks_waits_in_the_call_and_cannot_ask_after_any() {
    let bench = Bench::new(Via::Stdio, Era::Modern).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let made = server.tool("queue_generation", json!({"session": session})).await;
    assert_eq!(made["state"], "done");
    let refused = server.request("tasks/get", json!({"taskId": "x"})).await.unwrap_err();
    assert!(matches!(refused, Failure::Rpc { code: -32021, .. }), "{refused:?}");
}
