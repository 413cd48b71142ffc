//! What to do next, from the record. Pure. Told, never enforced: the agent decides.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{RESCORE_AFTER, STUCK_AFTER, rescore_due};
use super::settle::{Decided, newest};
use super::stats::{self, Noise};
use crate::history::DecisionKind;
use crate::judge::score::{AxisVerdict, MATCH_SCORE};
use crate::judge::verdict::{AxisResult, Verdict};

/// The target counts as reached when the mean lies so many standard errors above it: nine times in ten it then holds.
const SURE: f64 = 1.28;
/// Tries on an axis that are told.
const TRIES: usize = 3;
/// Seeds on which the best is scored anew.
const FRESH_SEEDS: usize = 2;

/// What a session's best iteration stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The iteration.
    pub n: u32,
    /// Its seeds' judgements, averaged.
    pub verdict: Verdict,
    /// Every seed with its overall score, where it has one.
    pub seeds: Vec<(u64, Option<f64>)>,
}

/// What advice is given on.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Overall score to reach, 0 to 1.
    pub target: f64,
    /// Iterations after which to stop.
    pub max_iterations: u32,
    /// Iterations so far.
    pub count: u32,
    /// The newest iteration, unless it was judged.
    pub unjudged: Option<u32>,
    /// The newest decisions, oldest first.
    pub decisions: Vec<Decided>,
    /// Why the agent made an iteration.
    pub notes: BTreeMap<u32, String>,
    /// The best so far.
    pub best: Option<Standing>,
}

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The target is reached, and not by luck.
    Reached,
    /// As many iterations as were wanted.
    Maximum,
    /// The last changes were all not kept.
    Plateau,
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing is judged yet: render and judge this iteration, or write the first.
    Judge(Option<u32>),
    /// A decision needs these seeds, by iteration.
    MoreSeeds(BTreeMap<u32, Vec<u64>>),
    /// The best was chosen for what it scored on these seeds: score it on fresh ones.
    Rescore {
        /// The best iteration.
        n: u32,
        /// Seeds that it was not judged on.
        seeds: Vec<u64>,
    },
    /// The calibration is over.
    Stop(Stop),
    /// A new iteration from this one.
    Change(u32),
}

/// What was tried on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// The iteration.
    pub n: u32,
    /// What it did to the axis, in raw units.
    pub by: f64,
    /// What was decided about it.
    pub kind: DecisionKind,
}

/// The axis to work on.
#[derive(Clone, Debug, PartialEq)]
pub struct Worst {
    /// As the best iteration shows it.
    pub axis: AxisResult,
    /// What was tried on it, newest first.
    pub tried: Vec<Try>,
    /// Whether the last tries did not move it, so that the prompt may not control it.
    pub stuck: bool,
}

/// What to do next, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The next step.
    pub step: Step,
    /// The axis with most to gain that is surely not a match, in the best iteration.
    pub worst: Option<Worst>,
    /// Axes of the best iteration that are worse than in an earlier one that was kept: since which, and by how much.
    pub fell: BTreeMap<String, (u32, f64)>,
}

/// Advises.
#[must_use]
pub fn advise(facts: &Facts) -> Advice {
    let latest = newest(&facts.decisions);
    let fell = facts
        .best
        .as_ref()
        .and_then(|best| latest.get(&best.n))
        .map(|decided| decided.detail.fell.clone())
        .unwrap_or_default();
    Advice {
        step: step(facts, &latest),
        worst: facts.best.as_ref().and_then(|best| worst(best, facts)),
        fell,
    }
}

fn step(facts: &Facts, latest: &BTreeMap<u32, &Decided>) -> Step {
    let Some(best) = &facts.best else {
        return Step::Judge(facts.unjudged);
    };
    if let Some(stop) = reached(best, facts.target).then_some(Stop::Reached) {
        return Step::Stop(stop);
    }
    // What was begun is brought to its end first.
    if let Some(n) = facts.unjudged {
        return Step::Judge(Some(n));
    }
    if let Some(open) = latest
        .values()
        .next_back()
        .filter(|d| d.kind == DecisionKind::MoreSeeds)
    {
        return Step::MoreSeeds(open.detail.needs.clone());
    }
    if rescore_due(keeps_on_same_seeds(&facts.decisions, best)) || scored_enough_by_luck(best, facts.target) {
        return Step::Rescore {
            n: best.n,
            seeds: fresh(facts, best),
        };
    }
    if facts.count >= facts.max_iterations {
        return Step::Stop(Stop::Maximum);
    }
    if plateau(&facts.decisions) {
        return Step::Stop(Stop::Plateau);
    }
    Step::Change(best.n)
}

/// Whether the target is reached by more than the uncertainty of several seeds.
#[must_use]
pub fn reached(best: &Standing, target: f64) -> bool {
    let scores: Vec<f64> = best.seeds.iter().filter_map(|(_, score)| *score).collect();
    scores.len() > 1
        && stats::mean_and_error(&scores, single_error(&best.verdict))
            .is_some_and(|(mean, error)| mean - SURE * error >= target)
}

