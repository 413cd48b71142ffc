//! A judgement as an agent is shown it: the worst axes in full, the rest as a number each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::judge::score::AxisVerdict;
use crate::judge::verdict::{AxisResult, Flag, Verdict};
use crate::mcp::convert::rounded;
use crate::picture::Signals;
use crate::session::Judgement;

/// Axes shown in full unless all are asked for.
pub const WORST: usize = 6;

#[derive(Serialize, JsonSchema)]
pub struct AxisOut {
    id: String,
    /// 0 to 1 on the reference's scale.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// As the model gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<f64>,
    /// Half the difference of the two orders.
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
    /// 0 to 1; absent when no axis counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_ci: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_raw: Option<f64>,
    /// Worst first.
    axes: Vec<AxisOut>,
    /// The scores of the other axes that have one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rest: BTreeMap<String, f64>,
    /// The other axes that do not count, by verdict.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    uncounted: BTreeMap<&'static str, Vec<String>>,
    /// The best other iteration of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<BestOut>,
    // As a map: the names say what they are, and six schemas more would be paid for twice.
    #[schemars(with = "BTreeMap<String, f64>")]
    signals: Signals,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    /// Scores of different judges are never compared.
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
            axes: axes(&verdict.axes[..shown.min(verdict.axes.len())]),
            rest: scores(verdict.axes.iter().skip(shown)),
            uncounted: uncounted(verdict.axes.iter().skip(shown)),
            best: judgement.best.map(|best| BestOut {
                iteration: best.n.get(),
                overall_score: rounded(best.overall),
            }),
            signals: verdict.signals,
            flags: flags(verdict),
            judge: judge_name(&verdict.judge),
        }
    }
}

/// A further seed's judgement, as numbers: what the reference shows is said once.
#[derive(Serialize, JsonSchema)]
pub struct OtherOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_ci: Option<[f64; 2]>,
    /// The scores of the axes that count.
    axes: BTreeMap<String, f64>,
}

impl OtherOut {
    pub fn of(judgement: &Judgement, seed: Option<u64>) -> Self {
        let verdict = &judgement.verdict;
        Self {
            seed,
            overall_score: verdict.overall_score.map(rounded),
            overall_ci: verdict.overall_ci.map(|ci| ci.map(rounded)),
            axes: scores(verdict.axes.iter()),
        }
    }
}

/// A judgement out of the history, all axes in full; or why there was none.
#[derive(Default, Serialize, JsonSchema)]
pub struct RecordOut {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_ci: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    axes: Vec<AxisOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    judge: String,
}

impl RecordOut {
    pub fn of(record: &crate::history::Judgement, seed: Option<u64>) -> Self {
        let content = &record.content;
        let named = Self {
            at: record.created_at.to_string(),
            seed,
            judge: judge_name(content.judge.as_str()),
            ..Self::default()
        };
        // What an older version recorded differently is shown by its overall score.
        let Ok(verdict) = Verdict::deserialize(&content.verdict) else {
            return Self {
                refused: content.verdict["refused"].as_str().map(str::to_owned),
                overall_score: content.overall_score.map(rounded),
                ..named
            };
        };
        Self {
            overall_score: verdict.overall_score.map(rounded),
            overall_ci: verdict.overall_ci.map(|ci| ci.map(rounded)),
            axes: axes(&verdict.axes),
            flags: flags(&verdict),
            ..named
        }
    }
}

fn flags(verdict: &Verdict) -> Vec<String> {
    verdict.flags.iter().map(ToString::to_string).collect()
}

/// Enough of a judge's hash to tell judges apart.
fn judge_name(hash: &str) -> String {
    hash.chars().take(16).collect()
}

fn scores<'a>(axes: impl Iterator<Item = &'a AxisResult>) -> BTreeMap<String, f64> {
    axes.filter_map(|a| a.score.map(|x| (a.id.clone(), rounded(x))))
        .collect()
}

fn uncounted<'a>(axes: impl Iterator<Item = &'a AxisResult>) -> BTreeMap<&'static str, Vec<String>> {
    let mut uncounted: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for axis in axes {
        if let Some(why) = why_not(axis.verdict) {
            uncounted.entry(why).or_default().push(axis.id.clone());
        }
    }
    uncounted
}

/// Why an axis of this verdict does not count.
fn why_not(verdict: AxisVerdict) -> Option<&'static str> {
    match verdict {
        AxisVerdict::Match | AxisVerdict::Partial | AxisVerdict::Mismatch => None,
        AxisVerdict::Refused => Some("refused"),
        AxisVerdict::Unresolved => Some("unresolved"),
        AxisVerdict::NotVisible => Some("not_visible"),
    }
}

fn axes(results: &[AxisResult]) -> Vec<AxisOut> {
    results.iter().map(axis).collect()
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

/// A judgement in one or two sentences, without its warnings.
pub fn in_words(judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    let mut text = match (verdict.overall_score, verdict.overall_ci) {
        (Some(score), Some([low, high])) => format!("overall {score:.2} ({low:.2}-{high:.2})"),
        (Some(score), None) => format!("overall {score:.2}"),
        (None, _) => {
            let counts: Vec<String> = uncounted(verdict.axes.iter())
                .iter()
                .map(|(why, axes)| format!("{} {why}", axes.len()))
                .collect();
            format!("no overall score, because no axis counts ({})", counts.join(", "))
        }
    };
    if let Some(best) = judgement.best {
        text.push_str(&format!("; best other {:.2} (iteration {})", best.overall, best.n));
    }
    text.push('.');
    let worst: Vec<String> = verdict
        .axes
        .iter()
        .filter(|a| a.verdict.counts() && a.verdict != AxisVerdict::Match)
        .take(3)
        .map(|a| {
            let score = a.score.unwrap_or(0.0);
            format!("{} {score:.2} (ref: {}; gen: {})", a.id, a.reference, a.generated)
        })
        .collect();
    if !worst.is_empty() {
        text.push_str(&format!(" Worst: {}.", worst.join("; ")));
    }
    text
}

/// What must be said aloud about judgements, each thing once.
pub fn warnings<'a>(flags: impl IntoIterator<Item = &'a Flag>) -> String {
    let mut said: Vec<&str> = Vec::new();
    for warning in flags.into_iter().filter_map(|flag| warning(*flag)) {
        if !said.contains(&warning) {
            said.push(warning);
        }
    }
    said.iter().map(|warning| format!(" {warning}")).collect()
}

fn warning(flag: Flag) -> Option<&'static str> {
    match flag {
        Flag::UntrainedModel => Some(
            "WARNING: the judge's weights are random, so its numbers and words mean nothing; the user must configure a trained Qwen3-VL (--model and --mmproj).",
        ),
        Flag::SelfCheckFailed => {
            Some("WARNING: the judge failed its self-check: it does not tell an identical pair from an unrelated one.")
        }
        Flag::ShapeMismatch => Some(
            "The pictures differ in aspect ratio, which lowers composition axes: set width and height to the reference's.",
        ),
        _ => None,
    }
}
