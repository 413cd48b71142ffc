//! Which files a server may read, and where a prompt goes.

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::ambiguous_workflow;

#[tokio::test]
async fn files_outside_the_allowed_folders_are_not_read() {
    for (via, allowed) in [(Via::Stdio, "files"), (Via::Http, "data")] {
        let bench = Bench::new(via, ERA).await;
        let server = bench.open().await;
        // Only the folder named with --root, or over HTTP the data folder, where files were put for this.
        for name in ["secret.png", "../secret.png"] {
            let path = bench.outside(name.trim_start_matches("../"));
            let said = server.refused("judge_pair", json!({"reference": path})).await;
            assert!(
                said.contains("not lie below an allowed folder") && said.contains(allowed),
                "{said}"
            );
        }
        let through = bench.file("../secret.png");
        server.refused("judge_pair", json!({"reference": through})).await;
        server
            .refused("inject_prompt", json!({"workflow": through, "positive": "x"}))
            .await;
    }
}

#[tokio::test]
async fn the_users_own_rubric_is_read_wherever_it_lies() {
    for via in [Via::Stdio, Via::Http] {
        let mut bench = Bench::new(via, ERA).await;
        let (mine, base) = (bench.outside("mine.toml"), bench.outside("base.toml"));
        std::fs::write(&base, "id = \"base\"\ntitle = \"Base\"\nextends = \"scenes\"\n").unwrap();
        std::fs::write(
            &mine,
            "id = \"mine\"\ntitle = \"Mine\"\nextends = \"base.toml\"\ndrop = [\"mark\"]\n",
        )
        .unwrap();
        bench.variables.push(("PROMPT_CALIBRATOR_RUBRIC", mine.clone()));
        let server = bench.open().await;
        let reference = bench.file("reference.png");
        let told = server.tool("judge_pair", json!({"reference": reference})).await;
        let summary = told["summary"].as_str().unwrap();
        assert!(
            summary.contains("of 9 axes") && told["target"].get("mark").is_none(),
            "{told}"
        );
        // An agent still names only what lies below the roots.
        let said = server
            .refused("judge_pair", json!({"reference": reference, "rubric": base}))
            .await;
        assert!(said.contains("not lie below an allowed folder"), "{said}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_out_of_the_allowed_folders_is_not_followed() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let secret = bench.outside("secret.png");
    // One that leads nowhere is refused alike: whether there is a file outside is not to be learnt.
    for (name, target) in [("link.png", secret.clone()), ("dangling.png", format!("{secret}.gone"))] {
        let link = bench.file(name);
        std::os::unix::fs::symlink(target, &link).unwrap();
        for arguments in [
            json!({"reference": link}),
            json!({"reference": bench.file("reference.png"), "generated": link}),
            json!({"reference": bench.file("reference.png"), "rubric": link}),
        ] {
            let said = server.refused("judge_pair", arguments).await;
            assert!(
                said.contains("not lie below an allowed folder") && said.contains("links are followed"),
                "{said}"
            );
            assert!(said.contains("--root"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_place_that_is_not_unique_is_asked_for_and_then_kept() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let workflow = bench.write("two_texts.json", ambiguous_workflow().to_string());
    let asked = json!({"workflow": workflow, "positive": "a blue square"});
    for tool in ["inject_prompt", "queue_generation"] {
        let question = server.tool(tool, asked.clone()).await;
        assert!(question.get("session").is_none(), "{question}");
        let candidates = question["question"]["candidates"].as_object().unwrap();
        assert_eq!(question["question"]["role"], "positive");
        assert_eq!(candidates["9.value"], "Subject: \"a red circle\"", "{question}");
        assert!(candidates.contains_key("8.value"));
        let summary = question["summary"].as_str().unwrap();
        assert!(summary.contains("Nothing was written"), "{summary}");
        assert!(!summary.contains("several"), "parts of one text: {summary}");
    }
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");

    let mut answered = asked;
    answered["place"] = json!({"positive": "9.value"});
    let made = server.tool("queue_generation", answered).await;
    assert_eq!((&made["state"], &made["iteration"]), (&json!("done"), &json!(1)));
    let stays = "Beside the positive prompt the workflow's own text stays: 8.value (\"oil paint\")";
    assert!(made["summary"].as_str().unwrap().contains(stays), "{made}");
    // The session knows the place from now on.
    let session = made["session"].clone();
    let next = server
        .tool("inject_prompt", json!({"session": session, "positive": "a green star"}))
        .await;
    assert_eq!(next["changes"][0]["place"], "9.value");
    assert_eq!(next["changes"][0]["from"], "a blue square");
    assert!(
        !next.to_string().contains("the workflow's own text"),
        "said once: {next}"
    );
}
