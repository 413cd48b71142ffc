//! Node classes that nobody described: what their names and wires tell, and what is asked.

use super::*;

/// Roles without any definitions, by name.
fn bare(changes: Value) -> BTreeMap<&'static str, String> {
    let roles = find(&graph(changes), &ObjectInfo::default());
    roles
        .iter()
        .map(|(role, finding)| (role.name(), keys(finding)))
        .collect()
}

fn save(picture: &str) -> Value {
    json!({"class_type": "SaveImage", "inputs": {"images": [picture, 0], "filename_prefix": "x"}})
}

fn encoded(text: Value) -> Value {
    json!({"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}})
}

#[test]
fn a_sampler_whose_text_cannot_be_read_still_counts() {
    // A second sampler, steered by what a tagger says of a picture.
    let roles = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "PictureTagger", "inputs": {"image": ["21", 0]}},
        "21": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "30": encoded(json!("a fox")),
        "31": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 4, "steps": 8, "cfg": 2.0,
            "sampler_name": "ddim", "scheduler": "normal", "denoise": 0.5,
            "positive": ["30", 0], "negative": ["3", 0], "latent_image": ["5", 0]}},
        "32": {"class_type": "VAEDecode", "inputs": {"samples": ["31", 0], "vae": ["1", 2]}},
        "33": save("32"),
    }));
    assert_eq!(roles["positive"], "? 30.text", "part of the prompt is not a literal");
    assert_eq!(roles["seed"], "5.seed", "the other one goes over its picture");
    assert_eq!(roles["steps"], "? 5.steps 31.steps");
}

#[test]
fn the_only_text_of_a_node_without_wires_is_what_it_gives_out() {
    let roles = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "My Words", "inputs": {"words": "a castle"}},
    }));
    assert_eq!(roles["positive"], "20.words");
}

#[test]
fn parts_go_by_any_name_and_options_are_no_text() {
    let roles = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "Three Parts", "inputs": {"a": ["21", 0], "b": ["22", 0], "mode": "join with commas", "seed": ["23", 0]}},
        "21": {"class_type": "My Words", "inputs": {"words": "a castle"}},
        "22": {"class_type": "My Words", "inputs": {"words": "by night"}},
        "23": {"class_type": "My Seed", "inputs": {"number": 7}},
    }));
    assert_eq!(roles["positive"], "? 21.words 22.words");
    let one = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "Lora Words", "inputs": {"text": ["21", 0], "loader_name": "a b c"}},
        "21": {"class_type": "My Words", "inputs": {"words": "a castle"}},
    }));
    assert_eq!(one["positive"], "21.words", "one text is no question");
}

#[test]
fn what_a_language_model_makes_of_a_text_is_asked_about() {
    let roles = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "LocalLLM", "inputs": {"prompt": "a castle", "temperature": 0.7}},
    }));
    assert_eq!(roles["positive"], "? 20.prompt");
}

#[test]
fn a_blank_encoder_with_an_unknown_wire_is_asked_about() {
    let roles = bare(json!({
        "2": {"class_type": "FancyEncode", "inputs": {"text": "", "template": ["20", 0], "clip": ["1", 1]}},
        "20": {"class_type": "TemplateBuilder", "inputs": {"prompt": "a castle"}},
    }));
    assert!(
        roles["positive"].starts_with('?') && roles["positive"].contains("20.prompt"),
        "{roles:?}"
    );
}

#[test]
fn both_prompts_in_one_node_are_kept_apart() {
    let styler = json!({"class_type": "Styles", "inputs": {"text_positive": "a castle", "text_negative": "blurry", "style": "a b"}});
    let roles = bare(json!({"2": encoded(json!(["20", 0])), "3": encoded(json!(["20", 1])), "20": styler}));
    assert_eq!(
        (&*roles["positive"], &*roles["negative"]),
        ("20.text_positive", "20.text_negative")
    );
}

