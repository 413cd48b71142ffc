//! `get_history`: what was tried and what came of it.

use std::collections::BTreeMap;

use super::judge_plan::rubric_of;
use super::kept::KeptPicture;
use super::records::JudgementRecord;
use super::{Service, ServiceError};
use calibration::advice::{Advice, Facts, Step, advise};
use calibration::decided::{Decided, newest};
use calibration::decision_log::RecordId;
use history::{Iteration, Judgement, Run, Session, SessionSummary, Span, TrendRow};
use judge::average::averaged;
use judge::verdict::{AxisResult, Verdict};
use types::progress::Progress;
use types::{IterationNo, JudgeHash};

/// Sessions, or rows of a trend, on one page.
pub const PAGE: u32 = 20;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct OverviewRequest {
    /// The session; without one, all sessions are listed.
    pub session: Option<String>,
    /// One iteration in full.
    pub iteration: Option<u32>,
    /// One axis over time.
    pub axis: Option<String>,
    /// What to do next.
    pub advice: bool,
    /// The page, from 0; page 0 holds the newest.
    pub page: u32,
    /// A judgement that goes on.
    pub handle: Option<String>,
}

/// A session in brief.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// The session.
    pub session: Session,
    /// How many iterations it has.
    pub count: u32,
    /// How many of them have run.
    pub ran: u32,
    /// Those of the page, oldest first.
    pub rows: Vec<TrendRow>,
    /// Whose scores are shown: the newest judge's; those of others cannot be compared.
    pub judge: Option<JudgeHash>,
    /// The best so far by this judge, with its mean overall score.
    pub best: Option<Best>,
    /// What was decided about the page's iterations by this judge.
    pub decisions: BTreeMap<IterationNo, Decided>,
    /// What to do, where it is time to stop or to score the best anew.
    pub next: Option<String>,
    /// What to say of records that cannot be read.
    pub unreadable: Option<String>,
    /// Iterations that run now, with how far they are.
    pub running: BTreeMap<IterationNo, Progress>,
}

/// The best iteration of a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Which.
    pub n: IterationNo,
    /// Its mean overall score, where there is one.
    pub overall: Option<f64>,
}

impl SessionView {
    /// How many iterations are used up. Drafts, and those that made no picture, are none of them.
    #[must_use]
    pub fn used_in_words(&self) -> String {
        let written = match self.count - self.ran.min(self.count) {
            0 => String::new(),
            _ => format!(" ({} written)", self.count),
        };
        format!(
            "{} of at most {} iterations{written}",
            self.ran, self.session.opened.max_iterations
        )
    }
}

/// An iteration in full.
#[derive(Clone, Debug)]
pub struct IterationView {
    /// The session.
    pub session: Session,
    /// The iteration.
    pub iteration: Iteration,
    /// Its runs with their pictures and files.
    pub runs: Vec<(Run, Vec<KeptPicture>)>,
    /// Its judgements, oldest first.
    pub judgements: Vec<Judgement>,
    /// What was decided about it, each time it was, oldest first.
    pub decisions: Vec<Decided>,
    /// How far it is, when it runs now.
    pub running: Option<Progress>,
}

/// One axis of an iteration.
#[derive(Clone, Debug)]
pub struct AxisAt {
    /// The iteration.
    pub n: IterationNo,
    /// What the axis came to over its seeds.
    pub result: AxisResult,
    /// By how much it moved, where that was more than noise.
    pub moved: Option<f64>,
}

/// One axis over the iterations of a page.
#[derive(Clone, Debug)]
pub struct AxisView {
    /// The session.
    pub session: Session,
    /// The axis.
    pub axis: String,
    /// What the reference shows.
    pub target: Option<String>,
    /// How many iterations the session has.
    pub count: u32,
    /// By iteration, oldest first.
    pub rows: Vec<AxisAt>,
    /// What to say of records that cannot be read.
    pub unreadable: Option<String>,
}

