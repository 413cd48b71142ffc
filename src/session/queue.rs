//! `queue_generation`: run an iteration for one seed or several, and judge what came out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::deciding::{Deciding, Outcome};
use super::inject::{Located, problems, sound, text_at};
use super::jobs::{Joined, Waited};
use super::judging::Judgement;
use super::question::{self, Planned};
use super::run::RunPlan;
use super::seeds::Seeds;
use super::sharing::Lease;
use super::{Caller, Draft, HandOver, InjectRequest, Injected, Question, Service, ServiceError};
use crate::comfy::graph::Graph;
use crate::comfy::inject::Role;
use crate::comfy::knobs::with_seed;
use crate::hint;
use crate::history::{
    HistoryError, Iteration, IterationNo, NewRun, PromptId, Run, RunImage, RunState, RunUpdate, Session, SessionId,
    Span, Timestamp,
};
use crate::progress::{Progress, Teller};

/// What stands in the place of the path of a picture whose file is gone.
const MISSING: &str = "missing: ";

/// Most seeds of one call.
pub const MAX_SEEDS: usize = 16;

/// How many lost runs of a seed are looked for before a new one is sent, the newest first.
const LOOKED_FOR: usize = 3;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct QueueRequest {
    /// What to write first; with nothing to write, an iteration that is there is run.
    pub edits: InjectRequest,
    /// The iteration to run; the newest unless given.
    pub iteration: Option<u32>,
    /// The seeds, one run each; when empty those that were asked for before, else the graph's own.
    pub seeds: Vec<u64>,
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
    pub images: Vec<(RunImage, String)>,
    /// Why it has no result, or what could not be proven.
    pub remark: Option<String>,
    /// What the judge made of its first picture.
    pub judgement: Option<Judgement>,
    /// The seed before it that made the same picture, pixel for pixel: this one had no effect, and counts for nothing.
    pub same_as: Option<u64>,
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
    pub seeds: Vec<u64>,
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
}

