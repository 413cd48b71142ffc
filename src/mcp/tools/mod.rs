//! The four tools: one file each with its parameters, its result and a thin call.

pub mod get_history;
mod inject_prompt;
mod judge_pair;
mod queue_generation;
mod scores;

use rmcp::model::{CallToolResponse, ErrorData, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::resources::{self, Address};
use super::schema;
use crate::session::{Service, ServiceError};
use text::{Foreign, shortened};
use types::SessionId;

/// What a tool promises about itself.
struct Promise {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    read_only: bool,
    idempotent: bool,
    /// Whether it talks to something beside the judge and the history.
    open_world: bool,
}

fn tool<Input: JsonSchema, Output: JsonSchema>(promise: &Promise) -> Tool {
    let annotations = ToolAnnotations::from_raw(
        None,
        Some(promise.read_only),
        Some(false),
        Some(promise.idempotent),
        Some(promise.open_world),
    );
    Tool::new(promise.name, promise.description, schema::input::<Input>())
        .with_title(promise.title)
        .with_raw_output_schema(schema::output::<Output>())
        .with_annotations(annotations)
}

/// A tool whose results the page shows.
fn shown(tool: Tool) -> Tool {
    tool.with_meta(resources::tool_meta())
}

/// What the page must know of a session beside a result: whose pictures these are, and whether to veil them.
async fn view(service: &Service, session: &SessionId, iteration: Option<u32>) -> Result<Value, ServiceError> {
    let opened = service.store().session(session).await?.opened;
    Ok(json!({
        "session": session,
        "iteration": iteration,
        "explicit": opened.rubric.explicit,
        "target_score": opened.target_score,
        "reference": opened.reference.map(|hash| Address::Picture(hash).to_string()),
    }))
}

/// All tools, in the order in which they are used.
pub fn list() -> Vec<Tool> {
    vec![
        inject_prompt::definition(),
        queue_generation::definition(),
        judge_pair::definition(),
        get_history::definition(),
    ]
}

/// Whether a call may take long.
pub fn is_long(tool: &str) -> bool {
    [queue_generation::NAME, judge_pair::NAME].contains(&tool)
}

/// Whether a long tool can read these arguments; else the answer.
pub fn check(tool: &str, arguments: Option<Map<String, Value>>) -> Result<(), Box<CallToolResponse>> {
    match tool {
        queue_generation::NAME => queue_generation::check(arguments),
        judge_pair::NAME => judge_pair::check(arguments),
        _ => Ok(()),
    }
}

/// Calls a tool.
///
/// # Errors
/// -32602 for a tool that there is not, as the protocol has it; whatever else fails is a result.
pub async fn call(service: &Service, tool: &str, call: Call) -> Result<CallToolResponse, ErrorData> {
    Ok(match tool {
        inject_prompt::NAME => inject_prompt::call(service, call).await,
        queue_generation::NAME => queue_generation::call(service, call).await,
        judge_pair::NAME => judge_pair::call(service, call).await,
        get_history::NAME => get_history::call(service, call).await,
        other => {
            let told = format!(
                "there is no tool {}. The tools are inject_prompt, queue_generation, judge_pair and get_history",
                Foreign(&shortened(other, 80))
            );
            return Err(ErrorData::invalid_params(told, None));
        }
    })
}
