//! The values that steer a sampler besides its prompts: seed, size, steps and the like.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::sweep::{Leads, Opened, Sweep};
use super::values::{self, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, Role, names, size};

/// Names that a value goes by.
pub(super) type Names = &'static [&'static str];

/// The roles that are one value at the sampler or upstream of it, with the names they go by.
pub(super) const SCALARS: [(Role, Names); 7] = [
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

/// Finds one value of all these samplers: at each sampler itself, else over the wires that lead to it.
pub(super) fn of<'a>(walk: &Walk<'a>, samplers: &[Node<'a>], role: Role, wanted: Names) -> Traced {
    let wires: Names = match role {
        Role::Width | Role::Height => return size::of(walk, samplers, role, wanted),
        Role::Seed => &["NOISE"],
        Role::Steps => &["SIGMAS"],
        Role::Cfg => &["GUIDER"],
        Role::Sampler => &["SAMPLER"],
        _ => &["MODEL", "GUIDER"],
    };
    let mut found = Traced::default();
    let mut search = Search::new(walk, role, wanted, wires);
    for sampler in samplers {
        if role == Role::Seed && adds_no_noise(walk, sampler) {
            continue;
        }
        let leads = search.follow(*sampler, &mut found);
        // Every sampler has a model; where it is not found, what the others have is not all.
        if role == Role::Model && !leads.anything {
            found.doubt.get_or_insert(values::unresolved(sampler));
        }
    }
    found
}

/// A search for one value along wires of some types, for all samplers together.
pub(super) struct Search<'w, 'a> {
    walk: &'w Walk<'a>,
    role: Role,
    wanted: Names,
    wires: Names,
    sweep: Sweep<&'a str>,
}

impl<'w, 'a> Search<'w, 'a> {
    pub(super) fn new(walk: &'w Walk<'a>, role: Role, wanted: Names, wires: Names) -> Self {
        Self {
            walk,
            role,
            wanted,
            wires,
            sweep: Sweep::default(),
        }
    }

    /// Adds what a sampler leads to, as far as no sampler before led to it, and says whether there is anything.
    pub(super) fn follow(&mut self, sampler: Node<'a>, found: &mut Traced) -> Leads {
        let (walk, role, wanted, wires) = (self.walk, self.role, self.wanted, self.wires);
        let opened = |node: Node<'a>, first: bool| at(walk, node, first, role, wanted, wires);
        let start = opened(sampler, true);
        self.sweep.follow(start, found, |id| match walk.graph.node(id) {
            Some(node) => opened(node, false),
            None => Opened::default(),
        })
    }
}

/// The value in one node, or else the nodes that its wires lead on to; `first` is the sampler.
fn at<'a>(walk: &Walk<'a>, node: Node<'a>, first: bool, role: Role, wanted: Names, wires: Names) -> Opened<&'a str> {
    if !walk.enter(&node) {
        return Opened::default();
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
        || node.input("width").is_some() && node.input("height").is_some() && !first;
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
    let patches = !leads_on.is_empty() && !first && !matches!(role, Role::Width | Role::Height | Role::Cfg);
    if sized && !own.is_empty() && !patches {
        let mut traced = Traced::default();
        for (name, value) in own {
            traced.extend(values::scalar(walk, value, (node.id(), name), role, wanted));
        }
        return (traced, Vec::new());
    }
    // Beside `model`, another model such as `ic_model` is an ingredient.
    let exact = leads_on.iter().any(|(name, _)| role == Role::Model && *name == "model");
    // Of what is pasted onto what, the ground has the size.
    let ground = leads_on.iter().any(|(name, _)| is_ground(name));
    let followed = leads_on
        .into_iter()
        .rev()
        .filter(|(name, _)| !exact || *name == "model" || names::is_bundle(name))
        .filter(|(name, _)| !ground || is_ground(name));
    (Traced::default(), followed.map(|(_, source)| source).collect())
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
