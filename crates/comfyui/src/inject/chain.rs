//! What samplers in a row do to the picture: which of them decide it, and which only go over what another one made.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::bundle;
use super::walk::Walk;

/// The samplers of a graph.
pub(super) struct Chain<'a> {
    /// Those whose noise decides the picture.
    pub(super) deciding: Vec<Node<'a>>,
    /// Those that take a picture which another sampler made, and denoise only a part of it, as the second pass of a
    /// hires fix does.
    pub(super) refining: Vec<Node<'a>>,
    /// Those that are given something which another sampler made.
    pub(super) fed: HashSet<&'a str>,
}

impl<'a> Chain<'a> {
    pub(super) fn of(walk: &Walk<'a>, samplers: &[Node<'a>]) -> Self {
        let ids: Vec<&str> = samplers.iter().map(|node| node.id()).collect();
        let own: HashSet<&str> = ids.iter().copied().collect();
        let mut fed: HashSet<&str> = HashSet::new();
        let mut refining: HashSet<&str> = HashSet::new();
        let mut given: HashSet<&str> = HashSet::new();
        for node in walk.in_order(&ids) {
            let behind = walk.sources(&node).iter().any(|source| fed.contains(source));
            if own.contains(node.id()) && behind {
                given.insert(node.id());
                if refines(walk, &node) {
                    refining.insert(node.id());
                }
            }
            if behind || own.contains(node.id()) {
                fed.insert(node.id());
            }
        }
        let (refining, deciding) = samplers.iter().copied().partition(|node| refining.contains(node.id()));
        Self {
            deciding,
            refining,
            fed: given,
        }
    }
}

/// Whether a sampler is known to leave a part of what it is given: its own settings say so, or those of its schedule.
fn refines<'a>(walk: &Walk<'a>, sampler: &Node<'a>) -> bool {
    let of = |value: InputValue<'a>| walk.constant(value).and_then(Value::as_f64);
    // Its own, or that of a provider that it takes its settings from.
    let number = |node: &Node<'a>, input: &str| match node.input(input) {
        Some(value) => of(value),
        None => {
            let provided = bundle::put_in(walk, node, &[input]);
            provided.first().and_then(|(_, _, value)| of(*value))
        }
    };
    let partly = |node: &Node<'a>| number(node, "denoise").is_some_and(|part| part > 0.0 && part < 1.0);
    let schedule = match sampler.input("sigmas") {
        Some(InputValue::Link { node, .. }) => walk.graph.node(node),
        _ => None,
    };
    partly(sampler)
        || number(sampler, "start_at_step").is_some_and(|step| step >= 1.0)
        || schedule.is_some_and(|schedule| partly(&schedule))
}
