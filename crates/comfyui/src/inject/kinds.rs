//! Types of wires: ComfyUI's own, and those that packs of nodes bring with them.

use super::names;

/// Types that ComfyUI itself knows, those of which one of the words below is a part aside.
const COMFYUI: [&str; 32] = [
    "CONDITIONING",
    "LATENT",
    "IMAGE",
    "MASK",
    "INT",
    "FLOAT",
    "STRING",
    "BOOLEAN",
    "COMBO",
    "SAMPLER",
    "SIGMAS",
    "GUIDER",
    "NOISE",
    "GLIGEN",
    "ARRAY",
    "COLOR",
    "COLORS",
    "COMPOSITOR",
    "CURVE",
    "DICT",
    "FLOATS",
    "HISTOGRAM",
    "LAYERS",
    "MESH",
    "OPTICAL_FLOW",
    "PHOTOMAKER",
    "POSE_KEYPOINT",
    "SPLAT",
    "SVG",
    "TIMESTEPS_RANGE",
    "VOXEL",
    "WEBCAM",
];

/// Words in types of what is loaded, detected or added, which holds neither prompts nor settings of a sampler.
const RESOURCES: [&str; 33] = [
    "MODEL",
    "VAE",
    "CLIP",
    "LORA",
    "CONTROL",
    "STACK",
    "MASK",
    "SEG",
    "DETECT",
    "BOX",
    "SAM_",
    "HOOK",
    "IPADAPTER",
    "INSIGHT",
    "FACE",
    "AUDIO",
    "VHS",
    "FILE",
    "XY",
    "SCRIPT",
    "DEPENDENCIES",
    "KEYFRAME",
    "MOTION",
    "ENCODER",
    "INFO",
    "LLM",
    "WEIGHT",
    "OPTION",
    "OPTS",
    "EXTRA",
    "CAMERA",
    "TRACK",
    "GEOMETRY",
];

/// Whether a wire of this type may carry prompts, settings, or several things at once: it is a pack's own type, and not
/// one of models and the like.
pub(super) fn carries_more(kind: &str) -> bool {
    let kind = kind.to_uppercase();
    !kind
        .split([',', ':'])
        .any(|kind| COMFYUI.contains(&kind) || kind.starts_with("COMFY_") || kind == "VIDEO" || kind == "*")
        && !RESOURCES.iter().any(|word| kind.contains(word))
}

/// Whether a type is a pack's own, whatever it carries.
pub(super) fn is_foreign(kind: &str) -> bool {
    const LOADED: [&str; 8] = [
        "MODEL",
        "CLIP",
        "VAE",
        "CONTROL_NET",
        "CLIP_VISION",
        "STYLE_MODEL",
        "UPSCALE_MODEL",
        "LORA_MODEL",
    ];
    !kind
        .split([',', ':'])
        .any(|kind| COMFYUI.contains(&kind) || LOADED.contains(&kind) || kind.starts_with("COMFY_") || kind == "*")
}

/// Whether a wire of this type is a bundle by its name.
pub(super) fn is_bundle(kind: &str) -> bool {
    names::is_bundle(kind) && carries_more(kind)
}

/// Whether a wire of this type carries a number or a word.
pub(super) fn is_scalar(kind: &str) -> bool {
    kind.split([',', ':'])
        .any(|kind| matches!(kind, "INT" | "FLOAT" | "STRING" | "COMBO" | "NUMBER" | "SEED"))
}
