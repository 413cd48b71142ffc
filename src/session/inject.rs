//! `inject_prompt`: write a prompt and knobs into a workflow, as a draft iteration.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::files::blocking;
use super::opening::Base;
use super::prompt_place::PromptPlace;
use super::question::{self, NO_SEED, Planned, Question};
use super::uploads::Reference;
use super::{CancelledDuring, Service, ServiceError, texts};
use comfyui::describe::Description;
use comfyui::error::ComfyError;
use comfyui::graph::Graph;
use comfyui::inject::{Finding, Pictures, Role, Roles, find, kept_seeds, pictures, reason, told_beside};
use comfyui::knobs::{Applied, Change, Edits, apply, check_seed, with_seed};
use comfyui::lint::{self, Problem, Severity};
use comfyui::object_info::ObjectInfo;
use comfyui::replacements::{self, Replaced, renamed};
use history::{self, NewIteration, Session};
use safety::Refusal;
use types::{GraphHash, IterationNo, Seed, SessionId, hint};

/// What to write where. Without a session a new one is opened.
#[derive(Clone, Debug, Default)]
pub struct InjectRequest {
    /// The session to go on with.
    pub session: Option<String>,
    /// For a new session: a file, or `last`.
    pub workflow: Option<String>,
    /// The reference picture's file.
    pub reference: Option<String>,
    /// A name for people.
    pub title: Option<String>,
    /// The rubric of a new session.
    pub rubric: Option<String>,
    /// Overall score at which the session is done, 0 to 1.
    pub target_score: Option<f64>,
    /// Iterations after which to stop.
    pub max_iterations: Option<u32>,
    /// The iteration to start from; unless given the best so far, before any is scored the newest. Zero is the workflow as it was.
    pub parent: Option<u32>,
    /// The prompt.
    pub positive: Option<String>,
    /// The negative prompt.
    pub negative: Option<String>,
    /// The seed.
    pub seed: Option<Seed>,
    /// Other inputs.
    pub knobs: Map<String, Value>,
    /// Answers to questions: role → `node.input` (several with commas).
    pub place: BTreeMap<String, String>,
    /// Why, in the agent's words.
    pub note: Option<String>,
    /// What it is written for: what that needs is settled before anything is recorded.
    pub planned: Planned,
}

/// How long a draft waits for a sign of ComfyUI.
const AWAY_AFTER: Duration = Duration::from_secs(1);

/// What to do where ComfyUI is away and nothing was run.
const DRAFT_IS_KEPT: &str = "The draft is kept, and checked when it is run: ComfyUI has to be up by then.";

/// Most knobs of one call; a workflow has far fewer that are worth turning at once.
const MOST_KNOBS: usize = 256;

/// A draft that was recorded.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The session.
    pub session: Session,
    /// The iteration.
    pub n: IterationNo,
    /// The iteration it was made from.
    pub parent: Option<IterationNo>,
    /// What was written.
    pub changes: Vec<Change>,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// What an injection came to.
#[derive(Clone, Debug)]
pub enum Injected {
    /// A draft iteration.
    Draft(Box<Draft>),
    /// A question to answer with `place`.
    Question(Question),
}

/// A graph with its roles and pictures, choices applied.
pub(super) struct Located {
    pub graph: Arc<Graph>,
    pub roles: Roles,
    pub pictures: Pictures,
    pub info: ObjectInfo,
    /// Whether the nodes' definitions were known.
    pub described: bool,
    /// Which nodes run as another class, in words: told once a session.
    pub replaced: Vec<String>,
    /// The same of the session's workflow.
    pub instead: Vec<Replaced>,
    pub notes: Vec<String>,
}

/// A graph that was written into.
struct Written {
    applied: Applied,
    pictures: Pictures,
    problems: Vec<Problem>,
    graph_hash: GraphHash,
    /// Whether the nodes' definitions were known.
    described: bool,
    prompt: PromptPlace,
    /// Which nodes run as another class.
    replaced: Vec<String>,
    notes: Vec<String>,
}

