//! What changes did, by how much more than noise. Pure.
//!
//! Changes are compared seed by seed on raw values: a seed's own luck is in both pictures and falls out of the difference as
//! far as it is the same. What is left of it is measured as the variance between seeds of one change, pooled over the
//! changes of the session. An axis that a picture hides stands at the raw value that scores 0, so that hiding never pays.

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::{Decision, Prior, Ruling, Seen, Way, decide};
use judge::verdict::{Comparable, Verdict};
use types::{AxisId, DecisionKind, IterationNo, Seed};

/// An axis has moved when its mean difference is further from 0 than so many of its standard errors. Twenty axes that do not
/// move then give about one false alarm in four changes.
pub const BEYOND: f64 = 2.5;
/// The same for a fall since any of the iterations that were kept.
const FALLEN: f64 = 3.0;
/// No axis is said to have moved by less: such a step does not show.
const LEAST_MOVE: f64 = 0.05;
/// Standard deviation of an axis's difference between seeds before anything was measured, in raw units. A picture's seed
/// moves one axis further than the mean of all.
const AXIS_NOISE: f64 = 0.08;
/// As how many degrees of freedom [`AXIS_NOISE`] counts.
const AXIS_FREEDOM: f64 = 2.0;
/// No noise of an axis is taken as smaller.
const LEAST_AXIS_NOISE: f64 = 0.02;
/// Degrees of freedom from which on noise counts as measured, so that one seed may decide.
const MEASURED: f64 = 2.0;

/// One judged seed of an iteration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// The seed.
    pub seed: Seed,
    /// By axis. Those that the reference does not show, or that the judge refused, are missing.
    pub axes: BTreeMap<AxisId, Measured>,
}

/// An axis of one judged picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Its raw value, 0 to 1, or the one that it counts as.
    pub value: Comparable,
    /// Its weight in the overall value.
    pub weight: f64,
}

impl Sample {
    /// A seed's judgement; nothing where no axis of it can be compared.
    #[must_use]
    pub fn of(seed: Seed, verdict: &Verdict) -> Option<Self> {
        let axes: BTreeMap<AxisId, Measured> = verdict
            .axes
            .iter()
            .filter_map(|axis| {
                let (value, weight) = (axis.comparable()?, axis.weight);
                Some((axis.id.clone(), Measured { value, weight }))
            })
            .collect();
        (!axes.is_empty()).then_some(Self { seed, axes })
    }
}

/// The judged seeds of an iteration, as far as they can be compared.
#[derive(Clone, Debug, PartialEq)]
pub struct JudgedSeeds {
    /// The iteration.
    pub n: IterationNo,
    /// Those that can be compared, in the order of their runs.
    pub samples: Vec<Sample>,
    /// Seeds that cannot: refused, or the same picture as another's.
    pub spent: BTreeSet<Seed>,
    /// Whether different seeds made the same picture: the workflow takes none.
    pub seedless: bool,
}

impl JudgedSeeds {
    /// Of an iteration, none yet.
    #[must_use]
    pub fn none(n: IterationNo) -> Self {
        Self {
            n,
            samples: Vec::new(),
            spent: BTreeSet::new(),
            seedless: false,
        }
    }

    /// Whether a seed can be compared.
    #[must_use]
    pub fn has(&self, seed: Seed) -> bool {
        self.samples.iter().any(|sample| sample.seed == seed)
    }
}

/// By how much an axis rose. Hiding it is never a rise and showing it never a fall, also where what is shown lies below the value
/// that scores 0; hidden in both, it did not move.
fn rise(new: Comparable, old: Comparable) -> f64 {
    match (new, old) {
        (Comparable::Shown(new), Comparable::Shown(old)) => new - old,
        (Comparable::Hidden(new), Comparable::Shown(old)) => (new - old).min(0.0),
        (Comparable::Shown(new), Comparable::Hidden(old)) => (new - old).max(0.0),
        (Comparable::Hidden(_), Comparable::Hidden(_)) => 0.0,
    }
}

