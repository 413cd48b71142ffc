//! Ten thousand calls, after which the program holds what it held before. For `.ci/long`; `SOAK_CALLS` is another number.

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::hostile::prey::{Held, Prey, VERSION, opening, request, within};
use crate::mcp_binary::bench::{Bench, Via};
use crate::support::mcp_client::{Era, McpClient};

/// Enough for caches, the judge's memory and the allocator's arenas to be what they will be.
const WARM_UP: usize = 1_500;
const CALLS: usize = 10_000;

/// What memory may differ by, in KiB, after as many calls: an answer that leaked with each call would be 130 MB, a session
/// 12 MB for every hundred. Left are the sessions that are abandoned here (some twenty, of 120 KB), the answers that the
/// sessions of `/mcp` keep for 15 seconds, and what the allocator does.
const FLAT: u64 = 16 * 1024;

type Calls = Vec<(&'static str, Value)>;

/// What one client does in turn; nothing of it but the judgement takes long, and that one is remembered.
fn calls(bench: &Bench) -> Calls {
    let pair = json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png")});
    let tool = |name: &str, arguments: Value| ("tools/call", json!({"name": name, "arguments": arguments}));
    let mut calls = vec![
        ("tools/list", json!({})),
        tool("get_history", json!({})),
        tool("get_history", json!({"session": "nosuchse"})),
        ("resources/list", json!({})),
        ("resources/read", json!({"uri": "prompt-calibrator://nothing"})),
        ("prompts/list", json!({})),
        tool("judge_pair", json!({"iteration": 1})),
        tool("judge_pair", json!({"picture": 5})),
        tool("queue_generation", json!({"session": "nosuchse"})),
        tool("no_such_tool", json!({})),
        ("no/such/method", json!({"x": [1, 2, 3]})),
        ("tools/call", json!({"name": 5})),
    ];
    calls = calls.iter().cycle().take(4 * calls.len()).cloned().collect();
    calls.push(tool("judge_pair", pair));
    calls
}

/// A program over pipes, asked one thing at a time.
struct Piped {
    prey: Prey,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: usize,
}

impl Piped {
    async fn ask(&mut self, method: &str, params: &Value) {
        use tokio::io::AsyncBufReadExt;
        self.asked += 1;
        let asked = request(self.asked, method, params.clone());
        self.input.write_all(format!("{asked}\n").as_bytes()).await.unwrap();
        let mut line = String::new();
        within("an answer", self.output.read_line(&mut line)).await.unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert!(
            answer["id"] == self.asked && answer.get("method").is_none(),
            "{method} {params}: {answer}"
        );
    }
}

/// A session, opened for so many calls. One in eight is abandoned, the others are closed.
async fn in_a_session(prey: &Prey, era: Era, calls: &[(&str, Value)], abandon: bool) -> usize {
    let client: McpClient = prey.client(era).await;
    for (method, params) in calls {
        // An error is an answer as well; the client itself fails when there is none.
        let _ = client.request(method, params.clone()).await;
    }
    if let (Some(session), false) = (client.session_id(), abandon) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let closed = http
            .delete(format!("{}/mcp", prey.url()))
            .header("Mcp-Session-Id", session)
            .send();
        assert!(closed.await.unwrap().status().is_success());
    }
    calls.len()
}

/// At least as many calls, over pipes, and in sessions of each kind.
async fn soak(piped: (&mut Piped, &Calls), http: (&Prey, &Calls), total: usize) {
    let (piped, piped_calls) = piped;
    let (http, http_calls) = http;
    let mut done = 0;
    for round in 0.. {
        for (method, params) in piped_calls {
            piped.ask(method, params).await;
        }
        done += piped_calls.len();
        for era in [Era::Session(VERSION), Era::Session("2024-11-05"), Era::Modern] {
            done += in_a_session(http, era, http_calls, round % 8 == 0).await;
        }
        if done >= total {
            return;
        }
    }
}

fn told(what: &str, piped: Held, http: Held) {
    eprintln!("{what}: pipes {piped:?}, HTTP {http:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn ten_thousand_calls_leave_memory_descriptors_and_threads_as_they_were() {
    let piped_bench = Bench::new(Via::Stdio, Era::Modern).await;
    let http_bench = Bench::new(Via::Http, Era::Modern).await;
    let files = piped_bench.file("");
    let (prey, input, output) = Prey::over_pipes_in(&piped_bench.data(), &piped_bench.studio.url, &["--root", &files]);
    let mut piped = Piped {
        prey,
        input,
        output,
        asked: 0,
    };
    piped.input.write_all(&opening()).await.unwrap();
    let mut line = String::new();
    within(
        "the opening",
        tokio::io::AsyncBufReadExt::read_line(&mut piped.output, &mut line),
    )
    .await
    .unwrap();
    let http = Prey::over_http_in(&http_bench.data(), &http_bench.studio.url).await;
    let (piped_calls, http_calls) = (calls(&piped_bench), calls(&http_bench));

    told("at the start", piped.prey.holds(), http.holds());
    soak((&mut piped, &piped_calls), (&http, &http_calls), WARM_UP).await;
    let before = [piped.prey.holds(), http.holds()];
    told("warm", before[0], before[1]);
    let calls = std::env::var("SOAK_CALLS").map_or(CALLS, |calls| calls.parse().unwrap());
    soak((&mut piped, &piped_calls), (&http, &http_calls), calls).await;
    let after = [piped.prey.holds(), http.holds()];
    told(&format!("after {calls} calls"), after[0], after[1]);
    for (before, after) in before.iter().zip(&after) {
        assert!(after.memory < before.memory + FLAT, "{before:?}, then {after:?}");
    }
    // Threads for blocking work end when they had none for ten seconds; connections close when their clients are gone.
    for (prey, before) in [&piped.prey, &http].into_iter().zip(&before) {
        prey.until_it("descriptors and threads to be as they were", |held| {
            held.descriptors <= before.descriptors + 2 && held.threads <= before.threads + 1
        })
        .await;
    }
}
