//! Other ways of asking the same judge, and signals without a model, on the same cases.

use super::asker::{Asker, PairRead, mean};
use super::cases::{self, Edit, Steps, Triplet};
use super::report::{Estimate, Rival};
use super::suite::{among_lowest, axis_of, follows};
use super::{EvalError, Plan, numbers};
use imaging::{Picture, Signals};
use judge::protocol::Evidence;
use judge::score::read;
use types::progress::Meter;

/// The most cases of a test on which JSON documents are written: each takes hundreds of tokens.
const MOST_DOCUMENTS: usize = 40;

/// The columns.
pub(super) const WORST: &str = "T4 ranks worst, share";
const RHO: &str = "T5 Spearman";
const EASY: &str = "T7 easy, share";
const ONE_STEP: &str = "T7 one step, share";
const TIES: &str = "T7 ties, share";

/// A way to get one value an axis out of a pair.
#[derive(Clone, Copy)]
enum Way {
    /// The expectation over both orders.
    Expected(Evidence),
    /// The expectation of one order alone.
    OneOrder,
    /// The likeliest digit of either order.
    Printed,
    /// The naive protocol.
    Json,
}

/// All ways and signals. The first is the product's own.
pub(super) async fn run(plan: &Plan<'_>, asker: &Asker<'_>) -> Result<Vec<Rival>, EvalError> {
    let name = |evidence: Evidence| match evidence {
        Evidence::None => "evidence none",
        Evidence::Values => "evidence values",
        Evidence::Difference => "evidence difference",
    };
    let mut ways = vec![(name(plan.evidence).to_owned(), Way::Expected(plan.evidence))];
    for other in [Evidence::None, Evidence::Values, Evidence::Difference] {
        if other != plan.evidence {
            ways.push((name(other).to_owned(), Way::Expected(other)));
        }
    }
    ways.push(("one order instead of two".into(), Way::OneOrder));
    ways.push(("the printed digit".into(), Way::Printed));
    if plan.judge.engine().capabilities().constrained_text {
        ways.push(("json protocol".into(), Way::Json));
    }

    let cases = Cases {
        edits: cases::edits(plan.seed, plan.cases),
        steps: cases::steps(plan.seed, plan.cases.div_ceil(2)),
        triplets: cases::triplets(plan.seed, 2 * plan.cases),
    };
    let total = ways.iter().map(|(_, way)| cases.most(*way).total()).sum::<usize>();
    let meter = Meter::new(plan.teller, "other ways of asking", total as u64);
    let mut rivals = Vec::new();
    for (name, way) in ways {
        let numbers = cases.most(way).measured(plan, asker, way, &meter).await?;
        rivals.push(Rival { name, numbers });
    }
    rivals.extend(cases.signals()?);
    Ok(rivals)
}

#[derive(Clone)]
struct Cases {
    edits: Vec<Edit>,
    steps: Vec<Steps>,
    triplets: Vec<Triplet>,
}

impl Cases {
    fn total(&self) -> usize {
        self.edits.len() + self.steps.len() + self.triplets.len()
    }

    fn most(&self, way: Way) -> Self {
        let mut some = self.clone();
        if matches!(way, Way::Json) {
            some.edits.truncate(MOST_DOCUMENTS);
            some.steps.truncate(MOST_DOCUMENTS / 4);
            some.triplets.truncate(MOST_DOCUMENTS);
        }
        some
    }

    async fn measured(
        &self,
        plan: &Plan<'_>,
        asker: &Asker<'_>,
        way: Way,
        meter: &Meter,
    ) -> Result<Vec<(String, Estimate)>, EvalError> {
        let mut worst = Vec::new();
        for edit in &self.edits {
            let (base, edited) = (cases::picture(&edit.base)?, cases::picture(&edit.edited)?);
            let values = way.values(plan, asker, &base, &edited).await?;
            worst.push(among_lowest(&values, axis_of(edit.attribute), 1));
            meter.step();
        }
        let mut rhos = Vec::new();
        for case in &self.steps {
            let base = cases::picture(&case.base)?;
            let mut values = Vec::new();
            for step in &case.steps {
                let read = way.values(plan, asker, &base, &cases::picture(step)?).await?;
                values.push(read[axis_of(case.attribute)]);
            }
            rhos.push(follows(&values).0);
            meter.step();
        }
        let mut told = Told::default();
        for triplet in &self.triplets {
            let [reference, closer, further] = of(triplet)?;
            let near = mean(&way.values(plan, asker, &reference, &closer).await?);
            let far = mean(&way.values(plan, asker, &reference, &further).await?);
            told.note(triplet, near - far);
            meter.step();
        }
        let mut numbers = vec![
            (WORST.to_owned(), numbers::mean(&worst)),
            (RHO.to_owned(), numbers::mean(&rhos)),
        ];
        numbers.extend(told.numbers());
        Ok(numbers)
    }

