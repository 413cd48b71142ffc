//! What a judge reads before any scale or rule is put on it: for measuring the judge itself.

use super::engine::{Answer, Branch, Cost, KeyedPixels};
use super::protocol::{AxisValue, Evidence, Order};
use super::score::{Closer, Reading, read};
use super::steps::{OrderDigits, Seen, Steps};
use super::{COMPARING, Call, Judge, JudgeError, PAIR, Pair, Prepared, part};
use imaging::Picture;
use types::progress::Meter;

/// The values that stand in the questions.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// Those that the judge reads from the pictures.
    Own,
    /// These of the reference, one an axis; those of the other picture are read.
    Reference(&'a [AxisValue]),
    /// These, of the reference and of the other picture, one an axis.
    These(&'a [AxisValue], &'a [AxisValue]),
}

/// What was read of a pair, one entry an axis in the rubric's order.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// What the reference shows (empty where no values were needed).
    pub reference: Vec<AxisValue>,
    /// What the other picture shows.
    pub generated: Vec<AxisValue>,
    /// The digits in either order.
    pub digits: Vec<OrderDigits>,
    /// What it cost.
    pub cost: Cost,
}

impl Observation {
    /// The readings, from both orders.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.digits.iter().map(|[a, b]| read([a, b])).collect()
    }
}

impl Judge {
    /// Reads a pair in an evidence mode, whatever this judge uses to score.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn observe(
        &self,
        pair: Pair<'_>,
        evidence: Evidence,
        given: Given<'_>,
        call: Call<'_>,
    ) -> Result<Observation, JudgeError> {
        let _turn = self.turn(call.teller, call.cancel).await?;
        let generated = self.fitted(pair.generated).await?;
        let (prepared, mut cost) = self.admitted(pair.reference, &[&generated], &call).await?;
        let meter = Meter::new(&part(call.teller, COMPARING), "reading a pair", 6);
        let mut steps = Steps {
            evidence,
            ..self.steps(&prepared, &call, &meter)
        };
        let (reference_values, generated_values) = match given {
            Given::These(reference, generated) => (reference.to_vec(), generated.to_vec()),
            Given::Own if Steps::needs_values(evidence) => (
                steps.values(&prepared.reference).await?,
                steps.values(&generated).await?,
            ),
            Given::Reference(values) if Steps::needs_values(evidence) => {
                (values.to_vec(), steps.values(&generated).await?)
            }
            Given::Own | Given::Reference(_) => (Vec::new(), Vec::new()),
        };
        let digits = steps
            .digits(
                Seen {
                    pixels: &prepared.reference,
                    values: &reference_values,
                },
                Seen {
                    pixels: &generated,
                    values: &generated_values,
                },
            )
            .await?;
        cost.add(&steps.cost);
        Ok(Observation {
            reference: reference_values,
            generated: generated_values,
            digits,
            cost,
        })
    }

    /// What a picture shows.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn look(&self, picture: &Picture, call: Call<'_>) -> Result<Vec<AxisValue>, JudgeError> {
        let _turn = self.turn(call.teller, call.cancel).await?;
        let (prepared, _) = self.admitted(picture, &[], &call).await?;
        let meter = Meter::new(&part(call.teller, COMPARING), "reading a picture", 1);
        Ok(self.steps(&prepared, &call, &meter).values(&prepared.reference).await?)
    }

    /// Which of two pictures is closer to the reference, within a turn. An engine that does not take three pictures at once
    /// says nothing of it.
    pub(super) async fn closer_now(
        &self,
        reference: &Picture,
        first: &Picture,
        second: &Picture,
        call: Call<'_>,
    ) -> Result<Vec<Closer>, JudgeError> {
        if self.engine.capabilities().images <= PAIR {
            return Ok(Vec::new());
        }
        let (first, second) = (self.fitted(first).await?, self.fitted(second).await?);
        let (prepared, _) = self.admitted(reference, &[&first, &second], &call).await?;
        let meter = Meter::new(&part(call.teller, COMPARING), "comparing two with the reference", 2);
        Ok(self
            .steps(&prepared, &call, &meter)
            .closer(&prepared.reference, &first, &second)
            .await?)
    }

    /// Asks questions of the caller's own about a pair, the pictures in each of [`Order::BOTH`], and says what it cost.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn asked(
        &self,
        pair: Pair<'_>,
        questions: impl Fn(Order) -> Vec<Branch>,
        call: Call<'_>,
    ) -> Result<([Vec<Answer>; 2], Cost), JudgeError> {
        let _turn = self.turn(call.teller, call.cancel).await?;
        let generated = self.fitted(pair.generated).await?;
        let (prepared, mut cost) = self.admitted(pair.reference, &[&generated], &call).await?;
        let meter = Meter::new(&part(call.teller, COMPARING), "asking about a pair", 2);
        let mut steps = self.steps(&prepared, &call, &meter);
        let answers = steps.in_both_orders(&prepared.reference, &generated, questions).await?;
        cost.add(&steps.cost);
        Ok((answers, cost))
    }

    /// Prepares a call; the guard looks at every picture where it applies.
    async fn admitted(
        &self,
        reference: &Picture,
        others: &[&KeyedPixels],
        call: &Call<'_>,
    ) -> Result<(Prepared, Cost), JudgeError> {
        let prepared = self.prepare(reference, call).await?;
        let mut cost = Cost::default();
        self.guard(&prepared, others, call, &mut cost).await?;
        Ok((prepared, cost))
    }
}
