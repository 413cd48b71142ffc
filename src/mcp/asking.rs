//! Asking the user where a value goes, where the client can (elicitation); never required.
//!
//! Revisions up to 2025-11-25 ask with a request of the server's own, 2026-07-28 with a result that the client answers by
//! calling again, and a task through its state. Whoever does not answer gets the question as the tool's result.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema,
    EnumSchema, InputRequest, InputRequiredResult, PrimitiveSchemaDefinition, ProtocolVersion,
};
use rmcp::service::ElicitationMode;
use serde_json::Value;

use super::call::{Call, Waiting};
use crate::session::Question;
use crate::text::{capitalised, shortened};

/// How long a person may think before the call answers with the question, unless the call itself waits shorter. Below what clients
/// give a call.
const THINKING: Duration = Duration::from_secs(45);

/// How long a task stays open for the answer.
const OPEN: Duration = Duration::from_secs(30 * 60);

/// Candidates that a form shows; whoever wants another one says so in the call.
const SHOWN: usize = 40;

/// The answer's only field.
const FIELD: &str = "place";

/// What came of a question.
pub enum Reply {
    /// The user chose; [`Asker::fill`] knows the place.
    Answered,
    /// The client has to call again with the user's answer.
    CallAgain(Box<InputRequiredResult>),
    /// Nobody can be asked, or nobody answered.
    Unanswered,
    /// The call was cancelled meanwhile.
    Cancelled,
}

/// Asks the questions of one call, each once.
pub struct Asker<'a> {
    call: &'a Call,
    /// Role → place.
    answered: BTreeMap<String, String>,
    asked: BTreeSet<String>,
}

impl<'a> Asker<'a> {
    /// Takes in what was answered before the call was made again. Nothing of it has to be believed: it says no more than
    /// the call's own `place` could.
    pub fn new(call: &'a Call) -> Self {
        let before = call.state.as_deref().and_then(|state| serde_json::from_str(state).ok());
        let mut answered: BTreeMap<String, String> = before.unwrap_or_default();
        let mut asked: BTreeSet<String> = answered.keys().cloned().collect();
        for (role, response) in &call.responses {
            asked.insert(role.clone());
            if let Some(place) = chosen(response) {
                answered.insert(role.clone(), place);
            }
        }
        Self { call, answered, asked }
    }

    /// Adds the places that the user chose to those of the call.
    pub fn fill(&self, places: &mut BTreeMap<String, String>) {
        places.extend(self.answered.clone());
    }

    /// Asks the user, unless they were asked this before; waits for the answer at most `at_most`.
    pub async fn ask(&mut self, question: &Question, at_most: Duration) -> Reply {
        let role = question.role.to_string();
        if !self.asked.insert(role.clone()) {
            return Reply::Unanswered;
        }
        let form = form(question);
        let response = match &self.call.waiting {
            Waiting::Task { asks: false, .. } => None,
            Waiting::Task { task, .. } => {
                let asking = task.request_input(role.clone(), InputRequest::Elicitation(form));
                // A client that never answers must not hold the task for ever.
                match tokio::time::timeout(OPEN.min(at_most), asking).await {
                    Ok(Err(_)) if task.is_cancel_requested() => return Reply::Cancelled,
                    answered => answered.ok().and_then(Result::ok),
                }
            }
            Waiting::Request(context) if !takes_forms(context.client_capabilities().as_ref()) => None,
            Waiting::Request(context) if context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28) => {
                let requests = [(role, InputRequest::Elicitation(form))].into();
                let state = serde_json::to_string(&self.answered).ok();
                return Reply::CallAgain(Box::new(InputRequiredResult::new(Some(requests), state)));
            }
            Waiting::Request(context)
                if context
                    .peer
                    .supported_elicitation_modes()
                    .contains(&ElicitationMode::Form) =>
            {
                let asking = context
                    .peer
                    .create_elicitation_with_timeout(form.params, Some(THINKING.min(at_most)));
                tokio::select! {
                    answer = asking => answer.ok().and_then(|answer| serde_json::to_value(answer).ok()),
                    () = context.ct.cancelled() => return Reply::Cancelled,
                }
            }
            Waiting::Request(_) => None,
        };
        match response.as_ref().and_then(chosen) {
            Some(place) => {
                self.answered.insert(role, place);
                Reply::Answered
            }
            None => Reply::Unanswered,
        }
    }
}

/// Whether a client shows forms. One that names no kind of elicitation means forms.
pub fn takes_forms(capabilities: Option<&ClientCapabilities>) -> bool {
    capabilities
        .and_then(|capabilities| capabilities.elicitation.as_ref())
        .is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

/// The place that a user chose.
fn chosen(response: &Value) -> Option<String> {
    let answer: ElicitResult = serde_json::from_value(response.clone()).ok()?;
    let accepted = answer.action == ElicitationAction::Accept;
    let place = answer.content?.get(FIELD)?.as_str()?.to_owned();
    accepted.then_some(place)
}

fn form(question: &Question) -> ElicitRequest {
    let keys: Vec<String> = question
        .candidates
        .iter()
        .take(SHOWN)
        .map(|place| place.key())
        .collect();
    let mut lines: Vec<String> = question
        .candidates
        .iter()
        .take(SHOWN)
        .map(|place| {
            let value = match &place.value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            format!("{} ({}): {}", place.key(), place.title, shortened(&value, 100))
        })
        .collect();
    if question.candidates.len() > SHOWN {
        let more = question.candidates.len() - SHOWN;
        lines.push(format!(
            "{more} more are not shown: decline, and name the place to the agent."
        ));
    }
    let message = format!(
        "Where in the workflow does the {} go? {}.\n{}",
        role_in_words(&question.role.to_string()),
        capitalised(&question.why),
        lines.join("\n")
    );
    let places = PrimitiveSchemaDefinition::Enum(EnumSchema::builder(keys).untitled().build());
    let fields = BTreeMap::from([(FIELD.to_owned(), places)]);
    let schema = ElicitationSchema::new(fields).with_required(vec![FIELD.to_owned()]);
    ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message,
        requested_schema: schema,
    })
}

/// `positive` and `negative` are names of roles; people say prompt.
fn role_in_words(role: &str) -> String {
    match role {
        "positive" => "prompt".to_owned(),
        "negative" => "negative prompt".to_owned(),
        other => other.to_owned(),
    }
}
