//! Keys in node inputs reach ComfyUI and nobody else.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::reading::command_line;
use crate::mcp_binary::studio::workflow;

/// One that its shape tells, and one that only its name does.
const KEY: &str = "sk-SECRETabc123DEF456";
const PASSWORD: &str = "open sesame, please";
const MASK: &str = "[masked]";

/// A workflow with secrets, and with inputs whose names only begin like one.
fn with_secrets() -> Value {
    let mut graph = workflow(1);
    graph["5"]["inputs"]["api_key"] = json!(KEY);
    graph["5"]["inputs"]["password"] = json!(PASSWORD);
    graph["5"]["inputs"]["key_color"] = json!("chroma green");
    graph
}

/// A picture with a workflow in it, as ComfyUI saves one.
fn with_metadata(picture: &[u8], text: &str) -> Vec<u8> {
    // After the signature and the head, which is 25 bytes long.
    let (before, after) = picture.split_at(8 + 25);
    let data = [b"prompt\0".as_slice(), text.as_bytes()].concat();
    let mut sum = flate2::Crc::new();
    sum.update(&[b"tEXt".as_slice(), &data].concat());
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [before, &length, b"tEXt", &data, &sum.sum().to_be_bytes(), after].concat()
}

fn holds_none(what: &str, told: &str) {
    for secret in [KEY, PASSWORD, "open sesame"] {
        assert!(!told.contains(secret), "{what} tells {secret}: {told}");
    }
}

/// All files below a folder that hold one of the secrets.
fn telling(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(telling(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            let holds = |secret: &str| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            if holds(KEY) || holds(PASSWORD) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

async fn opened(bench: &Bench, server: &Server) -> String {
    let reference = fs::read(bench.file("reference.png")).unwrap();
    let metadata = with_metadata(&reference, &with_secrets().to_string());
    let asked = json!({
        "workflow": bench.write("secrets.json", with_secrets().to_string()),
        "reference": bench.write("saved.png", metadata), "positive": "the key to a red circle", "seeds": [1],
    });
    let made = server.whole("queue_generation", asked).await;
    holds_none("queue_generation", &made.to_string());
    made["structuredContent"]["session"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn comfyui_gets_them_and_no_answer_tells_them() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = opened(&bench, &server).await;
    let graph = bench.studio.graphs().await.remove(0);
    assert_eq!(graph["5"]["inputs"]["api_key"], KEY, "what is rendered is whole");
    assert_eq!(graph["5"]["inputs"]["password"], PASSWORD);

    // Written as knobs, echoed with the place, the prompt as it is.
    let next =
        json!({"session": session, "positive": "a key and a token", "knobs": {"5.password": format!("{PASSWORD}!")}});
    let draft = server.whole("inject_prompt", next).await;
    holds_none("inject_prompt", &draft.to_string());
    let changes = draft["structuredContent"]["changes"].as_array().unwrap();
    let change = |place: &str| changes.iter().find(|change| change["place"] == place).unwrap();
    assert_eq!(
        (&change("5.password")["from"], &change("5.password")["to"]),
        (&json!(MASK), &json!(MASK))
    );
    assert_eq!(change("2.text")["to"], "a key and a token");
    let wrong = json!({"session": session, "knobs": {"5.steps": format!("{KEY} steps")}});
    holds_none("an error", &server.refused("inject_prompt", wrong).await);
    // What stands for a secret is not written for one.
    let mask = json!({"session": session, "knobs": {"5.password": MASK}});
    let said = server.refused("inject_prompt", mask).await;
    assert!(said.contains("password holds [masked]"), "{said}");

    for view in [
        json!({"session": session}),
        json!({"session": session, "iteration": 2}),
        json!({"session": session, "advice": true}),
    ] {
        holds_none("get_history", &server.whole("get_history", view).await.to_string());
    }
    for place in ["", "/iterations/1", "/iterations/2", "/iterations/1/workflow"] {
        let uri = format!("calibrator://sessions/{session}{place}");
        let read = server.result("resources/read", json!({"uri": uri})).await;
        holds_none(&uri, &read.to_string());
        if place.ends_with("workflow") {
            let graph: Value = serde_json::from_str(read["contents"][0]["text"].as_str().unwrap()).unwrap();
            let inputs = &graph["5"]["inputs"];
            assert_eq!((&inputs["api_key"], &inputs["password"]), (&json!(MASK), &json!(MASK)));
            assert_eq!(inputs["key_color"], "chroma green");
            assert_eq!(graph["2"]["inputs"]["text"], "the key to a red circle");
        }
    }
}

/// Libraries print what they are given.
#[tokio::test]
async fn the_longest_log_tells_none_of_them() {
    let mut bench = Bench::new(Via::Stdio, ERA).await;
    let file = bench.file("server.log");
    bench.settings = vec!["--log", "trace", "--log-file", file.clone().leak()];
    let server = bench.open().await;
    let session = opened(&bench, &server).await;
    let next =
        json!({"session": session, "positive": "a blue square", "knobs": {"5.password": format!("{PASSWORD}!")}});
    server.whole("inject_prompt", next).await;
    let log = fs::read_to_string(&file).unwrap();
    assert!(log.contains("TRACE") && log.contains("5.password"), "{log}");
    holds_none("the log", &log);
}

#[tokio::test]
async fn what_leaves_this_machine_holds_none_of_them() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = opened(&bench, &server).await;
    let (data, page) = (bench.data(), bench.file("page.html"));
    let (ok, _, error) = command_line(&data, &["report", &session, "--to", &page]);
    assert!(ok, "{error}");
    holds_none("the report", &fs::read_to_string(page).unwrap());

    // The rows are masked, and both pictures are told to hold the workflow.
    let (kept, bare) = (bench.file("kept"), bench.file("bare"));
    let (ok, _, told) = command_line(&data, &["sessions", "export", &session, "--to", &kept]);
    assert!(
        ok && told.contains("2 of the pictures")
            && told.contains("api_key, password")
            && told.contains("--strip-metadata"),
        "{told}"
    );
    let telling_files = telling(Path::new(&kept));
    assert!(
        telling_files.len() == 2 && telling_files.iter().all(|file| file.ends_with(".png")),
        "{telling_files:?}"
    );
    let (ok, _, told) = command_line(
        &data,
        &["sessions", "export", &session, "--to", &bare, "--strip-metadata"],
    );
    assert!(ok && !told.contains("secret"), "{told}");
    assert_eq!(telling(Path::new(&bare)), Vec::<String>::new());

    // Elsewhere it is whole but for what was masked, which is asked for before anything is rendered.
    let elsewhere = Bench::new(Via::Stdio, ERA).await;
    let (ok, told, error) = command_line(&elsewhere.data(), &["sessions", "import", &bare]);
    assert!(ok, "{told}{error}");
    let there = elsewhere.open().await;
    let said = there
        .refused(
            "queue_generation",
            json!({"session": session, "positive": "a circle", "seeds": [1]}),
        )
        .await;
    assert!(
        said.contains("api_key holds [masked]") && said.contains("Set it as a knob"),
        "{said}"
    );
    assert_eq!(elsewhere.studio.submissions().await, 0);
    let again = json!({"session": session, "positive": "a circle", "seeds": [1],
        "knobs": {"5.api_key": KEY, "5.password": PASSWORD}});
    let made = there.tool("queue_generation", again).await;
    assert_eq!(made["state"], "done", "{made}");
}