impl Service {
    /// Writes into a workflow and records the draft.
    ///
    /// # Errors
    /// [`ServiceError`]; nothing was recorded then.
    pub async fn inject(&self, request: InjectRequest, cancel: &CancellationToken) -> Result<Injected, ServiceError> {
        check_numbers(&request)?;
        texts::check(&request)?;
        let _turn = turn(&self.drafting, 1, cancel).await?;
        let session = match &request.session {
            Some(id) => Some(self.open_session(id).await?),
            None => None,
        };
        let Base {
            original,
            parent,
            graph,
            opening,
            notes: told_of_base,
        } = self.base(&request, session.as_ref()).await?;

        let mut choices = session.as_ref().map(|s| s.opened.choices.clone()).unwrap_or_default();
        choices.extend(request.place.clone());
        let located = self.locate(original, graph, &choices, cancel).await?;
        // A workflow of a video or a sound has no place for a prompt that would be worth a question. A knob may change the format.
        let (located, endings) = self
            .aside(cancel, move || {
                let endings = lint::endings(&located.graph, &located.info);
                Ok((located, endings))
            })
            .await?;
        if request.knobs.is_empty() {
            sound(endings)?;
        }
        let new_name = |name: &str| renamed(&located.graph, &located.info, &located.instead, name);
        let (knobs, mut told_of_names) = question::knobs_by_new_names(&request.knobs, new_name);
        let picks = request.place.values().flat_map(|picks| picks.split(','));
        let picks = picks.map(str::trim).filter(|pick| pick.contains('.'));
        told_of_names.extend(picks.filter_map(new_name).map(|renamed| renamed.told));
        let edits = Edits {
            positive: request.positive.clone(),
            negative: request.negative.clone(),
            seed: request.seed.map(|seed| seed.0),
            knobs,
        };
        if let Some(question) = question::before_writing(&located.roles, &edits) {
            return Ok(Injected::Question(question));
        }
        let kept = session.as_ref().and_then(|session| session.opened.reference.as_ref());
        let given = match (kept, &request.reference) {
            (Some(kept), _) => Reference::Kept(kept),
            (None, Some(path)) => Reference::Given(path),
            (None, None) => Reference::Missing,
        };
        let uploaded = Edits {
            knobs: self.uploaded(&located, &edits.knobs, given).await?,
            ..edits.clone()
        };
        let Written {
            applied,
            pictures,
            problems,
            graph_hash,
            described,
            prompt,
            // What is true of the workflow is told once a session.
            replaced: mut of_workflow,
            mut notes,
        } = self.written(located, uploaded, &choices, cancel).await?;
        // Who named the place in this call was told of it, or knows the workflow.
        if let Some(cut_off) = prompt.cut_off.as_ref().filter(|_| prompt.moved)
            && !request.place.contains_key(Role::Positive.name())
            && let Some(question) = question::after_cutting_off(&applied.roles, cut_off)
        {
            return Ok(Injected::Question(question));
        }
        if let Some(question) = question::before_running(&applied.roles, &pictures, &request.planned) {
            return Ok(Injected::Question(question));
        }
        let seedless = *applied.roles.get(Role::Seed) == Finding::Absent;
        for seed in request.planned.seeds.iter().filter(|_| !seedless) {
            check_seed(&applied.roles, seed.0)?;
        }
        // That seeds make no difference is known to the session from now on; without definitions it is not sure.
        if seedless && described && !request.planned.seeds.is_empty() {
            choices.insert(Role::Seed.to_string(), NO_SEED.to_owned());
        }
        let explicit = match (&session, &opening) {
            (Some(session), _) => session.opened.rubric.explicit,
            (None, Some(opening)) => opening.rubric.explicit,
            (None, None) => false,
        };
        // A long prompt takes a while.
        let (applied, edits, guarded) = self
            .aside(cancel, move || {
                let guarded = guard_texts(explicit, &applied, &edits);
                Ok((applied, edits, guarded))
            })
            .await?;
        if let Err(refusal) = guarded {
            let session = session.as_ref().map(|session| &session.id);
            self.store.record_refusal(session, &refusal.to_string()).await?;
            return Err(refusal.into());
        }
        let problems = sound(problems)?;

        notes.extend(told_of_base);
        notes.extend(told_of_names);
        notes.extend(applied.notes.iter().cloned());
        notes.extend(prompt.told(&applied.roles, &edits));
        for (role, text) in [(Role::Positive, &edits.positive), (Role::Negative, &edits.negative)] {
            // Once: where its place is new.
            let new = session.is_none() || request.place.contains_key(role.name()) || prompt.others_beside;
            if text.is_some() && new {
                notes.extend(told_beside(&applied.roles, role));
            }
        }
        let written = [
            (Role::Positive, edits.positive.is_some()),
            (Role::Negative, edits.negative.is_some()),
            (Role::Seed, edits.seed.is_some()),
        ];
        let written = written
            .into_iter()
            .filter(|(_, written)| *written)
            .map(|(role, _)| role);
        let by_knobs = edits.knobs.keys().filter_map(|knob| Role::from_name(knob));
        of_workflow.extend(written.chain(by_knobs).filter_map(|role| reason(&applied.roles, role)));
        if edits.seed.is_some() {
            of_workflow.extend(kept_seeds(&applied.roles));
        }
        notes.extend(lint::notes(&problems));
        notes.extend(session.as_ref().and_then(|session| kept_for_session(session, &request)));
        let session = match (session, opening) {
            (Some(session), _) => self.keep_choices(session, choices, &request).await?,
            (None, Some(opening)) => self.open(opening, choices, &request).await?,
            (None, None) => return Err(ServiceError::Internal("neither a session nor a workflow".into())),
        };
        notes.extend(self.maximum_reached(&session).await?);
        let n = self
            .store
            .add_iteration(NewIteration {
                session: session.id.clone(),
                parent,
                positive: text_at(&applied.roles, Role::Positive),
                negative: text_at(&applied.roles, Role::Negative),
                knobs: edits.knobs,
                graph: applied.graph.into_json(),
                graph_hash,
                changes: applied.changes.iter().map(recorded).collect(),
                note: request.note,
            })
            .await?;
        notes.extend(self.told.news(&session.id, of_workflow));
        if described && !request.planned.runs {
            notes.extend(self.away().await);
        }
        Ok(Injected::Draft(Box::new(Draft {
            session,
            n,
            parent,
            changes: applied.changes,
            notes,
        })))
    }

