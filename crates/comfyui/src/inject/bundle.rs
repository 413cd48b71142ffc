//! Things that travel together: what was put into a pipe, a context or the like before it got here.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::walk::Walk;

/// Nodes that are looked at behind one bundle for the settings of a sampler.
const MOST_LOOKED_AT: usize = 64;

/// The inputs of the wanted names that were put into the bundles which a node takes, the nearest by every way.
pub(super) fn put_in<'a>(
    walk: &Walk<'a>,
    node: &Node<'a>,
    wanted: &[&str],
) -> Vec<(Node<'a>, &'a str, InputValue<'a>)> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([node.id()]);
    let mut open = sources(walk, node);
    while let Some(id) = open.pop() {
        let Some(node) = walk.graph.node(id).filter(|node| seen.insert(node.id())) else {
            continue;
        };
        if !walk.enter(&node) {
            break;
        }
        let held = wanted
            .iter()
            .find_map(|wanted| node.inputs().find(|(name, _)| name == wanted));
        match held {
            Some((name, value)) => found.push((node, name, value)),
            None => open.extend(sources(walk, &node)),
        }
    }
    found
}

/// Whether a sampler's settings are among what is packed into a wire: a provider's or a pre-sampling node's.
pub(super) fn holds_settings<'a>(walk: &Walk<'a>, value: InputValue<'a>) -> bool {
    let InputValue::Link { node, .. } = value else {
        return false;
    };
    let mut seen = HashSet::new();
    let mut open = vec![node];
    while let Some(id) = open.pop() {
        let Some(node) = walk.graph.node(id).filter(|node| seen.insert(node.id())) else {
            continue;
        };
        if seen.len() > MOST_LOOKED_AT || !walk.enter(&node) {
            return false;
        }
        if node.input("steps").is_some() || node.input("sampler_name").is_some() {
            return true;
        }
        open.extend(sources(walk, &node));
    }
    false
}

/// The nodes that a node takes bundles from.
fn sources<'a>(walk: &Walk<'a>, node: &Node<'a>) -> Vec<&'a str> {
    let links = walk
        .live_inputs(node)
        .into_iter()
        .filter_map(|(name, value)| match value {
            InputValue::Link { node: source, output } => Some((name, source, output)),
            InputValue::Literal(_) => None,
        });
    links
        .filter(|(name, source, output)| walk.carries_more(node, name, (source, *output)))
        .map(|(_, source, _)| source)
        .collect()
}
