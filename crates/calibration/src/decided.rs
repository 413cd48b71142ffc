//! What was decided about iterations, and what is to be decided next. Pure.

use std::collections::BTreeMap;

use crate::decide::Ruling;
use crate::stats::{self, Comparison, Fall, JudgedSeeds, Noise};
use types::{AxisId, DecisionKind, IterationNo, Seed};

/// Iterations that were kept, which a candidate is compared with to see what fell since.
const KEPT: usize = 12;
/// Seeds on which the judge is asked directly which of two pictures is closer.
const ASKED_DIRECTLY: usize = 2;
/// Above this probability of being better nobody is asked any more.
const CLEARLY_BETTER: f64 = 0.95;

/// What a decision rests on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// Seed by seed, against what it was compared with.
    pub comparison: Comparison,
    /// Probability that it is better than what it was compared with, 0 to 1.
    pub probability: Option<f64>,
    /// Axes that moved by more than noise: mean raw difference to what it was compared with.
    pub moved: BTreeMap<AxisId, f64>,
    /// Axes that fell by more than noise since an earlier iteration that was kept.
    pub fell: BTreeMap<AxisId, Fall>,
    /// Runs that the decision still needs: seeds by iteration.
    pub needs: BTreeMap<IterationNo, Vec<Seed>>,
    /// For the first that a judge scores: the best by another judge before it.
    pub best_by_another: Option<IterationNo>,
}

/// A decision about an iteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Decided {
    /// The iteration.
    pub iteration: IterationNo,
    /// What it was compared with; nothing for the first.
    pub against: Option<IterationNo>,
    /// What was decided.
    pub kind: DecisionKind,
    /// What it rests on.
    pub detail: Detail,
    /// Whether the judge has not been asked directly yet, which may hold a keep back. Such a decision is worked out and shown, and not
    /// recorded.
    pub awaits_direct_comparison: bool,
}

impl Decided {
    /// A judge's first.
    pub fn first(iteration: IterationNo, best_by_another: Option<IterationNo>) -> Self {
        Self {
            iteration,
            against: None,
            kind: DecisionKind::First,
            detail: Detail {
                best_by_another,
                ..Detail::default()
            },
            awaits_direct_comparison: false,
        }
    }

    /// Whether more seeds are wanted.
    fn is_open(&self) -> bool {
        matches!(
            self.kind,
            DecisionKind::MoreSeeds | DecisionKind::TentativeKeep | DecisionKind::TentativeRevert
        )
    }

    /// Whether a comparison rests on nothing that this decision did not know: judging a picture again tells nothing new.
    pub fn knew(&self, comparison: &Comparison) -> bool {
        comparison
            .seeds
            .iter()
            .all(|seed| self.detail.comparison.seeds.contains(seed))
    }
}

/// The newest decision about every iteration.
pub fn newest<'a>(past: impl IntoIterator<Item = &'a Decided>) -> BTreeMap<IterationNo, &'a Decided> {
    past.into_iter().map(|d| (d.iteration, d)).collect()
}

/// Two iterations that may be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opponents {
    /// The one that may take over.
    pub candidate: IterationNo,
    /// What it is compared with.
    pub against: IterationNo,
}

/// Which comparisons the judging of `n` may decide, the likeliest first.
pub fn pairs(newest: &BTreeMap<IterationNo, &Decided>, n: IterationNo, incumbent: IterationNo) -> Vec<Opponents> {
    let mut pairs: Vec<Opponents> = Vec::new();
    let opponents = |candidate, against| Opponents { candidate, against };
    // More seeds of what open decisions compare with.
    let waiting = newest
        .values()
        .rev()
        .filter(|d| d.is_open() && d.against == Some(n) && n == incumbent);
    pairs.extend(waiting.map(|d| opponents(d.iteration, n)));
    // What took over is still compared with what it replaced, whichever of the two got more seeds.
    let replaced = newest.get(&incumbent).and_then(|own| own.against);
    if let Some(replaced) = replaced.filter(|replaced| n == incumbent || n == *replaced) {
        pairs.push(opponents(incumbent, replaced));
    }
    // What was kept once and then replaced is not tried again; it has its place in the story.
    let had_its_time = newest.get(&n).is_some_and(|own| own.kind.takes_over());
    if n != incumbent && !had_its_time {
        pairs.push(opponents(n, incumbent));
    }
    pairs
}

/// Two iterations to be decided between: all that the decision follows from, beside the decisions so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// The one that may take over.
    pub candidate: JudgedSeeds,
    /// What it is compared with.
    pub against: JudgedSeeds,
    /// Those that were kept before the candidate ([`kept_before`]).
    pub kept: Vec<JudgedSeeds>,
    /// What the judge said when it was asked directly: log-odds by seed, nothing where it gave no readable answer.
    pub direct: BTreeMap<Seed, Option<f64>>,
}

