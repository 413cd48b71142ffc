//! A judgement as an agent is shown it: the worst axes in full, the rest as a number each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::mcp::convert::rounded;
use crate::session::{BestSoFar, JudgementRecord, Outcome};
use calibration::decide::DISAGREES_ABOVE;
use calibration::decided::Decided;
use imaging::Signals;
use judge::score::AxisVerdict;
use judge::verdict::{AxisResult, Flag, Verdict, Versus};
use text::Foreign;
use types::Seed;

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
    position_bias: f64,
    std: f64,
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "gen")]
    generated: String,
    // The list of its words would be paid for in two tools by every client.
    #[schemars(with = "String")]
    verdict: AxisVerdict,
}

#[derive(Serialize)]
pub struct BestOut {
    iteration: u32,
    overall_score: f64,
}

/// One picture's judgement. Small objects of numbers are maps in its schema: their keys say what
/// they are, and every client would pay for six schemas more.
#[derive(Serialize, JsonSchema)]
pub struct ScoresOut {
    /// 0 to 1; absent when no axis counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<f64>")]
    overall_ci: Option<[f64; 2]>,
    /// Worst first.
    axes: Vec<AxisOut>,
    /// The other axes' scores; for those that do not count, why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rest: BTreeMap<String, Value>,
    /// The best other iteration of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "BTreeMap<String, f64>")]
    best: Option<BestOut>,
    #[schemars(with = "BTreeMap<String, f64>")]
    signals: Signals,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    /// Scores of different judges are never compared.
    judge: String,
}

impl ScoresOut {
    /// A verdict, with all axes in full or the worst ones, and the best other iteration.
    pub fn of(verdict: &Verdict, best: Option<BestSoFar>, full: bool) -> Self {
        let shown = if full { verdict.axes.len() } else { WORST };
        Self {
            overall_score: verdict.overall_score.map(rounded),
            overall_ci: verdict.overall_ci.map(|ci| ci.map(rounded)),
            axes: verdict.axes.iter().take(shown).map(axis).collect(),
            rest: verdict.axes.iter().skip(shown).map(in_brief).collect(),
            best: best.map(|best| BestOut {
                iteration: best.n.get(),
                overall_score: rounded(best.overall),
            }),
            signals: verdict.signals,
            flags: flags(verdict),
            judge: verdict.judge.short().to_owned(),
        }
    }
}

/// A judgement out of the history, all axes in full; or why there was none.
#[derive(Default, Serialize)]
pub struct RecordOut {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Seed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_ci: Option<[f64; 2]>,
    /// Score and verdict, and what the two pictures show.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    axes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
    judge: String,
}

impl RecordOut {
    pub fn of(record: &history::Judgement, seed: Option<Seed>) -> Self {
        let content = &record.content;
        let named = Self {
            at: record.created_at.to_string(),
            seed,
            judge: content.judge.short().to_owned(),
            ..Self::default()
        };
        let verdict = match JudgementRecord::read(&content.verdict) {
            Ok(JudgementRecord::Made { verdict, .. }) => verdict,
            Ok(JudgementRecord::Refused { reason, .. }) => {
                return Self {
                    refused: Some(reason),
                    ..named
                };
            }
            Err(error) => {
                return Self {
                    unreadable: Some(error.to_string()),
                    overall_score: content.overall_score.map(rounded),
                    ..named
                };
            }
        };
        Self {
            overall_score: verdict.overall_score.map(rounded),
            overall_ci: verdict.overall_ci.map(|ci| ci.map(rounded)),
            axes: verdict.axes.iter().map(in_a_line).collect(),
            flags: flags(&verdict),
            ..named
        }
    }
}

/// Log-odds that a picture is closer than the one it was compared with, over all and per group.
pub fn closer(versus: &Versus) -> BTreeMap<String, f64> {
    let overall = versus.log_odds.map(|odds| ("overall".to_owned(), rounded(odds)));
    let groups = versus.groups.iter().map(|(name, odds)| (name.clone(), rounded(*odds)));
    overall.into_iter().chain(groups).collect()
}

fn flags(verdict: &Verdict) -> Vec<String> {
    verdict.flags.iter().map(ToString::to_string).collect()
}

