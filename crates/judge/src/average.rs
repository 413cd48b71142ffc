//! Several pictures of one iteration, one a seed, as one judgement. Pure.

use super::engine::Cost;
use super::score::AxisVerdict;
use super::verdict::{AxisResult, Verdict, rank};
use imaging::Signals;

/// Different words for what the pictures show, at most.
const WORDS: usize = 2;

/// The mean of judgements of the same reference by the same judge; nothing of none.
///
/// An axis's score is the mean of those that it has; the interval of the overall score is that of the mean: the variance
/// between the pictures, and never less than the mean of their own intervals allows. What the pictures show is named in up to two
/// different ways.
#[must_use]
pub fn averaged(verdicts: &[&Verdict]) -> Option<Verdict> {
    let (first, rest) = verdicts.split_first()?;
    if rest.is_empty() {
        return Some((*first).clone());
    }
    let mut axes: Vec<AxisResult> = first
        .axes
        .iter()
        .map(|axis| {
            let of_all: Vec<&AxisResult> = verdicts
                .iter()
                .filter_map(|v| v.axes.iter().find(|a| a.id == axis.id))
                .collect();
            one(axis, &of_all)
        })
        .collect();
    axes.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let mut flags = Vec::new();
    for flag in verdicts.iter().flat_map(|v| &v.flags) {
        if !flags.contains(flag) {
            flags.push(*flag);
        }
    }
    let overall_score = mean_of(verdicts, |v| v.overall_score);
    Some(Verdict {
        overall_score,
        overall_ci: overall_score.and_then(|middle| interval(verdicts, middle)),
        overall_raw: mean_of(verdicts, |v| v.overall_raw),
        axes,
        signals: signals(verdicts)?,
        flags,
        judge: first.judge.clone(),
        cost: verdicts.iter().fold(Cost::default(), |mut sum, v| {
            sum.add(&v.cost);
            sum
        }),
        seconds: verdicts.iter().map(|v| v.seconds).sum(),
    })
}

fn one(axis: &AxisResult, of_all: &[&AxisResult]) -> AxisResult {
    let (score, position_bias) = (
        mean_of(of_all, |a| a.score),
        mean_of(of_all, |a| Some(a.position_bias)).unwrap_or(axis.position_bias),
    );
    AxisResult {
        score,
        raw: mean_of(of_all, |a| a.raw),
        position_bias,
        std: mean_of(of_all, |a| Some(a.std)).unwrap_or(axis.std),
        generated: words(of_all),
        verdict: score.map_or(axis.verdict, |score| AxisVerdict::of(score, position_bias)),
        // Of one picture only.
        hidden_raw: None,
        ..axis.clone()
    }
}

fn words(of_all: &[&AxisResult]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for axis in of_all {
        if !words.contains(&axis.generated.as_str()) {
            words.push(&axis.generated);
        }
    }
    let more = if words.len() > WORDS { " | …" } else { "" };
    words.truncate(WORDS);
    words.join(" | ") + more
}

/// Mean ± 1.96 standard errors, clamped to `[0, 1]`.
fn interval(verdicts: &[&Verdict], middle: f64) -> Option<[f64; 2]> {
    let scores: Vec<f64> = verdicts.iter().filter_map(|v| v.overall_score).collect();
    let n = scores.len() as f64;
    let half = mean_of(verdicts, |v| v.overall_ci.map(|[low, high]| (high - low) / 2.0))?;
    let between = match scores.len() {
        ..2 => 0.0,
        _ => 1.96 * (scores.iter().map(|s| (s - middle).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt(),
    };
    let half = between.max(half / n.sqrt());
    Some([(middle - half).clamp(0.0, 1.0), (middle + half).clamp(0.0, 1.0)])
}

fn signals(verdicts: &[&Verdict]) -> Option<Signals> {
    let of = |part: fn(&Signals) -> f64| {
        let mean = mean_of(verdicts, |v| Some(part(&v.signals)))?;
        Some((mean * 1e4).round() / 1e4)
    };
    Some(Signals {
        palette: of(|s| s.palette)?,
        brightness: of(|s| s.brightness)?,
        sharpness: of(|s| s.sharpness)?,
        hog: of(|s| s.hog)?,
        ssim: of(|s| s.ssim)?,
        // At most 64, so the rounded mean fits.
        phash: of(|s| f64::from(s.phash))?.round() as u32,
    })
}

fn mean_of<T>(of: &[&T], value: impl Fn(&T) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = of.iter().filter_map(|t| value(t)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{AxisId, JudgeHash};

    fn axis(id: &str, score: Option<f64>, generated: &str) -> AxisResult {
        AxisResult {
            id: AxisId::new(id).unwrap(),
            group: None,
            weight: 1.0,
            score,
            raw: score,
            position_bias: 0.05,
            std: 0.1,
            reference: "a star".into(),
            generated: generated.into(),
            verdict: score.map_or(AxisVerdict::Refused, |s| AxisVerdict::of(s, 0.05)),
            hidden_raw: None,
        }
    }

    fn verdict(overall: f64, axes: Vec<AxisResult>) -> Verdict {
        Verdict {
            overall_score: Some(overall),
            overall_ci: Some([overall - 0.02, overall + 0.02]),
            overall_raw: Some(overall / 2.0),
            axes,
            signals: Signals {
                palette: overall,
                brightness: 0.0,
                sharpness: 0.0,
                hog: 0.0,
                ssim: 1.0,
                phash: 3,
            },
            flags: Vec::new(),
            judge: JudgeHash::of(b"j"),
            cost: Cost::default(),
            seconds: 1.0,
        }
    }

    #[test]
    fn seeds_are_averaged_axis_by_axis_and_ranked_anew() {
        let a = verdict(
            0.6,
            vec![axis("hair", Some(0.2), "red"), axis("pose", Some(0.9), "sitting")],
        );
        let b = verdict(
            0.8,
            vec![axis("pose", Some(0.1), "standing"), axis("hair", Some(1.0), "red")],
        );
        let both = averaged(&[&a, &b]).unwrap();
        assert_eq!(both.overall_score, Some(0.7));
        let names: Vec<&str> = both.axes.iter().map(|a| a.id.as_str()).collect();
        assert_eq!(names, ["pose", "hair"], "worst first");
        assert_eq!(both.axes[0].generated, "sitting | standing");
        assert_eq!(both.axes[1].generated, "red");
        assert_eq!(both.axes[1].verdict, AxisVerdict::Partial);
        // Two seeds .1 either side of .7: a standard error of .1, so the interval is .196 wide either way.
        let [low, high] = both.overall_ci.unwrap();
        assert!(
            (low - 0.504).abs() < 1e-9 && (high - 0.896).abs() < 1e-9,
            "{low} {high}"
        );
        assert_eq!(both.seconds, 2.0);
    }

    #[test]
    fn one_is_itself_none_is_nothing_and_a_refusal_does_not_pull_the_mean_down() {
        let a = verdict(0.6, vec![axis("hair", Some(0.5), "red")]);
        let b = verdict(0.6, vec![axis("hair", None, "brown")]);
        assert_eq!(averaged(&[&a]).unwrap(), a);
        assert!(averaged(&[]).is_none());
        let both = averaged(&[&a, &b]).unwrap();
        assert_eq!(both.axes[0].score, Some(0.5));
        // Equal scores prove little: the pictures' own intervals remain.
        let [low, _] = both.overall_ci.unwrap();
        assert!((low - (0.6 - 0.02 / 2.0_f64.sqrt())).abs() < 1e-9);
    }
}
