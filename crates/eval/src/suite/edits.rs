//! T4, T6 and T9: one attribute edited.

use scenes::ATTRIBUTES;

use super::{Bench, measure, meter, report};
use crate::EvalError;
use crate::asker::mean;
use crate::cases;
use crate::numbers;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::TestReport;
use judge::Pair;
use judge::protocol::Evidence;
use types::progress::Teller;

/// The probability that an axis is among the `places` lowest, when equal values are put in random
/// order.
pub(crate) fn among_lowest(raws: &[f64], axis: usize, places: usize) -> f64 {
    let below = raws.iter().filter(|&&r| r < raws[axis]).count();
    let equal = raws.iter().filter(|&&r| r == raws[axis]).count();
    (places.saturating_sub(below) as f64 / equal as f64).clamp(0.0, 1.0)
}

/// The place of an attribute among the rubric's axes; the rubric of the scenes has them in order.
pub(crate) fn axis_of(attribute: scenes::Attribute) -> usize {
    ATTRIBUTES.iter().position(|a| *a == attribute).unwrap_or(0)
}

impl Bench<'_> {
    /// T4: the edited axis ranks worst, and the others stay.
    pub(super) async fn one_edit(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let edits = cases::edits(self.plan.seed, self.plan.cases);
        let meter = meter(teller, "T4 one attribute edited", edits.len());
        let (mut worst, mut three, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for edit in &edits {
            let (base, edited) = Self::pictures(&edit.base, &edit.edited)?;
            let read = self.asker.pair(&base, &edited, self.plan.evidence).await?.raws();
            let same = self.asker.pair(&base, &base, self.plan.evidence).await?.raws();
            let axis = axis_of(edit.attribute);
            worst.push(among_lowest(&read, axis, 1));
            three.push(among_lowest(&read, axis, 3));
            let moved: Vec<f64> = (0..read.len())
                .filter(|&i| i != axis)
                .map(|i| (read[i] - same[i]).abs())
                .collect();
            others.push(mean(&moved));
            let lowest = read.iter().copied().fold(1.0, f64::min);
            self.wrong(
                "T4",
                read[axis] - lowest,
                || {
                    format!(
                        "edited: {} by {:.2}. Read: {}",
                        edit.attribute.id(),
                        edit.base.distance(&edit.edited, edit.attribute),
                        self.axes(&read)
                    )
                },
                &[("reference", &base), ("edited", &edited)],
            )?;
            meter.step();
        }
        Ok(report(
            "T4",
            "one attribute edited",
            vec![
                measure("ranks worst, share", numbers::mean(&worst), AtLeast(0.75), AtLeast(0.8)),
                measure(
                    "in the worst three, share",
                    numbers::mean(&three),
                    AtLeast(0.92),
                    AtLeast(0.95),
                ),
                measure("others move by", numbers::mean(&others), AtMost(0.07), AtMost(0.05)),
            ],
        ))
    }

    /// T6: the order of the two pictures, and of the two candidates of a triplet.
    pub(super) async fn orders(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let edits = cases::edits(self.plan.seed, self.plan.cases);
        let triplets = cases::triplets(self.plan.seed, self.plan.cases);
        let meter = meter(teller, "T6 swapped order", edits.len() + triplets.len());
        let (mut apart, mut flips) = (Vec::new(), Vec::new());
        for edit in &edits {
            let (base, edited) = Self::pictures(&edit.base, &edit.edited)?;
            let read = self.asker.pair(&base, &edited, self.plan.evidence).await?;
            // `order` is half of the difference of the two orders.
            apart.extend(read.readings().iter().map(|r| 2.0 * r.position_bias));
            meter.step();
        }
        for triplet in &triplets {
            let read = self.closer_of(triplet).await?;
            flips.push(f64::from(u8::from(read.position_bias > read.log_odds.abs())));
            meter.step();
        }
        Ok(report(
            "T6",
            "swapped order",
            vec![
                measure(
                    "raw, mean difference",
                    numbers::mean(&apart),
                    AtMost(0.07),
                    AtMost(0.05),
                ),
                measure(
                    "triplets that flip, share",
                    numbers::mean(&flips),
                    AtMost(0.2),
                    AtMost(0.15),
                ),
            ],
        ))
    }

    /// T9: both pictures grey, the values as they were: the edited axis must not be found.
    pub(super) async fn blind(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let edits = cases::edits(self.plan.seed, self.plan.cases);
        let meter = meter(teller, "T9 grey pictures", edits.len());
        let grey = cases::grey()?;
        let pair = Pair {
            reference: &grey,
            generated: &grey,
        };
        let mut worst = Vec::new();
        for edit in &edits {
            let (base, edited) = Self::pictures(&edit.base, &edit.edited)?;
            let (of_base, of_edited) = (self.asker.look(&base).await?, self.asker.look(&edited).await?);
            // Values are given whatever this judge's mode: the question is whether it follows them.
            let read = self
                .asker
                .pair_given(pair, Evidence::Values, &of_base, &of_edited)
                .await?
                .raws();
            worst.push(among_lowest(&read, axis_of(edit.attribute), 1));
            meter.step();
        }
        let chance = 1.0 / ATTRIBUTES.len() as f64;
        Ok(report(
            "T9",
            "grey pictures, values kept",
            vec![measure(
                "ranks worst, share (chance is 0.1)",
                numbers::mean(&worst),
                AtMost(2.0 * chance),
                AtMost(2.0 * chance),
            )],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::among_lowest;

    #[test]
    fn ties_share_the_places() {
        let raws = [0.9, 0.2, 0.9, 0.9];
        assert_eq!(among_lowest(&raws, 1, 1), 1.0);
        assert_eq!(among_lowest(&raws, 0, 1), 0.0);
        assert!((among_lowest(&raws, 0, 3) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(among_lowest(&[0.5; 10], 3, 1), 0.1);
    }
}
