//! What ComfyUI says about its node classes (`GET /object_info` and `/object_info/{class}`), typed.
//!
//! Understands the old style (`[["euler", …], {…}]`), today's `["COMBO", {"options": […]}]` and the inputs that
//! appear depending on another one (`resize_type.width`).

mod spec;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::graph::Node;
pub(crate) use spec::preview;
pub use spec::{InputKind, InputSpec, ValueFault};

/// One output of a node class.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSpec {
    /// The slot's name, such as `positive`.
    pub name: String,
    /// The slot's type, such as `CONDITIONING`.
    pub kind: String,
}

/// The definition of one node class.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeSpec {
    /// Inputs, required ones first.
    pub inputs: Vec<InputSpec>,
    /// Outputs by slot.
    pub outputs: Vec<OutputSpec>,
    /// Whether the server runs a graph for the sake of this node (it saves or shows something).
    pub output_node: bool,
}

impl NodeSpec {
    fn from_json(definition: &Value) -> Option<Self> {
        let groups = definition.get("input")?;
        let kinds = definition.get("output").and_then(Value::as_array);
        let names = definition.get("output_name").and_then(Value::as_array);
        let outputs = kinds
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(slot, kind)| {
                // A list in place of a type is the old way of saying COMBO.
                let kind = kind.as_str().unwrap_or("COMBO").to_owned();
                let name = names.and_then(|names| names.get(slot)).and_then(Value::as_str);
                OutputSpec {
                    name: name.unwrap_or(&kind).to_owned(),
                    kind,
                }
            })
            .collect();
        Some(Self {
            inputs: InputSpec::read_groups(groups),
            outputs,
            output_node: definition.get("output_node").and_then(Value::as_bool).unwrap_or(false),
        })
    }

    /// The definition of an input of `node`, also where it exists only because of another input's value
    /// (`resize_type.width`) or is one of a growing list (`images.image_1`). `None` where the class has no such
    /// input.
    pub fn input(&self, node: &Node<'_>, name: &str) -> Option<&InputSpec> {
        find_input(&self.inputs, node, "", name)
    }

    /// Every required input that `node` must have, dynamic ones included, by full name.
    pub fn required(&self, node: &Node<'_>) -> Vec<(String, &InputSpec)> {
        let mut all = Vec::new();
        collect_required(&self.inputs, node, "", &mut all);
        all
    }
}

/// Looks `name` up among `inputs`, whose full names start with `prefix`.
fn find_input<'s>(inputs: &'s [InputSpec], node: &Node<'_>, prefix: &str, name: &str) -> Option<&'s InputSpec> {
    let local = name.strip_prefix(prefix)?;
    if let Some(found) = inputs.iter().find(|input| input.name == local) {
        return Some(found);
    }
    let (head, _) = local.split_once('.')?;
    let base = inputs.iter().find(|input| input.name == head)?;
    let full = format!("{prefix}{head}");
    match &base.kind {
        InputKind::Dynamic { .. } => find_input(base.selected(node, &full)?, node, &format!("{full}."), name),
        InputKind::Growing { element } => Some(element),
        _ => None,
    }
}

fn collect_required<'s>(
    inputs: &'s [InputSpec],
    node: &Node<'_>,
    prefix: &str,
    all: &mut Vec<(String, &'s InputSpec)>,
) {
    for input in inputs.iter().filter(|input| input.required) {
        let full = format!("{prefix}{}", input.name);
        match &input.kind {
            InputKind::Growing { .. } => {}
            // ComfyUI takes one that is absent for none of its choices: an older export has fewer of them.
            InputKind::Dynamic { .. } => {
                if let Some(nested) = input.selected(node, &full) {
                    collect_required(nested, node, &format!("{full}."), all);
                }
            }
            _ => all.push((full, input)),
        }
    }
}

/// The answer to "what is this class".
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lookup<'i> {
    /// The server described it.
    Known(&'i NodeSpec),
    /// The server was asked and does not have it.
    Missing,
    /// The server was not asked.
    NotAsked,
}

/// Node classes by name, as far as the server was asked.
#[derive(Clone, Debug, Default)]
pub struct ObjectInfo {
    classes: HashMap<String, NodeSpec>,
    missing: HashSet<String>,
    complete: bool,
}

impl ObjectInfo {
    /// Reads an answer of `/object_info` or `/object_info/{class}`: an object from class to definition.
    /// Entries of another shape are left out.
    pub fn from_json(answer: &Value) -> Self {
        let classes = answer.as_object().into_iter().flatten();
        let classes = classes
            .filter_map(|(class, definition)| Some((class.clone(), NodeSpec::from_json(definition)?)))
            .collect();
        Self {
            classes,
            ..Self::default()
        }
    }

    /// Says that this came from the whole `/object_info`, so that a class it lacks is missing on the server.
    #[must_use]
    pub fn complete(mut self) -> Self {
        self.complete = true;
        self
    }

    /// Takes the answer to `GET /object_info/{class}`; an answer without the class marks it as missing.
    pub fn learn(&mut self, class: &str, answer: &Value) {
        self.merge(Self::from_json(answer));
        if !self.classes.contains_key(class) {
            self.missing.insert(class.to_owned());
        }
    }

    /// Adds everything `other` knows; `other` wins where both know a class.
    pub fn merge(&mut self, other: Self) {
        self.complete |= other.complete;
        self.missing.retain(|class| !other.classes.contains_key(class));
        for class in other.missing {
            self.classes.remove(&class);
            self.missing.insert(class);
        }
        self.classes.extend(other.classes);
    }

    /// The definition of a class, where it is known.
    pub fn get(&self, class: &str) -> Option<&NodeSpec> {
        self.classes.get(class)
    }

    /// What is known about a class, telling "missing" from "not asked".
    pub fn lookup(&self, class: &str) -> Lookup<'_> {
        match self.classes.get(class) {
            Some(spec) => Lookup::Known(spec),
            None if self.complete || self.missing.contains(class) => Lookup::Missing,
            None => Lookup::NotAsked,
        }
    }

    /// Names of all known classes, in no order.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.classes.keys().map(String::as_str)
    }
}

/// The options object beside a type: `["INT", {…}]`.
fn options_of(entry: &Value) -> Option<&Map<String, Value>> {
    entry.get(1).and_then(Value::as_object)
}
