use serde_json::json;

mod large;
mod packs;
mod pictures;
mod seeds;
mod switches;
mod undescribed;
mod wild;

use std::collections::BTreeMap;

use super::*;

fn info() -> ObjectInfo {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/object_info.json");
    ObjectInfo::from_json(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

/// A plain graph with some nodes changed (null takes one out).
fn graph(changes: Value) -> Graph {
    let mut graph = json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a castle", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "low quality", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
        "5": sampler(["2", "3"], "4"),
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "cal"}},
    });
    let Value::Object(changes) = changes else {
        panic!("changes are an object")
    };
    graph.as_object_mut().unwrap().extend(changes);
    graph.as_object_mut().unwrap().retain(|_, node| !node.is_null());
    Graph::from_json(graph).unwrap()
}

fn sampler([positive, negative]: [&str; 2], latent: &str) -> Value {
    json!({"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 9, "steps": 20, "cfg": 7.5,
        "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0,
        "positive": [positive, 0], "negative": [negative, 0], "latent_image": [latent, 0]}})
}

/// Found places as keys; candidates with a question mark before them.
fn keys(finding: &Finding) -> String {
    let keys: Vec<String> = finding.places().iter().map(Place::key).collect();
    match finding {
        Finding::Found { .. } => keys.join(" "),
        Finding::Candidates { .. } => format!("? {}", keys.join(" ")),
        Finding::Zeroed => "zeroed".to_owned(),
        Finding::Absent => "absent".to_owned(),
    }
}

/// Positive, negative and seed with definitions; without them they must be the same.
fn roles_of(changes: Value) -> [String; 3] {
    let graph = graph(changes);
    let of = |info: &ObjectInfo| {
        let roles = find(&graph, info);
        [Role::Positive, Role::Negative, Role::Seed].map(|role| keys(roles.get(role)))
    };
    assert_eq!(of(&info()), of(&ObjectInfo::default()), "the same without definitions");
    of(&info())
}

#[test]
fn every_role_of_a_plain_graph() {
    let graph = graph(json!({}));
    let roles = find(&graph, &info());
    let all: Vec<String> = roles.iter().map(|(_, finding)| keys(finding)).collect();
    assert_eq!(
        all,
        [
            "2.text",
            "3.text",
            "5.seed",
            "4.width",
            "4.height",
            "5.steps",
            "5.cfg",
            "5.sampler_name",
            "1.ckpt_name"
        ]
    );
    assert_eq!(find(&graph, &ObjectInfo::default()).findings, roles.findings);
}

#[test]
fn the_receptor_comes_first() {
    let receptor =
        json!({"class_type": "CalibratorPromptReceptor", "inputs": {"positive": "x", "negative": "y", "seed": 3}});
    let wired = json!({
        "10": receptor,
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["1", 1]}},
        "11": {"class_type": "StringConcatenate", "inputs": {"string_a": "masterpiece", "string_b": ["10", 0], "delimiter": ", "}},
    });
    assert_eq!(
        roles_of(wired.clone()),
        ["10.positive", "3.text", "5.seed"],
        "roles it is not wired for are traced"
    );
    let roles = find(&graph(wired), &info());
    assert!(matches!(
        roles.get(Role::Positive),
        Finding::Found {
            found_by: FoundBy::Receptor,
            ..
        }
    ));
    assert!(matches!(
        roles.get(Role::Negative),
        Finding::Found {
            found_by: FoundBy::Traced,
            ..
        }
    ));

    let mut all = sampler(["2", "3"], "4");
    all["inputs"]["seed"] = json!(["10", 2]);
    let all = json!({
        "10": receptor, "5": all,
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["10", 0], "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": ["10", 1], "clip": ["1", 1]}},
    });
    assert_eq!(roles_of(all), ["10.positive", "10.negative", "10.seed"]);
    assert_eq!(
        roles_of(json!({"10": receptor}))[0],
        "2.text",
        "one that is not wired does not count"
    );
}

#[test]
fn texts_of_one_encoder() {
    let sdxl = |g: &str, l: &str| {
        let inputs = json!({"text_g": g, "text_l": l, "clip": ["1", 1], "width": 1024, "height": 1024, "crop_w": 0,
            "crop_h": 0, "target_width": 1024, "target_height": 1024});
        roles_of(json!({"2": {"class_type": "CLIPTextEncodeSDXL", "inputs": inputs}}))[0].clone()
    };
    assert_eq!(
        sdxl("a castle", "a castle"),
        "2.text_g 2.text_l",
        "the same text is written to both"
    );
    assert_eq!(sdxl("a castle", "stone"), "? 2.text_g 2.text_l");
    assert_eq!(sdxl("a castle", " "), "2.text_g", "a slot left blank stays blank");
    assert_eq!(sdxl("", ""), "2.text_g 2.text_l");

    let sd3 = json!({"clip_l": "a", "clip_g": "a", "t5xxl": "a", "empty_padding": "none", "clip": ["1", 1]});
    assert_eq!(
        roles_of(json!({"2": {"class_type": "CLIPTextEncodeSD3", "inputs": sd3}}))[0],
        "2.clip_l 2.clip_g 2.t5xxl"
    );
    let lumina = json!({"system_prompt": "superior", "user_prompt": "a fox", "clip": ["1", 1]});
    assert_eq!(
        roles_of(json!({"2": {"class_type": "CLIPTextEncodeLumina2", "inputs": lumina}}))[0],
        "2.user_prompt"
    );
}

