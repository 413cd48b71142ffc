//! A whole calibration, as an agent makes it.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::over_every_transport;
use crate::support::mcp_client::Era;

over_every_transport! {
    a_whole_calibration
}

/// What the reference shows, as an agent would put it.
const LIKE_THE_REFERENCE: &str = "a large red striped star at the left, marked with a cross, three balls along the bottom, \
                                  a smooth green background, light from the right";

#[tokio::test]
async fn the_oldest_revision_over_pipes() {
    let bench = Bench::new(Via::Stdio, Era::Session("2024-11-05")).await;
    let server = bench.open().await;
    the_first_look(&bench, &server).await;
    server.session(&bench).await;
}

mod bodies {
    use super::*;

    pub async fn a_whole_calibration(bench: Bench) {
        let server = bench.start(&bench.studio.url).await;
        let opened = server.open().await;
        assert!(opened["capabilities"]["tools"].is_object(), "{opened}");
        assert!(
            opened["instructions"]
                .as_str()
                .is_some_and(|text| text.contains("judge_pair"))
        );
        the_four_tools(&server).await;
        the_first_look(&bench, &server).await;
        let (session, first) = the_first_iteration(&bench, &server).await;
        the_second_iteration(&server, &session, first).await;
        the_history(&server, &session).await;
        the_pictures(&server, &session).await;
        the_direct_comparison(&bench, &server, &session).await;
    }
}

async fn the_four_tools(server: &Server) {
    let listed = server.result("tools/list", json!({})).await;
    let tools = listed["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["inject_prompt", "queue_generation", "judge_pair", "get_history"]
    );
}

/// The reference alone: what it shows, axis by axis.
async fn the_first_look(bench: &Bench, server: &Server) {
    let looked = server
        .tool("judge_pair", json!({"reference": bench.file("reference.png")}))
        .await;
    assert_eq!(looked["reference_values"].as_object().unwrap().len(), 10, "{looked}");
    said_to_be_narrow(&looked["summary"]);
    assert!(looked.get("axes").is_none() && looked.get("overall_score").is_none());
}

/// A draft that is looked at before it is run; gives its session and its overall score.
async fn the_first_iteration(bench: &Bench, server: &Server) -> (String, f64) {
    let draft = server
        .tool(
            "inject_prompt",
            json!({
                "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "title": "A star in red",
                "positive": "a blue square", "knobs": {"steps": 2, "5.cfg": 5.5}, "note": "a first guess", "target_score": 0.9,
            }),
        )
        .await;
    assert_eq!(draft["iteration"], 1);
    let mut written: Vec<_> = draft["changes"].as_array().unwrap().iter().collect();
    written.sort_by_key(|change| change["place"].as_str().unwrap());
    assert_eq!(
        *written[0],
        json!({"place": "2.text", "title": "Prompt", "from": "a red circle", "to": "a blue square"})
    );
    let places: Vec<&Value> = written.iter().map(|change| &change["place"]).collect();
    assert_eq!(places, ["2.text", "5.cfg", "5.steps"]);
    assert_eq!(bench.studio.submissions().await, 0, "a draft is not run");

    let session = draft["session"].as_str().unwrap().to_owned();
    let asked = json!({"session": session, "judge": true});
    let made = server.tool("queue_generation", asked).await;
    assert_eq!((&made["state"], &made["iteration"]), (&json!("done"), &json!(1)));
    let [run] = made["runs"].as_array().unwrap().as_slice() else {
        panic!("{made}");
    };
    assert_eq!(run["seed"], 7, "the workflow's own");
    is_a_png(&run["pictures"][0]);
    judged(&made);
    assert_eq!(made["decision"], "first", "{made}");
    said_to_be_narrow(&made["summary"]);
    (session, overall(&made))
}

