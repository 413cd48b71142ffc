//! `queue_generation`: run an iteration for one seed or several, and judge what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::deciding::Outcome;
use super::inject::turn;
use super::jobs::{Joined, Waited};
use super::judging::Judgement;
use super::kept::KeptPicture;
use super::question::{NO_SEED, Planned};
use super::work::Work;
use super::{Caller, Draft, HandOver, InjectRequest, Injected, Question, Service, ServiceError};
use comfyui::inject::Role;
use history::{Run, RunState, Session, Span};
use types::progress::{Progress, Teller};
use types::{IterationNo, Seed, SessionId};

/// Most seeds of one call.
pub const MAX_SEEDS: usize = 16;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct QueueRequest {
    /// What to write first; with nothing to write, an iteration that is there is run.
    pub edits: InjectRequest,
    /// The iteration to run; the newest unless given.
    pub iteration: Option<u32>,
    /// The seeds, one run each; when empty those that were asked for before, else the graph's own.
    pub seeds: Vec<Seed>,
    /// Whether to judge what was made.
    pub judge: bool,
    /// How long to wait before answering with a handle.
    pub wait: Duration,
    /// Stops the iteration's run instead of starting one, for everybody who waits for it.
    pub stop: bool,
    /// Who calls.
    pub caller: Caller,
}

/// One seed's run.
#[derive(Clone, Debug)]
pub struct RunReport {
    /// The record.
    pub run: Run,
    /// Its pictures with their files.
    pub images: Vec<KeptPicture>,
    /// Why it has no result, or what could not be proven.
    pub remark: Option<String>,
    /// What the judge made of its first picture.
    pub judgement: Option<Judgement>,
    /// The seed before it that made the same picture, pixel for pixel: this one had no effect, and counts for nothing.
    pub same_as: Option<Seed>,
}

/// An iteration that was run.
#[derive(Clone, Debug)]
pub struct Queued {
    /// The session.
    pub session: SessionId,
    /// The iteration.
    pub n: IterationNo,
    /// The iteration it was made from.
    pub parent: Option<IterationNo>,
    /// The seeds that were tried.
    pub seeds: Vec<Seed>,
    /// A report for each seed that has a result.
    pub runs: Vec<RunReport>,
    /// Whether the workflow takes no seed, so that one run is all there is.
    pub seedless: bool,
    /// What the reader should know of seeds and pictures.
    pub notes: Vec<String>,
    /// How the GPU's memory changed hands, in order.
    pub hand_overs: Vec<HandOver>,
    /// What the judgements decided.
    pub outcome: Outcome,
    /// Whether ComfyUI lost a seed's run.
    pub lost: bool,
}

impl Queued {
    /// Whether this is what is asked for now, although it was begun for a caller who asked for
    /// something else.
    fn meets(&self, seeds: &[Seed], judge: bool) -> bool {
        let judged =
            |report: &RunReport| report.judgement.is_some() || report.same_as.is_some() || report.images.is_empty();
        (self.seedless || seeds.iter().all(|seed| self.seeds.contains(seed)))
            && (!judge || self.runs.iter().all(judged))
    }
}

/// What a call came to.
#[derive(Debug)]
pub enum QueueAnswer {
    /// The runs are over.
    Done {
        /// What came of them.
        queued: Arc<Queued>,
        /// What the reader should know of what this call wrote.
        notes: Vec<String>,
    },
    /// They go on; ask again with session and iteration.
    GoesOn {
        /// The session.
        session: SessionId,
        /// The iteration.
        n: IterationNo,
        /// How far they are.
        progress: Progress,
        /// The seeds that are rendered already, without their judgements.
        rendered: Vec<RunReport>,
        /// What the reader should know of what this call wrote.
        notes: Vec<String>,
    },
    /// Where the prompt or the seeds go, or which picture counts, is not unique. Nothing was written or run.
    Question(Question),
    /// The run was told to stop.
    Stopped {
        /// The session.
        session: SessionId,
        /// The iteration.
        n: IterationNo,
        /// Whether something was running.
        was_running: bool,
    },
}

