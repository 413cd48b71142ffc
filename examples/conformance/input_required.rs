//! Tools of the newest revision that ask: they answer with questions, and the client calls again with its answers.

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ContentBlock, ErrorData, InputRequest, InputRequests,
    InputRequiredResult, InputResponses, SealOptions, Tool,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::tools::{said, tool};
use super::{Answer, Context, Shared, broken};

/// How long a client may think about its answers.
const STATE_LIFETIME: Duration = Duration::from_secs(600);

const STATE: &str = "test_input_required_result_request_state";
const TAMPERED: &str = "test_input_required_result_tampered_state";

/// Where a tool with several rounds stands. The client carries it, signed; the server keeps nothing.
#[derive(Serialize, Deserialize)]
enum Step {
    Asked,
    Named(String),
}

pub fn list() -> Vec<Tool> {
    [
        ("test_input_required_result_elicitation", "Asks for a name"),
        ("test_input_required_result_sampling", "Asks the client's model"),
        ("test_input_required_result_list_roots", "Asks for the client's folders"),
        (STATE, "Asks, and recognises its own question"),
        (TAMPERED, "Asks, and refuses a question that is not its own"),
        (
            "test_input_required_result_multiple_inputs",
            "Asks three things at once",
        ),
        ("test_input_required_result_multi_round", "Asks twice"),
        (
            "test_input_required_result_capabilities",
            "Asks what the client can answer",
        ),
        ("test_streaming_elicitation", "Asks for a name"),
        (
            "test_missing_capability",
            "Asks the client's model, and nothing else will do",
        ),
    ]
    .map(|(name, description)| tool(name, description, json!({"type": "object"})))
    .to_vec()
}

/// A form with one field.
pub fn form(message: &str, field: &str, kind: &str) -> Value {
    json!({"method": "elicitation/create", "params": {
        "mode": "form",
        "message": message,
        "requestedSchema": {"type": "object", "properties": {field: {"type": kind}}, "required": [field]},
    }})
}

fn sampling(text: &str) -> Value {
    json!({"method": "sampling/createMessage", "params": {
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
        "maxTokens": 100,
    }})
}

fn roots() -> Value {
    json!({"method": "roots/list", "params": {}})
}

/// Asks those of `questions` that the client said it can answer; an error where that is none of them.
pub fn ask<'a>(
    context: &Context,
    questions: impl IntoIterator<Item = (&'a str, Value)>,
    state: Option<String>,
) -> Result<InputRequiredResult, ErrorData> {
    let declared = context.client_capabilities().unwrap_or_default();
    let mut asked = InputRequests::new();
    let mut needed = ClientCapabilities::default();
    for (name, question) in questions {
        let question: InputRequest = serde_json::from_value(question).map_err(broken)?;
        let can_answer = match question {
            InputRequest::Elicitation(_) => {
                needed.elicitation = Some(Default::default());
                declared.elicitation.is_some()
            }
            InputRequest::CreateMessage(_) => {
                needed.sampling = Some(Default::default());
                declared.sampling.is_some()
            }
            _ => {
                needed.roots = Some(Default::default());
                declared.roots.is_some()
            }
        };
        if can_answer {
            asked.insert(name.to_owned(), question);
        }
    }
    if asked.is_empty() {
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    Ok(InputRequiredResult::new(Some(asked), state))
}

/// What was filled into a form.
pub fn accepted<'a>(answers: Option<&'a InputResponses>, name: &str, field: &str) -> Option<&'a Value> {
    let answer = answers?.get(name)?;
    (answer["action"] == "accept")
        .then(|| answer["content"].get(field))
        .flatten()
}

fn sampled<'a>(answers: Option<&'a InputResponses>, name: &str) -> Option<&'a str> {
    answers?.get(name)?["content"]["text"].as_str()
}

fn listed<'a>(answers: Option<&'a InputResponses>, name: &str) -> Option<Vec<&'a str>> {
    let roots = answers?.get(name)?["roots"].as_array()?;
    roots.iter().map(|root| root["uri"].as_str()).collect()
}

fn sealed(shared: &Shared, tool: &str, step: &Step) -> Result<Option<String>, ErrorData> {
    // Bound to the tool, so that another one does not take it for its own.
    let options = SealOptions::new().associated_data(tool.as_bytes()).ttl(STATE_LIFETIME);
    shared.states.seal_json_with(step, &options).map(Some).map_err(broken)
}

