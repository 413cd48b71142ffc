//! Node classes that a server runs in place of others that it does not have (`GET /node_replacements`). Pure.
//!
//! ComfyUI replaces them in what is posted. Here it is done before: then what is looked at, written into, posted and read
//! back is one and the same graph.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::graph::{Graph, Node, NodeId};
use super::object_info::{Lookup, ObjectInfo};
use text::{Foreign, shortened};

/// What a server runs in place of classes that it does not have.
#[derive(Clone, Debug, Default)]
pub struct Replacements {
    /// By the class that is replaced. Of several ComfyUI takes the first.
    by_class: HashMap<String, Replacement>,
}

/// What stands in for one class.
#[derive(Clone, Debug)]
struct Replacement {
    class: String,
    /// Its inputs; `None` where they are those of the replaced class.
    inputs: Option<Vec<(String, Source)>>,
    /// Its output by that of the replaced class; others stay.
    outputs: HashMap<usize, usize>,
}

/// Where an input's value comes from.
#[derive(Clone, Debug)]
enum Source {
    /// The input of that name of the replaced node.
    Input(String),
    /// This value.
    Value(Value),
}

/// A node in whose place another class runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The node.
    pub node: NodeId,
    /// Its title.
    pub title: String,
    /// Its class.
    pub class: String,
    /// What runs.
    pub by: String,
    /// Its inputs by the names that they have in what runs; `None` where they keep theirs.
    inputs: Option<Vec<(String, String)>>,
}

impl Replacements {
    /// Reads an answer of `/node_replacements`. Entries of another shape are left out.
    pub fn from_json(answer: &Value) -> Self {
        let classes = answer.as_object().into_iter().flatten();
        Self {
            by_class: classes
                .filter_map(|(class, all)| Some((class.clone(), Replacement::from_json(all.get(0)?)?)))
                .collect(),
        }
    }

    /// What would run in place of a class that the server does not have.
    pub fn of(&self, class: &str) -> Option<&str> {
        self.by_class.get(class).map(|replacement| replacement.class.as_str())
    }

    /// The graph as the server runs it, and the nodes that are others in it. As in ComfyUI a class that the server has is
    /// never replaced, nor one whose replacement it lacks as well.
    pub fn apply(&self, graph: Arc<Graph>, info: &ObjectInfo) -> (Arc<Graph>, Vec<Replaced>) {
        let affected: HashMap<&str, &Replacement> = graph
            .nodes()
            .filter(|node| node.has_inputs() && info.lookup(node.class()) == Lookup::Missing)
            .filter_map(|node| Some((node.id(), self.by_class.get(node.class())?)))
            .filter(|(_, replacement)| info.get(&replacement.class).is_some())
            .collect();
        if affected.is_empty() {
            drop(affected);
            return (graph, Vec::new());
        }
        let mut after = Graph::clone(&graph);
        // The wires first, while the inputs that they come from have their old names.
        after.move_wires(|node, output| affected.get(node)?.outputs.get(&output).copied());
        let mut replaced = Vec::new();
        for node in graph.nodes() {
            let Some(replacement) = affected.get(node.id()) else {
                continue;
            };
            let inputs = after.node(node.id()).map(|node| replacement.inputs_of(&node));
            after.replace_node(node.id(), &replacement.class, inputs.unwrap_or_default());
            replaced.push(Replaced {
                node: node.id().into(),
                title: node.title().to_owned(),
                class: node.class().to_owned(),
                by: replacement.class.clone(),
                inputs: replacement.renamed(),
            });
        }
        (Arc::new(after), replaced)
    }
}

impl Replacement {
    fn from_json(entry: &Value) -> Option<Self> {
        let list = |key: &str| entry.get(key).and_then(Value::as_array);
        let index = |map: &Value, key: &str| usize::try_from(map.get(key)?.as_u64()?).ok();
        Some(Self {
            class: entry.get("new_node_id")?.as_str()?.to_owned(),
            inputs: list("input_mapping").map(|maps| maps.iter().filter_map(Source::of_input).collect()),
            outputs: list("output_mapping")
                .into_iter()
                .flatten()
                .filter_map(|map| Some((index(map, "old_idx")?, index(map, "new_idx")?)))
                .collect(),
        })
    }

    /// The old names of the inputs with the new ones.
    fn renamed(&self) -> Option<Vec<(String, String)>> {
        let inputs = self.inputs.as_ref()?.iter();
        let renamed = inputs.filter_map(|(new, source)| match source {
            Source::Input(old) => Some((old.clone(), new.clone())),
            Source::Value(_) => None,
        });
        Some(renamed.collect())
    }

