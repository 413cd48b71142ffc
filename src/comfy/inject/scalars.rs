//! The values that steer a sampler besides its prompts: seed, size, steps and the like.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::values::{self, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, Role, Why};

/// The roles that are one value at the sampler or upstream of it, with the names they go by.
pub(super) const SCALARS: [(Role, &[&str]); 7] = [
    (Role::Seed, &["seed", "noise_seed"]),
    (Role::Steps, &["steps"]),
    (
        Role::Cfg,
        &["cfg", "cfg_conds", "cfg_cond2_negative", "video_cfg", "audio_cfg"],
    ),
    (Role::Sampler, &["sampler_name"]),
    (Role::Width, &["width"]),
    (Role::Height, &["height"]),
    (
        Role::Model,
        &["ckpt_name", "unet_name", "model_name", "gguf_name", "model"],
    ),
];

/// Finds one value of a sampler: at the sampler itself, else over the wires that lead to it.
pub(super) fn of<'a>(walk: &Walk<'a>, sampler: Node<'a>, role: Role, wanted: &[&str]) -> Traced {
    if role == Role::Seed && adds_no_noise(walk, &sampler) {
        return Traced::default();
    }
    let wires: &[&str] = match role {
        Role::Seed => &["NOISE"],
        Role::Steps => &["SIGMAS"],
        Role::Cfg => &["GUIDER"],
        Role::Sampler => &["SAMPLER"],
        // Some schedulers and model patches depend on the size and must be written with the latent.
        Role::Width | Role::Height => &["LATENT", "SIGMAS", "MODEL"],
        _ => &["MODEL", "GUIDER"],
    };
    let mut traced = Traced::default();
    let mut seen = HashSet::new();
    let mut open = vec![sampler];
    while let Some(node) = open.pop() {
        if !seen.insert(node.id()) {
            continue;
        }
        let own = node.inputs().filter(|(name, value)| {
            wanted.contains(name) && (role != Role::Model || matches!(value, InputValue::Literal(Value::String(_))))
        });
        // A guider may have a strength for each of its conditions; of other values a node has one.
        let own: Vec<_> = own.take(if role == Role::Cfg { usize::MAX } else { 1 }).collect();
        let sized = !matches!(role, Role::Width | Role::Height)
            || node.input("width").is_some() && node.input("height").is_some() && node.id() != sampler.id();
        if sized && !own.is_empty() {
            for (name, value) in own {
                traced.extend(values::scalar(walk, value, (node.id(), name), wanted));
            }
            continue;
        }
        open.extend(walk.live_inputs(&node).into_iter().filter_map(|(name, value)| {
            let InputValue::Link { node: source, output } = value else {
                return None;
            };
            let fits = wires.iter().any(|kind| {
                let stem = kind.to_lowercase();
                walk.input_wire(&node, name) == Wire::Of(kind)
                    || walk.output_wire(source, output) == Wire::Of(kind)
                    || walk.input_wire(&node, name) == Wire::Unknown
                        && walk.output_wire(source, output) == Wire::Unknown
                        && (name.starts_with(&stem)
                            || stem == "latent" && name.starts_with("samples")
                            || name.starts_with("on_"))
            });
            fits.then(|| walk.graph.node(source)).flatten()
        }));
    }
    match role {
        Role::Width | Role::Height if traced.places.is_empty() => size_of_pictures(walk, sampler, role),
        _ => traced,
    }
}

