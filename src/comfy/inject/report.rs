//! The roles as JSON, for an agent or a person to read.

use serde_json::{Map, Value, json};

use super::super::graph::Graph;
use super::{Finding, FoundBy, Place, Role, Roles, Why};
use crate::text::{Foreign, shortened};

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
            (role.name().to_owned(), entry(graph, role, finding))
        })
        .collect();
    notes.extend(kept_seeds(roles));
    json!({ "roles": entries, "notes": notes })
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
