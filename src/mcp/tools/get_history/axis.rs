//! One axis over time.

use serde::Serialize;

use super::{Output, pages, shortened, within_budget};
use crate::mcp::convert::rounded;
use crate::session::{AxisView, PAGE};
use text::Foreign;

/// Most characters of what a picture shows.
const SHOWN: usize = 60;

#[derive(Serialize)]
pub struct AxisRow {
    iteration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(rename = "gen")]
    generated: String,
    /// Raw difference to what it was compared with, where it is more than noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    moved: Option<f64>,
}

pub fn output(view: &AxisView, page: u32) -> Output {
    let mut summary = match &view.target {
        Some(target) => format!(
            "{} of session {}: the reference shows {}.",
            view.axis,
            view.session.id,
            Foreign(target)
        ),
        None => format!("{} of session {}: nothing is judged here.", view.axis, view.session.id),
    };
    if view.rows.iter().any(|(_, _, moved)| moved.is_some()) {
        summary.push_str(" `moved` is raw, on the seeds that were compared; `score` is scaled, over all seeds.");
    }
    let of_page = view.count.saturating_sub(page.saturating_mul(PAGE));
    summary.push_str(&pages(view.count, page, of_page as usize));
    if let Some(unreadable) = &view.unreadable {
        summary.push_str(&format!(" {unreadable}"));
    }
    within_budget(SHOWN, |most| Output {
        summary: summary.clone(),
        axis: view
            .rows
            .iter()
            .map(|(n, axis, moved)| AxisRow {
                iteration: *n,
                score: axis.score.map(rounded),
                generated: match axis.score {
                    Some(_) => shortened(&axis.generated, most),
                    None => axis.verdict.as_str().to_owned(),
                },
                moved: moved.map(rounded),
            })
            .collect(),
        ..Output::default()
    })
}
