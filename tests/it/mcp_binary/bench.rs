//! A workbench: folders of its own, a stand-in for ComfyUI, and servers started as a client starts them.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;

use crate::mcp_binary::studio::{LivingStudio, workflow};
use crate::mcp_binary::{shape, warm};
use crate::support::mcp_client::{Call, Era, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::{LegacySse, Pipes, StreamableHttp};

pub const BINARY: &str = env!("CARGO_BIN_EXE_prompt-calibrator");

/// How a client reaches the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Stdio,
    Http,
    LegacySse,
}

/// Folders, a ComfyUI, and the way in which servers are reached.
pub struct Bench {
    pub studio: LivingStudio,
    pub via: Via,
    pub era: Era,
    /// What clients say that they can do.
    pub capabilities: Value,
    /// Further flags of the servers that are started.
    pub settings: Vec<&'static str>,
    /// Further variables of their environment.
    pub variables: Vec<(&'static str, String)>,
    dir: TempDir,
}

impl Bench {
    /// With a stand-in that renders as fast as it can.
    pub async fn new(via: Via, era: Era) -> Self {
        Self::with_studio(via, era, LivingStudio::new(Duration::ZERO).await)
    }

    pub fn with_studio(via: Via, era: Era, studio: LivingStudio) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bench = Self {
            studio,
            via,
            era,
            capabilities: json!({}),
            settings: Vec::new(),
            variables: Vec::new(),
            dir,
        };
        warm::fill(&bench.data());
        fs::create_dir_all(bench.files()).unwrap();
        for name in ["reference.png", "generated.png"] {
            fs::copy(warm::picture(name), bench.file(name)).unwrap();
        }
        bench.write("workflow.json", workflow(3).to_string());
        bench
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The judge processes of this bench's servers that are alive: they inherit the servers' home.
    #[cfg(target_os = "linux")]
    pub fn judge_processes(&self) -> usize {
        let home = format!("HOME={}\0", self.data().display());
        let read = |pid: &Path, name: &str| fs::read(pid.join(name)).unwrap_or_default();
        let holds = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|window| window == part);
        let all = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        all.filter(|pid| holds(&read(pid, "cmdline"), b"judge-worker") && holds(&read(pid, "environ"), home.as_bytes()))
            .count()
    }

    /// The folder that the server may read: over HTTP that is the data folder, unless a person allows another.
    fn files(&self) -> PathBuf {
        match self.via {
            Via::Stdio => self.dir.path().join("files"),
            Via::Http | Via::LegacySse => self.data().join("files"),
        }
    }

    /// A file that the server may read.
    pub fn file(&self, name: &str) -> String {
        self.files().join(name).display().to_string()
    }

    /// A file that it may not.
    pub fn outside(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        fs::copy(self.file("reference.png"), &path).unwrap();
        path.display().to_string()
    }

    /// Writes a file that the server may read, and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.files().join(name), content).unwrap();
        self.file(name)
    }

    /// Starts a server and opens a client's session with it.
    pub async fn open(&self) -> Server {
        let server = self.start(&self.studio.url).await;
        server.client.open().await;
        server
    }

    /// Starts a server whose ComfyUI is at `comfyui`; nothing has been said to it yet.
    pub async fn start(&self, comfyui: &str) -> Server {
        let (data, files) = (self.data().display().to_string(), self.files().display().to_string());
        let mut arguments = vec!["serve", "--data-dir", &data, "--comfyui", comfyui];
        arguments.extend(&self.settings);
        let mut environment = vec![("HOME", data.as_str()), warm::THREADS];
        environment.extend(self.variables.iter().map(|(name, value)| (*name, value.as_str())));
        let inbox = Inbox::default();
        if self.via == Via::Stdio {
            arguments.extend(["--root", &files]);
            let wire = Pipes::spawn(&inbox, Path::new(BINARY), &arguments, &environment);
            return Server {
                client: McpClient::new(wire, inbox, self.era).with_capabilities(self.capabilities.clone()),
                process: None,
                address: None,
                listed: OnceCell::new(),
            };
        }
        arguments.extend(["--http", "127.0.0.1:0"]);
        let (process, address) = listening(&arguments, &environment, &inbox).await;
        let client = match self.via {
            Via::LegacySse => {
                let wire = LegacySse::connect(&inbox, &address, None).await;
                McpClient::new(wire, inbox, self.era)
            }
            _ => {
                let wire = StreamableHttp::new(&inbox, &format!("{address}/mcp"), None);
                McpClient::new(wire, inbox, self.era)
            }
        };
        let client = client.with_capabilities(self.capabilities.clone());
        Server {
            client,
            process: Some(process),
            address: Some(address),
            listed: OnceCell::new(),
        }
    }

    /// Opens another client's session with a server over HTTP.
    pub async fn another_client(&self, server: &Server) -> Server {
        assert_eq!(self.via, Via::Http);
        let inbox = Inbox::default();
        let address = server.address.clone().unwrap();
        let wire = StreamableHttp::new(&inbox, &format!("{address}/mcp"), None);
        let client = McpClient::new(wire, inbox, self.era).with_capabilities(self.capabilities.clone());
        client.open().await;
        Server {
            client,
            process: None,
            address: Some(address),
            listed: OnceCell::new(),
        }
    }
}