/// What to do next.
#[derive(Clone, Debug)]
pub struct AdviceView {
    /// The session.
    pub session: Session,
    /// What it rests on.
    pub facts: Facts,
    /// The advice.
    pub advice: Advice,
    /// The newest iteration, where it runs now.
    pub running: Option<IterationNo>,
    /// Whether that is being stopped.
    pub stopping: bool,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Overview {
    /// A page of sessions, the newest first.
    Sessions(Vec<SessionSummary>),
    /// One session.
    Session(Box<SessionView>),
    /// One iteration in full.
    Iteration(Box<IterationView>),
    /// One axis over time.
    Axis(Box<AxisView>),
    /// What to do next.
    Advice(Box<AdviceView>),
    /// A judgement under a handle.
    Job {
        /// The handle.
        handle: String,
        /// How far it is; `None` when it ended.
        running: Option<Progress>,
    },
}

impl Service {
    /// Looks something up. Writes nothing, whatever is undecided.
    ///
    /// # Errors
    /// [`ServiceError`] when it does not exist.
    pub async fn overview(&self, request: OverviewRequest) -> Result<Overview, ServiceError> {
        if let Some(handle) = request.handle {
            if !self.judgings.knows(&handle) {
                return Err(ServiceError::usage(
                    format!("no judgement of handle {handle} is known"),
                    "Handles end with the server; look the session up instead.",
                ));
            }
            let running = self.judgings.running(&handle);
            return Ok(Overview::Job { handle, running });
        }
        let Some(id) = request.session else {
            if request.iteration.is_some() || request.axis.is_some() || request.advice {
                return Err(ServiceError::usage(
                    "an iteration, an axis or advice was asked for without its session",
                    "Give `session` too; get_history without arguments lists the sessions.",
                ));
            }
            let skip = request.page.saturating_mul(PAGE);
            return Ok(Overview::Sessions(self.store.sessions(skip, PAGE).await?));
        };
        let session = self.open_session(&id).await?;
        if request.advice {
            return self.advice(session).await;
        }
        if let Some(axis) = request.axis {
            return self.axis(session, &axis, request.page).await;
        }
        match request.iteration {
            Some(n) => self.iteration_in_full(session, n).await,
            None => self.page(session, request.page).await,
        }
    }

    /// The judge whose scores are shown of a session: that of the newest judgement.
    pub(super) async fn shown_judge(&self, session: &Session) -> Result<Option<JudgeHash>, ServiceError> {
        Ok(self.store.last_judge(&session.id).await?)
    }

    /// The decisions by one judge about some iterations, oldest first: those that are recorded, and those that follow from what was
    /// judged since, out of `facts`.
    pub(super) async fn decisions_about(
        &self,
        session: &Session,
        judge: Option<&JudgeHash>,
        span: Span,
        facts: &mut Facts,
    ) -> Result<Vec<Decided>, ServiceError> {
        let mut found = Vec::new();
        for decision in self.store.decisions_of(&session.id, span).await? {
            if Some(&decision.content.judge) != judge {
                continue;
            }
            match super::records::decided(&decision) {
                Ok(decided) => found.push(decided),
                Err(error) => facts.unreadable.add(RecordId::Decision(decision.id), error),
            }
        }
        let within = |n: IterationNo| match span {
            Span::Between(from, to) => (from..=to).contains(&n),
            Span::All | Span::Last(_) => true,
        };
        found.extend(facts.pending.iter().filter(|d| within(d.iteration)).cloned());
        Ok(found)
    }

    async fn page(&self, session: Session, page: u32) -> Result<Overview, ServiceError> {
        let id = session.id.clone();
        let judge = self.shown_judge(&session).await?;
        let count = self.store.iteration_count(&id).await?;
        let Some(span) = self.span(count, page)? else {
            return Ok(Overview::Session(Box::new(SessionView {
                session,
                count,
                ran: self.iterations_that_ran(&id).await?,
                rows: Vec::new(),
                judge,
                best: None,
                decisions: BTreeMap::new(),
                next: None,
                unreadable: None,
                running: BTreeMap::new(),
            })));
        };
        let rows = self.store.trend(&id, span).await?;
        let mut facts = self.facts(&session, judge.as_ref()).await?;
        let decided = self.decisions_about(&session, judge.as_ref(), span, &mut facts).await?;
        let step = advise(&facts).step;
        let running = rows.iter().filter_map(|row| {
            let handle = format!("{id}/{}", row.n);
            self.queued.running(&handle).map(|progress| (row.n, progress))
        });
        Ok(Overview::Session(Box::new(SessionView {
            running: running.collect(),
            count,
            ran: facts.ran,
            judge,
            best: facts.best.as_ref().map(|best| Best {
                n: best.n,
                overall: best.verdict.overall_score,
            }),
            decisions: newest(&decided).into_iter().map(|(n, d)| (n, d.clone())).collect(),
            next: matches!(step, Step::Stop(_) | Step::Rescore { .. } | Step::MoreSeeds(_))
                .then(|| step.in_words(&facts)),
            unreadable: facts.unreadable.in_words(),
            rows,
            session,
        })))
    }

