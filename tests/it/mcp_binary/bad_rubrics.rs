//! Rubrics that cannot be used: each is refused with its place and what to do, nothing is recorded, and the server goes on.
//!
//! What can be wrong within a rubric is tested at its parser; here is one such case, and what the server itself looks at: files,
//! parents and names.

use std::fs::File;

use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};

/// What is given for a rubric, words of the refusal, words of the advice.
type Case = (String, &'static str, &'static str);

const HEAD: &str = "id = \"mine\"\ntitle = \"Mine\"\n";

/// A rubric of one axis with this definition, which stands in line 5 from column 14 on.
fn defined(definition: &str) -> String {
    format!("{HEAD}[[axis]]\nid = \"a\"\ndefinition = \"{definition}\"\n")
}

fn extending(names: &str) -> String {
    format!("{HEAD}extends = {names}\n")
}

/// Files whose content is no rubric.
fn bad_content(bench: &Bench) -> Vec<Case> {
    let mut latin = defined("caf").into_bytes();
    latin.insert(latin.len() - 2, 0xe9);
    vec![
        (
            bench.write("weight.toml", format!("{}weight = -1\n", defined("d"))),
            "weight.toml:6:10: the weight of a is -1",
            "0.5, 1.0 or 2.0",
        ),
        (
            bench.write("latin.toml", latin),
            "latin.toml:5:18: the rubric is not UTF-8 text",
            "saved as UTF-8",
        ),
        (
            bench.file("reference.png"),
            "reference.png:1:1: the rubric is not UTF-8 text",
            "a rubric's TOML file",
        ),
    ]
}

/// Rubrics that extend what they must not.
fn bad_parents(bench: &Bench) -> Vec<Case> {
    bench.write("second.toml", extending("\"first.toml\""));
    bench.outside("secret.toml");
    vec![
        (
            bench.write("first.toml", extending("\"second.toml\"")),
            "second.toml:3:11: the rubric extends itself",
            "Break the chain",
        ),
        (
            bench.write("orphan.toml", extending("\"gone.toml\"")),
            "orphan.toml:3:11: there is no rubric \"gone.toml\": cannot reach",
            "Extend a built-in rubric (default, explicit, scenes)",
        ),
        (
            bench.write("nosy.toml", extending("\"../secret.toml\"")),
            "does not lie below an allowed folder",
            "a rubric file that may be read",
        ),
    ]
}

/// What names no rubric file at all.
fn bad_names(bench: &Bench) -> Vec<Case> {
    let huge = bench.file("huge.toml");
    // Sparse: it takes no space, and must not be read.
    File::create(&huge).unwrap().set_len((100 << 20) + 1).unwrap();
    vec![
        (huge, "the limit for a rubric is 1048576", "the rubric itself"),
        (bench.file(""), "not a regular file", "not of a folder"),
        (
            "defualt".into(),
            "there is no rubric \"defualt\"",
            "Built in are default, explicit, scenes",
        ),
        // A rubric's text instead of its file.
        (defined("e.g. words"), "there is no rubric", "the path of its TOML file"),
        (
            "data:application/toml;base64,aWQ9".into(),
            "data: URIs are not read",
            "Decode it into a file",
        ),
    ]
}

#[tokio::test]
async fn a_bad_rubric_is_refused_with_its_place_and_a_good_one_is_taken_afterwards() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let (reference, workflow) = (bench.file("reference.png"), bench.file("workflow.json"));
    let cases = bad_content(&bench)
        .into_iter()
        .chain(bad_parents(&bench))
        .chain(bad_names(&bench));
    for (given, what, advice) in cases {
        for (tool, arguments) in [
            ("judge_pair", json!({"reference": reference, "rubric": given})),
            (
                "inject_prompt",
                json!({"workflow": workflow, "positive": "x", "rubric": given}),
            ),
        ] {
            let said = server.refused(tool, arguments).await;
            let (failed, hint) = said.split_once("\nWhat to do: ").unwrap();
            assert!(failed.contains(what), "{what}: {said}");
            assert!(hint.contains(advice), "{advice}: {said}");
            assert!(said.len() < 600, "too long: {said}");
        }
    }
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");
    let good = bench.write("good.toml", defined("the colours"));
    let asked = json!({"reference": reference, "rubric": good});
    let seen = server.tool("judge_pair", asked).await;
    let target = seen["reference_values"].as_object().unwrap();
    assert_eq!(target.keys().collect::<Vec<_>>(), ["a"], "{seen}");
}
