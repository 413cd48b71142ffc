//! What counts as a sampler, and by which wires it is guided.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::bundle;
use super::classes;
use super::conditioning::{Conditionings, encoder, is_blank};
use super::encoder::{of_side, text_inputs};
use super::names::{self, Side, side_of};
use super::sweep::Leads;
use super::values::Traced;
use super::walk::{Walk, Wire};

/// Samplers that are looked at; a workflow of more is a question.
pub(super) const MOST_SAMPLERS: usize = 256;

/// A sampler with what it is guided by.
pub(super) struct Sampler<'a> {
    pub(super) node: Node<'a>,
    /// The conditioning of each side.
    guides: Vec<(Side, InputValue<'a>)>,
    /// The inputs that are text of its own.
    words: Vec<(Side, &'a str, InputValue<'a>)>,
}

impl<'a> Sampler<'a> {
    /// Adds the texts of one side to `found`, as far as no sampler before had them, and says whether there are any.
    pub(super) fn texts(&self, side: Side, guided: &mut Conditionings<'_, 'a>, found: &mut Traced) -> Leads {
        let mut leads = Leads::default();
        for (_, value) in self.guides.iter().filter(|(own, _)| *own == side) {
            leads |= guided.follow(*value, side, found);
        }
        let words = self.words.iter().filter(|(own, ..)| *own == side);
        let words = words.map(|(_, name, value)| (*name, *value)).collect();
        let own = encoder(guided.walk, side, &self.node, words);
        // Beside conditioning, words that cannot be followed may be none.
        if self.guides.is_empty() || !own.places.is_empty() {
            leads |= Leads::of(&own);
            found.extend(own);
        }
        leads
    }
}

/// Reads a node as a sampler: it makes a latent or a picture and is guided by conditioning, its own, a guider's or a bundle's.
pub(super) fn sampler<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Sampler<'a>> {
    let samples = Samples::of(&node);
    if !may_sample(walk, &node, samples) {
        return None;
    }
    let mut guides = guides(walk, &node);
    let missing = missing_sides(&guides);
    if !missing.is_empty() {
        let alone = guides.is_empty();
        let mut bundles = Vec::new();
        for (name, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let from = (source, output);
            let pipe = |name: &str| name == "guider" || names::is_bundle(name);
            let packed = walk.is_bundle(&node, name, from)
                // Of a pack's own type, what is packed in has to be a sampler's.
                || alone
                    && walk.carries_more(&node, name, from)
                    && (samples.is_some() || bundle::holds_settings(walk, value));
            if packed || alone && walk.carries(&node, name, from, "GUIDER", pipe) {
                bundles.push(value);
            }
        }
        guides.extend(guider(walk, bundles, &missing));
    }
    if guides.is_empty() {
        return all_in_one(walk, node);
    }
    // Its own words beside the conditioning, such as a detailer's.
    let words = text_inputs(walk, &node)
        .into_iter()
        .filter(|(name, value)| !is_blank(value) && !names::is_conditioning(name))
        .map(|(name, value)| (Side::Positive, name, value))
        .collect();
    Some(Sampler { node, guides, words })
}

/// What tells that a node samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Samples {
    /// A seed alone, which loaders and contexts may hold as well.
    Seed,
    /// Steps, noise or the name of a sampler.
    Settings,
}

impl Samples {
    fn of(node: &Node<'_>) -> Option<Self> {
        let has = |names: &[&str]| names.iter().any(|name| node.input(name).is_some());
        if has(&["noise", "steps", "sampler", "sampler_name", "sigmas"]) {
            Some(Self::Settings)
        } else {
            has(&["seed", "noise_seed"]).then_some(Self::Seed)
        }
    }
}

/// Whether a node makes a latent or a picture, and does not only load, pass on or save what others make.
fn may_sample<'a>(walk: &Walk<'a>, node: &Node<'a>, samples: Option<Samples>) -> bool {
    let wired = node.inputs().all(|(_, value)| matches!(value, InputValue::Link { .. }));
    if let Some(spec) = walk.spec(node) {
        let makes = |kind: &str| spec.outputs.iter().any(|output| output.kind == kind);
        // What hands conditioning on is no sampler, unless it samples too; a context holds nothing itself.
        return (makes("LATENT") || makes("IMAGE")) && (!makes("CONDITIONING") || samples.is_some() && !wired);
    }
    let custom = ["noise", "sigmas", "guider"]
        .iter()
        .any(|name| node.input(name).is_some());
    match samples {
        None => false,
        Some(_) if only_saves(walk, node) => false,
        // All that a sampler has, whoever takes what it makes.
        Some(_) if is_complete(node) => true,
        Some(_) if wired && !custom => false,
        Some(Samples::Settings) => gives_pictures(walk, node, names::is_bundle),
        Some(Samples::Seed) => gives_pictures(walk, node, |_| false),
    }
}

