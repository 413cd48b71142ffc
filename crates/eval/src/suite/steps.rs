//! T5: five growing steps of one edit.

use super::edits::axis_of;
use super::{Bench, measure, meter, report};
use crate::EvalError;
use crate::cases::{self, Steps};
use crate::numbers;
use crate::report::Target::AtLeast;
use crate::report::TestReport;
use types::progress::Teller;

/// How well falling values follow growing steps: Spearman's ρ (0 where all values are equal), and
/// the share of neighbours in order, a tie counting half.
pub(crate) fn follows(values: &[f64]) -> (f64, f64) {
    let steps: Vec<f64> = (0..values.len()).map(|i| -(i as f64)).collect();
    let rho = numbers::spearman(&steps, values).unwrap_or(0.0);
    let ordered: f64 = values
        .windows(2)
        .map(|w| match w[0].total_cmp(&w[1]) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    (rho, ordered / values.len().saturating_sub(1).max(1) as f64)
}

impl Bench<'_> {
    /// T5: the value falls with every step.
    pub(super) async fn growing(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let cases = cases::steps(self.plan.seed, self.plan.cases.div_ceil(2));
        let meter = meter(teller, "T5 growing steps", cases.len());
        let (mut rhos, mut neighbours) = (Vec::new(), Vec::new());
        for case in &cases {
            let values = self.values_of(case).await?;
            let (rho, ordered) = follows(&values);
            rhos.push(rho);
            neighbours.push(ordered);
            let base = cases::picture(&case.base)?;
            let pictures = case.steps.iter().map(cases::picture).collect::<Result<Vec<_>, _>>()?;
            let mut shown = vec![("reference", &base)];
            shown.extend(
                ["step 1", "step 2", "step 3", "step 4", "step 5"]
                    .into_iter()
                    .zip(&pictures),
            );
            self.wrong(
                "T5",
                0.8 - rho,
                || {
                    let values: Vec<String> = values.iter().map(|v| format!("{v:.2}")).collect();
                    format!("{} moves away; read {}", case.attribute.id(), values.join(", "))
                },
                &shown,
            )?;
            meter.step();
        }
        Ok(report(
            "T5",
            "five growing steps (raw)",
            vec![
                measure("Spearman, mean", numbers::mean(&rhos), AtLeast(0.85), AtLeast(0.9)),
                measure(
                    "neighbours in order, share",
                    numbers::mean(&neighbours),
                    AtLeast(0.8),
                    AtLeast(0.85),
                ),
            ],
        ))
    }

    async fn values_of(&self, case: &Steps) -> Result<Vec<f64>, EvalError> {
        let base = cases::picture(&case.base)?;
        let mut values = Vec::new();
        for step in &case.steps {
            let read = self
                .asker
                .pair(&base, &cases::picture(step)?, self.plan.evidence)
                .await?;
            values.push(read.raws()[axis_of(case.attribute)]);
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::follows;

    #[test]
    fn falling_values_follow_and_equal_ones_do_not() {
        assert_eq!(follows(&[0.9, 0.7, 0.5, 0.4, 0.1]), (1.0, 1.0));
        assert_eq!(follows(&[0.1, 0.4, 0.5, 0.7, 0.9]), (-1.0, 0.0));
        assert_eq!(follows(&[0.5; 5]), (0.0, 0.5));
    }
}
