//! Opening a session, and what may still be settled on an open one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::question::{self, NO_SEED, Question};
use super::records;
use super::{DEFAULT_MAX_ITERATIONS, DEFAULT_TARGET, InjectRequest, QueueRequest, Service, ServiceError, texts};
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Role};
use comfyui::knobs::check_seed;
use history::{NewSession, RunState, Session, SessionChange, SessionRubric, WorkflowSource};
use judge::rubric::Rubric;
use types::{ImageHash, IterationNo, Seed, SessionId};

/// What a new session is opened with.
pub(super) struct Opening {
    pub graph: Arc<Graph>,
    pub source: WorkflowSource,
    pub rubric: Rubric,
    /// It was read, and can be used.
    pub reference: Option<ImageHash>,
}

/// What an injection writes into.
pub(super) struct Base {
    /// The session's workflow as it was.
    pub original: Arc<Graph>,
    /// The iteration that is written into.
    pub parent: Option<IterationNo>,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// For a new session.
    pub opening: Option<Opening>,
    /// What the reader should know of how it was read.
    pub notes: Vec<String>,
}

impl Service {
    /// The graph to write into, and what a new session would be opened with.
    pub(super) async fn base(&self, request: &InjectRequest, session: Option<&Session>) -> Result<Base, ServiceError> {
        let Some(session) = session else {
            let named = request.workflow.as_deref().ok_or_else(|| {
                ServiceError::usage(
                    "neither a session nor a workflow was given",
                    "Give `workflow` (an API-format file, a PNG saved by ComfyUI, or \"last\") to open a session, or the `session` to go on with.",
                )
            })?;
            let rubric = self.rubric(request.rubric.as_deref()).await?;
            let reference = match &request.reference {
                Some(path) => Some(self.picture(path).await?.picture.hash()),
                None => None,
            };
            let (graph, wrapped, source) = self.workflow(named).await?;
            let unwrapped = wrapped.map(|place| {
                format!("The workflow was taken from {place} of its file; what stands around it is left out.")
            });
            let graph = Arc::new(graph);
            return Ok(Base {
                original: Arc::clone(&graph),
                parent: None,
                graph: Arc::clone(&graph),
                opening: Some(Opening {
                    graph,
                    source,
                    rubric,
                    reference,
                }),
                notes: unwrapped.into_iter().collect(),
            });
        };
        if request.workflow.is_some() || request.rubric.is_some() {
            return Err(ServiceError::usage(
                format!("session {} keeps its workflow and rubric", session.id),
                "Leave `workflow` and `rubric` out to go on with it, or leave `session` out to open a new one.",
            ));
        }
        let original = Arc::new(Graph::from_json(session.opened.workflow.clone())?);
        let parent = match request.parent {
            Some(0) => None,
            Some(n) => Some(self.iteration_no(n)?),
            None => self.to_go_on_from(&session.id).await?,
        };
        let graph = match parent {
            Some(n) => Arc::new(Graph::from_json(
                self.store.iteration(&session.id, n).await?.content.graph,
            )?),
            None => Arc::clone(&original),
        };
        Ok(Base {
            original,
            parent,
            graph,
            opening: None,
            notes: Vec::new(),
        })
    }

    /// The best so far, so that reverting is nothing to do; before any is scored, the newest.
    async fn to_go_on_from(&self, id: &SessionId) -> Result<Option<IterationNo>, ServiceError> {
        if let Some(best) = self.store.last_incumbent(id).await? {
            return Ok(Some(best));
        }
        match self.store.iteration_count(id).await? {
            0 => Ok(None),
            count => Ok(Some(self.iteration_no(count)?)),
        }
    }

