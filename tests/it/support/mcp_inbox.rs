//! What a server sent to a test's client, and waiting for it.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

/// The longest that anything may take.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The lines of traffic that a failure shows.
const LOG_LINES: usize = 60;

/// Why a request has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// A JSON-RPC error.
    Rpc { code: i64, message: String, data: Value },
    /// The HTTP request was refused with a body that is no JSON-RPC message.
    Http { status: u16, body: String },
    /// The connection or stream ended without an answer.
    Closed,
}

/// Where a wire delivers what the server sent. Clones share it.
#[derive(Clone, Default)]
pub struct Inbox {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<()>>,
}

/// What came so far.
#[derive(Default)]
pub struct State {
    /// By request id: `None` until it is answered.
    pub answers: HashMap<i64, Option<Result<Value, Failure>>>,
    /// Everything that is no answer.
    pub messages: Vec<Value>,
    /// The server's output ended.
    pub closed: bool,
    /// What the server did that no server may do.
    broken: Option<String>,
    log: VecDeque<String>,
}

impl State {
    /// Whether this is progress of a call that was answered.
    fn comes_too_late(&self, message: &Value) -> bool {
        let id = message["params"]["progressToken"]
            .as_str()
            .and_then(|token| token.strip_prefix('p')?.parse().ok());
        id.is_some_and(|id: i64| matches!(self.answers.get(&id), Some(Some(Ok(_)))))
    }
}

impl Inbox {
    /// Takes one message as text; a text that is not JSON-RPC fails the test.
    pub fn deliver_text(&self, text: &str) {
        match serde_json::from_str(text) {
            Ok(message) => self.deliver(message),
            Err(error) => self.break_with(format!("not JSON ({error}): {text:?}")),
        }
    }

    /// Takes one message.
    pub fn deliver(&self, message: Value) {
        self.note("<-", &message.to_string());
        let kind = ["method", "result", "error"].map(|key| message.get(key).is_some());
        let well_formed = message["jsonrpc"] == "2.0" && kind.iter().filter(|has| **has).count() == 1;
        if !well_formed {
            return self.break_with(format!("not a JSON-RPC message: {message}"));
        }
        let id = message.get("id").filter(|_| message.get("method").is_none());
        if self.with(|state| state.comes_too_late(&message)) {
            return self.break_with(format!("progress after the answer: {message}"));
        }
        match (id, message.get("error")) {
            (None, _) => self.change(|state| state.messages.push(message)),
            (Some(id), error) => {
                let Some(id) = id.as_i64() else {
                    return self.break_with(format!("an answer to a strange id: {message}"));
                };
                let outcome = match error {
                    None => Ok(message["result"].clone()),
                    Some(error) => Err(Failure::Rpc {
                        code: error["code"].as_i64().unwrap_or_default(),
                        message: error["message"].as_str().unwrap_or_default().to_owned(),
                        data: error["data"].clone(),
                    }),
                };
                if !self.settle(id, outcome) {
                    self.break_with(format!("answered twice or never asked: {message}"));
                }
            }
        }
    }

    /// Notes the outcome of a request, unless it has one already.
    pub fn settle(&self, id: i64, outcome: Result<Value, Failure>) -> bool {
        self.change(|state| match state.answers.get_mut(&id) {
            Some(slot @ None) => {
                *slot = Some(outcome);
                true
            }
            _ => false,
        })
    }

    /// Notes that the server's output ended: requests without an answer will have none.
    pub fn close(&self) {
        self.change(|state| {
            state.closed = true;
            for slot in state.answers.values_mut().filter(|slot| slot.is_none()) {
                *slot = Some(Err(Failure::Closed));
            }
        });
    }

    /// Fails the test at its next wait.
    pub fn break_with(&self, reason: String) {
        self.change(|state| {
            state.broken.get_or_insert(reason);
        });
    }

    /// Adds a line to the log, cut to a readable length.
    pub fn note(&self, direction: &str, text: &str) {
        let text: String = text.chars().take(400).collect();
        let mut state = self.state.lock().unwrap();
        if state.log.len() == LOG_LINES {
            state.log.pop_front();
        }
        state.log.push_back(format!("{direction} {text}"));
    }

    /// The last lines of traffic.
    pub fn log(&self) -> String {
        self.with(|state| Vec::from(state.log.clone()).join("\n"))
    }

    /// Notes that a request was sent.
    pub fn expect(&self, id: i64) {
        self.change(|state| {
            let outcome = state.closed.then_some(Err(Failure::Closed));
            state.answers.insert(id, outcome);
        });
    }

    /// Looks at what came so far.
    pub fn with<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state.lock().unwrap());
        self.changed.send_replace(());
        changed
    }

    /// Waits until `look` finds something. `what` is named when it takes too long.
    pub async fn wait<T>(&self, what: &str, look: impl Fn(&State) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        limited(what, self, async {
            loop {
                let (broken, found) = self.with(|state| (state.broken.clone(), look(state)));
                if let Some(broken) = broken {
                    panic!("while waiting for {what}: {broken}\n{}", self.log());
                }
                if let Some(found) = found {
                    return found;
                }
                // The sender lives in self.
                changes.changed().await.unwrap();
            }
        })
        .await
    }
}

/// Runs `work` under the time limit; `what` is named when that passes.
pub async fn limited<T>(what: &str, inbox: &Inbox, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(output) => output,
        Err(_) => panic!("waited too long for {what}\n{}", inbox.log()),
    }
}