/// Whether a node has a latent and all settings of a sampler.
fn is_complete(node: &Node<'_>) -> bool {
    let has = |names: &[&str]| names.iter().any(|name| node.input(name).is_some());
    let latent = ["latent_image", "samples"].map(|name| node.input(name));
    latent
        .iter()
        .any(|value| matches!(value, Some(InputValue::Link { .. })))
        && has(&["seed", "noise_seed"])
        && has(&["steps"])
        && has(&["sampler_name"])
}

/// One node that does it all: it takes its prompt as text.
fn all_in_one<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Sampler<'a>> {
    const SEEDS: [&str; 2] = ["seed", "noise_seed"];
    let texts = text_inputs(walk, &node);
    let makes_up = SEEDS.iter().any(|name| node.input(name).is_some())
        || !bundle::put_in(walk, &node, &SEEDS).is_empty()
        || is_service(&node, &texts);
    // What takes pictures and is read by nobody shows or saves them.
    let shows = (node.input("images").is_some() || node.input("image").is_some()) && !walk.is_read(node.id());
    let loads = walk
        .spec(&node)
        .is_some_and(|spec| spec.outputs.iter().any(|output| output.kind == "CONDITIONING"));
    let speaks = classes::describes(&node) || walk.spec(&node).is_none() && classes::is_language_model(&node);
    if !makes_up || texts.is_empty() || shows || loads || speaks {
        return None;
    }
    if !gives_pictures(walk, &node, names::is_bundle) {
        return None;
    }
    // Its only text is the prompt, unless that comes from a node that has both sides.
    let both = |value: &InputValue<'a>| match value {
        InputValue::Link { node, .. } => walk
            .graph
            .node(node)
            .is_some_and(|source| source.inputs().any(|(name, _)| side_of(name) == Some(Side::Negative))),
        InputValue::Literal(_) => false,
    };
    let own = texts.iter().any(|(name, _)| side_of(name) == Some(Side::Negative));
    let negative: Vec<_> = texts
        .iter()
        .copied()
        .filter(|(name, value)| side_of(name) == Some(Side::Negative) || !own && both(value))
        .collect();
    let positive = of_side(texts, Side::Positive).into_iter();
    let positive = positive.map(|(name, value)| (Side::Positive, name, value));
    let negative = negative.into_iter().map(|(name, value)| (Side::Negative, name, value));
    Some(Sampler {
        node,
        guides: Vec::new(),
        words: positive.chain(negative).collect(),
    })
}

/// Whether a node asks a service for a picture: it takes a prompt and the size, and nothing that was loaded.
fn is_service(node: &Node<'_>, texts: &[(&str, InputValue<'_>)]) -> bool {
    let sized = ["width", "height"].iter().all(|side| node.input(side).is_some());
    let loaded = ["model", "clip", "vae"]
        .iter()
        .any(|name| matches!(node.input(name), Some(InputValue::Link { .. })));
    sized && !loaded && texts.iter().any(|(name, _)| name.contains("prompt"))
}

/// The conditioning a node itself is guided by, with the side of each.
fn guides<'a>(walk: &Walk<'a>, node: &Node<'a>) -> Vec<(Side, InputValue<'a>)> {
    let mut found = Vec::new();
    for (name, value) in walk.live_inputs(node) {
        let InputValue::Link { node: source, output } = value else {
            continue;
        };
        let from = (source, output);
        let named = names::is_conditioning(name);
        let carries = walk.carries(node, name, from, "CONDITIONING", names::is_conditioning)
            && (named || walk.input_wire(node, name) == Wire::Of("CONDITIONING"));
        // A pack's own type of encoded text.
        let packed = named && walk.carries_more(node, name, from);
        // The empty conditioning of perpendicular guidance is no prompt.
        if !(carries || packed) || name.starts_with("empty") {
            continue;
        }
        match side_of(name) {
            Some(side) => found.push((side, value)),
            // Dual guidance subtracts its middle condition from the first: it plays the negative part.
            None if name == "cond2" => found.push((Side::Negative, value)),
            None => {
                found.push((Side::Positive, value));
                // What a pack calls embeds may be those of both sides.
                if packed || names::is_embedded(name) {
                    found.push((Side::Negative, value));
                }
            }
        }
    }
    found
}