#[test]
fn several_samplers() {
    let encoder = |text: &str| json!({"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}});
    let two = |positive: &str, seed: u64| {
        let mut refiner = sampler(["8", "3"], "5");
        refiner["inputs"]["seed"] = json!(seed);
        let decode = json!({"class_type": "VAEDecode", "inputs": {"samples": ["9", 0], "vae": ["1", 2]}});
        roles_of(json!({"8": encoder(positive), "9": refiner, "6": decode}))
    };
    assert_eq!(
        two("a castle", 9),
        ["2.text 8.text", "3.text", "5.seed 9.seed"],
        "the same values are written together"
    );
    assert_eq!(
        two("a castle, sharp", 8),
        ["? 2.text 8.text", "3.text", "? 5.seed 9.seed"]
    );
}

#[test]
fn a_sampler_without_an_output_does_not_count() {
    let other = json!({
        "8": {"class_type": "CLIPTextEncode", "inputs": {"text": "unused", "clip": ["1", 1]}},
        "9": sampler(["8", "3"], "4"),
    });
    let roles = find(&graph(other), &info());
    assert_eq!(keys(roles.get(Role::Positive)), "2.text");
}

#[test]
fn noise_that_is_not_added_has_no_seed() {
    let stage = |add: &str, seed: u64, latent: &str| {
        let mut node = sampler(["2", "3"], latent);
        let inputs = node["inputs"].as_object_mut().unwrap();
        inputs.remove("seed");
        inputs.extend([
            ("add_noise".to_owned(), json!(add)),
            ("noise_seed".to_owned(), json!(seed)),
        ]);
        node["class_type"] = json!("KSamplerAdvanced");
        node
    };
    let decode = json!({"class_type": "VAEDecode", "inputs": {"samples": ["9", 0], "vae": ["1", 2]}});
    let two = json!({"5": stage("enable", 5, "4"), "9": stage("disable", 0, "5"), "6": decode});
    assert_eq!(roles_of(two)[2], "5.noise_seed");
}

#[test]
fn two_sided_nodes_keep_the_sides_by_their_slots() {
    let control = json!({"positive": ["2", 0], "negative": ["3", 0], "control_net": ["1", 0], "image": ["1", 0], "strength": 1.0,
        "start_percent": 0.0, "end_percent": 1.0});
    let mut straight = sampler(["8", "8"], "4");
    straight["inputs"]["negative"] = json!(["8", 1]);
    let mut crossed = straight.clone();
    crossed["inputs"]["positive"] = json!(["8", 1]);
    crossed["inputs"]["negative"] = json!(["8", 0]);
    let node = json!({"class_type": "ControlNetApplyAdvanced", "inputs": control});
    assert_eq!(roles_of(json!({"8": node, "5": straight}))[..2], ["2.text", "3.text"]);
    let roles = find(&graph(json!({"8": node, "5": crossed})), &info());
    assert_eq!(
        keys(roles.get(Role::Positive)),
        "3.text",
        "the slot decides, not the input's name"
    );
}

#[test]
fn switches_are_followed_where_their_position_is_known() {
    let switch = |position: Value| {
        json!({
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
            "8": {"class_type": "ComfySwitchNode", "inputs": {"switch": position, "on_false": ["9", 0], "on_true": "typed here"}},
            "9": {"class_type": "PrimitiveStringMultiline", "inputs": {"value": "a castle"}},
            "10": {"class_type": "PrimitiveBoolean", "inputs": {"value": true}},
        })
    };
    assert_eq!(roles_of(switch(json!(false)))[0], "9.value");
    assert_eq!(roles_of(switch(json!(["10", 0])))[0], "8.on_true");
    assert_eq!(
        roles_of(switch(json!(["1", 0])))[0],
        "? 9.value 8.on_true",
        "a position nobody knows is a question"
    );
}

#[test]
fn texts_put_together_are_a_question() {
    let text = |node: Value| {
        roles_of(json!({
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
            "8": node,
            "9": {"class_type": "PrimitiveString", "inputs": {"value": "a castle"}},
        }))[0]
            .clone()
    };
    let join = |a: Value, b: Value| json!({"class_type": "StringConcatenate", "inputs": {"string_a": a, "string_b": b, "delimiter": ", "}});
    assert_eq!(text(join(json!(["9", 0]), json!("sharp"))), "? 9.value 8.string_b");
    assert_eq!(text(join(json!(["9", 0]), json!(""))), "9.value");
    assert_eq!(
        text(join(json!("x"), json!("x"))),
        "? 8.string_a 8.string_b",
        "parts are never written together"
    );
    let replace = |find: &str| json!({"class_type": "StringReplace", "inputs": {"string": ["9", 0], "find": find, "replace": "house"}});
    assert_eq!(text(replace("{x}")), "9.value");
    assert_eq!(text(replace("castle")), "? 9.value 8.replace");
    let llm = json!({"class_type": "TextGenerate", "inputs": {"prompt": ["9", 0], "clip": ["1", 1]}});
    assert_eq!(
        text(llm),
        "? 9.value",
        "a single place, but what is written there does not arrive as it is"
    );
}

#[test]
fn one_text_for_both_sides_is_the_positive() {
    assert_eq!(
        roles_of(json!({"5": sampler(["2", "2"], "4")}))[..2],
        ["2.text", "absent"]
    );
    let zero = json!({"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["2", 0]}});
    assert_eq!(roles_of(json!({"3": zero}))[..2], ["2.text", "zeroed"]);
    let behind = json!({"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["3", 0]}});
    let behind = json!({"5": sampler(["2", "8"], "4"), "8": behind});
    assert_eq!(
        roles_of(behind)[..2],
        ["2.text", "zeroed"],
        "text that is zeroed is no prompt"
    );
}

#[test]
fn a_seed_is_followed_to_its_constant() {
    let mut node = sampler(["2", "3"], "4");
    node["inputs"]["seed"] = json!(["8", 0]);
    let constant = json!({"class_type": "PrimitiveInt", "inputs": {"value": 5}});
    assert_eq!(roles_of(json!({"5": node, "8": constant}))[2], "8.value");
    let custom = json!({"class_type": "Seed (rgthree)", "inputs": {"seed": 5}});
    assert_eq!(roles_of(json!({"5": node, "8": custom}))[2], "8.seed");
    let sum = json!({"class_type": "SomeMath", "inputs": {"a": 5, "expression": "a*2"}});
    assert_eq!(roles_of(json!({"5": node, "8": sum}))[2], "? 8.a");
}

#[test]
fn the_only_text_of_a_class_nobody_described_is_taken() {
    let direct = json!({"1": {"class_type": "SomeImageService", "inputs": {"prompt": "a fox", "model": "m"}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}});
    let roles = find(&Graph::from_json(direct).unwrap(), &ObjectInfo::default());
    assert_eq!(keys(roles.get(Role::Positive)), "1.prompt", "the only one is taken");
    let custom = json!({"class_type": "MyEncoder", "inputs": {"prompt": "a castle", "clip": ["1", 1]}});
    assert_eq!(roles_of(json!({"2": custom}))[0], "2.prompt");
}

#[test]
fn a_prompt_styler_keeps_the_sides_apart() {
    let styler = json!({"Styler": {
        "input": {"required": {"text_positive": ["STRING", {}], "text_negative": ["STRING", {}]}},
        "output": ["STRING", "STRING"], "output_name": ["positive_text", "negative_text"], "output_node": false,
    }});
    let mut info = info();
    info.merge(ObjectInfo::from_json(&styler));
    let encoder = |slot: u8| json!({"class_type": "CLIPTextEncode", "inputs": {"text": ["8", slot], "clip": ["1", 1]}});
    let inputs = json!({"text_positive": "a castle", "text_negative": "blurry"});
    let graph = graph(json!({"2": encoder(0), "3": encoder(1), "8": {"class_type": "Styler", "inputs": inputs}}));
    let roles = find(&graph, &info);
    assert_eq!(keys(roles.get(Role::Positive)), "8.text_positive");
    assert_eq!(keys(roles.get(Role::Negative)), "8.text_negative");
}

#[test]
fn cycles_end() {
    let text =
        json!({"class_type": "StringConcatenate", "inputs": {"string_a": ["8", 0], "string_b": "x", "delimiter": ""}});
    let around = json!({
        "2": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["9", 0]}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
        "8": text,
        "4": {"class_type": "LatentUpscale", "inputs": {"samples": ["4", 0], "width": ["10", 0], "height": 5}},
        "10": {"class_type": "ComfySwitchNode", "inputs": {"switch": ["10", 0], "on_false": ["10", 0], "on_true": ["10", 0]}},
    });
    assert_eq!(roles_of(around)[0], "8.string_b");
}

#[test]
fn choices_name_candidates_or_any_literal() {
    let graph = graph(json!({"5": sampler(["8", "3"], "4"),
        "8": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["9", 0]}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "stone", "clip": ["1", 1]}, "_meta": {"title": "Style"}}}));
    let mut roles = find(&graph, &info());
    assert_eq!(keys(roles.get(Role::Positive)), "? 2.text 9.text");
    let error = roles.choose(&graph, Role::Positive, &["2.txt"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot choose \"2.txt\" for the positive value: no literal input of that name"
    );
    assert_eq!(error.hint(), "Choose one as node.input: 2.text, 9.text.");
    assert!(matches!(
        roles.choose(&graph, Role::Positive, &["5.seed"]),
        Err(ChoiceError::WrongType { .. })
    ));
    assert!(matches!(
        roles.choose(&graph, Role::Positive, &["5.model"]),
        Err(ChoiceError::Unknown { .. })
    ));
    for (picks, places) in [
        (vec!["9.text"], "9.text"),
        (vec!["Style"], "9.text"),
        (vec!["2", "9.text"], "2.text 9.text"),
        (vec!["7.filename_prefix"], "7.filename_prefix"),
    ] {
        roles.choose(&graph, Role::Positive, &picks).unwrap();
        assert_eq!(keys(roles.get(Role::Positive)), places);
    }
}

#[test]
fn the_report_has_its_shape() {
    let graph = graph(
        json!({"3": {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["2", 0]}},
        "2": {"class_type": "CLIPTextEncodeFlux", "inputs": {"clip_l": "a", "t5xxl": "a", "guidance": 3.5, "clip": ["1", 1]}}}),
    );
    let report = report(&graph, &find(&graph, &info()));
    let positive = &report["roles"]["positive"];
    assert_eq!(positive["node"], "2");
    assert_eq!(positive["input"], "clip_l");
    assert_eq!(positive["found_by"], "traced");
    assert_eq!(positive["also"][0]["input"], "t5xxl");
    assert_eq!(report["roles"]["negative"], Value::Null);
    assert!(report["notes"][0].as_str().unwrap().contains("ConditioningZeroOut"));
    assert_eq!(report["roles"]["seed"]["value"], 9);
}

#[test]
fn the_proof_looks_at_what_the_server_ran() {
    let submitted = graph(json!({}));
    let roles = find(&submitted, &info());
    let mut read_back = submitted.to_json();
    read_back["5"]["inputs"]["denoise"] = json!(1);
    read_back["4"]["inputs"]["width"] = json!("512");
    let proof = prove(
        &submitted,
        &json!([7, "id", read_back, {}, ["7"]]),
        "a castle",
        &roles,
        &info(),
        roles.outputs(),
    )
    .unwrap();
    assert_eq!(
        (proof.places[0].key().as_str(), proof.samplers[0].as_str()),
        ("2.text", "5")
    );

    let failure = |read_back: &Value, text: &str| {
        prove(&submitted, read_back, text, &roles, &info(), roles.outputs())
            .unwrap_err()
            .to_string()
    };
    assert!(failure(&submitted.to_json(), "a fox").contains("does not stand at its place"));
    let mut other = submitted.to_json();
    other["5"]["inputs"]["steps"] = json!(21);
    assert_eq!(
        failure(&other, "a castle"),
        "ComfyUI ran another graph than the one submitted: input 5.steps is not what was submitted"
    );
    assert!(failure(&json!(null), "a castle").contains("cannot be read"));
}

#[test]
fn a_prompt_behind_a_switch_that_is_off_is_not_proven() {
    let graph = graph(json!({
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
        "8": {"class_type": "ComfySwitchNode", "inputs": {"switch": false, "on_false": ["9", 0], "on_true": ["10", 0]}},
        "9": {"class_type": "PrimitiveString", "inputs": {"value": "a castle"}},
        "10": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
    }));
    let mut roles = find(&graph, &info());
    assert!(prove(&graph, &graph.to_json(), "a castle", &roles, &info(), roles.outputs()).is_ok());
    roles.choose(&graph, Role::Positive, &["10.value"]).unwrap();
    let error = prove(&graph, &graph.to_json(), "a fox", &roles, &info(), roles.outputs()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the prompt at 10.value reaches no sampler"),
        "{error}"
    );
}

#[test]
fn a_picture_that_no_sampler_made_proves_nothing() {
    let graph = graph(json!({
        "20": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "21": {"class_type": "PreviewImage", "inputs": {"images": ["20", 0]}},
    }));
    let roles = find(&graph, &info());
    let with = |node: &str| {
        prove(
            &graph,
            &graph.to_json(),
            "a castle",
            &roles,
            &info(),
            &[NodeId::from(node)],
        )
    };
    assert!(with("7").is_ok());
    assert!(matches!(with("21"), Err(ProofError::NotReached { .. })));
}
