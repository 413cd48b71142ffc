//! `judge_pair`: score two pictures, an iteration, or read a reference's target.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::deciding::{Deciding, Outcome};
use super::jobs::{Full, Waited};
use super::judge_plan::{Plan, Subject, plan_of_run, subject_of};
use super::pictured::{Look, Pictured};
use super::queue::RunReport;
use super::records::JudgementRecord;
use super::{Caller, CancelledDuring, HandOver, Service, ServiceError};
use history::{Iteration, Session};
use judge::rubric::Rubric;
use judge::verdict::{Verdict, Versus};
use judge::{Call, JudgeError, Pair, Target};
use types::progress::{Progress, Teller};
use types::{ImageHash, IterationNo, Seed, SessionId};

/// What to judge: two files, a session's iteration, or a reference alone.
#[derive(Clone, Debug, Default)]
pub struct JudgeRequest {
    /// The session.
    pub session: Option<String>,
    /// Its iteration; without one, the session's reference alone is read.
    pub iteration: Option<u32>,
    /// A reference file, without a session.
    pub reference: Option<String>,
    /// A generated picture's file.
    pub generated: Option<String>,
    /// The rubric, without a session.
    pub rubric: Option<String>,
    /// Another picture to compare with the reference beside the judged one: an iteration's number, or a path.
    pub against: Option<String>,
    /// What the reference shows on some axes, written by hand: axis → words.
    pub reference_values: BTreeMap<String, String>,
    /// Whether the judge process is ended afterwards, which frees its memory.
    pub unload: bool,
    /// How long to wait before answering with a handle.
    pub wait: Duration,
    /// The handle of a judgement that goes on.
    pub handle: Option<String>,
    /// Who calls.
    pub caller: Caller,
}

/// What was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JudgementOf {
    /// Two files.
    Files {
        /// The generated picture's file.
        generated: String,
    },
    /// A run of an iteration.
    Run {
        /// The session.
        session: SessionId,
        /// The iteration.
        n: IterationNo,
        /// The seed.
        seed: Seed,
    },
}

impl JudgementOf {
    /// The seed of a run.
    #[must_use]
    pub fn seed(&self) -> Option<Seed> {
        match self {
            Self::Run { seed, .. } => Some(*seed),
            Self::Files { .. } => None,
        }
    }
}

impl JudgeRequest {
    fn names_nothing(&self) -> bool {
        [&self.session, &self.reference, &self.generated, &self.against]
            .iter()
            .all(|named| named.is_none())
            && self.iteration.is_none()
    }
}

/// The best other iteration of the session by the same judge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BestSoFar {
    /// The iteration.
    pub n: IterationNo,
    /// Its overall score.
    pub overall: f64,
}

/// A recorded judgement.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// What was judged.
    pub of: JudgementOf,
    /// The verdict.
    pub verdict: Verdict,
    /// The best other iteration, where there is one to compare with.
    pub best: Option<BestSoFar>,
    /// Which is closer, where that was asked for.
    pub versus: Option<Versus>,
    /// The files of reference and generated picture, in the image store.
    pub pictures: [String; 2],
}

/// What a reference shows, axis by axis.
#[derive(Clone, Debug)]
pub struct TargetTable {
    /// The rubric.
    pub rubric: Rubric,
    /// Its axes' values.
    pub target: Target,
    /// The picture.
    pub reference: ImageHash,
}

/// What a judging call came to, and what it took.
#[derive(Clone, Debug)]
pub struct Judging {
    /// The result.
    pub judged: Judged,
    /// The hand-over of the GPU that it began with, if memory changed hands.
    pub hand_over: Option<HandOver>,
    /// What it decided about the session's iterations.
    pub outcome: Outcome,
}

/// What was judged.
#[derive(Clone, Debug)]
pub enum Judged {
    /// A reference alone.
    Target(Box<TargetTable>),
    /// A judgement a picture.
    Verdicts(Vec<Judgement>),
    /// Nothing but ending the judge process.
    Unloaded,
}

/// A judging call's answer.
pub enum JudgeAnswer {
    /// It is done.
    Done(Arc<Judging>),
    /// It goes on under a handle.
    GoesOn {
        /// The handle.
        handle: String,
        /// How far it is.
        progress: Progress,
    },
}

