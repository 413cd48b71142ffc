//! What is recorded can be read as resources; results name them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::mcp_binary::bench::{Bench, Server, Via};
use crate::mcp_binary::{ERA, over_every_transport};
use crate::support::mcp_client::Failure;

over_every_transport! {
    what_is_recorded_can_be_read
}

async fn read(server: &Server, uri: &str) -> Value {
    let read = server.result("resources/read", json!({"uri": uri})).await;
    let contents = read["contents"].as_array().unwrap();
    assert_eq!(contents.len(), 1, "{read}");
    assert_eq!(contents[0]["uri"], uri);
    contents[0].clone()
}

async fn read_json(server: &Server, uri: &str) -> Value {
    let content = read(server, uri).await;
    assert_eq!(content["mimeType"], "application/json");
    serde_json::from_str(content["text"].as_str().unwrap()).unwrap()
}

async fn read_bytes(server: &Server, uri: &str) -> (String, Vec<u8>) {
    let content = read(server, uri).await;
    let bytes = STANDARD.decode(content["blob"].as_str().unwrap()).unwrap();
    (content["mimeType"].as_str().unwrap().to_owned(), bytes)
}

mod bodies {
    use super::*;

    pub async fn what_is_recorded_can_be_read(bench: Bench) {
        let server = bench.open().await;
        let session = server.session(&bench).await;
        let made = server
            .whole(
                "queue_generation",
                json!({"session": session, "seeds": [1, 2], "judge": true, "images": true}),
            )
            .await;
        let path = made["structuredContent"]["runs"][0]["pictures"][0].as_str().unwrap();
        let blocks = |kind: &str| -> Vec<Value> {
            let content = made["content"].as_array().unwrap().iter();
            content.filter(|block| block["type"] == kind).cloned().collect()
        };
        let links = blocks("resource_link");
        assert_eq!((blocks("image").len(), links.len()), (2, 2), "{:?}", links);
        assert!(
            made["structuredContent"]["summary"]
                .as_str()
                .unwrap()
                .contains("previews of at most 768 px")
        );

        // The link leads to the very file, and beside it lies a small copy.
        let link = links[0]["uri"].as_str().unwrap();
        let (kind, bytes) = read_bytes(&server, link).await;
        assert_eq!((kind.as_str(), &bytes), ("image/png", &std::fs::read(path).unwrap()));
        let (kind, preview) = read_bytes(&server, &format!("{link}/preview")).await;
        assert_eq!(kind, "image/jpeg");
        let preview = image::load_from_memory(&preview).unwrap();
        assert!(preview.width() <= 768 && preview.height() <= 768);

        // What the page must know, which no agent has to read.
        let view = &made["_meta"]["prompt-calibrator/view"];
        assert_eq!(
            (&view["session"], &view["iteration"], &view["explicit"]),
            (&json!(session), &json!(1), &json!(false))
        );
        let (_, reference) = read_bytes(&server, view["reference"].as_str().unwrap()).await;
        assert_eq!(reference, std::fs::read(bench.file("reference.png")).unwrap());

        let listed = server.result("resources/list", json!({})).await;
        let listed: Vec<&str> = listed["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["uri"].as_str().unwrap())
            .collect();
        let own = format!("calibrator://sessions/{session}");
        assert!(
            listed.contains(&own.as_str()) && listed.contains(&"calibrator://rubrics/default"),
            "{listed:?}"
        );

        // The page looks a session up itself, and finds a picture for each iteration.
        let looked_up = server.whole("get_history", json!({"session": session})).await;
        let view = &looked_up["_meta"]["prompt-calibrator/view"];
        assert_eq!(
            (&view["target_score"], &view["pictures"]["1"]),
            (&json!(0.85), &json!(link)),
            "{looked_up}"
        );

        // What is read is what get_history gives.
        let told = server.tool("get_history", json!({"session": session})).await;
        assert_eq!(read_json(&server, &own).await, told);
        let told = server
            .tool("get_history", json!({"session": session, "iteration": 1}))
            .await;
        assert_eq!(read_json(&server, &format!("{own}/iterations/1")).await, told);
        let told = server.tool("get_history", json!({})).await;
        assert_eq!(read_json(&server, "calibrator://sessions").await, told);
        let graph = read_json(&server, &format!("{own}/iterations/1/workflow")).await;
        assert_eq!(graph["2"]["inputs"]["text"], "a red circle", "{graph}");
        let report = read(&server, &format!("{own}/report")).await;
        assert_eq!(report["mimeType"], "text/html");
        let html = STANDARD.decode(report["blob"].as_str().unwrap()).unwrap();
        assert!(String::from_utf8(html).unwrap().contains(&session));
        let rubric = read(&server, "calibrator://rubrics/explicit").await;
        assert!(rubric["text"].as_str().unwrap().contains("[[axis]]"));

        for gone in [
            "calibrator://sessions/zzzzzzzz",
            &format!("{own}/iterations/9"),
            &format!("calibrator://pictures/{}", "0".repeat(64)),
            "calibrator://rubrics/none",
            "file:///etc/passwd",
        ] {
            let failure = server
                .request("resources/read", json!({"uri": gone}))
                .await
                .unwrap_err();
            let Failure::Rpc { code, data, message } = failure else {
                panic!("{gone}: {failure:?}");
            };
            let expected = if bench.era == crate::support::mcp_client::Era::Modern {
                -32602
            } else {
                -32002
            };
            assert_eq!((code, &data["uri"]), (expected, &json!(gone)), "{message}");
            assert!(message.contains("resources/templates/list"), "{message}");
        }
    }
}

/// The bundled judge cannot be the guard, so that it refuses explicit work: the picture is recorded and goes nowhere.
#[tokio::test]
async fn a_picture_that_was_refused_is_sent_by_no_way() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let opening = json!({
        "workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a red circle",
        "rubric": "explicit",
    });
    let opened = server.tool("inject_prompt", opening).await;
    let session = opened["session"].clone();
    // Before anybody judged it, it is shown.
    let shown = json!({"session": session, "iteration": 1, "images": true});
    let images = |made: &Value| {
        let content = made["content"].as_array().unwrap().iter();
        content.filter(|block| block["type"] == "image").count()
    };
    let made = server.whole("queue_generation", shown.clone()).await;
    assert_eq!(images(&made), 1);
    server
        .refused("judge_pair", json!({"session": session, "iteration": 1}))
        .await;

