//! The values that steer a sampler besides its prompts: seed, size, steps and the like.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::values::{self, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, Role, names, size};

/// The roles that are one value at the sampler or upstream of it, with the names they go by.
pub(super) const SCALARS: [(Role, &[&str]); 7] = [
    (Role::Seed, &["seed", "noise_seed"]),
    (Role::Steps, &["steps"]),
    (
        Role::Cfg,
        &["cfg", "cfg_conds", "cfg_cond2_negative", "video_cfg", "audio_cfg"],
    ),
    (Role::Sampler, &["sampler_name", "sampler"]),
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
        _ => &["MODEL", "GUIDER"],
    };
    if matches!(role, Role::Width | Role::Height) {
        return size::of(walk, sampler, role, wanted);
    }
    over_wires(walk, sampler, role, wanted, wires)
}

pub(super) fn over_wires<'a>(
    walk: &Walk<'a>,
    sampler: Node<'a>,
    role: Role,
    wanted: &[&str],
    wires: &[&str],
) -> Traced {
    let mut traced = Traced::default();
    let mut seen = HashSet::new();
    let mut open = vec![sampler];
    while let Some(node) = open.pop() {
        if !seen.insert(node.id()) {
            continue;
        }
        let own = node.inputs().filter(|(name, value)| {
            let literal = matches!(value, InputValue::Literal(Value::String(_)));
            match role {
                // Wired in, a name comes from a node that chooses among files.
                Role::Model if literal => {
                    // Beside a file, `model` is a kind of model.
                    let kind = *name == "model" && node.input("ckpt_name").is_some();
                    wanted.contains(name) && !kind || names_weights(&node, name, value)
                }
                Role::Model => ["ckpt_name", "unet_name", "model_name"]
                    .iter()
                    .any(|known| name.ends_with(known)),
                // A wire of that name carries a whole sampler.
                Role::Sampler => wanted.contains(name) && (literal || *name == "sampler_name"),
                _ => wanted.contains(name),
            }
        });
        // A guider may have a strength for each of its conditions, and a node may merge models; of other values it has one.
        let several = matches!(role, Role::Cfg | Role::Model);
        let own: Vec<_> = own.take(if several { usize::MAX } else { 1 }).collect();
        let sized = !matches!(role, Role::Width | Role::Height)
            || node.input("width").is_some() && node.input("height").is_some() && node.id() != sampler.id();
        let leads_on: Vec<(&str, &str)> = walk
            .live_inputs(&node)
            .into_iter()
            .filter_map(|(name, value)| {
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
                                || names::is_bundle(name)
                                || passes_anything(name))
                });
                fits.then_some((name, source))
            })
            .collect();
        // What patches a wire holds values of its own; the wire's are before it.
        let patches = !leads_on.is_empty()
            && node.id() != sampler.id()
            && !matches!(role, Role::Width | Role::Height | Role::Cfg);
        if sized && !own.is_empty() && !patches {
            for (name, value) in own {
                traced.extend(values::scalar(walk, value, (node.id(), name), role, wanted));
            }
            continue;
        }
        // Beside `model`, another model such as `ic_model` is an ingredient.
        let exact = leads_on.iter().any(|(name, _)| role == Role::Model && *name == "model");
        // Of what is pasted onto what, the ground has the size.
        let ground = leads_on.iter().any(|(name, _)| is_ground(name));
        let followed = leads_on
            .into_iter()
            .filter(|(name, _)| !exact || *name == "model" || names::is_bundle(name))
            .filter(|(name, _)| !ground || is_ground(name));
        open.extend(followed.filter_map(|(_, source)| walk.graph.node(source)));
    }
    traced
}

/// Names under which a compositing node takes what others are pasted onto.
fn is_ground(name: &str) -> bool {
    matches!(name, "samples_to" | "destination")
}

/// Names under which switches and reroutes take whatever they pass on.
fn passes_anything(name: &str) -> bool {
    ["on_", "any", "input"].iter().any(|stem| name.starts_with(stem))
}

/// Whether an input of a loader names the weights of a diffusion model, under a name that nobody foresaw.
fn names_weights(node: &Node<'_>, name: &str, value: &InputValue<'_>) -> bool {
    let other = ["vae", "clip", "lora", "control", "refiner", "upscale"]
        .iter()
        .any(|word| name.to_lowercase().contains(word));
    let weights = matches!(value, InputValue::Literal(Value::String(text)) if names::is_weights(text));
    !other && weights && !matches!(node.input("model"), Some(InputValue::Link { .. }))
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