    /// What the inputs of a replaced node become.
    fn inputs_of(&self, node: &Node<'_>) -> Map<String, Value> {
        let Some(inputs) = &self.inputs else {
            return node.raw_inputs().cloned().unwrap_or_default();
        };
        // One that the node does not have is left out: where it is needed, that is told as of any other node.
        let value = |source: &Source| match source {
            Source::Input(name) => node.raw_inputs()?.get(name).cloned(),
            Source::Value(value) => Some(value.clone()),
        };
        inputs
            .iter()
            .filter_map(|(name, source)| Some((name.clone(), value(source)?)))
            .collect()
    }
}

impl Source {
    /// An entry of an input mapping: the new input's name, and where its value comes from.
    fn of_input(map: &Value) -> Option<(String, Self)> {
        let source = match map.get("set_value") {
            Some(value) => Self::Value(value.clone()),
            None => Self::Input(map.get("old_id")?.as_str()?.to_owned()),
        };
        Some((map.get("new_id")?.as_str()?.to_owned(), source))
    }
}

/// An input by the name that it has in the workflow's file, and the one by which it is known in what runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// `node.input`.
    pub key: String,
    /// What is to be told of it.
    pub told: String,
}

/// What a name means that only the workflow's file knows: `node.input` with the old class or the old name of the input, or such
/// a name alone. Nothing where `graph`, in which others run, knows the name itself, and where several are meant.
pub fn renamed(graph: &Graph, info: &ObjectInfo, replaced: &[Replaced], name: &str) -> Option<Renamed> {
    /// Dots of a name that may be the one between node and input; titles hold few.
    const DOTS: usize = 16;
    let known = |node: &str, input: &str| {
        graph.node(node).is_some_and(|node| {
            let spec = info.get(node.class());
            node.input(input).is_some() || spec.is_some_and(|spec| spec.input(&node, input).is_some())
        })
    };
    let named = |one: &Replaced, node: &str| {
        one.node.as_str() == node || one.title.eq_ignore_ascii_case(node) || one.class == node || one.by == node
    };
    let mut meant: Vec<(&Replaced, String)> = Vec::new();
    let place = |one: &Replaced, input: &str| -> Option<String> {
        let mut new = one.inputs.iter().flatten().filter(|(old, _)| old == input);
        let input = match (new.next(), new.next()) {
            (Some((_, new)), None) => new.as_str(),
            (Some(_), Some(_)) => return None,
            (None, _) => input,
        };
        known(one.node.as_str(), input).then(|| format!("{}.{input}", one.node))
    };
    for (dot, _) in name.match_indices('.').take(DOTS) {
        let (node, input) = (&name[..dot], &name[dot + 1..]);
        for one in replaced.iter().filter(|one| named(one, node)) {
            // A name that the node still has means that.
            if one.class != node && known(one.node.as_str(), input) {
                return None;
            }
            meant.extend(place(one, input).map(|key| (one, key)));
        }
    }
    if meant.is_empty() && !name.contains('.') && !graph.nodes().any(|node| node.input(name).is_some()) {
        meant.extend(replaced.iter().filter_map(|one| Some((one, place(one, name)?))));
    }
    meant.dedup_by(|(_, a), (_, b)| a == b);
    let [(one, key)] = &meant[..] else { return None };
    Some(Renamed {
        told: format!(
            "{name} was written to {key}: ComfyUI runs {:#} in place of {}.",
            Foreign(&one.by),
            Foreign(&one.class)
        ),
        key: key.clone(),
    })
}

/// Which classes run in place of which, a sentence each.
pub fn in_words(replaced: &[Replaced]) -> Vec<String> {
    /// Nodes that a sentence names.
    const NAMED: usize = 8;
    let mut by_class: BTreeMap<(&str, &str), Vec<&Replaced>> = BTreeMap::new();
    for one in replaced {
        by_class.entry((&one.class, &one.by)).or_default().push(one);
    }
    let sentences = by_class.into_iter().map(|((class, by), nodes)| {
        let mut named: Vec<String> = nodes
            .iter()
            .take(NAMED)
            .map(|one| format!("{} ({:#})", one.node, Foreign(&shortened(&one.title, 60))))
            .collect();
        if nodes.len() > NAMED {
            named.push(format!("{} more", nodes.len() - NAMED));
        }
        let nodes = if nodes.len() == 1 { "node" } else { "nodes" };
        format!(
            "ComfyUI does not have {} and runs {by:#} in its place, with that class's inputs: {nodes} {}.",
            Foreign(class),
            named.join(", "),
            by = Foreign(by),
        )
    });
    sentences.collect()
}
