//! Deciding on what was judged, and writing the decision down.
//!
//! A decision follows from the record alone, so it may be made any time after the judgement: what a kill left undecided is
//! decided with the next judgement, or when somebody looks.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::advice::{Facts, Scored, Standing, Step, advise};
use super::decide::Ruling;
use super::decided::{Decided, Detail, needs, newest, pairs};
use super::judging::rubric_of;
use super::stats::{self, Comparison, Fall, Noise, Sample};
use super::{Service, ServiceError};
use crate::history::{
    DecisionKind, ImageHash, IterationNo, JudgeHash, JudgedRun, Judgement, JudgementId, NewDecision, Session,
    SessionId, Span,
};
use crate::judge::average::averaged;
use crate::judge::score::AxisVerdict;
use crate::judge::verdict::{Verdict, Versus};
use crate::judge::{Call, guard};
use crate::progress::Teller;
use serde::Deserialize;

/// Decisions that noise is measured on, and that advice looks back at.
pub(super) const WINDOW: u32 = 60;
/// Iterations that are decided on at once: a record from before there were decisions may have many.
const BACKLOG: usize = 200;
/// Iterations that were kept, which a candidate is compared with to see what fell since.
const KEPT: usize = 12;
/// Seeds on which the judge is asked directly which of two pictures is closer.
const ASKED_DIRECTLY: usize = 2;
/// Above this probability of being better nobody is asked any more.
const CLEARLY_BETTER: f64 = 0.95;

/// What a judging call came to for its session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The decisions about what was judged, in order.
    pub decisions: Vec<Decided>,
    /// How many others were made along the way.
    pub others: usize,
    /// What to do beyond what the decisions say: stop, or score the best anew.
    pub next: Option<String>,
}

/// A judging call that decides at its end. The judge may be asked directly which of two pictures is closer, where the scores
/// alone are no clear answer.
pub(super) struct Deciding<'a> {
    /// The iteration that was judged.
    pub about: IterationNo,
    pub teller: &'a Teller,
    pub cancel: &'a CancellationToken,
}

/// An iteration's judged seeds.
struct Judged {
    runs: Vec<JudgedRun>,
    samples: Vec<Sample>,
    /// Seeds that cannot be compared: refused, or the same picture as another's.
    spent: BTreeSet<u64>,
    /// Whether different seeds made the same picture: the workflow takes none.
    seedless: bool,
}

