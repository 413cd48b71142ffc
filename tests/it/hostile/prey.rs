//! The program under attack, and raw ways to attack it.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::mcp_binary::bench::BINARY;
use crate::mcp_binary::warm;
use crate::support::mcp_client::{Era, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::{LegacySse, StreamableHttp};
use crate::support::signal::signal;

/// The revision that most attacks speak.
pub const VERSION: &str = "2025-11-25";

/// Waits for `work` no longer than anything may take.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(LIMIT, work).await;
    done.unwrap_or_else(|_| panic!("waited too long for {what}"))
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Resident memory without the pages of files, in KiB: those of the program come in as it is used.
    pub memory: u64,
    pub descriptors: usize,
    pub threads: usize,
}

/// A running program. Dropping it kills it.
pub struct Prey {
    process: Child,
    pid: u32,
    /// Where it listens, over HTTP.
    pub address: SocketAddr,
    _folder: Option<TempDir>,
}

impl Prey {
    /// Over HTTP, with an empty data folder and no ComfyUI.
    pub async fn over_http() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut prey = Self::over_http_in(folder.path(), &nowhere()).await;
        prey._folder = Some(folder);
        prey
    }

    pub async fn over_http_in(data: &Path, comfyui: &str) -> Self {
        let mut process = command(data, comfyui)
            .args(["--http", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = within("the server to listen", async {
            loop {
                let line = log.next_line().await.unwrap().expect("it ended without listening");
                if let Some((_, address)) = line.split_once("listening on http://") {
                    return address.trim_end_matches("/mcp").parse().unwrap();
                }
            }
        })
        .await;
        // It must not wait for somebody to read what it says.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self {
            pid: process.id().unwrap(),
            process,
            address,
            _folder: None,
        }
    }

    /// Over pipes, which the caller gets; nothing was said yet.
    pub fn over_pipes() -> (Self, ChildStdin, BufReader<ChildStdout>) {
        let folder = tempfile::tempdir().unwrap();
        let (mut prey, input, output) = Self::over_pipes_in(folder.path(), &nowhere(), &[]);
        prey._folder = Some(folder);
        (prey, input, output)
    }

    pub fn over_pipes_in(data: &Path, comfyui: &str, arguments: &[&str]) -> (Self, ChildStdin, BufReader<ChildStdout>) {
        Self::spawn_over_pipes(command(data, comfyui).args(arguments))
    }

    fn spawn_over_pipes(command: &mut Command) -> (Self, ChildStdin, BufReader<ChildStdout>) {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let prey = Self {
            pid: process.id().unwrap(),
            process,
            address: ([127, 0, 0, 1], 0).into(),
            _folder: None,
        };
        (prey, input, BufReader::new(output))
    }

    /// The same over pipes, where no file may grow beyond so many blocks of the shell's `ulimit -f`.
    pub fn over_pipes_with_small_files(data: &Path, blocks: u32) -> (Self, ChildStdin, BufReader<ChildStdout>) {
        let mut limited = Command::new("/bin/sh");
        limited.args(["-c", &format!("ulimit -f {blocks} && exec \"$0\" \"$@\""), BINARY]);
        let root = data.display().to_string();
        Self::spawn_over_pipes(serving(limited, data, &nowhere()).args(["--root", &root]))
    }

    /// The judge processes that it started.
    pub fn judges(&self) -> Vec<u32> {
        let numbers = fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok());
        numbers
            .filter(|pid| {
                let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
                let parent = format!("PPid:\t{}\n", self.pid);
                read("status").contains(&parent) && read("cmdline").contains("judge-worker")
            })
            .collect()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it holds now.
    pub fn holds(&self) -> Held {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let number = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
        };
        Held {
            memory: number("RssAnon:"),
            descriptors: fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count(),
            threads: usize::try_from(number("Threads:")).unwrap(),
        }
    }

    /// The most memory that it ever held, in KiB, with the pages of its own file: not to be compared with what [`Held`] counts.
    pub fn peak(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Looks again and again until `wanted` holds of it: the system has no bell for that.
    pub async fn until_it(&self, what: &str, wanted: impl Fn(Held) -> bool) {
        within(what, async {
            while !wanted(self.holds()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// A well-behaved client of it, with its session opened.
    pub async fn client(&self, era: Era) -> McpClient {
        let inbox = Inbox::default();
        let client = if era == Era::Session("2024-11-05") {
            McpClient::new(LegacySse::connect(&inbox, &self.url(), None).await, inbox, era)
        } else {
            let wire = StreamableHttp::new(&inbox, &format!("{}/mcp", self.url()), None);
            McpClient::new(wire, inbox, era)
        };
        client.open().await;
        client
    }

    /// It lives, and serves new clients of every kind.
    pub async fn serves(&self) {
        for era in [Era::Session(VERSION), Era::Modern, Era::Session("2024-11-05")] {
            let listed = self.client(era).await.result("tools/list", json!({})).await;
            assert!(
                listed["tools"].as_array().is_some_and(|tools| tools.len() >= 4),
                "{listed}"
            );
        }
    }

    /// A connection of which nothing was said yet.
    pub async fn connect(&self) -> TcpStream {
        within("a connection", TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub async fn exchange(&self, bytes: &[u8]) -> Answer {
        self.exchange_until(bytes, None).await
    }

    async fn exchange_until(&self, bytes: &[u8], last: Option<&str>) -> Answer {
        let mut connection = self.connect().await;
        // The server may refuse, and hang up, before it has read all.
        let _ = connection.write_all(bytes).await;
        let mut answer = Vec::new();
        let reading = async {
            while matches!(connection.read_buf(&mut answer).await, Ok(1..)) {
                let text = String::from_utf8_lossy(&answer);
                // The whole of the event that it is in.
                let came = |last| text.split_once(last).is_some_and(|(_, rest)| rest.contains("\n\n"));
                if last.is_some_and(came) {
                    return;
                }
            }
        };
        let asked = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        within(&format!("the answer to {asked}"), reading).await;
        Answer(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Posts a body, as clients of 2025-11-25 do.
    pub async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.exchange(&posted(path, headers, body)).await
    }

    /// The same, where the answer may have no end: reads until `last` came.
    pub async fn post_until(&self, path: &str, headers: &str, body: &[u8], last: &str) -> Answer {
        self.exchange_until(&posted(path, headers, body), Some(last)).await
    }

    /// Ends it as a person or a supervisor does.
    pub fn terminate(&self) {
        signal("-TERM", self.pid);
    }

    /// Waits until it has ended; its exit code.
    pub async fn ended(mut self) -> Option<i32> {
        within("the program to end", self.process.wait()).await.unwrap().code()
    }
}

fn command(data: &Path, comfyui: &str) -> Command {
    serving(Command::new(BINARY), data, comfyui)
}

fn serving(mut command: Command, data: &Path, comfyui: &str) -> Command {
    command
        .args(["serve", "--comfyui", comfyui, "--data-dir"])
        .arg(data)
        .env_clear()
        .env("HOME", data)
        .env(warm::THREADS.0, warm::THREADS.1)
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// An address at which nothing listens.
pub fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// The head of a POST to `/mcp` or `/message`; `headers` are further lines.
pub fn head(path: &str, headers: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}\r\n"
    )
    .into_bytes()
}

fn posted(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n", body.len());
    let mut bytes = head(path, &format!("{headers}{length}Connection: close\r\n"));
    bytes.extend_from_slice(body);
    bytes
}

/// What an HTTP server sent until it closed the connection.
pub struct Answer(pub String);

impl Answer {
    /// The status; 0 where nothing came.
    pub fn status(&self) -> u16 {
        self.0.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.0.split("\r\n\r\n").next().unwrap();
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_owned())
    }

    /// The JSON-RPC message in it, as JSON or as an event.
    pub fn message(&self) -> Value {
        let json = self.0.find("{\"jsonrpc\"").map(|from| &self.0[from..]);
        let mut found = serde_json::Deserializer::from_str(json.unwrap_or_default()).into_iter();
        found
            .next()
            .and_then(Result::ok)
            .unwrap_or_else(|| panic!("no message in {}", self.0))
    }
}

pub fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

pub fn initialize() -> Value {
    let client = json!({"name": "hostile", "version": "0"});
    let params = json!({"protocolVersion": VERSION, "capabilities": {}, "clientInfo": client});
    request("initialize", "initialize", params)
}

/// The lines that open a session over pipes.
pub fn opening() -> Vec<u8> {
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    format!("{}\n{initialized}\n", initialize()).into_bytes()
}

/// What the server writes, until it ends.
pub async fn read_all(mut output: BufReader<ChildStdout>) -> Vec<Value> {
    let mut messages = Vec::new();
    let mut line = Vec::new();
    while within("a line or the end", output.read_until(b'\n', &mut line))
        .await
        .unwrap()
        > 0
    {
        messages.push(serde_json::from_slice(&line).expect("standard output is JSON lines"));
        line.clear();
    }
    messages
}

/// Writes these lines, then a good call, and ends the input: all that the server said, which must have ended well.
pub async fn tell(lines: Vec<Vec<u8>>) -> Vec<Value> {
    let (prey, mut input, output) = Prey::over_pipes();
    let writing = async move {
        for line in lines {
            input.write_all(&line).await.unwrap();
            input.write_all(b"\n").await.unwrap();
        }
        let good = request("good", "tools/list", meta());
        input.write_all(format!("{good}\n").as_bytes()).await.unwrap();
    };
    let (messages, ()) = tokio::join!(read_all(output), writing);
    assert_eq!(prey.ended().await, Some(0));
    let good: Vec<_> = messages.iter().filter(|message| message["id"] == "good").collect();
    assert!(good.len() == 1 && good[0]["result"]["tools"].is_array(), "{good:?}");
    messages
}

/// The params of a request of 2026-07-28; older sessions take them, too.
pub fn meta() -> Value {
    json!({"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "hostile", "version": "0"},
    }})
}