/// Starts a server over HTTP and waits until it says where it listens, as a person or a script would.
async fn listening(arguments: &[&str], environment: &[(&str, &str)], inbox: &Inbox) -> (Child, String) {
    let mut process = Command::new(BINARY)
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
    let broken = inbox.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = stdout.next_line().await {
            broken.break_with(format!("over HTTP nothing belongs on stdout: {line}"));
        }
    });
    let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines();
    let told = async {
        loop {
            let line = stderr.next_line().await.unwrap().expect("it ended without listening");
            inbox.note("stderr:", &line);
            if let Some((_, address)) = line.split_once("listening on ") {
                return address.trim_end_matches("/mcp").to_owned();
            }
        }
    };
    let address = tokio::time::timeout(LIMIT, told).await.expect("it does not listen");
    let noted = inbox.clone();
    tokio::spawn(async move {
        while let Ok(Some(line)) = stderr.next_line().await {
            noted.note("stderr:", &line);
        }
    });
    (process, address)
}

/// A server process with its client. Dropping it kills the process (SIGKILL).
pub struct Server {
    client: McpClient,
    /// Over pipes the client has it, and of several clients the first one.
    process: Option<Child>,
    /// Over HTTP.
    address: Option<String>,
    listed: OnceCell<Value>,
}

impl Deref for Server {
    type Target = McpClient;

    fn deref(&self) -> &McpClient {
        &self.client
    }
}

impl Server {
    /// Calls a tool that must succeed; its result fits its contract. Returns the structured content.
    pub async fn tool(&self, name: &str, arguments: Value) -> Value {
        self.whole(name, arguments).await["structuredContent"].clone()
    }

    /// The same with everything that came.
    pub async fn whole(&self, name: &str, arguments: Value) -> Value {
        self.checked(name, self.client.call_tool(name, arguments).await).await
    }

    /// Waits for the answer to a call that must succeed.
    pub async fn answer(&self, name: &str, call: &Call) -> Value {
        match call.answer().await {
            Ok(result) => self.checked(name, result).await["structuredContent"].clone(),
            Err(failure) => panic!("{name}: {failure:?}\n{}", self.log()),
        }
    }

    async fn checked(&self, name: &str, result: Value) -> Value {
        assert_ne!(result["isError"], true, "{name}: {result}\n{}", self.log());
        let content = &result["structuredContent"];
        let listing = self.client.result("tools/list", json!({}));
        let listed = self.listed.get_or_init(|| listing).await;
        let tools = listed["tools"].as_array().unwrap();
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        shape::check(&tool["outputSchema"], content);
        assert!(content["summary"].as_str().is_some_and(|s| s.len() > 10), "{content}");
        // Clients that show no structured content show the text.
        let text = result["content"][0]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), *content);
        result
    }

    /// Calls a tool that must be refused, and returns what it says.
    pub async fn refused(&self, name: &str, arguments: Value) -> String {
        let result = self.client.call_tool(name, arguments.clone()).await;
        assert_eq!(result["isError"], true, "{name} {arguments}: {result}");
        assert!(result.get("structuredContent").is_none(), "{result}");
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let (what, hint) = text
            .split_once("\nWhat to do: ")
            .unwrap_or_else(|| panic!("no hint: {text}"));
        assert!(what.len() > 10 && hint.len() > 10, "{text}");
        text
    }

    /// Opens a session on the bench's workflow and returns its id.
    pub async fn session(&self, bench: &Bench) -> String {
        let opened = self
            .tool(
                "inject_prompt",
                json!({"workflow": bench.file("workflow.json"), "reference": bench.file("reference.png"), "positive": "a red circle"}),
            )
            .await;
        opened["session"].as_str().unwrap().to_owned()
    }

    /// Waits until the process has ended after the end of its input; its exit code.
    pub async fn ended(&self) -> Option<i32> {
        assert!(self.process.is_none(), "only over pipes");
        self.client.closed().await;
        self.client.exit_code().await
    }
}