    let made = server.whole("queue_generation", shown).await;
    assert_eq!(images(&made), 0);
    let summary = made["structuredContent"]["summary"].as_str().unwrap();
    assert!(
        summary.contains("is not shown") && summary.contains("withheld"),
        "{summary}"
    );
    let mut links = made["content"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|block| block["type"] == "resource_link");
    let link = links.next_back().unwrap()["uri"].as_str().unwrap();
    for uri in [link.to_owned(), format!("{link}/preview")] {
        let failure = server.request("resources/read", json!({"uri": uri})).await.unwrap_err();
        assert!(matches!(failure, Failure::Rpc { code: -32602, message, .. } if message.contains("withheld")));
    }
    // The same two files, judged by a rubric that needs no guard: scores, and no sheet.
    let picture = made["structuredContent"]["runs"][0]["pictures"][0].as_str().unwrap();
    let copy = bench.write("copy.png", std::fs::read(picture).unwrap());
    let pair = json!({"reference": bench.file("reference.png"), "generated": copy, "images": true});
    let judged = server.whole("judge_pair", pair).await;
    assert_eq!(images(&judged), 0);
    assert!(
        judged["structuredContent"]["summary"]
            .as_str()
            .unwrap()
            .contains("no contact sheet")
    );
}

#[tokio::test]
async fn templates_prompts_and_completions_lead_to_what_there_is() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let session = server.session(&bench).await;
    let templates = server.result("resources/templates/list", json!({})).await;
    let templates = templates["resourceTemplates"].as_array().unwrap().clone();
    let complete = async |uri: &str, name: &str, value: &str, context: Value| {
        let mut asked =
            json!({"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}});
        if !context.is_null() {
            asked["context"] = json!({"arguments": context});
        }
        server.result("completion/complete", asked).await["completion"]["values"].clone()
    };
    let sessions = "calibrator://sessions/{session}/iterations/{iteration}";
    assert!(templates.iter().any(|template| template["uriTemplate"] == sessions));
    let begun = &session[..3];
    assert_eq!(
        complete(sessions, "session", begun, Value::Null).await,
        json!([session])
    );
    assert_eq!(complete(sessions, "session", "zzzzzzz", Value::Null).await, json!([]));
    assert_eq!(
        complete(sessions, "iteration", "", json!({"session": session})).await,
        json!(["1"])
    );
    assert_eq!(complete(sessions, "iteration", "", Value::Null).await, json!([]));
    let rubrics = "calibrator://rubrics/{rubric}";
    assert_eq!(complete(rubrics, "rubric", "e", Value::Null).await, json!(["explicit"]));
    assert_eq!(
        complete("other://{session}", "session", "", Value::Null).await,
        json!([])
    );

    let asked =
        json!({"ref": {"type": "ref/prompt", "name": "calibrate"}, "argument": {"name": "workflow", "value": ""}});
    let workflows = server.result("completion/complete", asked).await;
    assert_eq!(
        workflows["completion"]["values"],
        json!(["last", bench.file("workflow.json")])
    );
    let prompts = server.result("prompts/list", json!({})).await;
    assert_eq!(prompts["prompts"][0]["name"], "calibrate");
    let asked = json!({"name": "calibrate", "arguments": {"reference": "/r.png"}});
    let prompt = server.result("prompts/get", asked).await;
    assert!(
        prompt["messages"][0]["content"]["text"]
            .as_str()
            .unwrap()
            .contains("\"/r.png\"")
    );
    let missing = server
        .request("prompts/get", json!({"name": "calibrate"}))
        .await
        .unwrap_err();
    assert!(matches!(missing, Failure::Rpc { code: -32602, message, .. } if message.contains("reference")));
}

#[tokio::test]
async fn the_list_of_sessions_goes_on_where_it_ended() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut made = Vec::new();
    for _ in 0..52 {
        made.push(format!("calibrator://sessions/{}", server.session(&bench).await));
    }
    let mut found = Vec::new();
    let mut asked = json!({});
    loop {
        let page = server.result("resources/list", asked.clone()).await;
        let uris = page["resources"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["uri"].as_str().unwrap().to_owned());
        found.extend(uris.filter(|uri| uri.starts_with("calibrator://sessions/")));
        match &page["nextCursor"] {
            Value::Null => break,
            cursor => asked = json!({"cursor": cursor}),
        }
    }
    made.reverse();
    assert_eq!(found, made, "each once, the newest first");
    let wrong = server
        .request("resources/list", json!({"cursor": "x"}))
        .await
        .unwrap_err();
    assert!(matches!(wrong, Failure::Rpc { code: -32602, .. }));
}

