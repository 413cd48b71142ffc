//! The transports of [`McpClient`](super::mcp_client::McpClient), each written against the specification.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::mcp_client::{Era, Failure, Inbox, LIMIT};

type Sent = BoxFuture<'static, Result<(), Failure>>;

/// A way to a server. What the server sends goes to the [`Inbox`] that the wire was made with.
pub trait Wire: Send + Sync {
    /// Hands one message over. The future ends when it was taken and, where the answer comes on the same connection, was
    /// delivered.
    fn send(&self, message: Value, era: Era) -> Sent;

    /// The handshake is over.
    fn opened(&self) {}

    /// Opens what the server needs for messages that belong to no request, where the transport has such a thing.
    fn listen(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    /// Sends text as it is.
    fn send_text(&self, _text: &str) {
        panic!("this transport sends only messages");
    }

    /// Ends the server's input.
    fn close_input(&self) {
        panic!("this transport has no input to close");
    }

    /// Stops reading the server's output.
    fn close_output(&self) -> BoxFuture<'_, ()> {
        panic!("this transport has no output to close");
    }

    /// The exit code of the server process.
    fn exit_code(&self) -> BoxFuture<'_, Option<i32>> {
        panic!("this transport has no process");
    }

    /// The session that the server gave, where the transport has such an id.
    fn session_id(&self) -> Option<String> {
        None
    }

    /// Whether a request without a session is cancelled by closing its connection.
    fn cancels_by_hanging_up(&self) -> bool {
        false
    }
}

/// Lines over a pair of pipes.
pub struct Pipes {
    lines: Mutex<Option<mpsc::UnboundedSender<String>>>,
    inbox: Inbox,
    child: Option<tokio::sync::Mutex<Child>>,
    reading: Mutex<Option<JoinHandle<()>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Pipes {
    /// Over any two streams, such as the halves of `tokio::io::duplex`.
    pub fn over(
        inbox: &Inbox,
        reader: impl AsyncRead + Send + Unpin + 'static,
        mut writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (lines, mut to_write) = mpsc::unbounded_channel::<String>();
        let writing = tokio::spawn(async move {
            while let Some(line) = to_write.recv().await {
                if writer.write_all(line.as_bytes()).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
            let _ = writer.shutdown().await;
        });
        let delivered = inbox.clone();
        let reading = tokio::spawn(async move {
            let mut lines = BufReader::new(reader).lines();
            loop {
                match lines.next_line().await {
                    Ok(Some(line)) => delivered.deliver_text(&line),
                    Ok(None) => return delivered.close(),
                    Err(error) => {
                        delivered.break_with(format!("the output cannot be read: {error}"));
                        return delivered.close();
                    }
                }
            }
        });
        Self {
            lines: Mutex::new(Some(lines)),
            inbox: inbox.clone(),
            child: None,
            reading: Mutex::new(Some(reading)),
            tasks: vec![writing],
        }
    }

    /// Starts `program` with nothing in its environment but `environment`, and talks to its standard input and output. It is
    /// killed when this is dropped; what it writes to stderr goes to the log.
    pub fn spawn(inbox: &Inbox, program: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut pipes = Self::over(inbox, stdout, stdin);
        let noted = inbox.clone();
        pipes.tasks.push(tokio::spawn(async move {
            while let Ok(Some(line)) = stderr.next_line().await {
                noted.note("stderr:", &line);
            }
        }));
        pipes.child = Some(tokio::sync::Mutex::new(child));
        pipes
    }

    /// The id of the process that it started.
    pub fn process(&self) -> u32 {
        let child = self.child.as_ref().expect("a process").try_lock();
        child.unwrap().id().expect("it runs")
    }
}

impl Wire for Pipes {
    fn send(&self, message: Value, _era: Era) -> Sent {
        self.send_text(&format!("{message}\n"));
        async { Ok(()) }.boxed()
    }

    fn send_text(&self, text: &str) {
        self.inbox.note("->", text.trim_end());
        if let Some(lines) = &*self.lines.lock().unwrap() {
            // A server that is gone shows itself by its closed output.
            let _ = lines.send(text.to_owned());
        }
    }

    fn close_input(&self) {
        self.lines.lock().unwrap().take();
    }

    fn close_output(&self) -> BoxFuture<'_, ()> {
        let reading = self.reading.lock().unwrap().take();
        async {
            if let Some(reading) = reading {
                reading.abort();
                // The stream is closed once the task is gone.
                let _ = reading.await;
            }
        }
        .boxed()
    }

    fn exit_code(&self) -> BoxFuture<'_, Option<i32>> {
        let child = self.child.as_ref().expect("no process was started");
        async { child.lock().await.wait().await.unwrap().code() }.boxed()
    }
}

