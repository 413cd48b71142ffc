//! Which inputs of a loader name the file of the model that makes the picture.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::words;

/// Names under which loaders take a model's file.
pub(super) const FILES: [&str; 5] = ["ckpt_name", "unet_name", "model_name", "gguf_name", "model"];

/// The inputs of a node that name a model's file: by a name that is known, else by one that speaks of a model, else by what
/// stands there.
pub(super) fn files<'a>(node: &Node<'a>) -> Vec<(&'a str, InputValue<'a>)> {
    let is_text = |value: &InputValue<'a>| match value {
        InputValue::Literal(Value::String(text)) => !words::is_yes_or_no(text),
        _ => false,
    };
    // Beside a file, `model` is a kind of model.
    let kind = |name: &str| name == "model" && node.input("ckpt_name").is_some();
    // Wired in, a name comes from a node that chooses among files; a number stands there by mistake.
    let wired = |name: &str, value: &InputValue<'a>| {
        !matches!(value, InputValue::Literal(Value::String(_)))
            && ["ckpt_name", "unet_name", "model_name"]
                .iter()
                .any(|known| name.ends_with(known))
    };
    let all = |wanted: &dyn Fn(&str, &InputValue<'a>) -> bool| -> Vec<(&'a str, InputValue<'a>)> {
        node.inputs().filter(|(name, value)| wanted(name, value)).collect()
    };
    let known = all(&|name, value| is_text(value) && FILES.contains(&name) && !kind(name) || wired(name, value));
    // What is given a model loads something else.
    if !known.is_empty() || matches!(node.input("model"), Some(InputValue::Link { .. })) {
        return known;
    }
    let called = all(&|name, value| is_text(value) && is_called(name));
    if !called.is_empty() {
        return called;
    }
    let weights =
        |value: &InputValue<'a>| matches!(value, InputValue::Literal(Value::String(text)) if words::is_weights(text));
    all(&|name, value| weights(value) && !is_beside(&name.to_lowercase()))
}

/// The inputs of a node that name a model's file and cannot name another one's.
pub(super) fn checkpoints<'a>(node: &Node<'a>) -> Vec<(&'a str, InputValue<'a>)> {
    node.inputs()
        .filter(|(name, _)| matches!(*name, "ckpt_name" | "unet_name"))
        .collect()
}

/// Whether an input is called like a model's file.
fn is_called(name: &str) -> bool {
    const MODELS: [&str; 6] = ["model", "ckpt", "checkpoint", "unet", "diffusion", "transformer"];
    const ENDS: [&str; 7] = ["name", "path", "file", "model", "models", "ckpt", "checkpoint"];
    let name = name.to_lowercase();
    // A model on a hub goes by its repository.
    matches!(name.as_str(), "repo_id" | "model_repo" | "model_id")
        || !is_beside(&name)
            && MODELS.iter().any(|word| name.contains(word))
            && ENDS.iter().any(|ending| name.ends_with(ending))
}

/// Whether a name speaks of another model than the one that makes the picture.
pub(super) fn is_beside(name: &str) -> bool {
    const WORDS: [&str; 21] = [
        "vae", "clip", "lora", "control", "refiner", "upscale", "style", "encoder", "t5", "llm", "vision", "motion",
        "adapter", "embed", "config", "sam", "detect", "seg", "face", "swap", "patch",
    ];
    name.starts_with("ic_") || WORDS.iter().any(|word| name.contains(word))
}
