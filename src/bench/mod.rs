//! How fast the judge is: seconds and tokens of every stage of one judgement.
//!
//! A judgement is steps A, B and C of the protocol. *Cold* is a pair whose pictures were never seen: both are
//! encoded, both are read, and compared in both orders. *Warm* is what every iteration of a calibration costs:
//! another picture against the same reference. What is measured once for a judge or a reference (self-check,
//! scale) is left out of both. Every round has pictures of its own, so that nothing is remembered but what a
//! calibration would remember.
//!
//! [`races`] measures something else: what other programs on the machine do to it.

mod busy;
mod error;
mod report;
mod work;

use std::sync::Arc;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

pub use busy::{BusyLoops, races};
pub use error::BenchError;
pub use report::{Against, Model, Protocol, Race, Races, Row, Spread, State, Timings};
pub use work::{Pictures, rubric};

use eval::json;
use judge::engine::Cost;
use judge::protocol::{AxisValue, Evidence};
use judge::rubric::Rubric;
use judge::{Call, Given, Judge, Pair};
use llama::Llama;
use llama::worker::WorkerConfig;
use types::progress::{Done, Progress, Teller};

/// What to measure.
pub struct Plan<'a> {
    /// The judge process; its token budget is replaced by each of `image_tokens`.
    pub worker: WorkerConfig,
    /// What stands before the questions.
    pub evidence: Evidence,
    /// Numbers of axes.
    pub axes: Vec<usize>,
    /// Budgets of image tokens.
    pub image_tokens: Vec<u32>,
    /// Protocols, measured in turn in every round.
    pub protocols: Vec<Protocol>,
    /// Rounds; the median is reported.
    pub rounds: usize,
    /// The pictures.
    pub pictures: Pictures,
    /// Where progress is told.
    pub teller: &'a Teller,
    /// Cancels the work.
    pub cancel: &'a CancellationToken,
}

/// Runs all measurements.
///
/// # Errors
/// [`BenchError`].
pub async fn run(plan: &Plan<'_>) -> Result<Timings, BenchError> {
    let mut model = None;
    let mut rows = Vec::new();
    let settings = plan.image_tokens.len() * plan.axes.len();
    for (at, &image_tokens) in plan.image_tokens.iter().enumerate() {
        let judge = judge(&plan.worker, image_tokens, plan.evidence);
        let started = Instant::now();
        let info = judge.load(plan.teller, plan.cancel).await?;
        model.get_or_insert(Model::of(&info, plan.worker.spec.threads, started.elapsed()));
        for (n, &axes) in plan.axes.iter().enumerate() {
            let done = (at * plan.axes.len() + n) as f64 / settings as f64;
            let bench = Setting {
                plan,
                judge: &judge,
                rubric: rubric(axes)?,
                image_tokens,
                part: plan.teller.part(done, done + 1.0 / settings as f64),
            };
            let result = bench.rows().await;
            if result.is_err() {
                judge.unload().await;
            }
            rows.extend(result?);
        }
        judge.unload().await;
    }
    let model = model.ok_or(BenchError::Nothing)?;
    Ok(Timings { model, rows })
}

/// A judge that is asked for nothing but the work on pairs.
#[must_use]
pub fn judge(worker: &WorkerConfig, image_tokens: u32, evidence: Evidence) -> Judge {
    let mut worker = worker.clone();
    worker.spec.image_tokens = image_tokens;
    worker.idle = None;
    // Kept embeddings would turn the second run of a bench into another measurement.
    worker.spec.keep = None;
    Judge::new(Arc::new(Llama::new(worker)), evidence, Arc::new(work::NoChecks))
}

/// One budget and one number of axes.
struct Setting<'a> {
    plan: &'a Plan<'a>,
    judge: &'a Judge,
    rubric: Rubric,
    image_tokens: u32,
    part: Teller,
}

/// The timings of one protocol.
struct Series {
    protocol: Protocol,
    cold: Vec<Lap>,
    warm: Vec<Lap>,
}

/// One judgement's time.
pub(crate) struct Lap {
    pub seconds: f64,
    pub cost: Cost,
}

impl Setting<'_> {
    async fn rows(&self) -> Result<Vec<Row>, BenchError> {
        let mut series: Vec<Series> = self
            .plan
            .protocols
            .iter()
            .map(|&protocol| Series {
                protocol,
                cold: Vec::new(),
                warm: Vec::new(),
            })
            .collect();
        let lane = Lane {
            judge: self.judge,
            rubric: &self.rubric,
            evidence: self.plan.evidence,
            cancel: self.plan.cancel,
        };
        // The first judgement makes the context and is not counted.
        let rounds = self.plan.rounds + 1;
        let judgements = rounds * series.len() * 2;
        let mut done = 0;
        for round in 0..rounds {
            let mut tell = |protocol: Protocol, state: State| {
                self.part.tell(Progress {
                    done: Done::Fraction(f64::from(done) / judgements as f64),
                    message: format!(
                        "{} axes, {} tokens a picture, round {} of {rounds}, {} {}",
                        self.rubric.axes.len(),
                        self.image_tokens,
                        round + 1,
                        protocol.as_str(),
                        state.as_str()
                    ),
                });
                done += 1;
            };
            for one in &mut series {
                let [reference, first, second] = self.plan.pictures.fresh()?;
                let reference = &reference;
                let of = |generated| Pair { reference, generated };
                tell(one.protocol, State::Cold);
                let (cold, values) = lane.lap(one.protocol, of(&first), None).await?;
                tell(one.protocol, State::Warm);
                let (warm, _) = lane.lap(one.protocol, of(&second), Some(&values)).await?;
                if round > 0 {
                    one.cold.push(cold);
                    one.warm.push(warm);
                }
            }
        }
        let row =
            |protocol, state, laps: &[Lap]| Row::of(protocol, state, self.image_tokens, self.rubric.axes.len(), laps);
        Ok(series
            .iter()
            .flat_map(|s| {
                [
                    row(s.protocol, State::Cold, &s.cold),
                    row(s.protocol, State::Warm, &s.warm),
                ]
            })
            .flatten()
            .collect())
    }
}

/// A judge with what it is asked.
struct Lane<'a> {
    judge: &'a Judge,
    rubric: &'a Rubric,
    evidence: Evidence,
    cancel: &'a CancellationToken,
}

impl Lane<'_> {
    /// One judgement; its time, and what the reference was seen to show.
    async fn lap(
        &self,
        protocol: Protocol,
        pair: Pair<'_>,
        known: Option<&[AxisValue]>,
    ) -> Result<(Lap, Vec<AxisValue>), BenchError> {
        let silent = Teller::silent();
        let call = Call {
            rubric: self.rubric,
            guarded: false,
            teller: &silent,
            cancel: self.cancel,
        };
        let started = Instant::now();
        let (cost, values) = match protocol {
            Protocol::Digit => {
                let given = known.map_or(Given::Own, Given::Reference);
                let seen = self.judge.observe(pair, self.evidence, given, call).await?;
                (seen.cost, seen.reference)
            }
            Protocol::Json => (json::documents(self.judge, pair, call).await?.cost, Vec::new()),
        };
        let seconds = started.elapsed().as_secs_f64();
        Ok((Lap { seconds, cost }, values))
    }
}
