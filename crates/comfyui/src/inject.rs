//! Finds where a workflow takes its prompt, its seed and its other main values.
//!
//! [`find`] starts at the samplers that feed an output node and follows the wires back: through conditioning nodes
//! to text encoders, through switches, string nodes and primitives to the literals. What it cannot decide it
//! hands back as [`Finding::Candidates`], a question that [`Roles::choose`] answers; it never picks one of
//! several different texts. Its work is linear in the size of the graph, whatever its shape. Pure: nothing here does I/O.

mod bundle;
mod chain;
mod choice;
mod classes;
mod conditioning;
mod encoder;
mod kinds;
mod models;
mod names;
mod numbers;
mod picture;
mod proof;
mod reach;
mod report;
mod sampler;
mod scalars;
mod size;
mod strings;
mod sweep;
mod switched;
mod switches;
#[cfg(test)]
mod tests;
mod trace;
mod values;
mod walk;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::graph::{Graph, InputValue, NodeId};
use super::object_info::ObjectInfo;
pub use choice::ChoiceError;
pub use picture::{Pictures, ShownBy, pictures};
pub use proof::{Proof, ProofError, prove};
pub use reach::cut_off;
pub use report::{kept_seeds, reason, report, told_beside};
use switched::Switched;
use text::{Foreign, shortened};

/// The class of the companion node that marks where prompt and seed go.
pub const RECEPTOR_CLASS: &str = "CalibratorPromptReceptor";

/// What a value does for the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the picture should show.
    Positive,
    /// What the picture should not show.
    Negative,
    /// The noise seed, 0 to 2^64-1.
    Seed,
    /// Width in pixels.
    Width,
    /// Height in pixels.
    Height,
    /// Number of sampling steps.
    Steps,
    /// Strength of classifier-free guidance.
    Cfg,
    /// Name of the sampling algorithm.
    Sampler,
    /// File name of the diffusion model or checkpoint.
    Model,
}

impl Role {
    /// All roles, in the order of a report.
    pub const ALL: [Self; 9] = [
        Self::Positive,
        Self::Negative,
        Self::Seed,
        Self::Width,
        Self::Height,
        Self::Steps,
        Self::Cfg,
        Self::Sampler,
        Self::Model,
    ];

    /// The role's name in reports and choices.
    pub fn name(self) -> &'static str {
        match self {
            Self::Positive => "positive",
            Self::Negative => "negative",
            Self::Seed => "seed",
            Self::Width => "width",
            Self::Height => "height",
            Self::Steps => "steps",
            Self::Cfg => "cfg",
            Self::Sampler => "sampler",
            Self::Model => "model",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A literal input of a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// The title the user sees.
    pub title: String,
    /// The node's class.
    pub class: String,
    /// The input.
    pub input: String,
    /// What stands there.
    pub value: Value,
}

impl Place {
    fn at(graph: &Graph, node: &str, input: &str) -> Option<Self> {
        let found = graph.node(node)?;
        Some(Self {
            node: NodeId::from(node),
            title: found.title().to_owned(),
            class: found.class().to_owned(),
            input: input.to_owned(),
            value: found.literal(input)?.clone(),
        })
    }

    /// `node.input`, as knobs and choices name it.
    pub fn key(&self) -> String {
        format!("{}.{}", self.node, self.input)
    }

    fn is(&self, other: &Self) -> bool {
        self.node == other.node && self.input == other.input
    }
}

/// How a place was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// By the companion node [`RECEPTOR_CLASS`].
    Receptor,
    /// By following the wires back from the samplers.
    Traced,
    /// By its name alone: a possible place that no wire from a sampler leads to.
    Guessed,
    /// By an answer to the question ([`Roles::choose`]).
    Chosen,
}

/// Why a role is a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The places hold different values.
    Different,
    /// The text is put together from several parts.
    Composed,
    /// A switch takes one of several texts, and which one cannot be told.
    Switched {
        /// The switch.
        by: NodeId,
        /// Its title.
        title: String,
        /// The input that it goes by, in words.
        goes_by: String,
        /// The places of which one is taken, as `node.input`; empty for all.
        of: Vec<String>,
        /// Why it would be a question without the switch, where other places stand beside these.
        beside: Option<Box<Why>>,
    },
    /// What is written passes through a node that changes it, such as a language model.
    Rewritten {
        /// That node.
        by: NodeId,
        /// Its title.
        title: String,
    },
    /// The text is a list of prompts by the frames at which they begin.
    Schedule {
        /// The node that holds it.
        by: NodeId,
        /// Its title.
        title: String,
    },
    /// The value is computed by a node from these inputs.
    Computed {
        /// That node.
        by: NodeId,
        /// Its title.
        title: String,
    },
    /// A value comes out of a node that cannot be looked into; these stand before it.
    Unresolved {
        /// That node.
        by: NodeId,
        /// Its title.
        title: String,
    },
    /// One value sets width and height.
    BothSides,
    /// No wire from a sampler leads to text; these inputs look like prompts.
    NotTraced,
    /// The value is made of more literals than a person could choose among.
    TooMany,
    /// There are more samplers than are looked at.
    TooManySamplers,
    /// The graph is so interwoven that looking around was given up.
    TooTangled,
}