#[tokio::test]
async fn a_client_hears_the_log_from_the_level_that_it_asks_for() {
    let mut bench = Bench::new(Via::Stdio, ERA).await;
    bench.settings = vec!["--log", "debug"];
    let server = bench.open().await;
    server.result("logging/setLevel", json!({"level": "debug"})).await;
    server
        .refused("judge_pair", json!({"reference": bench.outside("secret.png")}))
        .await;
    // Resources that cannot be read are logged with a warning.
    let session = server.session(&bench).await;
    let view = server
        .result(
            "resources/read",
            json!({"uri": format!("calibrator://sessions/{session}")}),
        )
        .await;
    assert!(view["contents"].is_array());
    let images = bench.data().join("images");
    let damaged = std::fs::read_dir(&images)
        .unwrap()
        .flatten()
        .flat_map(|shelf| std::fs::read_dir(shelf.path()).unwrap());
    let damaged = damaged.flatten().next().unwrap().path();
    std::fs::write(&damaged, b"\x89PNG\r\n\x1a\n, and nothing else").unwrap();
    let hash = damaged.file_stem().unwrap().to_str().unwrap();
    let uri = format!("calibrator://pictures/{hash}");
    let failure = server.request("resources/read", json!({"uri": uri})).await.unwrap_err();
    assert!(matches!(failure, Failure::Rpc { code: -32603, message, .. } if message.contains("other content")));
    let warns =
        |message: &Value| message["method"] == "notifications/message" && message["params"]["level"] == "warning";
    let heard = server.message("a line of the log", warns).await;
    assert!(
        heard["params"]["data"].as_str().unwrap().contains("could not be read"),
        "{heard}"
    );
    // From here on warnings are not wanted; a line that is wanted comes after them.
    let before = server.count(warns);
    server.result("logging/setLevel", json!({"level": "error"})).await;
    server.request("resources/read", json!({"uri": uri})).await.unwrap_err();
    server.result("tools/list", json!({})).await;
    assert_eq!(server.count(warns), before);
}
