//! From the samplers back to what steers them.

use std::collections::{BTreeMap, HashSet};

use super::super::graph::{Graph, InputValue, Node, NodeId};
use super::super::object_info::ObjectInfo;
use super::encoder::{of_side, text_inputs};
use super::names::{self, Side, side_of};
use super::scalars;
use super::values::{self, Traced};
use super::walk::{Walk, Wire};
use super::{Finding, FoundBy, Place, Role, Roles, Why};

/// What was found for one side of the guidance.
#[derive(Default)]
struct Texts {
    traced: Traced,
    zeroed: bool,
}

/// A sampler with the two sides it is guided by.
struct Sampler<'a> {
    node: Node<'a>,
    positive: Texts,
    negative: Texts,
}

pub(super) fn find(graph: &Graph, info: &ObjectInfo) -> Roles {
    let walk = Walk::new(graph, info);
    let outputs = walk.outputs();
    let live = walk.upstream(&outputs, |_| false);
    let all: Vec<Sampler<'_>> = graph
        .nodes()
        .filter(|node| live.contains(node.id()))
        .filter_map(|node| sampler(&walk, node))
        .collect();
    // A helper such as a depth estimator samples too, but takes no text: it does not decide the picture.
    let (texts, bare): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|sampler| !sampler.positive.traced.places.is_empty());
    let main = if texts.is_empty() { bare } else { texts };
    let ids: Vec<&str> = main.iter().map(|sampler| sampler.node.id()).collect();

    let mut findings = BTreeMap::new();
    for (role, wanted) in scalars::SCALARS {
        let mut traced = Traced::default();
        main.iter()
            .for_each(|sampler| traced.extend(scalars::of(&walk, sampler.node, role, wanted)));
        findings.insert(role, settle(traced, FoundBy::Traced));
    }
    let (positive, negative) = prompts(&walk, main, &ids, &outputs);
    findings.insert(Role::Positive, positive);
    findings.insert(Role::Negative, negative);
    for (role, finding) in receptor(&walk, &ids) {
        findings.insert(role, finding);
    }
    let seed_limit = findings
        .get(&Role::Seed)
        .map_or(u64::MAX, |finding| scalars::seed_limit(&walk, finding));
    Roles {
        findings,
        samplers: ids.into_iter().map(NodeId::from).collect(),
        outputs: outputs.into_iter().map(NodeId::from).collect(),
        seed_limit,
        chosen: BTreeMap::new(),
    }
}

/// One finding from what was traced: equal values are one place written several times, anything else is a question.
fn settle(traced: Traced, found_by: FoundBy) -> Finding {
    let Traced { places, doubt } = traced;
    let Some(first) = places.first() else {
        return Finding::Absent;
    };
    match doubt {
        Some(why) => Finding::Candidates { places, why },
        None if places.iter().all(|place| place.value == first.value) => Finding::Found { places, found_by },
        None => Finding::Candidates {
            places,
            why: Why::Different,
        },
    }
}

fn prompts<'a>(walk: &Walk<'a>, main: Vec<Sampler<'a>>, ids: &[&'a str], outputs: &[&'a str]) -> (Finding, Finding) {
    let (mut positive, mut negative, mut zeroed) = (Traced::default(), Traced::default(), false);
    for sampler in main {
        positive.extend(sampler.positive.traced);
        negative.extend(sampler.negative.traced);
        zeroed |= sampler.negative.zeroed;
    }
    // Text that steers both sides is the prompt; writing a negative prompt there would overwrite it.
    negative
        .places
        .retain(|place| !positive.places.iter().any(|known| known.is(place)));
    let negative = match settle(negative, FoundBy::Traced) {
        Finding::Absent if zeroed => Finding::Zeroed,
        finding => finding,
    };
    let positive = match settle(positive, FoundBy::Traced) {
        Finding::Absent => {
            let mut guess = loose_texts(walk, if ids.is_empty() { outputs } else { ids });
            guess.retain(|place| !negative.places().iter().any(|known| known.is(place)));
            if guess.is_empty() {
                Finding::Absent
            } else {
                Finding::Candidates {
                    places: guess,
                    why: Why::NotTraced,
                }
            }
        }
        finding => finding,
    };
    (positive, negative)
}

/// What receptors say about the roles they are wired for.
fn receptor(walk: &Walk<'_>, samplers: &[&str]) -> Vec<(Role, Finding)> {
    let starts: Vec<&str> = walk
        .graph
        .nodes()
        .map(|node| node.id())
        .filter(|id| samplers.contains(id))
        .collect();
    let live = walk.upstream(&starts, |node| names::is_zero_out(node.class()));
    let mut used: BTreeMap<usize, Traced> = BTreeMap::new();
    for node in walk.graph.nodes().filter(|node| live.contains(node.id())) {
        for (_, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let Some(source) = walk
                .graph
                .node(source)
                .filter(|source| names::is_receptor(source.class()))
            else {
                continue;
            };
            let Some(input) = names::receptor_input(output) else {
                continue;
            };
            let Some((input, value)) = source.inputs().find(|(name, _)| *name == input) else {
                continue;
            };
            let at = (source.id(), input);
            let traced = match input {
                "seed" => values::scalar(walk, value, at, &["seed"]),
                _ => values::text(walk, value, at),
            };
            used.entry(output).or_default().extend(traced);
        }
    }
    used.into_iter()
        .filter(|(_, traced)| !traced.places.is_empty())
        .filter_map(|(slot, traced)| {
            Some((
                Role::from_name(names::receptor_input(slot)?)?,
                settle(traced, FoundBy::Receptor),
            ))
        })
        .collect()
}

