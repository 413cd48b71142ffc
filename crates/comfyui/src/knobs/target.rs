//! From `node.input` to the one input that is meant, and whether a value may be written there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::graph::{Graph, InputValue, Node, NodeId};
use super::super::inject::{Place, Role, Roles, sources_of};
use super::super::object_info::{InputKind, Lookup, ObjectInfo, preview};
use super::{InjectError, settled};
use text::near::nearest;
use text::{Foreign, shortened};

/// Dots of a knob's name that may be the one between node and input; titles hold few.
const DOTS: usize = 16;

/// Names that a refusal suggests.
const NEAR: usize = 5;

/// The longest part of a bad value that a message repeats, in characters.
const SHOWN: usize = 80;

/// One input of one node.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) node: NodeId,
    pub(super) input: String,
}

impl Target {
    pub(super) fn key(&self) -> String {
        format!("{}.{}", self.node, self.input)
    }
}

/// The inputs that a knob's name means: one, or all places of a role.
pub(super) fn resolve(graph: &Graph, roles: &Roles, info: &ObjectInfo, knob: &str) -> Result<Vec<Target>, InjectError> {
    if let Some(role) = Role::from_name(knob) {
        let places = settled(roles, role).map_err(|error| saying_what_it_takes(error, graph, info))?;
        let targets = places.iter().map(|place| Target {
            node: place.node.clone(),
            input: place.input.clone(),
        });
        return Ok(targets.collect());
    }
    if let Some(target) = only_input(graph, knob)? {
        return Ok(vec![target]);
    }
    let mut no_input = None;
    // Titles and dynamic inputs may hold dots themselves, so every dot is tried.
    for (dot, _) in knob.match_indices('.').take(DOTS) {
        let (name, input) = (&knob[..dot], &knob[dot + 1..]);
        let nodes = named(graph, name);
        let fitting: Vec<Node<'_>> = nodes
            .iter()
            .copied()
            .filter(|node| has_input(node, info, input))
            .collect();
        match (fitting.as_slice(), nodes.as_slice()) {
            ([node], _) => {
                return Ok(vec![Target {
                    node: node.id().into(),
                    input: input.to_owned(),
                }]);
            }
            ([], []) => {}
            ([], [node, ..]) => {
                no_input.get_or_insert((*node, input));
            }
            (several, _) => return Err(ambiguous(knob, several, input)),
        }
    }
    if let Some((node, input)) = no_input {
        return Err(unknown_input(&node, info, input));
    }
    let (dotted, near) = match knob.split_once('.') {
        Some((name, input)) => (true, nearest_nodes(graph, name, input)),
        None => (false, nearest_inputs(graph, knob)),
    };
    Err(InjectError::UnknownNode {
        knob: knob.to_owned(),
        dotted,
        near,
    })
}

/// The nodes of the closest names that have the input; where none has it, the closest names.
fn nearest_nodes(graph: &Graph, name: &str, input: &str) -> Vec<String> {
    fn names<'g>(node: &Node<'g>) -> [&'g str; 3] {
        [node.title(), node.class(), node.id()]
    }
    let mut having: Vec<Node<'_>> = graph.nodes().filter(|node| node.literal(input).is_some()).collect();
    if having.is_empty() {
        having = graph.nodes().filter(|node| node.input(input).is_some()).collect();
    }
    if having.is_empty() {
        return nearest(name, graph.nodes().flat_map(|node| names(&node)), NEAR);
    }
    let mut near: Vec<String> = Vec::new();
    for close in nearest(name, having.iter().flat_map(names), NEAR) {
        let called = having.iter().filter(|node| names(node).contains(&close.as_str()));
        for place in called.take(NEAR).map(|node| place_in_words(node, input)) {
            if !near.contains(&place) {
                near.push(place);
            }
        }
    }
    near.truncate(NEAR);
    near
}

/// The question where a value goes, with what its candidates take: one that is made of others is set by those.
fn saying_what_it_takes(error: InjectError, graph: &Graph, info: &ObjectInfo) -> InjectError {
    /// Candidates of which it is said.
    const SAID: usize = 4;
    let InjectError::Question {
        role,
        why,
        candidates,
        several,
        ..
    } = error
    else {
        return error;
    };
    let takes = candidates.iter().take(SAID).filter_map(|place| {
        let node = graph.node(place.node.as_str())?;
        let kind = &info.get(node.class())?.input(&node, &place.input)?.kind;
        Some(format!("{} takes {}", place.key(), values_of(kind)?))
    });
    InjectError::Question {
        takes: takes.collect(),
        role,
        why,
        candidates,
        several,
    }
}

/// The values that an input takes, in words.
fn values_of(kind: &InputKind) -> Option<String> {
    /// Options that are named.
    const NAMED: usize = 6;
    let between = |min: Option<String>, max: Option<String>| match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}"),
        _ => "a number".to_owned(),
    };
    match kind {
        InputKind::Choice { options, .. } if !options.is_empty() => {
            let named = options.iter().take(NAMED);
            let mut named: Vec<String> = named.map(|option| Foreign(&preview(option)).to_string()).collect();
            if options.len() > NAMED {
                named.push(format!("{} more", options.len() - NAMED));
            }
            Some(named.join(", "))
        }
        InputKind::Int { min, max, .. } => Some(between(min.map(|n| n.to_string()), max.map(|n| n.to_string()))),
        InputKind::Float { min, max, .. } => Some(between(min.map(|n| n.to_string()), max.map(|n| n.to_string()))),
        _ => None,
    }
}

