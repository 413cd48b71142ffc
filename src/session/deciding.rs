//! Deciding on what was judged: keep or revert.
//!
//! A decision follows from rows alone: judgements, direct comparisons, and the decisions before it. So whoever looks can work out
//! what is not decided yet, and gets what a judging call would record. Only a judging call records, at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::records;
use super::{Service, ServiceError};
use calibration::advice::{Step, advise};
use calibration::decided::{Decided, Opponents, Pair, kept_before, pairs};
use calibration::decision_log::{DecisionLog, UnreadableRecords};
use history::{NewDecision, Session, Span};
use types::progress::Teller;
use types::{IterationNo, JudgeHash, JudgementId, SessionId};

/// Decisions that noise is measured on, and that advice looks back at.
pub(super) const WINDOW: u32 = 60;
/// Iterations that are decided on at once: a record from before there were decisions may have many.
const BACKLOG: usize = 200;
/// Earlier iterations that a call asks the judge directly about, so that what a kill cut off is decided as it would have been.
const EARLIER_ASKED: usize = 4;
/// Times that a call begins anew because another program decided meanwhile.
const RETRIES: usize = 8;

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

/// A judging call that decides at its end.
pub(super) struct Deciding<'a> {
    /// The iteration that was judged.
    pub about: IterationNo,
    pub teller: &'a Teller,
    pub cancel: &'a CancellationToken,
}

/// The decisions so far, and those of them that are not recorded, or were recorded just now.
pub(super) struct Decisions {
    pub log: DecisionLog,
    pub new: Vec<Decided>,
    /// Judgements and comparisons that could not be read; nothing was decided from them.
    pub unreadable: UnreadableRecords,
}

/// What a judgement of an iteration decides.
enum Next {
    Nothing,
    First(Decided),
    Between(Box<Pair>),
    /// Something that it rests on cannot be read.
    Unreadable,
}

/// The iterations that this program judges at the moment: what is at work decides at its end, on all of its seeds.
#[derive(Clone, Debug, Default)]
pub(super) struct AtWork(Arc<Mutex<BTreeMap<(SessionId, IterationNo), usize>>>);

/// One that is at work until this is dropped.
pub(super) struct Working {
    at_work: AtWork,
    what: (SessionId, IterationNo),
}

impl AtWork {
    pub fn begin(&self, session: &SessionId, n: IterationNo) -> Working {
        let what = (session.clone(), n);
        *self.lock().entry(what.clone()).or_default() += 1;
        Working {
            at_work: self.clone(),
            what,
        }
    }

    fn of(&self, session: &SessionId) -> BTreeSet<IterationNo> {
        let all = self.lock();
        all.keys().filter(|(of, _)| of == session).map(|(_, n)| *n).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<(SessionId, IterationNo), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let mut all = self.at_work.lock();
        if let Some(count) = all.get_mut(&self.what) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.what);
            }
        }
    }
}

impl Service {
    /// The decisions so far, and what follows from what was judged since. Records nothing.
    ///
    /// # Errors
    /// [`ServiceError`] of the history.
    pub(super) async fn decisions(&self, session: &Session, judge: &JudgeHash) -> Result<Decisions, ServiceError> {
        let standing = self.store.standing(&session.id, judge, WINDOW).await?;
        let at_work = self.at_work.of(&session.id);
        let mut made = Decisions::of(records::log_of(&standing, WINDOW));
        for (n, _) in standing.undecided.into_iter().take(BACKLOG) {
            if at_work.contains(&n) {
                continue;
            }
            match self.next(session, judge, n, &mut made).await? {
                Next::Nothing | Next::Unreadable => {}
                Next::First(decided) => made.push(decided),
                Next::Between(pair) => {
                    let decided = pair.decide(&made.log.newest());
                    made.push(decided);
                }
            }
        }
        Ok(made)
    }

    /// Decides on all that was judged since the last decision, and records it.
    async fn decide(
        &self,
        session: &Session,
        judge: &JudgeHash,
        call: &Deciding<'_>,
    ) -> Result<Decisions, ServiceError> {
        let mut new = Vec::new();
        // Two programs may decide at the same time; the one that comes second looks again.
        for _ in 0..RETRIES {
            let (made, ended) = self.decide_once(session, judge, call).await?;
            new.extend(made.new.iter().cloned());
            if ended {
                return Ok(Decisions { new, ..made });
            }
        }
        let made = self.decisions(session, judge).await?;
        Ok(Decisions { new, ..made })
    }