    /// The iterations of a page; page 0 holds the newest. Nothing where there are none.
    fn span(&self, count: u32, page: u32) -> Result<Option<Span>, ServiceError> {
        let last = count.saturating_sub(page.saturating_mul(PAGE));
        if last == 0 {
            return Ok(None);
        }
        let first = last.saturating_sub(PAGE) + 1;
        Ok(Some(Span::Between(self.iteration_no(first)?, self.iteration_no(last)?)))
    }

    async fn iteration_in_full(&self, session: Session, n: u32) -> Result<Overview, ServiceError> {
        let n = self.iteration_no(n)?;
        let iteration = self.store.iteration(&session.id, n).await?;
        let mut runs = Vec::new();
        for run in self.store.runs_of(&session.id, Some(n)).await? {
            let pictures = self.pictures_of(run.prompt_id).await?;
            runs.push((run, pictures));
        }
        let judgements = self.store.judgements_of(&session.id, Some(n)).await?;
        // Those of other judges rest on scores that cannot be compared.
        let recorded = self.store.decisions_of(&session.id, Span::Between(n, n)).await?;
        let judge = match recorded.last() {
            Some(newest) => Some(newest.content.judge.clone()),
            None => self.shown_judge(&session).await?,
        };
        let mut facts = self.facts(&session, judge.as_ref()).await?;
        let decisions = self
            .decisions_about(&session, judge.as_ref(), Span::Between(n, n), &mut facts)
            .await?;
        let running = self.queued.running(&format!("{}/{n}", session.id));
        Ok(Overview::Iteration(Box::new(IterationView {
            session,
            iteration,
            runs,
            judgements,
            decisions,
            running,
        })))
    }

    async fn axis(&self, session: Session, axis: &str, page: u32) -> Result<Overview, ServiceError> {
        let rubric = rubric_of(&session)?;
        if !rubric.axes.iter().any(|known| known.id.as_str() == axis) {
            let ids: Vec<&str> = rubric.axes.iter().map(|axis| axis.id.as_str()).collect();
            return Err(ServiceError::usage(
                format!("the rubric {} has no axis \"{axis}\"", rubric.id),
                format!("Its axes are {}.", ids.join(", ")),
            ));
        }
        let count = self.store.iteration_count(&session.id).await?;
        let judge = self.shown_judge(&session).await?;
        let (mut rows, mut unreadable) = (Vec::new(), None);
        if let (Some(span), Some(judge)) = (self.span(count, page)?, &judge) {
            let mut facts = self.facts(&session, Some(judge)).await?;
            let mut verdicts: BTreeMap<IterationNo, Vec<Verdict>> = BTreeMap::new();
            for run in self.store.judged_runs(&session.id, judge, span).await? {
                match JudgementRecord::read(&run.judgement.content.verdict) {
                    Ok(record) => verdicts.entry(run.iteration).or_default().extend(record.verdict()),
                    Err(error) => facts.unreadable.add(RecordId::Judgement(run.judgement.id), error),
                }
            }
            let decided = self.decisions_about(&session, Some(judge), span, &mut facts).await?;
            unreadable = facts.unreadable.in_words();
            let decided = newest(&decided);
            for (n, verdicts) in verdicts {
                let all: Vec<&Verdict> = verdicts.iter().collect();
                let found = averaged(&all).and_then(|v| v.axes.into_iter().find(|a| a.id == axis));
                let moved = decided.get(&n).and_then(|d| d.detail.moved.get(axis).copied());
                rows.extend(found.map(|result| AxisAt { n, result, moved }));
            }
        }
        Ok(Overview::Axis(Box::new(AxisView {
            target: rows.last().map(|row| row.result.reference.clone()),
            session,
            axis: axis.to_owned(),
            count,
            rows,
            unreadable,
        })))
    }

    async fn advice(&self, session: Session) -> Result<Overview, ServiceError> {
        let judge = self.shown_judge(&session).await?;
        let facts = self.facts(&session, judge.as_ref()).await?;
        let advice = advise(&facts);
        let handle = facts.newest.map(|n| format!("{}/{n}", session.id));
        let handle = handle.as_deref();
        let running = facts
            .newest
            .filter(|_| handle.is_some_and(|handle| self.queued.running(handle).is_some()));
        Ok(Overview::Advice(Box::new(AdviceView {
            session,
            facts,
            advice,
            running,
            stopping: handle.is_some_and(|handle| self.queued.is_stopping(handle)),
        })))
    }
}