impl Service {
    /// Judges and records, waiting at most `request.wait`; the work goes on behind.
    ///
    /// # Errors
    /// [`ServiceError`]; a refusal of the guard among them.
    pub async fn judge_pair(
        &self,
        request: JudgeRequest,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<JudgeAnswer, ServiceError> {
        let handle = match &request.handle {
            Some(handle) => handle.clone(),
            None if request.unload && request.names_nothing() => {
                tokio::select! {
                    () = self.judge.unload() => {}
                    () = cancel.cancelled() => return Err(ServiceError::left(true)),
                }
                return Ok(JudgeAnswer::Done(Arc::new(Judging {
                    judged: Judged::Unloaded,
                    hand_over: None,
                    outcome: Outcome::default(),
                })));
            }
            None => {
                self.judgings.room().map_err(busy)?;
                let handle = format!("judge-{}", SessionId::random());
                let work = {
                    // One call at a time has the pictures in hand that its two or three files hold.
                    let _hands = tokio::select! {
                        hands = self.hands.lock() => hands,
                        () = cancel.cancelled() => return Err(ServiceError::Cancelled(CancelledDuring::Planning)),
                    };
                    self.plan(&request).await?
                };
                let service = self.clone();
                let unload = request.unload;
                let begin = |teller, cancel| async move { service.run_plan(work, unload, &teller, &cancel).await };
                self.judgings.start(&handle, begin).map_err(busy)?;
                handle
            }
        };
        let Some(waiter) = self.judgings.attach(&handle, request.caller) else {
            return Err(ServiceError::usage(
                format!("no judgement of handle {handle} is known"),
                "Handles end with the server; ask again with the pictures or the iteration. What was finished is in get_history.",
            ));
        };
        match waiter.wait(request.wait, teller, cancel).await {
            Waited::Ended(ended) => Ok(JudgeAnswer::Done(ended?)),
            Waited::GoesOn(progress) => Ok(JudgeAnswer::GoesOn { handle, progress }),
            Waited::Left { goes_on } => Err(ServiceError::left(goes_on)),
        }
    }

    async fn run_plan(
        &self,
        plan: Plan,
        unload: bool,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Judging, ServiceError> {
        let lease = self.sharing.for_judging(&*self.judge, teller, cancel).await?;
        let session = plan.session.clone();
        let _working = plan.iteration().map(|(session, n)| self.at_work.begin(session, n));
        let judged = self.judged(plan, teller, cancel).await;
        let outcome = match (&judged, &session) {
            (Ok(Judged::Verdicts(verdicts)), Some(session)) => self.outcome_of(session, verdicts, teller, cancel).await,
            _ => Ok(Outcome::default()),
        };
        // Before the next one gets its turn, who would find the judge loaded.
        if unload {
            self.judge.unload().await;
        }
        Ok(Judging {
            judged: judged?,
            hand_over: lease.hand_over,
            outcome: outcome?,
        })
    }

    async fn outcome_of(
        &self,
        session: &SessionId,
        verdicts: &[Judgement],
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Outcome, ServiceError> {
        let judged = verdicts.iter().find_map(|judgement| match &judgement.of {
            JudgementOf::Run { n, .. } => Some((*n, &judgement.verdict.judge)),
            JudgementOf::Files { .. } => None,
        });
        let Some((about, judge)) = judged else {
            return Ok(Outcome::default());
        };
        let call = Deciding { about, teller, cancel };
        let session = self.store.session(session).await?;
        self.outcome(&session, judge, &call).await
    }

    async fn judged(&self, plan: Plan, teller: &Teller, cancel: &CancellationToken) -> Result<Judged, ServiceError> {
        if plan.subjects.is_empty() {
            let call = Call {
                rubric: &plan.rubric,
                guarded: safety::applies(plan.rubric.explicit, None),
                teller,
                cancel,
            };
            let turn = self.judge.turn(teller, cancel).await?;
            let reference = self.pictured(&plan.reference, &Pictured::Reference).await?;
            let target = match plan.edits.is_empty() {
                true => turn.target(&reference, call).await,
                false => turn.edit_target(&reference, &plan.edits, call).await,
            };
            drop(turn);
            let target = match target {
                Ok(target) => target,
                Err(JudgeError::Refused(refusal)) => {
                    self.record_refused_reference(&plan, &refusal, cancel).await?;
                    return Err(refusal.into());
                }
                Err(error) => return Err(error.into()),
            };
            return Ok(Judged::Target(Box::new(TargetTable {
                reference: plan.reference,
                rubric: plan.rubric,
                target,
            })));
        }
        let (mut judged, mut verdicts): (Vec<(&Subject, Option<Look>)>, Vec<Judgement>) = Default::default();
        for subject in &plan.subjects {
            // A picture that cannot be read is told where it is judged.
            let look = match subject.run {
                Some(_) if plan.subjects.len() > 1 => self.look(&subject.picture).await.ok(),
                _ => None,
            };
            let same = judged
                .iter()
                .zip(&verdicts)
                .find(|((_, other), _)| look.is_some() && *other == look);
            if let Some(((other, _), judgement)) = same {
                self.record_same(&plan, subject, other.picture, judgement).await?;
                continue;
            }
            verdicts.push(self.judge_subject(&plan, subject, teller, cancel).await?);
            judged.push((subject, look));
        }
        Ok(Judged::Verdicts(verdicts))
    }

    /// Judges the first picture of a run; `None` when it has none.
    pub(super) async fn judge_run(
        &self,
        session: &Session,
        iteration: &Iteration,
        report: &RunReport,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Option<Judgement>, ServiceError> {
        let (Some(kept), Some(reference)) = (report.images.first(), &session.opened.reference) else {
            return Ok(None);
        };
        let subject = subject_of(session, iteration, report, kept.image.hash);
        let plan = plan_of_run(session, iteration, reference)?;
        self.judge_subject(&plan, &subject, teller, cancel).await.map(Some)
    }

    /// Records for a run what was judged of the same picture, which another seed made, so that the two count as one.
    pub(super) async fn judged_already(
        &self,
        session: &Session,
        iteration: &Iteration,
        report: &RunReport,
        same: &Judgement,
    ) -> Result<(), ServiceError> {
        let judged = self.store.runs_of(&session.id, Some(iteration.n)).await?;
        let judged = judged.iter().find(|run| Some(run.seed) == same.of.seed());
        let (Some(judged), Some(reference)) = (judged, &session.opened.reference) else {
            return Ok(());
        };
        let Some(image) = self.store.images_of(judged.prompt_id).await?.into_iter().next() else {
            return Ok(());
        };
        let subject = subject_of(session, iteration, report, image.hash);
        let plan = plan_of_run(session, iteration, reference)?;
        self.record_same(&plan, &subject, subject.picture, same).await
    }

    /// Records what was judged of a picture for another run that made the same one: as of that one picture, so that the
    /// seeds count as one.
    async fn record_same(
        &self,
        plan: &Plan,
        subject: &Subject,
        picture: ImageHash,
        same: &Judgement,
    ) -> Result<(), ServiceError> {
        let subject = Subject {
            of: subject.of.clone(),
            picture,
            run: subject.run,
        };
        let record = JudgementRecord::Made {
            verdict: Box::new(same.verdict.clone()),
            versus: same.versus.clone(),
        };
        self.record(plan, &subject, &same.verdict.judge, &record).await
    }

    async fn judge_subject(
        &self,
        plan: &Plan,
        subject: &Subject,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<Judgement, ServiceError> {
        let call = Call {
            rubric: &plan.rubric,
            guarded: safety::applies(plan.rubric.explicit, plan.prompt.as_deref()),
            teller,
            cancel,
        };
        // Decoded only now: whoever waits for its turn holds no pictures.
        let turn = self.judge.turn(teller, cancel).await?;
        let reference = self.pictured(&plan.reference, &Pictured::Reference).await?;
        let generated = self.pictured(&subject.picture, &Pictured::Judged(&subject.of)).await?;
        let pair = Pair {
            reference: &reference,
            generated: &generated,
        };
        let compared = match turn.compare(pair, call).await {
            // The context is made with the first question, so memory may run out only now.
            Err(error) if error.is_out_of_memory() && self.sharing.make_way(&*self.judge, teller, cancel).await? => {
                tracing::warn!(%error, "the judge ran out of memory beside ComfyUI and is asked once more");
                turn.compare(pair, call).await
            }
            compared => compared,
        };
        let verdict = match compared {
            Ok(verdict) => verdict,
            Err(JudgeError::Refused(refusal)) => {
                self.record_refusal(plan, subject, &refusal, cancel).await?;
                return Err(refusal.into());
            }
            Err(error) => return Err(error.into()),
        };
        let best = self.best_other(plan, &subject.of, &verdict.judge).await?;
        let versus = match plan
            .incumbent
            .as_ref()
            .and_then(|i| Some((i, i.picture(subject.of.seed())?)))
        {
            Some((incumbent, hash)) => {
                let other = self.pictured(hash, &Pictured::Other).await?;
                let read = turn.closer(&reference, &other, &generated, call).await?;
                Some(Versus::of(incumbent.name.clone(), &plan.rubric, &read))
            }
            None => None,
        };
        drop((turn, reference, generated));
        let record = JudgementRecord::Made {
            verdict: Box::new(verdict.clone()),
            versus: versus.clone(),
        };
        self.record(plan, subject, &verdict.judge, &record).await?;
        let mut pictures = [const { String::new() }; 2];
        for (slot, picture) in pictures.iter_mut().zip([&plan.reference, &subject.picture]) {
            *slot = self.store.find_image(picture).await?.path.display().to_string();
        }
        Ok(Judgement {
            of: subject.of.clone(),
            verdict,
            best,
            versus,
            pictures,
        })
    }
}

fn busy(full: Full) -> ServiceError {
    ServiceError::Busy {
        what: "judgements",
        running: full.running,
    }
}
