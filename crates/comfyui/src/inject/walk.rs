//! Moving through a graph: types of wires, live branches of switches, what feeds what.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use serde_json::Value;

use super::super::graph::{Graph, InputValue, Node};
use super::super::object_info::{InputKind, NodeSpec, ObjectInfo};
use super::switches::Switch;
use super::{Place, classes, kinds, names};

/// Steps for each unit of a graph's size (a node, an input, 256 bytes of text). Real graphs take fewer than twenty.
const STEPS: u64 = 200;

/// Bytes of a text that count as one step.
const TEXT_STEP: usize = 256;

/// How many nodes are looked at for one constant; real graphs stay far below, and nested switches could multiply.
const MAX_VISITS: usize = 256;

/// A graph with what is known about its classes, and what was found out about it on the way.
///
/// Looking around costs steps, and a graph has so many for each of its nodes: whatever its shape, the work is linear in
/// its size. Where they run out, nothing more is seen ([`Walk::is_spent`]).
pub(super) struct Walk<'a> {
    pub(super) graph: &'a Graph,
    pub(super) info: &'a ObjectInfo,
    /// What takes something from each node, and by which input.
    readers: HashMap<&'a str, Vec<(Node<'a>, &'a str)>>,
    /// What is known of the nodes that were looked at.
    positions: RefCell<HashMap<&'a str, Position<'a>>>,
    /// Literals of which one text is made, as `node.input`.
    joined: RefCell<Vec<BTreeSet<String>>>,
    steps: Cell<u64>,
    most_steps: u64,
}

