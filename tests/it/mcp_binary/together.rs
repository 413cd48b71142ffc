//! Several clients over HTTP that wait for the same run: who of them stops it, and for whom.

use std::time::Duration;

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::in_flight::sampling;
use crate::mcp_binary::studio::LivingStudio;
use crate::support::mcp_client::{Call, Era};

const STEP: Duration = Duration::from_millis(20);
/// Long enough for a second client to join and to leave, and soon over.
const SOME_STEPS: u32 = 300;
/// A run that does not end by itself in any test's time.
const ENDLESS: u32 = 10_000;

/// Two clients of one server, and a session with two iterations; the second one takes some steps.
struct Two {
    bench: Bench,
    a: Server,
    b: Server,
    session: String,
    steps: u32,
}

impl Two {
    async fn clients(era: Era, steps: u32) -> Self {
        let bench = Bench::with_studio(Via::Http, era, LivingStudio::new(STEP).await);
        let a = bench.open().await;
        let b = bench.another_client(&a).await;
        let session = a.session(&bench).await;
        let edit = json!({"session": session, "positive": "a blue square", "knobs": {"steps": steps}});
        a.tool("inject_prompt", edit).await;
        Self {
            bench,
            a,
            b,
            session,
            steps,
        }
    }

    fn asked(&self) -> Value {
        json!({"session": self.session, "iteration": 2, "judge": true})
    }

    /// Lets a client wait for the run; it does when this returns.
    async fn waits(&self, client: &Server) -> Call {
        let call = client.start_tool("queue_generation", self.asked());
        sampling(client, &call, self.steps).await;
        call
    }

    /// The iteration's state, by the history.
    async fn state(&self, client: &Server) -> Value {
        let told = client.tool("get_history", json!({"session": self.session})).await;
        told["iterations"][1]["state"].clone()
    }

    async fn was_interrupted(&self) {
        let messages = self.bench.studio.idle().await;
        assert!(messages.contains(&"execution_interrupted".to_owned()), "{messages:?}");
    }
}

#[tokio::test]
async fn one_clients_cancel_leaves_the_other_its_scores() {
    for era in [ERA, Era::Modern] {
        let two = Two::clients(era, SOME_STEPS).await;
        let a = two.waits(&two.a).await;
        let b = two.waits(&two.b).await;
        two.b.cancel(&b).await;
        assert_eq!(two.state(&two.b).await, "running");
        let made = two.a.answer("queue_generation", &a).await;
        assert_eq!(made["state"], "done", "{made}");
        assert!(
            made["axes"].is_array() && made["runs"][0]["overall_score"].is_number(),
            "{made}"
        );
        assert_eq!(two.bench.studio.submissions().await, 1);
        assert!(!b.is_answered(), "{}", two.b.log());
    }
}

#[tokio::test]
async fn the_last_clients_cancel_interrupts_the_run() {
    for era in [ERA, Era::Modern] {
        let two = Two::clients(era, ENDLESS).await;
        let a = two.waits(&two.a).await;
        let b = two.waits(&two.b).await;
        two.a.cancel(&a).await;
        assert_eq!(two.state(&two.a).await, "running");
        two.b.cancel(&b).await;
        two.was_interrupted().await;
        assert!(!a.is_answered() && !b.is_answered(), "{}", two.a.log());
    }
}

#[tokio::test]
async fn asking_for_it_stops_the_run_for_all_and_they_are_told() {
    let two = Two::clients(ERA, ENDLESS).await;
    let a = two.waits(&two.a).await;
    let b = two.waits(&two.b).await;
    let stop = json!({"session": two.session, "iteration": 2, "cancel": true});
    let stopped = two.b.tool("queue_generation", stop).await;
    assert_eq!(stopped["state"], "stopping");
    for (call, connection) in [(a, "another connection"), (b, "this connection")] {
        let told = call.answer().await.unwrap();
        let text = told["content"][0]["text"].as_str().unwrap();
        assert_eq!(told["isError"], true, "{told}");
        assert!(
            text.contains("`cancel: true`") && text.contains(connection) && text.contains("What to do: "),
            "{text}"
        );
    }
    two.was_interrupted().await;
}

/// Who was told that the run goes on may count on it; who comes back and cancels, and is the only one, stops it.
#[tokio::test]
async fn a_run_that_was_promised_to_go_on_is_not_stopped_by_another_client() {
    let two = Two::clients(ERA, ENDLESS).await;
    let mut asked = two.asked();
    asked["wait_s"] = json!(0);
    let promised = two.a.tool("queue_generation", asked).await;
    assert_eq!(promised["state"], "running");
    let b = two.waits(&two.b).await;
    two.b.cancel(&b).await;
    assert_eq!(two.state(&two.b).await, "running");
    let a = two.waits(&two.a).await;
    two.a.cancel(&a).await;
    two.was_interrupted().await;
    assert_eq!(two.bench.studio.submissions().await, 1, "it was one run all the time");
}