/// A prompt, its render for two seeds and their scores in one call. It says what the reference shows, and that is seen.
async fn the_second_iteration(server: &Server, session: &str, first: f64) {
    let asked = json!({
        "session": session, "positive": LIKE_THE_REFERENCE, "note": "all of it was wrong", "seeds": [7, 8], "judge": true, "images": true,
    });
    let whole = server.whole("queue_generation", asked).await;
    let made = &whole["structuredContent"];
    assert_eq!((&made["state"], &made["iteration"]), (&json!("done"), &json!(2)));
    let seeds: Vec<&Value> = made["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["seed"])
        .collect();
    assert_eq!(seeds, [7, 8]);
    judged(made);
    for run in made["runs"].as_array().unwrap() {
        assert!(overall(run) > first + 0.2, "{first}, then {run}");
    }
    // One seed in common with the first iteration: no verdict yet, and what is missing for one.
    assert_eq!(made["decision"], "tentative_keep", "{made}");
    let told = made["summary"].as_str().unwrap();
    assert!(
        told.contains("Tentative keep of 2 over 1") && told.contains("run seed 8 of iteration 1"),
        "{told}"
    );
    assert_eq!(pictures(&whole).len(), 2, "a preview each");
    // Once, not once a seed: an agent pays for every word.
    assert_eq!(
        made["summary"]
            .as_str()
            .unwrap()
            .matches("rendered scenes only")
            .count(),
        1,
        "{made}"
    );

    // The same once more is not rendered again, and says so.
    let again = server
        .tool(
            "queue_generation",
            json!({"session": session, "positive": LIKE_THE_REFERENCE, "seeds": [8]}),
        )
        .await;
    assert_eq!(
        (&again["iteration"], &again["runs"][0]["cached"]),
        (&json!(3), &json!(true))
    );
    assert!(again["summary"].as_str().unwrap().contains("cache"), "{again}");
}

async fn the_history(server: &Server, session: &str) {
    let all = server.tool("get_history", json!({})).await;
    assert_eq!(all["sessions"][0]["session"], session);
    assert_eq!(all["sessions"][0]["title"], "A star in red");
    assert_eq!(all["sessions"][0]["iterations"], 3);

    let trend = server.tool("get_history", json!({"session": session})).await;
    let rows: Vec<Value> = trend["iterations"].as_array().unwrap().clone();
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(column("iteration"), [1, 2, 3]);
    // What goes without saying is not said: the parent is the one before, and it is done.
    assert_eq!(
        (column("parent"), column("state")),
        (vec![Value::Null; 3], vec![Value::Null; 3])
    );
    assert_eq!(
        column("decision"),
        [json!("first"), json!("tentative_keep"), Value::Null]
    );
    assert_eq!(column("best"), [Value::Null, json!(true), Value::Null]);
    assert_eq!(column("note")[..2], ["a first guess", "all of it was wrong"]);
    let told = trend["summary"].as_str().unwrap();
    assert!(told.contains("3 of at most 12 iterations, target 0.90"), "{told}");

    let second = server
        .tool("get_history", json!({"session": session, "iteration": 2}))
        .await;
    let full = &second["iterations"][0];
    assert_eq!(
        full["changes"],
        json!({"2.text": {"from": "a blue square", "to": LIKE_THE_REFERENCE}})
    );
    assert_eq!(full["negative"], "blurry");
    let (runs, judgements) = (full["runs"].as_array().unwrap(), full["judgements"].as_array().unwrap());
    assert_eq!((runs.len(), judgements.len()), (2, 2), "{full}");
    for (run, judgement) in runs.iter().zip(judgements) {
        assert_eq!(run["state"], "finished");
        assert_eq!(run["seed"], judgement["seed"]);
        assert_eq!(judgement["axes"].as_object().unwrap().len(), 10);
        assert!(judgement["flags"].as_array().unwrap().contains(&json!("narrow_model")));
    }
    // Small enough to be read: ten axes of two pictures.
    assert!(second.to_string().len() < 5_000, "{} bytes", second.to_string().len());
}

/// A contact sheet to look at, and the same numbers again.
async fn the_pictures(server: &Server, session: &str) {
    let asked = json!({"session": session, "iteration": 2, "images": true, "full": true});
    let whole = server.whole("judge_pair", asked.clone()).await;
    let scores = &whole["structuredContent"];
    // Of two seeds the scores are those of both together.
    let seeds = scores["seeds"].as_object().unwrap();
    assert!(seeds.len() == 2 && seeds.contains_key("7"), "{scores}");
    let mean = seeds.values().map(|score| score.as_f64().unwrap()).sum::<f64>() / 2.0;
    assert!(
        (scores["overall_score"].as_f64().unwrap() - mean).abs() < 0.02,
        "{scores}"
    );
    assert_eq!(scores["axes"].as_array().unwrap().len(), 10);
    assert!(scores.get("rest").is_none());
    assert_eq!(pictures(&whole).len(), 1, "one sheet");
    is_a_png(&scores["pictures"][0]);
    let again = server.tool("judge_pair", asked).await;
    assert_eq!(again["axes"], scores["axes"], "equal inputs, equal numbers");
}

/// Which of two iterations is closer, asked of the judge itself; either way round, and recorded.
async fn the_direct_comparison(bench: &Bench, server: &Server, session: &str) {
    let ask = async |iteration: u32, against: Value| {
        let asked = json!({"session": session, "iteration": iteration, "against": against});
        server.tool("judge_pair", asked).await
    };
    let second = ask(2, json!(1)).await;
    let better = second["closer"]["overall"].as_f64().unwrap();
    assert!(
        better > 0.5,
        "the second iteration says what the reference shows: {second}"
    );
    assert!(
        second["summary"]
            .as_str()
            .unwrap()
            .contains("this is closer than iteration 1"),
        "{second}"
    );
    let first = ask(1, json!("2")).await;
    // The judge reads the very same pictures in the same two places.
    let worse = first["closer"]["overall"].as_f64().unwrap();
    assert!((better + worse).abs() < 1e-6, "{better} {worse}");
    assert!(
        first["summary"].as_str().unwrap().contains("iteration 2 is closer"),
        "{first}"
    );
    let file = ask(2, json!(bench.file("reference.png"))).await;
    assert!(
        file["closer"]["overall"].as_f64().unwrap() < 0.5,
        "nothing is closer than the reference: {file}"
    );

    let alone = server
        .refused("judge_pair", json!({"session": session, "against": 1}))
        .await;
    assert!(alone.contains("without a picture to judge"), "{alone}");
    let files =
        json!({"reference": bench.file("reference.png"), "generated": bench.file("generated.png"), "against": 3});
    assert!(
        server
            .refused("judge_pair", files)
            .await
            .contains("no session was given")
    );
}

fn judged(scores: &Value) {
    let (axes, rest) = (scores["axes"].as_array().unwrap(), scores["rest"].as_object().unwrap());
    assert_eq!((axes.len(), rest.len()), (6, 4), "{scores}");
    for name in ["id", "ref", "gen", "verdict"] {
        assert!(axes.iter().all(|axis| axis[name].is_string()), "{name}: {scores}");
    }
    for axis in axes.iter().filter(|axis| axis["score"].is_number()) {
        let raw = axis["raw"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&raw), "{scores}");
    }
    let flags = scores["flags"].as_array().unwrap();
    assert!(flags.contains(&json!("narrow_model")), "{flags:?}");
    for other in ["untrained_model", "self_check_failed"] {
        assert!(!flags.contains(&json!(other)), "{flags:?}");
    }
    assert!(scores["signals"]["palette"].as_f64().unwrap() > 0.0);
}

fn overall(scores: &Value) -> f64 {
    scores["overall_score"]
        .as_f64()
        .unwrap_or_else(|| panic!("no overall score: {scores}"))
}

fn said_to_be_narrow(summary: &Value) {
    let summary = summary.as_str().unwrap();
    assert!(summary.contains("rendered scenes only"), "{summary}");
    assert!(!summary.contains("weights are random"), "{summary}");
}

/// The pictures that came with a result, each a JPEG.
fn pictures(whole: &Value) -> Vec<Vec<u8>> {
    let content = whole["content"].as_array().unwrap();
    let images = content.iter().filter(|block| block["type"] == "image");
    images
        .map(|image| {
            assert_eq!(image["mimeType"], "image/jpeg");
            let bytes = STANDARD.decode(image["data"].as_str().unwrap()).unwrap();
            assert!(bytes.starts_with(&[0xff, 0xd8, 0xff]) && bytes.ends_with(&[0xff, 0xd9]));
            bytes
        })
        .collect()
}

fn is_a_png(path: &Value) {
    let bytes = fs::read(path.as_str().unwrap()).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"), "{path}");
}