    /// A session by the id an agent gave.
    pub(super) async fn open_session(&self, id: &str) -> Result<Session, ServiceError> {
        let id = SessionId::parse(id).map_err(|e| ServiceError::usage(e.to_string(), e.hint()))?;
        Ok(self.store.session(&id).await?)
    }

    /// What to say to a draft where ComfyUI does not answer now, although it gave its definitions before.
    async fn away(&self) -> Option<String> {
        match timeout(AWAY_AFTER, self.runner.answers()).await {
            Ok(Err(error)) => Some(format!(
                "ComfyUI does not answer at the moment: {error}. {DRAFT_IS_KEPT}"
            )),
            // One that is merely slow is there.
            Ok(Ok(())) | Err(_) => None,
        }
    }

    /// What to say to a call for another iteration where as many have run as were wanted.
    pub(super) async fn maximum_reached(&self, session: &Session) -> Result<Option<String>, ServiceError> {
        let most = session.opened.max_iterations;
        if self.store.iteration_count(&session.id).await? < most {
            return Ok(None);
        }
        let ran = self.iterations_that_ran(&session.id).await?;
        Ok((ran >= most).then(|| {
            format!(
                "The maximum is reached: {ran} of at most {most} iterations have run. Stop, or ask the user; inject_prompt with \
                 `max_iterations` raises it."
            )
        }))
    }

    pub(super) fn iteration_no(&self, n: u32) -> Result<IterationNo, ServiceError> {
        IterationNo::new(n).map_err(|e| ServiceError::usage(e.to_string(), e.hint()))
    }

