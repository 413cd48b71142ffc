//! What to do next, from the record. Pure. Told, never enforced: the agent decides.

use std::collections::{BTreeMap, BTreeSet};

use crate::decide::{RESCORE_AFTER, STUCK_AFTER, rescore_due};
use crate::decided::{Decided, newest};
use crate::decision_log::UnreadableRecords;
use crate::stats::{self, Fall, Noise};
use judge::score::{AxisVerdict, MATCH_SCORE};
use judge::verdict::{AxisResult, Flag, Verdict};
use types::{AxisId, DecisionKind, IterationNo, Seed};

/// The target counts as reached when the mean lies so many standard errors above it: nine times in ten it then holds.
const SURE: f64 = 1.28;
/// Tries on an axis that are told.
const TRIES: usize = 3;
/// Seeds on which the best is scored anew: it was chosen on others, which flatter it.
const FRESH_SEEDS: usize = 2;
/// Fresh seeds after which the target is as sure as it gets.
const MOST_FRESH: usize = 6;

/// What a session's best iteration stands on.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The iteration.
    pub n: IterationNo,
    /// Its seeds' judgements, averaged.
    pub verdict: Verdict,
    /// Its seeds.
    pub seeds: Vec<Scored>,
    /// Seeds that are of no use, such as those whose picture was refused.
    pub spent: BTreeSet<Seed>,
    /// Whether different seeds make the same picture: then one says all there is.
    pub seedless: bool,
}

/// A seed and its overall score.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The seed.
    pub seed: Seed,
    /// The overall score, where there is one.
    pub score: Option<f64>,
    /// Its standard error, from the judge's own interval.
    pub error: f64,
}

impl Scored {
    /// A seed's judgement.
    #[must_use]
    pub fn of(seed: Seed, verdict: &Verdict) -> Self {
        Self {
            seed,
            score: verdict.overall_score,
            error: verdict
                .overall_ci
                .map_or(0.0, |[low, high]| (high - low) / (2.0 * 1.96)),
        }
    }
}

/// A judge whose newest judgement counts no axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// How many axes were judged.
    pub axes: usize,
    /// Those of them that it does not see in the reference.
    pub not_visible: usize,
    /// Whether it knows rendered scenes only.
    pub narrow: bool,
}

impl Blind {
    /// Of a judgement; nothing where an axis counts.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Option<Self> {
        if verdict.axes.iter().any(|axis| axis.verdict.counts()) {
            return None;
        }
        let not_visible = |axis: &&AxisResult| axis.verdict == AxisVerdict::NotVisible;
        Some(Self {
            axes: verdict.axes.len(),
            not_visible: verdict.axes.iter().filter(not_visible).count(),
            narrow: verdict.flags.contains(&Flag::NarrowModel),
        })
    }

    /// What is wrong, and what to do.
    #[must_use]
    pub fn in_words(&self) -> String {
        let what = if self.not_visible == self.axes {
            format!("this judge sees none of the {} axes in this reference", self.axes)
        } else {
            format!(
                "none of the {} axes counts for this judge with this reference ({} not visible in it)",
                self.axes, self.not_visible
            )
        };
        let remedy = if self.narrow {
            "The bundled judge knows rendered scenes only: ask the user to configure a Qwen3-VL (`prompt-calibrator models pull 8b`, then restart the server), and judge again."
        } else {
            "More renders cannot change that. Ask the user for another reference, another rubric or a larger model (`prompt-calibrator models list`)."
        };
        format!("{what}, so there is nothing to score. {remedy}")
    }
}

/// What advice is given on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Overall score to reach, 0 to 1.
    pub target: f64,
    /// Iterations after which to stop.
    pub max_iterations: u32,
    /// Iterations that have run so far: those that made a picture.
    pub ran: u32,
    /// The newest iteration.
    pub newest: Option<IterationNo>,
    /// The newest iteration, unless it was judged, or is a draft for which no run is left.
    pub unjudged: Option<IterationNo>,
    /// The newest decisions, oldest first, with those that are not recorded.
    pub decisions: Vec<Decided>,
    /// Those of them that are not recorded: a judging call records them.
    pub pending: Vec<Decided>,
    /// Whether the judge sees nothing to score.
    pub blind: Option<Blind>,
    /// Records that could not be read.
    pub unreadable: UnreadableRecords,
    /// Why the agent made an iteration.
    pub notes: BTreeMap<IterationNo, String>,
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
    /// No axis counts for this judge with this reference.
    Blind,
}

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Nothing is judged yet: render and judge this iteration, or write the first.
    Judge(Option<IterationNo>),
    /// A decision needs these seeds, by iteration.
    MoreSeeds(BTreeMap<IterationNo, Vec<Seed>>),
    /// The best was chosen for what it scored on these seeds: score it on fresh ones.
    Rescore {
        /// The best iteration.
        n: IterationNo,
        /// Seeds that it was not judged on.
        seeds: Vec<Seed>,
    },
    /// The calibration is over.
    Stop(Stop),
    /// A new iteration from this one.
    Change(IterationNo),
}

