//! Every request gets an answer: a handler that panics becomes an error, and too many at once become "busy".
//!
//! rmcp runs each request in a task of its own; when that task panics, nothing is ever sent and the client waits for ever.

use std::any::Any;
use std::borrow::Cow;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams, CancelledNotificationParam,
    CompleteRequestParams, CompleteResult, ContentBlock, CustomNotification, CustomRequest, CustomResult,
    DiscoverResult, ErrorCode, ErrorData, GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams,
    GetSkillResult, GetTaskParams, GetTaskResult, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ProtocolVersion, ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult,
    ReadResourceRequestParams, ReadResourceResponse, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams, UpdateTaskParams,
};
#[allow(deprecated)] // logging is deprecated in rmcp but still asked for by clients
use rmcp::model::{SetLevelRequestMethod, SetLevelRequestParams};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use text::bounded::Size;
use text::shortened;
use types::hint;

/// How many tool calls and resource reads run at once, over all clients of a server.
pub const MAX_RUNNING: usize = 32;

/// How many more may wait for their turn before the server says that it is busy.
pub const MAX_WAITING: usize = 128;

/// What large calls that run or wait may take in memory, in KiB. A call takes as much again while it is worked on, or more.
const LARGE_CALLS: u32 = 16 << 10;

/// Calls that take less than this, in bytes, need no room of it: nearly all do, and none of them is kept out by large ones.
const SMALL_CALL: usize = 64 * 1024;

/// A future panicked. Nothing else is affected, but what the future was doing is undone only as far as it had cared for that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} failed inside the server (panic: {message})")]
pub struct Panicked {
    /// What was running, as a client would name it.
    pub what: String,
    /// What the panic said.
    pub message: String,
}

impl Panicked {
    /// What to do next.
    pub fn hint(&self) -> String {
        "This is a bug in the server, not in the request. The server still runs, other calls work, and what the call had \
         recorded before stays recorded. Look at what was recorded, then try once more; if it fails again the same way, \
         go on without it and report it together with the server's log."
            .to_owned()
    }
}

types::hints!(Panicked);

/// Runs `work`, and returns its panic as an error.
///
/// # Errors
/// [`Panicked`] when `work` panicked; `what` names it.
pub async fn catch<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|payload| {
        let panicked = Panicked {
            what: what.to_owned(),
            message: panic_message(payload.as_ref()),
        };
        tracing::error!(%panicked, "a panic was caught");
        panicked
    })
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Why a request did not get a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    /// As many requests are running and waiting as the server takes.
    #[error("the server is busy: {running} requests run and {waiting} wait; this one was not started")]
    Busy {
        /// Requests that run at once.
        running: usize,
        /// Requests that may wait.
        waiting: usize,
    },
    /// What the large calls in flight were given takes all the room there is for it.
    #[error(
        "large calls in flight take all of the {} KiB that there are for them; this one was not started",
        LARGE_CALLS
    )]
    Full,
    /// The request was cancelled while it waited.
    #[error("the request was cancelled before it was started")]
    Cancelled,
}

impl NoTurn {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Busy { .. } | Self::Full => {
                "Wait for one of the calls in flight to finish, then send it again.".to_owned()
            }
            Self::Cancelled => "Send it again if it is still wanted.".to_owned(),
        }
    }
}

types::hints!(NoTurn);

/// Bounds how many requests run and wait. Clones share the bound.
#[derive(Debug, Clone)]
pub struct Gate {
    running: Arc<Semaphore>,
    /// One permit for each request that runs or waits.
    admitted: Arc<Semaphore>,
    /// KiB for large calls that run or wait.
    large: Arc<Semaphore>,
    max_running: usize,
    max_waiting: usize,
}

/// The turn of one request; dropping it lets the next one run.
#[derive(Debug)]
pub struct Turn {
    _running: OwnedSemaphorePermit,
    _admitted: OwnedSemaphorePermit,
    _large: Option<OwnedSemaphorePermit>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::new(MAX_RUNNING, MAX_WAITING)
    }
}

