//! Graphs as people publish them, with nodes of packs: alike whether the server describes those nodes or not.

use super::*;

/// The definition of a class: inputs and outputs by name and type. An input that begins with `*` is words.
pub(super) fn class(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> Value {
    let inputs: serde_json::Map<String, Value> = inputs
        .iter()
        .map(|(name, kind)| {
            let kind = match *kind {
                "WORDS" => json!(["STRING", {"multiline": true}]),
                "CHOICE" => json!([["a", "b"]]),
                kind => json!([kind]),
            };
            ((*name).to_owned(), kind)
        })
        .collect();
    let (names, kinds): (Vec<&str>, Vec<&str>) = outputs.iter().copied().unzip();
    json!({"input": {"required": inputs}, "output": kinds, "output_name": names, "output_node": false})
}

/// What is found with all classes described, with ComfyUI's own, and with none: by role, the same in all three.
pub(super) fn alike(changes: Value, classes: Value) -> BTreeMap<&'static str, String> {
    let graph = graph(changes);
    let mut all = info();
    all.merge(ObjectInfo::from_json(&classes));
    let of = |info: &ObjectInfo| -> BTreeMap<&'static str, String> {
        let roles = find(&graph, info);
        roles
            .iter()
            .map(|(role, finding)| (role.name(), keys(finding)))
            .collect()
    };
    let described = of(&all);
    assert_eq!(described, of(&info()), "as with ComfyUI's own classes");
    assert_eq!(described, of(&ObjectInfo::default()), "as without any");
    described
}