#[test]
fn bundles_are_followed_to_the_loader_that_holds_the_prompts() {
    let graph = json!({
        "1": {"class_type": "Big Loader", "inputs": {"base_ckpt_name": "a.safetensors", "vae_name": "b.safetensors",
            "positive": "a castle", "negative": "blurry", "empty_latent_width": 832, "empty_latent_height": 1216}},
        "2": {"class_type": "Big Sampler", "inputs": {"pipe": ["1", 0], "seed": 5, "steps": 30, "cfg": 6.0, "sampler_name": "euler"}},
        "3": save("2"),
    });
    let roles = find(&Graph::from_json(graph).unwrap(), &ObjectInfo::default());
    let at = |role| keys(roles.get(role));
    assert_eq!(
        (at(Role::Positive), at(Role::Negative)),
        ("1.positive".into(), "1.negative".into())
    );
    assert_eq!(
        (at(Role::Seed), at(Role::Steps), at(Role::Model)),
        ("2.seed".into(), "2.steps".into(), "1.base_ckpt_name".into())
    );
}

#[test]
fn a_changed_half_of_a_bundle_leaves_the_other_half() {
    let graph = json!({
        "1": {"class_type": "Big Loader", "inputs": {"ckpt_name": "a.safetensors", "positive": "a castle", "negative": "blurry"}},
        "2": {"class_type": "Encode", "inputs": {"text": "a tower", "clip": ["1", 1]}},
        "3": {"class_type": "Edit Pipe", "inputs": {"basic_pipe": ["1", 0], "positive": ["2", 0]}},
        "4": {"class_type": "Big Sampler", "inputs": {"basic_pipe": ["3", 0], "seed": 5, "steps": 30}},
        "5": save("4"),
    });
    let roles = find(&Graph::from_json(graph).unwrap(), &ObjectInfo::default());
    assert_eq!(
        (keys(roles.get(Role::Positive)), keys(roles.get(Role::Negative))),
        ("2.text".into(), "1.negative".into())
    );
}

#[test]
fn a_saver_that_notes_the_settings_is_no_sampler() {
    let roles = bare(json!({
        "9": {"class_type": "Save With Settings", "inputs": {"images": ["6", 0], "filename": "x", "positive": ["2", 0],
            "steps": 11, "cfg": 3.0, "seed": 1, "sampler_name": "ddim"}},
    }));
    assert_eq!(
        (&*roles["steps"], &*roles["cfg"], &*roles["seed"]),
        ("5.steps", "5.cfg", "5.seed")
    );
}

#[test]
fn one_node_may_do_it_all() {
    let graph = json!({
        "1": {"class_type": "Picture Service", "inputs": {"prompt": "a castle", "negative_prompt": "blurry", "seed": 3}},
        "2": save("1"),
    });
    let roles = find(&Graph::from_json(graph).unwrap(), &ObjectInfo::default());
    let at = |role| keys(roles.get(role));
    assert_eq!(
        (at(Role::Positive), at(Role::Negative), at(Role::Seed)),
        ("1.prompt".into(), "1.negative_prompt".into(), "1.seed".into())
    );
}

#[test]
fn loaders_beside_the_conditioning_are_no_prompts() {
    let roles = bare(json!({
        "5": sampler(["20", "20"], "4"),
        "20": {"class_type": "Apply Face", "inputs": {"face": ["21", 0], "positive": ["2", 0], "negative": ["3", 0], "model": ["1", 0]}},
        "21": {"class_type": "Face Loader", "inputs": {"face_file": "a face.bin"}},
    }));
    assert_eq!((&*roles["positive"], &*roles["negative"]), ("2.text", "3.text"));
}

