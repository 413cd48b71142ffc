//! What was decided about iterations, and what is to be decided next. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::stats::{Comparison, Sample};
use crate::history::{Decision, DecisionKind};

/// What a decision rests on, as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Seed by seed, against what it was compared with.
    pub comparison: Comparison,
    /// Probability that it is better than what it was compared with, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Axes that moved by more than noise: mean raw difference to what it was compared with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub moved: BTreeMap<String, f64>,
    /// Axes that fell by more than noise since an earlier iteration that was kept: which one, and by how much.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fell: BTreeMap<String, (u32, f64)>,
    /// Runs that the decision still needs: seeds by iteration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub needs: BTreeMap<u32, Vec<u64>>,
    /// For the first that a judge scores: the best by another judge before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_by_another: Option<u32>,
}

/// A decision about an iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The iteration.
    pub iteration: u32,
    /// What it was compared with; nothing for the first.
    pub against: Option<u32>,
    /// What was decided.
    pub kind: DecisionKind,
    /// What it rests on.
    pub detail: Detail,
}

impl Decided {
    /// Reads a recorded decision. What another version recorded differently has no detail.
    pub(super) fn of(decision: &Decision) -> Self {
        let content = &decision.content;
        Self {
            iteration: content.iteration.get(),
            against: content.against.map(|n| n.get()),
            kind: content.kind,
            detail: Detail::deserialize(&content.detail).unwrap_or_default(),
        }
    }

    /// Whether more seeds are wanted.
    fn is_open(&self) -> bool {
        matches!(
            self.kind,
            DecisionKind::MoreSeeds | DecisionKind::LeaningKeep | DecisionKind::LeaningRevert
        )
    }

    /// Whether a comparison rests on nothing that this decision did not know: judging a picture again tells nothing new.
    pub(super) fn knew(&self, comparison: &Comparison) -> bool {
        comparison
            .seeds
            .iter()
            .all(|seed| self.detail.comparison.seeds.contains(seed))
    }
}

/// The newest decision about every iteration.
pub(super) fn newest(past: &[Decided]) -> BTreeMap<u32, &Decided> {
    past.iter().map(|d| (d.iteration, d)).collect()
}

/// Which comparisons the judging of `n` may decide, the likeliest first: candidate and what it is compared with.
pub(super) fn pairs(newest: &BTreeMap<u32, &Decided>, n: u32, incumbent: u32) -> Vec<(u32, u32)> {
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    // More seeds of what open decisions compare with.
    let waiting = newest
        .values()
        .rev()
        .filter(|d| d.is_open() && d.against == Some(n) && n == incumbent);
    pairs.extend(waiting.map(|d| (d.iteration, n)));
    // What took over is still compared with what it replaced, whichever of the two got more seeds.
    let replaced = newest.get(&incumbent).and_then(|own| own.against);
    if let Some(replaced) = replaced.filter(|replaced| n == incumbent || n == *replaced) {
        pairs.push((incumbent, replaced));
    }
    // What was kept once and then replaced is not tried again; it has its place in the story.
    let had_its_time = newest.get(&n).is_some_and(|own| own.kind.takes_over());
    if n != incumbent && !had_its_time {
        pairs.push((n, incumbent));
    }
    pairs
}

/// Seeds that a decision still needs, by iteration: first those that one of the two has already. `spent` are seeds that
/// cannot be compared, such as those whose picture was refused.
pub(super) fn needs(
    (candidate, new): (u32, &[Sample]),
    (against, old): (u32, &[Sample]),
    spent: &BTreeSet<u64>,
    more: u32,
) -> BTreeMap<u32, Vec<u64>> {
    let has = |samples: &[Sample], seed: u64| samples.iter().any(|s| s.seed == seed);
    let one_sided = old.iter().chain(new).map(|s| s.seed);
    let one_sided = one_sided.filter(|seed| has(old, *seed) != has(new, *seed));
    let fresh = (1..).filter(|seed| !has(old, *seed) && !has(new, *seed));
    let usable = one_sided.chain(fresh).filter(|seed| !spent.contains(seed));
    let mut needs: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for seed in usable.take(more as usize) {
        for (n, samples) in [(candidate, new), (against, old)] {
            if !has(samples, seed) {
                needs.entry(n).or_default().push(seed);
            }
        }
    }
    needs
}

#[cfg(test)]
#[path = "decided_tests.rs"]
mod tests;
