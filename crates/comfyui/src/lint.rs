//! Checks a graph before it is posted, because some graphs take a ComfyUI server down and others run in part.

mod cycles;
#[cfg(test)]
mod tests;
mod words;

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::graph::{Graph, InputValue, Node, NodeId};
use super::object_info::{InputKind, InputSpec, Lookup, NodeSpec, ObjectInfo};
use super::outputs;
use text::Foreign;
use text::secrets::{MASK, masked_input};
pub use words::{in_words, notes, remedies};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The graph runs all the same.
    Warning,
    /// The server would refuse the graph, run only a part of it, or die of it.
    Fatal,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A node without an `inputs` object: it kills the server's only worker thread.
    NoInputs,
    /// A node without a `class_type`.
    NoClass,
    /// A class that the server does not have.
    UnknownClass,
    /// No node saves or shows anything.
    NoOutput,
    /// An output node makes no picture that can be judged.
    NoPicture,
    /// A link to a node that is not there.
    DanglingLink,
    /// A link to an output that the node does not have.
    NoSuchOutput,
    /// A list where a link or a value should be.
    BadLink,
    /// A link of another type than the input takes.
    TypeMismatch,
    /// Nodes that wait for each other.
    Cycle,
    /// A required input that is missing.
    MissingInput,
    /// A value out of range, of the wrong type or not in the list.
    BadValue,
}

/// One problem of a graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// The node; none where the graph as a whole is meant.
    pub node: Option<NodeId>,
    /// Its title.
    pub title: String,
    /// Its class.
    pub class: String,
    /// The input, where one is at fault.
    pub input: Option<String>,
    /// What is wrong.
    pub kind: ProblemKind,
    /// How bad it is.
    pub severity: Severity,
    /// The problem in words.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => write!(f, "node {node} {}: {}", Foreign(&self.title), self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// Problems after which values that no output needs are not looked at, and after which nothing more is where one of them
/// is fatal: a person reads no further.
const MOST_PROBLEMS: usize = 100;

/// Every problem of a graph, fatal ones first. With an empty `info` only what needs no definitions is checked.
pub fn check(graph: &Graph, info: &ObjectInfo) -> Vec<Problem> {
    let mut lint = Lint {
        graph,
        info,
        live: live(graph, info),
        problems: Vec::new(),
    };
    lint.problems.extend(no_output(graph, info));
    for node in graph.nodes() {
        lint.node(&node);
        if lint.problems.len() >= MOST_PROBLEMS && is_fatal(&lint.problems) {
            break;
        }
    }
    for cycle in cycles::find(graph) {
        lint.cycle(&cycle);
    }
    let mut problems = lint.problems;
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems
}

/// The nodes of classes that the server was asked for and does not have.
pub fn unknown_classes(graph: &Graph, info: &ObjectInfo) -> Vec<Problem> {
    let mut problems = check(graph, info);
    problems.retain(|problem| problem.kind == ProblemKind::UnknownClass);
    problems
}

/// What is wrong with where the graph ends: it has no output node, or those it has make no picture.
pub fn endings(graph: &Graph, info: &ObjectInfo) -> Vec<Problem> {
    no_output(graph, info).map_or_else(|| pictures(graph, info), |problem| vec![problem])
}

/// A graph without a node that saves or shows something runs nothing.
fn no_output(graph: &Graph, info: &ObjectInfo) -> Option<Problem> {
    let may_output = graph
        .nodes()
        .any(|node| info.get(node.class()).is_none_or(|spec| spec.output_node));
    (!may_output).then(|| Problem {
        node: None,
        title: String::new(),
        class: String::new(),
        input: None,
        kind: ProblemKind::NoOutput,
        severity: Severity::Fatal,
        message: "no node saves or shows a result, so there is nothing to run".to_owned(),
        remedy: "Add a Save Image node to the workflow and export it again.".to_owned(),
    })
}

/// What the output nodes make that is no picture: fatal where there is none beside it, since then nothing can be judged.
pub fn pictures(graph: &Graph, info: &ObjectInfo) -> Vec<Problem> {
    let outputs = outputs::look(graph, info);
    let severity = if outputs.pictures {
        Severity::Warning
    } else {
        Severity::Fatal
    };
    let problems = outputs.without.into_iter().map(|other| {
        let message = match severity {
            Severity::Warning => format!("it makes {}; only the pictures of other nodes are taken", other.media),
            Severity::Fatal => format!("it makes {}, and no other node makes a picture", other.media),
        };
        Problem {
            node: Some(other.node),
            title: other.title,
            class: other.class,
            input: None,
            kind: ProblemKind::NoPicture,
            severity,
            message,
            remedy: match severity {
                Severity::Warning => String::new(),
                Severity::Fatal => other.media.remedy().to_owned(),
            },
        }
    });
    // These are read by a name only, so that they forbid nothing.
    let hidden = outputs::hidden(graph, info).into_iter().map(|hidden| Problem {
        message: hidden.in_words(),
        remedy: hidden.remedy(),
        node: Some(hidden.node),
        title: hidden.title,
        class: hidden.class,
        input: Some(hidden.input),
        kind: ProblemKind::NoPicture,
        severity: Severity::Warning,
    });
    problems.chain(hidden).collect()
}

