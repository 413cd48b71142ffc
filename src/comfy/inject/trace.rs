//! From the samplers back to what steers them.

use std::collections::BTreeMap;

use super::super::graph::{Graph, InputValue, NodeId};
use super::super::object_info::ObjectInfo;
use super::encoder::text_inputs;
use super::names::{self, Side};
use super::sampler::{Sampler, sampler};
use super::scalars;
use super::values::{self, Traced};
use super::walk::Walk;
use super::{Finding, FoundBy, Place, Role, Roles, Why};

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
        // One whose text could not be read is steered all the same.
        .partition(|sampler| !sampler.positive.traced.is_empty());
    let main = if texts.is_empty() { bare } else { texts };
    let ids: Vec<&str> = main.iter().map(|sampler| sampler.node.id()).collect();

    let mut findings = BTreeMap::new();
    for (role, wanted) in scalars::SCALARS {
        let mut traced = Traced::default();
        for sampler in &main {
            let own = scalars::of(&walk, sampler.node, role, wanted);
            // Every sampler has a model; where it is not found, what the others have is not all.
            if role == Role::Model && own.is_empty() {
                traced.doubt.get_or_insert(Why::Unresolved {
                    by: sampler.node.id().into(),
                    title: sampler.node.title().to_owned(),
                });
            }
            traced.extend(own);
        }
        findings.insert(role, settle(traced, FoundBy::Traced));
    }
    one_for_both_sides(&mut findings);
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

/// A literal that sets width and height at once is a question: writing one of them would write the other.
fn one_for_both_sides(findings: &mut BTreeMap<Role, Finding>) {
    let places = |role: &Role| findings.get(role).map(Finding::found).unwrap_or_default();
    let shared = |place: &Place| places(&Role::Height).iter().any(|other| other.is(place));
    if !places(&Role::Width).iter().any(shared) {
        return;
    }
    for role in [Role::Width, Role::Height] {
        if let Some(finding) = findings.get_mut(&role) {
            let places = finding.found().to_vec();
            *finding = Finding::Candidates {
                places,
                why: Why::BothSides,
            };
        }
    }
}

/// One finding from what was traced: equal values are one place written several times, anything else is a question.
fn settle(traced: Traced, found_by: FoundBy) -> Finding {
    let Traced { places, doubt, .. } = traced;
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
    let positive = settle(positive, FoundBy::Traced);
    // Text that steers both sides is the prompt; writing a negative prompt there would overwrite it.
    negative
        .places
        .retain(|place| !positive.found().iter().any(|known| known.is(place)));
    let negative = match settle(negative, FoundBy::Traced) {
        Finding::Absent if zeroed => Finding::Zeroed,
        // Perhaps it is the prompt: that is asked about, so this has to be as well.
        Finding::Found { places, .. }
            if places
                .iter()
                .any(|place| positive.places().iter().any(|known| known.is(place))) =>
        {
            Finding::Candidates {
                places,
                why: Why::Different,
            }
        }
        finding => finding,
    };
    let positive = match positive {
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
                "seed" => values::scalar(walk, value, at, Role::Seed, &["seed"]),
                input => values::text(walk, value, at, names::side_of(input)),
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
        // What a node says of a picture is no prompt.
        .filter(|node| {
            !node
                .inputs()
                .any(|(name, value)| name == "image" && matches!(value, InputValue::Link { .. }))
        })
        .flat_map(|node| text_inputs(walk, &node).into_iter().map(move |(name, _)| (node, name)))
        // Shaders and formulas are long texts too.
        .filter(|(node, name)| names::is_string_part(name) && !node.class().contains("Math"))
        .filter(|(_, name)| names::side_of(name) != Some(Side::Negative))
        .map(|(node, name)| (node.id(), name))
        .filter_map(|(node, input)| Place::at(walk.graph, node, input))
        .filter(|place| place.value.is_string())
        .collect()
}
