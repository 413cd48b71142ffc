//! The MCP server: what it says about itself, and its tools.

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ErrorData, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};

use super::tools;
use crate::session::Service;

/// How an agent is to work with the tools; clients cut it at 2,048 characters.
pub const INSTRUCTIONS: &str = "\
Calibrate an image prompt: make ComfyUI reproduce the look of a reference picture. The judge only observes and scores; \
correcting is your job.

1. judge_pair with the reference alone says what it shows, axis by axis. Write the first prompt from it.
2. inject_prompt with workflow, reference and positive opens a session. If it asks where the prompt goes, answer with place.
3. queue_generation with session, positive, note and judge: true is one iteration: it writes, renders and scores.
4. Read the worst axes: `ref` is the target, `gen` what came out. Change the wording of one or two axes towards `ref`, say why in \
note, run again. Keep a change only if the overall score rises by more than its interval or several seeds agree; else start from \
the best iteration (parent).
5. get_history shows what was tried and what is best. Stop at the target, at max_iterations, or when nothing moves any more.

Scores of different judges are never compared. verdict refused, unresolved or not_visible means no score. Heed the warnings in \
summary: with an untrained judge the numbers mean nothing. Prompt text goes to ComfyUI literally: {a|b} and // are not expanded. \
Long calls answer after wait_s and go on: call again with the session and iteration, or the handle.";

/// One client's view of the service. All clients share the service.
#[derive(Clone)]
pub struct CalibratorServer {
    service: Service,
}

impl CalibratorServer {
    /// A handler on a service.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service }
    }
}

impl ServerHandler for CalibratorServer {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().build();
        let name =
            Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("Prompt Calibrator");
        ServerConfig::new(capabilities)
            .with_server_info(name)
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(tools::list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Not at start-up: clients start a second process just to probe.
        self.service.resume_open_runs();
        Ok(tools::call(&self.service, request, context).await)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::list().into_iter().find(|tool| tool.name == name)
    }
}
