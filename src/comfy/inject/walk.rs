//! Moving through a graph: types of wires, live branches of switches, what feeds what.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{Graph, InputValue, Node};
use super::super::object_info::{InputKind, NodeSpec, ObjectInfo};
use super::names;

/// How many nodes are looked at for one constant; real graphs stay far below, and nested switches could multiply.
const MAX_VISITS: usize = 256;

/// A graph with what is known about its classes.
pub(super) struct Walk<'a> {
    pub(super) graph: &'a Graph,
    pub(super) info: &'a ObjectInfo,
}

/// What an input takes, or an output gives, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    /// A type by name.
    Of(&'a str),
    /// Any type, or a class nobody described.
    Unknown,
}

impl Wire<'_> {
    /// Whether it is `kind`, or could be.
    pub(super) fn may_be(self, kind: &str) -> bool {
        match self {
            Wire::Of(own) => own.split(',').any(|own| own == kind),
            Wire::Unknown => true,
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(graph: &'a Graph, info: &'a ObjectInfo) -> Self {
        Self { graph, info }
    }

    pub(super) fn spec(&self, node: &Node<'a>) -> Option<&'a NodeSpec> {
        self.info.get(node.class())
    }

    /// The type of an output. Switches and the like are `Unknown`: they pass on what they are given.
    pub(super) fn output_wire(&self, node: &str, slot: usize) -> Wire<'a> {
        let spec = self.graph.node(node).and_then(|node| self.spec(&node));
        match spec.and_then(|spec| spec.outputs.get(slot)) {
            Some(output) if is_any(&output.kind) => Wire::Unknown,
            Some(output) => Wire::Of(&output.kind),
            None => Wire::Unknown,
        }
    }

    /// The type that an input takes.
    pub(super) fn input_wire(&self, node: &Node<'a>, input: &str) -> Wire<'a> {
        let Some(spec) = self.spec(node).and_then(|spec| spec.input(node, input)) else {
            return Wire::Unknown;
        };
        match &spec.kind {
            InputKind::Wire(kind) if is_any(kind) => Wire::Unknown,
            InputKind::Wire(kind) => Wire::Of(kind),
            InputKind::Int { .. } => Wire::Of("INT"),
            InputKind::Float { .. } => Wire::Of("FLOAT"),
            InputKind::Bool => Wire::Of("BOOLEAN"),
            InputKind::Text { .. } => Wire::Of("STRING"),
            InputKind::Choice { .. } | InputKind::Dynamic { .. } => Wire::Of("COMBO"),
            InputKind::Growing { .. } => Wire::Unknown,
        }
    }

    /// Whether a link into `node.input` carries `kind`. Where neither end is described, the name decides.
    pub(super) fn carries(
        &self,
        node: &Node<'a>,
        input: &str,
        from: (&str, usize),
        kind: &str,
        by_name: fn(&str) -> bool,
    ) -> bool {
        match (self.input_wire(node, input), self.output_wire(from.0, from.1)) {
            (Wire::Unknown, Wire::Unknown) if self.spec(node).is_some() => true,
            (Wire::Unknown, Wire::Unknown) => by_name(input),
            (own, source) => own.may_be(kind) && source.may_be(kind),
        }
    }

    /// The inputs of a node that matter: of a switch whose position is known, only the branch it takes.
    pub(super) fn live_inputs(&self, node: &Node<'a>) -> Vec<(&'a str, InputValue<'a>)> {
        match self.taken_branch(node) {
            Some(branch) => node.inputs().filter(|(name, _)| *name == branch).collect(),
            None => node.inputs().collect(),
        }
    }

    /// Whether the node is a switch of two or more branches, and the name of the branch it takes if that is fixed.
    pub(super) fn taken_branch(&self, node: &Node<'a>) -> Option<&'a str> {
        let control = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| node.input(name))
                .and_then(|value| self.constant(value))
        };
        let named = |wanted: &str| node.inputs().map(|(name, _)| name).find(|name| *name == wanted);
        if node.input("on_true").is_some() || node.input("on_false").is_some() {
            let on = control(&["switch", "boolean", "condition"])?.as_bool()?;
            return named(if on { "on_true" } else { "on_false" });
        }
        if node.class().to_lowercase().contains("switch") {
            let number = control(&["select", "index"])?.as_u64()?;
            return named(&format!("input{number}"));
        }
        None
    }

    /// The fixed value of an input, through constants and switches.
    pub(super) fn constant(&self, value: InputValue<'a>) -> Option<&'a Value> {
        self.constant_within(value, &mut { MAX_VISITS })
    }

    fn constant_within(&self, value: InputValue<'a>, visits: &mut usize) -> Option<&'a Value> {
        match value {
            InputValue::Literal(value) => Some(value),
            InputValue::Link { node, .. } => {
                *visits = visits.checked_sub(1)?;
                let node = self.graph.node(node)?;
                if names::is_primitive(&node) {
                    return self.constant_within(node.input("value")?, visits);
                }
                if node.input("on_true").is_some() || node.input("on_false").is_some() {
                    let control = ["switch", "boolean", "condition"]
                        .iter()
                        .find_map(|name| node.input(name))?;
                    let on = self.constant_within(control, visits)?.as_bool()?;
                    let branch = node.input(if on { "on_true" } else { "on_false" })?;
                    return self.constant_within(branch, visits);
                }
                None
            }
        }
    }

    /// Whether any node takes something from this one.
    pub(super) fn is_read(&self, id: &str) -> bool {
        let mut values = self.graph.nodes().flat_map(|node| node.inputs());
        values.any(|(_, value)| matches!(value, InputValue::Link { node, .. } if node == id))
    }

    /// The nodes for whose sake the server runs the graph. Without a description: those named like one, and those that
    /// take a picture and that nothing is linked to; where there are none of all these, those that nothing is linked to.
    pub(super) fn outputs(&self) -> Vec<&'a str> {
        let used: HashSet<&str> = self
            .graph
            .nodes()
            .flat_map(|node| node.inputs())
            .filter_map(|(_, value)| match value {
                InputValue::Link { node, .. } => Some(node),
                InputValue::Literal(_) => None,
            })
            .collect();
        let takes_picture = |node: &Node<'a>| {
            node.inputs().any(|(name, value)| {
                let picture = ["image", "pixels", "samples", "video"]
                    .iter()
                    .any(|stem| name.starts_with(stem));
                picture && matches!(value, InputValue::Link { .. })
            })
        };
        let unused = |node: &Node<'a>| self.spec(node).is_none() && !used.contains(node.id());
        let ids = |wanted: &dyn Fn(&Node<'a>) -> bool| -> Vec<&'a str> {
            self.graph.nodes().filter(wanted).map(|node| node.id()).collect()
        };
        let outputs = ids(&|node| match self.spec(node) {
            Some(spec) => spec.output_node,
            None => names::is_output(node.class()) || unused(node) && takes_picture(node),
        });
        if outputs.is_empty() { ids(&unused) } else { outputs }
    }

    /// Every node upstream of `starts` over live wires, the starts included. `stop` cuts a node's own inputs off.
    pub(super) fn upstream(&self, starts: &[&'a str], stop: impl Fn(&Node<'a>) -> bool) -> HashSet<&'a str> {
        let mut seen = HashSet::new();
        let mut open: Vec<&str> = starts.to_vec();
        while let Some(id) = open.pop() {
            let Some(node) = self.graph.node(id) else { continue };
            if !seen.insert(node.id()) || stop(&node) {
                continue;
            }
            open.extend(
                self.live_inputs(&node)
                    .into_iter()
                    .filter_map(|(_, value)| match value {
                        InputValue::Link { node, .. } => Some(node),
                        InputValue::Literal(_) => None,
                    }),
            );
        }
        seen
    }
}

fn is_any(kind: &str) -> bool {
    kind == "*" || kind.starts_with("COMFY_MATCHTYPE")
}