    /// Signals see whole pictures and no axes, so they have no T4.
    fn signals(&self) -> Result<Vec<Rival>, EvalError> {
        type Alike = fn(&Signals) -> f64;
        let signals: [(&str, Alike); 3] = [
            ("HOG distance", |s| -s.hog),
            ("SSIM", |s| s.ssim),
            ("perceptual hash", |s| -f64::from(s.phash)),
        ];
        let mut rivals = Vec::new();
        for (name, alike) in signals {
            let value = |a: &Picture, b: &Picture| Signals::between(a, b).map(|s| alike(&s));
            let mut rhos = Vec::new();
            for case in &self.steps {
                let base = cases::picture(&case.base)?;
                let mut values = Vec::new();
                for step in &case.steps {
                    values.push(value(&base, &cases::picture(step)?)?);
                }
                rhos.push(follows(&values).0);
            }
            let mut told = Told::default();
            for triplet in &self.triplets {
                let [reference, closer, further] = of(triplet)?;
                told.note(triplet, value(&reference, &closer)? - value(&reference, &further)?);
            }
            let mut numbers = vec![(RHO.to_owned(), numbers::mean(&rhos))];
            numbers.extend(told.numbers());
            rivals.push(Rival {
                name: name.to_owned(),
                numbers,
            });
        }
        Ok(rivals)
    }
}

/// Triplets told right, a tie counting half.
#[derive(Default)]
struct Told {
    easy: Vec<f64>,
    one_step: Vec<f64>,
    ties: usize,
}

impl Told {
    fn note(&mut self, triplet: &Triplet, apart: f64) {
        let right = match apart.total_cmp(&0.0) {
            std::cmp::Ordering::Greater => 1.0,
            _ if apart == 0.0 => 0.5,
            _ => 0.0,
        };
        self.ties += usize::from(apart == 0.0);
        let told = if triplet.easy {
            &mut self.easy
        } else {
            &mut self.one_step
        };
        told.push(right);
    }

    fn numbers(&self) -> [(String, Estimate); 3] {
        [
            (EASY.to_owned(), numbers::mean(&self.easy)),
            (ONE_STEP.to_owned(), numbers::mean(&self.one_step)),
            (
                TIES.to_owned(),
                numbers::share(self.ties, self.easy.len() + self.one_step.len()),
            ),
        ]
    }
}

impl Way {
    async fn values(
        self,
        plan: &Plan<'_>,
        asker: &Asker<'_>,
        reference: &Picture,
        other: &Picture,
    ) -> Result<Vec<f64>, EvalError> {
        Ok(match self {
            Self::Expected(evidence) => asker.pair(reference, other, evidence).await?.raws(),
            Self::OneOrder => each(&asker.pair(reference, other, plan.evidence).await?, |[first, _]| {
                read([first, first]).raw
            }),
            Self::Printed => each(&asker.pair(reference, other, plan.evidence).await?, |[a, b]| {
                f64::midpoint(likeliest(a), likeliest(b))
            }),
            Self::Json => asker.printed(reference, other).await?,
        })
    }
}

fn each(read: &PairRead, value: impl Fn(&[[f64; 10]; 2]) -> f64) -> Vec<f64> {
    read.digits.iter().map(value).collect()
}

/// The likeliest digit on `[0, 1]`; of equals the lowest.
fn likeliest(logs: &[f64; 10]) -> f64 {
    let best = (0..10).rev().max_by(|&a, &b| logs[a].total_cmp(&logs[b])).unwrap_or(0);
    best as f64 / 9.0
}

fn of(triplet: &Triplet) -> Result<[Picture; 3], EvalError> {
    Ok([
        cases::picture(&triplet.reference)?,
        cases::picture(&triplet.closer)?,
        cases::picture(&triplet.further)?,
    ])
}

#[cfg(test)]
mod tests {
    use super::likeliest;

    #[test]
    fn of_equal_digits_the_lowest_is_printed() {
        let mut logs = [-5.0; 10];
        (logs[4], logs[7]) = (-1.0, -1.0);
        assert_eq!(likeliest(&logs), 4.0 / 9.0);
        logs[7] = -0.5;
        assert_eq!(likeliest(&logs), 7.0 / 9.0);
    }
}