/// The branch that a switch takes if that is fixed, and the switch; nothing of a node that is none.
type Position<'a> = (Option<&'a str>, Option<Rc<Switch<'a>>>);

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
        let mut readers: HashMap<&str, Vec<(Node<'_>, &str)>> = HashMap::new();
        let mut size = 0;
        for node in graph.nodes() {
            size += 1 + node.input_count() as u64;
            for (name, value) in node.inputs() {
                match value {
                    InputValue::Link { node: source, .. } => readers.entry(source).or_default().push((node, name)),
                    InputValue::Literal(value) => size += text_steps(value),
                }
            }
        }
        Self {
            graph,
            info,
            readers,
            positions: RefCell::default(),
            joined: RefCell::default(),
            steps: Cell::new(0),
            most_steps: STEPS * (size + 100),
        }
    }

    /// Takes some steps; false when there are none left.
    pub(super) fn step(&self, count: u64) -> bool {
        self.steps.set(self.steps.get() + count);
        !self.is_spent()
    }

    /// Takes the steps of looking into a node; false when there are none left.
    pub(super) fn enter(&self, node: &Node<'a>) -> bool {
        self.step(1 + node.input_count() as u64)
    }

    /// Whether all steps are taken: what was found then is not all there is.
    pub(super) fn is_spent(&self) -> bool {
        self.steps.get() > self.most_steps
    }

    /// The steps that were taken.
    #[cfg(test)]
    pub(super) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// A literal as a place.
    pub(super) fn place(&self, node: &str, input: &str) -> Option<Place> {
        let value = self.graph.node(node)?.literal(input)?;
        if !self.step(1 + text_steps(value)) {
            return None;
        }
        Place::at(self.graph, node, input)
    }

    /// Remembers that one text is made of these literals. Of more than a person would choose among nobody asks.
    pub(super) fn note_joined(&self, places: &[Place]) {
        const MOST: usize = 16;
        let mut joined = self.joined.borrow_mut();
        if (2..=MOST).contains(&places.len()) && joined.len() < 4 * MOST {
            joined.push(places.iter().map(Place::key).collect());
        }
    }

    /// The literals of which one text is made, as far as such texts were looked at.
    pub(super) fn joined(&self) -> Vec<BTreeSet<String>> {
        self.joined.borrow().clone()
    }

    /// What takes something from a node, and by which input.
    pub(super) fn readers(&self, id: &str) -> &[(Node<'a>, &'a str)] {
        self.readers.get(id).map(Vec::as_slice).unwrap_or_default()
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

    /// The type of a link into `node.input`, where one of its ends tells.
    pub(super) fn link_kind(&self, node: &Node<'a>, input: &str, from: (&str, usize)) -> Wire<'a> {
        match self.input_wire(node, input) {
            Wire::Unknown => self.output_wire(from.0, from.1),
            known => known,
        }
    }

    /// Whether a link is a bundle, such as a pipe or a context.
    pub(super) fn is_bundle(&self, node: &Node<'a>, input: &str, from: (&str, usize)) -> bool {
        match self.link_kind(node, input, from) {
            Wire::Of(kind) => kinds::is_bundle(kind) || kinds::carries_more(kind) && names::is_bundle(input),
            Wire::Unknown => names::is_bundle(input),
        }
    }

    /// Whether a link may carry more than its name says: a bundle, or a type of a pack's own.
    pub(super) fn carries_more(&self, node: &Node<'a>, input: &str, from: (&str, usize)) -> bool {
        match self.link_kind(node, input, from) {
            Wire::Of(kind) => kinds::carries_more(kind),
            Wire::Unknown => names::is_bundle(input) || self.provides(input, from.0),
        }
    }

    /// Whether what comes in under that name is a sampler with its settings, which this node lets work.
    fn provides(&self, input: &str, source: &str) -> bool {
        !names::takes_pictures(input)
            && !names::passes_anything(input)
            && self.graph.node(source).is_some_and(|source| {
                self.spec(&source).is_none()
                    && ["steps", "sampler_name"]
                        .iter()
                        .all(|name| source.literal(name).is_some())
            })
    }

    /// Whether a link carries `kind`, or what a pack has in its place, judged by the input's name.
    pub(super) fn is_wire_of(&self, node: &Node<'a>, input: &str, from: (&str, usize), kind: &str) -> bool {
        let (own, given) = (self.input_wire(node, input), self.output_wire(from.0, from.1));
        match (own, given) {
            (Wire::Unknown, Wire::Unknown) => names::names_wire(input, kind) || names::passes_anything(input),
            (Wire::Of(own), _) if own == kind => true,
            (_, Wire::Of(given)) if given == kind => true,
            (Wire::Of(other), _) | (_, Wire::Of(other)) => kinds::is_foreign(other) && names::names_wire(input, kind),
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
        self.position(node).0
    }

    /// The node as a switch, if it is one.
    pub(super) fn switch(&self, node: &Node<'a>) -> Option<Rc<Switch<'a>>> {
        self.position(node).1
    }

    fn position(&self, node: &Node<'a>) -> Position<'a> {
        if let Some(known) = self.positions.borrow().get(node.id()) {
            return known.clone();
        }
        let switch = Switch::of(node).map(Rc::new);
        let taken = switch.as_ref().and_then(|switch| switch.taken(self, node));
        let position = (taken, switch);
        self.positions.borrow_mut().insert(node.id(), position.clone());
        position
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
                if !self.step(1) {
                    return None;
                }
                let node = self.graph.node(node)?;
                if classes::is_primitive(&node) {
                    return self.constant_within(node.input("value")?, visits);
                }
                if let Some((yes, no)) = classes::branches(&node) {
                    let control = classes::CONDITIONS.iter().find_map(|name| node.input(name))?;
                    let on = self.constant_within(control, visits)?.as_bool()?;
                    let branch = node.input(if on { yes } else { no })?;
                    return self.constant_within(branch, visits);
                }
                None
            }
        }
    }

    /// Whether any node takes something from this one.
    pub(super) fn is_read(&self, id: &str) -> bool {
        !self.readers(id).is_empty()
    }

    /// The nodes for whose sake the server runs the graph. Without a description: those named like one, and those that
    /// take a picture and that nothing is linked to; where there are none of all these, those that nothing is linked to.
    pub(super) fn outputs(&self) -> Vec<&'a str> {
        let takes_picture = |node: &Node<'a>| {
            // What is packed into a bundle and goes nowhere else is shown there; a context alone shows nothing.
            let sets = node.inputs().any(|(_, value)| matches!(value, InputValue::Literal(_)));
            node.inputs().any(|(name, value)| {
                let picture = ["image", "pixels", "samples", "video"]
                    .iter()
                    .any(|stem| name.starts_with(stem));
                (picture || sets && names::is_bundle(name)) && matches!(value, InputValue::Link { .. })
            })
        };
        let unused = |node: &Node<'a>| self.spec(node).is_none() && !self.is_read(node.id());
        let ids = |wanted: &dyn Fn(&Node<'a>) -> bool| -> Vec<&'a str> {
            self.graph.nodes().filter(wanted).map(|node| node.id()).collect()
        };
        let outputs = ids(&|node| match self.spec(node) {
            Some(spec) => spec.output_node,
            None => {
                let ends = unused(node) && takes_picture(node) && !classes::only_converts(node.class());
                classes::is_output(node.class()) || ends
            }
        });
        if outputs.is_empty() { ids(&unused) } else { outputs }
    }

    /// The nodes to look for samplers behind: the outputs. Where one of them lost its wire, what nobody reads may be what it
    /// showed.
    pub(super) fn ends(&self, outputs: &[&'a str]) -> Vec<&'a str> {
        let lost = |node: Node<'a>| {
            let wired = node.inputs().any(|(_, value)| matches!(value, InputValue::Link { .. }));
            let takes = match self.spec(&node) {
                Some(spec) => spec.inputs.iter().any(|input| input.required && input.is_wire("IMAGE")),
                None => classes::is_output(node.class()),
            };
            takes && !wired
        };
        let mut ends = outputs.to_vec();
        let shows: Vec<bool> = outputs.iter().filter_map(|id| self.graph.node(id)).map(lost).collect();
        // Where all of them did, nothing runs.
        if shows.contains(&true) && shows.contains(&false) {
            ends.extend(self.graph.nodes().map(|node| node.id()).filter(|id| !self.is_read(id)));
        }
        ends
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
            open.extend(self.sources(&node));
        }
        seen
    }

    /// The nodes upstream of `starts` over live wires, the starts included, each after those it takes something from.
    pub(super) fn in_order(&self, starts: &[&'a str]) -> Vec<Node<'a>> {
        let mut order = Vec::new();
        let mut seen = HashSet::new();
        for start in starts {
            let mut path: Vec<(Node<'a>, Vec<&'a str>)> = Vec::new();
            let mut next = Some(*start);
            loop {
                if let Some(node) = next
                    .and_then(|id| self.graph.node(id))
                    .filter(|node| seen.insert(node.id()))
                {
                    path.push((node, self.sources(&node)));
                }
                let Some((node, left)) = path.last_mut() else { break };
                let node = *node;
                next = left.pop();
                if next.is_none() {
                    order.push(node);
                    path.pop();
                }
            }
        }
        order
    }

    /// The nodes that a node takes something from over live wires.
    pub(super) fn sources(&self, node: &Node<'a>) -> Vec<&'a str> {
        self.live_inputs(node)
            .into_iter()
            .filter_map(|(_, value)| match value {
                InputValue::Link { node, .. } => Some(node),
                InputValue::Literal(_) => None,
            })
            .collect()
    }
}

/// The steps that a literal counts for its length.
fn text_steps(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| (text.len() / TEXT_STEP) as u64)
}

fn is_any(kind: &str) -> bool {
    kind == "*" || kind.starts_with("COMFY_MATCHTYPE")
}