    /// Finds the roles of a graph made from `original`, with the session's choices.
    ///
    /// Large graphs take a while, so this is done off the runtime's threads, few at a time; who cancels does not wait for it.
    pub(super) async fn locate(
        &self,
        original: Arc<Graph>,
        graph: Arc<Graph>,
        choices: &BTreeMap<String, String>,
        cancel: &CancellationToken,
    ) -> Result<Located, ServiceError> {
        let mut notes = Vec::new();
        let (description, described) = match self.client.describe(&[&original, &graph]).await {
            Ok(description) => (description, true),
            Err(error) => {
                notes.push(unchecked(&error));
                (Description::default(), false)
            }
        };
        let choices = choices.clone();
        self.aside(cancel, move || {
            let Description { info, replacements } = description;
            let (original, instead) = replacements.apply(original, &info);
            let (graph, replaced) = replacements.apply(graph, &info);
            let replaced = replacements::in_words(&replaced);
            let mut roles = find(&original, &info);
            let choices = question::by_new_names(choices, |name| renamed(&original, &info, &instead, name));
            question::choose_roles(&mut roles, &original, &choices)?;
            let roles = roles.refind(&graph, &info);
            let mut pictures = pictures(&graph, &info, &roles);
            question::choose_picture(&mut pictures, &choices)?;
            Ok(Located {
                roles,
                pictures,
                graph,
                info,
                described,
                replaced,
                instead,
                notes,
            })
        })
        .await
    }

    /// Writes edits into a graph and looks at the result.
    async fn written(
        &self,
        located: Located,
        edits: Edits,
        choices: &BTreeMap<String, String>,
        cancel: &CancellationToken,
    ) -> Result<Written, ServiceError> {
        let choices = choices.clone();
        self.aside(cancel, move || {
            let applied = apply(&located.graph, &located.roles, &located.info, &edits)?;
            applied.graph.check_size()?;
            let mut pictures = pictures(&applied.graph, &located.info, &applied.roles);
            question::choose_picture(&mut pictures, &choices)?;
            Ok(Written {
                prompt: PromptPlace::of(&located, &applied),
                problems: problems(&applied.graph, &applied.roles, &located.info),
                graph_hash: applied.graph.hash(),
                described: located.described,
                replaced: located.replaced,
                notes: located.notes,
                applied,
                pictures,
            })
        })
        .await
    }

    /// Runs work on a graph off the runtime's threads, when it is its turn. Its time is bounded, so that it is left to
    /// itself by who cancels.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let turn = async {
            let turn = Arc::clone(&self.graphs).acquire_owned().await;
            let turn = turn.map_err(|error| ServiceError::Internal(error.to_string()))?;
            blocking(move || {
                let _turn = turn;
                work()
            })
            .await
        };
        tokio::select! {
            done = turn => done,
            () = cancel.cancelled() => Err(ServiceError::Cancelled(CancelledDuring::Preparing)),
        }
    }
}

/// What to say of a draft whose values were not checked. Nothing was run, so that no run has to be found again.
fn unchecked(error: &ComfyError) -> String {
    let what = match error {
        ComfyError::Unreachable { .. } | ComfyError::Broken { .. } | ComfyError::Timeout { .. } => {
            format!("{error}. {DRAFT_IS_KEPT}")
        }
        error => hint::in_words(error),
    };
    format!("values were not checked against the nodes' definitions: {what}")
}

/// Which answers a session keeps from a call.
fn kept_for_session(session: &Session, request: &InjectRequest) -> Option<String> {
    let is_new = |(role, pick): &(&String, &String)| session.opened.choices.get(*role) != Some(*pick);
    let kept: Vec<String> = request
        .place
        .iter()
        .filter(is_new)
        .map(|(role, pick)| format!("{role} {pick}"))
        .collect();
    (!kept.is_empty()).then(|| format!("This session keeps the place: {}.", kept.join("; ")))
}

/// So many turns at what few may do at a time; who cancels waits for them no longer.
pub(super) async fn turn(
    turns: &Arc<Semaphore>,
    many: u32,
    cancel: &CancellationToken,
) -> Result<OwnedSemaphorePermit, ServiceError> {
    tokio::select! {
        turn = Arc::clone(turns).acquire_many_owned(many) => turn.map_err(|error| ServiceError::Internal(error.to_string())),
        () = cancel.cancelled() => Err(ServiceError::Cancelled(CancelledDuring::Preparing)),
    }
}

