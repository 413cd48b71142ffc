//! The four tools: one file each with its parameters, its result and a thin call.

mod get_history;
mod inject_prompt;
mod judge_pair;
mod queue_generation;
mod scores;

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, Tool, ToolAnnotations};
use rmcp::service::RequestContext;
use schemars::JsonSchema;
use tokio_util::sync::CancellationToken;

use super::convert::failure;
use super::{progress, schema};
use crate::progress::Teller;
use crate::session::{DEFAULT_WAIT_S, Service};

/// Longest wait of one call, in seconds. Clients give up on silent calls, and a handle costs
/// nothing.
const MAX_WAIT_S: u32 = 600;

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

/// All tools, in the order in which they are used.
pub fn list() -> Vec<Tool> {
    vec![
        inject_prompt::definition(),
        queue_generation::definition(),
        judge_pair::definition(),
        get_history::definition(),
    ]
}

/// Calls a tool.
pub async fn call(
    service: &Service,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> CallToolResponse {
    let given = request.arguments;
    match request.name.as_ref() {
        inject_prompt::NAME => inject_prompt::call(service, given).await,
        queue_generation::NAME => queue_generation::call(service, given, &context).await,
        judge_pair::NAME => judge_pair::call(service, given, &context).await,
        get_history::NAME => get_history::call(service, given).await,
        other => failure(
            &format!("there is no tool \"{other}\""),
            "The tools are inject_prompt, queue_generation, judge_pair and get_history.",
        ),
    }
}

/// Runs `work` with a teller whose progress goes to the client, and with the request's
/// cancellation.
async fn with_progress<T, F: Future<Output = T>>(
    context: &RequestContext<RoleServer>,
    work: impl FnOnce(Teller, CancellationToken) -> F,
) -> T {
    let (teller, updates) = Teller::new();
    progress::report(context, updates, work(teller, context.ct.clone())).await
}

fn wait(seconds: Option<u32>) -> Duration {
    Duration::from_secs(u64::from(seconds.unwrap_or(DEFAULT_WAIT_S).min(MAX_WAIT_S)))
}
