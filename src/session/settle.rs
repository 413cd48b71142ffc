//! Deciding on what was judged, and writing the decision down.
//!
//! A decision follows from the record alone, so it may be made any time after the judgement: what a kill left undecided is
//! decided with the next judgement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::advice::{Facts, Standing, Step, advise};
use super::decide::Ruling;
use super::judging::rubric_of;
use super::stats::{self, Comparison, Fall, Kept, Noise, Sample};
use super::{Service, ServiceError};
use crate::history::{
    Decision, DecisionKind, IterationNo, JudgeHash, JudgedRun, NewDecision, Session, SessionId, Span,
};
use crate::judge::verdict::{Verdict, Versus};
use crate::judge::{Call, guard};
use crate::progress::Teller;

/// Decisions that noise is measured on, and that advice looks back at.
pub(super) const WINDOW: u32 = 60;
/// Iterations that are decided on at once: a record from before there were decisions may have many.
const BACKLOG: usize = 200;
/// Seeds on which the judge is asked directly which of two pictures is closer.
const ASKED_DIRECTLY: usize = 2;
/// Above this probability of being better nobody is asked any more.
const CLEARLY_BETTER: f64 = 0.95;

/// What a decision rests on, as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Seed by seed, against what it was compared with.
    pub comparison: Comparison,
    /// The same against its parent, where that is another one: what this change did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Comparison>,
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
}

/// What a judging call came to for its session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The decisions that were made, in order.
    pub decisions: Vec<Decided>,
    /// What to do beyond what the decisions say: stop, or score the best anew.
    pub next: Option<String>,
}

/// The judge may be asked directly which of two pictures is closer, where the scores alone are no clear answer.
pub(super) struct AskDirectly<'a> {
    pub teller: &'a Teller,
    pub cancel: &'a CancellationToken,
}

impl Service {
    /// Decides on all that was judged since the last decision; gives the new decisions, in order.
    ///
    /// # Errors
    /// [`ServiceError`] of the history.
    pub(super) async fn settle(
        &self,
        session: &Session,
        judge: &JudgeHash,
        ask: Option<&AskDirectly<'_>>,
    ) -> Result<Vec<Decided>, ServiceError> {
        let mut new = Vec::new();
        // Two programs may decide at the same time; the one that comes second looks again.
        for _ in 0..8 {
            let undecided = self.store.undecided(&session.id, judge).await?;
            let (mut since, mut incumbent) = (undecided.upto, undecided.incumbent);
            let mut overtaken = false;
            for (n, judgement) in undecided.iterations.into_iter().take(BACKLOG) {
                let Some(decided) = self.decide_on(session, judge, n, incumbent, ask).await? else {
                    continue;
                };
                let recorded = NewDecision {
                    session: session.id.clone(),
                    iteration: self.iteration_no(decided.iteration)?,
                    against: decided.against.map(|n| self.iteration_no(n)).transpose()?,
                    judge: judge.clone(),
                    judgement,
                    kind: decided.kind,
                    detail: serde_json::to_value(&decided.detail).map_err(|e| ServiceError::Internal(e.to_string()))?,
                };
                if !self.store.record_decision(recorded, since).await? {
                    overtaken = true;
                    break;
                }
                since = judgement;
                incumbent = self.store.incumbent(&session.id, judge).await?;
                new.push(decided);
            }
            if !overtaken {
                break;
            }
        }
        Ok(new)
    }

    /// Decides on what a call has judged, and whether it is time to stop.
    pub(super) async fn outcome(
        &self,
        session: &Session,
        judge: &str,
        ask: &AskDirectly<'_>,
    ) -> Result<Outcome, ServiceError> {
        let judge = JudgeHash::parse(judge).map_err(|e| ServiceError::Internal(e.to_string()))?;
        let decisions = self.settle(session, &judge, Some(ask)).await?;
        let facts = self.facts(session, Some(&judge)).await?;
        let step = advise(&facts).step;
        let next = matches!(step, Step::Stop(_) | Step::Rescore { .. }).then(|| step.in_words(&facts));
        Ok(Outcome { decisions, next })
    }

    /// What advice on a session is given on.
    pub(super) async fn facts(&self, session: &Session, judge: Option<&JudgeHash>) -> Result<Facts, ServiceError> {
        let id = &session.id;
        let recent = self.store.trend(id, Span::Last(WINDOW)).await?;
        let unjudged = recent.last().filter(|row| {
            let scored = judge.is_some_and(|judge| row.scores.iter().any(|s| s.judge == *judge));
            !scored && row.runs.failed == 0 && row.runs.cancelled == 0
        });
        let mut facts = Facts {
            target: session.opened.target_score,
            max_iterations: session.opened.max_iterations,
            count: recent.last().map_or(0, |row| row.n.get()),
            unjudged: unjudged.map(|row| row.n.get()),
            decisions: Vec::new(),
            notes: recent
                .iter()
                .filter_map(|row| Some((row.n.get(), row.note.clone()?)))
                .collect(),
            best: None,
        };
        let Some(judge) = judge else {
            return Ok(facts);
        };
        facts.decisions = self
            .store
            .decisions(id, judge, WINDOW)
            .await?
            .iter()
            .map(Decided::of)
            .collect();
        if let Some(n) = self.store.incumbent(id, judge).await?
            && let Some((verdict, runs)) = self.averaged(id, judge, n).await?
        {
            facts.best = Some(Standing {
                n: n.get(),
                verdict,
                seeds: runs
                    .iter()
                    .map(|run| (run.seed, run.judgement.content.overall_score))
                    .collect(),
            });
        }
        Ok(facts)
    }