/// The sides that are not among these.
fn missing_sides(guides: &[(Side, InputValue<'_>)]) -> Vec<Side> {
    [Side::Positive, Side::Negative]
        .into_iter()
        .filter(|side| !guides.iter().any(|(known, _)| known == side))
        .collect()
}

/// The conditioning of the wanted sides behind wires of guiders or bundles, through switches and guiders around guiders.
pub(super) fn guider<'a>(
    walk: &Walk<'a>,
    values: impl IntoIterator<Item = InputValue<'a>>,
    wanted: &[Side],
) -> Vec<(Side, InputValue<'a>)> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open: Vec<_> = values.into_iter().map(|value| (value, wanted.to_vec())).collect();
    open.reverse();
    while let Some((value, wanted)) = open.pop() {
        let InputValue::Link { node, .. } = value else { continue };
        let Some(node) = walk.graph.node(node).filter(|node| seen.insert(node.id())) else {
            continue;
        };
        if !walk.enter(&node) {
            break;
        }
        let mut own = guides(walk, &node);
        // A loader that takes the prompts itself and hands out a bundle.
        let texts = text_inputs(walk, &node);
        let says = |side: Side| {
            texts
                .iter()
                .any(|(name, value)| side_of(name) == Some(side) && matches!(value, InputValue::Literal(_)))
        };
        // Beside a bundle that it is given, a blank text adds nothing.
        let adds = texts.iter().any(|(_, value)| !is_blank(value)) || !takes_a_bundle(walk, &node);
        if own.is_empty() && !texts.is_empty() && adds {
            own = vec![(Side::Positive, value), (Side::Negative, value)];
        } else if !own.is_empty() {
            // Of one side it may take text, of the other conditioning.
            let missing = missing_sides(&own).into_iter();
            own.extend(missing.filter(|side| says(*side)).map(|side| (side, value)));
        }
        let alone = own.is_empty();
        let missing = missing_sides(&own);
        found.extend(own.into_iter().filter(|(side, _)| wanted.contains(side)));
        // A node that replaces a part of a bundle: the rest is in what it was given.
        let rest: Vec<Side> = wanted.into_iter().filter(|side| missing.contains(side)).collect();
        if rest.is_empty() {
            continue;
        }
        for (name, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let from = (source, output);
            let leads_on = walk.is_bundle(&node, name, from)
                || alone
                    && (walk.carries_more(&node, name, from)
                        || walk.carries(&node, name, from, "GUIDER", |name| !names::is_other_wire(name)));
            if leads_on {
                open.push((value, rest.clone()));
            }
        }
    }
    found
}

/// Whether a node is given a bundle.
fn takes_a_bundle<'a>(walk: &Walk<'a>, node: &Node<'a>) -> bool {
    walk.live_inputs(node).into_iter().any(|(name, value)| match value {
        InputValue::Link { node: source, output } => walk.is_bundle(node, name, (source, output)),
        InputValue::Literal(_) => false,
    })
}

/// Whether what a node gives out is taken as a picture or a latent, or by nobody; `also` are other names it may be taken by.
fn gives_pictures<'a>(walk: &Walk<'a>, node: &Node<'a>, also: fn(&str) -> bool) -> bool {
    let readers = walk.readers(node.id());
    walk.step(readers.len() as u64);
    let picture = |(reader, name): &(Node<'a>, &'a str)| match walk.input_wire(reader, name) {
        Wire::Of(kind) => matches!(kind, "IMAGE" | "LATENT"),
        Wire::Unknown => also(name) || names::takes_pictures(name),
    };
    // Of what passes anything on, it counts what it feeds.
    let passed = |(reader, name): &(Node<'a>, &'a str)| {
        let behind = walk.readers(reader.id());
        walk.step(behind.len() as u64);
        walk.input_wire(reader, name) == Wire::Unknown
            && names::passes_anything(name)
            && (behind.is_empty() || behind.iter().any(picture))
    };
    readers.is_empty() || readers.iter().any(|reader| picture(reader) || passed(reader))
}

/// Whether a node of a class nobody described saves pictures, with the settings they were made with.
fn only_saves(walk: &Walk<'_>, node: &Node<'_>) -> bool {
    let takes = |names: &[&str]| names.iter().any(|name| node.input(name).is_some());
    takes(&["images", "image"])
        && takes(&["filename", "filename_prefix", "path", "output_path", "extension"])
        && !walk.is_read(node.id())
}