impl Queued {
    /// Whether this is what is asked for now, although it was begun for a caller who asked for
    /// something else.
    fn meets(&self, seeds: &[u64], judge: bool) -> bool {
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
    /// failed or was lost is run anew.
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
        let mut request = request;
        let mut once = BTreeSet::new();
        request.seeds.retain(|seed| once.insert(*seed));
        if request.seeds.len() > MAX_SEEDS {
            return Err(ServiceError::usage(
                format!("{} seeds are more than {MAX_SEEDS}", request.seeds.len()),
                "Run them in several calls.",
            ));
        }
        let (session, n, notes) = if writes(&request.edits) {
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
            let (session, n) = self.existing(&request).await?;
            match self.settled(session, n, &request, cancel).await? {
                Ok(session) => (session, n, Vec::new()),
                Err(question) => return Ok(QueueAnswer::Question(question)),
            }
        };
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
        let deadline = Instant::now() + request.wait;
        loop {
            let work = Work {
                service: self.clone(),
                session: session.clone(),
                n,
                seeds: request.seeds.clone(),
                judge: request.judge,
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
            let fresh = waiter.began();
            let left = deadline.saturating_duration_since(Instant::now());
            match waiter.wait(left, teller, cancel).await {
                // What was joined lacks something that is asked for now: that is made now.
                Waited::Ended(Ok(done)) if !fresh && !done.meets(&request.seeds, request.judge) => {}
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
        let mut open: BTreeMap<(SessionId, IterationNo), Vec<u64>> = BTreeMap::new();
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

    /// A run that was written down before its request was sent may or may not have been sent, and the request may still be on
    /// its way: it is looked for until that is over, so that it is never sent twice.
    async fn found_again(&self, mut run: Run) -> Result<Run, ServiceError> {
        while run.state == RunState::Prepared {
            // Only a look that begins after the last moment says that it will never arrive.
            let over = run
                .prepared_at
                .is_older_than(self.runner.longest_start(), Timestamp::now());
            if self.runner.is_there(run.prompt_id.0).await? {
                return self.advance(run.prompt_id, RunUpdate::Submitted).await;
            }
            if over {
                return Ok(run);
            }
            // Whoever wrote it down may be at it still.
            run = self.store.run(run.prompt_id).await?;
        }
        Ok(run)
    }

    /// The finished runs of an iteration, of these seeds or of all, with their pictures.
    async fn rendered(
        &self,
        session: &SessionId,
        n: IterationNo,
        seeds: &[u64],
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

    /// The pictures of a run with the files they lie in; of one that is gone, that it is.
    pub(super) async fn pictures_of(&self, id: PromptId) -> Result<Vec<(RunImage, String)>, ServiceError> {
        let mut pictures = Vec::new();
        for image in self.store.images_of(id).await? {
            let path = match self.store.find_image(&image.hash).await {
                Ok(stored) => stored.path.display().to_string(),
                Err(HistoryError::ImageMissing { hash, .. }) => format!("{MISSING}{hash}"),
                Err(error) => return Err(error.into()),
            };
            pictures.push((image, path));
        }
        Ok(pictures)
    }
}

impl QueueRequest {
    pub(super) fn planned(&self) -> Planned {
        Planned {
            seeds: self.seeds.clone(),
            judged: self.judge,
        }
    }
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

/// The GPU for the renders of one piece of work: taken for the first one that has to be run, held to the last.
struct RenderTurn {
    lease: Option<Lease>,
    hand_overs: Vec<HandOver>,
}

impl RenderTurn {
    async fn take(
        &mut self,
        service: &Service,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        if self.lease.is_none() {
            let lease = service.sharing.for_rendering(&*service.judge, teller, cancel).await?;
            self.hand_overs.extend(lease.hand_over);
            self.lease = Some(lease);
        }
        Ok(())
    }
}

/// The work behind a handle.
struct Work {
    service: Service,
    session: Session,
    n: IterationNo,
    seeds: Vec<u64>,
    judge: bool,
}

impl Work {
    async fn run(self, teller: Teller, cancel: CancellationToken) -> Result<Queued, ServiceError> {
        let service = &self.service;
        let _working = self.judge.then(|| service.at_work.begin(&self.session.id, self.n));
        let iteration = service.store.iteration(&self.session.id, self.n).await?;
        let original = Graph::from_json(self.session.opened.workflow.clone())?;
        let graph = Graph::from_json(iteration.content.graph.clone())?;
        let choices = &self.session.opened.choices;
        let located = service.locate(original, graph, choices, &cancel).await?;
        let (located, problems) = service
            .aside(&cancel, move || {
                let problems = problems(&located.graph, &located.roles, &located.info);
                Ok((located, problems))
            })
            .await?;
        sound(problems)?;
        let Seeds {
            seeds,
            seedless,
            mut notes,
        } = service.seeds(&self.session.id, self.n, &self.seeds, &located).await?;
        // Before the first is run, so that a call that is broken off leaves a trace of all of them.
        service
            .store
            .ask_for_seeds(&self.session.id, self.n, seeds.clone())
            .await?;
        let parts = seeds.len() * if self.judge { 2 } else { 1 };
        let part = |i: usize| teller.part(i as f64 / parts as f64, (i + 1) as f64 / parts as f64);
        let mut reports = Vec::new();
        let mut failed: Vec<(u64, ServiceError)> = Vec::new();
        let mut turn = RenderTurn {
            lease: None,
            hand_overs: Vec::new(),
        };
        for (i, seed) in seeds.iter().enumerate() {
            match self
                .one(&iteration, &located, *seed, &mut turn, &part(i), &cancel)
                .await
            {
                Ok(report) => reports.push(report),
                Err(error) if cancel.is_cancelled() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, seed, "a run failed");
                    failed.push((*seed, error));
                }
            }
        }
        let RenderTurn { lease, mut hand_overs } = turn;
        drop(lease);
        service.compare(&mut reports).await?;
        let most = reports.iter().map(|report| report.images.len()).max();
        notes.extend(question::pictures_told(&located.pictures, most.unwrap_or(0)));
        let mut outcome = Outcome::default();
        // All are rendered before any is judged, so that the GPU changes hands once.
        if self.judge && !reports.is_empty() {
            let lease = service
                .sharing
                .for_judging(&*service.judge, &part(seeds.len()), &cancel)
                .await?;
            hand_overs.extend(lease.hand_over);
            for i in 0..reports.len() {
                let teller = part(seeds.len() + i);
                let same = reports[i].same_as.and_then(|seed| {
                    let judged = |other: &&RunReport| other.run.seed == seed;
                    reports.iter().find(judged)?.judgement.clone()
                });
                match same {
                    Some(same) => {
                        service
                            .judged_already(&self.session, &iteration, &reports[i], &same)
                            .await?
                    }
                    None => {
                        let judged = service
                            .judge_run(&self.session, &iteration, &reports[i], &teller, &cancel)
                            .await?;
                        reports[i].judgement = judged;
                    }
                }
            }
            let judge = reports
                .iter()
                .find_map(|r| r.judgement.as_ref())
                .map(|j| j.verdict.judge.clone());
            if let Some(judge) = judge {
                let ask = Deciding {
                    about: self.n,
                    teller: &teller,
                    cancel: &cancel,
                };
                outcome = service.outcome(&self.session, &judge, &ask).await?;
            }
        }
        let Some(last) = reports.last_mut() else {
            let nothing = || ServiceError::Internal("an iteration without a seed".to_owned());
            return Err(failed.into_iter().next().map_or_else(nothing, |(_, error)| error));
        };
        if !failed.is_empty() {
            let words = last.remark.take().into_iter().chain(failed_in_words(&failed));
            last.remark = Some(words.collect::<Vec<_>>().join(" "));
        }
        Ok(Queued {
            session: self.session.id,
            n: self.n,
            parent: iteration.content.parent,
            seeds,
            runs: reports,
            seedless,
            notes,
            hand_overs,
            outcome,
        })
    }

    async fn one(
        &self,
        iteration: &Iteration,
        located: &Located,
        seed: u64,
        turn: &mut RenderTurn,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<RunReport, ServiceError> {
        let service = &self.service;
        let graph = if located.roles.get(Role::Seed).found().is_empty() {
            located.graph.clone()
        } else {
            with_seed(&located.graph, &located.roles, seed)?
        };
        if let Some(run) = self.finished(seed).await? {
            let images = service.pictures_of(run.prompt_id).await?;
            return Ok(RunReport {
                remark: gone(&images, self.n, seed),
                images,
                run,
                judgement: None,
                same_as: None,
            });
        }
        let positive = text_at(&located.roles, Role::Positive);
        let plan = RunPlan {
            graph: &graph,
            roles: &located.roles,
            pictures: &located.pictures,
            positive: positive.as_deref().filter(|_| iteration.content.positive.is_some()),
        };
        // Written down only now: what waits for the GPU has not begun.
        turn.take(service, teller, cancel).await?;
        let (run, remark) = match self.rendered(seed, &plan, teller, cancel).await {
            // The judge lay beside it: without it, once more.
            Err(error) if error.is_out_of_memory() && service.sharing.ran_out(&*service.judge) => {
                tracing::warn!(%error, "a render ran out of memory beside the judge and is repeated without it");
                turn.lease = None;
                turn.take(service, teller, cancel).await?;
                self.rendered(seed, &plan, teller, cancel).await?
            }
            ended => ended?,
        };
        if !run.cached {
            service.sharing.rendered(&*service.judge).await;
        }
        Ok(RunReport {
            images: service.pictures_of(run.prompt_id).await?,
            run,
            remark,
            judgement: None,
            same_as: None,
        })
    }

    /// The run of this seed that is finished, if there is one.
    async fn finished(&self, seed: u64) -> Result<Option<Run>, ServiceError> {
        let runs = self.service.store.runs_of(&self.session.id, Some(self.n)).await?;
        Ok(runs
            .into_iter()
            .find(|run| run.seed == seed && run.state == RunState::Finished))
    }

    /// A run of this seed that counted as lost is open again when ComfyUI has it after all: its record may have come late.
    async fn look_for_lost(&self, seed: u64) -> Result<(), ServiceError> {
        let service = &self.service;
        let here = service.client.url_for_people();
        let runs = service.store.runs_of(&self.session.id, Some(self.n)).await?;
        let lost = runs
            .iter()
            .rev()
            .filter(|run| run.seed == seed && run.state == RunState::Lost && run.server == here);
        for run in lost.take(LOOKED_FOR) {
            if service.runner.has(run.prompt_id.0).await? {
                service.advance(run.prompt_id, RunUpdate::Submitted).await?;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Brings the run of this seed to its end: the one that is open, else a new one, recorded before anything is sent.
    async fn rendered(
        &self,
        seed: u64,
        plan: &RunPlan<'_>,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<(Run, Option<String>), ServiceError> {
        let service = &self.service;
        self.look_for_lost(seed).await?;
        let run = loop {
            let run = self.taken_up(seed, teller, cancel).await?;
            // One that another program gave up meanwhile has nothing to follow: a new one is begun.
            if run.state.is_open() || run.state == RunState::Finished {
                break run;
            }
        };
        if run.state == RunState::Finished {
            return Ok((run, None));
        }
        service.complete(&run, plan, teller, cancel).await
    }

    /// The run of this seed that is open, else a new one. One that is prepared is this call's to send.
    async fn taken_up(&self, seed: u64, teller: &Teller, cancel: &CancellationToken) -> Result<Run, ServiceError> {
        let service = &self.service;
        let prompt_id = PromptId::random();
        let new = NewRun {
            prompt_id,
            session: self.session.id.clone(),
            iteration: self.n,
            seed,
            server: service.client.url_for_people(),
        };
        let mut run = service.store.prepare_run(new).await?;
        let mut new = run.prompt_id == prompt_id;
        while run.state == RunState::Prepared {
            if !new {
                teller.tell(Progress::words("looking whether an earlier request has arrived"));
                run = tokio::select! {
                    run = service.found_again(run) => run?,
                    () = cancel.cancelled() => return Err(ServiceError::Cancelled(String::new())),
                };
            }
            // Right before it is sent: others that found nothing of it may be about to send it, too.
            match service.store.claim_run(&run).await? {
                Some(claimed) => return Ok(claimed),
                None => run = service.store.run(run.prompt_id).await?,
            }
            new = false;
        }
        Ok(run)
    }
}

/// What to say of a run whose pictures' files are gone: asking for it again renders nothing.
fn gone(images: &[(RunImage, String)], n: IterationNo, seed: u64) -> Option<String> {
    let gone = images.iter().filter(|(_, path)| path.starts_with(MISSING)).count();
    (gone > 0).then(|| {
        format!(
            "{gone} of its {} picture(s) are gone from the data folder; `parent`: {n} with `seeds`: [{seed}] renders it again as a new iteration",
            images.len()
        )
    })
}

/// Seeds without a picture, each with its reason.
fn failed_in_words(failed: &[(u64, ServiceError)]) -> impl Iterator<Item = String> {
    failed
        .iter()
        .map(|(seed, error)| format!("Seed {seed} has no picture: {}", hint::in_words(error)))
}