#[test]
fn a_bag_of_settings_gives_each_value_under_its_own_name() {
    let mut steered = sampler(["2", "3"], "4");
    for (input, slot) in [("seed", 0), ("steps", 1), ("sampler_name", 2)] {
        steered["inputs"][input] = json!(["20", slot]);
    }
    let roles = bare(json!({
        "5": steered,
        "20": {"class_type": "Settings", "inputs": {"seed": 3, "steps_total": 20, "sampler": "euler", "scheduler": "normal"}},
    }));
    assert_eq!(
        (&*roles["seed"], &*roles["steps"], &*roles["sampler"]),
        ("20.seed", "20.steps_total", "20.sampler")
    );
}

#[test]
fn one_value_for_both_sides_and_a_kept_shape_are_questions() {
    let square = bare(json!({
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": ["20", 0], "height": ["20", 0], "batch_size": 1}},
        "20": {"class_type": "PrimitiveInt", "inputs": {"value": 1024}},
    }));
    assert_eq!((&*square["width"], &*square["height"]), ("? 20.value", "? 20.value"));
    let kept = bare(json!({
        "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["20", 0], "vae": ["1", 2]}},
        "20": {"class_type": "Resize It", "inputs": {"image": ["21", 0], "width": 640, "height": 480, "keep_proportion": true}},
        "21": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    }));
    assert_eq!((&*kept["width"], &*kept["height"]), ("? 20.width", "? 20.height"));
}

#[test]
fn a_size_that_a_preset_overrules_is_a_question() {
    let sized = |ratio: &str| {
        bare(json!({
            "4": {"class_type": "EmptyLatentImage", "inputs": {"width": ["20", 0], "height": ["20", 1], "batch_size": 1}},
            "20": {"class_type": "Ratios", "inputs": {"width": 512, "height": 768, "aspect_ratio": ratio}},
        }))["width"]
            .clone()
    };
    assert_eq!(sized("custom"), "20.width");
    assert_eq!(sized("3:4 896x1152"), "? 20.width 20.aspect_ratio");
}

#[test]
fn the_size_of_a_picture_that_is_painted_over_is_found() {
    let roles = bare(json!({
        "4": {"class_type": "VAEEncode", "inputs": {"pixels": ["20", 0], "vae": ["1", 2]}},
        "20": {"class_type": "ImageScale", "inputs": {"image": ["21", 0], "width": 640, "height": 480, "upscale_method": "area", "crop": "center"}},
        "21": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    }));
    assert_eq!((&*roles["width"], &*roles["height"]), ("20.width", "20.height"));
}

#[test]
fn a_model_behind_unnamed_wires_is_found_and_an_ingredient_is_not() {
    let mut steered = sampler(["2", "3"], "4");
    steered["inputs"]["model"] = json!(["20", 0]);
    let roles = bare(json!({
        "5": steered,
        "20": {"class_type": "Patch", "inputs": {"model": ["21", 0], "ic_model": ["23", 0]}},
        "21": {"class_type": "Any Way", "inputs": {"any_01": ["22", 0]}},
        "22": {"class_type": "Quantised Loader", "inputs": {"file": "big.gguf"}},
        "23": {"class_type": "UNETLoader", "inputs": {"unet_name": "light.safetensors", "weight_dtype": "default"}},
    }));
    assert_eq!(roles["model"], "22.file");
}

