//! One seed of an iteration: recorded, submitted, followed, fetched, recorded again.

use tokio_util::sync::CancellationToken;

use super::fetch::has_no_picture;
use super::{CancelledDuring, Service, ServiceError};
use comfyui::error::ComfyError;
use comfyui::graph::{Graph, NodeId};
use comfyui::images::OutputImage;
use comfyui::inject::{Pictures, Roles, ShownBy, prove};
use comfyui::object_info::ObjectInfo;
use comfyui::progress as comfy;
use comfyui::record::Finished;
use comfyui::runs::{Run as Following, Submission};
use history::{HistoryError, Run, RunState, RunUpdate};
use text::{Foreign, shortened};
use types::progress::{Done, Progress, Teller};
use types::{PromptId, hint};

/// What a run needs beside its record.
pub(super) struct RunPlan<'a> {
    /// The graph of this seed, as it is submitted.
    pub graph: &'a Graph,
    /// Where the prompt stands in it.
    pub roles: &'a Roles,
    /// The definitions by which that was found.
    pub info: &'a ObjectInfo,
    /// Which of its pictures is the result.
    pub pictures: &'a Pictures,
    /// The prompt, where the workflow has one.
    pub positive: Option<&'a str>,
}

impl Service {
    /// Brings a recorded run to its end: submits it if that was not done, follows it, fetches its
    /// pictures. Returns the record, and a remark when the injection could not be proven or files were left out.
    ///
    /// # Errors
    /// [`ServiceError::Comfy`]; the record says so too.
    pub(super) async fn complete(
        &self,
        run: &Run,
        plan: &RunPlan<'_>,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Result<(Run, Option<String>), ServiceError> {
        let prompt_id = run.prompt_id.0;
        let client_id = prompt_id.to_string();
        let following = if run.state == RunState::Prepared {
            tokio::select! {
                answered = self.runner.answers() => if let Err(error) = answered {
                    return Err(self.never_sent(run.prompt_id, error).await);
                },
                () = cancel.cancelled() => {
                    self.advance(run.prompt_id, RunUpdate::Cancelled { by: None }).await?;
                    return Err(ServiceError::Cancelled(CancelledDuring::Submitting));
                }
            }
            let submission = Submission {
                graph: plan.graph.to_json(),
                prompt_id,
                client_id,
            };
            match self.runner.start(submission).await {
                Ok(following) => following,
                Err(error) => return Err(self.not_accepted(run.prompt_id, error).await),
            }
        } else {
            self.runner.attach(prompt_id, Some(client_id))
        };
        if run.state == RunState::Prepared {
            self.advance(run.prompt_id, RunUpdate::Submitted).await?;
        }
        let mut finished = match follow(following, teller, cancel).await {
            Ok(finished) => finished,
            Err(error) => return Err(self.ended_badly(run.prompt_id, error, cancel.is_cancelled()).await),
        };
        let told = result_first(&mut finished, plan.pictures);
        let fetched = match self.fetch(run.prompt_id, &finished, plan, teller, cancel).await {
            Ok(fetched) => fetched,
            Err(error) => {
                // Otherwise the pictures are still there: the run stays open, and asking again fetches them.
                if has_no_picture(&error) {
                    let update = RunUpdate::Failed {
                        error: error.to_string(),
                    };
                    self.advance(run.prompt_id, update).await?;
                }
                return Err(error);
            }
        };
        let update = RunUpdate::Finished {
            cached: finished.cached,
            seconds: finished.seconds,
        };
        let run = self.advance(run.prompt_id, update).await?;
        let remarks: Vec<String> = [told, fetched, remark(plan, &finished)].into_iter().flatten().collect();
        Ok((run, (!remarks.is_empty()).then(|| remarks.join(" "))))
    }

    /// Records what became of a run. Another program on the same history may have recorded its end already: that stands.
    pub(super) async fn advance(&self, id: PromptId, update: RunUpdate) -> Result<Run, ServiceError> {
        match self.store.update_run_state(id, update).await {
            Err(HistoryError::Transition { .. }) => Ok(self.store.run(id).await?),
            recorded => Ok(recorded?),
        }
    }

    /// Records that a run did not come about. Where that is not sure it stays open, and is found again by its id; where no
    /// connection could be made, nothing was sent.
    async fn not_accepted(&self, id: PromptId, error: ComfyError) -> ServiceError {
        if error.is_uncertain() {
            return error.into();
        }
        self.never_sent(id, error).await
    }

