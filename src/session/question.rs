//! Questions about a workflow that only its user can answer, and the answers.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::ServiceError;
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Pictures, Place, Role, Roles, ShownBy};
use comfyui::knobs::Edits;
use text::{Foreign, shortened};
use types::Seed;

/// What an iteration is written for.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// The seeds that it will be run with.
    pub seeds: Vec<Seed>,
    /// Whether what comes out will be judged.
    pub judged: bool,
}

/// What a question is about; the key of its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Where a role's value goes.
    Role(Role),
    /// Which node shows the picture that is the result.
    Picture,
}

/// The answer that seeds are not written anywhere.
pub(super) const NO_SEED: &str = "none";

impl Asked {
    /// What is asked by that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "picture" => Some(Self::Picture),
            role => Role::from_name(role).map(Self::Role),
        }
    }

    /// The question in words.
    pub fn in_words(self) -> String {
        match self {
            Self::Role(Role::Positive) => "Where does the prompt go?".to_owned(),
            Self::Role(Role::Negative) => "Where does the negative prompt go?".to_owned(),
            Self::Role(role) => format!("Where does the {role} go?"),
            Self::Picture => "Which node shows the picture that is to be judged?".to_owned(),
        }
    }

    /// The form of an answer.
    pub fn answer(self) -> &'static str {
        match self {
            Self::Role(_) => "NODE.INPUT",
            Self::Picture => "NODE",
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => role.fmt(f),
            Self::Picture => f.write_str("picture"),
        }
    }
}

/// A possible answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The answer: `node.input`, or a node's id.
    pub key: String,
    /// The node's title.
    pub title: String,
    /// What stands there, where it is an input.
    pub value: Option<Value>,
}

impl From<&Place> for Candidate {
    fn from(place: &Place) -> Self {
        Self {
            key: place.key(),
            title: place.title.clone(),
            value: Some(place.value.clone()),
        }
    }
}

impl From<&ShownBy> for Candidate {
    fn from(shown: &ShownBy) -> Self {
        Self {
            key: shown.node.to_string(),
            title: shown.title.clone(),
            value: None,
        }
    }
}

/// What is not unique. Nothing was written, recorded or run.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub about: Asked,
    /// Why it is a question.
    pub why: String,
    /// The candidates.
    pub candidates: Vec<Candidate>,
}

impl Question {
    fn about_role(roles: &Roles, role: Role) -> Option<Self> {
        match roles.get(role) {
            Finding::Candidates { places, why } => Some(Self {
                about: Asked::Role(role),
                why: why.to_string(),
                candidates: places.iter().map(Candidate::from).collect(),
            }),
            _ => None,
        }
    }
}

/// The first role that is to be written and is not unique.
pub(super) fn before_writing(roles: &Roles, edits: &Edits) -> Option<Question> {
    let wanted = [
        (Role::Positive, edits.positive.is_some()),
        (Role::Negative, edits.negative.is_some()),
        (Role::Seed, edits.seed.is_some()),
    ];
    wanted
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .find_map(|(role, _)| Question::about_role(roles, role))
}

/// What has to be settled before anything is rendered: where the seeds go, and which picture is judged.
pub(super) fn before_running(roles: &Roles, pictures: &Pictures, planned: &Planned) -> Option<Question> {
    let seeds = || Question::about_role(roles, Role::Seed).filter(|_| !planned.seeds.is_empty());
    let picture = || {
        let unclear = pictures.unclear();
        (planned.judged && !unclear.is_empty()).then(|| Question {
            about: Asked::Picture,
            why: "these nodes show different pictures, and nothing tells which of them is the result".to_owned(),
            candidates: unclear.iter().map(Candidate::from).collect(),
        })
    };
    seeds().or_else(picture)
}