/// The target is touched, but not surely.
fn scored_enough_by_luck(best: &Standing, target: f64) -> bool {
    best.verdict.overall_score.is_some_and(|score| score >= target) && best.seeds.len() < 2 * FRESH_SEEDS
}

/// The standard error of one picture's overall score, from its interval.
fn single_error(verdict: &Verdict) -> f64 {
    verdict
        .overall_ci
        .map_or(0.0, |[low, high]| (high - low) / (2.0 * 1.96))
}

/// Keeps since the best was last scored on seeds of its own.
fn keeps_on_same_seeds(decisions: &[Decided], best: &Standing) -> u32 {
    let keeps: Vec<&[u64]> = decisions
        .iter()
        .filter(|d| d.kind == DecisionKind::Keep)
        .map(|d| d.detail.comparison.seeds.as_slice())
        .collect();
    let Some(newest) = keeps.last() else {
        return 0;
    };
    // Seeds that no decision has used are the fresh ones.
    let rescored = best.seeds.iter().filter(|(seed, _)| !newest.contains(seed)).count() >= FRESH_SEEDS;
    if rescored {
        0
    } else {
        stats::keeps_on_same_seeds(&keeps)
    }
}

fn fresh(facts: &Facts, best: &Standing) -> Vec<u64> {
    let mut used: BTreeSet<u64> = best.seeds.iter().map(|(seed, _)| *seed).collect();
    used.extend(facts.decisions.iter().flat_map(|d| &d.detail.comparison.seeds));
    (1..).filter(|seed| !used.contains(seed)).take(FRESH_SEEDS).collect()
}

/// Whether the last changes were all tried and not kept.
fn plateau(decisions: &[Decided]) -> bool {
    let mut order: Vec<&Decided> = Vec::new();
    for decided in decisions {
        order.retain(|d| d.iteration != decided.iteration);
        order.push(decided);
    }
    let misses = order
        .iter()
        .rev()
        .take_while(|d| matches!(d.kind, DecisionKind::Revert | DecisionKind::LeaningRevert));
    misses.count() >= STUCK_AFTER
}

/// The axis with most to gain among those that are surely no match, stuck ones last.
fn worst(best: &Standing, facts: &Facts) -> Option<Worst> {
    let noise = Noise::of(newest(&facts.decisions).values().map(|d| &d.detail.comparison));
    let surely_off = |axis: &&AxisResult| {
        axis.verdict.counts()
            && axis.verdict != AxisVerdict::Match
            && axis.score.is_some_and(|score| score + axis.order < MATCH_SCORE)
    };
    let mut worst: Vec<Worst> = best
        .verdict
        .axes
        .iter()
        .filter(surely_off)
        .map(|axis| {
            let tried = tries(&axis.id, facts, &noise);
            let moves: Vec<f64> = tried.iter().rev().map(|t| t.by).collect();
            Worst {
                axis: axis.clone(),
                stuck: super::decide::stuck(&moves, noise.floor(&axis.id, 2)),
                tried: tried.into_iter().take(TRIES).collect(),
            }
        })
        .collect();
    let gain = |w: &Worst| w.axis.weight * (1.0 - w.axis.score.unwrap_or(1.0));
    worst.sort_by(|a, b| a.stuck.cmp(&b.stuck).then(gain(b).total_cmp(&gain(a))));
    worst.into_iter().next()
}

/// Changes that moved an axis by more than noise, or were made for it by their note; newest first.
fn tries(axis: &str, facts: &Facts, noise: &Noise) -> Vec<Try> {
    let spoken = axis.replace('_', " ");
    let meant = |n: u32| {
        facts.notes.get(&n).is_some_and(|note| {
            let note = note.to_lowercase();
            note.contains(axis) || note.contains(&spoken)
        })
    };
    newest(&facts.decisions)
        .values()
        .rev()
        .filter_map(|decided| {
            let change = decided.detail.change.as_ref().unwrap_or(&decided.detail.comparison);
            let deltas = change.axes.get(axis)?;
            let by = stats::mean(deltas);
            let moved = by.abs() > noise.floor(axis, deltas.len());
            (moved || meant(decided.iteration)).then_some(Try {
                n: decided.iteration,
                by,
                kind: decided.kind,
            })
        })
        .collect()
}

