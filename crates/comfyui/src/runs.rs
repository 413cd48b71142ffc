//! Runs: submit a graph, follow it to its end, cancel it.
//!
//! The WebSocket tells the progress; what counts is the server's own record, so `/history` and `/queue` are polled
//! beside it, and a lost socket costs nothing but the progress.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::calls::{QueueState, Submitted};
use super::client::Client;
use super::error::ComfyError;
use super::follow::{Follower, follow};
use super::patience::Patience;
use super::progress::Progress;
use super::record::{self, Finished};
use super::socket::Socket;

/// How often a submission whose answer did not come is looked up before it counts as not accepted.
const LOOK_UPS: u32 = 5;
/// How often a server is asked whether it is there.
const TRIES: usize = 3;
/// Pause between two looks while a run is being cancelled.
const CANCEL_PAUSE: Duration = Duration::from_millis(50);

/// Time limits of following a run.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Pause between two looks at the server's history and queue.
    pub poll_interval: Duration,
    /// How long a server may be silent before its run is given up; one that refuses plainly is given up after a few looks.
    pub grace: Duration,
    /// How long the record of a run that has ended may be awaited before the run counts as lost.
    pub late_record: Duration,
    /// How long a cancelled run may take to stop.
    pub cancel_limit: Duration,
    /// Pause before a lost WebSocket is opened again; doubles up to the poll interval.
    pub reconnect_delay: Duration,
}

impl Default for RunConfig {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_secs(1),
            grace: Duration::from_secs(60),
            late_record: Duration::from_secs(10),
            cancel_limit: Duration::from_secs(30),
            reconnect_delay: Duration::from_millis(250),
        }
    }
}

/// A graph to run.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The graph in API format.
    pub graph: Value,
    /// The id to run it under: chosen, and written down, before this call, so that the run can be found again.
    pub prompt_id: Uuid,
    /// Who listens to it. One per run (the `prompt_id` as text does well): two sockets under one id make one deaf.
    pub client_id: String,
}

/// How a cancelled run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It was waiting and has been taken out of the queue; nothing was executed.
    Removed,
    /// It was being executed and has stopped.
    Interrupted,
    /// It was over before the cancellation took effect; its result, or failure, stands.
    AlreadyOver,
}

/// Starts, finds and cancels runs on one server. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Runner {
    client: Client,
    config: RunConfig,
}

impl Runner {
    /// A runner over a client.
    pub fn new(client: Client, config: RunConfig) -> Self {
        Self { client, config }
    }