/// A candidate beside an incumbent, seed by seed: candidate − incumbent, in raw units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// The seeds that both were judged on.
    pub seeds: Vec<Seed>,
    /// Differences of the overall value, one a seed.
    pub overall: Vec<f64>,
    /// Differences of the axes that could be read in every picture, one a seed.
    pub axes: BTreeMap<AxisId, Vec<f64>>,
    /// Mean log-odds that the candidate is the closer one, where the judge was asked directly.
    pub log_odds: Option<f64>,
}

impl Comparison {
    /// Compares on the seeds that both have. The overall difference is the weighted mean over the axes that could be read in both
    /// pictures of a seed: an axis that is missing on one side says nothing about the change.
    #[must_use]
    pub fn of(candidate: &[Sample], incumbent: &[Sample]) -> Self {
        let mut found = Self::default();
        let mut of_axis: BTreeMap<&AxisId, Vec<f64>> = BTreeMap::new();
        for new in candidate {
            let Some(old) = incumbent.iter().find(|old| old.seed == new.seed) else {
                continue;
            };
            let (mut sum, mut weights) = (0.0, 0.0);
            for (axis, Measured { value, weight }) in &new.axes {
                let Some(before) = old.axes.get(axis) else {
                    continue;
                };
                let by = rise(*value, before.value);
                of_axis.entry(axis).or_default().push(by);
                sum += weight * by;
                weights += weight;
            }
            if weights > 0.0 {
                found.seeds.push(new.seed);
                found.overall.push(sum / weights);
            }
        }
        let seeds = found.seeds.len();
        let whole = of_axis.into_iter().filter(|(_, deltas)| deltas.len() == seeds);
        found.axes = whole.map(|(axis, deltas)| (axis.clone(), deltas)).collect();
        found
    }

    /// Whether the pictures are the same, as far as the judge can tell.
    #[must_use]
    pub fn is_no_difference(&self) -> bool {
        let none = |deltas: &Vec<f64>| deltas.iter().all(|delta| *delta == 0.0);
        !self.seeds.is_empty() && none(&self.overall) && self.axes.values().all(none)
    }

    /// Mean difference of the overall value; 0 without a seed.
    #[must_use]
    pub fn mean(&self) -> f64 {
        mean(&self.overall)
    }
}

/// What differences come to without any effect, from the repeats of a session: seeds of one change.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    /// What is expected of a change, and the noise of the overall value.
    pub prior: Prior,
    /// Two standard deviations of one seed's overall difference, once they were measured.
    pub repeats: Option<f64>,
    axes: BTreeMap<AxisId, f64>,
}

impl Noise {
    /// Pools the changes of a session.
    #[must_use]
    pub fn of<'a>(past: impl IntoIterator<Item = &'a Comparison>) -> Self {
        let past: Vec<&Comparison> = past.into_iter().collect();
        let lists: Vec<&[f64]> = past.iter().map(|c| c.overall.as_slice()).collect();
        let prior = Prior::from_history(&lists);
        let freedom: f64 = lists.iter().map(|list| (list.len() as f64 - 1.0).max(0.0)).sum();
        let mut pooled: BTreeMap<AxisId, (f64, f64)> = BTreeMap::new();
        for (axis, deltas) in past.iter().flat_map(|c| &c.axes) {
            let (squares, freedom) = pooled.entry(axis.clone()).or_default();
            let middle = mean(deltas);
            *squares += deltas.iter().map(|d| (d - middle).powi(2)).sum::<f64>();
            *freedom += (deltas.len() as f64 - 1.0).max(0.0);
        }
        Self {
            repeats: (freedom >= MEASURED).then_some(2.0 * prior.noise_sd),
            prior,
            axes: pooled
                .into_iter()
                .map(|(axis, (squares, freedom))| (axis, axis_noise(squares, freedom)))
                .collect(),
        }
    }

    /// Standard deviation of one seed's difference on an axis.
    #[must_use]
    pub fn axis(&self, axis: &AxisId) -> f64 {
        self.axes.get(axis).copied().unwrap_or(AXIS_NOISE)
    }

    /// What the mean of so many seeds has to differ by to be more than noise.
    #[must_use]
    pub fn floor(&self, axis: &AxisId, seeds: usize) -> f64 {
        (BEYOND * self.axis(axis) / (seeds.max(1) as f64).sqrt()).max(LEAST_MOVE)
    }
}

