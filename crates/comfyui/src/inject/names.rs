//! What the names of inputs and outputs tell. The only knowledge there is about classes the server did not
//! describe, so it errs on the side of seeing text.

use super::models;

/// Which of the two sides of the guidance something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Positive,
    Negative,
}

/// The side that a name speaks of, if any.
pub(super) fn side_of(name: &str) -> Option<Side> {
    let name = name.to_lowercase();
    let starts = |word: &str| {
        let mut before = None;
        name.split('_').any(|part| {
            // A position is no side.
            let position = matches!(before, Some("x" | "y" | "z" | "start" | "end"));
            before = Some(part);
            part == word && !position
        })
    };
    if name.contains("negative") || starts("neg") || name == "n_prompt" || name.ends_with("conditioning-") {
        Some(Side::Negative)
    } else if name.contains("positive") || starts("pos") || name == "a_prompt" || name.ends_with("conditioning+") {
        Some(Side::Positive)
    } else {
        None
    }
}

/// Names under which text encoders take their text.
pub(super) fn is_text(name: &str) -> bool {
    const NAMES: [&str; 16] = [
        "text",
        "text_g",
        "text_l",
        "clip_l",
        "clip_g",
        "t5xxl",
        "llama",
        "bert",
        "mt5xl",
        "qwen25_7b",
        "tags",
        "lyrics",
        "caption",
        "wildcard",
        "positive",
        "negative",
    ];
    let name = name.to_lowercase();
    // Lumina's system prompt is a choice of presets, and no system prompt is what a picture shows.
    NAMES.contains(&name.as_str())
        || !is_about_text(&name)
            && (name.contains("prompt")
                || name.starts_with("text_") && !name.contains("encoder")
                || name.ends_with("_text")
                || name.ends_with("_positive")
                || name.ends_with("_negative"))
}

/// Whether a name speaks of what is done with a text, rather than of the text.
pub(super) fn is_about_text(name: &str) -> bool {
    const STARTS: [&str; 12] = [
        "sys", "system", "is", "use", "enable", "save", "show", "print", "log", "magic", "enhance", "image",
    ];
    const ENDS: [&str; 51] = [
        "option",
        "options",
        "mode",
        "type",
        "style",
        "styles",
        "weight",
        "weights",
        "strength",
        "format",
        "length",
        "size",
        "color",
        "colour",
        "font",
        "align",
        "alignment",
        "normalization",
        "interpretation",
        "enhance",
        "enhancer",
        "enhancement",
        "extend",
        "expansion",
        "optimizer",
        "upsampling",
        "file",
        "path",
        "folder",
        "delimiter",
        "separator",
        "seed",
        "index",
        "count",
        "scale",
        "language",
        "method",
        "model",
        "tokens",
        "embeds",
        "case",
        "comma",
        "underscore",
        "name",
        "template",
        "key",
        "id",
        "precision",
        "device",
        "result",
        "output",
    ];
    let mut parts = name.split(['_', ' ', '-', '.']);
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or(first);
    let written_together = |ending: &str| last.strip_prefix("prompt") == Some(ending);
    STARTS.contains(&first) || ENDS.contains(&last) || ENDS.iter().any(|ending| written_together(ending))
}

/// Names under which string nodes take the text they pass on.
pub(super) fn is_string_part(name: &str) -> bool {
    let name = name.to_lowercase();
    is_text(&name)
        || (name.starts_with("string") || name.starts_with("text")) && !is_about_text(&name)
        || name == "system_prompt"
        || matches!(
            name.as_str(),
            "source"
                | "value"
                | "default"
                | "default_value"
                | "body"
                | "json_string"
                | "f_string"
                | "input"
                | "any"
                | "anything"
        )
}

/// Names of texts that only steer a node: how it puts text together, or a choice among a few words.
pub(super) fn is_string_control(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(
        name.as_str(),
        "key"
            | "mode"
            | "format"
            | "old"
            | "new"
            | "device"
            | "provider"
            | "title"
            | "menu"
            | "name"
            | "label"
            | "min"
            | "max"
    ) || [
        "find",
        "replace",
        "regex",
        "select",
        "delimiter",
        "separator",
        "filename",
    ]
    .iter()
    .any(|stem| name.starts_with(stem))
        || [
            "pattern",
            "expression",
            "prefix",
            "_name",
            "style",
            "_mode",
            "type",
            "method",
            "preset",
            "ratio",
        ]
        .iter()
        .any(|ending| name.ends_with(ending))
        || is_selector(&name)
}

