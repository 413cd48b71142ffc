//! The command line: parses, prepares a service, calls it, prints.

mod bench;
mod completions;
mod doctor;
pub(crate) mod error;
mod eval;
pub(crate) mod init;
mod inspect;
mod judge;
mod models;
mod output;
mod report;
mod serve;
mod sessions;
mod setup;
pub(crate) mod show;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::error::{CliError, Context};
use crate::config::{Config, Environment, Settings};
use crate::{machine, signals, telemetry};

/// Calibrate an image prompt against a reference picture, with an agent, on your own machine.
#[derive(Debug, Parser)]
#[command(name = "prompt-calibrator", version, about)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the configuration, and print or write a client's entry for this server
    Init(init::Args),
    /// Serve MCP on stdin and stdout, or over HTTP
    Serve(serve::Args),
    /// Compare two pictures
    Judge(judge::Args),
    /// Show where a workflow takes its prompt, seed and settings
    Inspect(inspect::Args),
    /// Check judge, ComfyUI and data folder, and say what to do
    Doctor(doctor::Args),
    /// Measure the judge on rendered scenes, or on your own pairs
    Eval(eval::Args),
    /// Measure how fast the judge is
    Bench(bench::Args),
    /// List, show, export, import and remove sessions
    Sessions(sessions::Args),
    /// List, fetch, choose, check and remove models for the judge
    Models(models::Args),
    /// Write a session as one page for a browser
    Report(report::Args),
    /// Print completions for a shell
    Completions(completions::Args),
    /// The judge process; started by the others
    #[cfg(feature = "llama")]
    #[command(name = llama::worker::SUBCOMMAND, hide = true)]
    JudgeWorker,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let lacking = machine::lacking();
    if !lacking.is_empty() {
        show::remark(&format!(
            "error: this program was built for a processor with {}, which this one lacks\n\
             what to do: build it on this machine (cargo build --release), or anywhere with RUSTFLAGS=\"\" for any processor.",
            lacking.join(", ")
        ));
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            show::error(&error);
            if error.client_waits() {
                serve::refuse(&error);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(mut cli: Cli) -> error::Result<ExitCode> {
    #[cfg(feature = "llama")]
    if matches!(cli.command, Command::JudgeWorker) {
        telemetry::init_worker();
        signals::outlive_full_files();
        signals::end_with_parent();
        llama::cpp::child::run();
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Models(args) = &mut cli.command {
        args.take(&mut cli.settings);
    }
    if let Command::Completions(args) = &cli.command {
        completions::run(args);
        return Ok(ExitCode::SUCCESS);
    }
    let environment = Environment::from_process();
    let config = match &cli.command {
        // It makes the file that the others read.
        Command::Init(_) => Config::resolve_for_writing(cli.settings, &environment)?,
        Command::Serve(args) if args.over_pipes() => {
            let config = Config::resolve(cli.settings, &environment);
            config.map_err(|error| CliError::from(error).before_a_client())?
        }
        _ => Config::resolve(cli.settings, &environment)?,
    };
    telemetry::init(&config).context("logging could not be started")?;
    signals::outlive_full_files();
    let runtime = tokio::runtime::Runtime::new().context("the runtime could not be started")?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Init(args) => init::run(args, config, environment).await,
            Command::Serve(args) => serve::run(args, config).await,
            Command::Judge(args) => judge::run(args, config).await,
            Command::Inspect(args) => inspect::run(args, config).await,
            Command::Doctor(args) => doctor::run(args, config, environment).await,
            Command::Eval(args) => eval::run(args, config).await,
            Command::Bench(args) => bench::run(args, config).await,
            Command::Sessions(args) => sessions::run(args, config).await,
            Command::Models(args) => models::run(args, config, &environment).await,
            Command::Report(args) => report::run(args, config).await,
            Command::Completions(_) => Ok(ExitCode::SUCCESS),
            #[cfg(feature = "llama")]
            Command::JudgeWorker => Ok(ExitCode::SUCCESS),
        }
    });
    // A blocked read of stdin must not keep the process: nothing that was answered is pending.
    runtime.shutdown_background();
    result
}