    /// The client it works with.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Submits a graph and begins to follow it. The graph is posted once, whatever happens.
    ///
    /// Dropping the returned future or the [`Run`] leaves the job on the server; [`Runner::attach`] finds it.
    ///
    /// # Errors
    /// [`ComfyError::Unreachable`] when nothing was sent; [`ComfyError::Validation`] when the graph or a part of it was
    /// refused (a partly accepted job is cancelled first); [`ComfyError::Timeout`], [`ComfyError::Broken`] and the like
    /// when the answer did not come and the server, asked several times, has no such run.
    pub async fn start(&self, submission: Submission) -> Result<Run, ComfyError> {
        let Submission {
            graph,
            prompt_id,
            client_id,
        } = submission;
        let socket = match Socket::open(&self.client, &client_id).await {
            Ok(socket) => Some(socket),
            Err(
                error @ (ComfyError::Unreachable { .. } | ComfyError::Config { .. } | ComfyError::Certificate { .. }),
            ) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "no WebSocket: the run is followed by polling alone");
                None
            }
        };
        match self.client.submit(prompt_id, &graph, &client_id).await {
            Ok(Submitted::Whole) => {}
            Ok(Submitted::Partly { problems }) => {
                if let Err(error) = self.cancel(prompt_id).await {
                    tracing::warn!(%prompt_id, %error, "a partly accepted job could not be cancelled");
                }
                return Err(ComfyError::Validation { problems });
            }
            Err(error) if error.is_uncertain() => self.look_up(prompt_id, error).await?,
            Err(error) => return Err(error),
        }
        Ok(self.follow(prompt_id, Some(client_id), socket, &graph))
    }

    /// Finds a run again that was submitted earlier, perhaps by a process that is gone. With the `client_id` of its
    /// submission its progress is heard too; without, its place and its end are found by polling.
    ///
    /// A run that the server does not have ends as [`ComfyError::Lost`].
    pub fn attach(&self, prompt_id: Uuid, client_id: Option<String>) -> Run {
        self.follow(prompt_id, client_id, None, &Value::Null)
    }

    /// Cancels a run for good: takes it out of the queue or interrupts it, and returns only when that is seen to have
    /// happened. No other run is touched.
    ///
    /// # Errors
    /// [`ComfyError::Lost`] when the server has no such run; [`ComfyError::Timeout`] when it does not stop in time (the
    /// server stops it when the node at work returns); any transport error.
    pub async fn cancel(&self, prompt_id: Uuid) -> Result<Cancelled, ComfyError> {
        let begun = Instant::now();
        let mut removed = false;
        loop {
            // The queue first: a run leaves it in the same moment as it enters the history.
            match self.client.queue_state(prompt_id).await? {
                QueueState::Pending { .. } => {
                    self.client.delete_pending(prompt_id).await?;
                    removed = true;
                }
                QueueState::Running => {
                    self.client.interrupt(prompt_id).await?;
                    removed = false;
                }
                QueueState::Absent => {
                    return match self.client.history(prompt_id).await? {
                        Some(entry) => match record::verdict(prompt_id, &entry) {
                            Err(ComfyError::Interrupted { .. }) => Ok(Cancelled::Interrupted),
                            _ => Ok(Cancelled::AlreadyOver),
                        },
                        None if removed => Ok(Cancelled::Removed),
                        None => Err(ComfyError::Lost {
                            prompt_id,
                            url: self.client.url_for_people(),
                            waited: false,
                        }),
                    };
                }
            }
            if begun.elapsed() >= self.config.cancel_limit {
                let what = format!(
                    "stopping run {prompt_id} (ComfyUI was told to, and does so when the node at work returns)"
                );
                return Err(ComfyError::Timeout {
                    what,
                    limit: self.config.cancel_limit,
                });
            }
            sleep(CANCEL_PAUSE).await;
        }
    }

    /// Makes sure that a ComfyUI answers, before anything is posted: what is wrong with the address, the credentials or a proxy is
    /// then known at once, and that nothing was sent. A server that is merely slow is taken as there.
    ///
    /// # Errors
    /// Any transport error but a timeout.
    pub async fn answers(&self) -> Result<(), ComfyError> {
        let slow = |error: &ComfyError| matches!(error, ComfyError::Timeout { .. });
        let pauses = ConstantBuilder::new().with_delay(self.config.poll_interval);
        // What following the run needs as well.
        let asking = (|| self.client.queue())
            .retry(pauses.with_max_times(TRIES - 1))
            .when(|error| error.is_uncertain() && !slow(error))
            .notify(|error, _| tracing::debug!(%error, "ComfyUI does not answer as it should"));
        match timeout(self.client.request_timeout(), asking).await {
            Ok(Err(error)) if !slow(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// How long a start may take until its request is sure to have arrived or to be lost: the first question, the opening of the
    /// socket, the request, and the look-ups after it.
    pub fn longest_start(&self) -> Duration {
        self.client.request_timeout() * 3 + self.config.poll_interval * LOOK_UPS
    }

    /// How long the record of a run that has ended may be awaited.
    pub fn late_record(&self) -> Duration {
        self.config.late_record
    }

    /// Whether the server has a run that may have been sent to it. A request can arrive after its sender is gone, so a run that
    /// is not there is looked for several times. (`backon` asks again after errors only; here "not there" is an answer.)
    ///
    /// # Errors
    /// Any transport error.
    pub async fn is_there(&self, prompt_id: Uuid) -> Result<bool, ComfyError> {
        for _ in 1..LOOK_UPS {
            if self.has(prompt_id).await? {
                return Ok(true);
            }
            sleep(self.config.poll_interval).await;
        }
        self.has(prompt_id).await
    }

    /// After a submission without an answer: returns when the server has the run, fails when it has not. (Two counts, looks that
    /// found nothing and [`Patience`] with those that failed: more than `backon` knows.)
    async fn look_up(&self, prompt_id: Uuid, unanswered: ComfyError) -> Result<(), ComfyError> {
        tracing::warn!(%prompt_id, error = %unanswered, "no answer to a submission: looking whether the run is there");
        let mut patience = Patience::new(self.config.grace);
        let mut looked = 0;
        while looked < LOOK_UPS {
            match self.has(prompt_id).await {
                Ok(true) => return Ok(()),
                Ok(false) => {
                    patience.renew();
                    looked += 1;
                }
                Err(error) if patience.is_over(&error, Instant::now()) => {
                    let detail =
                        format!("{error}; run {prompt_id} was submitted without an answer and may be queued there");
                    return Err(ComfyError::Broken {
                        request: "POST /prompt".into(),
                        detail,
                    });
                }
                Err(error) => tracing::debug!(%error, "looking a submission up failed"),
            }
            sleep(self.config.poll_interval).await;
        }
        Err(unanswered.with_state(&format!(
            "run {prompt_id} was looked for {looked} times and is neither queued nor finished there"
        )))
    }

    /// Whether the server has a run now, in its queue or in its history.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn has(&self, prompt_id: Uuid) -> Result<bool, ComfyError> {
        Ok(self.client.queue_state(prompt_id).await? != QueueState::Absent
            || self.client.history(prompt_id).await?.is_some())
    }

    fn follow(&self, prompt_id: Uuid, client_id: Option<String>, socket: Option<Socket>, graph: &Value) -> Run {
        let (progress, progress_seen) = watch::channel(Progress::default());
        let (outcome, outcome_seen) = watch::channel(None);
        let follower = Arc::new(Follower::new(
            self.client.clone(),
            self.config.clone(),
            prompt_id,
            graph,
            progress,
        ));
        let following = Arc::clone(&follower);
        let task = tokio::spawn(async move {
            let ended = follow(&following, client_id, socket).await;
            outcome.send_replace(Some(ended));
        });
        Run {
            prompt_id,
            progress: progress_seen,
            outcome: outcome_seen,
            runner: self.clone(),
            follower,
            task,
        }
    }
}

/// A run that is being followed. Dropping it ends the following, not the job.
#[derive(Debug)]
pub struct Run {
    /// Its id.
    pub prompt_id: Uuid,
    /// How far it is; the newest value is always there.
    pub progress: watch::Receiver<Progress>,
    outcome: watch::Receiver<Option<Result<Finished, ComfyError>>>,
    runner: Runner,
    follower: Arc<Follower>,
    task: JoinHandle<()>,
}

impl Run {
    /// Waits for the end. May be called again, and dropped while waiting.
    ///
    /// # Errors
    /// [`ComfyError::NodeFailed`], [`ComfyError::Interrupted`], [`ComfyError::Lost`], or [`ComfyError::Unreachable`] when
    /// the server stayed away for the grace period.
    pub async fn outcome(&self) -> Result<Finished, ComfyError> {
        let mut seen = self.outcome.clone();
        match seen.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
            Ok(Some(ended)) => ended,
            _ => Err(ComfyError::Broken {
                request: format!("following run {}", self.prompt_id),
                detail: "the follower is gone".into(),
            }),
        }
    }

    /// Cancels the run for good, as [`Runner::cancel`] does; the outcome is then [`ComfyError::Interrupted`] unless the
    /// run was over before.
    ///
    /// # Errors
    /// As [`Runner::cancel`].
    pub async fn cancel(&self) -> Result<Cancelled, ComfyError> {
        self.follower.cancelled.store(true, Ordering::Relaxed);
        let ended = self.runner.cancel(self.prompt_id).await;
        self.follower.wake();
        match ended {
            // It has ended, and only its record is late.
            Err(ComfyError::Lost { .. }) if self.follower.heard_end() => Ok(Cancelled::AlreadyOver),
            ended => ended,
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.task.abort();
    }
}
