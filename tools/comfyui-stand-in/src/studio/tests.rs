//! Tests of what is drawn and what is refused.

use image::RgbImage;
use serde_json::{Value, json};

use super::graph::check;
use super::paint::{imagined, paint, png};

fn draw(prompt: &str, negative: &str, seed: u64) -> RgbImage {
    paint(&imagined(prompt, negative, seed, 1.0), 64, 64)
}

/// The strongest part of a pixel: 0 red, 1 green, 2 blue.
fn strongest(picture: &RgbImage, x: u32, y: u32) -> usize {
    let parts = picture.get_pixel(x, y).0;
    (0..3).max_by_key(|part| parts[*part]).unwrap_or_default()
}

#[test]
fn what_the_prompt_names_is_drawn() {
    let around = |figure: &str, backdrop: &str| {
        format!("a huge solid {figure} in the middle, a bar as its mark, a smooth {backdrop} background")
    };
    let picture = draw(&around("red square", "blue"), "", 1);
    // Above the mark, and in a corner.
    assert_eq!((strongest(&picture, 32, 14), strongest(&picture, 1, 1)), (0, 2));
    let other = draw(&around("blue square", "green"), "", 1);
    assert_eq!((strongest(&other, 32, 14), strongest(&other, 1, 1)), (2, 1));
}

#[test]
fn the_same_words_and_seed_give_the_same_picture_and_others_another() {
    let picture = draw("a yellow star, a blue background", "", 7);
    assert_eq!(picture, draw("a yellow star, a blue background", "", 7));
    assert_ne!(picture, draw("a yellow star, a blue background", "", 8));
    assert_ne!(picture, draw("a yellow star, a pink background", "", 7));
    // Words of no meaning change nothing.
    assert_eq!(picture, draw("a yellow star, a blue background, cinematic", "", 7));
}

#[test]
fn words_of_the_negative_prompt_are_left_out() {
    let said = "two balls, a grainy blue background, light from the left";
    assert_eq!(imagined(said, "", 3, 1.0), imagined(said, "blurry, redder", 3, 1.0));
    assert_eq!(
        imagined(said, "Grainy", 3, 1.0),
        imagined("two balls, a blue background, light from the left", "", 3, 1.0)
    );
}

#[test]
fn a_picture_that_is_not_square_repeats_the_edge() {
    let scene = imagined("a red star", "", 1, 1.0);
    let square = paint(&scene, 64, 64);
    let wide = paint(&scene, 96, 64);
    assert_eq!(wide.dimensions(), (96, 64));
    for y in [0, 20, 63] {
        assert_eq!(wide.get_pixel(48, y), square.get_pixel(32, y));
        assert_eq!(wide.get_pixel(0, y), square.get_pixel(0, y));
        assert_eq!(wide.get_pixel(95, y), square.get_pixel(63, y));
    }
    assert_eq!(paint(&scene, 64, 80).get_pixel(5, 79), square.get_pixel(5, 63));
}

#[test]
fn the_picture_carries_its_graph_and_can_be_decoded() {
    let graph = json!({"1": {"class_type": "X", "inputs": {"text": "Grün 🎨"}}});
    let bytes = png(&draw("a ring", "", 0), &graph).expect("a PNG");
    assert_eq!(image::load_from_memory(&bytes).expect("decodes").width(), 64);
    let begin = bytes
        .windows(12)
        .position(|window| window == b"tEXtprompt\0{")
        .expect("a chunk")
        + 11;
    let length = u32::from_be_bytes(bytes[33..37].try_into().expect("four bytes")) as usize;
    let text = &bytes[begin..41 + length];
    assert!(text.is_ascii());
    assert_eq!(serde_json::from_slice::<Value>(text).expect("JSON"), graph);
}

fn graph() -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": 1, "steps": 3, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
    })
}

#[test]
fn graphs_are_refused_as_comfyui_refuses_them() {
    assert_eq!(check(&graph()), Ok(vec!["7".to_owned()]));
    let with = |node: &str, input: &str, value: Value| {
        let mut graph = graph();
        graph[node]["inputs"][input] = value;
        let refusal = check(&graph).expect_err("refused");
        refusal["node_errors"][node]["errors"][0]["type"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    assert_eq!(with("1", "ckpt_name", json!("other.safetensors")), "value_not_in_list");
    assert_eq!(with("5", "seed", json!(-1)), "value_smaller_than_min");
    assert_eq!(with("5", "steps", json!("many")), "invalid_input_type");
    assert_eq!(with("5", "positive", json!(["99", 0])), "bad_linked_input");
    assert_eq!(with("5", "positive", json!(["1", 0])), "return_type_mismatch");
    let mut unknown = graph();
    unknown["5"]["class_type"] = json!("Other");
    assert_eq!(
        check(&unknown).expect_err("refused")["error"]["type"],
        "missing_node_type"
    );
    let mut bare = graph();
    bare.as_object_mut().expect("an object").remove("7");
    assert_eq!(check(&bare).expect_err("refused")["error"]["type"], "prompt_no_outputs");
}