pub(super) fn encoded(text: Value) -> Value {
    json!({"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}})
}

/// A sampler with some inputs changed; null takes one out.
pub(super) fn steered(changes: Value) -> Value {
    let mut node = sampler(["2", "3"], "4");
    let inputs = node["inputs"].as_object_mut().unwrap();
    inputs.extend(changes.as_object().unwrap().clone());
    inputs.retain(|_, value| !value.is_null());
    node
}

#[test]
fn a_blank_text_of_the_right_name_beats_a_filled_one_of_another() {
    let parameter = |kind: &str, default: Value| json!({"class_type": "Outer Parameter", "inputs": {"name": "1. Prompt", "type": kind, "default": default, "min": 0, "max": 100}});
    let roles = alike(
        json!({
            "2": encoded(json!(["20", 0])),
            "20": parameter("prompt (positive)", json!("")),
            "5": steered(json!({"steps": ["21", 0]})),
            "21": parameter("number (integer)", json!(12)),
        }),
        json!({}),
    );
    assert_eq!((&*roles["positive"], &*roles["steps"]), ("20.default", "21.default"));
    let blank =
        json!({"class_type": "Words", "inputs": {"prompt": "", "extra_words": "as usual, sharp", "clip": ["1", 1]}});
    let roles = alike(json!({"2": encoded(json!(["20", 0])), "20": blank}), json!({}));
    assert_eq!(roles["positive"], "20.prompt");
}

#[test]
fn a_choice_is_no_prompt() {
    let service = json!({"class_type": "Picture Service", "inputs": {"prompt": "", "magic_prompt_option": "AUTO",
        "prompt_style": "none", "text_color": "white", "seed": 4}});
    let roles = alike(
        json!({"5": null, "6": service}),
        json!({"Picture Service": class(
            &[("prompt", "WORDS"), ("magic_prompt_option", "CHOICE"), ("prompt_style", "CHOICE"), ("text_color", "CHOICE"), ("seed", "INT")],
            &[("IMAGE", "IMAGE")],
        )}),
    );
    assert_eq!((&*roles["positive"], &*roles["seed"]), ("6.prompt", "6.seed"));
}

#[test]
fn a_text_that_a_model_rewrites_is_asked_about_with_the_reason() {
    let changes = json!({
        "2": encoded(json!(["20", 0])),
        "3": encoded(json!(["20", 1])),
        "20": {"class_type": "Short To Long", "inputs": {"prompt": ["21", 4], "model_name": "small-talker", "api_key": ""}},
        "21": {"class_type": "Beginning", "inputs": {"system_prompt": "be kind", "user_prompt": "", "negative_prompt": ""}},
    });
    let roles = alike(changes.clone(), json!({}));
    assert_eq!(
        (&*roles["positive"], &*roles["negative"]),
        ("? 21.user_prompt", "? 21.negative_prompt")
    );
    let roles = find(&graph(changes), &info());
    assert!(matches!(
        roles.get(Role::Positive),
        Finding::Candidates {
            why: Why::Rewritten { .. },
            ..
        }
    ));
}

#[test]
fn a_list_of_prompts_by_frames_is_asked_about_with_the_reason() {
    let list = json!("\"0\": \"a castle\",\n\"12\": \"a tower\"");
    let changes = json!({
        "2": {"class_type": "Encode Between", "inputs": {"current_prompt": ["20", 0], "next_prompt": ["20", 1], "weight": ["20", 2], "clip": ["1", 1]}},
        "20": {"class_type": "Prompt Scheduler", "inputs": {"keyframe_list": list, "current_frame": 3, "keyframe_format": "CSV"}},
    });
    let classes = json!({
        "Encode Between": class(&[("current_prompt", "WORDS"), ("next_prompt", "WORDS"), ("weight", "FLOAT"), ("clip", "CLIP")], &[("c", "CONDITIONING")]),
        "Prompt Scheduler": class(
            &[("keyframe_list", "WORDS"), ("current_frame", "INT"), ("keyframe_format", "CHOICE")],
            &[("current_prompt", "STRING"), ("next_prompt", "STRING"), ("weight", "FLOAT")],
        ),
    });
    assert_eq!(alike(changes.clone(), classes)["positive"], "? 20.keyframe_list");
    let roles = find(&graph(changes), &info());
    assert!(matches!(
        roles.get(Role::Positive),
        Finding::Candidates {
            why: Why::Schedule { .. },
            ..
        }
    ));
    for (text, list) in [
        ("{\"0\": \"a\"}", true),
        ("0: 'a', 5: 'b'", true),
        ("16:9 picture, a castle", false),
        ("12 castles: \"a\"", false),
    ] {
        assert_eq!(words::is_schedule(text), list, "{text}");
    }
}

#[test]
fn one_side_of_a_proportion_is_no_size() {
    let roles = alike(
        json!({
            "4": {"class_type": "EmptyLatentImage", "inputs": {"width": ["20", 0], "height": ["20", 1], "batch_size": 1}},
            "20": {"class_type": "Proportion", "inputs": {"model_type": "SDXL", "aspect_ratio_width": 1, "aspect_ratio_height": 2}},
        }),
        json!({"Proportion": class(
            &[("model_type", "CHOICE"), ("aspect_ratio_width", "INT"), ("aspect_ratio_height", "INT")],
            &[("width", "INT"), ("height", "INT")],
        )}),
    );
    assert_eq!(roles["width"], "? 20.aspect_ratio_width 20.aspect_ratio_height");
}

#[test]
fn a_value_that_nothing_can_be_written_for_is_none_with_the_reason() {
    let graph = graph(json!({
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": ["20", 1], "height": ["20", 2], "batch_size": 1}},
        "20": {"class_type": "Canvas", "inputs": {}},
    }));
    let roles = find(&graph, &info());
    assert_eq!(keys(roles.get(Role::Width)), "absent");
    let said = reason(&roles, Role::Width).unwrap();
    assert!(said.contains("node 20") && said.contains("holds no value"), "{said}");
}

#[test]
fn the_only_text_of_a_service_is_taken_and_proven() {
    let service = json!({"class_type": "Brush Service", "inputs": {"prompt": "a castle", "ratio": "1:1", "reference_image": ["8", 0]}});
    let changes = json!({
        "1": null, "2": null, "3": null, "4": null, "5": null, "6": service,
        "8": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    });
    let classes = json!({"Brush Service": class(&[("prompt", "WORDS"), ("ratio", "CHOICE"), ("reference_image", "IMAGE")], &[("IMAGE", "IMAGE")])});
    assert_eq!(alike(changes.clone(), classes)["positive"], "6.prompt");
    let graph = graph(changes);
    let roles = find(&graph, &info());
    assert!(
        reason(&roles, Role::Positive)
            .unwrap()
            .contains("no wire from a sampler leads to it")
    );
    assert!(prove(&graph, &graph.to_json(), "a castle", &roles, &info(), roles.outputs()).is_ok());
}

#[test]
fn settings_are_not_offered_as_prompts() {
    let loose = json!({"class_type": "Brush Service", "inputs": {"prompt": "a castle", "text_positive": "by night", "text_color": "white",
        "is_tools_in_sys_prompt": "disable", "text_file": "a.txt", "prompt_delimiter": ", ", "text_note": "#ffffff", "text_url": "https://a.example"}});
    let roles = alike(
        json!({"1": null, "2": null, "3": null, "4": null, "5": null, "6": loose}),
        json!({}),
    );
    assert_eq!(roles["positive"], "? 6.prompt 6.text_positive");
}
