//! Tool calls as tasks (SEP-2663): the call answers at once, and the client asks after the task when it likes.
//!
//! Only what takes long becomes a task, and only for clients that declare the extension; all others wait in the call. What a
//! task finished is in the history too, as ever: a task that is forgotten loses nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CreateTaskResult, ErrorData, GetTaskParams,
    GetTaskResult, ProtocolVersion, UpdateTaskParams,
};
use rmcp::service::RequestContext;
use rmcp::task_manager::{TaskExit, TaskManager, TaskOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::asking::takes_forms;
use super::call::{Call, Waiting};
use super::convert::failed;
use super::panic_guard::catch;
use super::tools;
use crate::session::{Caller, Service};
use text::shortened;

/// How long a task may take, and how long its result is kept.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);

/// How long before that a task answers that its work goes on without it.
const HAND_OVER: Duration = Duration::from_secs(5 * 60);

/// How often a client had better ask, in milliseconds.
const POLL_MS: u64 = 1_000;

/// Tasks that are there at once, running or kept, over all clients. A call beyond them waits for its answer as without tasks.
const MOST: usize = 256;

/// Bytes of an id that is looked up; ours have 36.
const LONGEST_ID: usize = 100;

/// The tasks of all clients.
#[derive(Clone)]
pub struct Tasks {
    manager: TaskManager,
    room: Arc<Semaphore>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            manager: TaskManager::new(),
            room: Arc::new(Semaphore::new(MOST)),
        }
    }
}

impl Tasks {
    /// A place for a task, if this call becomes one. Some clients declare the extension in a session of an older revision as well,
    /// and do not know a task there when they see one. Arguments that cannot be read are no work.
    pub fn place(
        &self,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<OwnedSemaphorePermit> {
        let wanted = tools::is_long(&request.name)
            && context.protocol_version() >= Some(ProtocolVersion::V_2026_07_28)
            && context.client_capabilities().is_some_and(|able| able.supports_tasks())
            && tools::check(&request.name, request.arguments.clone()).is_ok();
        wanted
            .then(|| Arc::clone(&self.room).try_acquire_owned().ok())
            .flatten()
    }

    /// Begins a call as a task in that place.
    pub fn begin(
        &self,
        place: OwnedSemaphorePermit,
        service: &Service,
        caller: Caller,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let asks = takes_forms(context.client_capabilities().as_ref());
        let service = service.clone();
        let until = Instant::now() + KEPT - HAND_OVER;
        let options = TaskOptions::new()
            .with_ttl_ms(u64::try_from(KEPT.as_millis()).ok())
            .with_poll_interval_ms(POLL_MS);
        let task = self.manager.spawn(options, move |task| {
            Box::pin(async move {
                // Whatever ends this, the result is kept for as long again.
                let _kept = Kept(Some(place));
                let tool = request.name.to_string();
                let waiting = Waiting::Task {
                    task: task.clone(),
                    until,
                    asks,
                };
                let call = Call::new(request, waiting, caller);
                let cancelled = call.cancelled();
                let answered = catch(&format!("The tool {tool}"), tools::call(&service, &tool, call)).await;
                let response = answered.unwrap_or_else(|panicked| Ok(failed(&panicked)));
                // What was told last was on the way.
                let stopped = cancelled.load(Ordering::Acquire);
                task.set_status_message(if stopped { "cancelled" } else { "done" });
                match response {
                    _ if stopped => Err(TaskExit::Cancelled),
                    Ok(CallToolResponse::Complete(result)) => Ok(result),
                    Err(error) => Err(error.into()),
                    Ok(_) => {
                        Err(ErrorData::internal_error("a task gave no result; look into the history", None).into())
                    }
                }
            })
        });
        CreateTaskResult::new(task).into()
    }

    /// How far a task is, or its result.
    ///
    /// # Errors
    /// -32602 for a task that is not known, or not any more.
    pub fn get(&self, request: &GetTaskParams) -> Result<GetTaskResult, ErrorData> {
        known(&request.task_id)?;
        self.manager.get_task(&request.task_id).map(GetTaskResult::new)
    }

    /// Hands a task what its user answered.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn update(&self, request: UpdateTaskParams) -> Result<(), ErrorData> {
        known(&request.task_id)?;
        self.manager.update_task(&request.task_id, request.input_responses)
    }

    /// Cancels a task's work.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn cancel(&self, request: &CancelTaskParams) -> Result<(), ErrorData> {
        known(&request.task_id)?;
        self.manager.cancel_task(&request.task_id)
    }
}

/// Refuses what cannot be a task's id, which the answer would repeat in full.
fn known(id: &str) -> Result<(), ErrorData> {
    if id.len() <= LONGEST_ID {
        return Ok(());
    }
    let told = format!("there is no task {:?}", shortened(id, LONGEST_ID));
    Err(ErrorData::invalid_params(told, None))
}

/// Gives a task's place back when its result is forgotten.
struct Kept(Option<OwnedSemaphorePermit>);

impl Drop for Kept {
    fn drop(&mut self) {
        let place = self.0.take();
        // At the end of the program there is nothing left to count.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(KEPT).await;
                drop(place);
            });
        }
    }
}
