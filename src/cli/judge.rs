//! `judge REF GEN`.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::error::Result;
use super::setup::{Reach, service};
use super::show;
use crate::config::Config;
use crate::session::{JudgeAnswer, JudgeRequest, Judged, Judgement, ServiceError};
use calibration::advice::Blind;
use judge::score::AxisVerdict;
use judge::verdict::{AxisResult, Flag};
use types::progress::Teller;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The reference picture
    reference: String,
    /// The picture to compare with it
    generated: String,
    /// Print the whole verdict as JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let service = service(&config, Reach::Everything)?;
    let request = JudgeRequest {
        reference: Some(args.reference),
        generated: Some(args.generated),
        // A person waits as long as it takes, and ends it with Ctrl-C.
        wait: std::time::Duration::from_secs(24 * 3600),
        ..JudgeRequest::default()
    };
    let (teller, updates) = Teller::new();
    let cancel = CancellationToken::new();
    let answer = show::progress(updates, service.judge_pair(request, &teller, &cancel)).await?;
    let JudgeAnswer::Done(judging) = answer else {
        return Err(ServiceError::Internal("the judgement did not end".into()).into());
    };
    if let Some(hand_over) = &judging.hand_over {
        show::note(&hand_over.to_string());
    }
    let Judged::Verdicts(judgements) = &judging.judged else {
        return Err(ServiceError::Internal("a pair was asked for and a target came".into()).into());
    };
    for judgement in judgements {
        if args.json {
            show::json(&judgement.verdict)?;
        } else {
            show::line(&table(judgement));
        }
    }
    service.judge().unload().await;
    Ok(ExitCode::SUCCESS)
}

/// What the columns mean.
const LEGEND: &str =
    "score: 0 to 1 on this reference's own scale; raw: as the model gave it; position_bias, std: how unsure it is";

fn table(judgement: &Judgement) -> String {
    let verdict = &judgement.verdict;
    let mut table = show::table([
        "axis",
        "score",
        "raw",
        "position_bias",
        "std",
        "verdict",
        "reference",
        "generated",
    ]);
    for axis in &verdict.axes {
        table.add_row(row(axis));
    }
    let overall = match (verdict.overall_score, verdict.overall_ci) {
        (Some(score), Some([low, high])) => format!("overall {score:.2} ({low:.2} to {high:.2})"),
        _ => {
            let blind = Blind::of(verdict).map(|blind| blind.in_words()).unwrap_or_default();
            format!("no overall score: {blind}")
        }
    };
    let raw = verdict
        .overall_raw
        .map(|raw| format!(", raw {raw:.3}"))
        .unwrap_or_default();
    let signals = verdict.signals;
    let mut text = format!(
        "{table}\n{LEGEND}\n\n{overall}{raw}\nmeasured without a model: palette distance {:.1}, brightness {:+.1}, sharpness {:+.2}, edge distance {:.2}, structural similarity {:.2}, perceptual hash {} of 64 bits apart\njudge {} in {:.1} s",
        signals.palette,
        signals.brightness,
        signals.sharpness,
        signals.hog,
        signals.ssim,
        signals.phash,
        verdict.judge.short(),
        verdict.seconds,
    );
    if !verdict.flags.is_empty() {
        let flags: Vec<String> = verdict.flags.iter().map(ToString::to_string).collect();
        text.push_str(&format!("\nflags: {}", flags.join(", ")));
    }
    if verdict.flags.contains(&Flag::UntrainedModel) {
        text.push_str(
            "\nWARNING: the judge's weights are random, so these numbers mean nothing. Configure a trained Qwen3-VL with --model and --mmproj.",
        );
    }
    if verdict.flags.contains(&Flag::NarrowModel) {
        text.push_str(
            "\nnote: the bundled judge knows rendered scenes only; of other pictures its numbers mean nothing. Configure a Qwen3-VL with --model and --mmproj.",
        );
    }
    text
}

fn row(axis: &AxisResult) -> [String; 8] {
    let number = |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{x:.2}"));
    let verdict = match axis.verdict {
        AxisVerdict::Match => "match",
        AxisVerdict::Partial => "partial",
        AxisVerdict::Mismatch => "mismatch",
        AxisVerdict::Refused => "refused",
        AxisVerdict::Unresolved => "unresolved",
        AxisVerdict::NotVisible => "not visible",
    };
    [
        axis.id.to_string(),
        number(axis.score),
        number(axis.raw),
        format!("{:.2}", axis.position_bias),
        format!("{:.2}", axis.std),
        verdict.to_owned(),
        axis.reference.clone(),
        axis.generated.clone(),
    ]
}
