//! What the names of inputs and outputs tell. The only knowledge there is about classes the server did not
//! describe, so it errs on the side of seeing text.

/// Which of the two sides of the guidance something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Positive,
    Negative,
}

/// The side that a name speaks of, if any.
pub(super) fn side_of(name: &str) -> Option<Side> {
    let name = name.to_lowercase();
    let starts =
        |word: &str| name == word || name.starts_with(&format!("{word}_")) || name.ends_with(&format!("_{word}"));
    if name.contains("negative") || starts("neg") || name.ends_with("conditioning-") {
        Some(Side::Negative)
    } else if name.contains("positive") || starts("pos") || name.ends_with("conditioning+") {
        Some(Side::Positive)
    } else {
        None
    }
}

/// Names under which text encoders take their text.
pub(super) fn is_text(name: &str) -> bool {
    const NAMES: [&str; 15] = [
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
        "positive",
        "negative",
    ];
    let name = name.to_lowercase();
    // Lumina's system prompt is a choice of presets, and no system prompt is what a picture shows.
    NAMES.contains(&name.as_str())
        || name.contains("prompt") && !name.starts_with("system")
        || name.starts_with("text_") && !name.contains("encoder")
}

/// Names under which string nodes take the text they pass on.
pub(super) fn is_string_part(name: &str) -> bool {
    let name = name.to_lowercase();
    is_text(&name)
        || name.starts_with("string")
        || name.starts_with("text")
        || name == "system_prompt"
        || matches!(
            name.as_str(),
            "source" | "value" | "json_string" | "f_string" | "input" | "any" | "anything"
        )
}

/// Names of texts that only steer a string node.
pub(super) fn is_string_control(name: &str) -> bool {
    matches!(
        name.to_lowercase().as_str(),
        "delimiter"
            | "separator"
            | "find"
            | "regex_pattern"
            | "pattern"
            | "key"
            | "mode"
            | "expression"
            | "prefix"
            | "filename_prefix"
    )
}

/// Names under which conditioning travels.
pub(super) fn is_conditioning(name: &str) -> bool {
    let name = name.to_lowercase();
    side_of(&name).is_some() || name.starts_with("cond")
}

/// Names of inputs that never lead to conditioning or text, for classes the server did not describe.
pub(super) fn is_other_wire(name: &str) -> bool {
    const STEMS: [&str; 18] = [
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
    ];
    let name = name.to_lowercase();
    STEMS.iter().any(|stem| name.starts_with(stem)) && !is_text(&name)
}

/// Whether a class is one of ComfyUI's constants.
pub(super) fn is_primitive(class: &str) -> bool {
    class.starts_with("Primitive")
}

/// Whether a class zeroes the conditioning that passes through it.
pub(super) fn is_zero_out(class: &str) -> bool {
    class.contains("ZeroOut")
}

/// Whether a string node hands its text on as it is.
pub(super) fn passes_text_on(class: &str) -> bool {
    is_primitive(class)
        || matches!(class, "PreviewAny" | "StringTrim" | "StripWhitespace" | "SaveText")
        || class.starts_with("ShowText")
}

/// Whether a class saves or shows something, judged by its name.
pub(super) fn is_output(class: &str) -> bool {
    ["Save", "Preview"].iter().any(|stem| class.starts_with(stem)) || class == "VHS_VideoCombine"
}

/// Whether a class is the receptor, in either style.
pub(super) fn is_receptor(class: &str) -> bool {
    class.starts_with(super::RECEPTOR_CLASS)
}

/// The input of the receptor behind an output slot.
pub(super) fn receptor_input(slot: usize) -> Option<&'static str> {
    ["positive", "negative", "seed"].get(slot).copied()
}