/// The inputs of the closest names, with the titles of their nodes.
fn nearest_inputs(graph: &Graph, name: &str) -> Vec<String> {
    let literals = graph
        .nodes()
        .flat_map(|node| node.inputs())
        .filter(|(_, value)| matches!(value, InputValue::Literal(_)));
    let names: BTreeSet<&str> = literals.map(|(name, _)| name).collect();
    let near = nearest(name, names.into_iter(), NEAR);
    let places = near.iter().flat_map(|input| {
        let having = graph.nodes().filter(|node| node.literal(input).is_some());
        having.map(|node| place_in_words(&node, input))
    });
    places.take(NEAR).collect()
}

/// An input with its node's title.
fn place_in_words(node: &Node<'_>, input: &str) -> String {
    format!("{}.{input} ({})", node.id(), Foreign(&shortened(node.title(), 60)))
}

/// The one input of that name, where the knob names an input without its node. A value that stands in a node goes before
/// wires of that name.
fn only_input(graph: &Graph, knob: &str) -> Result<Option<Target>, InjectError> {
    let having = |wanted: &dyn Fn(&Node<'_>) -> bool| graph.nodes().filter(|node| wanted(node)).collect::<Vec<_>>();
    let literal = having(&|node| node.literal(knob).is_some());
    let nodes = match literal.is_empty() {
        true => having(&|node| node.input(knob).is_some()),
        false => literal,
    };
    match nodes.as_slice() {
        [] => Ok(None),
        [node] => Ok(Some(Target {
            node: node.id().into(),
            input: knob.to_owned(),
        })),
        several => Err(ambiguous(knob, several, knob)),
    }
}

/// Whether a knob names an input without its node.
pub(super) fn is_bare(graph: &Graph, knob: &str) -> bool {
    Role::from_name(knob).is_none() && graph.nodes().any(|node| node.input(knob).is_some())
}

fn ambiguous(knob: &str, nodes: &[Node<'_>], input: &str) -> InjectError {
    /// Nodes that a message names.
    const NAMED: usize = 8;
    let mut candidates: Vec<String> = nodes
        .iter()
        .take(NAMED)
        .map(|node| place_in_words(node, input))
        .collect();
    if nodes.len() > NAMED {
        candidates.push(format!("and {} more", nodes.len() - NAMED));
    }
    InjectError::Ambiguous {
        knob: knob.to_owned(),
        candidates,
    }
}

/// The node of that id, else all nodes of that title or class.
fn named<'g>(graph: &'g Graph, name: &str) -> Vec<Node<'g>> {
    match graph.node(name) {
        Some(node) => vec![node],
        None => graph
            .nodes()
            .filter(|node| node.title().eq_ignore_ascii_case(name) || node.class() == name)
            .collect(),
    }
}

fn has_input(node: &Node<'_>, info: &ObjectInfo, input: &str) -> bool {
    node.input(input).is_some()
        || info
            .get(node.class())
            .is_some_and(|spec| spec.input(node, input).is_some())
}

fn unknown_input(node: &Node<'_>, info: &ObjectInfo, input: &str) -> InjectError {
    let mut names: Vec<&str> = node.inputs().map(|(name, _)| name).collect();
    if let Lookup::Known(spec) = info.lookup(node.class()) {
        names.extend(spec.inputs.iter().map(|input| input.name.as_str()));
    }
    InjectError::UnknownInput {
        node: node.id().into(),
        title: node.title().to_owned(),
        input: input.to_owned(),
        near: nearest(input, names.into_iter(), 5),
    }
}

/// Whether `value` may be written to `target`.
pub(super) fn check(graph: &Graph, info: &ObjectInfo, target: &Target, value: &Value) -> Result<(), InjectError> {
    let Some(node) = graph.node(target.node.as_str()) else {
        return Err(InjectError::UnknownNode {
            knob: target.key(),
            dotted: true,
            near: Vec::new(),
        });
    };
    let standing = node.input(&target.input);
    if let Some(InputValue::Link { node: source, output }) = standing {
        let title = graph
            .node(source)
            .map(|node| node.title().to_owned())
            .unwrap_or_default();
        let sources = sources_of(graph, info, node.id(), &target.input)
            .iter()
            .map(Place::key)
            .collect();
        return Err(InjectError::IsLink {
            place: target.key(),
            from: source.to_owned(),
            output,
            title,
            sources,
        });
    }
    let bad = |problem: String| {
        let value: String = preview(value).chars().take(SHOWN).collect();
        Err(InjectError::BadValue {
            place: target.key(),
            value,
            problem,
        })
    };
    match info.lookup(node.class()) {
        Lookup::Known(spec) => match spec.input(&node, &target.input) {
            Some(input) => match input.check(value) {
                Ok(()) => Ok(()),
                Err(fault) => bad(fault.to_string()),
            },
            // Some nodes take inputs beyond their definition; a value of the same type as before fits.
            None => match standing {
                Some(InputValue::Literal(before)) if same_type(before, value) => Ok(()),
                Some(_) => bad("it is of another type than what stood there".to_owned()),
                None => Err(unknown_input(&node, info, &target.input)),
            },
        },
        Lookup::Missing | Lookup::NotAsked => match standing {
            Some(InputValue::Literal(before)) if !same_type(before, value) => {
                bad("it is of another type than what stood there".to_owned())
            }
            Some(_) => Ok(()),
            None => Err(unknown_input(&node, info, &target.input)),
        },
    }
}

fn same_type(a: &Value, b: &Value) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