/// What was tried on an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Try {
    /// The iteration.
    pub n: IterationNo,
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
    /// Axes of the best iteration that are worse than in an earlier one that was kept.
    pub fell: BTreeMap<AxisId, Fall>,
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

fn step(facts: &Facts, latest: &BTreeMap<IterationNo, &Decided>) -> Step {
    if facts.blind.is_some() {
        return Step::Stop(Stop::Blind);
    }
    let Some(best) = &facts.best else {
        return Step::Judge(facts.unjudged);
    };
    if reached(facts, best) {
        return Step::Stop(Stop::Reached);
    }
    if facts.ran > facts.max_iterations {
        return Step::Stop(Stop::Maximum);
    }
    // What was begun is brought to its end first.
    if let Some(n) = facts.unjudged {
        return Step::Judge(Some(n));
    }
    if let Some(open) = worth_more_seeds(latest, best.n) {
        return Step::MoreSeeds(open.detail.needs.clone());
    }
    let due = (rescore_due(keeps_on_same_seeds(&facts.decisions, best)) && !best.seedless).then_some(FRESH_SEEDS);
    if let Some(seeds) = unconfirmed(facts, best).or(due) {
        return Step::Rescore {
            n: best.n,
            seeds: fresh_seeds(facts, best, seeds),
        };
    }
    if facts.ran >= facts.max_iterations {
        return Step::Stop(Stop::Maximum);
    }
    if plateau(&facts.decisions) {
        return Step::Stop(Stop::Plateau);
    }
    Step::Change(best.n)
}

/// The scores of the seeds that the best was not chosen on: those of the decision by which it took over. What a later look at
/// the same pair took into account confirmed it. The first was not chosen at all.
fn fresh_scores(facts: &Facts, best: &Standing) -> Vec<Scored> {
    let took_over = |d: &&Decided| d.iteration == best.n && d.kind.takes_over();
    let chosen_on: Vec<Seed> = facts
        .decisions
        .iter()
        .find(took_over)
        .map(|own| own.detail.comparison.seeds.clone())
        .unwrap_or_default();
    best.seeds
        .iter()
        .filter(|scored| best.seedless || !chosen_on.contains(&scored.seed))
        .copied()
        .collect()
}

/// An undecided iteration that more seeds would decide: the newest, or an older one that may well be better than the best. Once
/// another one took over, nobody needs to know.
fn worth_more_seeds<'a>(latest: &BTreeMap<IterationNo, &'a Decided>, best: IterationNo) -> Option<&'a Decided> {
    let newest = latest.keys().next_back().copied();
    let promising = |d: &Decided| d.detail.probability.is_none_or(|p| p >= 0.5);
    latest.values().rev().copied().find(|d| {
        d.kind == DecisionKind::MoreSeeds
            && d.against == Some(best)
            && !d.detail.needs.is_empty()
            && (Some(d.iteration) == newest || promising(d))
    })
}

/// Whether the target is reached by more than the uncertainty of several fresh seeds.
fn reached(facts: &Facts, best: &Standing) -> bool {
    let fresh = fresh_scores(facts, best);
    let scores: Vec<f64> = fresh.iter().filter_map(|scored| scored.score).collect();
    let enough = scores.len() >= FRESH_SEEDS || best.seedless;
    let single = stats::mean(&fresh.iter().map(|scored| scored.error).collect::<Vec<_>>());
    enough && stats::mean_and_error(&scores, single).is_some_and(|(mean, error)| mean - SURE * error >= facts.target)
}

