//! The roles as JSON, for an agent or a person to read.

use serde_json::{Map, Value, json};

use super::super::graph::{Graph, NodeId};
use super::{Finding, FoundBy, Place, Role, Roles, Why};
use text::{Foreign, shortened};

/// What was found, as JSON: `{"roles": {role: place | {"candidates": [place], "why"} | null}, "notes": [text]}`.
///
/// A place is `{"node", "title", "class", "input", "value", "found_by"}`; further places that hold the same value and
/// are written together stand in its `also`. Ids are strings. Values are those of `graph` now.
pub fn report(graph: &Graph, roles: &Roles) -> Value {
    let mut notes = Vec::new();
    let entries: Map<String, Value> = roles
        .iter()
        .map(|(role, finding)| {
            if *finding == Finding::Zeroed {
                notes.push(format!(
                    "{role}: the workflow zeroes the negative conditioning (ConditioningZeroOut), so it has no negative prompt"
                ));
            }
            notes.extend(reason(roles, role));
            (role.name().to_owned(), entry(graph, role, finding))
        })
        .collect();
    notes.extend(kept_seeds(roles));
    json!({ "roles": entries, "notes": notes })
}

/// Why the only place that was found is taken for a role, or why there is none.
pub fn reason(roles: &Roles, role: Role) -> Option<String> {
    if roles.chosen.contains_key(&role) {
        return None;
    }
    let why = roles.reasons.get(&role)?;
    let node = |by: &NodeId, title: &str| format!("node {by} {}", Foreign(&shortened(title, 60)));
    match roles.get(role) {
        Finding::Found { places, .. } => {
            let why = match why {
                Why::NotTraced => "no wire from a sampler leads to it".to_owned(),
                Why::Unresolved { by, title } => {
                    format!("a part comes out of {}, which cannot be looked into", node(by, title))
                }
                _ => "it has other parts, which are blank".to_owned(),
            };
            let keys: Vec<String> = places.iter().map(Place::key).collect();
            Some(format!(
                "{role}: {} is the only place that was found, so it is taken, though {why}. Another one is named with place: \
                 {{\"{role}\": \"NODE.INPUT\"}}.",
                keys.join(", ")
            ))
        }
        Finding::Absent if role == Role::Model => None,
        Finding::Absent => match why {
            Why::Unresolved { by, title } | Why::Computed { by, title } => Some(format!(
                "{role}: it comes out of {}, which holds no value that could be written.",
                node(by, title)
            )),
            _ => None,
        },
        Finding::Candidates { .. } | Finding::Zeroed => None,
    }
}

/// Which samplers keep their seed, and how to have it otherwise.
pub fn kept_seeds(roles: &Roles) -> Option<String> {
    let kept = roles.kept_seeds();
    let found = roles.get(Role::Seed).found();
    if kept.is_empty() || found.is_empty() {
        return None;
    }
    let keys = |places: &[Place]| places.iter().map(Place::key).collect::<Vec<_>>().join(", ");
    let names: Vec<String> = kept
        .iter()
        .map(|place| {
            format!(
                "{} ({:#}, now {})",
                place.key(),
                Foreign(&shortened(&place.title, 60)),
                place.value
            )
        })
        .collect();
    Some(format!(
        "The seed is {}, which decides the picture; samplers that only go over it keep theirs: {}. To write all: place \
         {{\"seed\": \"{}, {}\"}}.",
        keys(found),
        names.join(", "),
        keys(found),
        keys(kept),
    ))
}

/// Which texts stay in what steers the sampler when a role is written, and which parts of one text it was written to twice.
pub fn told_beside(roles: &Roles, role: Role) -> Vec<String> {
    /// Texts that a note names.
    const NAMED: usize = 4;
    let beside = roles.beside(role);
    let mut named: Vec<String> = beside
        .iter()
        .take(NAMED)
        .map(|place| {
            let text = place.value.as_str().unwrap_or_default();
            format!("{} ({})", place.key(), Foreign(&shortened(text, 60)))
        })
        .collect();
    if beside.len() > NAMED {
        named.push(format!("{} more", beside.len() - NAMED));
    }
    let stays = (!named.is_empty()).then(|| {
        format!(
            "Beside the {role} prompt the workflow's own text stays: {}. A knob changes it (\"\" takes it out).",
            named.join(", ")
        )
    });
    let twice = roles.twice(role);
    let twice = (!twice.is_empty()).then(|| {
        format!(
            "{} are parts of one text, so the {role} prompt stands in it {} times: choose one place, and set the others as knobs.",
            twice.join(", "),
            twice.len()
        )
    });
    stays.into_iter().chain(twice).collect()
}

fn entry(graph: &Graph, role: Role, finding: &Finding) -> Value {
    match finding {
        Finding::Found { places, found_by } => {
            let mut places = places.iter().map(|place| place_json(graph, place, *found_by));
            let mut first = places.next().unwrap_or(Value::Null);
            let also: Vec<Value> = places.collect();
            if !also.is_empty() {
                first["also"] = Value::from(also);
            }
            first
        }
        Finding::Candidates { places, why } => {
            let how = match why {
                Why::NotTraced => FoundBy::Guessed,
                _ => FoundBy::Traced,
            };
            json!({
                "candidates": places.iter().map(|place| place_json(graph, place, how)).collect::<Vec<_>>(),
                "why": why.to_string(),
                "choose": format!("{role} → one of these as node.input"),
            })
        }
        Finding::Zeroed | Finding::Absent => Value::Null,
    }
}

fn place_json(graph: &Graph, place: &Place, found_by: FoundBy) -> Value {
    let now = graph
        .node(place.node.as_str())
        .and_then(|node| node.literal(&place.input));
    json!({
        "node": place.node,
        "title": place.title,
        "class": place.class,
        "input": place.input,
        "value": now.unwrap_or(&place.value),
        "found_by": found_by,
    })
}
