//! The protocol's steps, asked of the engine one after the other.

use tokio_util::sync::CancellationToken;

use super::engine::{Answer, Ask, Branch, Cost, Engine, EngineError, KeyedPixels, Layout};
use super::protocol::{self, AxisValue, Before, Evidence, Order};
use super::rubric::Rubric;
use super::score::{self, Reading};
use safety::{Refusal, Side};
use types::progress::Meter;

/// The steps on one base picture (the reference).
pub(super) struct Steps<'a> {
    pub engine: &'a dyn Engine,
    pub rubric: &'a Rubric,
    pub evidence: Evidence,
    pub layout: Layout,
    pub system: &'a str,
    pub base: &'a KeyedPixels,
    /// Pictures that are asked about again beside the base.
    pub lasting: &'a [KeyedPixels],
    pub cancel: &'a CancellationToken,
    pub meter: &'a Meter,
    pub cost: Cost,
}

/// A picture with what was read from it, one entry an axis.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub pixels: &'a KeyedPixels,
    pub values: &'a [AxisValue],
}

impl Steps<'_> {
    async fn ask(&mut self, images: &[&KeyedPixels], branches: Vec<Branch>) -> Result<Vec<Answer>, EngineError> {
        let ask = Ask {
            system: self.system.to_owned(),
            base: self.base.key.clone(),
            images: images.iter().map(|p| p.key.clone()).collect(),
            lasting: std::iter::once(self.base)
                .chain(self.lasting)
                .map(|p| p.key.clone())
                .collect(),
            branches,
            layout: self.layout,
        };
        let mut pictures = vec![self.base.clone()];
        pictures.extend(images.iter().map(|p| (*p).clone()));
        let answers = self.engine.ask(ask, pictures, self.cancel).await?;
        self.cost.add(&answers.cost);
        self.meter.step();
        Ok(answers.answers)
    }

    /// The guard's question on one picture alone.
    pub async fn age(&mut self, picture: &KeyedPixels, side: Side) -> Result<Result<(), Refusal>, EngineError> {
        let answers = self.ask(&[picture], vec![protocol::guard_branch()]).await?;
        Ok(protocol::check_age(answers.first(), side))
    }

    /// Steps A and B: what one picture shows, one entry an axis.
    pub async fn values(&mut self, picture: &KeyedPixels) -> Result<Vec<AxisValue>, EngineError> {
        let answers = self.ask(&[picture], protocol::value_branches(self.rubric)).await?;
        let (visible, values) = answers.split_at(answers.len() / 2);
        visible
            .iter()
            .zip(values)
            .map(|pair| match pair {
                (Answer::YesNo { yes, no }, Answer::Text { text, .. }) => Ok(AxisValue {
                    visible: if yes + no > 0.0 { yes / (yes + no) } else { 0.0 },
                    value: text.clone(),
                }),
                _ => Err(EngineError::wrong_kind()),
            })
            .collect()
    }

    /// Step C: how alike `other` is to `reference`, from both orders, one entry an axis.
    pub async fn readings(&mut self, reference: Seen<'_>, other: Seen<'_>) -> Result<Vec<Reading>, EngineError> {
        let digits = self.digits(reference, other).await?;
        Ok(digits.iter().map(|[a, b]| score::read([a, b])).collect())
    }

    /// What step C reads: per axis the log-probabilities of the digits in each of [`Order::BOTH`].
    pub async fn digits(&mut self, reference: Seen<'_>, other: Seen<'_>) -> Result<Vec<OrderDigits>, EngineError> {
        let mut orders = Vec::with_capacity(2);
        for order in Order::BOTH {
            let images = order.of(reference.pixels, other.pixels);
            let differences = match self.evidence {
                Evidence::Difference => self.differences(&images, order).await?,
                Evidence::None | Evidence::Values => Vec::new(),
            };
            let before = match self.evidence {
                Evidence::None => Before::Nothing,
                Evidence::Values => Before::Values(reference.values, other.values),
                Evidence::Difference => Before::Differences(&differences),
            };
            let answers = self
                .ask(&images, protocol::score_branches(self.rubric, order, &before))
                .await?;
            orders.push(digits_of(answers)?);
        }
        match &orders[..] {
            [first, second] => Ok(first.iter().zip(second).map(|(a, b)| [*a, *b]).collect()),
            _ => Err(EngineError::wrong_kind()),
        }
    }

    /// Step D: per group of axes, how much closer `second` is to the reference than `first`, as
    /// log-odds with `second` in either place.
    pub async fn closer(
        &mut self,
        reference: &KeyedPixels,
        first: &KeyedPixels,
        second: &KeyedPixels,
    ) -> Result<Vec<score::Closer>, EngineError> {
        let mut orders = Vec::with_capacity(2);
        for images in [[reference, first, second], [reference, second, first]] {
            let answers = self.ask(&images, protocol::closer_branches(self.rubric)).await?;
            orders.push(digits_of(answers)?);
        }
        match &orders[..] {
            [one, other] => Ok(one.iter().zip(other).map(|(a, b)| score::closer(a, b)).collect()),
            _ => Err(EngineError::wrong_kind()),
        }
    }

    /// Questions of the caller's own on two pictures, in each of [`Order::BOTH`].
    pub async fn in_both_orders(
        &mut self,
        reference: &KeyedPixels,
        other: &KeyedPixels,
        questions: impl Fn(Order) -> Vec<Branch>,
    ) -> Result<[Vec<Answer>; 2], EngineError> {
        let mut answers: [Vec<Answer>; 2] = Default::default();
        for (order, answers) in Order::BOTH.into_iter().zip(&mut answers) {
            *answers = self.ask(&order.of(reference, other), questions(order)).await?;
        }
        Ok(answers)
    }

    async fn differences(&mut self, images: &[&KeyedPixels], order: Order) -> Result<Vec<String>, EngineError> {
        let answers = self
            .ask(images, protocol::difference_branches(self.rubric, order))
            .await?;
        answers
            .into_iter()
            .map(|answer| match answer {
                Answer::Text { text, .. } => Ok(text),
                _ => Err(EngineError::wrong_kind()),
            })
            .collect()
    }

    /// Asks that [`Steps::readings`] takes.
    pub fn asks_per_reading(evidence: Evidence) -> u64 {
        match evidence {
            Evidence::None | Evidence::Values => 2,
            Evidence::Difference => 4,
        }
    }

    /// Whether values are needed of pictures that are only compared with.
    pub fn needs_values(evidence: Evidence) -> bool {
        evidence == Evidence::Values
    }
}

/// Per axis, what was read in either order: natural-log probabilities of the ten digits.
pub type OrderDigits = [[f64; 10]; 2];

fn digits_of(answers: Vec<Answer>) -> Result<Vec<[f64; 10]>, EngineError> {
    answers
        .into_iter()
        .map(|answer| match answer {
            Answer::Digits { log_probs } => Ok(log_probs),
            _ => Err(EngineError::wrong_kind()),
        })
        .collect()
}