/// How many more fresh seeds would make a touched target sure; nothing where it is not touched, or they would not help.
fn unconfirmed(facts: &Facts, best: &Standing) -> Option<usize> {
    let fresh: Vec<f64> = fresh_scores(facts, best)
        .iter()
        .filter_map(|scored| scored.score)
        .collect();
    let (touched, wanted) = match fresh.len() {
        _ if best.seedless => return None,
        ..FRESH_SEEDS => (best.verdict.overall_score, FRESH_SEEDS),
        FRESH_SEEDS..MOST_FRESH => (Some(stats::mean(&fresh)), MOST_FRESH),
        _ => return None,
    };
    touched
        .is_some_and(|score| score >= facts.target)
        .then_some(wanted - fresh.len())
}

/// Iterations that took over since the best was last scored on seeds of its own.
fn keeps_on_same_seeds(decisions: &[Decided], best: &Standing) -> u32 {
    let keeps: Vec<&[Seed]> = decisions
        .iter()
        .filter(|d| matches!(d.kind, DecisionKind::Keep | DecisionKind::TentativeKeep))
        .map(|d| d.detail.comparison.seeds.as_slice())
        .collect();
    let Some(newest) = keeps.last() else {
        return 0;
    };
    // Seeds that the decision has not used are the fresh ones.
    let rescored = best
        .seeds
        .iter()
        .filter(|scored| !newest.contains(&scored.seed))
        .count()
        >= FRESH_SEEDS;
    if rescored {
        0
    } else {
        stats::keeps_on_same_seeds(&keeps)
    }
}

fn fresh_seeds(facts: &Facts, best: &Standing, seeds: usize) -> Vec<Seed> {
    let mut used: BTreeSet<Seed> = best.seeds.iter().map(|scored| scored.seed).collect();
    used.extend(&best.spent);
    used.extend(facts.decisions.iter().flat_map(|d| &d.detail.comparison.seeds));
    (1..)
        .map(Seed)
        .filter(|seed| !used.contains(seed))
        .take(seeds)
        .collect()
}

/// Whether the last changes were all tried and not kept.
fn plateau(decisions: &[Decided]) -> bool {
    let latest = newest(decisions);
    let misses = latest.values().rev().take_while(|d| !d.kind.takes_over());
    misses.count() >= STUCK_AFTER
}

/// The axis with most to gain among those that are surely no match, stuck ones last.
fn worst(best: &Standing, facts: &Facts) -> Option<Worst> {
    let noise = Noise::of(newest(&facts.decisions).values().map(|d| &d.detail.comparison));
    let surely_off = |axis: &&AxisResult| {
        axis.verdict.counts()
            && axis.verdict != AxisVerdict::Match
            && axis.score.is_some_and(|score| score + axis.position_bias < MATCH_SCORE)
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
                stuck: crate::decide::stuck(&moves, noise.floor(&axis.id, 2)),
                tried: tried.into_iter().take(TRIES).collect(),
            }
        })
        .collect();
    let gain = |w: &Worst| w.axis.weight * (1.0 - w.axis.score.unwrap_or(1.0));
    worst.sort_by(|a, b| a.stuck.cmp(&b.stuck).then(gain(b).total_cmp(&gain(a))));
    worst.into_iter().next()
}

