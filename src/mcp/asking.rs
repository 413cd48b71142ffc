//! Asking the user where a value goes, where the client can (elicitation); never required.
//!
//! Revisions up to 2025-11-25 ask with a request of the server's own, 2026-07-28 with a result that the client answers by
//! calling again, and a task through its state. Whoever does not answer gets the question as the tool's result.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{
    CancelledNotificationParam, ClientCapabilities, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationSchema, EnumSchema, InputRequest, InputRequiredResult, LegacyEnumSchema,
    PrimitiveSchemaDefinition, ProtocolVersion, ServerRequest,
};
use rmcp::service::{ElicitationMode, PeerRequestOptions, RequestContext};
use serde_json::Value;

use super::call::{Call, Waiting};
use crate::session::Question;
use text::{Foreign, capitalised, outgoing, shortened};

/// How long a person may think before the call answers with the question, unless the call itself waits shorter. Below what clients
/// give a call.
const THINKING: Duration = Duration::from_secs(45);

/// How long a task stays open for the answer.
const OPEN: Duration = Duration::from_secs(30 * 60);

/// Candidates that are shown; whoever wants another one says so in the call.
pub const SHOWN: usize = 40;

/// The answer's only field.
const FIELD: &str = "place";

/// What came of a question.
pub enum Reply {
    /// The user chose; [`Asker::fill`] knows the place.
    Answered,
    /// The client has to call again with the user's answer.
    CallAgain(Box<InputRequiredResult>),
    /// There is no answer, and why.
    Unanswered(Silence),
    /// The call was cancelled meanwhile.
    Cancelled,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The client shows no forms.
    NobodyAsked,
    /// The user declined to say.
    Declined,
    /// The user closed the form.
    Closed,
    /// The user did not answer in time, or the client in no way that can be read.
    NoAnswer,
}

impl Silence {
    /// What an agent should know of it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NobodyAsked => "",
            Self::Declined => " The user was asked and declined to say: do not choose for them, ask in words.",
            Self::Closed => " The user was asked and closed the form: ask in words.",
            Self::NoAnswer => " The user was asked and gave no answer in time: ask in words.",
        }
    }
}

/// Asks the questions of one call, each once.
pub struct Asker<'a> {
    call: &'a Call,
    /// Role → place.
    answered: BTreeMap<String, String>,
    /// Roles that were asked for, with what came of it.
    asked: BTreeMap<String, Silence>,
}

impl<'a> Asker<'a> {
    /// Takes in what was answered before the call was made again. Nothing of it has to be believed: it says no more than
    /// the call's own `place` could.
    pub fn new(call: &'a Call) -> Self {
        let before = call.state.as_deref().and_then(|state| serde_json::from_str(state).ok());
        let mut answered: BTreeMap<String, String> = before.unwrap_or_default();
        let mut asked: BTreeMap<String, Silence> =
            answered.keys().map(|role| (role.clone(), Silence::NoAnswer)).collect();
        for (role, response) in &call.responses {
            let chosen = chosen(response);
            asked.insert(role.clone(), chosen.clone().err().unwrap_or(Silence::NoAnswer));
            if let Ok(place) = chosen {
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
        let role = question.about.to_string();
        if let Some(silence) = self.asked.get(&role) {
            return Reply::Unanswered(*silence);
        }
        self.asked.insert(role.clone(), Silence::NoAnswer);
        let several = match &self.call.waiting {
            Waiting::Request(context) => context.protocol_version() >= Some(ProtocolVersion::V_2025_11_25),
            Waiting::Task { .. } => false,
        };
        let form = form(question, question.several && several);
        let response = match &self.call.waiting {
            Waiting::Task { asks: false, .. } => return Reply::Unanswered(Silence::NobodyAsked),
            Waiting::Task { task, .. } => {
                let asking = task.request_input(role.clone(), InputRequest::Elicitation(form));
                // A client that never answers must not hold the task for ever.
                match tokio::time::timeout(OPEN.min(at_most), asking).await {
                    Ok(Err(_)) if task.is_cancel_requested() => return Reply::Cancelled,
                    answered => answered.ok().and_then(Result::ok),
                }
            }
            Waiting::Request(context) if !takes_forms(context.client_capabilities().as_ref()) => {
                return Reply::Unanswered(Silence::NobodyAsked);
            }
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
                match answered(context, form, THINKING.min(at_most)).await {
                    Ok(answer) => answer,
                    Err(Cancelled) => return Reply::Cancelled,
                }
            }
            Waiting::Request(_) => return Reply::Unanswered(Silence::NobodyAsked),
        };
        match response.as_ref().map_or(Err(Silence::NoAnswer), chosen) {
            Ok(place) => {
                self.answered.insert(role, place);
                Reply::Answered
            }
            Err(silence) => Reply::Unanswered(silence),
        }
    }
}

/// The call was cancelled while its user was asked.
struct Cancelled;

/// Asks by a request of the server's own; nothing when no answer came in time.
async fn answered(
    context: &RequestContext<RoleServer>,
    form: ElicitRequest,
    at_most: Duration,
) -> Result<Option<Value>, Cancelled> {
    let options = PeerRequestOptions::with_timeout(at_most);
    let asking = context
        .peer
        .send_cancellable_request(ServerRequest::ElicitRequest(form), options);
    let Ok(asked) = asking.await else {
        return Ok(None);
    };
    let id = asked.id.clone();
    tokio::select! {
        answer = asked.await_response() => Ok(match answer {
            Ok(ClientResult::ElicitResult(answer)) => serde_json::to_value(answer).ok(),
            _ => None,
        }),
        () = context.ct.cancelled() => {
            // The form would stay on the screen.
            let withdrawn = CancelledNotificationParam::new(Some(id), Some("the call was cancelled".to_owned()));
            if let Err(error) = context.peer.notify_cancelled(withdrawn).await {
                tracing::debug!(%error, "a question could not be withdrawn");
            }
            Err(Cancelled)
        }
    }
}

/// Whether a client shows forms. One that names no kind of elicitation means forms.
pub fn takes_forms(capabilities: Option<&ClientCapabilities>) -> bool {
    capabilities
        .and_then(|capabilities| capabilities.elicitation.as_ref())
        .is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none())
}

