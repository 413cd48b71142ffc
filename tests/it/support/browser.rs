//! A headless Chromium, driven over its DevTools protocol.

use std::collections::VecDeque;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::not_run;

/// For everything that a browser is asked.
const LIMIT: Duration = Duration::from_secs(60);
/// What it may be called.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Set where none can be installed: then the tests that need one say that they are not run.
const NONE: &str = "PROMPT_CALIBRATOR_NO_BROWSER";

/// A page in a browser of its own. Dropping it ends the browser.
pub struct Browser {
    _process: Child,
    _profile: TempDir,
    socket: WebSocketStream<TcpStream>,
    session: String,
    number: u64,
    events: VecDeque<Value>,
}

impl Browser {
    /// Starts one; nothing where the machine is known to have none.
    pub async fn start() -> Option<Self> {
        if std::env::var_os(NONE).is_some() {
            not_run(&format!(
                "{NONE} is set, so there is no browser to look at the page with"
            ));
            return None;
        }
        let profile = tempfile::tempdir().unwrap();
        let started = NAMES.iter().find_map(|name| {
            Command::new(name)
                .args([
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                    "--remote-debugging-port=0",
                ])
                .arg("--disable-dev-shm-usage")
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg("about:blank")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .ok()
        });
        let mut process = started.unwrap_or_else(|| {
            panic!("none of {NAMES:?} is here: `tools/test.sh` installs one, or says with {NONE} that it cannot")
        });
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let listening = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the browser ended");
                if let Some((_, url)) = line.split_once("DevTools listening on ") {
                    return url.trim().to_owned();
                }
            }
        };
        let url = timeout(LIMIT, listening).await.expect("the browser does not listen");
        // It must not wait for somebody to read what it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let address = url.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        let mut browser = Self {
            _process: process,
            _profile: profile,
            socket,
            session: String::new(),
            number: 0,
            events: VecDeque::new(),
        };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"})).await;
        let attached = browser
            .ask(
                "Target.attachToTarget",
                json!({"targetId": target["targetId"], "flatten": true}),
            )
            .await;
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.ask(&format!("{domain}.enable"), json!({})).await;
        }
        Some(browser)
    }

    async fn next(&mut self) -> Value {
        loop {
            let message = timeout(LIMIT, self.socket.next()).await.expect("the browser is silent");
            if let Message::Text(text) = message.expect("the browser is gone").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// One command of the protocol.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let number = self.number;
        let mut command = json!({"id": number, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(command.to_string())).await.unwrap();
        loop {
            let answer = self.next().await;
            if answer["id"] == number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push_back(answer);
        }
    }

    /// Opens a file in a window of this size and waits until it has loaded. `scheme` is `light` or `dark`.
    pub async fn open(&mut self, file: &Path, (width, height): (u32, u32), scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.ask("Emulation.setDeviceMetricsOverride", size).await;
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.ask("Emulation.setEmulatedMedia", media).await;
        // Another page first, so that the same file is loaded anew.
        self.load("about:blank").await;
        self.load(&format!("file://{}", file.display())).await;
    }

    async fn load(&mut self, url: &str) {
        self.events.clear();
        self.ask("Page.navigate", json!({ "url": url })).await;
        let there = |event: &Value| event["method"] == "Page.loadEventFired";
        while !self.events.iter().any(there) {
            let event = self.next().await;
            self.events.push_back(event);
        }
    }

    /// The value of an expression.
    pub async fn eval(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses and releases a key, by its name such as `ArrowRight`.
    pub async fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.ask("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "code": key}))
                .await;
        }
    }

    /// What is seen, as a PNG.
    pub async fn screenshot(&mut self) -> Vec<u8> {
        let shot = self.ask("Page.captureScreenshot", json!({"format": "png"})).await;
        STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    /// What went wrong since the page was opened, and what it asked of the network.
    pub fn complaints(&self) -> Vec<String> {
        let mut found = Vec::new();
        for event in &self.events {
            let params = &event["params"];
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Log.entryAdded" => found.push(params.to_string()),
                "Network.requestWillBeSent" => {
                    let url = params["request"]["url"].as_str().unwrap_or_default();
                    if !url.starts_with("file:") && !url.starts_with("data:") && url != "about:blank" {
                        found.push(format!("it asked for {url}"));
                    }
                }
                _ => {}
            }
        }
        found
    }
}
