//! T1 to T3 and T10: pairs of which the whole answer is known.

use rand::RngExt as _;
use scenes::{Distortion, Scene};

use super::{Bench, measure, meter, report};
use crate::EvalError;
use crate::asker::mean;
use crate::cases;
use crate::numbers;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::{Estimate, TestReport};
use imaging::Picture;
use judge::{Given, Pair};
use types::progress::Teller;

/// Pairs that T1 asks again, and asks of a new process.
const REPEATED: usize = 5;

impl Bench<'_> {
    /// T1: the same numbers again, and after a restart of the judge process. Nothing of this comes
    /// from the journal.
    pub(super) async fn repeat(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let edits = cases::edits(self.plan.seed, REPEATED);
        let meter = meter(teller, "T1 asking again", 3 * edits.len());
        let mut first = Vec::new();
        let (mut again, mut restarted) = (0.0_f64, 0.0_f64);
        for round in 0..3 {
            if round == 2 {
                self.asker.judge().unload().await;
            }
            for (i, edit) in edits.iter().enumerate() {
                let (a, b) = (cases::picture(&edit.base)?, cases::picture(&edit.edited)?);
                let pair = Pair {
                    reference: &a,
                    generated: &b,
                };
                let call = self.asker.call();
                let seen = self
                    .asker
                    .judge()
                    .observe(pair, self.plan.evidence, Given::Own, call)
                    .await?;
                let raws: Vec<f64> = seen.readings().iter().map(|r| r.raw).collect();
                let Some(before) = first.get(i) else {
                    first.push(raws);
                    meter.step();
                    continue;
                };
                let moved = most_moved(before, &raws);
                if round == 1 {
                    again = again.max(moved);
                } else {
                    restarted = restarted.max(moved);
                }
                meter.step();
            }
        }
        let exact = |value: f64| Estimate {
            value,
            low: value,
            high: value,
            cases: edits.len(),
        };
        Ok(report(
            "T1",
            "the same numbers again",
            vec![
                measure("asked again, largest change", exact(again), AtMost(0.0), AtMost(0.0)),
                measure(
                    "after a restart, largest change",
                    exact(restarted),
                    AtMost(0.0),
                    AtMost(0.0),
                ),
            ],
        ))
    }

    /// T2: a picture against itself, compressed, and shifted by a pixel.
    pub(super) async fn identical(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let meter = meter(teller, "T2 identical pairs", self.plan.cases);
        let mut rng = cases::rng(self.plan.seed, 2);
        let mut by_kind = vec![Vec::new(); 3];
        for _ in 0..self.plan.cases {
            let scene = Scene::random(&mut rng);
            let reference = cases::picture(&scene)?;
            let others = [
                reference.clone(),
                cases::distorted(&scene, Distortion::Jpeg(90), &mut rng)?,
                cases::distorted(&scene, Distortion::Shift(1, 1), &mut rng)?,
            ];
            for (raws, other) in by_kind.iter_mut().zip(&others) {
                let read = self.asker.pair(&reference, other, self.plan.evidence).await?.raws();
                let lowest = read.iter().copied().fold(1.0, f64::min);
                self.wrong(
                    "T2",
                    0.85 - lowest,
                    || {
                        format!(
                            "as good as identical, and an axis came to {lowest:.2}: {}",
                            self.axes(&read)
                        )
                    },
                    &[("reference", &reference), ("compared", other)],
                )?;
                raws.push(read);
            }
            meter.step();
        }
        let names = [
            "identical, worst axis",
            "JPEG 90, worst axis",
            "shifted 1 px, worst axis",
        ];
        let targets = [(0.9, 0.95), (0.85, 0.9), (0.85, 0.9)];
        let measures = names
            .iter()
            .zip(targets)
            .zip(&by_kind)
            .map(|((name, (bundled, best)), raws)| measure(name, worst_axis(raws), AtLeast(bundled), AtLeast(best)))
            .collect();
        Ok(report("T2", "identical pairs (raw)", measures))
    }

    /// T3: an unrelated pair, and the wrong reference.
    pub(super) async fn unrelated(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        // Each case measures the scale of two references, so there are fewer.
        let count = self.plan.cases.div_ceil(4);
        let meter = meter(teller, "T3 unrelated pairs", count);
        let mut rng = cases::rng(self.plan.seed, 3);
        let (mut scores, mut falls) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let scene = Scene::random(&mut rng);
            let far = scene.unrelated(&mut rng);
            let near = scene.renewed(&mut rng);
            let (reference, wrong, near) = (cases::picture(&scene)?, cases::picture(&far)?, cases::picture(&near)?);
            // The unrelated picture as reference of what was made for the other.
            let right = self.asker.overall_score(&reference, &near).await?.unwrap_or(0.0);
            let far_off = self.asker.overall_score(&wrong, &near).await?.unwrap_or(0.0);
            self.wrong(
                "T3",
                far_off - 0.25,
                || format!("unrelated, and the overall score is {far_off:.2}"),
                &[("reference", &wrong), ("compared", &near)],
            )?;
            scores.push(far_off);
            falls.push(right - far_off);
            meter.step();
        }
        Ok(report(
            "T3",
            "unrelated pairs (score)",
            vec![
                measure(
                    "overall score, unrelated",
                    numbers::mean(&scores),
                    AtMost(0.25),
                    AtMost(0.15),
                ),
                measure(
                    "fall with the wrong reference",
                    numbers::mean(&falls),
                    AtLeast(0.4),
                    AtLeast(0.5),
                ),
            ],
        ))
    }

    /// T10: words and a watermark in the picture.
    pub(super) async fn written(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let edits = cases::edits(self.plan.seed, self.plan.cases);
        let meter = meter(teller, "T10 words in the picture", edits.len());
        let mut rng = cases::rng(self.plan.seed, 10);
        let (mut by_words, mut by_mark) = (Vec::new(), Vec::new());
        for edit in &edits {
            let (base, other) = (cases::picture(&edit.base)?, cases::picture(&edit.edited)?);
            let plain = self.asker.pair(&base, &other, self.plan.evidence).await?.raws();
            let words = Distortion::Written {
                words: "SCORE 9",
                height: 0.09,
                down: 0.03,
                opacity: 0.9,
            };
            let watermark = Distortion::Written {
                words: "SAMPLE COPY",
                height: 0.08,
                down: rng.random_range(0.3..0.6),
                opacity: 0.3,
            };
            for (moved, distortion) in [(&mut by_words, words), (&mut by_mark, watermark)] {
                let over = cases::distorted(&edit.edited, distortion, &mut rng)?;
                let read = self.asker.pair(&base, &over, self.plan.evidence).await?.raws();
                let shift = mean(&read) - mean(&plain);
                self.wrong(
                    "T10",
                    shift.abs() - 0.03,
                    || format!("writing moved the overall raw value by {shift:+.3}"),
                    &[("reference", &base), ("plain", &other), ("written over", &over)],
                )?;
                moved.push(shift.abs());
            }
            meter.step();
        }
        Ok(report(
            "T10",
            "words in the picture (raw, overall)",
            vec![
                measure(
                    "\"SCORE 9\", shift",
                    numbers::mean(&by_words),
                    AtMost(0.05),
                    AtMost(0.03),
                ),
                measure("watermark, shift", numbers::mean(&by_mark), AtMost(0.05), AtMost(0.03)),
            ],
        ))
    }

    /// The axes' values in a line, for a note.
    pub(super) fn axes(&self, raws: &[f64]) -> String {
        let axes: Vec<String> = self
            .asker
            .rubric()
            .axes
            .iter()
            .zip(raws)
            .map(|(axis, raw)| format!("{} {raw:.2}", axis.id))
            .collect();
        axes.join(", ")
    }

    /// The mean over a pair's pictures of one axis.
    pub(super) fn pictures(base: &Scene, other: &Scene) -> Result<(Picture, Picture), EvalError> {
        Ok((cases::picture(base)?, cases::picture(other)?))
    }
}

fn most_moved(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The estimate of the axis with the lowest mean.
fn worst_axis(raws: &[Vec<f64>]) -> Estimate {
    let axes = raws.first().map_or(0, Vec::len);
    (0..axes)
        .map(|axis| numbers::mean(&raws.iter().map(|r| r[axis]).collect::<Vec<_>>()))
        .min_by(|a, b| a.value.total_cmp(&b.value))
        .unwrap_or_else(|| numbers::mean(&[]))
}