impl Judged {
    /// The picture of a seed.
    fn picture(&self, seed: u64) -> Option<&ImageHash> {
        let run = self.runs.iter().find(|run| run.seed == seed)?;
        Some(&run.judgement.content.image)
    }
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
        call: Option<&Deciding<'_>>,
    ) -> Result<Vec<Decided>, ServiceError> {
        let mut new = Vec::new();
        // Two programs may decide at the same time; the one that comes second looks again.
        for _ in 0..8 {
            let undecided = self.store.undecided(&session.id, judge).await?;
            let (mut since, mut incumbent) = (undecided.upto, undecided.incumbent);
            let mut overtaken = false;
            for (n, judgement) in undecided.iterations.into_iter().take(BACKLOG) {
                let call = call.filter(|call| call.about == n);
                let Some(decided) = self.decide_on(session, judge, n, incumbent, call).await? else {
                    continue;
                };
                if call.is_some_and(|call| call.cancel.is_cancelled()) {
                    // Without the direct comparison it might be another one; the next look decides.
                    return Ok(new);
                }
                if !self
                    .decision_is_recorded(session, judge, (&decided, judgement), since)
                    .await?
                {
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

    async fn decision_is_recorded(
        &self,
        session: &Session,
        judge: &JudgeHash,
        (decided, judgement): (&Decided, JudgementId),
        since: JudgementId,
    ) -> Result<bool, ServiceError> {
        let new = NewDecision {
            session: session.id.clone(),
            iteration: self.iteration_no(decided.iteration)?,
            against: decided.against.map(|n| self.iteration_no(n)).transpose()?,
            judge: judge.clone(),
            judgement,
            kind: decided.kind,
            detail: serde_json::to_value(&decided.detail).map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        Ok(self.store.record_decision(new, since).await?)
    }

    /// Decides on what a call has judged, and whether it is time to stop.
    pub(super) async fn outcome(
        &self,
        session: &Session,
        judge: &str,
        call: &Deciding<'_>,
    ) -> Result<Outcome, ServiceError> {
        let judge = JudgeHash::parse(judge).map_err(|e| ServiceError::Internal(e.to_string()))?;
        let made = self.settle(session, &judge, Some(call)).await?;
        let about = call.about.get();
        let all = made.len();
        let mut decisions: Vec<Decided> = made
            .into_iter()
            .filter(|d| d.iteration == about || d.against == Some(about))
            .collect();
        let others = all - decisions.len();
        if !decisions.iter().any(|d| d.iteration == about) {
            // Decided before: by another look at the history, or by the call that this one repeats.
            let recorded = self
                .store
                .decisions_of(&session.id, Span::Between(call.about, call.about))
                .await?;
            let standing = recorded.iter().rfind(|d| d.content.judge == judge);
            decisions.extend(standing.map(Decided::of));
        }
        let facts = self.facts(session, Some(&judge)).await?;
        let step = advise(&facts).step;
        // What a decision asks for comes first.
        let asked = decisions.iter().any(|d| !d.detail.needs.is_empty());
        let told = matches!(step, Step::Stop(_)) || matches!(step, Step::Rescore { .. }) && !asked;
        let next = told.then(|| step.in_words(&facts));
        Ok(Outcome {
            decisions,
            others,
            next,
        })
    }

    /// What advice on a session is given on.
    pub(super) async fn facts(&self, session: &Session, judge: Option<&JudgeHash>) -> Result<Facts, ServiceError> {
        let id = &session.id;
        let recent = self.store.trend(id, Span::Last(WINDOW)).await?;
        // One that was refused, or whose run failed, is not asked for again.
        let unjudged = recent
            .last()
            .filter(|row| row.scores.is_empty() && row.runs.failed == 0 && row.runs.cancelled == 0);
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
        let decisions = self.store.decisions(id, judge, WINDOW).await?;
        facts.decisions = decisions.iter().map(Decided::of).collect();
        // The best by another judge, or against another target, has to be scored by this one before it can be beaten.
        let other = facts.decisions.iter().find_map(|d| d.detail.best_by_another);
        if let Some(other) = other
            && self.judged_seeds(id, judge, other).await?.samples.is_empty()
        {
            facts.unjudged = Some(other);
        }
        let Some(n) = self.store.incumbent(id, judge).await? else {
            return Ok(facts);
        };
        let judged = self.judged_seeds(id, judge, n.get()).await?;
        let verdicts: Vec<(&JudgedRun, Verdict)> = judged
            .runs
            .iter()
            .filter_map(|run| Some((run, verdict_of(&run.judgement)?)))
            .collect();
        facts.best = averaged(&verdicts.iter().map(|(_, v)| v).collect::<Vec<_>>()).map(|verdict| Standing {
            n: n.get(),
            verdict,
            seeds: verdicts
                .iter()
                .filter(|(run, _)| !judged.spent.contains(&run.seed))
                .map(|(run, verdict)| Scored::of(run.seed, verdict))
                .collect(),
            spent: judged.spent,
            seedless: judged.seedless,
        });
        Ok(facts)
    }

    /// What follows from the newest judgements of an iteration, if anything does.
    async fn decide_on(
        &self,
        session: &Session,
        judge: &JudgeHash,
        n: IterationNo,
        incumbent: Option<IterationNo>,
        call: Option<&Deciding<'_>>,
    ) -> Result<Option<Decided>, ServiceError> {
        let id = &session.id;
        let Some(incumbent) = incumbent else {
            return Ok(Some(Decided {
                iteration: n.get(),
                against: None,
                kind: DecisionKind::First,
                detail: Detail {
                    best_by_another: self
                        .store
                        .last_incumbent(id)
                        .await?
                        .filter(|best| *best != n)
                        .map(|n| n.get()),
                    ..Detail::default()
                },
            }));
        };
        let recorded = self.store.decisions(id, judge, WINDOW).await?;
        let past: Vec<Decided> = recorded.iter().map(Decided::of).collect();
        let latest = newest(&past);
        for (candidate, against) in pairs(&latest, n.get(), incumbent.get()) {
            let (new, old) = (
                self.judged_seeds(id, judge, candidate).await?,
                self.judged_seeds(id, judge, against).await?,
            );
            let comparison = Comparison::of(&new.samples, &old.samples);
            if latest
                .get(&candidate)
                .is_some_and(|last| last.knew(&comparison) && last.against == Some(against))
            {
                continue;
            }
            let decided = self.compared(
                session,
                judge,
                (candidate, &new),
                (against, &old),
                (comparison, &latest),
                call,
            );
            return decided.await.map(Some);
        }
        Ok(None)
    }

    async fn compared(
        &self,
        session: &Session,
        judge: &JudgeHash,
        (candidate, new): (u32, &Judged),
        (against, old): (u32, &Judged),
        (mut comparison, latest): (Comparison, &BTreeMap<u32, &Decided>),
        call: Option<&Deciding<'_>>,
    ) -> Result<Decided, ServiceError> {
        let id = &session.id;
        // The same change once more is no new evidence about the noise.
        let others = || latest.values().filter(|d| d.iteration != candidate);
        let noise = Noise::of(others().map(|d| &d.detail.comparison));
        let mut ruling = stats::rule(&comparison, &noise);
        if let (true, Some(call)) = (worth_asking(&comparison, &ruling), call) {
            comparison.log_odds = self.asked_directly(session, (new, old), &comparison.seeds, call).await;
            ruling = stats::rule(&comparison, &noise);
        }
        let mut kept = Vec::new();
        let chain = others()
            .rev()
            .filter(|d| d.kind.takes_over() && d.iteration < candidate)
            .take(KEPT);
        for n in chain.map(|d| d.iteration) {
            kept.push((n, self.judged_seeds(id, judge, n).await?.samples));
        }
        let (mut kind, mut more) = stats::kind(ruling.decision);
        if comparison.is_no_difference() {
            // The same pictures: more of them would be the same too.
            more = 0;
            if kind == DecisionKind::MoreSeeds {
                kind = DecisionKind::Revert;
            }
        }
        // Copies of one picture would prove nothing.
        let more = if new.seedless || old.seedless { 0 } else { more };
        let spent = new.spent.union(&old.spent).copied().collect();
        let moved = stats::moves(&comparison, &noise);
        let fell = stats::falls(&new.samples, &kept, &noise);
        Ok(Decided {
            iteration: candidate,
            against: Some(against),
            kind,
            detail: Detail {
                probability: (!comparison.seeds.is_empty()).then_some(ruling.probability_better),
                moved: moved.into_iter().map(|m| (m.axis, m.by)).collect(),
                fell: fell
                    .into_iter()
                    .map(|Fall { axis, since, by }| (axis, (since, by)))
                    .collect(),
                needs: needs((candidate, &new.samples), (against, &old.samples), &spent, more),
                comparison,
                best_by_another: None,
            },
        })
    }

    /// The judged seeds of an iteration.
    async fn judged_seeds(&self, session: &SessionId, judge: &JudgeHash, n: u32) -> Result<Judged, ServiceError> {
        let n = self.iteration_no(n)?;
        let runs = self.store.judged_runs(session, judge, Span::Between(n, n)).await?;
        let mut judged = Judged {
            runs: Vec::new(),
            samples: Vec::new(),
            spent: self.store.refused_seeds(session, n).await?.into_iter().collect(),
            seedless: false,
        };
        let mut pictures = BTreeSet::new();
        for run in &runs {
            if !pictures.insert(&run.judgement.content.image) {
                judged.spent.insert(run.seed);
                judged.seedless = true;
            } else if let Some(sample) = sample(run) {
                judged.samples.push(sample);
            } else {
                judged.spent.insert(run.seed);
            }
        }
        judged.runs = runs;
        Ok(judged)
    }

    /// Mean log-odds that the candidate's pictures are the closer ones; nothing where the judge could not be asked.
    async fn asked_directly(
        &self,
        session: &Session,
        (new, old): (&Judged, &Judged),
        seeds: &[u64],
        deciding: &Deciding<'_>,
    ) -> Option<f64> {
        let asked = async {
            let rubric = rubric_of(session)?;
            let call = Call {
                rubric: &rubric,
                guarded: guard::applies(rubric.explicit, None),
                teller: deciding.teller,
                cancel: deciding.cancel,
            };
            let Some(reference) = &session.opened.reference else {
                return Ok(Vec::new());
            };
            let reference = self.stored_picture(reference).await?;
            let mut odds = Vec::new();
            for seed in seeds.iter().take(ASKED_DIRECTLY) {
                let (Some(new), Some(old)) = (new.picture(*seed), old.picture(*seed)) else {
                    continue;
                };
                let (old, new) = (self.stored_picture(old).await?, self.stored_picture(new).await?);
                let read = self.judge.closer(&reference, (&old, &new), call).await?;
                odds.extend(Versus::of(String::new(), &rubric, &read).log_odds);
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
}

/// A recorded verdict; what was refused, or recorded by another version, is none.
pub(super) fn verdict_of(judgement: &Judgement) -> Option<Verdict> {
    Verdict::deserialize(&judgement.content.verdict).ok()
}

fn sample(run: &JudgedRun) -> Option<Sample> {
    let verdict = verdict_of(&run.judgement)?;
    let axes: BTreeMap<String, (f64, f64)> = verdict
        .axes
        .into_iter()
        .filter(|axis| axis.verdict != AxisVerdict::NotVisible)
        .filter_map(|axis| Some((axis.id, (axis.raw?, axis.weight))))
        .collect();
    (!axes.is_empty()).then_some(Sample { seed: run.seed, axes })
}

/// Whether asking directly may change a decision: it can hold back a keep that the scores do not make clear.
fn worth_asking(comparison: &Comparison, ruling: &Ruling) -> bool {
    let would_keep = matches!(stats::kind(ruling.decision).0, DecisionKind::Keep);
    would_keep && !comparison.seeds.is_empty() && ruling.probability_better < CLEARLY_BETTER
}
