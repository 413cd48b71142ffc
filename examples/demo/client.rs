//! The real server as a child process, spoken to over MCP; what is said is kept as a transcript.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use rmcp::model::{CallToolRequestParams, ProgressNotificationParam};
use rmcp::service::{NotificationContext, RunningService};
use rmcp::transport::TokioChildProcess;
use rmcp::{ClientHandler, RoleClient, ServiceExt};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

/// For one call: each answers within its `wait_s` (50 s by default), with a handle if need be.
const CALL: Duration = Duration::from_secs(120);
/// For starting the server, and for ending it.
const START: Duration = Duration::from_secs(30);

/// Shows what a call is doing.
struct Watcher(ProgressBar);

impl ClientHandler for Watcher {
    async fn on_progress(&self, progress: ProgressNotificationParam, _context: NotificationContext<RoleClient>) {
        if let Some(total) = progress.total.filter(|total| *total > 0.0) {
            // A share of a hundred: rounding down is right.
            self.0.set_position((progress.progress / total * 100.0) as u64);
        }
        self.0.set_message(progress.message.unwrap_or_default());
    }
}

/// A client of the server that it started.
pub struct Server {
    client: RunningService<RoleClient, Watcher>,
    bar: ProgressBar,
    /// Every call with its structured result.
    pub transcript: Vec<(String, Value, Value)>,
}

impl Server {
    /// Starts the server on a data folder, the only one that it may read.
    pub async fn start(program: &Path, data: &Path, comfyui: &str, bar: ProgressBar) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["--log", "warn", "--comfyui", comfyui])
            .arg("--data-dir")
            .arg(data);
        command.arg("--root").arg(data).arg("serve").kill_on_drop(true);
        let transport = TokioChildProcess::new(command).context("the server could not be started")?;
        let client = timeout(START, Watcher(bar.clone()).serve(transport))
            .await
            .context("the server did not answer")?
            .context("the server ended before it answered; its reason stands above")?;
        Ok(Self {
            client,
            bar,
            transcript: Vec::new(),
        })
    }

    /// Calls a tool until it is done, and gives its structured result.
    pub async fn call(&mut self, tool: &'static str, arguments: Value) -> anyhow::Result<Value> {
        self.bar.set_prefix(tool);
        let mut given = arguments.clone();
        loop {
            let params =
                CallToolRequestParams::new(tool).with_arguments(given.as_object().cloned().unwrap_or_default());
            let result = timeout(CALL, self.client.call_tool(params)).await;
            let result = result.with_context(|| format!("{tool} did not answer"))??;
            if result.is_error == Some(true) {
                let texts = result.content.iter().filter_map(|c| Some(c.as_text()?.text.as_str()));
                bail!("{tool} failed: {}", texts.collect::<Vec<_>>().join("\n"));
            }
            let value = result
                .structured_content
                .context("a result without structured content")?;
            if let Some(handle) = value["handle"].as_str() {
                given = json!({ "handle": handle });
            } else if value["state"] == "running" {
                given = json!({ "session": value["session"], "iteration": value["iteration"], "judge": true });
            } else {
                self.transcript.push((tool.to_owned(), arguments, value.clone()));
                return Ok(value);
            }
        }
    }

    /// Ends the server.
    pub async fn end(self) -> anyhow::Result<Vec<(String, Value, Value)>> {
        timeout(START, self.client.cancel())
            .await
            .context("the server did not end")??;
        Ok(self.transcript)
    }
}
