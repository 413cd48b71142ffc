use serde_json::{Value, json};

use super::super::inject::find;
use super::*;

fn info() -> ObjectInfo {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/object_info.json");
    ObjectInfo::from_json(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// Text to image as in transcript 08, with the steps wired to a constant.
fn graph() -> Graph {
    Graph::from_json(json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "random_sd15_fp16.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["1", 1]}, "_meta": {"title": "Prompt v1.0"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "low quality", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 9, "steps": ["8", 0], "cfg": 4.0,
              "sampler_name": "euler", "scheduler": "normal", "positive": ["2", 0], "negative": ["3", 0],
              "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "cal"}},
        "8": {"class_type": "PrimitiveInt", "inputs": {"value": 20}, "_meta": {"title": "Steps"}},
    }))
    .unwrap()
}

fn with_knob(knob: &str, value: Value) -> Result<Applied, InjectError> {
    let (graph, info) = (graph(), info());
    let knobs = Map::from_iter([(knob.to_owned(), value)]);
    apply(
        &graph,
        &find(&graph, &info),
        &info,
        &Edits {
            knobs,
            ..Edits::default()
        },
    )
}

fn changed(knob: &str, value: Value) -> (String, Value, Value) {
    let change = with_knob(knob, value).unwrap().changes.remove(0);
    (format!("{}.{}", change.node, change.input), change.from, change.to)
}

fn refusal(knob: &str, value: Value) -> (String, String) {
    let error = with_knob(knob, value).unwrap_err();
    (error.to_string(), error.hint())
}

#[test]
fn knobs_go_by_id_title_class_and_role() {
    assert_eq!(changed("5.cfg", json!(7)), ("5.cfg".into(), json!(4.0), json!(7)));
    assert_eq!(
        changed("KSampler.denoise", json!(0.5)),
        ("5.denoise".into(), json!(1.0), json!(0.5))
    );
    assert_eq!(
        changed("steps.value", json!(30)),
        ("8.value".into(), json!(20), json!(30))
    );
    assert_eq!(
        changed("Prompt v1.0.text", json!("x")),
        ("2.text".into(), json!("a castle"), json!("x"))
    );
    assert_eq!(changed("steps", json!(30)).0, "8.value", "the role follows the wire");
    assert_eq!(changed("5.cfg", json!(7)).2.to_string(), "7");
    assert_eq!(
        changed("steps", json!(30.0)).2.to_string(),
        "30",
        "whole where the input is an INT"
    );
}

#[test]
fn refusals_say_what_would_fit() {
    let (message, hint) = refusal("5.stesp", json!(3));
    assert_eq!(message, "node 5 \"KSampler\" has no input \"stesp\"");
    assert!(hint.starts_with("Its inputs, closest first: steps"), "{hint}");

    let (message, hint) = refusal("5.steps", json!(3));
    assert_eq!(
        message,
        "5.steps is wired to output 0 of node 8 \"Steps\"; writing a value there would cut the wire"
    );
    assert_eq!(hint, "Set where the value comes from: 8.value.");

    let (message, hint) = refusal("5.positive", json!("x"));
    assert!(
        message.starts_with("5.positive is wired to output 0 of node 2 \"Prompt v1.0\""),
        "{message}"
    );
    assert!(hint.contains("node 2") || hint.contains("2.text"), "{hint}");

    let (message, _) = refusal("5.sampler_name", json!("eulr"));
    assert!(message.contains("none of the 44 options; closest: euler"), "{message}");
    let (message, _) = refusal("5.cfg", json!(101));
    assert_eq!(message, "\"101\" does not fit 5.cfg: the maximum is 100");
    let (message, _) = refusal("4.width", json!("wide"));
    assert_eq!(message, "\"wide\" does not fit 4.width: it takes a whole number");

    let (message, hint) = refusal("KSamplr.cfg", json!(1));
    assert_eq!(message, "the knob \"KSamplr.cfg\" names no node of this workflow");
    assert_eq!(hint, "Closest: 5.cfg (\"KSampler\").");
    // Who names no node of the workflow is told which has the input, and by its title where several have it.
    assert_eq!(refusal("99.steps", json!(2)).1, "Closest: 5.steps (\"KSampler\").");
    let (_, hint) = refusal("Promt v1.text", json!("x"));
    assert!(hint.starts_with("Closest: 2.text (\"Prompt v1.0\"), "), "{hint}");
    assert!(refusal("KSamplr.nowhere", json!(1)).1.starts_with("Closest: KSampler"));
    let (_, hint) = refusal("denoize", json!(1));
    assert!(
        hint.starts_with("Write knobs as node.input") && hint.contains("Closest: 5.denoise (\"KSampler\")"),
        "{hint}"
    );
    // All nodes that have the closest one, by their titles.
    let (_, hint) = refusal("txet", json!("x"));
    assert!(
        hint.contains("Closest: 2.text (\"Prompt v1.0\"), 3.text (\"CLIPTextEncode\")"),
        "{hint}"
    );
}

