//! The judge's engine in a child process of the same binary.
//!
//! A C++ abort or an out-of-memory there becomes an error and a restart here, and ending the
//! child is what gives all its GPU memory back.

mod check;
mod error;
pub mod frame;
mod offences;
mod process;
pub mod query;
mod silence;
mod waiting;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::error::LlamaError;
use crate::spec::ModelSpec;
pub use error::{Cause, WorkerError};
use judge::engine::{Answers, Ask, EngineInfo, KeyedPixels, Layout};
use judge::protocol;
use offences::{Offences, Question};
use process::Process;
use query::{Name, Query};
pub use waiting::Waiting;

/// The hidden subcommand that makes the binary a judge process.
pub const SUBCOMMAND: &str = "judge-worker";

/// How the judge process is started.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The binary; it is called with [`SUBCOMMAND`].
    pub program: PathBuf,
    /// The model it loads on first use.
    pub spec: ModelSpec,
    /// The largest work that memory is planned for; what is larger still runs where there is room.
    pub plan: Layout,
    /// After this long without a question the process is ended, which frees its memory; `None` keeps it.
    pub idle: Option<Duration>,
    /// How long a working process may show no sign of life before it counts as hung. What it stands in line for a
    /// processor meanwhile does not count.
    pub patience: Duration,
    /// How its threads wait for one another.
    pub waiting: Waiting,
}

impl WorkerConfig {
    /// Long enough between two steps of a calibration, short enough for a shared GPU.
    pub const IDLE: Duration = Duration::from_secs(600);
    /// Beyond any single step of a model that still makes progress, a slow disk's included.
    pub const PATIENCE: Duration = Duration::from_secs(120);

    /// With the usual limits.
    #[must_use]
    pub fn new(program: PathBuf, spec: ModelSpec) -> Self {
        let plan = protocol::plan(spec.image_tokens);
        Self {
            program,
            spec,
            plan,
            idle: Some(Self::IDLE),
            patience: Self::PATIENCE,
            waiting: Waiting::default(),
        }
    }
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
    Query {
        name: Name,
        starts: bool,
        cancel: CancellationToken,
        reply: oneshot::Sender<Result<Option<Value>, WorkerError>>,
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

    /// Asks what there is, or what is held. A process that is started for it loads nothing.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn query<Q: Query>(&self, _: Q, cancel: &CancellationToken) -> Result<Q::Answer, WorkerError> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Query {
            name: Q::NAME,
            starts: Q::STARTS,
            cancel: cancel.clone(),
            reply,
        };
        match self.call(command, answer, cancel).await?? {
            None => Ok(Q::Answer::default()),
            Some(answer) => serde_json::from_value(answer).map_err(|error| WorkerError::Lied(error.to_string())),
        }
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
            () = cancel.cancelled() => return Err(LlamaError::Cancelled.into()),
        }
        answer.await.map_err(|_| WorkerError::Closed)
    }
}