impl Why {
    /// Whether a value may be meant for several of the places at once: not where they are parts of one text, or one of them
    /// is taken.
    pub fn takes_several(&self) -> bool {
        match self {
            Self::Different
            | Self::BothSides
            | Self::NotTraced
            | Self::TooMany
            | Self::TooManySamplers
            | Self::TooTangled => true,
            Self::Composed
            | Self::Switched { .. }
            | Self::Rewritten { .. }
            | Self::Schedule { .. }
            | Self::Computed { .. }
            | Self::Unresolved { .. } => false,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Different => write!(f, "these inputs hold different values"),
            Self::Composed => write!(f, "the text is put together from these parts"),
            Self::Switched {
                by,
                title,
                goes_by,
                of,
                beside,
            } => {
                if let Some(beside) = beside {
                    write!(f, "{beside}; of {} ", of.join(", "))?;
                }
                let these = if beside.is_some() { "" } else { " of these" };
                let title = shortened(title, 60);
                write!(f, "node {by} {} takes only one{these}{goes_by}", Foreign(&title))
            }
            Self::Rewritten { by, title } => {
                write!(
                    f,
                    "node {by} {} changes the text before the sampler sees it; if a switch bypasses that node, set it as a knob",
                    Foreign(title)
                )
            }
            Self::Schedule { by, title } => write!(
                f,
                "node {by} {} holds a list of prompts by frames, which one prompt in its place would break",
                Foreign(title)
            ),
            Self::Computed { by, title } => {
                write!(f, "node {by} {} computes the value from these inputs", Foreign(title))
            }
            Self::Unresolved { by, title } => write!(
                f,
                "part of it comes out of node {by} {}, and from which of these cannot be told",
                Foreign(title)
            ),
            Self::BothSides => write!(f, "one value sets both width and height"),
            Self::NotTraced => write!(
                f,
                "no wire from a sampler leads to text; these inputs look like prompts"
            ),
            Self::TooMany => write!(
                f,
                "the value is made of more than {} inputs; these are among them",
                values::MOST_PLACES
            ),
            Self::TooManySamplers => write!(
                f,
                "the workflow has more than {} samplers; these inputs steer some of them",
                sampler::MOST_SAMPLERS
            ),
            Self::TooTangled => write!(
                f,
                "the workflow is too interwoven to be followed to its end; these inputs were found so far"
            ),
        }
    }
}

/// Where one role's value goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// Exactly here. Several places hold the same value and are written together.
    Found {
        /// At least one place.
        places: Vec<Place>,
        /// How it was found.
        found_by: FoundBy,
    },
    /// Perhaps one of these: a question for [`Roles::choose`].
    Candidates {
        /// At least one place.
        places: Vec<Place>,
        /// Why it is a question.
        why: Why,
    },
    /// The negative conditioning is zeroed (`ConditioningZeroOut`): there is no negative prompt.
    Zeroed,
    /// The workflow has no such value.
    Absent,
}

impl Finding {
    /// The places where the value is written; empty unless found.
    pub fn found(&self) -> &[Place] {
        match self {
            Self::Found { places, .. } => places,
            _ => &[],
        }
    }

    /// Found or possible places.
    pub fn places(&self) -> &[Place] {
        match self {
            Self::Found { places, .. } | Self::Candidates { places, .. } => places,
            Self::Zeroed | Self::Absent => &[],
        }
    }
}

/// What [`find`] found out about a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Roles {
    findings: BTreeMap<Role, Finding>,
    samplers: Vec<NodeId>,
    outputs: Vec<NodeId>,
    seed_limit: u64,
    /// Seeds of samplers that only go over what another one made.
    kept_seeds: Vec<Place>,
    /// Why something is to be said about a role that is no question: there was one candidate, or none.
    reasons: BTreeMap<Role, Why>,
    /// All texts that steer the samplers, by side.
    texts: BTreeMap<Role, Vec<Place>>,
    /// Literals of which one text is made, as `node.input`.
    joined: Vec<BTreeSet<String>>,
    /// Switches that take one of several texts.
    switched: Vec<Switched>,
    /// Answers to questions; they lie over `findings`, which keep the question so that it can be answered anew.
    chosen: BTreeMap<Role, Finding>,
}

