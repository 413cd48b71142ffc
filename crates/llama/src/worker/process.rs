//! One judge process: its pipes, its requests, its end.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::error::speaks_of_memory;
use super::frame::{self, PictureHead, Reply, Request};
use super::query::{self, Gpus, Name, Query};
use super::silence::{self, Silence};
use super::{Cause, SUBCOMMAND, WorkerConfig, WorkerError, check};
use crate::error::LlamaError;
use crate::memory::{Placement, Shape, choose};
use judge::engine::{Answers, Ask, EngineInfo, KeyedPixels, PixelKey};

/// How long a cancelled process may take to stop before it is killed. The engine looks at the flag
/// every few milliseconds on a CPU and between decodes on a GPU.
const GRACE: Duration = Duration::from_millis(800);
/// How long the end of a killed process is awaited.
const LAST: Duration = Duration::from_secs(20);
/// Lines of the process's log that are kept for an error message.
const LAST_LINES: usize = 4;

/// A process, with a model in it once it was told to load one.
pub struct Process {
    link: Link,
    info: Option<EngineInfo>,
}

/// A process and the pipes to it.
struct Link {
    child: Child,
    input: ChildStdin,
    // Behind a task, because a read of half a frame must not be cancelled.
    replies: tokio::sync::mpsc::Receiver<Reply>,
    log: Arc<Mutex<VecDeque<String>>>,
    next_id: u64,
    patience: Duration,
    gone: bool,
}

impl Process {
    /// Starts a process without a model.
    pub fn start(config: &WorkerConfig) -> Result<Self, WorkerError> {
        if !cfg!(feature = "cpp") {
            return Err(WorkerError::NotBuilt);
        }
        let link = Link::open(config)?;
        Ok(Self { link, info: None })
    }

    /// Loads the model; `loading` gets the part done, in `[0, 1]`. A process that fails at it is done for.
    pub async fn load(
        &mut self,
        config: &WorkerConfig,
        cancel: &CancellationToken,
        mut loading: impl FnMut(f32),
    ) -> Result<EngineInfo, WorkerError> {
        let placement = self.placement(config, cancel).await?;
        let id = self.link.take_id();
        let load = Request::Load {
            id,
            spec: config.spec.clone(),
            placement,
        };
        self.link.send(&load, &[], cancel).await?;
        loop {
            match self.link.reply(id, cancel).await? {
                Reply::Loading { fraction, .. } => loading(fraction),
                Reply::Loaded { info, .. } => {
                    self.info = Some(info.clone());
                    return Ok(info);
                }
                Reply::Failed { error, .. } => return Err(self.link.explain(error).into()),
                _ => return Err(unexpected()),
            }
        }
    }

    /// Asks what there is, or what is held.
    pub async fn query(&mut self, name: Name, cancel: &CancellationToken) -> Result<Value, WorkerError> {
        let id = self.link.take_id();
        self.link.send(&Request::Query { id, name }, &[], cancel).await?;
        match self.link.reply(id, cancel).await? {
            Reply::Told { answer, .. } if query::fits(name, &answer) => Ok(answer),
            Reply::Told { answer, .. } => {
                self.link.kill().await;
                Err(WorkerError::Lied(format!("to {name:?} it said {answer}")))
            }
            Reply::Failed { error, .. } => Err(error.into()),
            _ => Err(unexpected()),
        }
    }

    /// Where the model's parts go, when there is a GPU and nobody has said how many layers lie on it.
    async fn placement(
        &mut self,
        config: &WorkerConfig,
        cancel: &CancellationToken,
    ) -> Result<Option<Placement>, WorkerError> {
        if config.spec.gpu_layers.is_some() {
            return Ok(None);
        }
        let gpus = self.query(Gpus::NAME, cancel).await?;
        let gpus = <Gpus as Query>::Answer::deserialize(gpus).map_err(|error| WorkerError::Lied(error.to_string()))?;
        if gpus.is_empty() {
            return Ok(None);
        }
        let (spec, plan) = (config.spec.clone(), config.plan);
        let chosen = tokio::task::spawn_blocking(move || {
            let adapters = spec.adapters.iter().map(|adapter| adapter.path.as_path());
            Shape::read(&spec.model, &spec.mmproj, adapters).map(|shape| choose(&shape, &plan, &gpus).0)
        });
        Ok(match chosen.await {
            Ok(Ok(placement)) => Some(placement),
            Ok(Err(error)) => {
                // A file that is broken is told about by the load itself; of an unknown kind all goes to the GPU.
                tracing::warn!(%error, "the judge's memory cannot be planned");
                None
            }
            Err(_) => None,
        })
    }

    /// What is loaded.
    pub fn info(&self) -> Option<&EngineInfo> {
        self.info.as_ref()
    }

    pub fn pid(&self) -> u32 {
        self.link.child.id().unwrap_or(0)
    }

    /// Whether the process ended or was killed by us.
    pub fn is_gone(&self) -> bool {
        self.link.gone
    }

    /// Whether the process has ended by itself or was killed from outside.
    pub fn has_exited(&mut self) -> bool {
        self.link.gone || !matches!(self.link.child.try_wait(), Ok(None))
    }

