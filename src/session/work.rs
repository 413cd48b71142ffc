//! The work behind an iteration that is asked for: a run for each seed, then their judgements.

use std::sync::Arc;
use std::time::Duration;

use super::deciding::{Deciding, Outcome};
use super::inject::{Located, problems, sound, text_at, turn};
use super::kept::{KeptPicture, PictureFile};
use super::question;
use super::queue::{Queued, RunReport};
use super::run::RunPlan;
use super::seeds::Seeds;
use super::sharing::Lease;
use super::{CancelledDuring, HandOver, RENDERED_KIB, Service, ServiceError};
use comfyui::graph::Graph;
use comfyui::inject::Role;
use comfyui::knobs::with_seed;
use history::{Iteration, NewRun, Run, RunState, RunUpdate, Session, Timestamp};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::progress::{Progress, Teller};
use types::{IterationNo, PromptId, Seed, hint};

/// How many lost runs of a seed are looked for before a new one is sent, the newest first.
const LOOKED_FOR: usize = 3;
/// Pause between two looks for a lost run.
const LOST_PAUSE: Duration = Duration::from_secs(1);

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
pub(super) struct Work {
    pub service: Service,
    /// From a call it comes without its workflow, which is read when there is room for it.
    pub session: Session,
    pub n: IterationNo,
    pub seeds: Vec<Seed>,
    pub judge: bool,
    /// Whether somebody asks for it: only then a run that ComfyUI has lost is sent anew.
    pub asked: bool,
}

