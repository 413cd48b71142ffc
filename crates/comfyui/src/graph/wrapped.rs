//! Finds the workflow in a request that it was wrapped in, such as `{"input": {"workflow": {…}}}`.

use std::fmt;

use serde_json::{Map, Value};

use super::{GraphError, MAX_WORKFLOW_VALUES, holds_nodes, is_ui_format};
use text::Foreign;
use text::bounded::{self, Size};

/// How many objects may lie around a workflow.
const DEEPEST: usize = 3;

/// Workflows of one file that a message names.
const NAMED: usize = 4;

/// Where in its file a workflow stands, such as `input.workflow`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped(String);

impl Wrapped {
    fn within(&self, key: &str) -> Self {
        match self.0.as_str() {
            "" => Self(key.to_owned()),
            outer => Self(format!("{outer}.{key}")),
        }
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", Foreign(&self.0))
    }
}

/// The nodes of a workflow, and where it lay.
pub(super) type Found = (Map<String, Value>, Wrapped);

/// The nodes of the only workflow that lies in `object`, and where. Of several the one with the fewest objects around it.
/// `None` where there is none.
///
/// # Errors
/// [`GraphError::Several`] where it is not the only one; [`GraphError::UiFormat`] where one in that format is all there is.
pub(super) fn find(object: Map<String, Value>) -> Result<Option<Found>, GraphError> {
    let mut level = vec![(object, Wrapped(String::new()))];
    let (mut ui_format, mut left) = (false, MAX_WORKFLOW_VALUES);
    for _ in 0..DEEPEST {
        let (mut found, mut places, mut deeper) = (None, Vec::new(), Vec::new());
        for (object, around) in level {
            for (key, value) in object {
                let Some(inner) = object_of(value, &mut left) else {
                    continue;
                };
                let place = around.within(&key);
                if is_ui_format(&inner) {
                    ui_format = true;
                } else if holds_nodes(&inner) {
                    found.get_or_insert(inner);
                    places.push(place);
                } else {
                    deeper.push((inner, place));
                }
            }
        }
        match (found, places.as_slice()) {
            (Some(nodes), [place]) => return Ok(Some((nodes, place.clone()))),
            (Some(_), several) => {
                return Err(GraphError::Several {
                    count: several.len(),
                    places: several.iter().take(NAMED).map(Wrapped::to_string).collect(),
                });
            }
            (None, _) => level = deeper,
        }
    }
    match ui_format {
        true => Err(GraphError::UiFormat),
        false => Ok(None),
    }
}

/// An object, also where it is written as a text: some services take a workflow so. Such texts hold `left` values at most
/// in all.
fn object_of(value: Value, left: &mut usize) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        Value::String(text) if text.trim_start().starts_with('{') => {
            let Ok(Value::Object(object)) = bounded::parse(text.as_bytes(), *left) else {
                return None;
            };
            *left = left.saturating_sub(Size::of_text(text.as_bytes()).values);
            Some(object)
        }
        _ => None,
    }
}