#[test]
fn an_input_that_one_node_has_needs_no_node() {
    for (knob, value) in [
        ("denoise", json!(0.5)),
        ("scheduler", json!("karras")),
        ("batch_size", json!(2)),
    ] {
        let applied = with_knob(knob, value.clone()).unwrap();
        let node = if knob == "batch_size" { "4" } else { "5" };
        assert_eq!(
            (
                applied.changes[0].node.as_str(),
                &*applied.changes[0].input,
                &applied.changes[0].to
            ),
            (node, knob, &value)
        );
        let said = format!("it was written to {node}.{knob}.");
        assert!(
            applied.notes.iter().any(|note| note.ends_with(&said)),
            "{:?}",
            applied.notes
        );
    }
    // One that several have is asked about, and a wire of that name says where it comes from.
    let (message, hint) = refusal("text", json!("x"));
    assert_eq!(
        message,
        "the knob \"text\" fits more than one node: 2.text (\"Prompt v1.0\"), 3.text (\"CLIPTextEncode\")"
    );
    assert_eq!(hint, "Name the node by its id, as node.input.");
    let (message, _) = refusal("latent_image", json!("x"));
    assert!(message.starts_with("5.latent_image is wired"), "{message}");
    // Without the definitions too, and never by a role's name.
    assert!(with_knob("2.text", json!("x")).unwrap().notes.is_empty());
    assert!(with_knob("cfg", json!(5)).unwrap().notes.is_empty());
}

#[test]
fn a_size_that_is_a_preset_says_what_that_takes() {
    let mut graph = graph().to_json();
    graph["4"]["inputs"] = json!({"width": ["9", 0], "height": ["9", 1], "batch_size": 1});
    graph["9"] = json!({"class_type": "Size Preset", "inputs": {"preset": "square 64x64", "multiplier": 1.0}});
    let graph = Graph::from_json(graph).unwrap();
    let mut info = info();
    info.merge(ObjectInfo::from_json(&json!({"Size Preset": {
        "input": {"required": {"preset": [["square 64x64", "landscape 128x64"]], "multiplier": ["FLOAT", {"min": 0.5, "max": 4.0}]}},
        "output": ["INT", "INT"], "output_name": ["width", "height"]}})));
    let edits = Edits {
        knobs: Map::from_iter([("width".to_owned(), json!(128))]),
        ..Edits::default()
    };
    let error = apply(&graph, &find(&graph, &info), &info, &edits).unwrap_err();
    assert_eq!(
        error.hint(),
        "Set what it is made of as knobs: 9.preset takes \"square 64x64\", \"landscape 128x64\"; 9.multiplier takes 0.5 to 4. Or \
         name another place with place: {\"width\": \"NODE.INPUT\"}."
    );
}

#[test]
fn a_knob_of_many_dots_is_looked_at_but_a_few_times() {
    let (message, _) = refusal(&".".repeat(100_000), json!(1));
    assert!(message.ends_with("names no node of this workflow"));
}

#[test]
fn several_nodes_of_a_class_are_named() {
    let (graph, info) = (graph(), info());
    let knobs = Map::from_iter([("CLIPTextEncode.text".to_owned(), json!("x"))]);
    let error = apply(
        &graph,
        &find(&graph, &info),
        &info,
        &Edits {
            knobs,
            ..Edits::default()
        },
    )
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the knob \"CLIPTextEncode.text\" fits more than one node: 2.text (\"Prompt v1.0\"), 3.text (\"CLIPTextEncode\")"
    );
    assert_eq!(error.hint(), "Name the node by its id, as node.input.");
}

#[test]
fn without_definitions_only_the_type_is_checked() {
    let graph = graph();
    let info = ObjectInfo::default();
    let roles = find(&graph, &info);
    let edit = |knob: &str, value: Value| {
        let knobs = Map::from_iter([(knob.to_owned(), value)]);
        apply(
            &graph,
            &roles,
            &info,
            &Edits {
                knobs,
                ..Edits::default()
            },
        )
    };
    assert!(edit("5.cfg", json!(999)).is_ok());
    assert!(matches!(
        edit("5.cfg", json!("high")),
        Err(InjectError::BadValue { .. })
    ));
    assert!(matches!(edit("5.new", json!(1)), Err(InjectError::UnknownInput { .. })));
}