/// Applies the answers about roles.
///
/// # Errors
/// [`ServiceError`] for an answer to nothing, or one that names nothing.
pub(super) fn choose_roles(
    roles: &mut Roles,
    graph: &Graph,
    choices: &BTreeMap<String, String>,
) -> Result<(), ServiceError> {
    for (name, picks) in choices {
        let asked = Asked::from_name(name).ok_or_else(|| {
            ServiceError::usage(
                format!("{name:?} is no role"),
                format!("Roles are {}, and picture.", Role::ALL.map(Role::name).join(", ")),
            )
        })?;
        match asked {
            Asked::Role(Role::Seed) if picks.trim() == NO_SEED => roles.leave_out(Role::Seed),
            Asked::Role(role) => {
                let picks: Vec<&str> = picks.split(',').map(str::trim).collect();
                roles.choose(graph, role, &picks)?;
            }
            Asked::Picture => {}
        }
    }
    Ok(())
}

/// Applies the answer about the picture.
///
/// # Errors
/// [`ServiceError`] when it names no node that shows a picture.
pub(super) fn choose_picture(pictures: &mut Pictures, choices: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    match choices.get(&Asked::Picture.to_string()) {
        Some(pick) => Ok(pictures.choose(pick)?),
        None => Ok(()),
    }
}

/// Whether the answers say that seeds make no difference.
pub(super) fn is_seedless(choices: &BTreeMap<String, String>) -> bool {
    choices
        .get(Role::Seed.name())
        .is_some_and(|picks| picks.trim() == NO_SEED)
}

/// Which picture is the one that counts, of a run that made so many.
pub(super) fn pictures_told(pictures: &Pictures, most: usize) -> Option<String> {
    if most < 2 {
        return None;
    }
    let ranked = pictures.ranked();
    let result = ranked.first()?;
    let title = shortened(&result.title, 60);
    let title = Foreign(&title);
    let shown_by = ranked.iter().filter(|shown| shown.saved == result.saved).count();
    // A preview was chosen: the saved pictures stand beside it.
    let mixed = !result.saved && ranked.iter().any(|shown| shown.saved);
    let batch = match (shown_by, most) {
        _ if mixed => String::new(),
        (1, most) => format!(", the first of a batch of {most}"),
        (nodes, most) if most > nodes => ", the first of its batch".to_owned(),
        _ => String::new(),
    };
    let others: Vec<String> = ranked
        .iter()
        .skip(1)
        .map(|shown| shown.node.to_string())
        .take(8)
        .collect();
    let otherwise = if others.is_empty() {
        String::new()
    } else {
        format!(
            " Another one counts in new runs with place: {{\"picture\": \"NODE\"}} ({}).",
            others.join(", ")
        )
    };
    let unclear = match pictures.unclear() {
        [] => "",
        _ => " Which of them is the result is not clear.",
    };
    Some(format!(
        "Of the pictures of a run the one that counts is that of node {} ({title:#}){batch}.{unclear}{otherwise}",
        result.node
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use comfyui::inject::{find, pictures};
    use comfyui::object_info::ObjectInfo;

    fn told(most: usize, choose: Option<&str>, more: serde_json::Value) -> Option<String> {
        let mut graph = json!({
            "1": {"class_type": "Picture Service", "inputs": {"prompt": "a castle", "seed": 3}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}, "_meta": {"title": "Final"}},
        });
        graph.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (graph, info) = (Graph::from_json(graph).unwrap(), ObjectInfo::default());
        let mut found = pictures(&graph, &info, &find(&graph, &info));
        choose.into_iter().for_each(|pick| found.choose(pick).unwrap());
        pictures_told(&found, most)
    }

    #[test]
    fn the_picture_that_counts_is_named() {
        assert_eq!(told(1, None, json!({})), None);
        assert_eq!(
            told(4, None, json!({})).unwrap(),
            "Of the pictures of a run the one that counts is that of node 2 (Final), the first of a batch of 4."
        );
        let preview = json!({"3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 1]}}});
        assert_eq!(told(1, None, preview.clone()), None);
        let chosen = told(2, Some("3"), preview).unwrap();
        assert!(chosen.contains("that of node 3 (PreviewImage). "), "{chosen}");
        let second = json!({"3": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "y"}},
            "4": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}}});
        assert_eq!(
            told(8, None, second).unwrap(),
            "Of the pictures of a run the one that counts is that of node 2 (Final), the first of its batch. Another one \
             counts in new runs with place: {\"picture\": \"NODE\"} (3)."
        );
    }
}
