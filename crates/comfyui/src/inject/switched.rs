//! Texts among which a switch takes one, where it cannot be told which.

use std::collections::{BTreeSet, HashSet};

use serde_json::Value;

use super::super::graph::{InputValue, Node, NodeId};
use super::walk::Walk;
use super::{Finding, Place, Why};
use text::{Foreign, shortened};

/// A switch that takes one of several texts, nobody knows which.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Switched {
    node: NodeId,
    title: String,
    /// The input that it goes by, in words.
    by: String,
    /// The literals behind each branch alone, as `node.input`.
    branches: Vec<BTreeSet<String>>,
}

impl Switched {
    /// The branch that a literal stands behind.
    fn branch_of(&self, key: &str) -> Option<usize> {
        self.branches.iter().position(|branch| branch.contains(key))
    }

    /// Whether a literal stands behind another branch than all of these that stand behind one.
    pub(super) fn separates(&self, key: &str, from: &[Place]) -> bool {
        let Some(own) = self.branch_of(key) else { return false };
        let mut others = from.iter().filter_map(|place| self.branch_of(&place.key())).peekable();
        others.peek().is_some() && others.all(|other| other != own)
    }

    /// Whether two literals stand behind different branches.
    pub(super) fn apart(&self, a: &str, b: &str) -> bool {
        matches!((self.branch_of(a), self.branch_of(b)), (Some(a), Some(b)) if a != b)
    }

    /// Says of a question that one of its candidates is taken, where that is so.
    pub(super) fn explain(&self, finding: &mut Finding) {
        let Finding::Candidates { places, why } = finding else {
            return;
        };
        if !matches!(why, Why::Different | Why::Composed) {
            return;
        }
        let behind = |place: &&Place| self.branch_of(&place.key());
        let of: Vec<&Place> = places.iter().filter(|place| behind(place).is_some()).collect();
        let branches: BTreeSet<Option<usize>> = of.iter().map(behind).collect();
        if branches.len() < 2 {
            return;
        }
        let all = of.len() == places.len();
        *why = Why::Switched {
            by: self.node.clone(),
            title: self.title.clone(),
            goes_by: self.by.clone(),
            of: if all {
                Vec::new()
            } else {
                of.into_iter().map(Place::key).collect()
            },
            beside: (!all).then(|| Box::new(why.clone())),
        };
    }
}

/// The switches among these nodes that take one of several of the places, nobody knows which.
pub(super) fn among<'a>(walk: &Walk<'a>, live: &HashSet<&'a str>, places: &[Place]) -> Vec<Switched> {
    /// Each switch, and each of its branches, costs a look at the graph.
    const MOST: usize = 8;
    let open = walk
        .graph
        .nodes()
        .filter(|node| live.contains(node.id()) && is_open(walk, node));
    open.take(MOST)
        .filter_map(|node| {
            let switch = walk.switch(&node)?;
            let behind = |branch: &str| -> BTreeSet<String> {
                let up = match node.input(branch) {
                    Some(InputValue::Link { node: source, .. }) => walk.upstream(&[source], |_| false),
                    _ => HashSet::new(),
                };
                let own = |place: &&Place| {
                    up.contains(place.node.as_str()) || place.node.as_str() == node.id() && place.input == branch
                };
                places.iter().filter(own).map(Place::key).collect()
            };
            let all: Vec<BTreeSet<String>> = switch.branches.iter().take(MOST).map(|branch| behind(branch)).collect();
            let alone = |key: &String| all.iter().filter(|branch| branch.contains(key)).count() == 1;
            let branches: Vec<BTreeSet<String>> = all
                .iter()
                .map(|branch| branch.iter().filter(|key| alone(key)).cloned().collect())
                .filter(|branch: &BTreeSet<String>| !branch.is_empty())
                .collect();
            (branches.len() > 1).then(|| Switched {
                node: node.id().into(),
                title: node.title().to_owned(),
                by: goes_by(walk, &node),
                branches,
            })
        })
        .collect()
}

/// Whether a node is a switch of which it cannot be told which branch it takes.
pub(super) fn is_open<'a>(walk: &Walk<'a>, node: &Node<'a>) -> bool {
    walk.switch(node).is_some_and(|switch| switch.branches.len() > 1) && walk.taken_branch(node).is_none()
}

/// `node 4 "Day or night" takes another branch, by 4.index (now 2)`.
pub(super) fn in_words<'a>(walk: &Walk<'a>, id: &str, does: &str) -> Option<String> {
    let node = walk.graph.node(id)?;
    let title = shortened(node.title(), 60);
    Some(format!("node {id} {} {does}{}", Foreign(&title), goes_by(walk, &node)))
}

/// The input that a switch goes by, to be put behind a sentence.
fn goes_by<'a>(walk: &Walk<'a>, node: &Node<'a>) -> String {
    let Some((control, value)) = walk.switch(node).and_then(|switch| switch.control).and_then(|control| {
        let value = node.input(control)?;
        Some((control, value))
    }) else {
        return String::new();
    };
    let now = match (walk.constant(value), value) {
        (Some(Value::String(text)), _) => format!("now {}", Foreign(&shortened(text, 40))),
        (Some(value), _) => format!("now {value}"),
        (None, InputValue::Link { node: source, .. }) => format!("from node {source}"),
        (None, InputValue::Literal(_)) => return format!(", by {}.{control}", node.id()),
    };
    format!(", by {}.{control} ({now})", node.id())
}