/// Whether any of the problems forbids posting the graph.
pub fn is_fatal(problems: &[Problem]) -> bool {
    problems.iter().any(|problem| problem.severity == Severity::Fatal)
}

/// The nodes that some output node needs, dead switch branches included; all of them if no output is known.
fn live<'g>(graph: &'g Graph, info: &ObjectInfo) -> HashSet<&'g str> {
    let described = graph.nodes().all(|node| info.get(node.class()).is_some());
    let is_output = |node: &Node<'_>| info.get(node.class()).is_some_and(|spec| spec.output_node);
    let mut open: Vec<&str> = graph
        .nodes()
        .filter(|node| !described || is_output(node))
        .map(|node| node.id())
        .collect();
    let mut live = HashSet::new();
    while let Some(id) = open.pop() {
        if let Some(node) = graph.node(id)
            && live.insert(node.id())
        {
            open.extend(links(&node));
        }
    }
    live
}

fn links<'g>(node: &Node<'g>) -> impl Iterator<Item = &'g str> + use<'g> {
    node.inputs().filter_map(|(_, value)| match value {
        InputValue::Link { node, .. } => Some(node),
        InputValue::Literal(_) => None,
    })
}

struct Lint<'a> {
    graph: &'a Graph,
    info: &'a ObjectInfo,
    live: HashSet<&'a str>,
    problems: Vec<Problem>,
}

impl<'a> Lint<'a> {
    /// Adds a problem that is only a warning where no output needs the node: the server does not look there.
    fn add(&mut self, node: &Node<'a>, input: Option<&str>, kind: ProblemKind, message: String, remedy: &str) {
        let everywhere = matches!(
            kind,
            ProblemKind::NoInputs | ProblemKind::NoClass | ProblemKind::UnknownClass
        );
        let severity = if everywhere || self.live.contains(node.id()) {
            Severity::Fatal
        } else {
            Severity::Warning
        };
        self.add_as(severity, node, input, kind, message, remedy);
    }

    fn add_as(
        &mut self,
        severity: Severity,
        node: &Node<'a>,
        input: Option<&str>,
        kind: ProblemKind,
        message: String,
        remedy: &str,
    ) {
        self.problems.push(Problem {
            node: Some(node.id().into()),
            title: node.title().to_owned(),
            class: node.class().to_owned(),
            input: input.map(str::to_owned),
            kind,
            severity,
            message,
            remedy: remedy.to_owned(),
        });
    }

    fn node(&mut self, node: &Node<'a>) {
        if !node.has_inputs() {
            let message = "it has no `inputs` object, and a graph with such a node kills ComfyUI's worker".to_owned();
            self.add(
                node,
                None,
                ProblemKind::NoInputs,
                message,
                "Give the node `\"inputs\": {}`, or remove it.",
            );
        }
        if node.class().is_empty() {
            let remedy = "Export the workflow again with all its custom nodes installed.";
            self.add(
                node,
                None,
                ProblemKind::NoClass,
                "it has no class_type".to_owned(),
                remedy,
            );
            return;
        }
        match self.info.lookup(node.class()) {
            Lookup::Known(spec) => self.against(node, spec),
            Lookup::Missing => {
                let message = format!("the server has no node class {:?}", node.class());
                self.add(
                    node,
                    None,
                    ProblemKind::UnknownClass,
                    message,
                    "Install the custom node that brings it, or remove the node.",
                );
                self.inputs(node, None);
            }
            Lookup::NotAsked => self.inputs(node, None),
        }
    }

    /// Whether a node that no output needs is one too many to be told of.
    fn has_enough_of(&self, node: &Node<'a>) -> bool {
        self.problems.len() >= MOST_PROBLEMS && !self.live.contains(node.id())
    }

    fn against(&mut self, node: &Node<'a>, spec: &NodeSpec) {
        if self.has_enough_of(node) {
            return;
        }
        for (name, _) in spec.required(node) {
            if node.input(&name).is_none() {
                let message = format!("the required input {name:?} is missing");
                self.add(
                    node,
                    Some(&name),
                    ProblemKind::MissingInput,
                    message,
                    "Connect or set it in ComfyUI and export again.",
                );
            }
        }
        self.inputs(node, Some(spec));
    }

