//! Proof that what the server ran is what was meant: the graph it reads back is the one submitted, and the prompt
//! stands upstream of a sampler whose result is saved or shown.

use serde_json::Value;
use thiserror::Error;

use super::super::graph::{Graph, GraphError, NodeId, canonical_number};
use super::super::object_info::{ObjectInfo, preview};
use super::reach::{Reach, reach};
use super::walk::Walk;
use super::{Place, Role, Roles};
use text::Foreign;
use types::GraphHash;

/// What was shown about a submitted graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// Hash of the submitted graph ([`Graph::hash`]).
    pub graph_hash: GraphHash,
    /// Where the prompt stands.
    pub places: Vec<Place>,
    /// The samplers that it reaches, each of which feeds a picture that came.
    pub samplers: Vec<NodeId>,
}

/// Shows that `read_back` (the graph from the server's history or queue; a whole `[number, id, graph, …]` entry is
/// taken as well) is `submitted`, and that `positive` reaches a sampler that feeds one of `pictures`, the nodes whose
/// pictures came. `info` are the definitions by which the roles were found.
///
/// Numbers count by value, and a number that the server made of a text or the other way round counts as the same.
///
/// # Errors
/// [`ProofError`] says what is different or where the path breaks.
pub fn prove(
    submitted: &Graph,
    read_back: &Value,
    positive: &str,
    roles: &Roles,
    info: &ObjectInfo,
    pictures: &[NodeId],
) -> Result<Proof, ProofError> {
    let graph = match read_back {
        Value::Array(entry) => entry.get(2).cloned().unwrap_or(Value::Null),
        other => other.clone(),
    };
    let read_back = Graph::from_json(graph).map_err(ProofError::Unreadable)?;
    if submitted.hash() != read_back.hash()
        && let Some(difference) = difference(submitted, &read_back)
    {
        return Err(ProofError::Different(difference));
    }
    let places: Vec<Place> = roles
        .get(Role::Positive)
        .found()
        .iter()
        .filter_map(|place| Place::at(&read_back, place.node.as_str(), &place.input))
        .filter(|place| place.value.as_str() == Some(positive))
        .collect();
    if places.is_empty() || places.len() != roles.get(Role::Positive).found().len() {
        return Err(ProofError::TextMissing);
    }
    let at = || places.iter().map(Place::key).collect::<Vec<_>>().join(", ");
    let walk = Walk::new(&read_back, info);
    let samplers = match reach(&walk, &places, roles.samplers(), pictures) {
        Reach::Surely(samplers) => samplers.into_iter().map(NodeId::from).collect(),
        Reach::Perhaps(switch) => return Err(ProofError::NotKnown { place: at(), switch }),
        Reach::Not(switch) => return Err(ProofError::NotReached { place: at(), switch }),
    };
    Ok(Proof {
        graph_hash: submitted.hash(),
        places,
        samplers,
    })
}

/// The first thing in which two graphs differ, in words.
fn difference(submitted: &Graph, read_back: &Graph) -> Option<String> {
    for node in submitted.nodes() {
        let id = node.id();
        let Some(other) = read_back.node(id) else {
            return Some(format!("node {id} {} is missing", Foreign(node.title())));
        };
        if node.class() != other.class() {
            return Some(format!(
                "node {id} is a {} instead of a {}",
                other.class(),
                node.class()
            ));
        }
        for (name, value) in node.inputs() {
            let same = match (value, other.input(name)) {
                (super::InputValue::Literal(a), Some(super::InputValue::Literal(b))) => same_value(a, b),
                (a, Some(b)) => a == b,
                (_, None) => false,
            };
            if !same {
                return Some(format!("input {id}.{name} is not what was submitted"));
            }
        }
        if let Some((name, _)) = other.inputs().find(|(name, _)| node.input(name).is_none()) {
            return Some(format!("input {id}.{name} was not submitted"));
        }
    }
    read_back
        .nodes()
        .find(|node| submitted.node(node.id()).is_none())
        .map(|node| format!("node {} was not submitted", node.id()))
}

/// Equal by value. The server converts a literal to the type of its input and reads back the result.
fn same_value(a: &Value, b: &Value) -> bool {
    let scalar = |value: &Value| match value {
        Value::Number(number) => Some(canonical_number(number)),
        Value::String(_) => Some(preview(value)),
        _ => None,
    };
    a == b || matches!((scalar(a), scalar(b)), (Some(a), Some(b)) if a == b)
}

/// Why it could not be shown that the prompt reached the sampler.
#[derive(Debug, Error)]
pub enum ProofError {
    /// What the server read back is no graph.
    #[error("the graph that ComfyUI read back cannot be read: {0}")]
    Unreadable(#[source] GraphError),
    /// Another graph.
    #[error("ComfyUI ran another graph than the one submitted: {0}")]
    Different(String),
    /// The prompt is not where it belongs.
    #[error("the prompt does not stand at its place in the graph that ComfyUI ran")]
    TextMissing,
    /// The prompt steers nothing.
    #[error("the prompt at {place} reaches no sampler that feeds a picture that came, so it did not steer it{}", because(.switch))]
    NotReached {
        /// Where the prompt stands.
        place: String,
        /// The switch that takes another branch, in words.
        switch: Option<String>,
    },
    /// It hangs on a switch.
    #[error(
        "{switch}, and which one that was cannot be told from the graph: whether the prompt at {place} steered the picture is not known"
    )]
    NotKnown {
        /// Where the prompt stands.
        place: String,
        /// The switch in words.
        switch: String,
    },
}

fn because(switch: &Option<String>) -> String {
    switch.as_ref().map(|switch| format!(": {switch}")).unwrap_or_default()
}

impl ProofError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unreadable(error) => error.hint(),
            Self::Different(_) => {
                "Something between here and ComfyUI changes graphs (a proxy or an extension), or the \
                                   run belongs to another submission; queue it again."
                    .to_owned()
            }
            Self::TextMissing => "Inject the prompt again, then queue the new draft.".to_owned(),
            Self::NotReached { .. } => {
                "Choose another place for the positive prompt, or set the switch that cuts this \
                                        one off."
                    .to_owned()
            }
            Self::NotKnown { .. } => {
                "Look at the picture. To be sure, write the prompt behind every branch of the switch (`place`, several \
                 with commas)."
                    .to_owned()
            }
        }
    }
}

types::hints!(ProofError);