    /// The same until another program records a decision: then the second value is false.
    async fn decide_once(
        &self,
        session: &Session,
        judge: &JudgeHash,
        call: &Deciding<'_>,
    ) -> Result<(Decisions, bool), ServiceError> {
        let standing = self.store.standing(&session.id, judge, WINDOW).await?;
        let at_work = self.at_work.of(&session.id);
        let mut made = Decisions::of(records::log_of(&standing, WINDOW));
        let mut since = standing.newest;
        let mut earlier_asked = 0;
        let mut undecided: Vec<(IterationNo, JudgementId)> = standing.undecided.into_iter().take(BACKLOG).collect();
        if !undecided.iter().any(|(n, _)| *n == call.about) {
            // Others were decided on while it was judged.
            let newest = self
                .store
                .newest_judgement(&session.id, judge, Some(call.about))
                .await?;
            let newest = newest.filter(|judgement| judgement.content.overall_raw.is_some());
            undecided.extend(newest.map(|judgement| (call.about, judgement.id)));
        }
        for (n, judgement) in undecided {
            let own = n == call.about;
            if !own && at_work.contains(&n) {
                continue;
            }
            let decided = match self.next(session, judge, n, &mut made).await? {
                Next::Nothing | Next::Unreadable => continue,
                Next::First(decided) => decided,
                Next::Between(mut pair) => {
                    let seeds = pair.seeds_to_ask(&made.log.newest());
                    if !seeds.is_empty() && (own || earlier_asked < EARLIER_ASKED) {
                        earlier_asked += usize::from(!own);
                        self.ask_directly(session, judge, &pair, &seeds, call).await;
                        if call.cancel.is_cancelled() {
                            // Without the direct comparison it might be another decision: the next call makes it.
                            return Ok((made, true));
                        }
                        let mut unreadable = UnreadableRecords::default();
                        pair.direct = self.direct_answers(session, judge, &pair, &mut unreadable).await?;
                        if !unreadable.is_empty() {
                            made.unreadable.join(&unreadable);
                            continue;
                        }
                    }
                    Decided {
                        // What could not be asked is decided without.
                        awaits_direct_comparison: false,
                        ..pair.decide(&made.log.newest())
                    }
                }
            };
            let recorded = self.decision_is_recorded(session, judge, &decided, judgement, since);
            match recorded.await? {
                Some(id) => since = Some(id),
                None => return Ok((made, false)),
            }
            made.push(decided);
        }
        Ok((made, true))
    }

    async fn decision_is_recorded(
        &self,
        session: &Session,
        judge: &JudgeHash,
        decided: &Decided,
        judgement: JudgementId,
        since: Option<types::DecisionId>,
    ) -> Result<Option<types::DecisionId>, ServiceError> {
        let new = NewDecision {
            session: session.id.clone(),
            iteration: decided.iteration,
            against: decided.against,
            judge: judge.clone(),
            judgement,
            kind: decided.kind,
            detail: records::write_detail(&decided.detail).map_err(|e| ServiceError::Internal(e.to_string()))?,
        };
        Ok(self.store.record_decision(new, since).await?)
    }

    /// What follows from the newest judgements of an iteration.
    async fn next(
        &self,
        session: &Session,
        judge: &JudgeHash,
        n: IterationNo,
        made: &mut Decisions,
    ) -> Result<Next, ServiceError> {
        let id = &session.id;
        let Some(incumbent) = made.log.incumbent() else {
            let best = self.store.last_incumbent(id).await?.filter(|best| *best != n);
            return Ok(Next::First(Decided::first(n, best)));
        };
        let candidates = pairs(&made.log.newest(), n, incumbent);
        for Opponents { candidate, against } in candidates {
            let new = self.evidence(session, judge, candidate).await?;
            let old = self.evidence(session, judge, against).await?;
            let mut pair = Pair {
                candidate: new.seeds,
                against: old.seeds,
                kept: Vec::new(),
                direct: BTreeMap::new(),
            };
            let comparison = pair.comparison();
            let newest = made.log.newest();
            if newest
                .get(&candidate)
                .is_some_and(|last| last.knew(&comparison) && last.against == Some(against))
            {
                continue;
            }
            let kept = kept_before(&newest, candidate);
            drop(newest);
            let mut unreadable = UnreadableRecords::default();
            unreadable.join(&new.unreadable);
            unreadable.join(&old.unreadable);
            for n in kept {
                let evidence = self.evidence(session, judge, n).await?;
                unreadable.join(&evidence.unreadable);
                pair.kept.push(evidence.seeds);
            }
            pair.direct = self.direct_answers(session, judge, &pair, &mut unreadable).await?;
            if !unreadable.is_empty() {
                made.unreadable.join(&unreadable);
                return Ok(Next::Unreadable);
            }
            return Ok(Next::Between(Box::new(pair)));
        }
        Ok(Next::Nothing)
    }

    /// Decides on what a call has judged, and whether it is time to stop.
    pub(super) async fn outcome(
        &self,
        session: &Session,
        judge: &JudgeHash,
        call: &Deciding<'_>,
    ) -> Result<Outcome, ServiceError> {
        let made = self.decide(session, judge, call).await?;
        let about = call.about;
        let all = made.new.len();
        let mut decisions: Vec<Decided> = made
            .new
            .into_iter()
            .filter(|d| d.iteration == about || d.against == Some(about))
            .collect();
        let others = all - decisions.len();
        if !decisions.iter().any(|d| d.iteration == about) {
            // Decided before: by the call that this one repeats.
            let recorded = self
                .store
                .decisions_of(&session.id, Span::Between(about, about))
                .await?;
            let standing = recorded.iter().rfind(|d| d.content.judge == *judge);
            decisions.extend(standing.and_then(|decision| records::decided(decision).ok()));
        }
        let facts = self.facts(session, Some(judge)).await?;
        let step = advise(&facts).step;
        // What a decision asks for comes first.
        let asked = decisions.iter().any(|d| !d.detail.needs.is_empty());
        step.settle(&mut decisions);
        let told = matches!(step, Step::Stop(_)) || matches!(step, Step::Rescore { .. }) && !asked;
        let next = told.then(|| step.in_words(&facts));
        let unreadable = facts.unreadable.in_words();
        Ok(Outcome {
            decisions,
            others,
            next: [next, unreadable]
                .into_iter()
                .flatten()
                .reduce(|a, b| format!("{a} {b}")),
        })
    }
}

impl Decisions {
    fn of(log: DecisionLog) -> Self {
        Self {
            unreadable: log.unreadable.clone(),
            log,
            new: Vec::new(),
        }
    }

    fn push(&mut self, decided: Decided) {
        self.log.push(decided.clone());
        self.new.push(decided);
    }
}
