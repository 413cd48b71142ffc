//! Tool calls as tasks (SEP-2663): the call answers at once, and the client asks after the task when it likes.
//!
//! Only what takes long becomes a task, and only for clients that declare the extension; all others wait in the call. What a
//! task finished is in the history too, as ever: a task that is forgotten loses nothing.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CreateTaskResult, ErrorData, ProtocolVersion};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskExit, TaskManager, TaskOptions};

use super::asking::takes_forms;
use super::call::{Call, Waiting};
use super::convert::failure;
use super::panic_guard::catch;
use super::tools;
use crate::session::Service;

/// How long a task may run, and how long its result is kept. Work that takes longer goes on without it.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// How often a client had better ask, in milliseconds.
const POLL_MS: u64 = 1_000;

/// Tasks that run at once, over all clients.
const MAX_RUNNING: usize = 64;

/// Whether this call becomes a task: some clients declare the extension in a session of an older revision as well, and do not know
/// a task there when they see one.
pub fn wanted(request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> bool {
    [tools::QUEUE_GENERATION, tools::JUDGE_PAIR].contains(&request.name.as_ref())
        && context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28)
        && context.client_capabilities().is_some_and(|able| able.supports_tasks())
}

/// Begins a call as a task.
pub fn begin(
    tasks: &TaskManager,
    service: &Service,
    request: CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> CallToolResponse {
    if tasks.running_task_count() >= MAX_RUNNING {
        return failure(
            &format!("the server is busy: {MAX_RUNNING} tasks run already; this one was not begun"),
            "Wait for one of them to end, then call again.",
        );
    }
    let asks = takes_forms(context.client_capabilities().as_ref());
    let service = service.clone();
    let options = TaskOptions::new()
        .with_ttl_ms(u64::try_from(KEPT.as_millis()).ok())
        .with_poll_interval_ms(POLL_MS);
    let task = tasks.spawn(options, move |task| {
        Box::pin(async move {
            let tool = request.name.to_string();
            let waiting = Waiting::Task {
                task: task.clone(),
                at_most: KEPT,
                asks,
            };
            let answered = catch(&format!("The tool {tool}"), async {
                tools::call(&service, &tool, Call::new(request, waiting)).await
            })
            .await;
            let response = answered.unwrap_or_else(|panicked| failure(&panicked.to_string(), &panicked.hint()));
            match response {
                CallToolResponse::Complete(result) if result.is_error == Some(true) && task.is_cancel_requested() => {
                    Err(TaskExit::Cancelled)
                }
                CallToolResponse::Complete(result) => Ok(result),
                _ => Err(ErrorData::internal_error("a task gave no result; look into the history", None).into()),
            }
        })
    });
    CreateTaskResult::new(task).into()
}
