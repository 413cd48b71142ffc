//! Judgements that wait, a judge process that is stopped, and what one session's pictures cost another one.

use std::io::Cursor;
use std::time::{Duration, Instant};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::hostile::prey::{Prey, VERSION, within};
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::workflow;
use crate::support::chain::with_samplers;
use crate::support::mcp_client::{Era, McpClient};
use crate::support::signal::signal;

const ERA: Era = Era::Session(VERSION);
/// Judgements that may go on at once, those that wait included.
const MOST: usize = 32;
/// A side of a large picture, and what its pixels take, in KiB.
const SIDE: u32 = 4_000;
const PIXELS: u64 = SIDE as u64 * SIDE as u64 * 3 / 1024;

async fn attacked() -> (Bench, Prey) {
    let bench = Bench::new(Via::Http, ERA).await;
    let prey = Prey::over_http_in(&bench.data(), &bench.studio.url).await;
    (bench, prey)
}

/// A pair that the server may read, of which one is large.
fn large_pair(bench: &Bench) -> Value {
    let mut png = Cursor::new(Vec::new());
    RgbImage::from_pixel(SIDE, SIDE, Rgb([90, 120, 40]))
        .write_to(&mut png, ImageFormat::Png)
        .unwrap();
    let large = bench.write("large.png", png.into_inner());
    json!({"reference": bench.file("reference.png"), "generated": large})
}

fn at_once(pair: &Value) -> Value {
    let mut pair = pair.clone();
    pair["wait_s"] = json!(0);
    pair
}

/// A judge process that has its model, and is then stopped.
async fn stopped_judge(bench: &Bench, prey: &Prey, client: &McpClient) -> u32 {
    let pair = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
    let judged = client.call_tool("judge_pair", pair).await;
    assert_ne!(judged["isError"], true, "{judged}");
    let [judge] = prey.judges()[..] else {
        panic!("one judge process: {:?}", prey.judges());
    };
    signal("-STOP", judge);
    judge
}

#[tokio::test]
async fn judgements_that_wait_hold_no_pixels_and_have_a_bound() {
    let (bench, prey) = attacked().await;
    let client = prey.client(ERA).await;
    let judge = stopped_judge(&bench, &prey, &client).await;
    let pair = at_once(&large_pair(&bench));
    let before = prey.holds();
    for n in 0..MOST {
        let told = client.call_tool("judge_pair", pair.clone()).await;
        assert!(told["structuredContent"]["handle"].is_string(), "{n}: {told}");
    }
    let grown = prey.holds().memory.saturating_sub(before.memory);
    // One has its turn; the others are decoded once to be checked, and let go.
    assert!(grown < MOST as u64 / 4 * PIXELS, "{grown} KiB more");
    let refused = client.call_tool("judge_pair", pair.clone()).await;
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(
        text.contains(&format!("{MOST} judgements")) && text.contains("What to do: "),
        "{text}"
    );
    prey.serves().await;
    // When the judge goes on, there is room again.
    signal("-CONT", judge);
    within("room for a judgement", async {
        while client.call_tool("judge_pair", pair.clone()).await["isError"] == true {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stopped_judge_process_ends_with_its_server() {
    let (bench, prey) = attacked().await;
    let client = prey.client(ERA).await;
    let judge = stopped_judge(&bench, &prey, &client).await;
    // With SIGKILL.
    drop(prey);
    within("the judge process to end", async {
        // One that has ended and that nobody has asked about is a zombie.
        let state = |status: &str| {
            status
                .lines()
                .find(|line| line.starts_with("State:"))
                .map(str::to_owned)
        };
        while std::fs::read_to_string(format!("/proc/{judge}/status"))
            .is_ok_and(|status| state(&status).is_some_and(|state| !state.contains('Z')))
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

async fn ping(client: &McpClient) -> Duration {
    let asked = Instant::now();
    client.result("ping", json!({})).await;
    asked.elapsed()
}

/// How much slower the slowest ping beside another session's work may be than the slowest of an idle server. Some of it is
/// that the processors are shared; a thread that is held up would be thousands.
const SLOWER: u32 = 100;

#[tokio::test]
async fn no_session_delays_anothers_ping() {
    let (bench, prey) = attacked().await;
    let (one, other) = (prey.client(ERA).await, prey.client(ERA).await);
    let pair = large_pair(&bench);
    let mut idle = Duration::ZERO;
    for _ in 0..200 {
        idle = idle.max(ping(&other).await);
    }
    // Its places take a while to be found.
    let chain = bench.write("chain.json", with_samplers(workflow(1), 2_000).to_string());
    let calls = [
        ("judge_pair", pair.clone()),
        (
            "judge_pair",
            json!({"reference": pair["generated"], "generated": pair["reference"], "wait_s": 0}),
        ),
        (
            "inject_prompt",
            json!({"workflow": bench.file("workflow.json"), "reference": pair["generated"], "positive": "a"}),
        ),
        ("inject_prompt", json!({"workflow": chain, "positive": "a"})),
        ("get_history", json!({})),
    ];
    for (name, arguments) in calls {
        let call = one.start_tool(name, arguments);
        // The first one is sent together with the call, so that something is measured however soon that is answered.
        let mut slowest = ping(&other).await;
        while !call.is_answered() {
            slowest = slowest.max(ping(&other).await);
        }
        assert!(slowest < idle * SLOWER, "{name}: {slowest:?} beside {idle:?}");
        call.answer().await.unwrap();
    }
}