/// Changes that moved an axis by more than noise, or were made for it by their note; newest first.
fn tries(axis: &AxisId, facts: &Facts, noise: &Noise) -> Vec<Try> {
    let spoken = axis.as_str().replace('_', " ");
    let meant = |n: IterationNo| {
        facts.notes.get(&n).is_some_and(|note| {
            let words: Vec<String> = note
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .map(str::to_owned)
                .collect();
            let line = format!(" {} ", words.join(" "));
            line.contains(&format!(" {axis} ")) || line.contains(&format!(" {spoken} "))
        })
    };
    newest(&facts.decisions)
        .values()
        .rev()
        .filter_map(|decided| {
            let deltas = decided.detail.comparison.axes.get(axis)?;
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
    /// Takes back what decisions ask for where the calibration is over: nobody needs to know it any more.
    pub fn settle(&self, decisions: &mut [Decided]) {
        if matches!(self, Self::Stop(_)) {
            decisions.iter_mut().for_each(|decided| decided.detail.needs.clear());
        }
    }

    /// Seeds to run and judge, by iteration.
    #[must_use]
    pub fn runs(&self) -> BTreeMap<IterationNo, Vec<Seed>> {
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
                {
                "Nothing is scored yet: write a prompt (judge_pair with the session alone says what the reference shows) and run it with judge.".into()
            }
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
                    .is_some_and(|best| unconfirmed(facts, best).is_some())
                {
                    true => {
                        format!("Iteration {n} reaches the target on the seeds that it was chosen on: confirm with fresh seeds {seeds} of it, with judge.")
                    }
                    false => format!(
                        "{RESCORE_AFTER} changes were kept on the same seeds, which flatters the score: run iteration {n} on fresh seeds {seeds} with judge, and use those from now on."
                    ),
                }
            }
            Self::Stop(Stop::Blind) => {
                let blind = facts.blind.as_ref().map(Blind::in_words).unwrap_or_default();
                format!("Stop: {blind}")
            }
            Self::Stop(Stop::Reached) => "Stop: the target is reached, and fresh seeds confirm it.".into(),
            Self::Stop(Stop::Maximum) => {
                format!("Stop: {} of {} iterations are used.", facts.ran, facts.max_iterations)
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
pub fn seeds_in_words(needs: &BTreeMap<IterationNo, Vec<Seed>>) -> String {
    let each: Vec<String> = needs
        .iter()
        .map(|(n, seeds)| {
            let s = if seeds.len() == 1 { "" } else { "s" };
            format!("seed{s} {} of iteration {n}", list(seeds))
        })
        .collect();
    each.join(" and ")
}

fn list(seeds: &[Seed]) -> String {
    seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Decided {
    /// What a decision rests on, in words.
    fn rests_on(&self) -> String {
        let comparison = &self.detail.comparison;
        match (self.detail.probability, comparison.seeds.len()) {
            (Some(p), seeds @ 1..) => {
                // Scores stand beside it, which are scaled, and of all seeds.
                let on = if seeds == 1 {
                    "seed".to_owned()
                } else {
                    format!("{seeds} seeds")
                };
                format!(
                    "{:+.3} raw on the same {on}, better with probability {p:.2}",
                    comparison.mean()
                )
            }
            _ => "no seed in common".to_owned(),
        }
    }

    /// The decision in a sentence or two: what, by how much, what moved, what to do.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Some(against) = self.against else {
            let mut text = format!(
                "Iteration {} is the first that this judge scored against this target.",
                self.iteration
            );
            if let Some(best) = self.detail.best_by_another {
                text.push_str(&format!(
                    " Iteration {best} was the best by another judge, or another target: judge it again (judge_pair, iteration {best}) to compare."
                ));
            }
            return text;
        };
        let comparison = &self.detail.comparison;
        let rests_on = if comparison.is_no_difference() {
            "no difference at all".to_owned()
        } else {
            self.rests_on()
        };
        let n = self.iteration;
        let mut text = match self.kind {
            DecisionKind::First => format!("Iteration {n} is the first that this judge scored against this target."),
            DecisionKind::Keep => format!("KEEP {n} over {against} ({rests_on})."),
            DecisionKind::Revert => format!("REVERT {n}: {against} stays the best, go on from it ({rests_on})."),
            DecisionKind::TentativeKeep => format!("Tentative keep of {n} over {against} ({rests_on}: no verdict)."),
            DecisionKind::TentativeRevert => {
                format!("Tentative revert of {n} to {against} ({rests_on}: no verdict).")
            }
            DecisionKind::MoreSeeds => format!("Undecided between {n} and {against} ({rests_on})."),
        };
        let listed = |up: bool| {
            let mut moved: Vec<(&AxisId, f64)> = self.detail.moved.iter().map(|(a, by)| (a, *by)).collect();
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
        let mut fell: Vec<(&AxisId, &Fall)> = self.detail.fell.iter().collect();
        // What fell with this very change was just said.
        fell.retain(|(axis, fall)| fall.since != against || !self.detail.moved.contains_key(*axis));
        // What is not kept has not fallen.
        fell.retain(|_| self.kind.takes_over());
        fell.sort_by(|a, b| b.1.by.total_cmp(&a.1.by));
        let fell: Vec<String> = fell
            .iter()
            .take(3)
            .map(|(axis, fall)| format!("{axis} {fall}"))
            .collect();
        if !fell.is_empty() {
            text.push_str(&format!(" ALARM: {}.", fell.join(", ")));
        }
        if self.awaits_direct_comparison {
            text.push_str(&format!(
                " Not recorded yet: judge_pair with this session and iteration {n} also asks the judge directly which is closer, and decides."
            ));
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
pub(crate) mod tests;