impl Service {
    /// Runs an iteration and waits for it at most `request.wait`; the run goes on behind.
    ///
    /// Calling again with the same session and iteration joins the run, gets its result if
    /// nobody has got it yet, else answers from the record: nothing is run twice. A run that
    /// failed, or was lost before this call, is run anew.
    ///
    /// `cancel` ends this call's wait. The run stops with the last call that wants it, or for all
    /// of them with `request.stop`; `jobs` says who wants it.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn queue(
        &self,
        request: QueueRequest,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<QueueAnswer, ServiceError> {
        let deadline = Instant::now() + request.wait;
        let mut request = request;
        let mut once = BTreeSet::new();
        request.seeds.retain(|seed| once.insert(*seed));
        if request.seeds.len() > MAX_SEEDS {
            return Err(ServiceError::usage(
                format!("{} seeds are more than {MAX_SEEDS}", request.seeds.len()),
                "Run them in several calls.",
            ));
        }
        let (mut session, n, notes) = if writes(&request.edits) {
            if request.iteration.is_some() {
                return Err(ServiceError::usage(
                    "an iteration is run as it is, or a new one is written: not both",
                    "Leave `iteration` out to write a new one (start it from an earlier one with `parent`).",
                ));
            }
            let mut edits = request.edits.clone();
            edits.planned = request.planned();
            match self.inject(edits, cancel).await? {
                Injected::Draft(draft) => {
                    let Draft {
                        session, n, mut notes, ..
                    } = *draft;
                    notes.extend(self.same_at_work(&session.id, n).await?);
                    (session, n, notes)
                }
                Injected::Question(question) => return Ok(QueueAnswer::Question(question)),
            }
        } else {
            // Whoever stops what runs waits for nobody.
            let _turn = match request.stop {
                true => None,
                false => Some(turn(&self.drafting, 1, cancel).await?),
            };
            let (session, n) = self.existing(&request).await?;
            match self.settled(session, n, &request, cancel).await? {
                Ok(session) => {
                    let mut notes = Vec::new();
                    if !request.stop && !self.has_run(&session.id, n).await? {
                        notes.extend(self.maximum_reached(&session).await?);
                    }
                    (session, n, notes)
                }
                Err(question) => return Ok(QueueAnswer::Question(question)),
            }
        };
        // The work reads it when it has a turn: whoever waits holds no workflow.
        session.opened.workflow = Value::Null;
        let handle = format!("{}/{n}", session.id);
        if request.stop {
            let was_running = self.queued.stop(&handle, request.caller);
            return Ok(QueueAnswer::Stopped {
                session: session.id,
                n,
                was_running,
            });
        }
        if request.seeds.is_empty() {
            request.seeds = self.store.seeds_of(&session.id, n).await?;
        }
        if request.judge && session.opened.reference.is_none() {
            return Err(ServiceError::usage(
                format!(
                    "session {} has no reference picture to judge against; nothing was run",
                    session.id
                ),
                "Give `reference` with the prompt, or leave `judge` out.",
            ));
        }
        // Before anything is answered: a call that is broken off, or that joins a run of other seeds, leaves a trace of its own.
        if !request.seeds.is_empty() && takes_seeds(&session) {
            self.store.ask_for_seeds(&session.id, n, request.seeds.clone()).await?;
        }
        loop {
            let work = Work {
                service: self.clone(),
                session: session.clone(),
                n,
                seeds: request.seeds.clone(),
                judge: request.judge,
                asked: true,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            let begin = |teller, cancel| work.run(teller, cancel);
            let waiter = match self.queued.join(&handle, request.caller, left, cancel, begin).await {
                Joined::Waiter(waiter) => waiter,
                Joined::BeingStopped if cancel.is_cancelled() => {
                    return Err(ServiceError::left(false).at(&session.id, n));
                }
                Joined::Full(full) => {
                    let busy = ServiceError::Busy {
                        what: "iterations",
                        running: full.running,
                    };
                    return Err(busy.at(&session.id, n));
                }
                Joined::BeingStopped => {
                    let told = ServiceError::usage(
                        "it is still being stopped; nothing new was started",
                        "Call again in some seconds: what was finished is kept, the rest is run anew.",
                    );
                    return Err(told.at(&session.id, n));
                }
            };
            let (fresh, looks_back) = (waiter.began(), waiter.looks_back());
            let left = deadline.saturating_duration_since(Instant::now());
            match waiter.wait(left, teller, cancel).await {
                // What was joined lacks something that is asked for now: that is made now.
                Waited::Ended(Ok(done)) if !fresh && !done.meets(&request.seeds, request.judge) => {}
                // What ComfyUI lost before this call is what this call asks for again.
                Waited::Ended(Ok(done)) if looks_back && done.lost => {}
                Waited::Ended(Err(error)) if looks_back && error.is_lost() => {}
                Waited::Ended(Ok(queued)) => {
                    // Some are told of the runs as well.
                    let notes = notes.into_iter().filter(|note| !queued.notes.contains(note)).collect();
                    return Ok(QueueAnswer::Done { queued, notes });
                }
                Waited::Ended(Err(error)) => return Err(error.at(&session.id, n)),
                Waited::GoesOn(progress) => {
                    return Ok(QueueAnswer::GoesOn {
                        rendered: self.rendered(&session.id, n, &request.seeds).await?,
                        session: session.id,
                        n,
                        progress,
                        notes,
                    });
                }
                Waited::Left { goes_on } => return Err(ServiceError::left(goes_on).at(&session.id, n)),
            }
        }
    }

    /// A word where the same graph is at work already, under another iteration: a call that is repeated does not join it.
    async fn same_at_work(&self, session: &SessionId, n: IterationNo) -> Result<Option<String>, ServiceError> {
        let running = self.queued.all_running();
        if running.is_empty() {
            return Ok(None);
        }
        let graph = self.store.iteration(session, n).await?.content.graph_hash;
        for handle in running {
            let place = handle.split_once('/').and_then(|(id, number)| {
                let number = IterationNo::new(number.parse().ok()?).ok()?;
                Some((SessionId::parse(id).ok()?, number))
            });
            let Some((id, number)) = place else { continue };
            if (&id, number) == (session, n) {
                continue;
            }
            // What cannot be read is not the same.
            if let Ok(other) = self.store.iteration(&id, number).await
                && other.content.graph_hash == graph
            {
                return Ok(Some(format!(
                    "Iteration {number} of session {id} is the same and still running: for its result call queue_generation with \
                     only session and iteration; this call made iteration {n} of session {session}."
                )));
            }
        }
        Ok(None)
    }

    async fn existing(&self, request: &QueueRequest) -> Result<(Session, IterationNo), ServiceError> {
        let id = request.edits.session.as_deref().ok_or_else(|| {
            ServiceError::usage(
                "neither a session nor a prompt with a workflow was given",
                "Give `session` (and `iteration`), or `workflow` and `positive` to open a session and run it at once.",
            )
        })?;
        let session = self.open_session(id).await?;
        let n = match request.iteration {
            Some(n) => self.iteration_no(n)?,
            None => match self.store.iterations(&session.id, Span::Last(1)).await?.last() {
                Some(iteration) => iteration.n,
                None => {
                    return Err(ServiceError::usage(
                        format!("session {} has no iteration yet", session.id),
                        "Give `positive` to write one.",
                    ));
                }
            },
        };
        // An iteration that does not exist is said to, before anything starts.
        self.store.iteration(&session.id, n).await?;
        Ok((session, n))
    }

    /// Follows runs again that a process before this one left open, once per service. Nothing is
    /// submitted: a run that ComfyUI does not know is left for the agent to ask for.
    pub fn resume_open_runs(&self) {
        if self.resumed.swap(true, Ordering::SeqCst) {
            return;
        }
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(error) = service.resume().await {
                tracing::warn!(%error, "runs that were left open could not be found again; asking for an iteration finds its run");
            }
        });
    }

    async fn resume(&self) -> Result<(), ServiceError> {
        let mut open: BTreeMap<(SessionId, IterationNo), Vec<Seed>> = BTreeMap::new();
        let here = self.client.url_for_people();
        for run in self.store.open_runs().await? {
            if run.server != here {
                continue;
            }
            let known = run.state == RunState::Submitted || self.runner.is_there(run.prompt_id.0).await?;
            if known {
                open.entry((run.session, run.iteration)).or_default().push(run.seed);
            }
        }
        for ((id, n), seeds) in open {
            let session = self.store.session(&id).await?;
            tracing::info!(session = %id, iteration = %n, "a run that was left open is followed again");
            let work = Work {
                service: self.clone(),
                session,
                n,
                seeds,
                judge: false,
                asked: false,
            };
            let begun = self
                .queued
                .start(&format!("{id}/{n}"), |teller, cancel| work.run(teller, cancel));
            if begun.is_err() {
                tracing::warn!(
                    "more runs were left open than are followed at once; asking for an iteration finds its run"
                );
                break;
            }
        }
        Ok(())
    }

    /// Whether a run of an iteration made a picture.
    async fn has_run(&self, session: &SessionId, n: IterationNo) -> Result<bool, ServiceError> {
        let runs = self.store.runs_of(session, Some(n)).await?;
        Ok(runs.iter().any(|run| run.state == RunState::Finished))
    }

    /// The finished runs of an iteration, of these seeds or of all, with their pictures.
    async fn rendered(
        &self,
        session: &SessionId,
        n: IterationNo,
        seeds: &[Seed],
    ) -> Result<Vec<RunReport>, ServiceError> {
        let mut rendered = Vec::new();
        for run in self.store.runs_of(session, Some(n)).await? {
            if run.state == RunState::Finished && (seeds.is_empty() || seeds.contains(&run.seed)) {
                rendered.push(RunReport {
                    images: self.pictures_of(run.prompt_id).await?,
                    run,
                    remark: None,
                    judgement: None,
                    same_as: None,
                });
            }
        }
        Ok(rendered)
    }
}

impl QueueRequest {
    pub(super) fn planned(&self) -> Planned {
        Planned {
            runs: true,
            seeds: self.seeds.clone(),
            judged: self.judge,
        }
    }
}

/// Whether seeds make a difference, as far as the session knows.
fn takes_seeds(session: &Session) -> bool {
    session
        .opened
        .choices
        .get(&Role::Seed.to_string())
        .is_none_or(|place| place != NO_SEED)
}

/// Whether a request writes something, so that a new iteration is made of it.
fn writes(edits: &InjectRequest) -> bool {
    edits.positive.is_some()
        || edits.negative.is_some()
        || edits.seed.is_some()
        || !edits.knobs.is_empty()
        || edits.workflow.is_some()
        || edits.parent.is_some()
}
