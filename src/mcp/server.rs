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
