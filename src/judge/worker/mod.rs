//! The judge's engine in a child process of the same binary.
//!
//! A C++ abort or an out-of-memory there becomes an error and a restart here, and ending the
//! child is what gives all its GPU memory back.

pub mod child;
pub mod frame;
mod process;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::engine::llama::Pixels;
use super::engine::{Answers, Ask, EngineError, EngineInfo, ModelSpec, PixelKey};
use process::Process;

/// The hidden subcommand that makes the binary a judge process.
pub const SUBCOMMAND: &str = "judge-worker";

/// A picture fitted for the model, named by its pixels.
#[derive(Clone, Debug)]
pub struct KeyedPixels {
    /// The name.
    pub key: PixelKey,
    /// The pixels.
    pub pixels: Arc<Pixels>,
}

/// Why the judge process gave no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WorkerError {
    /// The engine said so; the process lives on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The process could not be started.
    #[error("the judge process could not be started: {0}")]
    Spawn(String),
    /// The process ended while it worked. A fresh one is started for the next call.
    #[error("the judge process ended while it worked ({status}); a fresh one starts with the next call{}", last_words(.log))]
    Died {
        /// How it ended.
        status: String,
        /// The last lines it logged.
        log: String,
    },
    /// The worker was shut down.
    #[error("the judge is shutting down")]
    Closed,
}

fn last_words(log: &str) -> String {
    if log.is_empty() {
        String::new()
    } else {
        format!(". Its last words: {log}")
    }
}

impl WorkerError {
    /// What to do next, for an agent.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Spawn(_) => "Check that the prompt-calibrator binary is still in its place and executable.".into(),
            Self::Died { .. } => {
                "Call again. If it dies again, the model file or its projector is probably damaged, or memory ran out: run `prompt-calibrator doctor`.".into()
            }
            Self::Closed => "Start the server again.".into(),
        }
    }

    /// Whether the caller's cancellation is the reason.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Engine(EngineError::Cancelled))
    }
}

/// How the judge process is started.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The binary; it is called with [`SUBCOMMAND`].
    pub program: PathBuf,
    /// The model it loads on first use.
    pub spec: ModelSpec,
}

/// What the worker is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum WorkerState {
    /// No process; the next ask starts one.
    #[default]
    Idle,
    /// Loading, part done in `[0, 1]`.
    Loading(f32),
    /// A model is loaded in a process.
    Ready {
        /// The process id.
        pid: u32,
        /// What is loaded.
        info: EngineInfo,
    },
}

enum Command {
    Ask {
        ask: Box<Ask>,
        pictures: Vec<KeyedPixels>,
        cancel: CancellationToken,
        reply: oneshot::Sender<Result<Answers, WorkerError>>,
    },
    Info {
        cancel: CancellationToken,
        reply: oneshot::Sender<Result<EngineInfo, WorkerError>>,
    },
    Unload {
        reply: oneshot::Sender<()>,
    },
}

/// A handle on the judge process; clones share it. One ask runs at a time.
#[derive(Clone, Debug)]
pub struct Worker {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<WorkerState>,
}

impl Worker {
    /// Prepares a worker on the present tokio runtime; the process starts with the first ask.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        let (commands, queue) = mpsc::channel(64);
        let (publish, state) = watch::channel(WorkerState::Idle);
        tokio::spawn(run(config, queue, publish));
        Self { commands, state }
    }

    /// What the worker is doing; changes wake the receiver.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.state.clone()
    }

    /// Asks; loads the model first when needed. Pictures are sent to the process only when it
    /// does not hold them yet.
    ///
    /// # Errors
    /// [`WorkerError`]; after a death the next call starts afresh.
    pub async fn ask(
        &self,
        ask: Ask,
        pictures: Vec<KeyedPixels>,
        cancel: &CancellationToken,
    ) -> Result<Answers, WorkerError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask {
            ask: Box::new(ask),
            pictures,
            cancel: cancel.clone(),
            reply,
        };
        self.call(command, answer, cancel).await?
    }

    /// Loads the model if it is not loaded and says what it is.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn info(&self, cancel: &CancellationToken) -> Result<EngineInfo, WorkerError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Info {
            cancel: cancel.clone(),
            reply,
        };
        self.call(command, answer, cancel).await?
    }

    /// Ends the process, which gives all its memory back. The next ask starts a new one.
    pub async fn unload(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Unload { reply }).await.is_ok() {
            let _ = done.await;
        }
    }

    async fn call<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<T>,
        cancel: &CancellationToken,
    ) -> Result<T, WorkerError> {
        tokio::select! {
            sent = self.commands.send(command) => sent.map_err(|_| WorkerError::Closed)?,
            () = cancel.cancelled() => return Err(EngineError::Cancelled.into()),
        }
        answer.await.map_err(|_| WorkerError::Closed)
    }
}

/// The task that owns the process. It ends, and the process with it, when all handles are gone.
async fn run(config: WorkerConfig, mut commands: mpsc::Receiver<Command>, publish: watch::Sender<WorkerState>) {
    let mut process: Option<Process> = None;
    while let Some(command) = commands.recv().await {
        match command {
            Command::Unload { reply } => {
                if let Some(process) = process.take() {
                    process.end().await;
                }
                publish.send_replace(WorkerState::Idle);
                let _ = reply.send(());
            }
            Command::Info { cancel, reply } => {
                if reply.is_closed() {
                    continue;
                }
                let result = ready(&mut process, &config, &publish, &cancel)
                    .await
                    .map(|p| p.info().clone());
                let _ = reply.send(result);
            }
            Command::Ask {
                ask,
                pictures,
                cancel,
                reply,
            } => {
                // A caller that went away is skipped.
                if reply.is_closed() {
                    continue;
                }
                let result = match ready(&mut process, &config, &publish, &cancel).await {
                    Ok(live) => live.ask(&ask, &pictures, &cancel).await,
                    Err(error) => Err(error),
                };
                if process.as_ref().is_some_and(Process::is_gone) {
                    process = None;
                    publish.send_replace(WorkerState::Idle);
                }
                let _ = reply.send(result);
            }
        }
    }
    if let Some(process) = process.take() {
        process.end().await;
    }
}

async fn ready<'p>(
    process: &'p mut Option<Process>,
    config: &WorkerConfig,
    publish: &watch::Sender<WorkerState>,
    cancel: &CancellationToken,
) -> Result<&'p mut Process, WorkerError> {
    // A process that was killed between two calls is replaced without a word.
    if process.as_mut().is_some_and(Process::has_exited) {
        *process = None;
    }
    match process {
        Some(live) => Ok(live),
        None => {
            publish.send_replace(WorkerState::Loading(0.0));
            let started = Process::start(config, cancel, |fraction| {
                publish.send_replace(WorkerState::Loading(fraction));
            })
            .await;
            match started {
                Ok(live) => {
                    publish.send_replace(WorkerState::Ready {
                        pid: live.pid(),
                        info: live.info().clone(),
                    });
                    Ok(process.insert(live))
                }
                Err(error) => {
                    publish.send_replace(WorkerState::Idle);
                    Err(error)
                }
            }
        }
    }
}