/// Finds every role in a graph. An empty `info` works as far as class and input names allow.
pub fn find(graph: &Graph, info: &ObjectInfo) -> Roles {
    trace::find(graph, info)
}

impl Roles {
    /// Where a role's value goes.
    pub fn get(&self, role: Role) -> &Finding {
        self.chosen
            .get(&role)
            .or_else(|| self.findings.get(&role))
            .unwrap_or(&Finding::Absent)
    }

    /// All roles with their findings, in the order of [`Role::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Role, &Finding)> {
        Role::ALL.into_iter().map(|role| (role, self.get(role)))
    }

    /// The samplers that decide the picture.
    pub fn samplers(&self) -> &[NodeId] {
        &self.samplers
    }

    /// The nodes that save or show something.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// The largest seed that every found or possible seed input takes.
    pub fn seed_limit(&self) -> u64 {
        self.seed_limit
    }

    /// Seeds that are not written with the seed: those of samplers that only go over what another sampler made. Empty
    /// where it was chosen what the seed is.
    pub fn kept_seeds(&self) -> &[Place] {
        match self.chosen.contains_key(&Role::Seed) {
            true => &[],
            false => &self.kept_seeds,
        }
    }

    /// What was found, whatever was chosen.
    pub fn traced(&self, role: Role) -> &Finding {
        self.findings.get(&role).unwrap_or(&Finding::Absent)
    }

    /// The texts that steer the samplers beside a role's own, and stay when that is written.
    pub fn beside(&self, role: Role) -> Vec<&Place> {
        let found = self.get(role).found();
        let positive = self.get(Role::Positive).found();
        let stays = |place: &&Place| {
            let own = |places: &[Place]| places.iter().any(|own| own.is(place));
            let blank = place.value.as_str().is_none_or(|text| text.trim().is_empty());
            let key = place.key();
            !(own(found) || own(positive) || blank || self.switched.iter().any(|switch| switch.separates(&key, found)))
        };
        match found {
            [] => Vec::new(),
            _ => self.texts.get(&role).into_iter().flatten().filter(stays).collect(),
        }
    }

    /// Places that a role's value is written to, though they are parts of one text.
    fn twice(&self, role: Role) -> Vec<String> {
        let keys = self.get(role).found().iter().map(Place::key);
        let keys: Vec<String> = keys.collect();
        let within = |text: &BTreeSet<String>| -> Vec<String> {
            keys.iter().filter(|key| text.contains(*key)).cloned().collect()
        };
        let alternatives = |parts: &[String]| {
            let apart = |a: &String, b: &String| a == b || self.switched.iter().any(|switch| switch.apart(a, b));
            parts.iter().all(|a| parts.iter().all(|b| apart(a, b)))
        };
        let mut texts = self.joined.iter().map(within);
        texts
            .find(|parts| parts.len() > 1 && !alternatives(parts))
            .unwrap_or_default()
    }

    /// Settles that a role's value is not to be written anywhere.
    pub fn leave_out(&mut self, role: Role) {
        self.chosen.insert(role, Finding::Absent);
    }

    /// Finds the roles of a changed graph anew and keeps the choices that still name a literal input.
    pub fn refind(&self, graph: &Graph, info: &ObjectInfo) -> Self {
        let mut roles = find(graph, info);
        for (role, answer) in &self.chosen {
            if *answer == Finding::Absent {
                roles.leave_out(*role);
                continue;
            }
            let again = answer
                .places()
                .iter()
                .map(|place| Place::at(graph, place.node.as_str(), &place.input));
            if let Some(places) = again.collect() {
                roles.chosen.insert(
                    *role,
                    Finding::Found {
                        places,
                        found_by: FoundBy::Chosen,
                    },
                );
            }
        }
        roles
    }
}

/// The literal input that a value comes from, for messages: follows a link to a primitive.
pub(crate) fn sources_of(graph: &Graph, info: &ObjectInfo, node: &str, input: &str) -> Vec<Place> {
    let walk = walk::Walk::new(graph, info);
    match graph.node(node).and_then(|found| found.input(input)) {
        Some(value @ InputValue::Link { .. }) => values::sources(&walk, value, (node, input)),
        _ => Vec::new(),
    }
}