/// Prompt-like literals upstream of some nodes: what to ask about when tracing came to nothing.
fn loose_texts<'a>(walk: &Walk<'a>, starts: &[&'a str]) -> Vec<Place> {
    let live = walk.upstream(starts, |_| false);
    let nodes = walk.graph.nodes().filter(|node| live.contains(node.id()));
    nodes
        .flat_map(|node| text_inputs(walk, &node).into_iter().map(move |(name, _)| (node, name)))
        // Shaders and formulas are long texts too.
        .filter(|(node, name)| names::is_string_part(name) && !node.class().contains("Math"))
        .map(|(node, name)| (node.id(), name))
        .filter_map(|(node, input)| Place::at(walk.graph, node, input))
        .filter(|place| place.value.is_string())
        .collect()
}

/// Reads a node as a sampler: it makes a latent or a picture and is guided by conditioning, its own or a guider's.
fn sampler<'a>(walk: &Walk<'a>, node: Node<'a>) -> Option<Sampler<'a>> {
    if let Some(spec) = walk.spec(&node) {
        let makes = |kind: &str| spec.outputs.iter().any(|output| output.kind == kind);
        if !(makes("LATENT") || makes("IMAGE")) || makes("CONDITIONING") {
            return None;
        }
    } else if !["seed", "noise_seed", "noise", "steps", "sampler", "sampler_name"]
        .iter()
        .any(|name| node.input(name).is_some())
    {
        return None;
    }
    let mut guides = guides(walk, &node);
    if guides.is_empty() {
        for (name, value) in walk.live_inputs(&node) {
            let InputValue::Link { node: source, output } = value else {
                continue;
            };
            let pipe = |name: &str| matches!(name, "guider" | "basic_pipe" | "pipe");
            if pipe(name) || walk.carries(&node, name, (source, output), "GUIDER", pipe) {
                guides.extend(guider(walk, value));
            }
        }
    }
    if guides.is_empty() {
        return None;
    }
    let mut sampler = Sampler {
        node,
        positive: Texts::default(),
        negative: Texts::default(),
    };
    for (side, value) in guides {
        let texts = match side {
            Side::Positive => &mut sampler.positive,
            Side::Negative => &mut sampler.negative,
        };
        let mut tracer = Conditioning {
            walk,
            side,
            seen: HashSet::new(),
            texts,
        };
        tracer.follow(value);
    }
    Some(sampler)
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

/// The conditioning behind a guider's wire, through switches and guiders around guiders.
fn guider<'a>(walk: &Walk<'a>, value: InputValue<'a>) -> Vec<(Side, InputValue<'a>)> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let InputValue::Link { node, .. } = value else { continue };
        let Some(node) = walk.graph.node(node).filter(|node| seen.insert(node.id())) else {
            continue;
        };
        let own = guides(walk, &node);
        if own.is_empty() {
            open.extend(
                walk.live_inputs(&node)
                    .into_iter()
                    .filter(|(name, value)| match value {
                        InputValue::Link { node: source, output } => {
                            walk.carries(&node, name, (source, *output), "GUIDER", |name| {
                                !names::is_other_wire(name)
                            })
                        }
                        InputValue::Literal(_) => false,
                    })
                    .map(|(_, value)| value),
            );
        }
        found.extend(own);
    }
    found
}

/// Follows conditioning back to text for one side.
struct Conditioning<'w, 'a> {
    walk: &'w Walk<'a>,
    side: Side,
    seen: HashSet<(&'a str, usize)>,
    texts: &'w mut Texts,
}

impl<'a> Conditioning<'_, 'a> {
    fn follow(&mut self, value: InputValue<'a>) {
        let InputValue::Link { node, output } = value else {
            return;
        };
        let Some(node) = self.walk.graph.node(node) else { return };
        if !self.seen.insert((node.id(), output)) {
            return;
        }
        if names::is_zero_out(node.class()) {
            self.texts.zeroed = true;
            return;
        }
        // Where the outputs are named by side, the slot says which inputs matter; else the side asked for does.
        let slot = self.walk.spec(&node).and_then(|spec| spec.outputs.get(output));
        let side = slot.and_then(|slot| side_of(&slot.name)).unwrap_or(self.side);

        let texts = of_side(text_inputs(self.walk, &node), side);
        self.texts.traced.extend(self.encoder(&node, texts));

        let wires: Vec<(&str, InputValue<'_>)> = self
            .walk
            .live_inputs(&node)
            .into_iter()
            .filter(|(name, value)| match value {
                InputValue::Link { node: source, output } => {
                    self.walk
                        .carries(&node, name, (source, *output), "CONDITIONING", |name| {
                            !names::is_other_wire(name) && !names::is_text(name) || names::is_conditioning(name)
                        })
                }
                InputValue::Literal(_) => false,
            })
            .collect();
        for (_, value) in of_side(wires, side) {
            self.follow(value);
        }
    }

    /// The texts of one encoder. A slot left blank beside a filled one (SDXL, SD3, Flux) stays blank.
    fn encoder(&self, node: &Node<'a>, inputs: Vec<(&'a str, InputValue<'a>)>) -> Traced {
        let blank = |value: &InputValue<'_>| matches!(value, InputValue::Literal(value) if value.as_str().is_some_and(|text| text.trim().is_empty()));
        let all_blank = inputs.iter().all(|(_, value)| blank(value));
        let mut traced = Traced::default();
        for (name, value) in inputs {
            if all_blank || !blank(&value) {
                traced.extend(values::text(self.walk, value, (node.id(), name)));
            }
        }
        traced
    }
}