fn axis_noise(squares: f64, freedom: f64) -> f64 {
    let pooled = (AXIS_FREEDOM * AXIS_NOISE.powi(2) + squares) / (AXIS_FREEDOM + freedom);
    pooled.sqrt().max(LEAST_AXIS_NOISE)
}

/// Keep, revert or more seeds, by the rule of [`decide`].
#[must_use]
pub fn rule(comparison: &Comparison, noise: &Noise) -> Ruling {
    let seen = Seen {
        deltas: &comparison.overall,
        log_odds: comparison.log_odds,
        repeat_noise: noise.repeats,
    };
    decide(&noise.prior, &seen)
}

/// A decision as it is recorded, and the seeds that are still needed.
#[must_use]
pub fn kind(decision: Decision) -> (DecisionKind, u32) {
    match decision {
        Decision::Keep => (DecisionKind::Keep, 0),
        Decision::Revert => (DecisionKind::Revert, 0),
        Decision::MoreSeeds(more) => (DecisionKind::MoreSeeds, more),
        // The first step of the rule is two seeds.
        Decision::Tentative(Way::Keep) => (DecisionKind::TentativeKeep, 1),
        Decision::Tentative(Way::Revert) => (DecisionKind::TentativeRevert, 1),
    }
}

/// The axes that a change moved by more than noise: their mean difference, in raw units; below 0 they fell.
#[must_use]
pub fn moves(comparison: &Comparison, noise: &Noise) -> BTreeMap<AxisId, f64> {
    comparison
        .axes
        .iter()
        .map(|(axis, deltas)| (axis, mean(deltas), deltas.len()))
        .filter(|(axis, by, seeds)| by.abs() > noise.floor(axis, *seeds))
        .map(|(axis, by, _)| (axis.clone(), by))
        .collect()
}

/// That an axis is worse than it was, by more than noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fall {
    /// The iteration that had it best.
    pub since: IterationNo,
    /// By how much it fell since, in raw units, above 0.
    pub by: f64,
}

impl std::fmt::Display for Fall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fell by {:.2} raw since {}", self.by, self.since)
    }
}

/// The axes on which a candidate is worse than one of the iterations that were kept before it: small losses that no single change
/// showed add up. Each is compared directly, on the seeds that both have.
#[must_use]
pub fn falls(candidate: &[Sample], kept: &[JudgedSeeds], noise: &Noise) -> BTreeMap<AxisId, Fall> {
    let mut falls: BTreeMap<AxisId, Fall> = BTreeMap::new();
    for before in kept {
        for (axis, deltas) in Comparison::of(candidate, &before.samples).axes {
            let by = -mean(&deltas);
            // Several are looked at, so each has to be surer.
            let beyond = noise.floor(&axis, deltas.len()) * FALLEN / BEYOND;
            if by > beyond && falls.get(&axis).is_none_or(|known| by >= known.by) {
                falls.insert(axis, Fall { since: before.n, by });
            }
        }
    }
    falls
}

/// How many of the newest iterations that took over were chosen on the very seeds that the last one was chosen on: the
/// incumbent's score is flattered by their luck (the winner's curse). `keeps` are the seeds of every one, oldest first.
#[must_use]
pub fn keeps_on_same_seeds(keeps: &[&[Seed]]) -> u32 {
    let Some(newest) = keeps.last() else {
        return 0;
    };
    let covers = |seeds: &&&[Seed]| newest.iter().all(|seed| seeds.contains(seed));
    u32::try_from(keeps.iter().rev().take_while(covers).count()).unwrap_or(u32::MAX)
}

/// Mean and standard error over seeds. One seed has no spread of its own: `single` stands for its standard error.
#[must_use]
pub fn mean_and_error(values: &[f64], single: f64) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let (n, middle) = (values.len() as f64, mean(values));
    if values.len() == 1 {
        return Some((middle, single));
    }
    let variance = values.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (n - 1.0);
    // The seeds' own errors count too: two seeds that happen to agree prove little.
    Some((middle, (variance / n).sqrt().max(single / n.sqrt())))
}

/// The mean; 0 of nothing.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
#[path = "stats_tests.rs"]
mod tests;
