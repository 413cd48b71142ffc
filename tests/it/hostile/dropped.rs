//! Clients that vanish while the judge or ComfyUI works for them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::hostile::prey::{Prey, VERSION, within};
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::LivingStudio;
use crate::support::mcp_client::{Call, Era, McpClient};

/// Slow enough to be dropped, whatever else this machine does.
const SLOW: Duration = Duration::from_millis(20);
const SSE: Era = Era::Session("2024-11-05");

async fn attacked() -> (Bench, Prey) {
    let bench = Bench::with_studio(Via::Http, SSE, LivingStudio::new(SLOW).await);
    let prey = Prey::over_http_in(&bench.data(), &bench.studio.url).await;
    (bench, prey)
}

async fn tool(client: &McpClient, name: &str, arguments: Value) -> Value {
    let result = client.call_tool(name, arguments).await;
    assert_ne!(result["isError"], true, "{name}: {result}");
    result["structuredContent"].clone()
}

async fn session(client: &McpClient, bench: &Bench) -> Value {
    let arguments = json!({"workflow": bench.file("workflow.json"), "positive": "a red circle"});
    tool(client, "inject_prompt", arguments).await["session"].clone()
}

/// A run of as many steps, which has begun.
async fn begun(client: &McpClient, bench: &Bench, session: &Value, steps: u32) -> Call {
    let arguments = json!({"session": session, "positive": "a blue square", "knobs": {"steps": steps}});
    let call = client.start_tool("queue_generation", arguments);
    bench.studio.busy().await;
    client.progressed(&call, 1).await;
    call
}

/// Where hanging up is the way to cancel, the run is stopped in ComfyUI.
#[tokio::test]
async fn a_run_whose_client_hangs_up_is_interrupted() {
    for era in [SSE, Era::Modern] {
        let (bench, prey) = attacked().await;
        let client = prey.client(era).await;
        let of = session(&client, &bench).await;
        begun(&client, &bench, &of, 1_000).await;
        drop(client);
        let messages = bench.studio.idle().await;
        assert!(
            messages.contains(&"execution_interrupted".to_owned()),
            "{era:?}: {messages:?}"
        );
        prey.serves().await;
        let next = prey.client(era).await;
        let again = json!({"session": of, "positive": "a red star", "knobs": {"steps": 1}});
        assert_eq!(tool(&next, "queue_generation", again).await["state"], "done");
    }
}

/// A session of `/mcp` outlives its connections: what was begun goes on and is found again.
#[tokio::test]
async fn a_run_of_a_session_goes_on_without_its_connection() {
    let (bench, prey) = attacked().await;
    let client = prey.client(Era::Session(VERSION)).await;
    let of = session(&client, &bench).await;
    begun(&client, &bench, &of, 40).await;
    drop(client);
    let messages = bench.studio.idle().await;
    assert!(!messages.contains(&"execution_interrupted".to_owned()), "{messages:?}");
    let next = prey.client(Era::Session(VERSION)).await;
    let made = tool(&next, "queue_generation", json!({"session": of, "iteration": 2})).await;
    assert_eq!(made["runs"].as_array().map(Vec::len), Some(1), "{made}");
    assert_eq!(bench.studio.submissions().await, 1, "nothing was run twice");
    prey.serves().await;
}

#[tokio::test]
async fn judgements_whose_clients_vanish_do_not_keep_the_next_one_from_its_answer() {
    let (bench, prey) = attacked().await;
    let asked = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
    prey.serves().await;
    let before = prey.holds();
    for era in [SSE, Era::Modern, Era::Session(VERSION)] {
        let client = prey.client(era).await;
        let call = client.start_tool("judge_pair", asked.clone());
        // At work: the model loads or is asked already.
        client.progressed(&call, 1).await;
        drop(client);
    }
    let next = prey.client(Era::Modern).await;
    let judged = tool(&next, "judge_pair", asked).await;
    assert_eq!(judged["axes"].as_array().map(Vec::len), Some(6), "{judged}");
    drop(next);
    prey.serves().await;
    // The judge's process and the history have some, too.
    prey.until_it("the connections to be closed", |held| {
        held.descriptors <= before.descriptors + 16
    })
    .await;
}

#[tokio::test]
async fn many_clients_that_vanish_during_a_call_leave_nothing_behind() {
    const MANY: usize = 60;
    let (bench, prey) = attacked().await;
    let client = prey.client(Era::Modern).await;
    let of = session(&client, &bench).await;
    begun(&client, &bench, &of, 1_000).await;
    let before = prey.holds();
    let waiting = json!({"session": of, "iteration": 2});
    for n in 0..MANY {
        let era = [SSE, Era::Modern][n % 2];
        let other = prey.client(era).await;
        let call = other.start_tool("get_history", json!({"session": of}));
        let joins = other.start_tool("queue_generation", json!({"session": of, "iteration": 2, "wait_s": 0}));
        within("an answer", call.answer()).await.unwrap();
        if n % 3 == 0 {
            within("an answer", joins.answer()).await.unwrap();
        }
    }
    prey.until_it("the connections to be closed", |held| {
        held.descriptors <= before.descriptors + 4
    })
    .await;
    let stopped = tool(
        &client,
        "queue_generation",
        json!({"session": of, "iteration": 2, "cancel": true}),
    )
    .await;
    assert!(stopped["state"].is_string(), "{stopped}");
    bench.studio.idle().await;
    let told = client.call_tool("get_history", waiting).await;
    assert_ne!(told["isError"], true, "{told}");
    prey.serves().await;
}
