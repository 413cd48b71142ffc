//! What counts as a sampler, and by which wires it is guided.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
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

/// Reads a node as a sampler: it makes a latent or a picture and is guided by conditioning, its own or a guider's.
pub(super) fn sampler<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Sampler<'a>> {
    let samples = [
        "seed",
        "noise_seed",
        "noise",
        "steps",
        "sampler",
        "sampler_name",
        "sigmas",
    ]
    .iter()
    .any(|name| node.input(name).is_some());
    if let Some(spec) = walk.spec(&node) {
        let makes = |kind: &str| spec.outputs.iter().any(|output| output.kind == kind);
        // What hands conditioning on is no sampler, unless it samples too.
        if !(makes("LATENT") || makes("IMAGE")) || makes("CONDITIONING") && !samples {
            return None;
        }
    } else if !samples || only_saves(walk, &node) || !gives_pictures(walk, &node) {
        return None;
    }
    let mut guides = guides(walk, &node);
    let missing = missing_sides(&guides);
    if !missing.is_empty() {
        let alone = guides.is_empty();
        for (name, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let pipe = |name: &str| name == "guider" || names::is_bundle(name);
            if names::is_bundle(name) || alone && walk.carries(&node, name, (source, output), "GUIDER", pipe) {
                guides.extend(guider(walk, value, &missing));
            }
        }
    }
    if guides.is_empty() {
        // One node that does it all: it takes its prompt as text.
        let seeded = ["seed", "noise_seed"].iter().any(|name| node.input(name).is_some());
        let texts = text_inputs(walk, &node);
        // What takes pictures and is read by nobody shows or saves them.
        let shows = (node.input("images").is_some() || node.input("image").is_some()) && !walk.is_read(node.id());
        if !seeded || texts.is_empty() || shows || !gives_pictures(walk, &node) || names::describes(&node) {
            return None;
        }
        // Its only text is the prompt.
        let negative: Vec<_> = texts
            .iter()
            .copied()
            .filter(|(name, _)| side_of(name) == Some(Side::Negative))
            .collect();
        let positive = of_side(texts, Side::Positive).into_iter();
        let positive = positive.map(|(name, value)| (Side::Positive, name, value));
        let negative = negative.into_iter().map(|(name, value)| (Side::Negative, name, value));
        return Some(Sampler {
            node,
            guides,
            words: positive.chain(negative).collect(),
        });
    }
    // Its own words beside the conditioning, such as a detailer's.
    let words = text_inputs(walk, &node)
        .into_iter()
        .filter(|(name, value)| !is_blank(value) && !names::is_conditioning(name))
        .map(|(name, value)| (Side::Positive, name, value))
        .collect();
    Some(Sampler { node, guides, words })
}

/// The conditioning a node itself is guided by, with the side of each.
fn guides<'a>(walk: &Walk<'a>, node: &Node<'a>) -> Vec<(Side, InputValue<'a>)> {
    walk.live_inputs(node)
        .into_iter()
        .filter(|(name, value)| match value {
            InputValue::Link { node: source, output } => {
                walk.carries(node, name, (source, *output), "CONDITIONING", names::is_conditioning)
                    && (names::is_conditioning(name) || walk.input_wire(node, name) == Wire::Of("CONDITIONING"))
            }
            InputValue::Literal(_) => false,
        })
        // The empty conditioning of perpendicular guidance is no prompt.
        .filter(|(name, _)| !name.starts_with("empty"))
        .map(|(name, value)| match name {
            // Dual guidance subtracts its middle condition from the first: it plays the negative part.
            "cond2" => (Side::Negative, value),
            name => (side_of(name).unwrap_or(Side::Positive), value),
        })
        .collect()
}

/// The sides that are not among these.
fn missing_sides(guides: &[(Side, InputValue<'_>)]) -> Vec<Side> {
    [Side::Positive, Side::Negative]
        .into_iter()
        .filter(|side| !guides.iter().any(|(known, _)| known == side))
        .collect()
}

/// The conditioning of the wanted sides behind a guider's or a bundle's wire, through switches and guiders around guiders.
pub(super) fn guider<'a>(walk: &Walk<'a>, value: InputValue<'a>, wanted: &[Side]) -> Vec<(Side, InputValue<'a>)> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![(value, wanted.to_vec())];
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
        if own.is_empty() && !text_inputs(walk, &node).is_empty() {
            own = vec![(Side::Positive, value), (Side::Negative, value)];
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
            let leads_on = names::is_bundle(name)
                || alone
                    && walk.carries(&node, name, (source, output), "GUIDER", |name| {
                        !names::is_other_wire(name)
                    });
            if leads_on {
                open.push((value, rest.clone()));
            }
        }
    }
    found
}

/// Whether what a node gives out is taken as a picture or a latent, or by nobody.
fn gives_pictures<'a>(walk: &Walk<'a>, node: &Node<'a>) -> bool {
    let readers = walk.readers(node.id());
    walk.step(readers.len() as u64);
    let picture = |(reader, name): &(Node<'a>, &'a str)| match walk.input_wire(reader, name) {
        Wire::Of(kind) => matches!(kind, "IMAGE" | "LATENT"),
        Wire::Unknown => {
            names::is_bundle(name)
                || ["image", "pixels", "samples", "latent", "any", "input", "on_"]
                    .iter()
                    .any(|stem| name.starts_with(stem))
        }
    };
    readers.is_empty() || readers.iter().any(picture)
}

/// Whether a node of a class nobody described saves pictures, with the settings they were made with.
fn only_saves(walk: &Walk<'_>, node: &Node<'_>) -> bool {
    let takes = |names: &[&str]| names.iter().any(|name| node.input(name).is_some());
    takes(&["images", "image"])
        && takes(&["filename", "filename_prefix", "path", "output_path", "extension"])
        && !walk.is_read(node.id())
}