impl Drop for Pipes {
    fn drop(&mut self) {
        let reading = self.reading.lock().unwrap().take();
        reading.iter().for_each(JoinHandle::abort);
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Streamable HTTP: every message is a POST, whose answer is JSON or a stream of events.
pub struct StreamableHttp {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    inbox: Inbox,
    session: Arc<Mutex<Option<String>>>,
    /// The version header is sent once the handshake is over.
    opened: Mutex<bool>,
    listening: Mutex<Option<JoinHandle<()>>>,
}

impl StreamableHttp {
    /// To the address of an `/mcp`.
    pub fn new(inbox: &Inbox, url: &str, token: Option<&str>) -> Self {
        Self {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: url.to_owned(),
            token: token.map(str::to_owned),
            inbox: inbox.clone(),
            session: Arc::default(),
            opened: Mutex::new(false),
            listening: Mutex::default(),
        }
    }

    fn post(&self, message: &Value, era: Era) -> reqwest::RequestBuilder {
        let mut request = self
            .http
            .post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(message.to_string());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(session) = &*self.session.lock().unwrap() {
            request = request.header("Mcp-Session-Id", session);
        }
        if era == Era::Modern || *self.opened.lock().unwrap() {
            request = request.header("MCP-Protocol-Version", era.version());
        }
        if era == Era::Modern {
            let method = message["method"].as_str().unwrap_or_default();
            request = request.header("Mcp-Method", method);
            let name = match method {
                "tools/call" | "prompts/get" => message["params"]["name"].as_str(),
                "resources/read" => message["params"]["uri"].as_str(),
                "tasks/get" | "tasks/update" | "tasks/cancel" => message["params"]["taskId"].as_str(),
                _ => None,
            };
            if let Some(name) = name {
                request = request.header("Mcp-Name", name);
            }
        }
        request
    }
}

impl Wire for StreamableHttp {
    fn send(&self, message: Value, era: Era) -> Sent {
        self.inbox.note("->", &message.to_string());
        let request = self.post(&message, era);
        let (inbox, session) = (self.inbox.clone(), Arc::clone(&self.session));
        async move {
            let response = request.send().await.map_err(|_| Failure::Closed)?;
            let status = response.status();
            let kind = content_type(&response);
            if let Some(id) = response.headers().get("mcp-session-id") {
                *session.lock().unwrap() = Some(id.to_str().unwrap().to_owned());
            }
            if status.is_success() && kind == "text/event-stream" {
                events(response, |_, data| inbox.deliver_text(data)).await;
            } else {
                let body = response.text().await.map_err(|_| Failure::Closed)?;
                if kind == "application/json" {
                    inbox.deliver_text(&body);
                } else if !status.is_success() {
                    let status = status.as_u16();
                    inbox.note("<-", &format!("HTTP {status}: {body}"));
                    return Err(Failure::Http { status, body });
                }
            }
            if message.get("id").is_some() && message.get("method").is_some() {
                // Has no effect on a request that was answered.
                return Err(Failure::Closed);
            }
            Ok(())
        }
        .boxed()
    }

    fn opened(&self) {
        *self.opened.lock().unwrap() = true;
    }

    fn listen(&self) -> BoxFuture<'_, ()> {
        async {
            let session = self.session_id().expect("no session to listen to");
            let mut request = self.http.get(&self.url).header(ACCEPT, "text/event-stream");
            request = request.header("Mcp-Session-Id", session);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 200);
            let inbox = self.inbox.clone();
            let reading = tokio::spawn(events(response, move |_, data| inbox.deliver_text(data)));
            *self.listening.lock().unwrap() = Some(reading);
        }
        .boxed()
    }

    fn session_id(&self) -> Option<String> {
        self.session.lock().unwrap().clone()
    }

    fn cancels_by_hanging_up(&self) -> bool {
        true
    }
}

impl Drop for StreamableHttp {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.lock().unwrap().take() {
            listening.abort();
        }
    }
}

/// The HTTP+SSE of 2024-11-05: messages are posted, all answers come as events of one stream.
pub struct LegacySse {
    http: reqwest::Client,
    endpoint: String,
    token: Option<String>,
    inbox: Inbox,
    reading: JoinHandle<()>,
}

impl LegacySse {
    /// Connects to the `/sse` of the server at `base`, such as `http://127.0.0.1:1234`.
    pub async fn connect(inbox: &Inbox, base: &str, token: Option<&str>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = http.get(format!("{base}/sse")).header(ACCEPT, "text/event-stream");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(content_type(&response), "text/event-stream");
        let (told, endpoint) = oneshot::channel();
        let delivered = inbox.clone();
        let reading = tokio::spawn(async move {
            let mut told = Some(told);
            events(response, |event, data| match event {
                "endpoint" => {
                    let told = told.take().expect("a second endpoint");
                    told.send(data.to_owned()).unwrap();
                }
                "message" => delivered.deliver_text(data),
                other => delivered.break_with(format!("an unknown event {other:?}: {data}")),
            })
            .await;
            delivered.close();
        });
        let endpoint = tokio::time::timeout(LIMIT, endpoint)
            .await
            .expect("no endpoint came")
            .expect("the stream ended before the endpoint");
        Self {
            http,
            endpoint: format!("{base}{endpoint}"),
            token: token.map(str::to_owned),
            inbox: inbox.clone(),
            reading,
        }
    }

    /// The address to which messages are posted.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Wire for LegacySse {
    fn send(&self, message: Value, _era: Era) -> Sent {
        self.inbox.note("->", &message.to_string());
        let mut request = self
            .http
            .post(&self.endpoint)
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_string());
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        async move {
            let response = request.send().await.map_err(|_| Failure::Closed)?;
            let status = response.status().as_u16();
            if status == 202 {
                return Ok(());
            }
            let body = response.text().await.map_err(|_| Failure::Closed)?;
            Err(Failure::Http { status, body })
        }
        .boxed()
    }
}

impl Drop for LegacySse {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

fn content_type(response: &reqwest::Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_owned()
}

/// Reads server-sent events until the stream ends; `take` gets the type and the data of each that has data.
async fn events(mut response: reqwest::Response, mut take: impl FnMut(&str, &str)) {
    let mut bytes = Vec::new();
    let (mut event, mut data) = (String::from("message"), String::new());
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = bytes.drain(..=end).collect();
            let line = String::from_utf8(line).expect("events are UTF-8");
            let line = line.trim_end_matches(['\r', '\n']);
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() => {
                    if !data.trim().is_empty() {
                        take(&event, data.trim_end_matches('\n'));
                    }
                    data.clear();
                    event = String::from("message");
                }
                "event" => event = value.to_owned(),
                "data" => {
                    data.push_str(value);
                    data.push('\n');
                }
                _ => {}
            }
        }
    }
}
