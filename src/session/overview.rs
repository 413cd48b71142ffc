//! `get_history`: what was tried and what came of it.

use super::{Service, ServiceError};
use crate::history::{Iteration, Judgement, Run, RunImage, Session, SessionSummary, Span, TrendRow};
use crate::progress::Progress;

/// Sessions, or rows of a trend, on one page.
pub const PAGE: u32 = 20;

/// What to look at.
#[derive(Clone, Debug, Default)]
pub struct OverviewRequest {
    /// The session; without one, all sessions are listed.
    pub session: Option<String>,
    /// One iteration in full.
    pub iteration: Option<u32>,
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
    /// All its iterations, oldest first.
    pub rows: Vec<TrendRow>,
    /// Iterations that run now, with how far they are.
    pub running: Vec<(u32, Progress)>,
}

/// An iteration in full.
#[derive(Clone, Debug)]
pub struct IterationView {
    /// The session.
    pub session: Session,
    /// The iteration.
    pub iteration: Iteration,
    /// Its runs with their pictures and files.
    pub runs: Vec<(Run, Vec<(RunImage, String)>)>,
    /// Its judgements, oldest first.
    pub judgements: Vec<Judgement>,
    /// How far it is, when it runs now.
    pub running: Option<Progress>,
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
    /// A judgement under a handle.
    Job {
        /// The handle.
        handle: String,
        /// How far it is; `None` when it ended.
        running: Option<Progress>,
    },
}

impl Service {
    /// Looks something up. Changes nothing.
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
            if request.iteration.is_some() {
                return Err(ServiceError::usage(
                    "an iteration was given without its session",
                    "Give `session` too; get_history without arguments lists the sessions.",
                ));
            }
            let skip = request.page.saturating_mul(PAGE);
            return Ok(Overview::Sessions(self.store.sessions(skip, PAGE).await?));
        };
        let session = self.open_session(&id).await?;
        let Some(n) = request.iteration else {
            let rows = self.store.trend(&session.id, Span::All).await?;
            let running = rows
                .iter()
                .filter_map(|row| {
                    let handle = format!("{}/{}", session.id, row.n);
                    self.queued.running(&handle).map(|progress| (row.n.get(), progress))
                })
                .collect();
            return Ok(Overview::Session(Box::new(SessionView { session, rows, running })));
        };
        let n = self.iteration_no(n)?;
        let iteration = self.store.iteration(&session.id, n).await?;
        let mut runs = Vec::new();
        for run in self.store.runs_of(&session.id, Some(n)).await? {
            let pictures = self.pictures_of(run.prompt_id).await?;
            runs.push((run, pictures));
        }
        let judgements = self.store.judgements_of(&session.id, Some(n)).await?;
        let running = self.queued.running(&format!("{}/{n}", session.id));
        Ok(Overview::Iteration(Box::new(IterationView {
            session,
            iteration,
            runs,
            judgements,
            running,
        })))
    }
}
