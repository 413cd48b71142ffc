//! What a person finds in a graph, and how a finding compares with it. Used by the tests that measure the finder.

use std::collections::BTreeSet;

use comfyui::graph::Graph;
use comfyui::inject::Finding;
use serde_json::Value;

/// What a person finds in a graph for one role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Label {
    /// The value stands here; several places hold the same and are written together.
    At(BTreeSet<String>),
    /// Nobody can know which of these is meant.
    Ask(BTreeSet<String>),
    /// The workflow has no such value.
    Nothing,
    /// Each of these answers is right.
    Either(Vec<Label>),
}

impl Label {
    /// Reads a label: a list of places, `{"ask": [places]}`, `{"either": [labels]}` or null.
    pub fn from_json(value: &Value) -> Self {
        let places = |value: &Value| -> BTreeSet<String> { serde_json::from_value(value.clone()).unwrap() };
        match value {
            Value::Array(_) => Self::At(places(value)),
            Value::Null => Self::Nothing,
            Value::Object(label) => match (label.get("ask"), label.get("either")) {
                (Some(asked), None) => Self::Ask(places(asked)),
                (None, Some(Value::Array(labels))) => Self::Either(labels.iter().map(Self::from_json).collect()),
                _ => panic!("{value} is no label"),
            },
            other => panic!("{other} is no label"),
        }
    }

    /// All places that it names.
    pub fn places(&self) -> BTreeSet<String> {
        match self {
            Self::At(places) | Self::Ask(places) => places.clone(),
            Self::Nothing => BTreeSet::new(),
            Self::Either(labels) => labels.iter().flat_map(Self::places).collect(),
        }
    }
}

/// How a finding compares with its label, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Exactly the place that the label says, or nothing where there is nothing.
    Right,
    /// A question where nobody can know, with the places that are meant.
    RightlyAsked,
    /// A question though a reader knows the answer, which is among what is offered.
    NeedlesslyAsked,
    /// The workflow has such a value, and it was not found.
    Missed,
    /// A value would have been written to the wrong place.
    Wrong,
}

impl Outcome {
    /// All outcomes, from good to bad.
    pub const ALL: [Self; 5] = [
        Self::Right,
        Self::RightlyAsked,
        Self::NeedlesslyAsked,
        Self::Missed,
        Self::Wrong,
    ];
}

/// Compares a finding with its label.
pub fn outcome(finding: &Finding, label: &Label) -> Outcome {
    let found = keys(finding);
    match (finding, label) {
        (_, Label::Either(labels)) => labels
            .iter()
            .map(|label| outcome(finding, label))
            .min()
            .expect("one label at least"),
        (Finding::Zeroed | Finding::Absent, Label::Nothing) => Outcome::Right,
        (Finding::Zeroed | Finding::Absent, _) => Outcome::Missed,
        (Finding::Candidates { .. }, Label::Ask(wanted)) if found.is_superset(wanted) => Outcome::RightlyAsked,
        (Finding::Candidates { .. }, Label::At(wanted)) if found.is_superset(wanted) => Outcome::NeedlesslyAsked,
        (Finding::Candidates { .. }, Label::Nothing) => Outcome::NeedlesslyAsked,
        // A question without the right answer is no better than silence.
        (Finding::Candidates { .. }, _) => Outcome::Missed,
        (Finding::Found { .. }, Label::At(wanted)) if found == *wanted => Outcome::Right,
        (Finding::Found { .. }, _) => Outcome::Wrong,
    }
}

/// The places of a finding, as `node.input`.
pub fn keys(finding: &Finding) -> BTreeSet<String> {
    finding.places().iter().map(|place| place.key()).collect()
}

/// Whether the graph has a literal at `node.input`; both parts may hold dots.
pub fn is_literal(graph: &Graph, place: &str) -> bool {
    place.match_indices('.').any(|(dot, _)| {
        graph
            .node(&place[..dot])
            .is_some_and(|node| node.literal(&place[dot + 1..]).is_some())
    })
}
