//! An MCP client that speaks raw JSON-RPC, so that tests check what is really on the wire.
//!
//! It works over any [`Wire`]: pipes, streamable HTTP, the older HTTP+SSE. Each wait has a time limit and panics with the
//! log of all traffic (and the server's stderr) when it passes, or when the server sent anything that is not JSON-RPC.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::mcp_inbox::State;
use super::mcp_wire::Wire;

pub use super::mcp_inbox::{Failure, Inbox, LIMIT, limited};

/// The revision without sessions.
pub const MODERN: &str = "2026-07-28";

/// How a client talks: with an `initialize` handshake for one revision, or with `_meta` in each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Era {
    /// `initialize` and a session; the revision asked for.
    Session(&'static str),
    /// 2026-07-28: `server/discover` and per-request metadata.
    Modern,
}

impl Era {
    /// The protocol revision.
    pub fn version(self) -> &'static str {
        match self {
            Self::Session(version) => version,
            Self::Modern => MODERN,
        }
    }
}

/// One client. Dropping it closes its connections, and kills a server process that it started.
pub struct McpClient {
    era: Era,
    capabilities: Value,
    wire: Box<dyn Wire>,
    inbox: Inbox,
    next_id: AtomicI64,
    sending: Mutex<HashMap<i64, AbortHandle>>,
}

impl McpClient {
    /// A client that has not said anything yet. `inbox` is the one that `wire` delivers to.
    pub fn new(wire: impl Wire + 'static, inbox: Inbox, era: Era) -> Self {
        Self {
            era,
            capabilities: json!({}),
            wire: Box::new(wire),
            inbox,
            next_id: AtomicI64::new(1),
            sending: Mutex::default(),
        }
    }