/// The place that a user chose, or why there is none.
fn chosen(response: &Value) -> Result<String, Silence> {
    let answer: ElicitResult = serde_json::from_value(response.clone()).map_err(|_| Silence::NoAnswer)?;
    match answer.action {
        ElicitationAction::Accept => {
            let content = answer.content.unwrap_or_default();
            let several = |places: &Vec<Value>| -> Option<String> {
                let places: Option<Vec<&str>> = places.iter().map(Value::as_str).collect();
                places
                    .filter(|places| !places.is_empty())
                    .map(|places| places.join(","))
            };
            match &content[FIELD] {
                Value::String(place) => Ok(place.clone()),
                Value::Array(places) => several(places).ok_or(Silence::NoAnswer),
                _ => Err(Silence::NoAnswer),
            }
        }
        ElicitationAction::Decline => Err(Silence::Declined),
        _ => Err(Silence::Closed),
    }
}

/// The places with what stands there, one of them or `several`.
fn choices(question: &Question, several: bool) -> EnumSchema {
    let shown = question.candidates.iter().take(SHOWN);
    let (keys, titles): (Vec<String>, Vec<String>) = shown
        .map(|candidate| {
            let holds = match &candidate.value {
                Some(Value::String(text)) => format!(": {}", shortened(text, 60)),
                Some(other) => format!(": {}", shortened(&other.to_string(), 60)),
                None => String::new(),
            };
            let title = format!("{} ({}){holds}", candidate.key, shortened(&candidate.title, 60));
            (candidate.key.clone(), outgoing(&title))
        })
        .unzip();
    if several {
        let all = EnumSchema::builder(keys.clone()).multiselect();
        // Titles are refused only where there are not as many.
        return match all.enum_titles(titles) {
            Ok(titled) => titled.build(),
            Err(_) => EnumSchema::builder(keys).multiselect().build(),
        };
    }
    // Names beside the values are what clients of every revision read.
    let mut one = LegacyEnumSchema::new(keys);
    one.enum_names = Some(titles);
    EnumSchema::Legacy(one)
}

fn form(question: &Question, several: bool) -> ElicitRequest {
    let shown = || question.candidates.iter().take(SHOWN);
    let mut lines: Vec<String> = shown()
        .map(|candidate| {
            let value = match &candidate.value {
                Some(Value::String(text)) => format!(": {}", Foreign(&shortened(text, 100))),
                Some(other) => format!(": {}", Foreign(&shortened(&other.to_string(), 100))),
                None => String::new(),
            };
            format!("{} ({:#}){value}", candidate.key, Foreign(&candidate.title))
        })
        .collect();
    if question.candidates.len() > SHOWN {
        let more = question.candidates.len() - SHOWN;
        lines.push(format!("{more} more are not shown: decline, and name it to the agent."));
    }
    let message = format!(
        "{} {}.\n{}",
        question.about.in_words(),
        capitalised(&question.why),
        lines.join("\n")
    );
    let places = PrimitiveSchemaDefinition::Enum(choices(question, several));
    let fields = BTreeMap::from([(FIELD.to_owned(), places)]);
    let schema = ElicitationSchema::new(fields).with_required(vec![FIELD.to_owned()]);
    ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: outgoing(&message),
        requested_schema: schema,
    })
}