fn opened(shared: &Shared, request: &CallToolRequestParams) -> Result<Option<Step>, ErrorData> {
    let Some(state) = &request.request_state else {
        return Ok(None);
    };
    let step = shared.states.open_json_with(state, request.name.as_bytes());
    step.map(Some)
        .map_err(|error| ErrorData::invalid_params(error.to_string(), None))
}

/// Calls one of these tools; nothing where the tool is another.
pub async fn call(shared: &Shared, request: &CallToolRequestParams, context: &Context) -> Option<Answer> {
    let answers = request.input_responses.as_ref();
    let tool = request.name.as_ref();
    let name = form("What is your name?", "name", "string");
    Some(match tool {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => {
            match accepted(answers, "user_name", "name").and_then(Value::as_str) {
                Some(name) => said(format!("Hello, {name}!")),
                None => ask(context, [("user_name", name)], None).map(Into::into),
            }
        }
        "test_input_required_result_sampling" | "test_missing_capability" => {
            match sampled(answers, "capital_question") {
                Some(capital) => said(capital),
                None => {
                    let question = sampling("What is the capital of France?");
                    ask(context, [("capital_question", question)], None).map(Into::into)
                }
            }
        }
        "test_input_required_result_list_roots" => match listed(answers, "client_roots") {
            Some(roots) => said(roots.join(", ")),
            None => ask(context, [("client_roots", roots())], None).map(Into::into),
        },
        STATE | TAMPERED => confirm(shared, request, context),
        "test_input_required_result_multiple_inputs" => three(shared, request, context),
        "test_input_required_result_multi_round" => rounds(shared, request, context),
        "test_input_required_result_capabilities" => {
            match (accepted(answers, "user_name", "name"), sampled(answers, "greeting")) {
                (None, None) => {
                    let questions = [("user_name", name), ("greeting", sampling("Greet somebody."))];
                    ask(context, questions, None).map(Into::into)
                }
                answered => said(format!("{answered:?}")),
            }
        }
        _ => return None,
    })
}

fn confirm(shared: &Shared, request: &CallToolRequestParams, context: &Context) -> Answer {
    let confirmed = accepted(request.input_responses.as_ref(), "confirm", "ok");
    match (opened(shared, request)?, confirmed) {
        (Some(Step::Asked), Some(_)) => said("state-ok"),
        _ => {
            let question = form("Is that all right?", "ok", "boolean");
            let state = sealed(shared, &request.name, &Step::Asked)?;
            Ok(ask(context, [("confirm", question)], state)?.into())
        }
    }
}

fn three(shared: &Shared, request: &CallToolRequestParams, context: &Context) -> Answer {
    let answers = request.input_responses.as_ref();
    let answered = (
        opened(shared, request)?,
        accepted(answers, "user_name", "name"),
        sampled(answers, "greeting"),
        listed(answers, "client_roots"),
    );
    if let (Some(Step::Asked), Some(name), Some(greeting), Some(roots)) = answered {
        let texts = [greeting, &name.to_string(), &roots.join(", ")].map(ContentBlock::text);
        return Ok(CallToolResult::success(texts.to_vec()).into());
    }
    let questions = [
        ("user_name", form("What is your name?", "name", "string")),
        ("greeting", sampling("Greet somebody.")),
        ("client_roots", roots()),
    ];
    let state = sealed(shared, &request.name, &Step::Asked)?;
    Ok(ask(context, questions, state)?.into())
}

fn rounds(shared: &Shared, request: &CallToolRequestParams, context: &Context) -> Answer {
    let answers = request.input_responses.as_ref();
    let answered = (
        opened(shared, request)?,
        accepted(answers, "step1", "name").and_then(Value::as_str),
        accepted(answers, "step2", "color").and_then(Value::as_str),
    );
    let (key, question, step) = match answered {
        (Some(Step::Named(name)), _, Some(color)) => return said(format!("{name} likes {color}.")),
        (Some(Step::Named(name)), _, None) => ("step2", form("And a colour?", "color", "string"), Step::Named(name)),
        (Some(Step::Asked), Some(name), _) => {
            let question = form("And a colour?", "color", "string");
            ("step2", question, Step::Named(name.to_owned()))
        }
        _ => ("step1", form("What is your name?", "name", "string"), Step::Asked),
    };
    let state = sealed(shared, &request.name, &step)?;
    Ok(ask(context, [(key, question)], state)?.into())
}
