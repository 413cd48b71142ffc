//! The list of sessions.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Output, shortened, within_budget};
use crate::session::PAGE;
use history::SessionSummary;

#[derive(Serialize, JsonSchema)]
pub struct SessionOut {
    session: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    /// The last time something was added.
    last: String,
    iterations: u32,
}

pub fn output(found: Vec<SessionSummary>, page: u32) -> Output {
    let summary = match (found.len(), page) {
        (0, 0) => "No session yet: open one with inject_prompt.".to_owned(),
        (0, _) => format!("Page {page} is empty: there are no older sessions."),
        (n, _) if n == PAGE as usize => format!("{n} sessions, the newest first; older ones on page {}.", page + 1),
        (n, _) => format!("{n} session(s), the newest first."),
    };
    within_budget(60, |most| Output {
        summary: summary.clone(),
        sessions: found
            .iter()
            .map(|s| SessionOut {
                session: s.id.to_string(),
                title: shortened(s.title.as_deref().unwrap_or_default(), most),
                // To the minute: `2026-03-01T12:34Z`.
                last: format!("{}Z", s.last_activity.to_string().get(..16).unwrap_or_default()),
                iterations: s.iterations,
            })
            .collect(),
        ..Output::default()
    })
}
