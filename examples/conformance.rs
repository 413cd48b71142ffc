//! The fixtures that MCP's conformance suite calls by name, behind this project's own HTTP stack.
//!
//! The suite knows tools, prompts and resources of a test server only; this is one. What it tests with them is what the real
//! server stands on: transport, guard against panics, sessions, errors. `tools/conformance.sh` builds both and runs the suite.
//!
//! It prints its URL, and ends when its standard input does.

// The suite asks for what the newest revision deprecates as well: sampling, roots, logging, subscriptions of the old kind.
#![allow(deprecated)]

#[path = "conformance/input_required.rs"]
mod input_required;
#[path = "conformance/prompts.rs"]
mod prompts;
#[path = "conformance/resources.rs"]
mod resources;
#[path = "conformance/subscriptions.rs"]
mod subscriptions;
#[path = "conformance/tasks.rs"]
mod tasks;
#[path = "conformance/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use prompt_calibrator::mcp::transport::http::{self, HttpOptions};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestParams, CompleteResult, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetTaskParams, GetTaskResult, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, RequestStateCodec, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
    UpdateTaskParams,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::task_manager::TaskManager;
use rmcp::{RoleServer, ServerHandler};
use tokio::sync::broadcast;

use subscriptions::Change;

type Context = RequestContext<RoleServer>;

/// What a tool answers.
type Answer = Result<CallToolResponse, ErrorData>;

/// What lives as long as the server.
struct Shared {
    changes: broadcast::Sender<Change>,
    /// Signs what clients carry from one round of questions to the next.
    states: RequestStateCodec,
    tasks: TaskManager,
}

/// What a client of an old revision set for its session. A request of the newest revision stands for itself, and has this anew.
struct Session {
    level: Mutex<LoggingLevel>,
    watched: Mutex<BTreeSet<String>>,
}

struct Fixtures {
    shared: Arc<Shared>,
    session: Session,
}

impl Fixtures {
    fn new(shared: Arc<Shared>) -> Self {
        let session = Session {
            level: Mutex::new(LoggingLevel::Info),
            watched: Mutex::default(),
        };
        Self { shared, session }
    }

    fn watch(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        change(&mut self.session.watched.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn all_tools() -> Vec<Tool> {
    [tools::list(), input_required::list(), tasks::list()].concat()
}

/// An error of the fixtures themselves.
fn broken(error: impl ToString) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

/// The smallest picture: one red pixel.
fn png() -> Result<String, ErrorData> {
    let mut bytes = Cursor::new(Vec::new());
    RgbImage::from_pixel(1, 1, Rgb([255, 0, 0]))
        .write_to(&mut bytes, ImageFormat::Png)
        .map_err(broken)?;
    Ok(STANDARD.encode(bytes.into_inner()))
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_completions()
            .enable_logging()
            .enable_prompts()
            .enable_prompts_list_changed()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_tasks()
            .enable_tools()
            .enable_tool_list_changed()
            .build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("conformance", "1"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(all_tools()))
    }

    /// The transport compares a call's headers with this tool's schema.
    fn get_tool(&self, name: &str) -> Option<Tool> {
        all_tools().into_iter().find(|tool| tool.name == name)
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Answer {
        if let Some(answer) = tools::call(self, &request, &context).await {
            return answer;
        }
        if let Some(answer) = input_required::call(&self.shared, &request, &context).await {
            return answer;
        }
        if let Some(answer) = tasks::call(&self.shared.tasks, &request, &context).await {
            return answer;
        }
        Err(ErrorData::invalid_params(format!("no tool {}", request.name), None))
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(prompts::list()))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request, &context)
    }

    async fn complete(&self, request: CompleteRequestParams, _context: Context) -> Result<CompleteResult, ErrorData> {
        prompts::complete(&request)
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }

    async fn subscribe(&self, request: SubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        self.watch(|watched| {
            watched.insert(request.uri);
        });
        Ok(())
    }

    async fn unsubscribe(&self, request: UnsubscribeRequestParams, _context: Context) -> Result<(), ErrorData> {
        self.watch(|watched| {
            watched.remove(&request.uri);
        });
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        subscriptions::listen(self.shared.changes.subscribe(), &subscription).await;
        Ok(())
    }

    async fn set_level(&self, request: SetLevelRequestParams, _context: Context) -> Result<(), ErrorData> {
        *self.session.level.lock().unwrap_or_else(PoisonError::into_inner) = request.level;
        Ok(())
    }

    async fn get_task(&self, request: GetTaskParams, _context: Context) -> Result<GetTaskResult, ErrorData> {
        self.shared.tasks.get_task(&request.task_id).map(GetTaskResult::new)
    }

    async fn update_task(&self, request: UpdateTaskParams, _context: Context) -> Result<(), ErrorData> {
        self.shared.tasks.update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _context: Context) -> Result<(), ErrorData> {
        self.shared.tasks.cancel_task(&request.task_id)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let shared = Arc::new(Shared {
        changes: broadcast::channel(16).0,
        states: RequestStateCodec::try_new(rand::random::<[u8; 32]>())?,
        tasks: TaskManager::new(),
    });
    let options = HttpOptions::loopback(0);
    let shutdown = options.shutdown.clone();
    let server = http::serve(options, move || Fixtures::new(shared.clone())).await?;
    writeln!(io::stdout(), "http://{}/mcp", server.addr)?;

    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await?;
    shutdown.cancel();
    Ok(server.join().await?)
}