    /// Records that a run did not come about, for sure.
    async fn never_sent(&self, id: PromptId, error: ComfyError) -> ServiceError {
        let update = RunUpdate::Failed {
            error: error.to_string(),
        };
        match self.advance(id, update).await {
            Ok(_) => error.into(),
            Err(error) => error,
        }
    }

    /// Records how an accepted run ended without a result. What says nothing of the run itself leaves it open. `ours`: whether
    /// a call here asked that it be stopped.
    async fn ended_badly(&self, id: PromptId, error: ComfyError, ours: bool) -> ServiceError {
        let (update, told) = match error {
            ComfyError::Interrupted { .. } if ours => {
                let told = ServiceError::Cancelled(CancelledDuring::Rendering(id));
                (RunUpdate::Cancelled { by: None }, told)
            }
            ComfyError::Interrupted { node_id, .. } => {
                let told = ServiceError::StoppedInComfyui {
                    run: id,
                    node: node_id,
                    left: Vec::new(),
                };
                (
                    RunUpdate::Cancelled {
                        by: Some(told.to_string()),
                    },
                    told,
                )
            }
            ComfyError::Lost { .. } => (
                RunUpdate::Lost {
                    error: error.to_string(),
                },
                error.into(),
            ),
            ComfyError::NodeFailed { .. } | ComfyError::Unexplained { .. } => (
                RunUpdate::Failed {
                    error: error.to_string(),
                },
                error.into(),
            ),
            error => return error.into(),
        };
        match self.advance(id, update).await {
            Ok(_) => told,
            Err(error) => error,
        }
    }
}

/// Puts the pictures of the result's node first, the one that is judged; of a batch the first stays first. Says so where
/// that node showed none.
fn result_first(finished: &mut Finished, pictures: &Pictures) -> Option<String> {
    let result = pictures.ranked().first()?;
    if !finished.images.iter().any(|image| shows(result, image)) {
        // A preview that was chosen although others are saved.
        let previews = std::mem::take(&mut finished.previews).into_iter();
        let chosen: Vec<OutputImage> = previews.filter(|image| shows(result, image)).collect();
        let saved = std::mem::replace(&mut finished.images, chosen);
        finished.images.extend(saved);
    }
    finished.images.sort_by_key(|image| {
        let rank = pictures.ranked().iter().position(|shown| shows(shown, image));
        rank.unwrap_or(usize::MAX)
    });
    let first = finished.images.first()?;
    if shows(result, first) {
        return None;
    }
    Some(format!(
        "Node {} ({:#}) showed no picture this time; the first one here is that of node {}.",
        result.node,
        Foreign(&shortened(&result.title, 60)),
        first.node_id
    ))
}

fn shows(shown: &ShownBy, image: &OutputImage) -> bool {
    image.node_id == shown.node.as_str()
}

/// Follows a run to its end, telling progress; on cancellation the run is stopped in ComfyUI.
async fn follow(run: Following, teller: &Teller, cancel: &CancellationToken) -> Result<Finished, ComfyError> {
    let mut progress = run.progress.clone();
    loop {
        tokio::select! {
            outcome = run.outcome() => return outcome,
            changed = progress.changed() => {
                if changed.is_err() {
                    return run.outcome().await;
                }
                let now = progress.borrow_and_update().clone();
                teller.tell(Progress {
                    done: Done::Fraction(f64::from(now.fraction)),
                    message: in_words(&now),
                });
            }
            () = cancel.cancelled() => {
                if let Err(error) = run.cancel().await {
                    tracing::warn!(%error, "a run could not be cancelled");
                    return Err(error);
                }
                return run.outcome().await;
            }
        }
    }
}

fn in_words(now: &comfy::Progress) -> String {
    let mut words = format!("ComfyUI: {}", now.state.in_words());
    if let Some(left) = now.eta.filter(|eta| eta.as_secs() > 0) {
        words.push_str(&format!(", about {} s left", left.as_secs()));
    }
    if let Some(trouble) = &now.trouble {
        words.push_str(&format!("; it does not answer at the moment: {trouble}"));
    }
    words
}

/// Shows that the prompt reached the sampler; a remark when that cannot be shown.
fn remark(plan: &RunPlan<'_>, finished: &Finished) -> Option<String> {
    let positive = plan.positive?;
    let mut pictures: Vec<NodeId> = Vec::new();
    for image in &finished.images {
        let node = NodeId::from(image.node_id.as_str());
        if !pictures.contains(&node) {
            pictures.push(node);
        }
    }
    match prove(plan.graph, &finished.graph, positive, plan.roles, plan.info, &pictures) {
        Ok(_) => None,
        Err(error) => Some(format!(
            "not proven that the prompt reached the sampler: {}",
            hint::in_words(&error)
        )),
    }
}
