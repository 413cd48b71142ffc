//! Following one run to its end: the WebSocket for progress, polling for the truth.

use std::convert::Infallible;
use std::future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use serde_json::Value;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::calls::QueueState;
use super::client::Client;
use super::error::ComfyError;
use super::events::{Event, Message};
use super::patience::Patience;
use super::progress::{Progress, RunState, Tracker};
use super::record::{self, Finished};
use super::runs::RunConfig;
use super::socket::Socket;

/// Pause between two looks at the history once the run is said to be over.
const END_PAUSE: Duration = Duration::from_millis(20);
/// How many such looks before the ordinary polling goes on.
const END_LOOKS: u32 = 25;
/// How long a result without images waits for the socket to say why.
const EXPLANATION_LIMIT: Duration = Duration::from_millis(500);
/// In how many polls in a row a run must be missing before it counts as lost, if nobody has seen it run.
const MISSES: u32 = 2;

/// What is known of a run that is being followed.
#[derive(Debug)]
pub(super) struct Follower {
    client: Client,
    config: RunConfig,
    prompt_id: Uuid,
    id: String,
    tracker: Mutex<Tracker>,
    progress: watch::Sender<Progress>,
    said_over: Notify,
    /// A socket is open, and what it says about the end is still to come.
    hearing: AtomicBool,
    /// The socket told that the run is over: its record is there, or will be soon.
    heard_end: AtomicBool,
    /// Somebody asked for its cancellation: a run that is missing then was removed, not lost.
    pub(super) cancelled: AtomicBool,
}

/// Follows to the end.
pub(super) async fn follow(
    follower: &Follower,
    client_id: Option<String>,
    socket: Option<Socket>,
) -> Result<Finished, ComfyError> {
    let ended = tokio::select! {
        ended = follower.poll() => ended,
        never = follower.listen(client_id, socket) => match never {},
    };
    if ended.is_ok() {
        follower.update(|_, progress| (progress.fraction, progress.eta) = (1.0, None));
    }
    ended
}

impl Follower {
    pub(super) fn new(
        client: Client,
        config: RunConfig,
        prompt_id: Uuid,
        graph: &Value,
        progress: watch::Sender<Progress>,
    ) -> Self {
        Self {
            client,
            config,
            prompt_id,
            id: prompt_id.to_string(),
            tracker: Mutex::new(Tracker::new(graph)),
            progress,
            said_over: Notify::new(),
            hearing: AtomicBool::new(false),
            heard_end: AtomicBool::new(false),
            cancelled: AtomicBool::new(false),
        }
    }

    /// Whether the socket told that the run is over.
    pub(super) fn heard_end(&self) -> bool {
        self.heard_end.load(Ordering::Relaxed)
    }

    /// Looks at the server now instead of at the next interval.
    pub(super) fn wake(&self) {
        self.said_over.notify_one();
    }

    /// Hears the socket, and opens it again whenever it is lost. Never ends: only the history decides.
    async fn listen(&self, client_id: Option<String>, mut socket: Option<Socket>) -> Infallible {
        let Some(client_id) = client_id else {
            return future::pending().await;
        };
        let (shortest, longest) = (self.config.reconnect_delay, self.config.poll_interval);
        let growing = ExponentialBuilder::new()
            .with_min_delay(shortest)
            .with_max_delay(longest.max(shortest))
            .without_max_times();
        let mut pauses = growing.build();
        loop {
            if let Some(mut open) = socket.take() {
                self.hearing.store(true, Ordering::Relaxed);
                while let Some(message) = open.next().await {
                    pauses = growing.build();
                    self.hear(message);
                }
                self.hearing.store(false, Ordering::Relaxed);
                // Let go of the old one first: a second one under the same id would hear nothing.
                open.close().await;
                sleep(pauses.next().unwrap_or(longest)).await;
            }
            match Socket::open(&self.client, &client_id).await {
                // What was said meanwhile is not repeated.
                Ok(open) => socket = Some(open),
                Err(error) => {
                    tracing::debug!(%error, "the WebSocket of ComfyUI stays closed");
                    sleep(pauses.next().unwrap_or(longest)).await;
                }
            }
        }
    }

    fn hear(&self, message: Message) {
        let ours = match &message.prompt_id {
            Some(id) => *id == self.id,
            // Previews of older servers name no run; only the one that runs can have sent it.
            None => {
                matches!(message.event, Event::Preview(_))
                    && matches!(self.progress.borrow().state, RunState::Running { .. })
            }
        };
        if !ours {
            return;
        }
        let ending = matches!(
            message.event,
            Event::Over | Event::Interrupted | Event::Failed { blocked: false, .. }
        );
        if ending || message.event == Event::Success {
            self.heard_end.store(true, Ordering::Relaxed);
        }
        self.update(|tracker, progress| tracker.apply(message.event, Instant::now(), progress));
        if ending {
            self.hearing.store(false, Ordering::Relaxed);
            self.wake();
        }
    }