/// What is to be said of a graph that may be posted.
///
/// # Errors
/// [`ServiceError::Lint`] with what forbids it.
pub(super) fn sound(mut problems: Vec<Problem>) -> Result<Vec<Problem>, ServiceError> {
    if lint::is_fatal(&problems) {
        problems.retain(|problem| problem.severity == Severity::Fatal);
        return Err(ServiceError::Lint(problems));
    }
    Ok(problems)
}

fn check_numbers(request: &InjectRequest) -> Result<(), ServiceError> {
    if request.target_score.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return Err(ServiceError::usage(
            "`target_score` is not between 0 and 1",
            "Give a score to reach, such as 0.85.",
        ));
    }
    if request.knobs.len() > MOST_KNOBS {
        return Err(ServiceError::usage(
            format!(
                "{} knobs are more than {MOST_KNOBS}; nothing was written",
                request.knobs.len()
            ),
            "Set the inputs that matter for this change.",
        ));
    }
    if request.max_iterations == Some(0) {
        return Err(ServiceError::usage("max_iterations is 0", "Give at least 1."));
    }
    Ok(())
}

/// What is wrong with a graph as it would be run. A negative seed stands for a random one and is replaced before.
pub(super) fn problems(graph: &Graph, roles: &Roles, info: &ObjectInfo) -> Vec<Problem> {
    let mut problems = match random_seed(roles).map(|_| with_seed(graph, roles, 0)) {
        Some(Ok(seeded)) => lint::check(&seeded, info),
        _ => lint::check(graph, info),
    };
    problems.extend(lint::pictures(graph, info));
    problems
}

/// A seed for a workflow whose own says that a random one is meant: a negative number. It is one that all seed inputs take.
pub(super) fn random_seed(roles: &Roles) -> Option<Seed> {
    /// Nodes of which no maximum is known take at least this much.
    const TAKEN: u64 = 1 << 50;
    let places = roles.get(Role::Seed).found();
    let random = places
        .iter()
        .any(|place| place.value.as_f64().is_some_and(|value| value < 0.0));
    random.then(|| Seed(rand::random_range(0..=roles.seed_limit().min(TAKEN))))
}

/// The adults-only guard on what would be generated. A negative prompt names what to avoid, so it
/// is not held against anyone.
fn guard_texts(explicit_rubric: bool, applied: &Applied, edits: &Edits) -> Result<(), Refusal> {
    // Also prompts whose place is still a question: they are rendered as they stand.
    let prompts = applied
        .roles
        .get(Role::Positive)
        .places()
        .iter()
        .filter_map(|p| p.value.as_str());
    let knobs = edits.knobs.values().filter_map(Value::as_str);
    let mut texts: Vec<String> = prompts
        .chain(knobs)
        .chain(edits.positive.as_deref())
        .map(str::to_owned)
        .collect();
    // A number says nothing by itself; one called an age does.
    texts.extend(
        edits
            .knobs
            .iter()
            .filter(|(_, value)| value.is_number())
            .filter_map(|(key, value)| {
                let input = key.rsplit('.').next().unwrap_or(key);
                let says_age = input
                    .split('_')
                    .any(|word| matches!(word, "age" | "years" | "birthyear"));
                says_age.then(|| format!("person aged {value}"))
            }),
    );
    // A description may be spread over several inputs.
    texts.push(texts.join(", "));
    if safety::applies(explicit_rubric, texts.iter().map(String::as_str)) {
        for text in &texts {
            safety::check_text(text)?;
        }
    }
    Ok(())
}

/// The text that stands at a role's place.
pub(super) fn text_at(roles: &Roles, role: Role) -> Option<String> {
    roles
        .get(role)
        .found()
        .first()
        .and_then(|p| p.value.as_str())
        .map(str::to_owned)
}

fn recorded(change: &Change) -> history::Change {
    history::Change {
        node: change.node.to_string(),
        input: change.input.clone(),
        from: change.from.clone(),
        to: change.to.clone(),
    }
}
