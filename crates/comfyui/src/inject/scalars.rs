//! The values that steer a sampler besides its prompts: seed, size, steps and the like.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::sweep::{Leads, Opened, Sweep};
use super::values::{self, Traced};
use super::walk::Walk;
use super::{Finding, Role, classes, models, names, numbers, size};

/// Names that a value goes by.
pub(super) type Names = &'static [&'static str];

/// Names of the strength of classifier-free guidance beside a negative prompt.
pub(super) const CFG_BESIDE_NEGATIVE: Names = &[
    "cfg",
    "cfg_conds",
    "cfg_cond2_negative",
    "video_cfg",
    "audio_cfg",
    "cfg_scale",
    "true_cfg_scale",
    "true_gs",
    "guidance_scale",
];

/// The same without one: then `guidance_scale`, the last, may be what the model was trained to take.
const CFG: Names = CFG_BESIDE_NEGATIVE.split_at(CFG_BESIDE_NEGATIVE.len() - 1).0;

/// The roles that are one value at the sampler or upstream of it, with the names they go by.
pub(super) const SCALARS: [(Role, Names); 7] = [
    (Role::Seed, &["seed", "noise_seed"]),
    (Role::Steps, &["steps", "num_inference_steps"]),
    (Role::Cfg, CFG),
    (Role::Sampler, &["sampler_name", "sampler"]),
    (Role::Width, &["width"]),
    (Role::Height, &["height"]),
    (Role::Model, &models::FILES),
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
    let is_size = matches!(role, Role::Width | Role::Height);
    let (leads_on, way) = leads_on(walk, &node, first, wires);
    let given = match way {
        // Beside a file, a wire such as `multitalk_model` adds to the model.
        Way::Direct => leads_on.iter().any(|(name, _)| name.starts_with("model")),
        Way::Packed => true,
        Way::Only => false,
    };
    let loads = !given && !models::files(&node).is_empty();
    let own = match role {
        // What is given a model, or a bundle that it is in, may load other models.
        Role::Model if !leads_on.is_empty() && !loads => models::checkpoints(&node),
        Role::Model => models::files(&node),
        // A number of steps alone may count passes, each of which has its own steps.
        Role::Steps if first && !leads_on.is_empty() && !classes::samples_itself(&node) => Vec::new(),
        // A sampler's own sides are those of its picture only where it has no latent.
        Role::Width | Role::Height if first => Vec::new(),
        // What steers a sampler may hold the size, but makes no latent for it.
        Role::Width | Role::Height if !wires.contains(&"LATENT") => size::plain_side(&node, role).into_iter().collect(),
        Role::Width | Role::Height => size::side(&node, role).into_iter().collect(),
        // A guider may have a strength for each of its conditions; of other values it has one.
        Role::Cfg => named(&node, role, wanted),
        _ => named(&node, role, wanted).into_iter().take(1).collect(),
    };
    // What patches a wire holds values of its own; the wire's are before it.
    let patches = way == Way::Direct && !first && !is_size && role != Role::Cfg && !(role == Role::Model && loads);
    if !own.is_empty() && !patches {
        let mut traced = Traced::default();
        for (name, value) in own {
            traced.extend(values::scalar(walk, value, (node.id(), name), role, wanted));
        }
        if is_size {
            numbers::beside_a_preset(walk, &node, &mut traced);
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
        .filter(|(name, _)| !exact || *name == "model")
        .filter(|(name, _)| !ground || is_ground(name));
    (Traced::default(), followed.map(|(_, source)| source).collect())
}

/// The inputs of a node that hold a value by one of its names.
fn named<'a>(node: &Node<'a>, role: Role, wanted: Names) -> Vec<(&'a str, InputValue<'a>)> {
    let is_value = |name: &str, value: &InputValue<'a>| {
        // A wire of that name carries a whole sampler.
        role != Role::Sampler || name == "sampler_name" || matches!(value, InputValue::Literal(Value::String(_)))
    };
    node.inputs()
        .filter(|(name, value)| wanted.contains(name) && is_value(name, value))
        .collect()
}

/// How a node is fed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By wires of the types that are looked for.
    Direct,
    /// By bundles that they may be in.
    Packed,
    /// By the only wire of a node that nobody described: it passes that on, or takes things out of it.
    Only,
}

/// The wires of some types by which a node is fed, by input and source; where there are none, what they may come by instead.
/// `first` is the sampler.
fn leads_on<'a>(walk: &Walk<'a>, node: &Node<'a>, first: bool, wires: Names) -> (Vec<(&'a str, &'a str)>, Way) {
    let links: Vec<(&str, &str, usize)> = walk
        .live_inputs(node)
        .into_iter()
        .filter_map(|(name, value)| match value {
            InputValue::Link { node: source, output } => Some((name, source, output)),
            InputValue::Literal(_) => None,
        })
        .collect();
    let of = |wanted: &dyn Fn(&str, (&str, usize)) -> bool| -> Vec<(&'a str, &'a str)> {
        links
            .iter()
            .filter(|(name, source, output)| wanted(name, (source, *output)))
            .map(|(name, source, _)| (*name, *source))
            .collect()
    };
    let direct = of(&|name, from| wires.iter().any(|kind| walk.is_wire_of(node, name, from, kind)));
    if !direct.is_empty() {
        return (direct, Way::Direct);
    }
    let packed = of(&|name, from| walk.carries_more(node, name, from));
    if !packed.is_empty() {
        return (packed, Way::Packed);
    }
    match &links[..] {
        [(name, source, _)] if !first && walk.spec(node).is_none() && !names::is_other_wire(name) => {
            (vec![(*name, *source)], Way::Only)
        }
        _ => (Vec::new(), Way::Only),
    }
}

/// Names under which a compositing node takes what others are pasted onto.
fn is_ground(name: &str) -> bool {
    matches!(name, "samples_to" | "destination")
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
