//! Reading writes nothing and decides nothing; what is undecided is worked out alike by whoever looks; what cannot be read is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use history::{Decision, Span, Store};
use rusqlite::Connection;
use serde_json::{Value, json};
use types::{IterationNo, JudgeHash, SessionId};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{BINARY, Bench, Server, Via};
use crate::mcp_binary::warm;

/// As the reference, but for the light, of which nothing is said.
const NEARLY: &str = "a large red striped star at the left, marked with a cross, three balls along the bottom, a smooth green background";
/// A little closer: on some seeds only, since without a word the light falls from anywhere.
const A_LITTLE_CLOSER: &str = "a large red striped star at the left, marked with a cross, three balls along the bottom, a smooth green background, light from the right";

/// On these the scores alone are no clear answer.
const SEEDS: [u64; 2] = [5, 6];

fn database(bench: &Bench) -> Connection {
    Connection::open(bench.data().join("history.sqlite")).unwrap()
}

/// Every row of every table.
fn everything(bench: &Bench) -> BTreeMap<String, Vec<String>> {
    let database = database(bench);
    let mut names = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap();
    let names: Vec<String> = names
        .query_map((), |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = BTreeMap::new();
    for name in names {
        let mut rows = database.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let columns = rows.column_count();
        let rows = rows.query_map((), |row| {
            let cells: Vec<String> = (0..columns).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            Ok(cells.join(" | "))
        });
        all.insert(name, rows.unwrap().map(Result::unwrap).collect());
    }
    all
}

/// The decisions of a session, without what differs from run to run.
async fn decisions(bench: &Bench, session: &str) -> Vec<(u32, String, Value)> {
    let store = Store::open(bench.data());
    let id = SessionId::parse(session).unwrap();
    let all: Vec<Decision> = store.decisions_of(&id, Span::All).await.unwrap();
    all.into_iter()
        .map(|d| {
            (
                d.content.iteration.get(),
                d.content.kind.as_str().to_owned(),
                d.content.detail,
            )
        })
        .collect()
}

/// Two iterations of which the second is rendered and not judged.
async fn rendered(bench: &Bench, server: &Server) -> String {
    let opened = json!({
        "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": NEARLY,
    });
    let session = server.tool("inject_prompt", opened).await["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let first = json!({"session": session, "seeds": SEEDS, "judge": true});
    assert_eq!(server.tool("queue_generation", first).await["decision"], "first");
    let second = json!({"session": session, "positive": A_LITTLE_CLOSER, "seeds": SEEDS});
    assert_eq!(server.tool("queue_generation", second).await["iteration"], 2);
    session
}

/// Judges the second iteration; meanwhile `lookers` look at the session all the time.
async fn judged(server: &Server, session: &str, lookers: &[&Server]) {
    let asked = json!({"session": session, "iteration": 2, "wait_s": 0});
    let begun = server.tool("judge_pair", asked).await;
    let mut looks = 0;
    let Some(handle) = begun["handle"].as_str() else {
        panic!("it is over before anybody could look: {begun}")
    };
    loop {
        for looker in lookers {
            looker.tool("get_history", json!({"session": session})).await;
            looker
                .tool("get_history", json!({"session": session, "advice": true}))
                .await;
            looks += 1;
        }
        let wait_s = u32::from(lookers.is_empty()) * 50;
        let answer = server
            .tool("judge_pair", json!({"handle": handle, "wait_s": wait_s}))
            .await;
        if answer.get("handle").is_none() {
            assert!(answer["overall_score"].is_number(), "{answer}");
            break;
        }
    }
    assert!(lookers.is_empty() || looks > 2, "{looks}");
}

#[tokio::test]
async fn looking_during_a_judgement_changes_no_decision() {
    let quiet = Bench::new(Via::Stdio, ERA).await;
    let server = quiet.open().await;
    let session = rendered(&quiet, &server).await;
    judged(&server, &session, &[]).await;
    let expected = decisions(&quiet, &session).await;
    let kinds: Vec<(u32, &str)> = expected.iter().map(|(n, kind, _)| (*n, kind.as_str())).collect();
    assert_eq!(
        (kinds.len(), kinds[0], kinds[1].0),
        (2, (1, "first"), 2),
        "one for each judging call: {kinds:?}"
    );
    assert!(
        expected[1].2["comparison"]["log_odds"].is_number(),
        "the scores alone are no clear answer, so that the judge is asked directly: {:?}",
        expected[1]
    );

    let watched = Bench::new(Via::Stdio, ERA).await;
    let (server, other) = (watched.open().await, watched.open().await);
    let session = rendered(&watched, &server).await;
    // A client of the server that judges, and another program on the same folder.
    judged(&server, &session, &[&server, &other]).await;
    assert_eq!(decisions(&watched, &session).await, expected);
}

/// Every way to look at a session.
async fn look(bench: &Bench, server: &Server, session: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    for asked in [
        json!({}),
        json!({"session": session}),
        json!({"session": session, "advice": true}),
        json!({"session": session, "axis": "mark"}),
        json!({"session": session, "iteration": 2}),
    ] {
        seen.push(server.tool("get_history", asked).await);
    }
    for address in ["", "/iterations/2", "/report"] {
        let uri = format!("calibrator://sessions/{session}{address}");
        server.result("resources/read", json!({"uri": uri})).await;
    }
    for command in [
        ["sessions", "show", session].as_slice(),
        &["sessions", "list"],
        &["report", session, "--to", &bench.file("page.html")],
    ] {
        let ran = command_line(bench.data().as_path(), command);
        assert!(ran.0, "{command:?}: {}", ran.2);
    }
    seen
}

/// Runs the program to its end: whether it succeeded, what it printed, and what it said to people.
pub fn command_line(data: &Path, arguments: &[&str]) -> (bool, String, String) {
    let ran = Command::new(BINARY)
        .args(["--log", "error", "--data-dir"])
        .arg(data)
        .args(arguments)
        .env_clear()
        .envs([("HOME", data.to_str().unwrap()), warm::THREADS])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (ran.status.success(), text(ran.stdout), text(ran.stderr))
}

#[tokio::test]
async fn what_a_kill_left_undecided_is_shown_by_every_look_and_recorded_by_the_next_judgement() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = rendered(&bench, &server).await;
    judged(&server, &session, &[]).await;
    let expected = decisions(&bench, &session).await;
    // As after a kill between the judgement and its decision, and before the direct comparison.
    let changed = database(&bench).execute_batch("DELETE FROM decisions; DELETE FROM comparisons;");
    changed.unwrap();

    let before = everything(&bench);
    let seen = look(&bench, &server, &session).await;
    assert_eq!(everything(&bench), before, "looking writes nothing");
    let told = seen[1]["iterations"].as_array().unwrap();
    assert_eq!(told[0]["decision"], "first", "{}", seen[1]);
    assert!(told[1]["decision"].is_string(), "{}", seen[1]);
    let full = seen[4]["iterations"][0]["decisions"][0].as_str().unwrap();
    assert!(full.contains("Not recorded yet: judge_pair"), "{full}");

    server
        .tool("judge_pair", json!({"session": session, "iteration": 2}))
        .await;
    assert_eq!(
        decisions(&bench, &session).await,
        expected,
        "as if nobody had been killed"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_by_every_look_and_nothing_is_decided_from_it() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = rendered(&bench, &server).await;
    judged(&server, &session, &[]).await;
    let changed = database(&bench).execute(
        "UPDATE judgements SET verdict = json_set(verdict, '$.v', 9) WHERE iteration = 2",
        (),
    );
    assert_eq!(changed.unwrap(), 2);
    let recorded = decisions(&bench, &session).await;
    let seen = look(&bench, &server, &session).await;
    for view in &seen[1..4] {
        let told = view["summary"].as_str().unwrap();
        assert!(told.contains("cannot be read") && told.contains("version 9"), "{told}");
    }
    let judgements = seen[4]["iterations"][0]["judgements"].to_string();
    assert!(
        judgements.contains("unreadable") && judgements.contains("version 9"),
        "{judgements}"
    );
    let page = fs::read_to_string(bench.file("page.html")).unwrap();
    assert!(page.contains("cannot be read"), "the report says so too");

    // A third iteration would be compared with the second.
    let third = json!({"session": session, "positive": "a blue moon", "seeds": SEEDS, "judge": true});
    let made = server.tool("queue_generation", third).await;
    let told = made["summary"].as_str().unwrap();
    assert!(made["axes"].is_array() && told.contains("cannot be read"), "{told}");
    assert_eq!(decisions(&bench, &session).await, recorded, "nothing was decided");
}

/// A data folder of the version before, with a calibration that the offline demo made.
#[tokio::test]
async fn a_session_of_the_version_before_is_shown_as_it_was() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/history");
    for name in ["history.sqlite-wal", "history.sqlite-shm"] {
        drop(fs::remove_file(bench.data().join(name)));
    }
    fs::copy(folder.join("v3.sqlite"), bench.data().join("history.sqlite")).unwrap();
    let server = bench.open().await;
    let session = server.tool("get_history", json!({})).await["sessions"][0]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let seen = server.tool("get_history", json!({"session": session})).await;
    let rows = seen["iterations"].as_array().unwrap();
    let scores: Vec<f64> = rows.iter().map(|row| row["overall_score"].as_f64().unwrap()).collect();
    assert_eq!(
        (rows.len(), &rows[5]["best"], &rows[5]["decision"]),
        (6, &json!(true), &json!("keep")),
        "{seen}"
    );
    assert!(scores[5] > scores[0] + 0.3, "{scores:?}");
    let advice = server
        .tool("get_history", json!({"session": session, "advice": true}))
        .await;
    let told = advice["summary"].as_str().unwrap();
    assert!(
        told.contains("Best: iteration 6") && !told.contains("cannot be read"),
        "{told}"
    );
    let full = server
        .tool("get_history", json!({"session": session, "iteration": 6}))
        .await;
    let axes = full["iterations"][0]["judgements"][0]["axes"].as_object().unwrap();
    assert_eq!(axes.len(), 10, "{full}");

    // An export of that version comes in, and is the same.
    let export = bench.data().join("export");
    fs::create_dir_all(export.join("images")).unwrap();
    fs::copy(folder.join("v3-session.jsonl"), export.join("session.jsonl")).unwrap();
    let fresh = bench.data().join("fresh");
    let (imported, _, told) = command_line(&fresh, &["sessions", "import", export.to_str().unwrap()]);
    assert!(imported, "{told}");
    let store = Store::open(&fresh);
    let id = SessionId::parse(&session).unwrap();
    let judge: JudgeHash = store.last_judge(&id).await.unwrap().unwrap();
    let best = store.incumbent(&id, &judge).await.unwrap();
    assert_eq!(best, Some(IterationNo::new(6).unwrap()));
    // Damaged, it does not.
    let text = fs::read_to_string(export.join("session.jsonl")).unwrap();
    let damaged = text
        .replacen("\\\"position_bias\\\"", "\\\"x\\\"", 1)
        .replacen("\\\"order\\\"", "\\\"x\\\"", 1);
    fs::write(export.join("session.jsonl"), damaged).unwrap();
    let (imported, _, told) = command_line(
        &bench.data().join("other"),
        &["sessions", "import", export.to_str().unwrap()],
    );
    assert!(
        !imported && told.contains(&session) && told.contains("nothing was imported"),
        "{told}"
    );
}