/// The size of a latent that is made from a picture: what the picture was brought to, if anything.
fn size_of_pictures<'a>(walk: &Walk<'a>, sampler: Node<'a>, role: Role) -> Traced {
    let stem = role.name();
    let mut traced = Traced::default();
    let mut seen = HashSet::new();
    let mut open = vec![sampler];
    while let Some(node) = open.pop() {
        if !seen.insert(node.id()) {
            continue;
        }
        if node.id() != sampler.id() {
            let found = size_set_by(walk, &node, role);
            if !found.places.is_empty() {
                traced.extend(found);
                continue;
            }
        }
        open.extend(walk.live_inputs(&node).into_iter().filter_map(|(name, value)| {
            let InputValue::Link { node: source, output } = value else {
                return None;
            };
            let carries = match (walk.input_wire(&node, name), walk.output_wire(source, output)) {
                (_, Wire::Of(kind)) | (Wire::Of(kind), _) => match kind {
                    "LATENT" => true,
                    // A sampler's other wires steer it.
                    _ if node.id() == sampler.id() => false,
                    "IMAGE" | "VIDEO" => true,
                    // Read off a picture.
                    "INT" => name.ends_with(stem),
                    // What a picture is drawn from, such as a depth map's geometry.
                    kind => draws(walk, &node) && !kind.ends_with("MODEL"),
                },
                (Wire::Unknown, Wire::Unknown) => ["latent", "samples", "image", "pixels", "video", stem]
                    .iter()
                    .any(|known| name.starts_with(known)),
            };
            carries.then(|| walk.graph.node(source)).flatten()
        }));
    }
    traced
}

/// Whether a node gives out a picture without taking one.
fn draws<'a>(walk: &Walk<'a>, node: &Node<'a>) -> bool {
    walk.spec(node).is_some_and(|spec| {
        spec.outputs.iter().any(|output| output.kind == "IMAGE")
            && !spec.inputs.iter().any(|input| input.is_wire("IMAGE"))
    })
}

/// The literals of one node that set the size of what it gives out.
fn size_set_by<'a>(walk: &Walk<'a>, node: &Node<'a>, role: Role) -> Traced {
    /// What the size of the result is computed from, in nodes that change it.
    const FACTORS: [&str; 6] = [
        "megapixels",
        "resolution_steps",
        "scale_by",
        "multiplier",
        "longer",
        "shorter",
    ];
    const RESIZING: [&str; 4] = ["scale", "resize", "pad", "crop"];
    let stem = role.name();
    let sides = match role {
        Role::Width => ["left", "right"],
        _ => ["top", "bottom"],
    };
    let named = |name: &str, stem: &str| {
        name == stem || name.ends_with(&format!("_{stem}")) || name.ends_with(&format!(".{stem}"))
    };
    let mut traced = Traced::default();
    // Both sides, or it is the width of something else.
    if node.inputs().any(|(name, _)| named(name, "width")) && node.inputs().any(|(name, _)| named(name, "height")) {
        for (name, value) in node.inputs().filter(|(name, _)| named(name, stem)) {
            traced.extend(values::scalar(walk, value, (node.id(), name), &[stem]));
        }
        return traced;
    }
    let class = node.class().to_lowercase();
    if RESIZING.iter().any(|word| class.contains(word)) {
        for (name, value) in node.inputs() {
            let last = name.rsplit('.').next().unwrap_or(name);
            let counts = FACTORS.iter().any(|factor| last.starts_with(factor)) || sides.contains(&last);
            if counts && !matches!(value, InputValue::Literal(value) if !value.is_number()) {
                traced.extend(values::scalar(walk, value, (node.id(), name), &[]));
            }
        }
        traced.doubt = Some(Why::Computed {
            by: node.id().into(),
            title: node.title().to_owned(),
        });
    }
    traced
}

/// Whether a sampler only goes on from noise that another one added, so that its seed does nothing.
fn adds_no_noise<'a>(walk: &Walk<'a>, sampler: &Node<'a>) -> bool {
    let value = sampler.input("add_noise").and_then(|value| walk.constant(value));
    value.is_some_and(|value| *value == Value::Bool(false) || value.as_str() == Some("disable"))
}

/// The largest seed that every place takes.
pub(super) fn seed_limit(walk: &Walk<'_>, finding: &Finding) -> u64 {
    finding
        .places()
        .iter()
        .filter_map(|place| {
            let node = walk.graph.node(place.node.as_str())?;
            match walk.spec(&node)?.input(&node, &place.input)?.kind {
                InputKind::Int { max, .. } => max.and_then(|max| u64::try_from(max).ok()),
                _ => None,
            }
        })
        .min()
        .unwrap_or(u64::MAX)
}
