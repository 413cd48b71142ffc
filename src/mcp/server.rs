//! The MCP server: what it says about itself, and who answers which request.

#[allow(deprecated)]
use rmcp::model::SetLevelRequestParams;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, JsonObject,
    ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig, SubscribeRequestParams,
    SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;

use super::call::{Call, Waiting};
use super::following::{self, Following};
use super::log::Log;
use super::tasks::Tasks;
use super::{completions, prompts, resources, tools};
use crate::session::{Caller, Service};

type Context = RequestContext<RoleServer>;

/// How an agent is to work with the tools; clients cut it at 2,048 characters.
pub const INSTRUCTIONS: &str = "\
Calibrate an image prompt: make ComfyUI reproduce the look of a reference picture. The judge only observes and scores; \
correcting is your job.

1. judge_pair with the reference alone says what it shows, axis by axis. Write the first prompt from it.
2. inject_prompt with workflow, reference and positive opens a session with a draft. If it asks where the prompt goes, repeat the \
call with place. Run the draft: queue_generation with session and judge: true.
3. Read the worst axes: `ref` is the target, `gen` what came out. Change the wording of one or two axes towards `ref`. \
queue_generation with session, positive, note (why) and judge: true is the next iteration in one call: it writes, renders and scores.
4. Use the same two seeds every time: `decision` then says keep, revert (go on from the best; that is the default parent) or \
more_seeds (the summary says which). One seed only leans. An ALARM names axes that fell.
5. get_history with advice says what to change next, what was tried on it, and when to stop. A target counts once fresh seeds \
confirm it.

Scores are 0 to 1; those of different judges are never compared. An axis refused, unresolved or not_visible has no score. Heed the \
warnings in summary: with an untrained judge the numbers mean nothing. signals compare pixels without a model: palette, hog and \
phash are distances (0 the same), ssim is likeness (1 the same), brightness and sharpness are above 0 where the new picture has \
more. Prompt text goes to ComfyUI literally: {a|b} and // are not expanded. Long calls answer after wait_s and go on: call again \
with only session and iteration, or with the handle.";

/// One client's view of the service. All clients share the service and its tasks; what a client follows is its own.
#[derive(Clone)]
pub struct CalibratorServer {
    service: Service,
    tasks: Tasks,
    following: Following,
    log: Log,
    caller: Caller,
}

impl CalibratorServer {
    /// A handler on a service.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self {
            service,
            tasks: Tasks::default(),
            following: Following::default(),
            log: Log::default(),
            caller: Caller::new(),
        }
    }

    /// A handler for another client of the same service.
    #[must_use]
    pub fn for_another(&self) -> Self {
        Self {
            service: self.service.clone(),
            tasks: self.tasks.clone(),
            following: Following::default(),
            log: Log::default(),
            caller: Caller::new(),
        }
    }
}

/// The extension of pages in results (MCP Apps).
const APPS: &str = "io.modelcontextprotocol/ui";

// Logging and subscriptions of the revisions with sessions are deprecated in rmcp and still asked for by clients.
#[allow(deprecated)]
impl ServerHandler for CalibratorServer {
    fn get_info(&self) -> ServerConfig {
        let apps = JsonObject::from_iter([("mimeTypes".to_owned(), json!([resources::APP_MIME]))]);
        let mut capabilities = ServerCapabilities::builder()
            .enable_logging()
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tools()
            .enable_tasks()
            .build();
        capabilities
            .extensions
            .get_or_insert_default()
            .insert(APPS.to_owned(), apps);
        let name =
            Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("Prompt Calibrator");
        ServerConfig::new(capabilities)
            .with_server_info(name)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: Context) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Result<CallToolResponse, ErrorData> {
        // Not at start-up: clients start a second process just to probe.
        self.service.resume_open_runs();
        if let Some(place) = self.tasks.place(&request, &context) {
            return Ok(self.tasks.begin(place, &self.service, self.caller, request, &context));
        }
        let tool = request.name.to_string();
        let call = Call::new(request, Waiting::Request(Box::new(context)), self.caller);
        tools::call(&self.service, &tool, call).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list().into_iter().find(|tool| tool.name == name)
    }

    async fn get_task(&self, request: GetTaskParams, _: Context) -> Result<GetTaskResult, ErrorData> {
        self.tasks.get(&request)
    }

    async fn update_task(&self, request: UpdateTaskParams, _: Context) -> Result<(), ErrorData> {
        self.tasks.update(request)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: Context) -> Result<(), ErrorData> {
        self.tasks.cancel(&request)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.service, request.and_then(|page| page.cursor)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&self.service, &request.uri).await.map(Into::into)
    }

    async fn subscribe(&self, request: SubscribeRequestParams, context: Context) -> Result<(), ErrorData> {
        self.following.begin(&self.service, request.uri, context.peer).await
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        self.following.end(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(following::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        following::listen(&self.service, &context).await;
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(prompts::list())
    }

    async fn get_prompt(&self, request: GetPromptRequestParams, _: Context) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request).map(Into::into)
    }

    async fn complete(&self, request: CompleteRequestParams, _: Context) -> Result<CompleteResult, ErrorData> {
        completions::complete(&self.service, request).await
    }

    async fn set_level(&self, request: SetLevelRequestParams, context: Context) -> Result<(), ErrorData> {
        self.log.set(request.level, context.peer);
        Ok(())
    }
}
