//! Graphs as people publish them, with nodes of packs: alike whether the server describes those nodes or not.

use super::*;

/// The definition of a class: inputs and outputs by name and type. An input that begins with `*` is words.
fn class(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> Value {
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
fn alike(changes: Value, classes: Value) -> BTreeMap<&'static str, String> {
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

fn encoded(text: Value) -> Value {
    json!({"class_type": "CLIPTextEncode", "inputs": {"text": text, "clip": ["1", 1]}})
}

/// A sampler with some inputs changed; null takes one out.
fn steered(changes: Value) -> Value {
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

const PIPE: [(&str, &str); 5] = [
    ("model", "MODEL"),
    ("clip", "CLIP"),
    ("vae", "VAE"),
    ("positive", "CONDITIONING"),
    ("negative", "CONDITIONING"),
];

#[test]
fn a_bundle_of_a_type_of_its_own_is_followed() {
    let changes = json!({
        "20": {"class_type": "Into Pipe", "inputs": {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2], "positive": ["2", 0], "negative": ["3", 0]}},
        "21": {"class_type": "Edit Pipe", "inputs": {"basic_pipe": ["20", 0], "positive": ["24", 0]}},
        "22": {"class_type": "Out Of Pipe", "inputs": {"basic_pipe": ["21", 0]}},
        "24": encoded(json!("a tower")),
        "5": steered(json!({"model": ["22", 0], "positive": ["22", 3], "negative": ["22", 4]})),
    });
    let piped = [&[("basic_pipe", "BASIC_PIPE")][..], &PIPE].concat();
    let classes = json!({
        "Into Pipe": class(&PIPE, &[("basic_pipe", "BASIC_PIPE")]),
        "Edit Pipe": class(&piped, &[("basic_pipe", "BASIC_PIPE")]),
        "Out Of Pipe": class(&[("basic_pipe", "BASIC_PIPE")], &PIPE),
    });
    let roles = alike(changes, classes);
    assert_eq!(
        (&*roles["positive"], &*roles["negative"], &*roles["model"]),
        ("24.text", "3.text", "1.ckpt_name")
    );
}

#[test]
fn settings_are_found_along_the_pipe() {
    let changes = json!({
        "1": {"class_type": "Pipe Loader", "inputs": {"ckpt_name": "a.safetensors", "vae_name": "b.safetensors", "lora_name": "None",
            "positive": ["30", 0], "negative": ["31", 0], "empty_latent_width": 832, "empty_latent_height": 1216}},
        "30": {"class_type": "Wanted", "inputs": {"positive": "a castle"}},
        "31": {"class_type": "Unwanted", "inputs": {"negative": "blurry"}},
        "20": {"class_type": "Pipe Control", "inputs": {"pipe": ["1", 0], "control_net_name": "c.safetensors", "strength": 0.7}},
        "21": {"class_type": "Pipe Settings", "inputs": {"pipe": ["20", 0], "seed": 7, "steps": 25, "cfg": 5.5, "sampler_name": "euler", "denoise": 1}},
        "22": {"class_type": "Pipe Sampler", "inputs": {"pipe": ["21", 0], "image_output": "Preview"}},
        "2": null, "3": null, "4": null, "5": null, "6": null, "7": null,
    });
    let mut shown = class(
        &[("pipe", "PIPE_LINE"), ("image_output", "CHOICE")],
        &[("pipe", "PIPE_LINE"), ("image", "IMAGE")],
    );
    shown["output_node"] = json!(true);
    let classes = json!({
        "Pipe Loader": class(
            &[("ckpt_name", "CHOICE"), ("vae_name", "CHOICE"), ("lora_name", "CHOICE"), ("positive", "WORDS"), ("negative", "WORDS"),
                ("empty_latent_width", "INT"), ("empty_latent_height", "INT")],
            &[("pipe", "PIPE_LINE"), ("model", "MODEL"), ("vae", "VAE")],
        ),
        "Wanted": class(&[("positive", "WORDS")], &[("positive", "STRING")]),
        "Unwanted": class(&[("negative", "WORDS")], &[("negative", "STRING")]),
        "Pipe Control": class(&[("pipe", "PIPE_LINE"), ("control_net_name", "CHOICE"), ("strength", "FLOAT")],
            &[("pipe", "PIPE_LINE"), ("positive", "CONDITIONING"), ("negative", "CONDITIONING")]),
        "Pipe Settings": class(
            &[("pipe", "PIPE_LINE"), ("seed", "INT"), ("steps", "INT"), ("cfg", "FLOAT"), ("sampler_name", "CHOICE"), ("denoise", "FLOAT")],
            &[("pipe", "PIPE_LINE")],
        ),
        "Pipe Sampler": shown,
    });
    let found = alike(changes, classes);
    let places: Vec<&str> = Role::ALL.iter().map(|role| &*found[role.name()]).collect();
    assert_eq!(
        places,
        [
            "30.positive",
            "31.negative",
            "21.seed",
            "1.empty_latent_width",
            "1.empty_latent_height",
            "21.steps",
            "21.cfg",
            "21.sampler_name",
            "1.ckpt_name"
        ]
    );
}

const CONTEXT: [(&str, &str); 7] = [
    ("base_ctx", "PACK_CONTEXT"),
    ("model", "MODEL"),
    ("positive", "CONDITIONING"),
    ("negative", "CONDITIONING"),
    ("latent", "LATENT"),
    ("images", "IMAGE"),
    ("seed", "INT"),
];

/// Two samplers that take everything out of contexts; the second one goes over the picture of the first.
fn contexts() -> Value {
    json!({
        "20": {"class_type": "Dice", "inputs": {"seed": 77}},
        "21": {"class_type": "Context", "inputs": {"model": ["1", 0], "latent": ["4", 0], "seed": ["20", 0]}},
        "22": {"class_type": "Context", "inputs": {"base_ctx": ["21", 0], "positive": ["2", 0], "negative": ["3", 0]}},
        "5": steered(json!({"model": ["22", 1], "positive": ["22", 2], "negative": ["22", 3], "latent_image": ["22", 4], "seed": ["22", 6]})),
        "23": {"class_type": "Context", "inputs": {"base_ctx": ["22", 0], "latent": ["5", 0], "images": ["6", 0]}},
        "24": {"class_type": "ImageScaleBy", "inputs": {"image": ["23", 5], "upscale_method": "area", "scale_by": 1.5}},
        "25": {"class_type": "VAEEncode", "inputs": {"pixels": ["24", 0], "vae": ["1", 2]}},
        "26": steered(json!({"model": ["23", 1], "positive": ["23", 2], "negative": ["23", 3], "latent_image": ["25", 0], "seed": ["23", 6], "steps": 30})),
        "27": {"class_type": "VAEDecode", "inputs": {"samples": ["26", 0], "vae": ["1", 2]}},
        "28": {"class_type": "SaveImage", "inputs": {"images": ["27", 0], "filename_prefix": "x"}},
    })
}

fn context_classes() -> Value {
    json!({
        "Dice": class(&[("seed", "INT")], &[("SEED", "INT")]),
        "Context": class(&CONTEXT, &CONTEXT.map(|(name, kind)| (if name == "base_ctx" { "CONTEXT" } else { name }, kind))),
    })
}

#[test]
fn all_samplers_of_a_context_are_found_with_what_is_in_it() {
    let found = alike(contexts(), context_classes());
    let places: Vec<&str> = Role::ALL.iter().map(|role| &*found[role.name()]).collect();
    assert_eq!(
        places,
        [
            "2.text",
            "3.text",
            "20.seed",
            "4.width",
            "4.height",
            "? 5.steps 26.steps",
            "5.cfg 26.cfg",
            "5.sampler_name 26.sampler_name",
            "1.ckpt_name"
        ]
    );
}

#[test]
fn a_sampler_whose_preview_lost_its_wire_counts() {
    let mut changes = contexts();
    changes["28"] = json!({"class_type": "PreviewImage", "inputs": {}});
    assert_eq!(alike(changes, context_classes())["steps"], "? 5.steps 26.steps");
}

#[test]
fn samplers_whose_settings_are_in_providers_are_found() {
    let provider = |seed: u64| json!({"class_type": "Provider", "inputs": {"basic_pipe": ["20", 0], "seed": seed, "steps": 20, "cfg": 8.0, "sampler_name": "euler", "denoise": 0.4}});
    let changes = json!({
        "20": {"class_type": "Into Pipe", "inputs": {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2], "positive": ["2", 0], "negative": ["3", 0]}},
        "21": provider(1),
        "22": provider(2),
        "5": {"class_type": "Two In One", "inputs": {"latent_image": ["4", 0], "base_sampler": ["21", 0], "mask_sampler": ["22", 0], "mask": ["23", 1]}},
        "23": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
    });
    let classes = json!({
        "Into Pipe": class(&PIPE, &[("basic_pipe", "BASIC_PIPE")]),
        "Provider": class(
            &[("basic_pipe", "BASIC_PIPE"), ("seed", "INT"), ("steps", "INT"), ("cfg", "FLOAT"), ("sampler_name", "CHOICE"), ("denoise", "FLOAT")],
            &[("KSAMPLER", "KSAMPLER")],
        ),
        "Two In One": class(&[("latent_image", "LATENT"), ("base_sampler", "KSAMPLER"), ("mask_sampler", "KSAMPLER"), ("mask", "MASK")], &[("LATENT", "LATENT")]),
    });
    let graph = graph(changes);
    for classes in [classes, json!({})] {
        let mut all = info();
        all.merge(ObjectInfo::from_json(&classes));
        let roles = find(&graph, &all);
        let of = |role| {
            let mut places: Vec<String> = roles.get(role).places().iter().map(Place::key).collect();
            places.sort();
            places.join(" ")
        };
        assert_eq!(
            [
                Role::Positive,
                Role::Negative,
                Role::Seed,
                Role::Steps,
                Role::Cfg,
                Role::Model
            ]
            .map(of),
            [
                "2.text",
                "3.text",
                "21.seed 22.seed",
                "21.steps 22.steps",
                "21.cfg 22.cfg",
                "1.ckpt_name"
            ]
        );
        assert!(matches!(roles.get(Role::Seed), Finding::Candidates { .. }));
    }
}

#[test]
fn a_sampler_of_a_pack_with_types_of_its_own_is_one() {
    let changes = json!({
        "1": {"class_type": "Film Loader", "inputs": {"model": "films\\big-Q4.gguf", "precision": "bf16"}},
        "9": {"class_type": "Film Swap", "inputs": {"model": ["1", 0], "blocks": 20}},
        "2": {"class_type": "Film Words", "inputs": {"t5": ["10", 0], "positive_prompt": "a castle", "negative_prompt": "blurry", "device": "gpu"}},
        "10": {"class_type": "Film Encoder", "inputs": {"model_name": "t5.safetensors"}},
        "3": {"class_type": "Film Start", "inputs": {"start_image": ["11", 0], "width": 832, "height": 480, "frames": 81}},
        "11": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "4": null,
        "5": {"class_type": "Film Sampler", "inputs": {"model": ["9", 0], "image_embeds": ["3", 0], "text_embeds": ["2", 0], "steps": 6, "cfg": 1.0, "seed": 43, "scheduler": "sde"}},
        "6": {"class_type": "Film Decode", "inputs": {"vae": ["12", 0], "samples": ["5", 0]}},
        "12": {"class_type": "Film VAE", "inputs": {"model_name": "vae.safetensors"}},
    });
    let classes = json!({
        "Film Loader": class(&[("model", "CHOICE"), ("precision", "CHOICE")], &[("model", "FILMMODEL")]),
        "Film Swap": class(&[("model", "FILMMODEL"), ("blocks", "INT")], &[("model", "FILMMODEL")]),
        "Film Words": class(&[("t5", "FILMENCODER"), ("positive_prompt", "WORDS"), ("negative_prompt", "WORDS"), ("device", "CHOICE")], &[("text_embeds", "FILMTEXTEMBEDS")]),
        "Film Encoder": class(&[("model_name", "CHOICE")], &[("FILMENCODER", "FILMENCODER")]),
        "Film Start": class(&[("start_image", "IMAGE"), ("width", "INT"), ("height", "INT"), ("frames", "INT")], &[("image_embeds", "FILMIMAGE_EMBEDS")]),
        "Film Sampler": class(
            &[("model", "FILMMODEL"), ("image_embeds", "FILMIMAGE_EMBEDS"), ("text_embeds", "FILMTEXTEMBEDS"), ("steps", "INT"), ("cfg", "FLOAT"), ("seed", "INT"), ("scheduler", "CHOICE")],
            &[("samples", "LATENT")],
        ),
        "Film Decode": class(&[("vae", "FILMVAE"), ("samples", "LATENT")], &[("images", "IMAGE")]),
        "Film VAE": class(&[("model_name", "CHOICE")], &[("vae", "FILMVAE")]),
    });
    let found = alike(changes, classes);
    let places: Vec<&str> = Role::ALL.iter().map(|role| &*found[role.name()]).collect();
    assert_eq!(
        places,
        [
            "2.positive_prompt",
            "2.negative_prompt",
            "5.seed",
            "3.width",
            "3.height",
            "5.steps",
            "5.cfg",
            "absent",
            "1.model"
        ]
    );
}

#[test]
fn a_model_is_known_by_its_name_or_by_that_of_its_input() {
    let loaded = |inputs: Value| {
        let loader = json!({"class_type": "Quick Loader", "inputs": inputs});
        let steered = steered(json!({"model": ["20", 0]}));
        alike(json!({"5": steered, "20": loader}), json!({}))["model"].clone()
    };
    assert_eq!(
        loaded(json!({"model_path": "svdq-int4-flux", "data_type": "bfloat16", "cache_threshold": 0})),
        "20.model_path"
    );
    assert_eq!(
        loaded(
            json!({"unet_name": "a.sft", "clip_name1": "b.safetensors", "style_model_name": "c.safetensors", "vae_name": "d.sft"})
        ),
        "20.unet_name"
    );
}

#[test]
fn loaders_with_a_seed_are_no_samplers() {
    let loader = |ckpt: &str| {
        json!({"class_type": "Pipe Loader", "inputs": {"ckpt_name": ckpt, "positive": ["2", 0], "negative": ["3", 0],
        "positive_token_normalization": "none", "empty_latent_width": 768, "empty_latent_height": 768, "seed": 0}})
    };
    let stage = |pipe: &str, add: &str, seed: u64| {
        json!({"class_type": "Pipe Sampler", "inputs": {"pipe": [pipe, 0], "add_noise": add, "steps": 20,
        "cfg": 9.5, "sampler_name": "uni_pc", "noise_seed": seed, "image_output": "Save"}})
    };
    let mut second = stage("21", "disable", 9);
    second["inputs"]["optional_latent"] = json!(["22", 4]);
    let text = |text: &str| json!({"class_type": "pack text", "inputs": {"text": text}});
    let found = alike(
        json!({
            "1": null, "4": null, "5": null, "6": null, "7": null,
            "2": text("a castle"), "3": text("blurry"),
            "20": loader("base.safetensors"), "21": loader("refiner.safetensors"),
            "22": stage("20", "enable", 8), "23": second,
        }),
        json!({}),
    );
    let places: Vec<&str> = Role::ALL.iter().map(|role| &*found[role.name()]).collect();
    assert_eq!(
        places,
        [
            "2.text",
            "3.text",
            "22.noise_seed",
            "20.empty_latent_width 21.empty_latent_width",
            "20.empty_latent_height 21.empty_latent_height",
            "22.steps 23.steps",
            "22.cfg 23.cfg",
            "22.sampler_name 23.sampler_name",
            "? 20.ckpt_name 21.ckpt_name"
        ]
    );
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
    assert!(prove(&graph, &graph.to_json(), "a castle", &roles, roles.outputs()).is_ok());
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