impl Work {
    pub async fn run(self, teller: Teller, cancel: CancellationToken) -> Result<Queued, ServiceError> {
        let service = &self.service;
        let _working = self.judge.then(|| service.at_work.begin(&self.session.id, self.n));
        let text = service.store.graph_bytes(&self.session.id, self.n).await?;
        let room = u32::try_from(text.div_ceil(1 << 10)).map_or(RENDERED_KIB, |kib| kib.min(RENDERED_KIB));
        if service.rendering.available_permits() < room as usize {
            teller.tell(Progress::words("other iterations are rendered first"));
        }
        let rendering = turn(&service.rendering, room, &cancel).await?;
        let mut iteration = service.store.iteration(&self.session.id, self.n).await?;
        let graph = Graph::from_json(std::mem::take(&mut iteration.content.graph))?;
        let original = Graph::from_json(service.store.session(&self.session.id).await?.opened.workflow)?;
        let choices = &self.session.opened.choices;
        let located = service
            .locate(Arc::new(original), Arc::new(graph), choices, &cancel)
            .await?;
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
            mut of_workflow,
        } = service.seeds(&self.session.id, self.n, &self.seeds, &located).await?;
        // Told where it was written, unless the server has other nodes since.
        of_workflow.extend(located.replaced.iter().cloned());
        // Before the first is run, so that a call that is broken off leaves a trace of all of them.
        service
            .store
            .ask_for_seeds(&self.session.id, self.n, seeds.clone())
            .await?;
        let parts = seeds.len() * if self.judge { 2 } else { 1 };
        let part = |i: usize| teller.part(i as f64 / parts as f64, (i + 1) as f64 / parts as f64);
        let mut reports = Vec::new();
        let mut failed: Vec<(Seed, ServiceError)> = Vec::new();
        let (mut stopped, mut not_begun) = (false, Vec::new());
        let mut turn = RenderTurn {
            lease: None,
            hand_overs: Vec::new(),
        };
        for (i, seed) in seeds.iter().enumerate() {
            // Whoever stopped one of them does not want the others either; and what no seed can change is not tried with others.
            if stopped && self.finished(*seed).await?.is_none() {
                not_begun.push(*seed);
                continue;
            }
            match self
                .one(&iteration, &located, *seed, &mut turn, &part(i), &cancel)
                .await
            {
                Ok(report) => reports.push(report),
                Err(error) if cancel.is_cancelled() => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, %seed, "a run failed");
                    stopped |= error.is_of_every_seed();
                    failed.push((*seed, error));
                }
            }
        }
        let RenderTurn { lease, mut hand_overs } = turn;
        drop(lease);
        service.compare(&mut reports).await?;
        let most = reports.iter().map(|report| report.images.len()).max();
        notes.extend(question::pictures_told(&located.pictures, most.unwrap_or(0)));
        // Judging needs no workflow.
        drop((located, rendering));
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
            let first = failed.into_iter().next().map_or_else(nothing, |(_, error)| error);
            return Err(first.with_left(not_begun));
        };
        if !failed.is_empty() {
            let words = last.remark.take().into_iter().chain(failed_in_words(&failed));
            let words = words.chain(not_begun.iter().map(|seed| format!("Seed {seed} was not begun.")));
            last.remark = Some(words.collect::<Vec<_>>().join(" "));
        }
        if self.asked {
            notes.extend(service.told.news(&self.session.id, of_workflow));
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
            lost: failed.iter().any(|(_, error)| error.is_lost()),
        })
    }

    async fn one(
        &self,
        iteration: &Iteration,
        located: &Located,
        seed: Seed,
        turn: &mut RenderTurn,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<RunReport, ServiceError> {
        let service = &self.service;
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
        let graph = if located.roles.get(Role::Seed).found().is_empty() {
            Arc::clone(&located.graph)
        } else {
            Arc::new(with_seed(&located.graph, &located.roles, seed.0)?)
        };
        let plan = RunPlan {
            graph: &graph,
            roles: &located.roles,
            info: &located.info,
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
    async fn finished(&self, seed: Seed) -> Result<Option<Run>, ServiceError> {
        let runs = self.service.store.runs_of(&self.session.id, Some(self.n)).await?;
        Ok(runs
            .into_iter()
            .find(|run| run.seed == seed && run.state == RunState::Finished))
    }

    /// A run of this seed that counted as lost is open again when ComfyUI has it after all: its record may have come late, for which
    /// it is given the time since it counted as lost. Returns the newest that ComfyUI does not have.
    async fn look_for_lost(&self, seed: Seed, teller: &Teller) -> Result<Option<PromptId>, ServiceError> {
        let service = &self.service;
        let here = service.client.url_for_people();
        let runs = service.store.runs_of(&self.session.id, Some(self.n)).await?;
        let lost = runs
            .iter()
            .rev()
            .filter(|run| run.seed == seed && run.state == RunState::Lost && run.server == here);
        let lost: Vec<&Run> = lost.take(LOOKED_FOR).collect();
        let late = service.runner.late_record();
        loop {
            // Only a look that begins after the last moment says that it will not come.
            let now = Timestamp::now();
            let is_over = |run: &&Run| run.finished_at.is_none_or(|at| at.is_older_than(late, now));
            let over = lost.iter().all(is_over);
            for run in &lost {
                if service.runner.has(run.prompt_id.0).await? {
                    service.advance(run.prompt_id, RunUpdate::Submitted).await?;
                    return Ok(None);
                }
            }
            if over {
                return Ok(lost.first().map(|run| run.prompt_id));
            }
            teller.tell(Progress::words(
                "ComfyUI has lost a run: waiting whether its record comes after all",
            ));
            sleep(LOST_PAUSE).await;
        }
    }

    /// Brings the run of this seed to its end: the one that is open, else a new one, recorded before anything is sent.
    async fn rendered(
        &self,
        seed: Seed,
        plan: &RunPlan<'_>,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<(Run, Option<String>), ServiceError> {
        let service = &self.service;
        for last in [false, true] {
            let lost = tokio::select! {
                looked = self.look_for_lost(seed, teller) => looked?,
                () = cancel.cancelled() => return Err(ServiceError::Cancelled(CancelledDuring::Submitting)),
            };
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
            let is_new = run.state == RunState::Prepared;
            match service.complete(&run, plan, teller, cancel).await {
                // It was open before this call, which is the asking again.
                Err(error) if error.is_lost() && !is_new && self.asked && !last && !cancel.is_cancelled() => {
                    tracing::warn!(%error, "a run is looked for once more and then sent anew");
                }
                Ok((run, remark)) => {
                    let anew = lost.filter(|_| is_new).map(|lost| {
                        format!("Seed {seed} was submitted anew: ComfyUI has lost its earlier run {lost}.")
                    });
                    let remarks: Vec<String> = anew.into_iter().chain(remark).collect();
                    return Ok((run, (!remarks.is_empty()).then(|| remarks.join(" "))));
                }
                Err(error) => return Err(error),
            }
        }
        Err(ServiceError::Internal("a run that was lost has no end".to_owned()))
    }

    /// The run of this seed that is open, else a new one. One that is prepared is this call's to send.
    async fn taken_up(&self, seed: Seed, teller: &Teller, cancel: &CancellationToken) -> Result<Run, ServiceError> {
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
        if run.prompt_id == prompt_id {
            return Ok(run);
        }
        while run.state == RunState::Prepared {
            teller.tell(Progress::words("looking whether an earlier request has arrived"));
            run = tokio::select! {
                run = self.found_again(run) => run?,
                () = cancel.cancelled() => return Err(ServiceError::Cancelled(CancelledDuring::Preparing)),
            };
            if run.state != RunState::Prepared {
                break;
            }
            // Right before it is sent: others that found nothing of it may be about to send it, too.
            match service.store.claim_run(&run).await? {
                Some(claimed) => return Ok(claimed),
                None => run = service.store.run(run.prompt_id).await?,
            }
        }
        Ok(run)
    }

    /// A run that was written down before its request was sent may or may not have been sent, and the request may still be on
    /// its way: it is looked for until that is over, so that it is never sent twice.
    async fn found_again(&self, mut run: Run) -> Result<Run, ServiceError> {
        let service = &self.service;
        while run.state == RunState::Prepared {
            // Only a look that begins after the last moment says that it will never arrive.
            let over = run
                .prepared_at
                .is_older_than(service.runner.longest_start(), Timestamp::now());
            if service.runner.is_there(run.prompt_id.0).await? {
                return service.advance(run.prompt_id, RunUpdate::Submitted).await;
            }
            if over {
                return Ok(run);
            }
            // Whoever wrote it down may be at it still.
            run = service.store.run(run.prompt_id).await?;
        }
        Ok(run)
    }
}

/// What to say of a run whose pictures' files are gone: asking for it again renders nothing.
fn gone(images: &[KeptPicture], n: IterationNo, seed: Seed) -> Option<String> {
    let is_gone = |kept: &&KeptPicture| matches!(kept.file, PictureFile::Missing(_));
    let gone = images.iter().filter(is_gone).count();
    (gone > 0).then(|| {
        format!(
            "{gone} of its {} picture(s) are gone from the data folder; `parent`: {n} with `seeds`: [{seed}] renders it again as a new iteration",
            images.len()
        )
    })
}

/// Seeds without a picture, each with its reason.
fn failed_in_words(failed: &[(Seed, ServiceError)]) -> impl Iterator<Item = String> {
    failed
        .iter()
        .map(|(seed, error)| format!("Seed {seed} has no picture: {}", hint::in_words(error)))
}
