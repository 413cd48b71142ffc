//! Why edits cannot be written.

use thiserror::Error;

use super::super::graph::NodeId;
use super::super::inject::{Place, Role};
use text::Foreign;
use text::secrets::{MASK, is_secret_name};

/// Why edits cannot be written. Nothing has been written then.
#[derive(Debug, Error, PartialEq)]
pub enum InjectError {
    /// It is not settled where a role's value goes.
    #[error("cannot tell where the {role} value goes: {why}: {}", list(candidates))]
    Question {
        /// The role.
        role: Role,
        /// Why it is a question.
        why: String,
        /// The possible places.
        candidates: Vec<Place>,
        /// Whether several of them may be meant at once.
        several: bool,
        /// What each of them takes, in words, as far as it is known.
        takes: Vec<String>,
    },
    /// The workflow has no negative prompt by design.
    #[error("this workflow has no negative prompt: it feeds the sampler a zeroed conditioning (ConditioningZeroOut)")]
    Zeroed,
    /// The workflow has no such value.
    #[error("this workflow has no {role} value that can be set")]
    Absent {
        /// The role.
        role: Role,
    },
    /// No node of that name.
    #[error("the knob {knob:?} names no node of this workflow")]
    UnknownNode {
        /// The knob as given.
        knob: String,
        /// Whether it has the form `node.input`.
        dotted: bool,
        /// Names that are close.
        near: Vec<String>,
    },
    /// A title or class that several nodes have.
    #[error("the knob {knob:?} fits more than one node: {}", candidates.join(", "))]
    Ambiguous {
        /// The knob as given.
        knob: String,
        /// Each as `id.input ("title")`.
        candidates: Vec<String>,
    },
    /// The node has no such input.
    #[error("node {node} {} has no input {input:?}", Foreign(.title))]
    UnknownInput {
        /// The node.
        node: NodeId,
        /// Its title.
        title: String,
        /// The input asked for.
        input: String,
        /// Inputs it does have, closest first.
        near: Vec<String>,
    },
    /// The input is wired.
    #[error("{place} is wired to output {output} of node {from} {}; writing a value there would cut the wire", Foreign(.title))]
    IsLink {
        /// The input.
        place: String,
        /// The node it is wired to.
        from: String,
        /// That node's output, from 0.
        output: usize,
        /// That node's title.
        title: String,
        /// Literal inputs that the wire's value comes from.
        sources: Vec<String>,
    },
    /// The value does not fit.
    #[error("{} does not fit {place}: {problem}", shown(.place, .value))]
    BadValue {
        /// The input.
        place: String,
        /// The value, shortened.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two edits of one input.
    #[error("two edits write different values to {place}")]
    Twice {
        /// The input.
        place: String,
    },
}

impl InjectError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Question {
                role,
                candidates,
                several,
                takes,
                ..
            } => {
                let keys: Vec<String> = candidates.iter().take(8).map(Place::key).collect();
                let keys = keys.join(", ");
                let place = format!("place: {{\"{role}\": \"NODE.INPUT\"}}");
                match (several, &takes[..]) {
                    (true, _) => format!(
                        "Say where the {role} value goes with {place}: {keys}; several with commas. Or set each as a knob."
                    ),
                    (false, []) => format!("Say where the {role} value goes with {place}: {keys}."),
                    (false, takes) => format!(
                        "Set what it is made of as knobs: {}. Or name another place with {place}.",
                        takes.join("; ")
                    ),
                }
            }
            Self::Zeroed => {
                "Leave the negative prompt out and say what to avoid in the positive prompt, or wire a text \
                             encoder to the sampler's negative input in ComfyUI."
                    .to_owned()
            }
            Self::Absent { .. } => "Leave it out, name a literal input as node.input yourself, or put a \
                                    CalibratorPromptReceptor node into the workflow."
                .to_owned(),
            Self::UnknownNode {
                dotted: false, near, ..
            } => {
                format!(
                    "Write knobs as node.input, where node is an id, a title or a class. Closest: {}.",
                    near.join(", ")
                )
            }
            Self::UnknownNode { near, .. } => format!("Closest: {}.", near.join(", ")),
            Self::Ambiguous { .. } => "Name the node by its id, as node.input.".to_owned(),
            Self::UnknownInput { near, .. } => format!("Its inputs, closest first: {}.", near.join(", ")),
            Self::IsLink { sources, from, .. } if sources.is_empty() => {
                format!("Set an input of node {from} or of a node before it.")
            }
            Self::IsLink { sources, .. } => format!("Set where the value comes from: {}.", sources.join(", ")),
            Self::BadValue { .. } => "Use a value that fits; nothing was written.".to_owned(),
            Self::Twice { .. } => "Keep one of the two.".to_owned(),
        }
    }
}

types::hints!(InjectError);

/// A value that was meant for a place.
fn shown(place: &str, value: &str) -> String {
    match is_secret_name(place) {
        true => MASK.to_owned(),
        false => format!("{value:?}"),
    }
}

/// Places with the start of what they hold.
fn list(places: &[Place]) -> String {
    const SHOWN: usize = 8;
    let mut parts: Vec<String> = places
        .iter()
        .take(SHOWN)
        .map(|place| {
            let text = super::super::object_info::preview(&place.value);
            let mut start: String = text.chars().take(40).collect();
            if start.len() < text.len() {
                start.push('…');
            }
            format!("{} ({}, now {start:?})", place.key(), Foreign(&place.title))
        })
        .collect();
    if places.len() > SHOWN {
        parts.push(format!("and {} more", places.len() - SHOWN));
    }
    parts.join("; ")
}
