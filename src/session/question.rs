//! Questions about a workflow that only its user can answer, and the answers.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::ServiceError;
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Pictures, Place, Role, Roles, ShownBy};
use comfyui::knobs::Edits;
use comfyui::replacements::Renamed;
use text::{Foreign, shortened};
use types::Seed;

/// What an iteration is written for.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// Whether it is run in the same call.
    pub runs: bool,
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
    /// Whether several of them may be meant at once.
    pub several: bool,
}

impl Question {
    fn about_role(roles: &Roles, role: Role) -> Option<Self> {
        match roles.get(role) {
            Finding::Candidates { places, why } => Some(Self {
                about: Asked::Role(role),
                why: why.to_string(),
                candidates: places.iter().map(Candidate::from).collect(),
                several: why.takes_several(),
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

/// Where the prompt goes now that a knob has turned the switch which let it through; nothing where nobody could choose.
pub(super) fn after_cutting_off(roles: &Roles, cut_off: &str) -> Option<Question> {
    let places = roles.traced(Role::Positive).places();
    (!places.is_empty()).then(|| Question {
        about: Asked::Role(Role::Positive),
        why: format!("with these knobs {cut_off}"),
        candidates: places.iter().map(Candidate::from).collect(),
        several: false,
    })
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
            several: false,
        })
    };
    seeds().or_else(picture)
}

/// Answers with the names that inputs have in what runs, where they have those of the workflow's file.
pub(super) fn by_new_names(
    mut choices: BTreeMap<String, String>,
    new: impl Fn(&str) -> Option<Renamed>,
) -> BTreeMap<String, String> {
    for picks in choices.values_mut() {
        let picked: Vec<&str> = picks.split(',').map(str::trim).collect();
        let renamed: Vec<Option<Renamed>> = picked
            .iter()
            .map(|pick| new(pick).filter(|_| pick.contains('.')))
            .collect();
        if renamed.iter().any(Option::is_some) {
            let keys = picked
                .iter()
                .zip(renamed)
                .map(|(pick, new)| new.map_or_else(|| (*pick).to_owned(), |new| new.key));
            *picks = keys.collect::<Vec<_>>().join(",");
        }
    }
    choices
}

/// The same of knobs, and what is to be told of it.
pub(super) fn knobs_by_new_names(
    knobs: &Map<String, Value>,
    new: impl Fn(&str) -> Option<Renamed>,
) -> (Map<String, Value>, Vec<String>) {
    let (mut named, mut told) = (Map::new(), Vec::new());
    for (knob, value) in knobs {
        // Of two names for one input the new one counts; the other one is refused like any that is not known.
        let known = |key: &String| knobs.contains_key(key) || named.contains_key(key);
        let renamed = new(knob).filter(|renamed| Role::from_name(knob).is_none() && !known(&renamed.key));
        match renamed {
            Some(renamed) => {
                told.push(renamed.told);
                named.insert(renamed.key, value.clone());
            }
            None => {
                named.insert(knob.clone(), value.clone());
            }
        }
    }
    (named, told)
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

    #[test]
    fn old_names_give_way_to_new_ones_where_they_have_some() {
        let new = |name: &str| {
            (name == "6.prompt").then(|| Renamed {
                key: "6.text".to_owned(),
                told: "6.prompt was written to 6.text".to_owned(),
            })
        };
        let answers = [("positive", "6.prompt, 7.text"), ("picture", "Final, large")];
        let answers = answers
            .map(|(about, picks)| (about.to_owned(), picks.to_owned()))
            .into();
        let renamed = by_new_names(answers, new);
        assert_eq!(renamed["positive"], "6.text,7.text");
        assert_eq!(renamed["picture"], "Final, large", "as it was");
        let knobs = |knobs: serde_json::Value| knobs_by_new_names(knobs.as_object().unwrap(), new);
        let (named, told) = knobs(json!({"6.prompt": "x", "steps": 4}));
        assert_eq!(
            (Value::Object(named), told.len()),
            (json!({"6.text": "x", "steps": 4}), 1)
        );
        let (both, told) = knobs(json!({"6.prompt": "x", "6.text": "y"}));
        assert_eq!(
            (Value::Object(both), told.len()),
            (json!({"6.prompt": "x", "6.text": "y"}), 0)
        );
    }
}
