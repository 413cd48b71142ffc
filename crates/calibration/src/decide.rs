//! Keep or revert: whether a change made the pictures more like the reference.
//!
//! What is compared are per-seed differences Δ = candidate − incumbent of the raw overall score, in
//! `[-1, 1]`, on the same seed. The Δ of one change are taken as normal around its true effect with
//! a known noise, and the effects of changes as normal around 0. Then (Gelman et al., Bayesian Data
//! Analysis, 3rd ed., §2.5), with prior mean μ, prior sd τ, noise σ, and n differences of mean m,
//!
//! ```text
//! precision = 1/τ² + n/σ²      mean = (μ/τ² + n·m/σ²) / precision      P(Δ > 0) = Φ(mean · √precision)
//! ```
//!
//! σ² pools the history with the differences at hand, each by its degrees of freedom (ibid. §2.6):
//! `σ² = (ν·σ_history² + Σ(Δ − m)²) / (ν + n − 1)`.

use serde::{Deserialize, Serialize};

/// Seeds after which a decision is sought: 2, then 2 more, then 4 more.
pub const STEPS: [u32; 3] = [2, 4, 8];
/// Kept above this probability of being better.
pub const KEEP_ABOVE: f64 = 0.7;
/// Reverted below this probability of being better.
pub const REVERT_BELOW: f64 = 0.35;
/// At the last step, kept above this probability of being better.
pub const KEEP_AT_CAP: f64 = 0.5;
/// A paired comparison below this many log-odds says nothing.
pub const DISAGREES_ABOVE: f64 = 0.5;
/// Keeps after which the incumbent's score is flattered by the seeds it was chosen on.
pub const RESCORE_AFTER: u32 = 5;
/// Tries without movement after which the prompt may not control an axis.
pub const STUCK_AFTER: usize = 4;

/// No noise is taken as smaller: a judge that reads digits does not see less.
const MIN_NOISE: f64 = 0.005;
/// As how many past changes the default effect size counts.
const DEFAULT_CHANGES: f64 = 4.0;

/// What is expected of a change before it is tried, in units of the raw overall score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Mean effect of a change.
    pub mean: f64,
    /// Standard deviation of the effects of changes.
    pub sd: f64,
    /// Standard deviation of Δ between seeds of one change.
    pub noise_sd: f64,
    /// As how many degrees of freedom `noise_sd` counts beside the differences at hand.
    pub noise_freedom: f64,
}

impl Default for Prior {
    /// Weak: effects of ± .1, about one axis in six moving by half the scale, seed noise of .06
    /// that counts as two degrees of freedom, so that four seeds outweigh it.
    fn default() -> Self {
        Self {
            mean: 0.0,
            sd: 0.1,
            noise_sd: 0.06,
            noise_freedom: 2.0,
        }
    }
}

impl Prior {
    /// Re-estimates effect size and noise from the Δ of past changes, one list a change, kept or not.
    ///
    /// Noise: the pooled variance within lists, with the default as two degrees of freedom. Effects:
    /// by moments, the mean over lists of `m² − σ²/n`, with the default as four lists; never below
    /// the noise of one seed, so that the prior weighs at most one seed. The mean stays 0: a streak of
    /// good changes must not make the next one look good.
    #[must_use]
    pub fn from_history<D: AsRef<[f64]>>(changes: &[D]) -> Self {
        let weak = Self::default();
        let lists: Vec<Sample> = changes.iter().filter_map(|d| Sample::of(d.as_ref())).collect();
        let squares: f64 = lists.iter().map(|l| l.squares).sum();
        let freedom = weak.noise_freedom + lists.iter().map(|l| l.n - 1.0).sum::<f64>();
        let noise = ((weak.noise_freedom * weak.noise_sd.powi(2) + squares) / freedom)
            .sqrt()
            .max(MIN_NOISE);
        let effects: f64 = lists.iter().map(|l| l.mean.powi(2) - noise.powi(2) / l.n).sum();
        let variance = (DEFAULT_CHANGES * weak.sd.powi(2) + effects) / (DEFAULT_CHANGES + lists.len() as f64);
        Self {
            mean: weak.mean,
            sd: variance.max(0.0).sqrt().max(noise),
            noise_sd: noise,
            noise_freedom: freedom,
        }
    }

    /// What is believed of a change after its differences. Values that are not finite are left out.
    #[must_use]
    pub fn after(&self, deltas: &[f64]) -> Posterior {
        let Some(seen) = Sample::of(deltas) else {
            return Posterior {
                mean: self.mean,
                sd: self.sd,
                noise_sd: self.noise_sd,
            };
        };
        let freedom = self.noise_freedom + seen.n - 1.0;
        let pooled = (self.noise_freedom * self.noise_sd.powi(2) + seen.squares) / freedom;
        // Without any degree of freedom the quotient is NaN, which `max` drops.
        let noise = pooled.sqrt().max(MIN_NOISE);
        let (before, now) = (1.0 / self.sd.powi(2), seen.n / noise.powi(2));
        Posterior {
            mean: (self.mean * before + seen.mean * now) / (before + now),
            sd: (before + now).sqrt().recip(),
            noise_sd: noise,
        }
    }
}