impl Gate {
    /// A gate that lets `max_running` requests run and `max_waiting` more wait.
    pub fn new(max_running: usize, max_waiting: usize) -> Self {
        Self {
            running: Arc::new(Semaphore::new(max_running)),
            admitted: Arc::new(Semaphore::new(max_running + max_waiting)),
            large: Arc::new(Semaphore::new(LARGE_CALLS as usize)),
            max_running,
            max_waiting,
        }
    }

    /// Waits for a turn, in the order of asking, with what was asked: it takes `bytes` in memory.
    ///
    /// # Errors
    /// [`NoTurn::Busy`] and [`NoTurn::Full`] at once when too many wait already or they hold too much, [`NoTurn::Cancelled`] when
    /// `cancelled` fires first.
    pub async fn enter(&self, bytes: usize, cancelled: &CancellationToken) -> Result<Turn, NoTurn> {
        let busy = NoTurn::Busy {
            running: self.max_running,
            waiting: self.max_waiting,
        };
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy)?;
        let large = match bytes {
            ..SMALL_CALL => None,
            _ => {
                let kib = u32::try_from(bytes.div_ceil(1 << 10)).map_or(LARGE_CALLS, |kib| kib.min(LARGE_CALLS));
                let room = Arc::clone(&self.large).try_acquire_many_owned(kib);
                Some(room.map_err(|_| NoTurn::Full)?)
            }
        };
        let running = tokio::select! {
            biased;
            running = Arc::clone(&self.running).acquire_owned() => running.map_err(|_| busy)?,
            () = cancelled.cancelled() => return Err(NoTurn::Cancelled),
        };
        Ok(Turn {
            _running: running,
            _admitted: admitted,
            _large: large,
        })
    }
}

/// A handler whose every request is answered.
///
/// A panic in a tool becomes a tool result with `isError`, which an agent can read; a panic elsewhere an internal error
/// (-32603). Tool calls and resource reads pass a [`Gate`]. A request of a known method whose parameters have the wrong
/// shape is an error that says so, where rmcp alone would call the method unknown.
#[derive(Debug, Clone)]
pub struct Guarded<H> {
    inner: H,
    gate: Gate,
}

impl<H> Guarded<H> {
    /// Puts the guard around `inner`.
    pub fn new(inner: H, gate: Gate) -> Self {
        Self { inner, gate }
    }
}

async fn answer<T>(what: &str, work: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
    catch(what, work)
        .await
        .unwrap_or_else(|panicked| Err(ErrorData::internal_error(hint::in_words(&panicked), None)))
}

/// Passes requests on under the guard: `name(arguments) -> result: "method"`.
macro_rules! guard_requests {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty: $method:literal;)*) => {$(
        async fn $name(&self, $($argument: $type),*) -> Result<$result, ErrorData> {
            answer($method, async move { self.inner.$name($($argument),*).await }).await
        }
    )*};
}

/// Passes notifications on under the guard; they have no answer, so that a panic is only logged.
macro_rules! guard_notifications {
    ($($name:ident($($argument:ident: $type:ty),*): $method:literal;)*) => {$(
        async fn $name(&self, $($argument: $type),*) {
            let _ = catch($method, async move { self.inner.$name($($argument),*).await }).await;
        }
    )*};
}

type Context = RequestContext<RoleServer>;