    /// Looks at history and queue until they decide.
    async fn poll(&self) -> Result<Finished, ComfyError> {
        let mut patience = Patience::new(self.config.grace);
        let mut missing: Option<Missing> = None;
        loop {
            let looked = self.look().await;
            self.update(|_, progress| progress.trouble = looked.as_ref().err().map(ToString::to_string));
            match looked {
                Ok(Look::Over(ended)) => return self.explained(ended).await,
                Ok(Look::There) => {
                    patience.renew();
                    missing = None;
                }
                // One that has ended is awaited all the same: its result stands.
                Ok(Look::Missing) if self.cancelled.load(Ordering::Relaxed) && !self.heard_end() => {
                    return Err(ComfyError::Interrupted {
                        prompt_id: self.prompt_id,
                        node_id: None,
                    });
                }
                Ok(Look::Missing) => {
                    patience.renew();
                    let missing = missing.get_or_insert_with(Missing::now);
                    missing.looks += 1;
                    if missing.looks >= MISSES && missing.since.elapsed() >= self.late_record() {
                        return Err(ComfyError::Lost {
                            prompt_id: self.prompt_id,
                            url: self.client.url_for_people(),
                            waited: matches!(self.progress.borrow().state, RunState::Queued { .. }),
                        });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, prompt_id = %self.prompt_id, "looking at a run failed");
                    if patience.is_over(&error, Instant::now()) {
                        return Err(self.given_up(error));
                    }
                }
            }
            tokio::select! {
                () = sleep(self.config.poll_interval) => {}
                () = self.said_over.notified() => {
                    if let Some(ended) = self.end().await {
                        return self.explained(ended).await;
                    }
                }
            }
        }
    }

    /// How long the record of a run may be awaited that is in no queue: one that was seen to run has ended, and ComfyUI may take
    /// seconds to write its record.
    fn late_record(&self) -> Duration {
        let ran = matches!(self.progress.borrow().state, RunState::Running { .. });
        if ran || self.heard_end() {
            self.config.late_record
        } else {
            Duration::ZERO
        }
    }

    /// The result with the branches that were blocked. Only the socket tells them, so a result without images waits a
    /// moment for what it has still to say.
    async fn explained(&self, ended: Result<Finished, ComfyError>) -> Result<Finished, ComfyError> {
        let mut finished = ended?;
        if finished.images.is_empty() && self.hearing.load(Ordering::Relaxed) {
            // Without an explanation the result stands all the same.
            let _ = timeout(EXPLANATION_LIMIT, self.said_over.notified()).await;
        }
        finished.blocked = self
            .tracker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocked()
            .to_vec();
        Ok(finished)
    }

    /// The history, shortly after the run was said to be over.
    async fn end(&self) -> Option<Result<Finished, ComfyError>> {
        for _ in 0..END_LOOKS {
            match self.client.history(self.prompt_id).await {
                Ok(Some(entry)) => return Some(self.verdict(&entry)),
                Ok(None) if self.cancelled.load(Ordering::Relaxed) => return None,
                Ok(None) => sleep(END_PAUSE).await,
                Err(_) => return None,
            }
        }
        None
    }

    async fn look(&self) -> Result<Look, ComfyError> {
        if let Some(entry) = self.client.history(self.prompt_id).await? {
            return Ok(Look::Over(self.verdict(&entry)));
        }
        let queue = self.client.queue().await?;
        match queue.state(self.prompt_id) {
            QueueState::Running => self.update(Tracker::seen_running),
            QueueState::Pending { position } => {
                self.update(|tracker, progress| tracker.seen_waiting(position, progress))
            }
            // It leaves the queue in the same moment as it enters the history, so it may be there by now.
            QueueState::Absent => {
                return Ok(match self.client.history(self.prompt_id).await? {
                    Some(entry) => Look::Over(self.verdict(&entry)),
                    None => Look::Missing,
                });
            }
        }
        if let Some(item) = queue
            .running
            .iter()
            .chain(&queue.pending)
            .find(|item| item.prompt_id == self.id)
        {
            self.update(|tracker, _| tracker.learn_graph(&item.graph()));
        }
        Ok(Look::There)
    }

    fn verdict(&self, entry: &Value) -> Result<Finished, ComfyError> {
        record::verdict(self.prompt_id, entry)
    }

    fn update(&self, change: impl FnOnce(&mut Tracker, &mut Progress)) {
        let mut tracker = self.tracker.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.send_if_modified(|progress| {
            let before = progress.clone();
            change(&mut tracker, progress);
            *progress != before
        });
    }

    fn given_up(&self, error: ComfyError) -> ComfyError {
        let state = self.progress.borrow().state.in_words();
        let state = format!(
            "run {} was {state} when it was last seen, and may still be going on there",
            self.prompt_id
        );
        match error {
            ComfyError::Unreachable { url, detail } => ComfyError::Unreachable {
                url,
                detail: format!("{detail}; {state}"),
            },
            ComfyError::Timeout { .. } | ComfyError::Broken { .. } => ComfyError::Unreachable {
                url: self.client.url_for_people(),
                detail: format!("{error}; {state}"),
            },
            other => other.with_state(&state),
        }
    }
}

/// A run that is neither in the queue nor in the history.
struct Missing {
    since: Instant,
    looks: u32,
}

impl Missing {
    fn now() -> Self {
        Self {
            since: Instant::now(),
            looks: 0,
        }
    }
}

/// What one look at the server showed.
enum Look {
    Over(Result<Finished, ComfyError>),
    There,
    Missing,
}