fn edited(positive: Option<&str>, negative: Option<&str>, seed: Option<u64>) -> Applied {
    let (graph, info) = (graph(), info());
    let edits = Edits {
        positive: positive.map(str::to_owned),
        negative: negative.map(str::to_owned),
        seed,
        ..Edits::default()
    };
    apply(&graph, &find(&graph, &info), &info, &edits).unwrap()
}

#[test]
fn the_largest_seed_is_written_exactly() {
    let applied = edited(None, None, Some(u64::MAX));
    assert_eq!(applied.changes[0].to, json!(18_446_744_073_709_551_615_u64));
    assert!(
        applied
            .graph
            .to_json()
            .to_string()
            .contains("\"seed\":18446744073709551615")
    );
}

#[test]
fn literal_syntax_is_noted() {
    let note = |text: &str| edited(Some(text), None, None).notes.join(" ");
    assert!(note("a {red|blue} fox").contains("`{a|b}`"));
    assert!(note("a fox // todo").contains("comments"));
    assert_eq!(note("a fox, {json: 1}, see https://example.org, and/or (x:1.2)"), "");
}

#[test]
fn a_negative_prompt_without_guidance_is_noted() {
    let (mut graph, info) = (graph(), info());
    graph.set_input("5", "cfg", json!(1));
    let edits = Edits {
        negative: Some("blurry".to_owned()),
        ..Edits::default()
    };
    let applied = apply(&graph, &find(&graph, &info), &info, &edits).unwrap();
    assert!(applied.notes[0].contains("cfg is 1"));
    assert!(edited(None, Some("blurry"), None).notes.is_empty());
}

#[test]
fn a_zeroed_negative_is_refused_with_a_reason() {
    let (mut graph, info) = (graph(), info());
    graph.set_input("5", "negative", json!(["9", 0]));
    let mut json = graph.to_json();
    json["9"] = json!({"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["2", 0]}});
    let graph = Graph::from_json(json).unwrap();
    let edits = Edits {
        negative: Some("blurry".to_owned()),
        ..Edits::default()
    };
    let error = apply(&graph, &find(&graph, &info), &info, &edits).unwrap_err();
    assert_eq!(error, InjectError::Zeroed);
    assert!(error.hint().contains("positive prompt"));
}

#[test]
fn two_values_for_one_place_are_refused() {
    let (graph, info) = (graph(), info());
    let roles = find(&graph, &info);
    let knobs = Map::from_iter([("2.text".to_owned(), json!("one"))]);
    let edits = Edits {
        positive: Some("two".to_owned()),
        knobs,
        ..Edits::default()
    };
    assert_eq!(
        apply(&graph, &roles, &info, &edits),
        Err(InjectError::Twice {
            place: "2.text".to_owned()
        })
    );
}

#[test]
fn a_seed_beyond_its_input_is_refused() {
    let (mut graph, info) = (graph(), info());
    graph.set_input("5", "seed", json!(["8", 0]));
    let roles = find(&graph, &info);
    let most = 9_223_372_036_854_775_807;
    assert_eq!(roles.seed_limit(), most, "the constant takes less than the sampler");
    assert!(with_seed(&graph, &roles, most).is_ok());
    let error = with_seed(&graph, &roles, most + 1).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("8.value: the maximum is 9223372036854775807"),
        "{error}"
    );
}

#[test]
fn a_size_that_the_server_rounds_is_told() {
    let notes = |size: u64| with_knob("4.width", json!(size)).unwrap().notes;
    assert_eq!(
        notes(100),
        ["4.width is 100, which is no multiple of 8: ComfyUI rounds it down to 96."]
    );
    assert!(notes(128).is_empty());

    // Also of a constant that is wired to it, and of no other.
    let mut json = graph().to_json();
    json["4"]["inputs"]["width"] = json!(["9", 0]);
    json["9"] = json!({"class_type": "PrimitiveInt", "inputs": {"value": 512}});
    let (graph, info) = (Graph::from_json(json).unwrap(), info());
    let knobs = Map::from_iter([("width".to_owned(), json!(100)), ("steps".to_owned(), json!(25))]);
    let edits = Edits {
        knobs,
        ..Edits::default()
    };
    let applied = apply(&graph, &find(&graph, &info), &info, &edits).unwrap();
    assert_eq!(
        applied.notes,
        ["9.value is 100, which is no multiple of 8: ComfyUI rounds it down to 96."]
    );
}