// The old era's logging and subscriptions are deprecated in rmcp but still asked for by clients.
#[allow(deprecated)]
impl<H: ServerHandler> ServerHandler for Guarded<H> {
    guard_requests! {
        ping(context: Context) -> (): "ping";
        initialize(params: InitializeRequestParams, context: Context) -> InitializeResult: "initialize";
        discover(context: Context) -> DiscoverResult: "server/discover";
        complete(params: CompleteRequestParams, context: Context) -> CompleteResult: "completion/complete";
        get_prompt(params: GetPromptRequestParams, context: Context) -> GetPromptResponse: "prompts/get";
        list_prompts(params: Option<PaginatedRequestParams>, context: Context) -> ListPromptsResult: "prompts/list";
        list_resources(params: Option<PaginatedRequestParams>, context: Context) -> ListResourcesResult: "resources/list";
        list_resource_templates(params: Option<PaginatedRequestParams>, context: Context)
            -> ListResourceTemplatesResult: "resources/templates/list";
        listen(context: SubscriptionContext) -> (): "subscriptions/listen";
        subscribe(params: SubscribeRequestParams, context: Context) -> (): "resources/subscribe";
        unsubscribe(params: UnsubscribeRequestParams, context: Context) -> (): "resources/unsubscribe";
        list_tools(params: Option<PaginatedRequestParams>, context: Context) -> ListToolsResult: "tools/list";
        get_task(params: GetTaskParams, context: Context) -> GetTaskResult: "tasks/get";
        update_task(params: UpdateTaskParams, context: Context) -> (): "tasks/update";
        cancel_task(params: CancelTaskParams, context: Context) -> (): "tasks/cancel";
        list_skills(params: Option<PaginatedRequestParams>, context: Context) -> ListSkillsResult: "skills/list";
        get_skill(params: GetSkillRequestParams, context: Context) -> GetSkillResult: "skills/get";
        read_resource_directory(params: ReadResourceDirectoryRequestParams, context: Context)
            -> ReadResourceDirectoryResult: "resources/directory/read";
    }

    guard_notifications! {
        on_cancelled(params: CancelledNotificationParam, context: NotificationContext<RoleServer>): "notifications/cancelled";
        on_progress(params: ProgressNotificationParam, context: NotificationContext<RoleServer>): "notifications/progress";
        on_initialized(context: NotificationContext<RoleServer>): "notifications/initialized";
        on_roots_list_changed(context: NotificationContext<RoleServer>): "notifications/roots/list_changed";
        on_custom_notification(params: CustomNotification, context: NotificationContext<RoleServer>): "a notification";
    }

    async fn call_tool(&self, params: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        let what = format!("The tool {}", params.name);
        let turn = match self.gate.enter(Size::of(&params).memory(), &context.ct).await {
            Ok(turn) => turn,
            Err(refused) => return Ok(failed_call(hint::in_words(&refused))),
        };
        let called = catch(&what, async { self.inner.call_tool(params, context).await }).await;
        drop(turn);
        called.unwrap_or_else(|panicked| Ok(failed_call(hint::in_words(&panicked))))
    }

    async fn read_resource(
        &self,
        params: ReadResourceRequestParams,
        context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let _turn = self
            .gate
            .enter(0, &context.ct)
            .await
            .map_err(|refused| ErrorData::internal_error(hint::in_words(&refused), None))?;
        answer("resources/read", async {
            self.inner.read_resource(params, context).await
        })
        .await
    }

    async fn set_level(&self, params: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        // Revision 2026-07-28 removed it; of what it removed, this is the only method that rmcp lets through.
        if stands_for_itself(&context) {
            return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
        }
        answer("logging/setLevel", async {
            self.inner.set_level(params, context).await
        })
        .await
    }

    async fn on_custom_request(&self, request: CustomRequest, context: Context) -> Result<CustomResult, ErrorData> {
        let method = request.method.clone();
        let params = request.params.clone();
        let has_sessions = !stands_for_itself(&context);
        let answered = answer(&method, async { self.inner.on_custom_request(request, context).await }).await;
        let name = method.as_str();
        match answered {
            Err(error)
                if error.code == ErrorCode::METHOD_NOT_FOUND
                    && (TYPED.contains(&name)
                        || has_sessions && TYPED_WITH_SESSIONS.contains(&name)
                        || !has_sessions && TYPED_WITHOUT_SESSIONS.contains(&name)) =>
            {
                Err(misshapen(&method, params))
            }
            // rmcp's error is the bare name, however long.
            Err(error) if error.code == ErrorCode::METHOD_NOT_FOUND => Err(ErrorData {
                message: format!("there is no method {:?}", shortened(&method, MAX_QUOTED)).into(),
                ..error
            }),
            other => other,
        }
    }

    fn negotiate_initialize(&self, request: &InitializeRequestParams) -> Result<InitializeResult, ErrorData> {
        self.inner.negotiate_initialize(request)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.inner.supported_protocol_versions()
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        self.inner.accepted_subscription_filter(requested)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.inner.get_tool(name)
    }