/// Names of inputs by which a node computes its output from the others.
pub(super) fn is_formula(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(
        name.as_str(),
        "delimiter" | "separator" | "find" | "key" | "mode" | "prefix" | "filename_prefix"
    ) || name.ends_with("pattern")
        || name.ends_with("expression")
}

/// Names under which a picture, a latent, or a whole sampler is taken.
pub(super) fn takes_pictures(name: &str) -> bool {
    let name = name.to_lowercase();
    let measured = ["size", "width", "height", "count", "strength", "model", "name"]
        .iter()
        .any(|word| name.ends_with(word));
    !measured
        && ["image", "pixels", "samples", "latent", "_sampler"]
            .iter()
            .any(|word| name.contains(word))
}

/// Names under which switches and reroutes take whatever they pass on.
pub(super) fn passes_anything(name: &str) -> bool {
    ["on_", "any", "input"].iter().any(|stem| name.starts_with(stem))
}

/// Names of inputs that choose a size by words.
pub(super) fn is_size_choice(name: &str) -> bool {
    let name = name.to_lowercase();
    ["ratio", "preset", "resolution", "dimension", "size", "aspect"]
        .iter()
        .any(|word| name.contains(word))
}

/// Names of inputs that choose among others.
pub(super) fn is_selector(name: &str) -> bool {
    let name = name.to_lowercase();
    ["select", "switch", "override"]
        .iter()
        .any(|stem| name.starts_with(stem))
        || matches!(name.as_str(), "boolean" | "condition" | "cond" | "index" | "toggle")
}

/// Names under which several values travel as one.
pub(super) fn is_bundle(name: &str) -> bool {
    let name = name.to_lowercase();
    ([
        "pipe",
        "tuple",
        "context",
        "ctx",
        "bundle",
        "params",
        "parameters",
        "settings",
    ]
    .iter()
    .any(|word| name.contains(word))
        || name.ends_with("_sampler"))
        && !["option", "length", "window"].iter().any(|word| name.contains(word))
}

/// Whether a wire of that name carries `kind`, as far as a name tells.
pub(super) fn names_wire(name: &str, kind: &str) -> bool {
    let name = name.to_lowercase();
    match kind {
        "LATENT" => name.contains("latent") || name.starts_with("samples"),
        "MODEL" => name.starts_with("model") || name.ends_with("_model") && !models::is_beside(&name),
        kind => name.starts_with(&kind.to_lowercase()),
    }
}

/// Names under which conditioning travels.
pub(super) fn is_conditioning(name: &str) -> bool {
    let name = name.to_lowercase();
    side_of(&name).is_some() || name.starts_with("cond") || is_embedded(&name)
}

/// Names under which packs take encoded text, which may be that of both sides.
pub(super) fn is_embedded(name: &str) -> bool {
    let name = name.to_lowercase();
    ["embeds", "embed", "embeddings"]
        .iter()
        .any(|ending| name.ends_with(ending))
        && !["image", "img", "vision", "face", "audio", "pose", "camera"]
            .iter()
            .any(|word| name.contains(word))
}

/// Names under which prompts are kept with the frames at which they begin.
pub(super) fn is_schedule(name: &str) -> bool {
    let name = name.to_lowercase();
    name.contains("keyframe") || name.ends_with("schedule")
}

/// Names of inputs that never lead to conditioning or text, for classes the server did not describe.
pub(super) fn is_other_wire(name: &str) -> bool {
    const STEMS: [&str; 19] = [
        "model",
        "clip",
        "vae",
        "latent",
        "image",
        "pixels",
        "mask",
        "samples",
        "control_net",
        "noise",
        "sampler",
        "sigmas",
        "style_model",
        "audio",
        "video",
        "lora",
        "upscale",
        "switch",
        "seed",
    ];
    const ENDS: [&str; 5] = ["_model", "_encoder", "_encoders", "_vae", "_clip"];
    let name = name.to_lowercase();
    (STEMS.iter().any(|stem| name.starts_with(stem)) || ENDS.iter().any(|ending| name.ends_with(ending)))
        && !is_text(&name)
}

/// The input of the receptor behind an output slot.
pub(super) fn receptor_input(slot: usize) -> Option<&'static str> {
    ["positive", "negative", "seed"].get(slot).copied()
}
