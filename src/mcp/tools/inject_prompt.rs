//! `inject_prompt`.

use std::collections::BTreeMap;
use std::time::Instant;

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{Promise, tool};
use crate::mcp::asking::{Asker, Reply, SHOWN, Silence};
use crate::mcp::call::Call;
use crate::mcp::convert::{Beside, arguments, success};
use crate::session::{
    CancelledDuring, Candidate, Draft, InjectRequest, Injected, Planned, Question, Service, ServiceError,
};
use text::secrets;
use text::{Foreign, capitalised, shortened};
use types::Seed;
use types::progress::Teller;

pub const NAME: &str = "inject_prompt";

pub fn definition() -> Tool {
    tool::<Input, Output>(&Promise {
        name: NAME,
        title: "Write a prompt into the workflow",
        description: "Write prompt, seed and any node input (knobs) into a ComfyUI workflow, as a draft iteration. \
                      Without `session` it opens one from `workflow`. If the place is not unique it asks: call again with `place`.",
        read_only: false,
        idempotent: false,
        open_world: true,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Session to go on with
    session: Option<String>,
    /// New session: API-format JSON or PNG saved by ComfyUI (path), or "last" for ComfyUI's newest run
    workflow: Option<String>,
    /// Reference picture (path)
    reference: Option<String>,
    positive: Option<String>,
    negative: Option<String>,
    seed: Option<u64>,
    /// "node.input" (node: id, title or class) or role ("steps"): value. Pictures: path or "@reference"
    #[serde(default)]
    knobs: Map<String, Value>,
    /// Iteration to start from; default the best so far, 0 = the workflow as it was
    parent: Option<u32>,
    /// Why, in your words; kept in the history
    note: Option<String>,
    /// Role: "node.input", the answer to a question
    #[serde(default)]
    place: BTreeMap<String, String>,
    /// New session: "default", "explicit" or a TOML path
    rubric: Option<String>,
    /// Overall score to reach, 0-1
    target_score: Option<f64>,
    max_iterations: Option<u32>,
    /// Session's name
    title: Option<String>,
}

impl From<Input> for InjectRequest {
    fn from(input: Input) -> Self {
        Self {
            session: input.session,
            workflow: input.workflow,
            reference: input.reference,
            title: input.title,
            rubric: input.rubric,
            target_score: input.target_score,
            max_iterations: input.max_iterations,
            parent: input.parent,
            positive: input.positive,
            negative: input.negative,
            seed: input.seed.map(Seed),
            knobs: input.knobs,
            place: input.place,
            note: input.note,
            planned: Planned::default(),
        }
    }
}

/// One input that was written. What was in it may be of any type, which strict clients do not like to read in a schema.
#[derive(Serialize)]
struct ChangeOut {
    place: String,
    title: String,
    from: Value,
    to: Value,
}

/// A question: where does a role's value go?
#[derive(Serialize, JsonSchema)]
pub struct QuestionOut {
    role: String,
    /// Place: the node's title and what stands there.
    candidates: BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Map<String, Value>>")]
    changes: Vec<ChangeOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<QuestionOut>,
}

pub async fn call(service: &Service, call: Call) -> CallToolResponse {
    let input: Input = match arguments(NAME, call.arguments.clone()) {
        Ok(input) => input,
        Err(answer) => return *answer,
    };
    let mut request = InjectRequest::from(input);
    let until = Instant::now() + call.wait(None);
    let mut asker = Asker::new(&call);
    let work = async |_: Teller, cancel: CancellationToken| {
        loop {
            asker.fill(&mut request.place);
            let question = match service.inject(request.clone(), &cancel).await {
                Ok(Injected::Draft(draft)) => return success(&drafted(&draft), Beside::default()),
                Ok(Injected::Question(question)) => question,
                Err(error) => return call.failed(&error),
            };
            match asker
                .ask(&question, until.saturating_duration_since(Instant::now()))
                .await
            {
                Reply::Answered => {}
                Reply::CallAgain(result) => return (*result).into(),
                Reply::Unanswered(silence) => return success(&asked(question, silence), Beside::default()),
                Reply::Cancelled => return call.failed(&ServiceError::Cancelled(CancelledDuring::Preparing)),
            }
        }
    };
    call.with_progress(work).await
}

/// Longer texts are shortened in the echo of a change; the agent wrote them itself.
const ECHO: usize = 120;

fn drafted(draft: &Draft) -> Output {
    let written: Vec<String> = draft
        .changes
        .iter()
        .map(|c| format!("{}.{}", c.node, c.input))
        .collect();
    let summary = format!(
        "Draft iteration {} of session {}{}: {}. Run it with queue_generation (session, iteration).",
        draft.n,
        draft.session.id,
        draft
            .parent
            .map(|p| format!(", from iteration {p}"))
            .unwrap_or_default(),
        if written.is_empty() {
            "nothing was written into it".to_owned()
        } else {
            format!("wrote {}", written.join(", "))
        },
    );
    Output {
        summary,
        session: Some(draft.session.id.to_string()),
        iteration: Some(draft.n.get()),
        parent: draft.parent.map(|p| p.get()),
        changes: draft
            .changes
            .iter()
            .map(|c| ChangeOut {
                place: format!("{}.{}", c.node, c.input),
                title: c.title.clone(),
                from: echo(&secrets::masked_input(&c.input, &c.from)),
                to: echo(&secrets::masked_input(&c.input, &c.to)),
            })
            .collect(),
        notes: draft.notes.clone(),
        question: None,
    }
}

fn echo(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(shortened(text, ECHO)),
        other => other.clone(),
    }
}

fn asked(question: Question, silence: Silence) -> Output {
    let summary = asking(&question, silence);
    Output {
        summary,
        session: None,
        iteration: None,
        parent: None,
        changes: Vec::new(),
        notes: Vec::new(),
        question: Some(question.into()),
    }
}

/// The question in words.
pub fn asking(question: &Question, silence: Silence) -> String {
    let shown = question.candidates.iter().take(SHOWN);
    let mut candidates: Vec<String> = shown.map(|candidate| candidate.key.clone()).collect();
    if question.candidates.len() > SHOWN {
        candidates.push(format!("and {} more", question.candidates.len() - SHOWN));
    }
    let several = if question.several { "; several with commas" } else { "" };
    format!(
        "{asks} {why}. Nothing was written.{asked} Make the same call again with place: {{\"{about}\": \"{answer}\"}} added \
         (candidates: {all}{several}).",
        asks = question.about.in_words(),
        about = question.about,
        answer = question.about.answer(),
        why = capitalised(&question.why),
        asked = silence.in_words(),
        all = candidates.join(", "),
    )
}

impl From<Question> for QuestionOut {
    fn from(question: Question) -> Self {
        let answer = |candidate: Candidate| {
            let holds = match candidate.value {
                Some(value) => format!("{:#}: {}", Foreign(&candidate.title), echo(&value)),
                None => format!("{:#}", Foreign(&candidate.title)),
            };
            (candidate.key, holds)
        };
        Self {
            role: question.about.to_string(),
            candidates: question.candidates.into_iter().take(SHOWN).map(answer).collect(),
        }
    }
}