    fn get_info(&self) -> ServerConfig {
        self.inner.get_info()
    }
}

/// Characters of what a client sent that an error repeats.
const MAX_QUOTED: usize = 300;

/// Methods with typed parameters: rmcp takes such a request for a custom one only when they do not fit.
const TYPED: [&str; 8] = [
    "tools/call",
    "tools/list",
    "prompts/list",
    "prompts/get",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "completion/complete",
];

/// The same for methods that are known from revision 2026-07-28 on.
const TYPED_WITHOUT_SESSIONS: [&str; 4] = ["subscriptions/listen", "tasks/get", "tasks/update", "tasks/cancel"];

/// The same for methods that revision 2026-07-28 removed: there they are unknown, whatever their parameters.
const TYPED_WITH_SESSIONS: [&str; 4] = [
    "initialize",
    "resources/subscribe",
    "resources/unsubscribe",
    "logging/setLevel",
];

/// Whether a request is of revision 2026-07-28 or later, which has no sessions.
fn stands_for_itself(context: &Context) -> bool {
    // Revisions are dates, so that they compare as texts.
    let first = ProtocolVersion::V_2026_07_28;
    context
        .protocol_version()
        .is_some_and(|version| version.as_str() >= first.as_str())
}

fn misshapen(method: &str, params: Option<serde_json::Value>) -> ErrorData {
    let reason = match method {
        "tools/call" => serde_json::from_value::<CallToolRequestParams>(params.unwrap_or_default())
            .err()
            .map(|error| format!(": {}", shortened(&error.to_string(), MAX_QUOTED))),
        _ => None,
    };
    ErrorData::invalid_params(
        format!(
            "the params of {method} do not have the shape that the protocol gives them{}",
            reason.unwrap_or_default()
        ),
        None,
    )
}

fn failed_call(text: String) -> CallToolResponse {
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error_with_its_message() {
        let caught = catch("The tool x", async { panic!("index {} is gone", 3) }).await;
        let Err(panicked): Result<(), _> = caught else {
            panic!("not caught");
        };
        assert_eq!(panicked.message, "index 3 is gone");
        assert!(panicked.to_string().starts_with("The tool x failed"));
        assert_eq!(catch("y", async { 5 }).await, Ok(5));
    }

    #[tokio::test]
    async fn the_gate_lets_some_run_some_wait_and_refuses_the_rest() {
        let gate = Gate::new(1, 1);
        let never = CancellationToken::new();
        let first = gate.enter(0, &never).await.unwrap();
        let mut second = Box::pin(gate.enter(0, &never));
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(
            gate.enter(0, &never).await.unwrap_err(),
            NoTurn::Busy { running: 1, waiting: 1 }
        );
        drop(first);
        let second = second.await.unwrap();

        let cancelled = CancellationToken::new();
        let mut third = Box::pin(gate.enter(0, &cancelled));
        assert!(futures::poll!(&mut third).is_pending());
        cancelled.cancel();
        assert_eq!(third.await.unwrap_err(), NoTurn::Cancelled);
        drop(second);
        assert!(gate.enter(0, &never).await.is_ok());
    }

    #[tokio::test]
    async fn large_calls_have_a_room_of_their_own() {
        let gate = Gate::default();
        let never = CancellationToken::new();
        let half = LARGE_CALLS as usize * 512;
        let one = gate.enter(half, &never).await.unwrap();
        let _other = gate.enter(half, &never).await.unwrap();
        assert_eq!(gate.enter(SMALL_CALL, &never).await.unwrap_err(), NoTurn::Full);
        let _small = gate.enter(SMALL_CALL - 1, &never).await.unwrap();
        drop(one);
        assert!(gate.enter(half, &never).await.is_ok());
        // One that is larger than all the room takes all of it, rather than never having a turn.
        let alone = Gate::default();
        let _all = alone.enter(usize::MAX, &never).await.unwrap();
        assert_eq!(alone.enter(SMALL_CALL, &never).await.unwrap_err(), NoTurn::Full);
    }
}
