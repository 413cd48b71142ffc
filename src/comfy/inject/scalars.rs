//! The values that steer a sampler besides its prompts: seed, size, steps and the like.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::values::{self, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, Role};

/// The roles that are one value at the sampler or upstream of it, with the names they go by.
pub(super) const SCALARS: [(Role, &[&str]); 7] = [
    (Role::Seed, &["seed", "noise_seed"]),
    (Role::Steps, &["steps"]),
    (Role::Cfg, &["cfg", "cfg_conds"]),
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
        let own = node.inputs().find(|(name, value)| {
            wanted.contains(name) && (role != Role::Model || matches!(value, InputValue::Literal(Value::String(_))))
        });
        let sized = !matches!(role, Role::Width | Role::Height)
            || node.input("width").is_some() && node.input("height").is_some() && node.id() != sampler.id();
        if let Some((name, value)) = own.filter(|_| sized) {
            traced.extend(values::scalar(walk, value, (node.id(), name), wanted));
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
