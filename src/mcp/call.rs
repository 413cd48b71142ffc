//! A tool call on its way: its arguments, who waits for the answer, and what the user answered already.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::{CallToolRequestParams, CallToolResponse, InputResponses};
use rmcp::service::RequestContext;
use rmcp::task_manager::TaskContext;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::convert::failed;
use super::progress;
use crate::session::{Caller, DEFAULT_WAIT_S, ServiceError};
use text::outgoing;
use types::progress::{Progress, Teller};

/// Longest wait of one call, in seconds. Clients give up on silent calls, and a handle costs nothing.
const MAX_WAIT_S: u32 = 600;

/// Who waits for the answer.
pub enum Waiting {
    /// A client, for the answer to this request.
    Request(Box<RequestContext<RoleServer>>),
    /// A task that a client asks after (SEP-2663).
    Task {
        /// Where the task's state is told.
        task: TaskContext,
        /// When it has to have an answer.
        until: Instant,
        /// Whether its client can ask the user.
        asks: bool,
    },
}

/// A tool call.
pub struct Call {
    /// The tool's arguments.
    pub arguments: Option<Map<String, Value>>,
    /// Who waits for the answer.
    pub waiting: Waiting,
    /// Over which connection the call came.
    pub caller: Caller,
    /// What the user answered since the call was first made (revision 2026-07-28).
    pub responses: InputResponses,
    /// What the client was told to bring back with the answers.
    pub state: Option<String>,
    /// Whether the answer is that the call was cancelled.
    cancelled: Arc<AtomicBool>,
}

impl Call {
    /// A call out of its request.
    pub fn new(request: CallToolRequestParams, waiting: Waiting, caller: Caller) -> Self {
        Self {
            arguments: request.arguments,
            waiting,
            caller,
            responses: request.input_responses.unwrap_or_default(),
            state: request.request_state,
            cancelled: Arc::default(),
        }
    }

    /// Tells whether the answer will have been that the call was cancelled.
    pub fn cancelled(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.cancelled)
    }

    /// An error as the answer.
    pub fn failed(&self, error: &ServiceError) -> CallToolResponse {
        self.cancelled.store(error.is_cancellation(), Ordering::Release);
        failed(error)
    }

    /// Whether a task waits. Its result reaches some clients without pictures.
    pub fn is_task(&self) -> bool {
        matches!(self.waiting, Waiting::Task { .. })
    }

    /// How long to wait before answering with a handle, when `seconds` were asked for.
    pub fn wait(&self, seconds: Option<u32>) -> Duration {
        match &self.waiting {
            Waiting::Request(_) => Duration::from_secs(u64::from(seconds.unwrap_or(DEFAULT_WAIT_S).min(MAX_WAIT_S))),
            // The task is the handle.
            Waiting::Task { until, .. } => until.saturating_duration_since(Instant::now()),
        }
    }

    /// Runs `work` with a teller whose progress goes to who waits, and with the cancellation of who waits.
    pub async fn with_progress<T, F: Future<Output = T>>(
        &self,
        work: impl FnOnce(Teller, CancellationToken) -> F,
    ) -> T {
        let (teller, updates) = Teller::new();
        match &self.waiting {
            Waiting::Request(context) => progress::report(context, updates, work(teller, context.ct.clone())).await,
            Waiting::Task { task, .. } => {
                let cancel = CancellationToken::new();
                let mut work = std::pin::pin!(work(teller, cancel.clone()));
                let watching = async {
                    tokio::join!(tell(task, updates), async {
                        task.cancelled().await;
                        cancel.cancel();
                    });
                };
                tokio::select! {
                    biased;
                    output = &mut work => output,
                    () = watching => work.await,
                }
            }
        }
    }
}

/// Tells a task how far its work is, until there are no more news.
async fn tell(task: &TaskContext, mut updates: watch::Receiver<Progress>) {
    while updates.changed().await.is_ok() {
        let message = updates.borrow_and_update().message.clone();
        if !message.is_empty() {
            task.set_status_message(outgoing(&message));
        }
    }
}
