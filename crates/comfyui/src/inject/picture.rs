//! Which of the pictures that a workflow shows is the result: decided by the graph, whatever is executed first.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::super::graph::{Graph, InputValue, Node, NodeId};
use super::super::object_info::ObjectInfo;
use super::walk::{Walk, Wire};
use super::{ChoiceError, Roles, classes};

/// A node that saves or shows a picture.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ShownBy {
    /// The node.
    pub node: NodeId,
    /// Its title.
    pub title: String,
    /// Whether the picture is kept, rather than previewed.
    pub saved: bool,
}

/// The nodes that save or show a picture, the one whose picture is the result first.
///
/// The result is what the last sampler made, as near to it as possible: of a base and its second pass the second pass, of
/// a picture and a depth map of it the picture. A saved picture goes before a preview, and all go before what no sampler
/// made, such as a loaded picture. Where samplers work beside each other, or two nodes show different pictures equally
/// near, nobody can know which is meant ([`Pictures::unclear`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pictures {
    ranked: Vec<ShownBy>,
    /// How many of the first ones are equally good; up to 1 is no question.
    equal: usize,
}

/// Finds which picture is the result.
pub fn pictures(graph: &Graph, info: &ObjectInfo, roles: &Roles) -> Pictures {
    let walk = Walk::new(graph, info);
    let samplers: HashSet<&str> = in_graph(graph, roles.samplers()).map(|node| node.id()).collect();
    let outputs: Vec<Node<'_>> = in_graph(graph, roles.outputs()).collect();
    let ids: Vec<&str> = outputs.iter().map(|node| node.id()).collect();
    let made = made_by(&walk, &ids, &samplers);
    let mut shown: Vec<Shown<'_>> = outputs
        .into_iter()
        .filter_map(|node| {
            let source = picture_of(&walk, &node)?;
            Some(Shown {
                node,
                source,
                made: made.get(source.0).copied(),
                saved: !classes::only_shows(node.class()),
                passed_on: false,
            })
        })
        .collect();
    // What another shown picture is made from is on the way.
    let last: Vec<&str> = shown.iter().filter_map(|shown| Some(shown.made?.last)).collect();
    let before: Vec<&str> = last
        .iter()
        .filter_map(|id| graph.node(id))
        .flat_map(|node| walk.sources(&node))
        .collect();
    let before = walk.upstream(&before, |_| false);
    for shown in &mut shown {
        shown.passed_on = shown.made.is_some_and(|made| before.contains(made.last));
    }
    // Of equal ones the first in the workflow is first.
    shown.sort_by_key(Shown::rank);
    let equal = bring_forward_equals(&mut shown);
    Pictures {
        ranked: shown.iter().map(Shown::told).collect(),
        equal,
    }
}

impl Pictures {
    /// The nodes, the result first.
    pub fn ranked(&self) -> &[ShownBy] {
        &self.ranked
    }

    /// The node whose picture is the result, unless that is a question.
    pub fn result(&self) -> Option<&ShownBy> {
        self.ranked.first().filter(|_| self.equal <= 1)
    }

    /// The nodes among which nobody can choose; empty where the result is clear.
    pub fn unclear(&self) -> &[ShownBy] {
        match self.equal {
            0 | 1 => &[],
            equal => &self.ranked[..equal.min(self.ranked.len())],
        }
    }

    /// Settles that the result is what this node shows; it is named by id or title.
    ///
    /// # Errors
    /// [`ChoiceError::NoPicture`] when it names no node that shows a picture, or several.
    pub fn choose(&mut self, pick: &str) -> Result<(), ChoiceError> {
        let pick = pick.trim();
        let by_id = self.ranked.iter().position(|shown| shown.node.as_str() == pick);
        let mut titled = self.ranked.iter().enumerate().filter(|(_, shown)| shown.title == pick);
        let by_title = titled.next().filter(|_| titled.next().is_none()).map(|(at, _)| at);
        match by_id.or(by_title) {
            Some(at) => {
                let chosen = self.ranked.remove(at);
                self.ranked.insert(0, chosen);
                self.equal = 1;
                Ok(())
            }
            None => Err(ChoiceError::NoPicture {
                pick: pick.to_owned(),
                options: self.ranked.iter().map(|shown| shown.node.to_string()).collect(),
            }),
        }
    }
}

