//! Answers to the question where a value goes.

use serde_json::Value;
use thiserror::Error;

use super::super::graph::Graph;
use super::{Finding, FoundBy, Place, Role, Roles};
use text::near::nearest;

impl Roles {
    /// Settles where a role's value goes.
    ///
    /// Each pick is `node.input`, or just a node (all candidates in it), where the node is an id or a title.
    /// Usually a pick names a candidate, but any literal input of the graph may be named. Several picks are
    /// written together.
    ///
    /// # Errors
    /// [`ChoiceError`] when a pick names nothing, or more than one place.
    pub fn choose(&mut self, graph: &Graph, role: Role, picks: &[&str]) -> Result<(), ChoiceError> {
        let mut places: Vec<Place> = Vec::new();
        for pick in picks {
            for place in self.pick(graph, role, pick)? {
                if !places.iter().any(|known| known.is(&place)) {
                    places.push(place);
                }
            }
        }
        if places.is_empty() {
            return Err(self.unknown_choice(role, ""));
        }
        self.chosen.insert(
            role,
            Finding::Found {
                places,
                found_by: FoundBy::Chosen,
            },
        );
        Ok(())
    }

    fn pick(&self, graph: &Graph, role: Role, pick: &str) -> Result<Vec<Place>, ChoiceError> {
        let pick = pick.trim();
        let candidates = self.candidates(role);
        let by_key: Vec<&Place> = candidates
            .iter()
            .filter(|place| place.key() == pick || format!("{}.{}", place.title, place.input) == pick)
            .collect();
        if let [place] = by_key.as_slice() {
            return Ok(vec![(*place).clone()]);
        }
        let in_node: Vec<&Place> = candidates.iter().filter(|place| place.node.as_str() == pick).collect();
        if !in_node.is_empty() {
            return Ok(in_node.into_iter().cloned().collect());
        }
        let titled: Vec<&Place> = candidates.iter().filter(|place| place.title == pick).collect();
        if let Some(first) = titled.first()
            && titled.iter().all(|place| place.node == first.node)
        {
            return Ok(titled.into_iter().cloned().collect());
        }
        if titled.len() > 1 || by_key.len() > 1 {
            let options = titled.iter().chain(&by_key).map(|place| place.key()).collect();
            return Err(ChoiceError::Ambiguous {
                role,
                pick: pick.to_owned(),
                options,
            });
        }
        let literal = pick
            .match_indices('.')
            .find_map(|(dot, _)| Place::at(graph, &pick[..dot], &pick[dot + 1..]));
        match literal {
            Some(place) if fits(role, &place.value) => Ok(vec![place]),
            Some(place) => Err(ChoiceError::WrongType {
                role,
                pick: place.key(),
            }),
            None => Err(self.unknown_choice(role, pick)),
        }
    }

    /// What tracing found, whatever was chosen since.
    fn candidates(&self, role: Role) -> &[Place] {
        self.findings.get(&role).map(Finding::places).unwrap_or_default()
    }

    fn unknown_choice(&self, role: Role, pick: &str) -> ChoiceError {
        let keys: Vec<String> = self.candidates(role).iter().map(Place::key).collect();
        let options = nearest(pick, keys.iter().map(String::as_str), 8);
        ChoiceError::Unknown {
            role,
            pick: pick.to_owned(),
            options,
        }
    }
}

fn fits(role: Role, value: &Value) -> bool {
    match role {
        Role::Positive | Role::Negative | Role::Sampler | Role::Model => value.is_string(),
        Role::Seed | Role::Width | Role::Height | Role::Steps | Role::Cfg => value.is_number(),
    }
}

/// Why an answer to a question cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ChoiceError {
    /// Nothing of that name.
    #[error("cannot choose {pick:?} for the {role} value: no literal input of that name")]
    Unknown {
        /// The role asked about.
        role: Role,
        /// What was picked.
        pick: String,
        /// Candidates, closest first.
        options: Vec<String>,
    },
    /// Several places of that name.
    #[error("{pick:?} names more than one place for the {role} value")]
    Ambiguous {
        /// The role asked about.
        role: Role,
        /// What was picked.
        pick: String,
        /// The places it names.
        options: Vec<String>,
    },
    /// A number for text or the other way round.
    #[error("{pick} does not hold what the {role} value needs")]
    WrongType {
        /// The role asked about.
        role: Role,
        /// What was picked.
        pick: String,
    },
    /// No node of that name shows a picture, or several do.
    #[error("cannot choose {pick:?} for the picture: not exactly one node of that name saves or shows one")]
    NoPicture {
        /// What was picked.
        pick: String,
        /// Nodes that do.
        options: Vec<String>,
    },
}

impl ChoiceError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unknown { options, .. } | Self::Ambiguous { options, .. } if !options.is_empty() => {
                format!("Choose one as node.input: {}.", options.join(", "))
            }
            Self::NoPicture { options, .. } if options.is_empty() => {
                "Add a SaveImage node to the workflow, export it again, and open a session with it.".to_owned()
            }
            Self::NoPicture { options, .. } => format!("Name a node by its id: {}.", options.join(", ")),
            _ => "Name a literal input as node.input, for example \"6.text\".".to_owned(),
        }
    }
}

types::hints!(ChoiceError);