impl Step {
    /// Seeds to run and judge, by iteration.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<u32, Vec<u64>> {
        match self {
            Self::MoreSeeds(needs) => needs.clone(),
            Self::Rescore { n, seeds } => BTreeMap::from([(*n, seeds.clone())]),
            Self::Judge(_) | Self::Stop(_) | Self::Change(_) => BTreeMap::new(),
        }
    }

    /// The step in a sentence or two, for an agent.
    #[must_use]
    pub fn in_words(&self, facts: &Facts) -> String {
        match self {
            Self::Judge(None) => {
                "Write the first prompt: judge_pair with the session alone says what the reference shows.".into()
            }
            Self::Judge(Some(n)) => {
                format!("Iteration {n} is not judged: queue_generation with session, iteration {n} and judge.")
            }
            Self::MoreSeeds(needs) => format!("Undecided. Run {} with judge.", seeds_in_words(needs)),
            Self::Rescore { n, seeds } => {
                let seeds = list(seeds);
                match facts
                    .best
                    .as_ref()
                    .is_some_and(|best| scored_enough_by_luck(best, facts.target))
                {
                    true => {
                        format!("The target is touched, but not surely: confirm with seeds {seeds} of iteration {n}.")
                    }
                    false => format!(
                        "Iteration {n} was chosen on the same seeds {RESCORE_AFTER} times, which flatters it: score it on fresh seeds {seeds}, and go on with those."
                    ),
                }
            }
            Self::Stop(Stop::Reached) => "Stop: the target is reached, beyond what seeds vary.".into(),
            Self::Stop(Stop::Maximum) => {
                format!("Stop: {} of {} iterations are used.", facts.count, facts.max_iterations)
            }
            Self::Stop(Stop::Plateau) => format!(
                "Plateau: the last {STUCK_AFTER} changes were not kept. Stop, or change something else: a knob, the model, the wording as a whole."
            ),
            Self::Change(n) => format!("Go on from iteration {n} (parent: {n})."),
        }
    }
}

/// `seeds 3, 4 of iteration 5 and seed 3 of iteration 2`.
#[must_use]
pub fn seeds_in_words(needs: &BTreeMap<u32, Vec<u64>>) -> String {
    let each: Vec<String> = needs
        .iter()
        .map(|(n, seeds)| {
            let s = if seeds.len() == 1 { "" } else { "s" };
            format!("seed{s} {} of iteration {n}", list(seeds))
        })
        .collect();
    each.join(" and ")
}

fn list(seeds: &[u64]) -> String {
    seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Decided {
    /// The decision in a sentence or two: what, by how much, what moved, what to do.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Some(against) = self.against else {
            return format!("Iteration {} is the first to compare with.", self.iteration);
        };
        let comparison = &self.detail.comparison;
        let rests_on = match (self.detail.probability, comparison.seeds.len()) {
            (Some(p), seeds @ 1..) => format!(
                "{:+.3}, better with probability {p:.2}, {seeds} seed{}",
                comparison.mean(),
                if seeds == 1 { "" } else { "s" }
            ),
            _ => "no seed in common".to_owned(),
        };
        let n = self.iteration;
        let mut text = match self.kind {
            DecisionKind::First => format!("Iteration {n} is the first to compare with."),
            DecisionKind::Keep => format!("KEEP {n} over {against} ({rests_on})."),
            DecisionKind::Revert => format!("REVERT {n}: go on from parent {against} ({rests_on})."),
            DecisionKind::LeaningKeep => format!("Leaning to keep {n} over {against} ({rests_on}: no verdict)."),
            DecisionKind::LeaningRevert => {
                format!("Leaning to revert {n} to {against} ({rests_on}: no verdict).")
            }
            DecisionKind::MoreSeeds => format!("Undecided between {n} and {against} ({rests_on})."),
        };
        let listed = |up: bool| {
            let mut moved: Vec<(&String, f64)> = self.detail.moved.iter().map(|(a, by)| (a, *by)).collect();
            moved.retain(|(_, by)| (*by > 0.0) == up);
            moved.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
            let shown = moved.iter().take(4).map(|(axis, by)| format!("{axis} {by:+.2}"));
            shown.collect::<Vec<_>>().join(", ")
        };
        for (name, moved) in [("Up", listed(true)), ("Down", listed(false))] {
            if !moved.is_empty() {
                text.push_str(&format!(" {name}: {moved}."));
            }
        }
        let mut fell: Vec<(&String, &(u32, f64))> = self.detail.fell.iter().collect();
        // What fell with this very change was just said.
        fell.retain(|(axis, (since, _))| *since != against || !self.detail.moved.contains_key(*axis));
        fell.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
        let fell: Vec<String> = fell
            .iter()
            .take(3)
            .map(|(axis, (since, by))| format!("{axis} fell by {by:.2} since {since}"))
            .collect();
        if !fell.is_empty() {
            text.push_str(&format!(" ALARM: {}.", fell.join(", ")));
        }
        if !self.detail.needs.is_empty() {
            let verb = match self.kind {
                DecisionKind::MoreSeeds => "Run",
                _ => "For a verdict run",
            };
            text.push_str(&format!(" {verb} {} with judge.", seeds_in_words(&self.detail.needs)));
        }
        text
    }
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
