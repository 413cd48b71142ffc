//! One axis over time.

use serde::Serialize;

use super::{Output, pages, shortened, within_budget};
use crate::mcp::convert::rounded;
use crate::session::{AxisAt, AxisView, PAGE};
use text::Foreign;
use types::IterationNo;

/// Most characters of what a picture shows.
const SHOWN: usize = 60;

#[derive(Serialize)]
pub struct AxisRow {
    iteration: IterationNo,
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
    if view.rows.iter().any(|at| at.moved.is_some()) {
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
            .map(|AxisAt { n, result, moved }| AxisRow {
                iteration: *n,
                score: result.score.map(rounded),
                generated: match result.score {
                    Some(_) => shortened(&result.generated, most),
                    None => result.verdict.as_str().to_owned(),
                },
                moved: moved.map(rounded),
            })
            .collect(),
        ..Output::default()
    })
}
