//! A server with tools that misbehave on demand, behind each of the transports.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prompt_calibrator::mcp::progress::{self, Done, Pace, Progress};
use prompt_calibrator::mcp::transport::http::{self, Bound, HttpOptions};
use prompt_calibrator::mcp::transport::stdio::{self, StdioError, StdioOptions};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, GetPromptRequestParams,
    GetPromptResponse, Implementation, ListToolsResult, PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::{Barrier, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::mcp_client::{Era, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::{LegacySse, Pipes, StreamableHttp};

/// What the tools did, and what lets them go on.
#[derive(Clone)]
pub struct Toy {
    events: Arc<watch::Sender<Vec<&'static str>>>,
    /// `hold` waits for one permit.
    pub release: Arc<Semaphore>,
    /// `meet` waits until two are there.
    meeting: Arc<Barrier>,
}

impl Toy {
    pub fn new() -> Self {
        Self {
            events: Arc::new(watch::Sender::new(Vec::new())),
            release: Arc::new(Semaphore::new(0)),
            meeting: Arc::new(Barrier::new(2)),
        }
    }

    fn happened(&self, event: &'static str) {
        self.events.send_modify(|events| events.push(event));
    }

    /// Waits until a tool said `event`.
    pub async fn until(&self, event: &'static str) {
        let mut events = self.events.subscribe();
        let seen = events.wait_for(|events| events.contains(&event));
        tokio::time::timeout(LIMIT, seen)
            .await
            .unwrap_or_else(|_| panic!("{event} did not happen"))
            .unwrap();
    }
}

fn text(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

impl ServerHandler for Toy {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_prompts().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("toy", "1"))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = json!({"type": "object"}).as_object().cloned().unwrap();
        let names = [
            "echo", "hold", "stubborn", "meet", "panic", "progress", "sprint", "huge",
        ];
        let tools = names.map(|name| Tool::new(name, name, Arc::new(schema.clone())));
        Ok(ListToolsResult::with_all_items(tools.to_vec()))
    }

    async fn get_prompt(
        &self,
        _request: GetPromptRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        panic!("no prompt today")
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        match request.name.as_ref() {
            "echo" => Ok(text(arguments["text"].as_str().unwrap_or_default())),
            // Ends when it is released or cancelled.
            "hold" => {
                self.happened("held");
                tokio::select! {
                    permit = self.release.acquire() => permit.unwrap().forget(),
                    () = context.ct.cancelled() => self.happened("cancelled"),
                }
                Ok(text("released"))
            }
            // Does not care that it is cancelled.
            "stubborn" => {
                self.happened("stubborn began");
                self.release.acquire().await.unwrap().forget();
                Ok(text("done all the same"))
            }
            "meet" => {
                self.meeting.wait().await;
                Ok(text("met"))
            }
            "panic" => {
                let steps: [u8; 2] = [1, 2];
                let at = arguments.len() + 2;
                Ok(text(format!("{}", steps[at])))
            }
            "progress" => {
                let pace = Pace {
                    at_most_every: Duration::from_millis(1),
                    at_least_every: Duration::from_millis(20),
                };
                let (progress, updates) = watch::channel(Progress::default());
                let work = async {
                    progress.send_replace(Progress {
                        done: Done::Steps { done: 1, total: 4 },
                        message: "step 1 of 4".to_owned(),
                    });
                    self.release.acquire().await.unwrap().forget();
                    "four steps"
                };
                Ok(text(progress::report_at(pace, &context, updates, work).await))
            }
            // Ends just when there is news to tell.
            "sprint" => {
                let (progress, updates) = watch::channel(Progress::default());
                let work = async {
                    for done in 1..=4 {
                        let done = Done::Steps { done, total: 4 };
                        progress.send_modify(|progress| progress.done = done);
                        tokio::task::yield_now().await;
                    }
                };
                let pace = Pace {
                    at_most_every: Duration::ZERO,
                    at_least_every: Duration::from_secs(1),
                };
                progress::report_at(pace, &context, updates, work).await;
                Ok(text("finished"))
            }
            "huge" => Ok(text("x".repeat(8 << 20))),
            other => Err(ErrorData::invalid_params(format!("no tool {other}"), None)),
        }
    }
}

/// How a client reaches the toy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Stdio,
    Http,
    LegacySse,
}

/// The toy behind a running transport.
pub enum Server {
    Stdio(JoinHandle<Result<(), StdioError>>),
    Http(Bound),
}

impl Server {
    /// Waits until it has ended, which must be without an error.
    pub async fn ended(self) {
        let ended = async {
            match self {
                Self::Stdio(task) => task.await.unwrap().unwrap(),
                Self::Http(bound) => bound.join().await.unwrap(),
            }
        };
        tokio::time::timeout(LIMIT, ended)
            .await
            .expect("the server did not end");
    }
}

/// A toy, its server and one client of it.
pub struct Setup {
    pub client: McpClient,
    pub toy: Toy,
    pub server: Server,
    pub shutdown: CancellationToken,
}

impl Setup {
    /// Starts a server and opens a client's session with it. Requests in flight have `grace` at the end.
    pub async fn new(via: Via, era: Era, grace: Duration) -> Self {
        let setup = Self::unopened(via, era, grace).await;
        setup.client.open().await;
        setup
    }

    /// Starts a server and connects a client that has said nothing yet.
    pub async fn unopened(via: Via, era: Era, grace: Duration) -> Self {
        let toy = Toy::new();
        let shutdown = CancellationToken::new();
        let inbox = Inbox::default();
        let (client, server) = match via {
            Via::Stdio => {
                let (near, far) = tokio::io::duplex(1 << 16);
                let (from_client, to_client) = tokio::io::split(far);
                let options = StdioOptions {
                    grace,
                    max_line: 1 << 20,
                    shutdown: shutdown.clone(),
                };
                let serving = stdio::serve_on(toy.clone(), from_client, to_client, options);
                let (from_server, to_server) = tokio::io::split(near);
                let wire = Pipes::over(&inbox, from_server, to_server);
                let client = McpClient::new(wire, inbox, era);
                (client, Server::Stdio(tokio::spawn(serving)))
            }
            Via::Http | Via::LegacySse => {
                let bound = serve_http(&toy, &shutdown, grace).await;
                let client = http_client(via, bound.addr, inbox, era).await;
                (client, Server::Http(bound))
            }
        };
        Self {
            client,
            toy,
            server,
            shutdown,
        }
    }
}

async fn serve_http(toy: &Toy, shutdown: &CancellationToken, grace: Duration) -> Bound {
    let toy = toy.clone();
    let mut options = HttpOptions::loopback(0);
    options.shutdown = shutdown.clone();
    options.grace = grace;
    http::serve(options, move || toy.clone()).await.unwrap()
}

/// A client of an HTTP server, in one of its two ways.
pub async fn http_client(via: Via, addr: SocketAddr, inbox: Inbox, era: Era) -> McpClient {
    match via {
        Via::LegacySse => {
            let wire = LegacySse::connect(&inbox, &format!("http://{addr}"), None).await;
            McpClient::new(wire, inbox, era)
        }
        _ => {
            let wire = StreamableHttp::new(&inbox, &format!("http://{addr}/mcp"), None);
            McpClient::new(wire, inbox, era)
        }
    }
}
