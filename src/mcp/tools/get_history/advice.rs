//! What to do next.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Output, shortened, within_budget};
use crate::mcp::convert::rounded;
use crate::session::AdviceView;
use calibration::advice::{Facts, Step, Stop, Try, Worst};
use text::Foreign;
use types::{AxisId, IterationNo, Seed};

/// Most characters of a note, or of what a picture shows.
const TEXT: usize = 120;

#[derive(Serialize)]
pub struct AdviceOut {
    /// judge, more_seeds, rescore, stop or change
    step: &'static str,
    /// Why to stop: reached, maximum, plateau or blind.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// To go on from.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<IterationNo>,
    /// Seeds to run and judge, by iteration.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    run: BTreeMap<IterationNo, Vec<Seed>>,
    /// The axis to change: its target, and what the best iteration shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    axis: Option<AxisId>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(rename = "gen", skip_serializing_if = "Option::is_none")]
    generated: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// What was tried on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tried: Vec<String>,
}

pub fn output(view: &AdviceView) -> Output {
    let AdviceView {
        session,
        facts,
        advice,
        running,
        stopping,
    } = view;
    let mut summary = advice.step.in_words(facts);
    if let Some(n) = running {
        let now = match stopping {
            true => format!("Iteration {n} is being stopped: look again in some seconds."),
            false => format!("Iteration {n} runs now: queue_generation with session and iteration waits for it."),
        };
        summary = match advice.step {
            // That it is to be judged goes without saying.
            Step::Judge(Some(judged)) if judged == *n => now,
            _ => format!("{now} Before that: {summary}"),
        };
    }
    if let Some(best) = &facts.best {
        let score = best
            .verdict
            .overall_score
            .map(|s| format!("{s:.2}, "))
            .unwrap_or_default();
        summary.push_str(&format!(
            " Best: iteration {} ({score}{} seed(s)), target {:.2}, {} of at most {} iterations.",
            best.n,
            best.seeds.len(),
            facts.target,
            facts.ran,
            facts.max_iterations
        ));
    }
    if advice.step == Step::Stop(Stop::Plateau) || matches!(advice.step, Step::Change(_)) {
        summary.push_str(&on_worst(advice.worst.as_ref()));
    }
    let fell: Vec<String> = advice
        .fell
        .iter()
        .take(4)
        .map(|(axis, fall)| format!("{axis} {fall}"))
        .collect();
    if !fell.is_empty() {
        summary.push_str(&format!(" ALARM: {}.", fell.join(", ")));
    }
    if let Some(unreadable) = facts.unreadable.in_words() {
        summary.push_str(&format!(" {unreadable}"));
    }
    let summary = format!("Session {}: {summary}", session.id);
    within_budget(TEXT, |most| {
        let worst = advice.worst.as_ref();
        Output {
            summary: summary.clone(),
            advice: Some(AdviceOut {
                step: name(&advice.step),
                why: match advice.step {
                    Step::Stop(Stop::Reached) => Some("reached"),
                    Step::Stop(Stop::Maximum) => Some("maximum"),
                    Step::Stop(Stop::Plateau) => Some("plateau"),
                    Step::Stop(Stop::Blind) => Some("blind"),
                    _ => None,
                },
                run: advice.step.runs(),
                parent: facts.best.as_ref().map(|best| best.n),
                axis: worst.map(|w| w.axis.id.clone()),
                reference: worst.map(|w| shortened(&w.axis.reference, most)),
                generated: worst.map(|w| shortened(&w.axis.generated, most)),
                score: worst.and_then(|w| w.axis.score).map(rounded),
                tried: worst
                    .map(|w| w.tried.iter().map(|t| tried(t, facts, most)).collect())
                    .unwrap_or_default(),
            }),
            ..Output::default()
        }
    })
}

fn name(step: &Step) -> &'static str {
    match step {
        Step::Judge(_) => "judge",
        Step::MoreSeeds(_) => "more_seeds",
        Step::Rescore { .. } => "rescore",
        Step::Stop(_) => "stop",
        Step::Change(_) => "change",
    }
}

fn on_worst(worst: Option<&Worst>) -> String {
    let Some(worst) = worst else {
        return " No axis is surely off: what is left is within the judge's uncertainty.".to_owned();
    };
    let axis = &worst.axis;
    let mut text = format!(
        " Change {}: the reference shows {}, the best picture {}.",
        axis.id,
        Foreign(&axis.reference),
        Foreign(&axis.generated)
    );
    if worst.stuck {
        text.push_str(" The last tries did not move it: the prompt may not control it; try a knob, or leave it.");
    }
    text
}

/// `5 revert, raw +0.02: said it earlier in the prompt`.
fn tried(tried: &Try, facts: &Facts, most: usize) -> String {
    let note = facts
        .notes
        .get(&tried.n)
        .map(|note| format!(": {}", shortened(note, most)))
        .unwrap_or_default();
    format!("{} {}, raw {:+.2}{note}", tried.n, tried.kind.as_str(), tried.by)
}