#[test]
fn circles_and_long_chains_come_to_an_end() {
    let circle = json!({
        "1": {"class_type": "Edit Pipe", "inputs": {"pipe": ["1", 0], "positive": ["9", 0]}},
        "9": {"class_type": "Encode", "inputs": {"text": "a fox", "clip": ["1", 1]}},
        "3": {"class_type": "Big Sampler", "inputs": {"pipe": ["1", 0], "seed": 3, "steps": 4}},
        "4": save("3"),
    });
    let roles = find(&Graph::from_json(circle).unwrap(), &ObjectInfo::default());
    assert_eq!(keys(roles.get(Role::Positive)), "9.text");

    let ladder = |rungs: usize| {
        let mut nodes = json!({"s": {"class_type": "Big Sampler", "inputs": {"pipe": ["p0", 0], "seed": 3, "steps": 4}}, "o": save("s")});
        for rung in 0..rungs {
            let next = format!("p{}", rung + 1);
            nodes[format!("p{rung}")] = json!({"class_type": "Edit Pipe", "inputs": {"pipe": [next, 0], "pipe_b": [next, 0], "positive": ["e", 0]}});
        }
        nodes["e"] = json!({"class_type": "Encode", "inputs": {"text": "a fox", "clip": ["c", 0]}});
        Graph::from_json(nodes).unwrap()
    };
    assert_eq!(
        keys(find(&ladder(200), &ObjectInfo::default()).get(Role::Positive)),
        "e.text"
    );

    let mut chain = json!({"2": encoded(json!(["t0", 0]))});
    for link in 0..5000 {
        chain[format!("t{link}")] =
            json!({"class_type": "StringTrim", "inputs": {"string": [format!("t{}", link + 1), 0], "mode": "Both"}});
    }
    let positive = bare(chain)["positive"].clone();
    assert!(positive == "absent" || positive.starts_with('?'), "{positive}");
}

#[test]
fn a_wire_that_leads_nowhere_is_never_passed_over() {
    let second = |changes: Value| {
        let mut sampled = sampler(["30", "3"], "4");
        sampled["inputs"]
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        sampled
    };
    let both = |second: Value, more: Value| {
        let mut nodes = json!({
            "22": second,
            "23": {"class_type": "VAEDecode", "inputs": {"samples": ["22", 0], "vae": ["1", 2]}},
            "24": save("23"),
        });
        nodes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bare(nodes)
    };
    let other = json!({"30": encoded(json!("a tower"))});
    assert_eq!(both(second(json!({})), other.clone())["positive"], "? 2.text 30.text");
    // Its text, and its seed, come from where nobody can look.
    let hidden = both(second(json!({})), json!({"30": encoded(json!(["gone", 0]))}));
    assert_eq!(hidden["positive"], "? 2.text");
    let mut dice = other;
    dice["31"] = json!({"class_type": "Dice", "inputs": {"range": [1, 6, 2]}});
    assert_eq!(both(second(json!({"seed": ["31", 0]})), dice)["seed"], "? 5.seed");
}

#[test]
fn what_is_taken_for_want_of_another_is_said() {
    let graph = graph(json!({
        "5": sampler(["20", "3"], "4"),
        "20": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["21", 0]}},
        "21": encoded(json!(["gone", 0])),
    }));
    let mut roles = find(&graph, &info());
    assert_eq!(keys(roles.get(Role::Positive)), "2.text");
    let said = reason(&roles, Role::Positive).unwrap();
    assert!(
        said.starts_with("positive: 2.text is the only place that was found"),
        "{said}"
    );
    assert!(said.contains("node gone"), "{said}");
    assert!(
        report(&graph, &roles)["notes"]
            .as_array()
            .unwrap()
            .contains(&said.into())
    );
    roles.choose(&graph, Role::Positive, &["2.text"]).unwrap();
    assert_eq!(reason(&roles, Role::Positive), None, "what was chosen needs no words");
}

#[test]
fn what_is_put_into_a_text_is_a_part_of_it() {
    let roles = bare(json!({
        "2": encoded(json!(["20", 0])),
        "20": {"class_type": "Swap Words", "inputs": {"text": "SUBJECT in snow", "find": "SUBJECT", "replace": "a red fox"}},
    }));
    assert_eq!(roles["positive"], "? 20.text 20.replace");
}

#[test]
fn a_patch_on_the_way_is_not_where_the_value_comes_from() {
    let mut steered = sampler(["2", "3"], "4");
    steered["inputs"]["model"] = json!(["20", 0]);
    let roles = bare(json!({
        "5": steered,
        "20": {"class_type": "Motion Loader", "inputs": {"model": ["1", 0], "model_name": "motion.ckpt"}},
    }));
    assert_eq!(roles["model"], "1.ckpt_name");
}
