//! T7 and T8: which of two pictures is closer, and how sure the judge may be of it.

use super::edits::axis_of;
use super::{Bench, measure, meter, report};
use crate::EvalError;
use crate::cases::{self, Triplet};
use crate::numbers;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::{Estimate, TestReport};
use judge::protocol;
use judge::score::Closer;
use types::progress::Teller;

/// Groups of equal size into which T8 sorts its pairs.
const BINS: usize = 10;

impl Bench<'_> {
    /// Step D on a triplet: log-odds of the *further* picture, on the group of the edited attribute.
    pub(super) async fn closer_of(&self, triplet: &Triplet) -> Result<Closer, EvalError> {
        let [reference, closer, further] = pictures(triplet)?;
        let read = self.asker.closer(&reference, &closer, &further).await?;
        let axis = axis_of(triplet.attribute);
        let group = protocol::groups(self.asker.rubric())
            .iter()
            .position(|g| g.axes.contains(&axis))
            .ok_or_else(|| EvalError::Internal("an axis without a group".into()))?;
        read.get(group)
            .copied()
            .ok_or_else(|| EvalError::Internal("a group without an answer".into()))
    }

    /// How much further the further picture is, by the scores: raw on the edited axis.
    async fn by_scores(&self, triplet: &Triplet) -> Result<f64, EvalError> {
        let [reference, closer, further] = pictures(triplet)?;
        let axis = axis_of(triplet.attribute);
        let near = self.asker.pair(&reference, &closer, self.plan.evidence).await?.raws()[axis];
        let far = self.asker.pair(&reference, &further, self.plan.evidence).await?.raws()[axis];
        Ok(near - far)
    }

    /// T7: triplets with a known answer, by the scores and by step D.
    pub(super) async fn triplets(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let triplets = cases::triplets(self.plan.seed, 2 * self.plan.cases);
        let meter = meter(teller, "T7 triplets", triplets.len());
        // By scores easy and one step, by step D easy and one step.
        let mut right: [Vec<bool>; 4] = Default::default();
        for triplet in &triplets {
            let apart = self.by_scores(triplet).await?;
            let odds = self.closer_of(triplet).await?.log_odds;
            let at = usize::from(!triplet.easy);
            right[at].push(apart > 0.0);
            right[2 + at].push(odds < 0.0);
            let [reference, closer, further] = pictures(triplet)?;
            self.wrong(
                "T7",
                if triplet.easy { 1.0 } else { 0.5 } * (-apart).max(0.0),
                || {
                    format!(
                        "{}: by the scores the further picture is closer by {:.3}",
                        triplet.attribute.id(),
                        -apart
                    )
                },
                &[("reference", &reference), ("closer", &closer), ("further", &further)],
            )?;
            meter.step();
        }
        let share = |right: &[bool]| numbers::share(right.iter().filter(|r| **r).count(), right.len());
        Ok(report(
            "T7",
            "triplets with a known answer",
            vec![
                measure(
                    "by the scores, easy, share",
                    share(&right[0]),
                    AtLeast(0.95),
                    AtLeast(0.98),
                ),
                measure(
                    "by the scores, one step, share",
                    share(&right[1]),
                    AtLeast(0.75),
                    AtLeast(0.8),
                ),
                measure(
                    "by comparison, easy, share",
                    share(&right[2]),
                    AtLeast(0.95),
                    AtLeast(0.98),
                ),
                measure(
                    "by comparison, one step, share",
                    share(&right[3]),
                    AtLeast(0.75),
                    AtLeast(0.8),
                ),
            ],
        ))
    }

    /// T8: the probability that a picture is closer, from the difference of two scores. The slope of
    /// the logistic curve is fitted on one half of the triplets and judged on the other.
    pub(super) async fn calibrated(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let triplets = cases::triplets(self.plan.seed, 2 * self.plan.cases);
        let meter = meter(teller, "T8 calibration", triplets.len());
        let mut seen: Vec<(f64, bool)> = Vec::new();
        for (i, triplet) in triplets.iter().enumerate() {
            let apart = self.by_scores(triplet).await?;
            // Half of them turned round, so that both outcomes occur.
            seen.push(if i / 2 % 2 == 0 { (apart, true) } else { (-apart, false) });
            meter.step();
        }
        // Pairs of neighbours (one easy, one not) go to the same half.
        let (fit, held): (Vec<_>, Vec<_>) = seen.iter().enumerate().partition(|(i, _)| i / 4 % 2 == 0);
        let fit: Vec<(f64, bool)> = fit.into_iter().map(|(_, s)| *s).collect();
        let slope = numbers::logistic_slope(&fit);
        let judged: Vec<(f64, bool)> = held
            .into_iter()
            .map(|(_, (apart, right))| (1.0 / (1.0 + (-slope * apart).exp()), *right))
            .collect();
        let value = numbers::ece(&judged, BINS);
        let estimate = Estimate {
            value,
            low: value,
            high: value,
            cases: judged.len(),
        };
        Ok(report(
            "T8",
            "probability that a picture is closer",
            vec![measure(
                "calibration error, held out",
                estimate,
                AtMost(0.08),
                AtMost(0.05),
            )],
        ))
    }
}

fn pictures(triplet: &Triplet) -> Result<[imaging::Picture; 3], EvalError> {
    Ok([
        cases::picture(&triplet.reference)?,
        cases::picture(&triplet.closer)?,
        cases::picture(&triplet.further)?,
    ])
}
