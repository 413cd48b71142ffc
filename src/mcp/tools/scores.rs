//! A judgement as an agent is shown it: the worst axes in full, the rest as a number each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::judge::score::AxisVerdict;
use crate::judge::verdict::{AxisResult, Flag};
use crate::mcp::convert::rounded;
use crate::picture::Signals;
use crate::session::Judgement;

/// Axes shown in full unless all are asked for.
pub const WORST: usize = 6;

#[derive(Serialize, JsonSchema)]
pub struct AxisOut {
    id: String,
    /// 0-1 on the reference's scale
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// As the model gave it
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<f64>,
    /// Disagreement of the two orders
    order: f64,
    spread: f64,
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "gen")]
    generated: String,
    verdict: AxisVerdict,
}

#[derive(Serialize, JsonSchema)]
pub struct BestOut {
    iteration: u32,
    overall_score: f64,
}

/// One picture's judgement.
#[derive(Serialize, JsonSchema)]
pub struct ScoresOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// 0-1; absent when no axis counts
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_ci: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_raw: Option<f64>,
    /// Worst first
    axes: Vec<AxisOut>,
    /// The other axes' scores (raw where there is none)
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rest: BTreeMap<String, f64>,
    /// Best of the session before this
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<BestOut>,
    signals: Signals,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    /// Scores of different judges are never compared
    judge: String,
}

impl ScoresOut {
    /// A judgement, with all axes in full or the worst ones.
    pub fn of(judgement: &Judgement, seed: Option<u64>, full: bool) -> Self {
        let verdict = &judgement.verdict;
        let shown = if full { verdict.axes.len() } else { WORST };
        Self {
            seed,
            overall_score: verdict.overall_score.map(rounded),
            overall_ci: verdict.overall_ci.map(|ci| ci.map(rounded)),
            overall_raw: verdict.overall_raw.map(rounded),
            axes: verdict.axes.iter().take(shown).map(axis).collect(),
            rest: verdict
                .axes
                .iter()
                .skip(shown)
                .filter_map(|a| a.score.or(a.raw).map(|x| (a.id.clone(), rounded(x))))
                .collect(),
            best: judgement.best.map(|best| BestOut {
                iteration: best.n.get(),
                overall_score: rounded(best.overall),
            }),
            signals: verdict.signals,
            flags: verdict.flags.iter().map(ToString::to_string).collect(),
            judge: verdict.judge.chars().take(16).collect(),
        }
    }
}

fn axis(axis: &AxisResult) -> AxisOut {
    AxisOut {
        id: axis.id.clone(),
        score: axis.score.map(rounded),
        raw: axis.raw.map(rounded),
        order: rounded(axis.order),
        spread: rounded(axis.spread),
        reference: axis.reference.clone(),
        generated: axis.generated.clone(),
        verdict: axis.verdict,
    }
}

/// A judgement in two or three sentences.
pub fn in_words(judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    let mut text = match (verdict.overall_score, verdict.overall_ci) {
        (Some(score), Some([low, high])) => format!("Overall {score:.2} ({low:.2}-{high:.2})"),
        _ => "No overall score: this judge tells nothing apart on any axis".to_owned(),
    };
    if let Some(best) = judgement.best {
        text.push_str(&format!("; best so far {:.2} (iteration {})", best.overall, best.n));
    }
    text.push('.');
    let worst: Vec<String> = verdict
        .axes
        .iter()
        .filter(|a| a.verdict.counts() && a.verdict != AxisVerdict::Match)
        .take(3)
        .map(|a| {
            let score = a.score.unwrap_or(0.0);
            format!(
                "{} {score:.2} (reference: {}; generated: {})",
                a.id, a.reference, a.generated
            )
        })
        .collect();
    if !worst.is_empty() {
        text.push_str(&format!(" Worst: {}.", worst.join("; ")));
    }
    for flag in &verdict.flags {
        if let Some(warning) = warning(*flag) {
            text.push(' ');
            text.push_str(warning);
        }
    }
    text
}

/// Flags that must be said aloud, not only listed.
pub fn warning(flag: Flag) -> Option<&'static str> {
    match flag {
        Flag::UntrainedModel => Some(
            "The judge's weights are random, so these numbers mean nothing: configure a trained Qwen3-VL with --model and --mmproj.",
        ),
        Flag::SelfCheckFailed => Some("The judge failed its self-check: it does not tell alike from unlike."),
        Flag::ShapeMismatch => Some("The pictures differ in shape, which lowers position and framing."),
        _ => None,
    }
}