    fn inputs(&mut self, node: &Node<'a>, spec: Option<&NodeSpec>) {
        if self.has_enough_of(node) {
            return;
        }
        for (name, value) in node.inputs() {
            let input = spec.and_then(|spec| spec.input(node, name));
            match value {
                InputValue::Link { node: source, output } => self.link(node, name, (source, output), input),
                InputValue::Literal(value) => self.literal(node, name, value, input, spec.is_some()),
            }
        }
    }

    fn link(&mut self, node: &Node<'a>, name: &str, (source, output): (&str, usize), input: Option<&InputSpec>) {
        let remedy = "Connect it in ComfyUI and export the workflow again.";
        let Some(from) = self.graph.node(source) else {
            let message = format!("{name} is wired to node {source}, which is not in the workflow");
            return self.add(node, Some(name), ProblemKind::DanglingLink, message, remedy);
        };
        let Some(spec) = self.info.get(from.class()) else {
            return;
        };
        let Some(slot) = spec.outputs.get(output) else {
            let message = format!(
                "{name} is wired to output {output} of node {source} {}, which has {}",
                Foreign(from.title()),
                spec.outputs.len()
            );
            return self.add(node, Some(name), ProblemKind::NoSuchOutput, message, remedy);
        };
        if let Some(InputSpec {
            kind: InputKind::Wire(kind),
            ..
        }) = input
            && !fits(&slot.kind, kind)
        {
            let message = format!(
                "{name} takes {kind} but is wired to {} of node {source} {}",
                slot.kind,
                Foreign(from.title())
            );
            self.add(node, Some(name), ProblemKind::TypeMismatch, message, remedy);
        }
    }

    fn literal(&mut self, node: &Node<'a>, name: &str, value: &Value, input: Option<&InputSpec>, described: bool) {
        if value == MASK {
            let message =
                format!("{name} holds {MASK}, which stands for a key or a password that was not shown or exported");
            let remedy = "Set it as a knob, or leave it out where the workflow holds the right one.";
            return self.add_as(
                Severity::Fatal,
                node,
                Some(name),
                ProblemKind::BadValue,
                message,
                remedy,
            );
        }
        let many = matches!(
            input,
            Some(InputSpec {
                kind: InputKind::Choice { many: true, .. },
                ..
            })
        );
        if value.is_array() && !many && (input.is_some() || !described) {
            let message = format!("{name} holds a list that is no link (a link is [node id as text, output number])");
            return self.add(
                node,
                Some(name),
                ProblemKind::BadLink,
                message,
                "Replace the list by a link or a value.",
            );
        }
        let Some(input) = input else { return };
        if let Err(fault) = input.check(value) {
            let shown = super::object_info::preview(&masked_input(name, value));
            let shown: String = shown.chars().take(80).collect();
            let message = format!("{name} is {shown:?}, but {fault}");
            let remedy = "Set it as a knob to a value that fits, or install the file it names.";
            // The server turns a number written as text into a number, so only the user can tell whether that was meant.
            if convertible(value, &input.kind) {
                self.add_as(
                    Severity::Warning,
                    node,
                    Some(name),
                    ProblemKind::BadValue,
                    message,
                    remedy,
                );
            } else {
                self.add(node, Some(name), ProblemKind::BadValue, message, remedy);
            }
        }
    }

    fn cycle(&mut self, cycle: &[&'a str]) {
        let Some(node) = cycle.first().and_then(|id| self.graph.node(id)) else {
            return;
        };
        /// Nodes that are named of a long cycle.
        const NAMED: usize = 12;
        let mut path: Vec<&str> = cycle.iter().take(NAMED).copied().collect();
        path.extend((cycle.len() > NAMED).then_some("…"));
        path.extend(cycle.first());
        let message = format!("it waits for itself: {}", path.join(" ← "));
        self.add(
            &node,
            None,
            ProblemKind::Cycle,
            message,
            "Cut one of these wires in ComfyUI and export again.",
        );
    }
}

/// Whether an output of type `given` fits an input that takes `taken`.
fn fits(given: &str, taken: &str) -> bool {
    let any = |kind: &str| kind == "*" || kind.starts_with("COMFY_");
    any(given)
        || any(taken)
        || given
            .split(',')
            .any(|given| taken.split(',').any(|taken| given == taken))
}

/// Whether the server would convert the value to the input's type rather than refuse it.
fn convertible(value: &Value, kind: &InputKind) -> bool {
    match kind {
        InputKind::Int { .. } => {
            value.is_boolean()
                || value.as_f64().is_some_and(|number| number.fract() != 0.0)
                || value.as_str().is_some_and(|text| text.trim().parse::<i128>().is_ok())
        }
        InputKind::Float { .. } => {
            value.is_boolean() || value.as_str().is_some_and(|text| text.trim().parse::<f64>().is_ok())
        }
        InputKind::Bool => true,
        InputKind::Text { .. } => !value.is_array(),
        _ => false,
    }
}