    /// The same, saying that it can do this.
    pub fn with_capabilities(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The handshake of the era. Returns the result of `initialize` or `server/discover`.
    pub async fn open(&self) -> Value {
        match self.era {
            Era::Modern => self.result("server/discover", json!({})).await,
            Era::Session(version) => {
                let opened = self
                    .result(
                        "initialize",
                        json!({
                            "protocolVersion": version,
                            "capabilities": self.capabilities,
                            "clientInfo": {"name": "test", "version": "0"},
                        }),
                    )
                    .await;
                assert_eq!(opened["protocolVersion"], version, "{opened}");
                self.wire.opened();
                self.notify("notifications/initialized", json!({})).await;
                opened
            }
        }
    }

    /// Sends a request without waiting for its answer. Over pipes, messages arrive in the order of the calls.
    pub fn start(&self, method: &str, params: Value) -> Call {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut params = params;
        if self.era == Era::Modern {
            params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
            params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "0"});
        }
        self.inbox.expect(id);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let sent = self.wire.send(message, self.era);
        let inbox = self.inbox.clone();
        let task = tokio::spawn(async move {
            if let Err(failure) = sent.await {
                inbox.settle(id, Err(failure));
            }
        });
        self.sending.lock().unwrap().insert(id, task.abort_handle());
        Call {
            id,
            inbox: self.inbox.clone(),
        }
    }

    /// Sends a request and waits for its answer.
    pub async fn request(&self, method: &str, params: Value) -> Result<Value, Failure> {
        self.start(method, params).answer().await
    }

    /// Sends a request that must succeed, and returns its `result`.
    pub async fn result(&self, method: &str, params: Value) -> Value {
        match self.request(method, params).await {
            Ok(result) => result,
            Err(failure) => panic!("{method}: {failure:?}\n{}", self.inbox.log()),
        }
    }

    /// Starts a tool call that asks for progress under [`Call::progress_token`].
    pub fn start_tool(&self, name: &str, arguments: Value) -> Call {
        let token = format!("p{}", self.next_id.load(Ordering::Relaxed));
        self.start(
            "tools/call",
            json!({"name": name, "arguments": arguments, "_meta": {"progressToken": token}}),
        )
    }

    /// Calls a tool; the JSON-RPC request must succeed. The result may be one with `isError`.
    pub async fn call_tool(&self, name: &str, arguments: Value) -> Value {
        match self.start_tool(name, arguments).answer().await {
            Ok(result) => result,
            Err(failure) => panic!("{name}: {failure:?}\n{}", self.inbox.log()),
        }
    }

    /// Sends a notification and waits until it was taken.
    pub async fn notify(&self, method: &str, params: Value) {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let sent = self.wire.send(message, self.era);
        limited("sending a notification", &self.inbox, sent)
            .await
            .unwrap_or_else(|failure| panic!("{method}: {failure:?}\n{}", self.inbox.log()));
    }

    /// Opens what the server needs for messages that belong to no request.
    pub async fn listen(&self) {
        self.wire.listen().await;
    }

    /// Answers a request of the server.
    pub async fn respond(&self, request: &Value, result: Value) {
        let message = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
        let sent = self.wire.send(message, self.era);
        limited("sending an answer", &self.inbox, sent)
            .await
            .unwrap_or_else(|failure| panic!("{request}: {failure:?}\n{}", self.inbox.log()));
    }

    /// Sends text as it is, such as a malformed message. Only over pipes.
    pub fn send_text(&self, text: &str) {
        self.wire.send_text(text);
    }

    /// Cancels a request in the way of the era and transport: by a notification, or by hanging up.
    pub async fn cancel(&self, call: &Call) {
        if self.era == Era::Modern && self.wire.cancels_by_hanging_up() {
            if let Some(task) = self.sending.lock().unwrap().remove(&call.id) {
                task.abort();
            }
        } else {
            self.notify("notifications/cancelled", json!({"requestId": call.id}))
                .await;
        }
    }

    /// Waits for a message from the server that is no answer (a notification, a request, an error without id) for which
    /// `wanted` holds; also one that came before.
    pub async fn message(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.inbox
            .wait(what, |state| {
                state.messages.iter().find(|message| wanted(message)).cloned()
            })
            .await
    }

    /// Waits until `count` such messages came in all.
    pub async fn messages(&self, what: &str, count: usize, wanted: impl Fn(&Value) -> bool) {
        self.inbox
            .wait(&format!("{what}, {count} times"), |state| {
                (state.messages.iter().filter(|message| wanted(message)).count() >= count).then_some(())
            })
            .await;
    }

    /// How many such messages came until now.
    pub fn count(&self, wanted: impl Fn(&Value) -> bool) -> usize {
        self.inbox
            .with(|state| state.messages.iter().filter(|message| wanted(message)).count())
    }

    /// The progress notifications that came for `call` until now, oldest first: their `params`.
    pub fn progress_of(&self, call: &Call) -> Vec<Value> {
        self.inbox.with(|state| call.progress(state))
    }

    /// Waits until at least `count` progress notifications came for `call`.
    pub async fn progressed(&self, call: &Call, count: usize) {
        self.inbox
            .wait(&format!("{count} progress notifications"), |state| {
                (call.progress(state).len() >= count).then_some(())
            })
            .await;
    }

    /// Ends the server's input. Only over pipes.
    pub fn close_input(&self) {
        self.wire.close_input();
    }

    /// Stops reading the server's output. Only over pipes.
    pub async fn close_output(&self) {
        self.wire.close_output().await;
    }

    /// Waits until the server closed its output.
    pub async fn closed(&self) {
        self.inbox
            .wait("the server to close its output", |state| state.closed.then_some(()))
            .await;
    }

    /// Waits until the server process ended, and returns its exit code. Only over the pipes of a process.
    pub async fn exit_code(&self) -> Option<i32> {
        let exited = self.wire.exit_code();
        limited("the server to exit", &self.inbox, exited).await
    }

    /// The id of the session on `/mcp`, once there is one.
    pub fn session_id(&self) -> Option<String> {
        self.wire.session_id()
    }

    /// The traffic and the server's stderr, for messages of failed assertions.
    pub fn log(&self) -> String {
        self.inbox.log()
    }
}

impl Drop for McpClient {
    fn drop(&mut self) {
        for task in self.sending.lock().unwrap().values() {
            task.abort();
        }
    }
}

/// A request that was sent.
pub struct Call {
    /// Its JSON-RPC id.
    pub id: i64,
    inbox: Inbox,
}

impl Call {
    /// Waits for the answer: `result`, or why there is none.
    pub async fn answer(&self) -> Result<Value, Failure> {
        let id = self.id;
        self.inbox
            .wait(&format!("the answer to request {id}"), |state| {
                state.answers.get(&id).cloned().flatten()
            })
            .await
    }

    /// Whether the server has answered, with a result or a JSON-RPC error.
    pub fn is_answered(&self) -> bool {
        self.inbox.with(|state| {
            matches!(
                state.answers.get(&self.id),
                Some(Some(Ok(_) | Err(Failure::Rpc { .. })))
            )
        })
    }

    fn progress(&self, state: &State) -> Vec<Value> {
        state
            .messages
            .iter()
            .filter(|message| message["method"] == "notifications/progress")
            .map(|message| message["params"].clone())
            .filter(|params| params["progressToken"] == json!(self.progress_token()))
            .collect()
    }

    /// The token under which a call of [`McpClient::start_tool`] gets progress.
    pub fn progress_token(&self) -> String {
        format!("p{}", self.id)
    }
}
