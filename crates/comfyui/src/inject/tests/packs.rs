//! Nodes of packs: bundles, providers, contexts, and wires of types of their own; alike whether the server describes them or not.

use super::wild::{alike, class, encoded, steered};
use super::*;

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
            "20.empty_latent_width",
            "20.empty_latent_height",
            "22.steps 23.steps",
            "22.cfg 23.cfg",
            "22.sampler_name 23.sampler_name",
            "? 20.ckpt_name 21.ckpt_name"
        ]
    );
}
