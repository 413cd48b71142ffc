//! The first minute of somebody who has no model yet, and gives the bundled judge a picture of their own.

use std::fs;

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::reading::command_line;
use crate::mcp_binary::warm;

/// A picture that is no rendered scene: a screenshot. The bundled judge sees none of its axes in it.
fn own_picture(bench: &Bench) -> String {
    bench.write("own.png", fs::read(warm::picture("calibration.png")).unwrap())
}

fn says_stop(shown: &Value) {
    let told = shown["summary"].as_str().unwrap();
    assert!(
        told.contains("Stop: this judge sees none of the 10 axes in this reference"),
        "{told}"
    );
    assert!(told.contains("prompt-calibrator models pull 8b"), "{told}");
    for untrue in ["earlier judges", "Nothing is scored yet", "not judged", "Go on"] {
        assert!(!told.contains(untrue), "{told}");
    }
}

#[tokio::test]
async fn a_judge_that_sees_nothing_in_the_reference_says_so_and_what_to_do() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let own = own_picture(&bench);
    // Before anything is rendered.
    says_stop(&server.tool("judge_pair", json!({"reference": own})).await);
    let files = json!({"reference": own, "generated": bench.file("generated.png")});
    says_stop(&server.tool("judge_pair", files).await);

    let opened = json!({"workflow": bench.file("workflow.json"), "reference": own, "positive": "a red circle"});
    let session = server.tool("inject_prompt", opened).await["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let asked = json!({"session": session, "judge": true});
    let made = server.tool("queue_generation", asked).await;
    says_stop(&made);
    assert!(
        made.get("overall_score").is_none() && made.get("decision").is_none(),
        "{made}"
    );
    assert!(
        made["flags"].as_array().unwrap().contains(&json!("nothing_counts")),
        "{made}"
    );

    // However often it is asked.
    for _ in 0..2 {
        let trend = server.tool("get_history", json!({"session": session})).await;
        says_stop(&trend);
        assert_eq!(trend["iterations"][0].get("state"), None, "{trend}");
        let advice = server
            .tool("get_history", json!({"session": session, "advice": true}))
            .await;
        says_stop(&advice);
        assert_eq!(
            (&advice["advice"]["step"], &advice["advice"]["why"]),
            (&json!("stop"), &json!("blind"))
        );
    }
    let to = bench.file("page.html");
    let (made, _, told) = command_line(&bench.data(), &["report", &session, "--to", &to]);
    assert!(made, "{told}");
    let page = fs::read_to_string(to).unwrap();
    assert!(
        page.contains("his judge sees none of the 10 axes"),
        "the report says it"
    );
    assert!(
        page.contains("\"verdict\":\"not_visible\""),
        "and shows what was judged"
    );
    assert!(!page.contains("\"judge\":null"), "and by whom");
}

/// Numbers that rest on next to nothing carry a flag and a warning.
#[tokio::test]
async fn a_tiny_reference_is_flagged() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut tiny = image::RgbImage::new(4, 4);
    for (x, y, pixel) in tiny.enumerate_pixels_mut() {
        *pixel = image::Rgb([(60 * x) as u8, (60 * y) as u8, 90]);
    }
    let path = bench.write("tiny.png", "");
    tiny.save(&path).unwrap();
    let pair = json!({"reference": path, "generated": bench.file("generated.png")});
    let judged = server.tool("judge_pair", pair).await;
    let flags = judged["flags"].to_string();
    assert!(
        flags.contains("tiny_reference") && !flags.contains("tiny_generated"),
        "{judged}"
    );
    assert!(
        judged["summary"].as_str().unwrap().contains("fewer than 64 pixels"),
        "{judged}"
    );
    let alone = server.tool("judge_pair", json!({"reference": path})).await;
    assert!(
        alone["summary"].as_str().unwrap().contains("fewer than 64 pixels"),
        "{alone}"
    );
}