    pub async fn ask(
        &mut self,
        ask: &Ask,
        pictures: &[KeyedPixels],
        cancel: &CancellationToken,
    ) -> Result<Answers, WorkerError> {
        let mut wanted: Vec<PixelKey> = Vec::new();
        // Usually two rounds, the second with the pictures that the process missed; a third when something that it
        // kept turns out damaged.
        for _ in 0..3 {
            match self.ask_with(ask, pictures, &wanted, cancel).await {
                Err(WorkerError::Engine(LlamaError::NeedPixels(keys))) => wanted.extend(keys),
                other => return other,
            }
        }
        Err(unexpected())
    }

    async fn ask_with(
        &mut self,
        ask: &Ask,
        pictures: &[KeyedPixels],
        wanted: &[PixelKey],
        cancel: &CancellationToken,
    ) -> Result<Answers, WorkerError> {
        let sent: Vec<&KeyedPixels> = pictures.iter().filter(|p| wanted.contains(&p.key)).collect();
        let blob: Vec<u8> = sent.iter().flat_map(|p| p.pixels.rgb.iter().copied()).collect();
        let id = self.link.take_id();
        let request = Request::Ask {
            id,
            ask: ask.clone(),
            pictures: sent
                .iter()
                .map(|p| PictureHead {
                    key: p.key.clone(),
                    width: p.pixels.width,
                    height: p.pixels.height,
                })
                .collect(),
        };
        self.link.send(&request, &blob, cancel).await?;
        match self.link.reply(id, cancel).await? {
            Reply::Answered { answers, .. } => match check::check(ask, &answers) {
                Ok(()) => Ok(answers),
                Err(lie) => {
                    self.link.kill().await;
                    Err(WorkerError::Lied(lie))
                }
            },
            Reply::Failed { error, .. } => Err(error.into()),
            _ => Err(unexpected()),
        }
    }

    /// Ends the process and waits until it is gone, so that its memory is free afterwards.
    pub async fn end(mut self) {
        self.link.kill().await;
    }
}

impl Link {
    fn open(config: &WorkerConfig) -> Result<Self, WorkerError> {
        let spawn = |e: std::io::Error| WorkerError::Spawn(format!("{}: {e}", config.program.display()));
        let mut child = Command::new(&config.program)
            .arg(SUBCOMMAND)
            // Names a backend to load: one for a llama.cpp of the user's own, of another version than ours.
            .env_remove("GGML_BACKEND_PATH")
            // Here, because libgomp reads it before `main`.
            .envs(config.waiting.variables())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        let missing = || WorkerError::Spawn("its pipes are missing".into());
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let errors = child.stderr.take().ok_or_else(missing)?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        tokio::spawn(keep_log(BufReader::new(errors), Arc::clone(&log)));
        Ok(Self {
            child,
            input,
            replies: read_replies(output),
            log,
            next_id: 1,
            patience: config.patience,
            gone: false,
        })
    }

    fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Writes a request, with the same watch on the process as while its reply is awaited: one that takes nothing is killed, and
    /// on cancellation one that does not take the rest in time, because half a frame cannot be taken back.
    async fn send(&mut self, request: &Request, blob: &[u8], cancel: &CancellationToken) -> Result<(), WorkerError> {
        let head = frame::head(request, blob)
            .map_err(|error| LlamaError::Protocol(format!("a request cannot be written: {error}")))?;
        for mut rest in [head.as_slice(), blob] {
            while !rest.is_empty() {
                let taken = self.take_some(rest, cancel).await?;
                rest = rest.get(taken..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Waits until the process takes something of `bytes`; how many of them.
    async fn take_some(&mut self, bytes: &[u8], cancel: &CancellationToken) -> Result<usize, WorkerError> {
        let step = silence::step(self.patience);
        let mut silent = Silence::begin(self.queued());
        loop {
            let taken = tokio::select! {
                biased;
                taken = timeout(step, self.input.write(bytes)) => taken,
                () = cancel.cancelled() => match timeout(GRACE, self.input.write(bytes)).await {
                    Err(_) => {
                        self.kill().await;
                        return Err(LlamaError::Cancelled.into());
                    }
                    taken => taken,
                },
            };
            match taken {
                Ok(Ok(taken @ 1..)) => return Ok(taken),
                Ok(Ok(0) | Err(_)) => return Err(self.died().await),
                Err(_) => self.watch(&mut silent, step).await?,
            }
        }
    }

    /// The next reply to request `id`. On cancellation the process is told, and killed when it
    /// does not stop in time; a process without a sign of life is killed too.
    async fn reply(&mut self, id: u64, cancel: &CancellationToken) -> Result<Reply, WorkerError> {
        let step = silence::step(self.patience);
        let mut silent = Silence::begin(self.queued());
        loop {
            let received = tokio::select! {
                biased;
                reply = timeout(step, self.replies.recv()) => reply,
                () = cancel.cancelled() => {
                    if !timeout(GRACE, self.stopped(id)).await.is_ok_and(|stopped| stopped) {
                        self.kill().await;
                    }
                    return Err(LlamaError::Cancelled.into());
                }
            };
            match received {
                Ok(Some(Reply::Alive)) => silent = Silence::begin(self.queued()),
                Ok(Some(reply)) if number(&reply) == Some(id) => return Ok(reply),
                Ok(Some(_)) => {
                    // Out of step once is out of step from now on: the next call gets a fresh process.
                    self.kill().await;
                    return Err(unexpected());
                }
                Ok(None) => return Err(self.died().await),
                Err(_) => self.watch(&mut silent, step).await?,
            }
        }
    }

    /// Another `step` without a sign of life: the process is killed when its patience is over.
    async fn watch(&mut self, silent: &mut Silence, step: Duration) -> Result<(), WorkerError> {
        if silent.another(step, self.queued()) < self.patience {
            return Ok(());
        }
        self.kill().await;
        Err(WorkerError::Hung {
            silent: self.patience,
            log: self.last_lines(),
        })
    }

    /// Tells the process to stop request `id` and waits for its last reply; false when it ends instead.
    async fn stopped(&mut self, id: u64) -> bool {
        let Ok(told) = frame::head(&Request::Cancel { id }, &[]) else {
            return false;
        };
        self.input.write_all(&told).await.is_ok() && self.final_reply(id).await
    }

    /// What the process's threads have stood in line for a processor.
    fn queued(&self) -> silence::Queued {
        self.child.id().map(silence::queued).unwrap_or_default()
    }

    async fn kill(&mut self) {
        self.gone = true;
        match timeout(LAST, self.child.kill()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the judge process could not be ended"),
            // Only a call into the system that does not return holds it up, such as one into a GPU's driver.
            Err(_) => tracing::warn!("the judge process was ended and stays nevertheless; its memory is not free yet"),
        }
    }

    /// Waits for the last reply to `id`; false when the process ends instead.
    async fn final_reply(&mut self, id: u64) -> bool {
        while let Some(reply) = self.replies.recv().await {
            if number(&reply) == Some(id) && !matches!(reply, Reply::Loading { .. }) {
                return true;
            }
        }
        false
    }

    async fn died(&mut self) -> WorkerError {
        self.gone = true;
        // Its pipes are closed, so it is ending; how it ends is worth knowing.
        let ended = timeout(GRACE, self.child.wait()).await;
        let log = self.last_lines();
        let (status, cause) = match ended {
            Ok(Ok(status)) => (status.to_string(), cause(status, &log)),
            Ok(Err(error)) => (error.to_string(), Cause::Crashed),
            Err(_) => {
                self.kill().await;
                ("it closed its pipes and did not end".to_owned(), Cause::Crashed)
            }
        };
        WorkerError::Died { status, cause, log }
    }

    fn last_lines(&self) -> String {
        let log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.iter().cloned().collect::<Vec<_>>().join(" | ")
    }

    /// Adds what llama.cpp logged to a failed load.
    fn explain(&self, error: LlamaError) -> LlamaError {
        let log = self.last_lines();
        match error {
            LlamaError::Load { what, path, reason } if !log.is_empty() => LlamaError::Load {
                what,
                path,
                reason: format!("{reason}. llama.cpp said: {log}"),
            },
            other => other,
        }
    }
}

fn cause(status: std::process::ExitStatus, log: &str) -> Cause {
    if speaks_of_memory(log) {
        return Cause::OutOfMemory;
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        const TOLD_TO_END: [i32; 3] = [2, 9, 15]; // INT, KILL, TERM
        if status.signal().is_some_and(|signal| TOLD_TO_END.contains(&signal)) {
            return Cause::Killed;
        }
    }
    #[cfg(not(unix))]
    let _ = status;
    Cause::Crashed
}

fn number(reply: &Reply) -> Option<u64> {
    match reply {
        Reply::Alive => None,
        Reply::Loading { id, .. }
        | Reply::Loaded { id, .. }
        | Reply::Told { id, .. }
        | Reply::Answered { id, .. }
        | Reply::Failed { id, .. } => Some(*id),
    }
}

fn unexpected() -> WorkerError {
    LlamaError::Protocol("its reply does not belong to the question".into()).into()
}

fn read_replies(mut output: ChildStdout) -> tokio::sync::mpsc::Receiver<Reply> {
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        loop {
            match frame::receive::<Reply>(&mut output).await {
                Ok(Some(reply)) => {
                    if sender.send(reply).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, "the judge process sent something malformed");
                    return;
                }
            }
        }
    });
    receiver
}

/// Passes the process's log on and keeps its last lines that speak of errors.
async fn keep_log(mut lines: BufReader<tokio::process::ChildStderr>, log: Arc<Mutex<VecDeque<String>>>) {
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        // Our own warnings are no part of how a process ended.
        if let Some(warning) = text.strip_prefix("WARN ") {
            tracing::warn!("{warning}");
            continue;
        }
        tracing::debug!(target: "judge_process", "{text}");
        let mut log = log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if log.len() == LAST_LINES {
            log.pop_front();
        }
        log.push_back(text.chars().take(300).collect());
    }
}