fn in_graph<'g>(graph: &'g Graph, ids: &'g [NodeId]) -> impl Iterator<Item = Node<'g>> {
    ids.iter().filter_map(|id| graph.node(id.as_str()))
}

/// Which sampler made what comes out of a node.
#[derive(Clone, Copy)]
struct Made<'a> {
    /// The last sampler.
    last: &'a str,
    /// How many samplers are in the longest row up to it.
    samplers: usize,
    /// How many nodes lie behind it.
    nodes: usize,
}

/// For every node that samplers feed, the last of them: the one at the end of the longest row, by the shortest way.
fn made_by<'a>(walk: &Walk<'a>, outputs: &[&'a str], samplers: &HashSet<&str>) -> HashMap<&'a str, Made<'a>> {
    let mut made: HashMap<&str, Made<'_>> = HashMap::new();
    for node in walk.in_order(outputs) {
        let sources = walk.sources(&node);
        let given = sources
            .iter()
            .filter_map(|source| made.get(source).copied())
            .min_by_key(|made| (Reverse(made.samplers), made.nodes));
        let own = if samplers.contains(node.id()) {
            Some(Made {
                last: node.id(),
                samplers: 1 + given.map_or(0, |given| given.samplers),
                nodes: 0,
            })
        } else {
            given.map(|given| Made {
                nodes: given.nodes + 1,
                ..given
            })
        };
        made.extend(own.map(|own| (node.id(), own)));
    }
    made
}

/// Where a node takes the picture from that it saves or shows.
fn picture_of<'a>(walk: &Walk<'a>, node: &Node<'a>) -> Option<(&'a str, usize)> {
    node.inputs().find_map(|(name, value)| {
        let InputValue::Link { node: source, output } = value else {
            return None;
        };
        let (own, given) = (walk.input_wire(node, name), walk.output_wire(source, output));
        let known = [own, given].iter().any(|wire| matches!(wire, Wire::Of(_)));
        let named = ["image", "picture", "pixels"].iter().any(|stem| name.starts_with(stem));
        let pictures = own.may_be("IMAGE") && given.may_be("IMAGE") && (known || named);
        pictures.then_some((source, output))
    })
}

struct Shown<'a> {
    node: Node<'a>,
    source: (&'a str, usize),
    made: Option<Made<'a>>,
    saved: bool,
    /// Whether a sampler behind another shown picture goes on from the sampler that made this one.
    passed_on: bool,
}

impl Shown<'_> {
    /// The smaller, the better.
    fn rank(&self) -> (bool, bool, bool, usize) {
        let nodes = self.made.map_or(0, |made| made.nodes);
        (self.made.is_none(), !self.saved, self.passed_on, nodes)
    }

    fn told(&self) -> ShownBy {
        ShownBy {
            node: self.node.id().into(),
            title: self.node.title().to_owned(),
            saved: self.saved,
        }
    }
}

/// Of ranked pictures, brings those forward that are as good as the first but are other pictures, and counts them: of each
/// sampler that works beside the others the nearest ones, and each picture once.
fn bring_forward_equals(shown: &mut Vec<Shown<'_>>) -> usize {
    let Some(first) = shown.first() else { return 0 };
    let class = |shown: &Shown<'_>| {
        let (other, preview, passed_on, _) = shown.rank();
        (other, preview, passed_on)
    };
    let best = class(first);
    let mut nearest: HashMap<Option<&str>, usize> = HashMap::new();
    let mut sources = HashSet::new();
    let (mut equals, mut others) = (Vec::new(), Vec::new());
    for one in shown.drain(..) {
        let last = one.made.map(|made| made.last);
        let nodes = one.rank().3;
        let near = class(&one) == best && *nearest.entry(last).or_insert(nodes) == nodes;
        if near && sources.insert(one.source) {
            equals.push(one);
        } else {
            others.push(one);
        }
    }
    let equal = equals.len();
    shown.extend(equals);
    shown.extend(others);
    equal
}