/// What is believed of the effect of a change, in units of the raw overall score.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Posterior {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// The noise between seeds that was used.
    pub noise_sd: f64,
}

impl Posterior {
    /// P(Δ > 0), in `[0, 1]`.
    #[must_use]
    pub fn probability_better(&self) -> f64 {
        normal_cdf(self.mean / self.sd)
    }
}

/// What was seen of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen<'a> {
    /// Candidate − incumbent of the raw overall score, one a seed, the same seeds on both sides.
    pub deltas: &'a [f64],
    /// Log-odds of the paired comparison D that the candidate is the closer one, if it was asked.
    pub log_odds: Option<f64>,
    /// What repeats of this session show that Δ may be without any change, such as two standard
    /// deviations; lets a single seed decide.
    pub repeat_noise: Option<f64>,
}

/// One of the two ends of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The candidate replaces the incumbent.
    Keep,
    /// The incumbent stays.
    Revert,
}

/// What to do with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The candidate replaces the incumbent.
    Keep,
    /// The incumbent stays.
    Revert,
    /// Undecided: so many more seeds of both are needed.
    MoreSeeds(u32),
    /// One seed only, which is no verdict.
    Tentative(Way),
}

impl From<Way> for Decision {
    fn from(way: Way) -> Self {
        match way {
            Way::Keep => Self::Keep,
            Way::Revert => Self::Revert,
        }
    }
}

/// A decision and what it rests on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ruling {
    /// What to do.
    pub decision: Decision,
    /// P(Δ > 0), in `[0, 1]`.
    pub probability_better: f64,
    /// What is believed of the effect.
    pub posterior: Posterior,
}

/// Decides on a change. Differences that are not finite are left out, as if the seed had not run.
#[must_use]
pub fn decide(prior: &Prior, seen: &Seen<'_>) -> Ruling {
    let deltas: Vec<f64> = seen.deltas.iter().copied().filter(|d| d.is_finite()).collect();
    let posterior = prior.after(&deltas);
    let probability_better = posterior.probability_better();
    let decision = match deltas[..] {
        [] => Decision::MoreSeeds(STEPS[0]),
        [delta] => one_seed(delta, seen),
        _ => {
            let n = u32::try_from(deltas.len()).unwrap_or(u32::MAX);
            let next = STEPS.iter().find(|step| **step > n).map(|step| step - n);
            several_seeds(probability_better, disagrees(posterior.mean, seen.log_odds), next)
        }
    };
    Ruling {
        decision,
        probability_better,
        posterior,
    }
}

fn one_seed(delta: f64, seen: &Seen<'_>) -> Decision {
    let way = if delta > 0.0 { Way::Keep } else { Way::Revert };
    let beyond_noise = seen.repeat_noise.is_some_and(|noise| delta.abs() > noise);
    // D may hold a keep back, never a revert: to stay with the incumbent needs no proof.
    if beyond_noise && !(way == Way::Keep && disagrees(delta, seen.log_odds)) {
        way.into()
    } else {
        Decision::Tentative(way)
    }
}

fn several_seeds(better: f64, disagrees: bool, next: Option<u32>) -> Decision {
    if better < REVERT_BELOW {
        Decision::Revert
    } else if better > KEEP_ABOVE && !disagrees {
        Decision::Keep
    } else if let Some(more) = next {
        Decision::MoreSeeds(more)
    } else if better > KEEP_AT_CAP {
        // Eight seeds outweigh one paired comparison.
        Decision::Keep
    } else {
        Decision::Revert
    }
}

/// Whether the paired comparison points clearly the other way.
fn disagrees(effect: f64, log_odds: Option<f64>) -> bool {
    log_odds.is_some_and(|odds| odds.abs() > DISAGREES_ABOVE && odds * effect < 0.0)
}

/// Whether to score the incumbent again on fresh seeds: it was chosen for what it scored on these,
/// luck included (the winner's curse).
#[must_use]
pub fn rescore_due(keeps_since: u32) -> bool {
    keeps_since >= RESCORE_AFTER
}

/// Whether an axis has not moved for four tries, so that the prompt may not control it. `tries` are
/// its differences, one a try, newest last; `noise` is what it moves by without any change.
#[must_use]
pub fn stuck(tries: &[f64], noise: f64) -> bool {
    tries
        .len()
        .checked_sub(STUCK_AFTER)
        .is_some_and(|from| tries[from..].iter().all(|delta| delta.abs() <= noise))
}

/// Differences of one change.
struct Sample {
    n: f64,
    mean: f64,
    /// Σ(Δ − mean)².
    squares: f64,
}

impl Sample {
    /// `None` without a finite difference.
    fn of(deltas: &[f64]) -> Option<Self> {
        let finite = || deltas.iter().copied().filter(|d| d.is_finite());
        let n = finite().count();
        if n == 0 {
            return None;
        }
        let n = n as f64;
        let mean = finite().sum::<f64>() / n;
        let squares = finite().map(|d| (d - mean).powi(2)).sum();
        Some(Self { n, mean, squares })
    }
}

/// Φ, the distribution function of the standard normal distribution.
fn normal_cdf(z: f64) -> f64 {
    libm::erfc(-z / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
