//! What a judging call judges: checked, and its pictures kept, before anything long starts.

use std::collections::BTreeMap;

use super::judging::{JudgeRequest, JudgementOf};
use super::pictured::Pictured;
use super::queue::RunReport;
use super::{Service, ServiceError, records, target};
use history::{Iteration, RunState, Session};
use judge::rubric::Rubric;
use types::{AxisId, ImageHash, IterationNo, PromptId, Seed, SessionId};

/// The pictures that the judged ones are compared with directly.
pub(super) struct Incumbent {
    pub name: String,
    /// With their seeds, where they are runs.
    pictures: Vec<(Option<Seed>, ImageHash)>,
}

impl Incumbent {
    /// The picture of the same seed, else the first.
    pub fn picture(&self, seed: Option<Seed>) -> Option<&ImageHash> {
        let same = self.pictures.iter().find(|(s, _)| seed.is_some() && *s == seed);
        same.or(self.pictures.first()).map(|(_, picture)| picture)
    }
}

/// One picture to judge, in the image store.
pub(super) struct Subject {
    pub of: JudgementOf,
    pub picture: ImageHash,
    pub run: Option<PromptId>,
}

/// A judging call, checked. It holds no pixels and no workflow: many may wait.
pub(super) struct Plan {
    pub rubric: Rubric,
    /// In the image store.
    pub reference: ImageHash,
    /// Empty: the reference alone.
    pub subjects: Vec<Subject>,
    pub prompt: Option<String>,
    pub session: Option<SessionId>,
    /// What is compared with directly.
    pub incumbent: Option<Incumbent>,
    /// What the reference shows, written by hand.
    pub edits: BTreeMap<AxisId, Option<String>>,
}

impl Plan {
    /// The iteration that is judged, where it is one.
    pub fn iteration(&self) -> Option<(&SessionId, IterationNo)> {
        self.subjects.iter().find_map(|subject| match &subject.of {
            JudgementOf::Run { session, n, .. } => Some((session, *n)),
            JudgementOf::Files { .. } => None,
        })
    }
}

impl Service {
    /// Checks a request and keeps what it names, before anything long starts.
    pub(super) async fn plan(&self, request: &JudgeRequest) -> Result<Plan, ServiceError> {
        let mut plan = self.plan_pictures(request).await?;
        if !request.reference_values.is_empty() {
            plan.edits = target::edits(&request.reference_values, &plan.rubric, !plan.subjects.is_empty())?;
        }
        if let Some(against) = &request.against {
            if plan.subjects.is_empty() {
                return Err(ServiceError::usage(
                    "`against` was given without a picture to judge",
                    "Give `iteration` or `generated` too: it asks which of the two is closer to the reference.",
                ));
            }
            plan.incumbent = Some(self.incumbent(against, plan.session.as_ref()).await?);
        }
        Ok(plan)
    }

    /// The picture or pictures that others are compared with.
    async fn incumbent(&self, against: &str, session: Option<&SessionId>) -> Result<Incumbent, ServiceError> {
        let pictures = match (against.trim().parse::<u32>(), session) {
            (Ok(n), Some(session)) => {
                let subjects = self.subjects(session, self.iteration_no(n)?).await?;
                subjects.into_iter().map(|s| (s.of.seed(), s.picture)).collect()
            }
            (Ok(n), None) => {
                return Err(ServiceError::usage(
                    format!("`against` is {n}, an iteration, and no session was given"),
                    "Give `session` too, or the path of a picture.",
                ));
            }
            (Err(_), _) => vec![(None, self.kept_picture(against).await?)],
        };
        Ok(Incumbent {
            name: against.trim().to_owned(),
            pictures,
        })
    }