    /// What follows from the newest judgements of an iteration, if anything does.
    async fn decide_on(
        &self,
        session: &Session,
        judge: &JudgeHash,
        n: IterationNo,
        incumbent: Option<IterationNo>,
        ask: Option<&AskDirectly<'_>>,
    ) -> Result<Option<Decided>, ServiceError> {
        let Some(incumbent) = incumbent else {
            return Ok(Some(Decided {
                iteration: n.get(),
                against: None,
                kind: DecisionKind::First,
                detail: Detail::default(),
            }));
        };
        let past: Vec<Decided> = self
            .store
            .decisions(&session.id, judge, WINDOW)
            .await?
            .iter()
            .map(Decided::of)
            .collect();
        let Some((candidate, against)) = pair(&newest(&past), n.get(), incumbent.get()) else {
            return Ok(None);
        };
        let new = self.samples(&session.id, judge, candidate).await?;
        let old = self.samples(&session.id, judge, against).await?;
        // The same seeds again are no new evidence about the noise.
        let others: Vec<&Decided> = past.iter().filter(|d| d.iteration != candidate).collect();
        let noise = Noise::of(
            newest(&past)
                .values()
                .filter(|d| d.iteration != candidate)
                .map(|d| &d.detail.comparison),
        );
        let mut comparison = Comparison::of(&new, &old);
        let mut ruling = stats::rule(&comparison, &noise);
        if let (true, Some(ask)) = (worth_asking(&comparison, &ruling), ask) {
            comparison.log_odds = self
                .asked_directly(session, judge, (candidate, against), &comparison.seeds, ask)
                .await;
            ruling = stats::rule(&comparison, &noise);
        }
        let parent = self
            .store
            .iteration(&session.id, self.iteration_no(candidate)?)
            .await?
            .content
            .parent;
        let change = match parent {
            Some(parent) if parent.get() != against => {
                let before = self.samples(&session.id, judge, parent.get()).await?;
                Some(Comparison::of(&new, &before)).filter(|c| !c.seeds.is_empty())
            }
            _ => None,
        };
        let (kind, more) = stats::kind(ruling.decision);
        let chain = chain(&others, (candidate, &comparison));
        let moved = stats::moves(&comparison, &noise);
        Ok(Some(Decided {
            iteration: candidate,
            against: Some(against),
            kind,
            detail: Detail {
                probability: (!comparison.seeds.is_empty()).then_some(ruling.probability_better),
                moved: moved.into_iter().map(|m| (m.axis, m.by)).collect(),
                fell: stats::falls(&chain, &noise)
                    .into_iter()
                    .map(|Fall { axis, since, by }| (axis, (since, by)))
                    .collect(),
                needs: needs((candidate, &new), (against, &old), more),
                change,
                comparison,
            },
        }))
    }

    /// The judged seeds of an iteration.
    async fn samples(&self, session: &SessionId, judge: &JudgeHash, n: u32) -> Result<Vec<Sample>, ServiceError> {
        let n = self.iteration_no(n)?;
        let judged = self.store.judged_runs(session, judge, Span::Between(n, n)).await?;
        Ok(judged.iter().filter_map(sample).collect())
    }

    /// Mean log-odds that the candidate's pictures are the closer ones; nothing where the judge could not be asked.
    async fn asked_directly(
        &self,
        session: &Session,
        judge: &JudgeHash,
        (candidate, against): (u32, u32),
        seeds: &[u64],
        ask: &AskDirectly<'_>,
    ) -> Option<f64> {
        let asked = async {
            let rubric = rubric_of(session)?;
            let call = Call {
                rubric: &rubric,
                guarded: guard::applies(rubric.explicit, None),
                teller: ask.teller,
                cancel: ask.cancel,
            };
            let Some(reference) = &session.opened.reference else {
                return Ok(Vec::new());
            };
            let reference = self.stored_picture(reference).await?;
            let pictures = |n: u32| async move {
                let n = self.iteration_no(n)?;
                Ok::<_, ServiceError>(self.store.judged_runs(&session.id, judge, Span::Between(n, n)).await?)
            };
            let (new, old) = (pictures(candidate).await?, pictures(against).await?);
            let of = |runs: &[JudgedRun], seed| {
                let run = runs.iter().find(|run| run.seed == seed)?;
                Some(run.judgement.content.image.clone())
            };
            let mut odds = Vec::new();
            for seed in seeds.iter().take(ASKED_DIRECTLY) {
                let (Some(new), Some(old)) = (of(&new, *seed), of(&old, *seed)) else {
                    continue;
                };
                let (old, new) = (self.stored_picture(&old).await?, self.stored_picture(&new).await?);
                let read = self.judge.closer(&reference, (&old, &new), call).await?;
                odds.extend(Versus::of(against.to_string(), &rubric, &read).log_odds);
            }
            Ok::<_, ServiceError>(odds)
        };
        match asked.await {
            Ok(odds) => (!odds.is_empty()).then(|| stats::mean(&odds)),
            Err(error) => {
                tracing::warn!(%error, "the direct comparison is left out of a decision");
                None
            }
        }
    }

