//! Whether a prompt reaches a sampler whose picture is saved or shown: surely, perhaps, or not.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::super::graph::{Graph, NodeId};
use super::super::object_info::ObjectInfo;
use super::walk::Walk;
use super::{Place, Role, Roles, classes, switched};

/// How far a prompt comes.
#[derive(Debug)]
pub(super) enum Reach<'a> {
    /// To these samplers, each of which feeds a picture.
    Surely(Vec<&'a str>),
    /// It depends on a branch that a switch takes, and which one that is cannot be told: the switch in words.
    Perhaps(String),
    /// To none; the switch that takes another branch in words, if there is one.
    Not(Option<String>),
}

/// How far what stands at `places` comes; `pictures` are the nodes that show some.
pub(super) fn reach<'a>(walk: &Walk<'a>, places: &[Place], samplers: &[NodeId], pictures: &[NodeId]) -> Reach<'a> {
    let graph = walk.graph;
    let starts = || -> Vec<(&'a str, Option<&'a str>)> {
        let at = |place: &Place| {
            let node = graph.node(place.node.as_str())?;
            let (input, _) = node.inputs().find(|(name, _)| *name == place.input)?;
            Some((node.id(), Some(input)))
        };
        places.iter().filter_map(at).collect()
    };
    let pictures = ids(graph, pictures);
    let feeding = walk.upstream(&pictures, |_| false);
    // Without a sampler, the node that takes the text makes the picture.
    let makers: Vec<&'a str> = match samplers {
        [] => starts().into_iter().map(|(node, _)| node).collect(),
        samplers => ids(graph, samplers),
    };
    let perhaps = flood(walk, starts(), false);
    let reached = |by: &Flood<'a>| -> Vec<&'a str> {
        let reached = makers.iter().copied();
        reached
            .filter(|maker| feeding.contains(maker) && by.reached.contains(maker))
            .collect()
    };
    if reached(&perhaps).is_empty() {
        return Reach::Not(
            perhaps
                .shut
                .and_then(|id| switched::in_words(walk, id, "takes another branch")),
        );
    }
    let surely = flood(walk, starts(), true);
    let samplers = reached(&surely);
    let behind = flood(walk, samplers.iter().map(|sampler| (*sampler, None)).collect(), true);
    if pictures.iter().any(|picture| behind.reached.contains(picture)) {
        return Reach::Surely(samplers);
    }
    let open = surely.open.or(behind.open);
    match open.and_then(|id| switched::in_words(walk, id, "takes one of several branches")) {
        Some(switch) => Reach::Perhaps(switch),
        None => Reach::Surely(reached(&perhaps)),
    }
}

/// Why what stands at a role's places reaches no sampler that feeds an output, in words; nothing where it does, or may.
pub fn cut_off(graph: &Graph, info: &ObjectInfo, roles: &Roles, role: Role) -> Option<String> {
    let places = roles.get(role).found();
    if places.is_empty() {
        return None;
    }
    let walk = Walk::new(graph, info);
    match reach(&walk, places, roles.samplers(), roles.outputs()) {
        Reach::Not(Some(switch)) => {
            let keys: Vec<String> = places.iter().map(Place::key).collect();
            Some(format!(
                "the {role} prompt at {} does not reach the sampler: {switch}",
                keys.join(", ")
            ))
        }
        // Other ways to be cut off are no news: the place was named by who knows the workflow.
        Reach::Not(None) | Reach::Perhaps(_) | Reach::Surely(_) => None,
    }
}

/// The ids as they stand in `graph`.
fn ids<'g>(graph: &'g Graph, wanted: &[NodeId]) -> Vec<&'g str> {
    wanted
        .iter()
        .filter_map(|id| graph.node(id.as_str()))
        .map(|node| node.id())
        .collect()
}

/// What something arrives at.
struct Flood<'a> {
    reached: HashSet<&'a str>,
    /// A switch that it came to by a branch which is not taken.
    shut: Option<&'a str>,
    /// A switch of which it is not known whether it lets it through.
    open: Option<&'a str>,
}

/// Follows what stands in nodes, or in one input of them, to all that it arrives at. `surely`: only past those switches that
/// pass it on whichever branch they take.
fn flood<'a>(walk: &Walk<'a>, starts: Vec<(&'a str, Option<&'a str>)>, surely: bool) -> Flood<'a> {
    let mut reached: HashSet<&'a str> = HashSet::new();
    let mut shut = None;
    let mut at_switches: HashMap<&'a str, BTreeSet<&'a str>> = HashMap::new();
    let mut arrivals = starts;
    while let Some((id, input)) = arrivals.pop() {
        let Some(node) = walk.graph.node(id).filter(|_| !reached.contains(id)) else {
            continue;
        };
        if let Some(input) = input {
            match (walk.taken_branch(&node), walk.switch(&node)) {
                (Some(branch), _) if branch == input => {}
                (Some(_), switch) => {
                    if switch.is_some_and(|switch| switch.branches.contains(input)) {
                        shut.get_or_insert(node.id());
                    }
                    continue;
                }
                (None, Some(switch)) if surely && switch.branches.len() > 1 => {
                    let arrived = at_switches.entry(node.id()).or_default();
                    if switch.branches.contains(input) {
                        arrived.insert(input);
                    }
                    if arrived.len() < switch.branches.len() {
                        continue;
                    }
                }
                (None, _) => {}
            }
        }
        reached.insert(node.id());
        let readers = walk.readers(node.id()).iter();
        let lets_in = readers.filter(|(reader, _)| !classes::is_zero_out(reader.class()));
        arrivals.extend(lets_in.map(|(reader, input)| (reader.id(), Some(*input))));
    }
    at_switches.retain(|id, _| !reached.contains(id));
    let open = at_switches.into_keys().min();
    Flood { reached, shut, open }
}