/// An axis's score, or why it has none.
fn in_brief(axis: &AxisResult) -> (String, Value) {
    let score = axis.score.map(|score| rounded(score).into());
    (
        axis.id.to_string(),
        score.unwrap_or_else(|| axis.verdict.as_str().into()),
    )
}

/// `0.31 mismatch; ref: "a red coat"; gen: blue`.
fn in_a_line(axis: &AxisResult) -> (String, String) {
    let score = axis.score.map(|score| format!("{score:.2} ")).unwrap_or_default();
    let line = format!(
        "{score}{}; ref: {:#}; gen: {:#}",
        axis.verdict.as_str(),
        Foreign(&axis.reference),
        Foreign(&axis.generated)
    );
    (axis.id.to_string(), line)
}

fn axis(axis: &AxisResult) -> AxisOut {
    AxisOut {
        id: axis.id.to_string(),
        score: axis.score.map(rounded),
        raw: axis.raw.map(rounded),
        position_bias: rounded(axis.position_bias),
        std: rounded(axis.std),
        reference: axis.reference.clone(),
        generated: axis.generated.clone(),
        verdict: axis.verdict,
    }
}

/// A verdict in one or two sentences, without its warnings.
pub fn in_words(verdict: &Verdict, best: Option<BestSoFar>) -> String {
    let mut text = match (verdict.overall_score, verdict.overall_ci) {
        (Some(score), Some([low, high])) => format!("overall {score:.2} ({low:.2}-{high:.2})"),
        (Some(score), None) => format!("overall {score:.2}"),
        (None, _) => {
            let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
            for axis in &verdict.axes {
                *kinds.entry(axis.verdict.as_str()).or_default() += 1;
            }
            let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
            format!("no overall score, because no axis counts ({})", kinds.join(", "))
        }
    };
    if let Some(best) = best {
        text.push_str(&format!(
            "; best other {:.2} (iteration {}, all its seeds)",
            best.overall, best.n
        ));
    }
    text.push('.');
    let worst: Vec<String> = verdict
        .axes
        .iter()
        .filter(|a| a.verdict.counts() && a.verdict != AxisVerdict::Match)
        .take(3)
        .map(|a| {
            let score = a.score.unwrap_or(0.0);
            let (reference, generated) = (Foreign(&a.reference), Foreign(&a.generated));
            format!("{} {score:.2} (ref: {reference:#}; gen: {generated:#})", a.id)
        })
        .collect();
    if !worst.is_empty() {
        text.push_str(&format!(" Worst: {}.", worst.join("; ")));
    }
    text
}

/// What a call decided, and what to do then.
pub fn decided(outcome: &Outcome) -> String {
    let decisions = outcome.decisions.iter().map(Decided::in_words);
    let others = (outcome.others > 0).then(|| format!("{} earlier iterations were decided on too.", outcome.others));
    let all = decisions.chain(others).chain(outcome.next.clone());
    all.map(|sentence| format!(" {sentence}")).collect()
}

/// Which picture is closer, when the judge is asked directly.
pub fn compared(versus: &Versus) -> String {
    let other = match versus.against.parse::<u32>() {
        Ok(n) => format!("iteration {n}"),
        Err(_) => format!("\"{}\"", versus.against),
    };
    match versus.log_odds {
        Some(odds) if odds.abs() <= DISAGREES_ABOVE => {
            format!(" Asked directly, neither this nor {other} is closer (log-odds {odds:.1}).")
        }
        Some(odds) if odds > 0.0 => format!(" Asked directly, this is closer than {other} (log-odds {odds:.1})."),
        Some(odds) => format!(" Asked directly, {other} is closer (log-odds {odds:.1})."),
        None => format!(" Asked directly whether this or {other} is closer, the judge gave no readable answer."),
    }
}

/// What must be said aloud about judgements, each thing once.
pub fn warnings<'a>(flags: impl IntoIterator<Item = &'a Flag>) -> String {
    let mut said: Vec<String> = Vec::new();
    for warning in flags.into_iter().filter_map(|flag| flag.warning()) {
        if !said.contains(&warning) {
            said.push(warning);
        }
    }
    said.iter().map(|warning| format!(" {warning}")).collect()
}