impl Pair {
    /// Seed by seed.
    pub fn comparison(&self) -> Comparison {
        Comparison::of(&self.candidate.samples, &self.against.samples)
    }

    /// Seeds on which the judge is still to be asked directly: where its answer may hold back a keep that the scores do not
    /// make clear.
    pub fn seeds_to_ask(&self, past: &BTreeMap<IterationNo, &Decided>) -> Vec<Seed> {
        let comparison = self.comparison();
        let ruling = stats::rule(&comparison, &self.noise(past));
        if !worth_asking(&comparison, &ruling) {
            return Vec::new();
        }
        let asked = comparison.seeds.iter().take(ASKED_DIRECTLY).copied();
        asked.filter(|seed| !self.direct.contains_key(seed)).collect()
    }

    /// Decides. Direct answers count only where they may change something, so that more of them than were needed change nothing.
    pub fn decide(&self, past: &BTreeMap<IterationNo, &Decided>) -> Decided {
        let noise = self.noise(past);
        let mut comparison = self.comparison();
        let mut ruling = stats::rule(&comparison, &noise);
        if worth_asking(&comparison, &ruling) {
            let asked = comparison.seeds.iter().take(ASKED_DIRECTLY);
            let odds: Vec<f64> = asked.filter_map(|seed| *self.direct.get(seed)?).collect();
            comparison.log_odds = (!odds.is_empty()).then(|| stats::mean(&odds));
            ruling = stats::rule(&comparison, &noise);
        }
        let (mut kind, mut more) = stats::kind(ruling.decision);
        if comparison.is_no_difference() {
            // The same pictures: more of them would be the same too.
            more = 0;
            if kind == DecisionKind::MoreSeeds {
                kind = DecisionKind::Revert;
            }
        }
        let (new, old) = (&self.candidate, &self.against);
        // Copies of one picture would prove nothing.
        let more = if new.seedless || old.seedless { 0 } else { more };
        Decided {
            iteration: new.n,
            against: Some(old.n),
            kind,
            awaits_direct_comparison: !self.seeds_to_ask(past).is_empty(),
            detail: Detail {
                probability: (!comparison.seeds.is_empty()).then_some(ruling.probability_better),
                moved: stats::moves(&comparison, &noise),
                fell: stats::falls(&new.samples, &self.kept, &noise),
                needs: needs(new, old, more),
                comparison,
                best_by_another: None,
            },
        }
    }

    fn noise(&self, past: &BTreeMap<IterationNo, &Decided>) -> Noise {
        // The same change once more is no new evidence about the noise.
        let others = past.values().filter(|d| d.iteration != self.candidate.n);
        Noise::of(others.map(|d| &d.detail.comparison))
    }
}

/// Iterations that were kept before a candidate, the newest first.
pub fn kept_before(past: &BTreeMap<IterationNo, &Decided>, candidate: IterationNo) -> Vec<IterationNo> {
    let kept = past.values().rev().filter(|d| d.kind.takes_over());
    kept.map(|d| d.iteration)
        .filter(|n| *n < candidate)
        .take(KEPT)
        .collect()
}

/// Whether asking directly may change a decision: it can hold back a keep that the scores do not make clear.
fn worth_asking(comparison: &Comparison, ruling: &Ruling) -> bool {
    let would_keep = matches!(stats::kind(ruling.decision).0, DecisionKind::Keep);
    would_keep && !comparison.seeds.is_empty() && ruling.probability_better < CLEARLY_BETTER
}

/// Seeds that a decision still needs, by iteration: first those that one of the two has already. Seeds that cannot be compared,
/// such as those whose picture was refused, are never among them.
pub fn needs(new: &JudgedSeeds, old: &JudgedSeeds, more: u32) -> BTreeMap<IterationNo, Vec<Seed>> {
    let one_sided = old.samples.iter().chain(&new.samples).map(|s| s.seed);
    let one_sided = one_sided.filter(|seed| old.has(*seed) != new.has(*seed));
    let fresh = (1..).map(Seed).filter(|seed| !old.has(*seed) && !new.has(*seed));
    let spent = |seed: &Seed| old.spent.contains(seed) || new.spent.contains(seed);
    let usable = one_sided.chain(fresh).filter(|seed| !spent(seed));
    let mut needs: BTreeMap<IterationNo, Vec<Seed>> = BTreeMap::new();
    for seed in usable.take(more as usize) {
        for side in [new, old] {
            if !side.has(seed) {
                needs.entry(side.n).or_default().push(seed);
            }
        }
    }
    needs
}

#[cfg(test)]
#[path = "decided_tests.rs"]
mod tests;