    /// Keeps the pictures that a request names.
    async fn plan_pictures(&self, request: &JudgeRequest) -> Result<Plan, ServiceError> {
        let Some(id) = &request.session else {
            if request.iteration.is_some() {
                return Err(ServiceError::usage(
                    "an iteration was given without its session",
                    "Give `session` too; get_history without arguments lists the sessions.",
                ));
            }
            let path = request.reference.as_ref().ok_or_else(|| {
                ServiceError::usage(
                    "no reference picture was given",
                    "Give `reference` (a file) and, to score a picture against it, `generated`; or `session` and `iteration`.",
                )
            })?;
            let rubric = self.rubric(request.rubric.as_deref()).await?;
            // Decoded to see that they can be used, and kept only when both can; the judge decodes them when it is their turn.
            let reference = self.picture(path).await?.bytes;
            let generated = match &request.generated {
                Some(path) => Some((path, self.picture(path).await?.bytes)),
                None => None,
            };
            let reference = self.store.put_image(reference).await?.hash;
            let generated = match generated {
                Some((path, bytes)) => Some(Subject {
                    of: JudgementOf::Files {
                        generated: path.clone(),
                    },
                    picture: self.store.put_image(bytes).await?.hash,
                    run: None,
                }),
                None => None,
            };
            return Ok(Plan {
                rubric,
                reference,
                subjects: generated.into_iter().collect(),
                prompt: None,
                session: None,
                incumbent: None,
                edits: BTreeMap::new(),
            });
        };
        if request.reference.is_some() || request.rubric.is_some() {
            return Err(ServiceError::usage(
                "a session keeps its own reference and rubric",
                "Leave `reference` and `rubric` out, or leave `session` out to judge two files.",
            ));
        }
        let session = self.open_session(id).await?;
        let reference = session.opened.reference.ok_or_else(|| {
            ServiceError::usage(
                format!("session {} has no reference picture", session.id),
                "Give one with inject_prompt: `session` and `reference`.",
            )
        })?;
        self.is_there(&reference, &Pictured::Reference).await?;
        let rubric = rubric_of(&session)?;
        let (subjects, prompt) = match (request.iteration, &request.generated) {
            (Some(n), None) => {
                let n = self.iteration_no(n)?;
                let iteration = self.store.iteration(&session.id, n).await?;
                (self.subjects(&session.id, n).await?, iteration.content.positive)
            }
            (None, Some(path)) => {
                let subject = Subject {
                    of: JudgementOf::Files {
                        generated: path.clone(),
                    },
                    picture: self.kept_picture(path).await?,
                    run: None,
                };
                (vec![subject], None)
            }
            (None, None) => (Vec::new(), None),
            (Some(_), Some(_)) => {
                return Err(ServiceError::usage(
                    "both an iteration and a picture were given",
                    "Give one of them.",
                ));
            }
        };
        Ok(Plan {
            rubric,
            reference,
            subjects,
            prompt,
            session: Some(session.id),
            incumbent: None,
            edits: BTreeMap::new(),
        })
    }

    /// The first picture of every finished run of an iteration.
    async fn subjects(&self, session: &SessionId, n: IterationNo) -> Result<Vec<Subject>, ServiceError> {
        let mut subjects = Vec::new();
        for run in self.store.runs_of(session, Some(n)).await? {
            if run.state != RunState::Finished {
                continue;
            }
            if let Some(image) = self.store.images_of(run.prompt_id).await?.first() {
                let of = JudgementOf::Run {
                    session: session.clone(),
                    n,
                    seed: run.seed,
                };
                self.is_there(&image.hash, &Pictured::Judged(&of)).await?;
                subjects.push(Subject {
                    of,
                    picture: image.hash,
                    run: Some(run.prompt_id),
                });
            }
        }
        if subjects.is_empty() {
            return Err(ServiceError::usage(
                format!("iteration {n} of session {session} has no picture yet"),
                "Run it with queue_generation first (`judge: true` judges it in the same call).",
            ));
        }
        Ok(subjects)
    }
}

pub(super) fn subject_of(session: &Session, iteration: &Iteration, report: &RunReport, picture: ImageHash) -> Subject {
    Subject {
        of: JudgementOf::Run {
            session: session.id.clone(),
            n: iteration.n,
            seed: report.run.seed,
        },
        picture,
        run: Some(report.run.prompt_id),
    }
}

pub(super) fn plan_of_run(
    session: &Session,
    iteration: &Iteration,
    reference: &ImageHash,
) -> Result<Plan, ServiceError> {
    Ok(Plan {
        rubric: rubric_of(session)?,
        reference: *reference,
        subjects: Vec::new(),
        prompt: iteration.content.positive.clone(),
        session: Some(session.id.clone()),
        incumbent: None,
        edits: BTreeMap::new(),
    })
}

/// The rubric a session was opened with, whatever became of its file.
pub(super) fn rubric_of(session: &Session) -> Result<Rubric, ServiceError> {
    records::read_rubric(&session.opened.rubric.resolved).map_err(|error| ServiceError::Unreadable {
        session: session.id.clone(),
        error,
    })
}