    /// The averaged verdict of an iteration's seeds by a judge, with the seeds.
    pub(super) async fn averaged(
        &self,
        session: &SessionId,
        judge: &JudgeHash,
        n: IterationNo,
    ) -> Result<Option<(Verdict, Vec<JudgedRun>)>, ServiceError> {
        let judged = self.store.judged_runs(session, judge, Span::Between(n, n)).await?;
        let verdicts: Vec<Verdict> = judged.iter().filter_map(|run| verdict_of(&run.judgement)).collect();
        let verdicts: Vec<&Verdict> = verdicts.iter().collect();
        Ok(crate::judge::average::averaged(&verdicts).map(|verdict| (verdict, judged)))
    }
}

/// A recorded verdict; what was refused, or recorded by another version, is none.
pub(super) fn verdict_of(judgement: &crate::history::Judgement) -> Option<Verdict> {
    Verdict::deserialize(&judgement.content.verdict).ok()
}

fn sample(run: &JudgedRun) -> Option<Sample> {
    let verdict = verdict_of(&run.judgement)?;
    Some(Sample {
        seed: run.seed,
        overall: verdict.overall_raw?,
        axes: verdict
            .axes
            .into_iter()
            .filter_map(|axis| Some((axis.id, axis.raw?)))
            .collect(),
    })
}

/// The newest decision about every iteration.
pub(super) fn newest(past: &[Decided]) -> BTreeMap<u32, &Decided> {
    past.iter().map(|d| (d.iteration, d)).collect()
}

/// Which iteration is to be decided on, and against which, when `n` was judged.
fn pair(newest: &BTreeMap<u32, &Decided>, n: u32, incumbent: u32) -> Option<(u32, u32)> {
    let open = |d: &Decided| {
        matches!(
            d.kind,
            DecisionKind::MoreSeeds | DecisionKind::LeaningKeep | DecisionKind::LeaningRevert
        )
    };
    // It leaned to replacing another one, which it is still compared with.
    if n == incumbent
        && let Some(own) = newest.get(&n).filter(|d| d.kind == DecisionKind::LeaningKeep)
    {
        return own.against.map(|against| (n, against));
    }
    if let Some(waiting) = newest.values().rev().find(|d| open(d) && d.against == Some(n)) {
        // More seeds of what an open decision compares with, or of what it provisionally replaced.
        if n == incumbent || waiting.iteration == incumbent {
            return Some((waiting.iteration, n));
        }
    }
    (n != incumbent).then_some((n, incumbent))
}

/// Whether asking directly may change a decision: it can hold back a keep that the scores do not make clear.
fn worth_asking(comparison: &Comparison, ruling: &Ruling) -> bool {
    let would_keep = matches!(stats::kind(ruling.decision).0, DecisionKind::Keep);
    would_keep && !comparison.seeds.is_empty() && ruling.probability_better < CLEARLY_BETTER
}

/// What was kept so far, oldest first, and the candidate on top.
fn chain<'a>(past: &[&'a Decided], (candidate, comparison): (u32, &'a Comparison)) -> Vec<Kept<'a>> {
    let mut latest: Vec<&Decided> = Vec::new();
    for decided in past {
        latest.retain(|d| d.iteration != decided.iteration);
        latest.push(decided);
    }
    let kept = latest.into_iter().filter(|d| d.kind.takes_over()).map(|d| Kept {
        iteration: d.iteration,
        comparison: Some(&d.detail.comparison).filter(|c| !c.seeds.is_empty()),
    });
    kept.chain([Kept {
        iteration: candidate,
        comparison: Some(comparison),
    }])
    .collect()
}

/// Seeds that a decision still needs, by iteration: first those that one of the two has already.
fn needs((candidate, new): (u32, &[Sample]), (against, old): (u32, &[Sample]), more: u32) -> BTreeMap<u32, Vec<u64>> {
    let has = |samples: &[Sample], seed: u64| samples.iter().any(|s| s.seed == seed);
    let one_sided = old.iter().chain(new).map(|s| s.seed);
    let one_sided = one_sided.filter(|seed| has(old, *seed) != has(new, *seed));
    let fresh = (1..).filter(|seed| !has(old, *seed) && !has(new, *seed));
    let mut needs: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for seed in one_sided.chain(fresh).take(more as usize) {
        for (n, samples) in [(candidate, new), (against, old)] {
            if !has(samples, seed) {
                needs.entry(n).or_default().push(seed);
            }
        }
    }
    needs
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
