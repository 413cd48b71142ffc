//! `serve`.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::error::{CliError, Context, Result};
use super::setup::{Reach, service};
use super::show;
use crate::config::{Config, Transport};
use crate::mcp::server::CalibratorServer;
use crate::mcp::transport::http::{self, HttpOptions};
use crate::mcp::transport::stdio::{self, StdioOptions};
use crate::session::Service;
use history::Store;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Serve over HTTP at this address (/mcp, and the deprecated /sse) instead of stdin and stdout; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// A web page's origin that may connect over HTTP, such as http://localhost:6274; may be repeated
    #[arg(long, value_name = "ORIGIN", requires = "http")]
    allow_origin: Vec<String>,
}

impl Args {
    /// Whether a client speaks over this process's own pipes.
    pub fn over_pipes(&self) -> bool {
        self.http.is_none()
    }
}

/// Tells the client that waits for its first answer why there is no server: it does not read standard error.
pub fn refuse(error: &CliError) {
    if std::io::stdin().is_terminal() {
        return;
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    runtime.block_on(stdio::refuse(&show::in_lines(error)));
    // A read of the input that nobody ends must not keep the process.
    runtime.shutdown_background();
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = CancellationToken::new();
    tokio::spawn(stop_on_signal(shutdown.clone()));
    let store = Store::open(config.data_dir.value.clone());
    tokio::spawn(async move {
        if let Err(error) = store.tidy().await {
            tracing::warn!(%error, "what a killed process left was not removed");
        }
    });
    let Some(addr) = args.http else {
        if std::io::stdin().is_terminal() {
            show::note(
                "this speaks MCP on standard input and output, so a client has to start it (README, \"Connect a client\"). Ctrl-D ends it.",
            );
        }
        let service = checked(&config, Transport::Stdio)
            .await
            .map_err(CliError::before_a_client)?;
        let options = StdioOptions {
            shutdown,
            ..StdioOptions::default()
        };
        stdio::serve(CalibratorServer::new(service), options).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let service = checked(&config, Transport::Http).await?;
    let handler = CalibratorServer::new(service);
    let mut options = HttpOptions::loopback(addr.port());
    options.addr = addr;
    options.token = config.http_token.as_ref().map(|t| t.expose().to_owned());
    options.allowed_origins = args.allow_origin;
    options.shutdown = shutdown;
    let bound = http::serve(options, move || handler.for_another()).await?;
    // On standard error, where a person or a script that started it reads the port.
    tracing::info!("listening on http://{}/mcp", bound.addr);
    bound.join().await?;
    Ok(ExitCode::SUCCESS)
}

/// A service whose rubric can be used: an agent that named none could do nothing about one that cannot.
async fn checked(config: &Config, transport: Transport) -> Result<Service> {
    let service = service(config, Reach::Configured(transport))?;
    if let Some(rubric) = &config.rubric {
        service
            .rubric(None)
            .await
            .with_context(|| format!("the rubric from {} cannot be used", rubric.source))?;
    }
    Ok(service)
}

async fn stop_on_signal(shutdown: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    shutdown.cancel();
}
