//! What the history keeps as JSON, as rows with a version: apart from the types that the rest works with, so that a change of those
//! changes no record.
//!
//! A row is an object with its version under `v`; version 0, which the first releases wrote, has none. Every version there ever was
//! is read. What cannot be read is an error that the caller reports; it is never taken for nothing.

mod comparison;
mod decision;
mod judgement;
mod rubric;

use serde_json::Value;

use comfyui::graph::Graph;
use history::Payload;
use judge::Stored;
use judge::protocol::AxisValue;

pub use judgement::JudgementRecord;
use types::Unreadable;

pub(super) use comparison::DirectAnswer;

/// The version of a record, at most `newest`.
fn version(record: &Value, newest: u64, what: &'static str) -> Result<u64, Unreadable> {
    match record.get("v") {
        None => Ok(0),
        Some(version) => match version.as_u64() {
            Some(known) if (1..=newest).contains(&known) => Ok(known),
            _ => Err(Unreadable::new(
                what,
                format!("it has version {version}, and {newest} is the newest known here"),
            )),
        },
    }
}

/// Says what is wrong with a payload that is to be imported.
///
/// # Errors
/// What is wrong, in words.
pub fn check(payload: Payload<'_>) -> Result<(), String> {
    match payload {
        Payload::Graph(graph) => Graph::from_json(graph.clone()).map(drop).map_err(|e| e.to_string()),
        Payload::Rubric(stored) => rubric::read(stored).map(drop).map_err(|e| e.to_string()),
        Payload::Judgement(stored) => JudgementRecord::read(stored).map(drop).map_err(|e| e.to_string()),
        Payload::Decision(stored) => decision::read(stored).map(drop).map_err(|e| e.to_string()),
        Payload::Comparison(stored) => DirectAnswer::read(stored).map(drop).map_err(|e| e.to_string()),
        Payload::ReferenceValues(stored) => Vec::<AxisValue>::from_stored(stored)
            .map(drop)
            .map_err(|e| e.to_string()),
    }
}

pub(super) use decision::{decided, log_of, write as write_detail};
pub(super) use rubric::{read as read_rubric, write as write_rubric};