    pub(super) async fn open(
        &self,
        opening: Opening,
        choices: BTreeMap<String, String>,
        request: &InjectRequest,
    ) -> Result<Session, ServiceError> {
        // Read again rather than held for as long as ComfyUI takes to answer.
        let reference = match &request.reference {
            Some(path) => Some(self.kept_picture(path).await?),
            None => None,
        };
        if reference != opening.reference {
            return Err(ServiceError::usage(
                "the reference picture changed while the session was opened; no session was opened",
                "Wait until its file is written completely, and call again.",
            ));
        }
        let resolved = records::write_rubric(&opening.rubric).map_err(|e| ServiceError::Internal(e.to_string()))?;
        let new = NewSession {
            title: request.title.clone(),
            workflow_hash: opening.graph.hash(),
            workflow: Arc::unwrap_or_clone(opening.graph).into_json(),
            workflow_source: opening.source,
            reference,
            rubric: SessionRubric {
                id: opening.rubric.id.clone(),
                hash: opening.rubric.hash(),
                resolved,
                explicit: opening.rubric.explicit,
            },
            target_score: request.target_score.unwrap_or(DEFAULT_TARGET),
            max_iterations: request.max_iterations.unwrap_or(DEFAULT_MAX_ITERATIONS),
            choices,
        };
        Ok(self.store.create_session(new).await?)
    }

    /// Remembers what a call on an open session settled: choices, target, maximum, a reference
    /// where there was none.
    pub(super) async fn keep_choices(
        &self,
        session: Session,
        choices: BTreeMap<String, String>,
        request: &InjectRequest,
    ) -> Result<Session, ServiceError> {
        let reference = match &request.reference {
            Some(path) => {
                let hash = self.kept_picture(path).await?;
                if session.opened.reference.as_ref().is_some_and(|kept| *kept != hash) {
                    return Err(ServiceError::usage(
                        format!("session {} has another reference already", session.id),
                        "Scores against different references cannot be compared: open a new session.",
                    ));
                }
                Some(hash)
            }
            None => None,
        };
        let change = SessionChange {
            title: request.title.clone(),
            target_score: request.target_score,
            max_iterations: request.max_iterations,
            choices: (choices != session.opened.choices).then_some(choices),
            reference,
        };
        if change == SessionChange::default() {
            return Ok(session);
        }
        Ok(self.store.change_session(&session.id, change).await?)
    }

    /// Takes in what a call says about a recorded iteration's seeds and pictures, and settles what its runs need, before any
    /// of them starts.
    pub(super) async fn settled(
        &self,
        session: Session,
        n: IterationNo,
        request: &QueueRequest,
        cancel: &CancellationToken,
    ) -> Result<Result<Session, Question>, ServiceError> {
        texts::check(&request.edits)?;
        let mut needed = request.planned();
        let given = &request.edits.place;
        // What is rendered already is not asked about again.
        let runs = self.store.runs_of(&session.id, Some(n)).await?;
        let finished = runs.iter().filter(|run| run.state == RunState::Finished);
        let rendered: Vec<Seed> = finished.map(|run| run.seed).collect();
        needed.seeds.retain(|seed| !rendered.contains(seed));
        needed.judged &= rendered.is_empty();
        // What goes on already was settled; seeds that are new are looked at.
        let asked = self.store.seeds_of(&session.id, n).await?;
        let begun =
            self.queued.knows(&format!("{}/{n}", session.id)) && needed.seeds.iter().all(|seed| asked.contains(seed));
        let nothing = begun || needed.seeds.is_empty() && !needed.judged;
        if request.stop || given.is_empty() && nothing {
            return Ok(Ok(session));
        }
        let mut choices = session.opened.choices.clone();
        choices.extend(given.clone());
        let iteration = self.store.iteration(&session.id, n).await?;
        let original = Graph::from_json(session.opened.workflow.clone())?;
        let graph = Graph::from_json(iteration.content.graph)?;
        let located = self
            .locate(Arc::new(original), Arc::new(graph), &choices, cancel)
            .await?;
        if let Some(question) = question::before_running(&located.roles, &located.pictures, &needed) {
            return Ok(Err(question));
        }
        if *located.roles.get(Role::Seed) != Finding::Absent {
            for seed in &needed.seeds {
                check_seed(&located.roles, seed.0)?;
            }
        } else if located.described && !needed.seeds.is_empty() {
            choices.insert(Role::Seed.to_string(), NO_SEED.to_owned());
        }
        let nothing_else = InjectRequest::default();
        Ok(Ok(self.keep_choices(session, choices, &nothing_else).await?))
    }
}