/// The task that owns the process. It ends, and the process with it, when all handles are gone.
async fn run(config: WorkerConfig, mut commands: mpsc::Receiver<Command>, publish: watch::Sender<WorkerState>) {
    let mut process: Option<Process> = None;
    let mut offences = Offences::default();
    // Where the judge computes, as whoever asked last was told: a judgement is not to change judges on its way.
    let mut told: Option<String> = None;
    loop {
        let command = match (config.idle, &process) {
            (Some(idle), Some(_)) => tokio::time::timeout(idle, commands.recv()).await,
            _ => Ok(commands.recv().await),
        };
        match command {
            Ok(None) => break,
            Err(_) => {
                tracing::info!("the judge was idle; its process is ended and its memory freed");
                end(&mut process, &publish).await;
            }
            Ok(Some(Command::Unload { reply })) => {
                end(&mut process, &publish).await;
                let _ = reply.send(());
            }
            Ok(Some(Command::Info { cancel, reply })) => {
                if reply.is_closed() {
                    continue;
                }
                let result = ready(&mut process, &config, &publish, &cancel)
                    .await
                    .map(|(_, info)| info);
                if let Ok(info) = &result {
                    told = Some(info.computes_on());
                }
                let _ = reply.send(result);
            }
            Ok(Some(Command::Query {
                name,
                starts,
                cancel,
                reply,
            })) => {
                let asked = if starts {
                    started(&mut process, &config, &publish).map(Some)
                } else {
                    Ok(process.as_mut().filter(|live| live.info().is_some()))
                };
                let result = match asked {
                    Ok(Some(live)) => live.query(name, &cancel).await.map(Some),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                };
                forget_gone(&mut process, &publish);
                let _ = reply.send(result);
            }
            Ok(Some(Command::Ask {
                ask,
                pictures,
                cancel,
                reply,
            })) => {
                // A caller that went away is skipped.
                if reply.is_closed() {
                    continue;
                }
                let question = Question::of(&ask);
                if let Err(refused) = offences.admit(&question) {
                    let _ = reply.send(Err(refused));
                    continue;
                }
                let result = match ready(&mut process, &config, &publish, &cancel).await {
                    Ok((_, info)) if told.as_ref().is_some_and(|told| *told != info.computes_on()) => {
                        Err(WorkerError::Moved {
                            before: told.clone().unwrap_or_default(),
                            now: info.computes_on(),
                        })
                    }
                    Ok((live, _)) => {
                        let result = live.ask(&ask, &pictures, &cancel).await;
                        offences.note(question, &result);
                        result
                    }
                    Err(error) => Err(error),
                };
                forget_gone(&mut process, &publish);
                let _ = reply.send(result);
            }
        }
    }
    if let Some(process) = process.take() {
        process.end().await;
    }
}

async fn end(process: &mut Option<Process>, publish: &watch::Sender<WorkerState>) {
    if let Some(process) = process.take() {
        process.end().await;
    }
    publish.send_replace(WorkerState::Idle);
}

/// A process that was ended or died in a call is forgotten; the next call starts another.
fn forget_gone(process: &mut Option<Process>, publish: &watch::Sender<WorkerState>) {
    if process.as_ref().is_some_and(Process::is_gone) {
        *process = None;
        publish.send_replace(WorkerState::Idle);
    }
}

/// The process, a new one where there is none. One that was killed between two calls is replaced without a word.
fn started<'p>(
    process: &'p mut Option<Process>,
    config: &WorkerConfig,
    publish: &watch::Sender<WorkerState>,
) -> Result<&'p mut Process, WorkerError> {
    let live = process.take().map(|mut live| (live.has_exited(), live));
    Ok(process.insert(match live {
        Some((false, live)) => live,
        _ => {
            publish.send_replace(WorkerState::Idle);
            Process::start(config)?
        }
    }))
}

/// The process with its model loaded.
async fn ready<'p>(
    process: &'p mut Option<Process>,
    config: &WorkerConfig,
    publish: &watch::Sender<WorkerState>,
    cancel: &CancellationToken,
) -> Result<(&'p mut Process, EngineInfo), WorkerError> {
    let known = started(process, config, publish)?.info().cloned();
    // Out of its place meanwhile, so that a process that fails to load is dropped, and with that ended.
    let mut live = process.take().ok_or(WorkerError::Closed)?;
    let info = match known {
        Some(info) => info,
        None => {
            publish.send_replace(WorkerState::Loading(0.0));
            let told = |fraction| {
                publish.send_replace(WorkerState::Loading(fraction));
            };
            let loaded = live.load(config, cancel, told).await;
            publish.send_replace(match &loaded {
                Ok(info) => WorkerState::Ready {
                    pid: live.pid(),
                    info: info.clone(),
                },
                Err(_) => WorkerState::Idle,
            });
            match loaded {
                Ok(info) => info,
                Err(error) => {
                    // Awaited: the next process must not find this one's memory still taken.
                    live.end().await;
                    return Err(error);
                }
            }
        }
    };
    Ok((process.insert(live), info))
}
