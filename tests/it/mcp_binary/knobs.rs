//! Pictures in knobs: the reference and files of the user's are uploaded, what is on the server is taken as it is.

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::workflow;

/// A workflow that also saves a picture it loads.
fn with_a_picture() -> Value {
    let mut graph = workflow(1);
    graph["20"] = json!({"class_type": "LoadImage", "_meta": {"title": "Style"}, "inputs": {"image": "not-there.png"}});
    graph["21"] = json!({"class_type": "SaveImage", "inputs": {"images": ["20", 0], "filename_prefix": "loaded"}});
    graph
}

fn pixels(path: &str) -> Vec<u8> {
    image::open(path).unwrap().to_rgb8().into_raw()
}

#[tokio::test]
async fn the_reference_and_files_reach_the_workflow() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    bench.write("picture.json", with_a_picture().to_string());
    let server = bench.open().await;
    let opening = json!({"workflow": bench.file("picture.json"), "reference": bench.file("reference.png"),
        "positive": "a fox", "knobs": {"20.image": "@reference"}});
    let made = server.tool("queue_generation", opening).await;
    let session = made["session"].as_str().unwrap();
    let loaded = |made: &Value| {
        let pictures = made["runs"][0]["pictures"].as_array().unwrap().clone();
        pictures
            .iter()
            .map(|path| pixels(path.as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(loaded(&made)[1], pixels(&bench.file("reference.png")), "{made}");
    assert_ne!(
        loaded(&made)[0],
        loaded(&made)[1],
        "what was sampled comes first: it is what is judged"
    );

    // By title, and a file this time.
    let other = json!({"session": session, "knobs": {"Style.image": bench.file("generated.png")}});
    let made = server.tool("queue_generation", other).await;
    assert!(loaded(&made).contains(&pixels(&bench.file("generated.png"))), "{made}");
    let n = made["iteration"].clone();
    let seen = server
        .tool("get_history", json!({"session": session, "iteration": n}))
        .await;
    assert!(
        seen.to_string().contains("-generated.png"),
        "the history knows the picture by its name: {seen}"
    );

    // The same picture again is the same file on the server, which is known by its name from then on.
    let again = json!({"session": session, "knobs": {"20.image": "@reference"}});
    let draft = server.tool("inject_prompt", again).await;
    let name = draft["changes"][0]["to"].as_str().unwrap().to_owned();
    assert!(
        name.starts_with("prompt-calibrator-") && name.ends_with("-reference.png"),
        "{draft}"
    );
    let by_name = json!({"session": session, "knobs": {"20.image": name}});
    let draft = server.tool("inject_prompt", by_name).await;
    assert_eq!(draft["changes"][0]["to"], json!(name));
}

#[tokio::test]
async fn pictures_that_cannot_be_had_are_refused_with_what_is_there() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    bench.write("picture.json", with_a_picture().to_string());
    bench.write("broken.png", b"\x89PNG\r\n\x1a\n and nothing more");
    let server = bench.open().await;
    let open = |knob: &str, value: &str| {
        let mut knobs = serde_json::Map::new();
        knobs.insert(knob.to_owned(), json!(value));
        json!({"workflow": bench.file("picture.json"), "positive": "a fox", "knobs": knobs})
    };
    let said = server.refused("inject_prompt", open("20.image", "@reference")).await;
    assert!(said.contains("no reference picture"), "{said}");
    let said = server
        .refused("inject_prompt", open("20.image", &bench.file("broken.png")))
        .await;
    assert!(said.contains("broken.png"), "{said}");
    let said = server
        .refused("inject_prompt", open("20.image", "no-such-picture.png"))
        .await;
    assert!(said.contains("no such picture is on the server"), "{said}");
    // Outside the folders that may be read: not even the server's own reading of it.
    let outside = bench.outside("private.png");
    for path in [
        outside.as_str(),
        "../private.png",
        "~/private.png",
        "file:///private.png",
    ] {
        let said = server.refused("inject_prompt", open("20.image", path)).await;
        assert!(!said.contains("not on the server"), "{path}: {said}");
    }
    let said = server.refused("inject_prompt", open("2.text", "@reference")).await;
    assert!(said.contains("only an input that takes a picture"), "{said}");
    let sessions = server.tool("get_history", json!({})).await;
    assert!(
        sessions["sessions"].as_array().is_none_or(Vec::is_empty),
        "nothing was recorded: {sessions}"
    );
}
