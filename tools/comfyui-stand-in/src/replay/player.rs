//! The state of a replaying server, and the task that plays the frames.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use super::Seen;
use super::recording::{Frame, Recording};
use super::script::{Act, Script, Start};

/// Where the one job of the script is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Job {
    /// Not submitted, deleted, or forgotten by a restart.
    None,
    Pending,
    Running,
    /// Over, with its record, and how many looks still find nothing.
    Over(Value, usize),
}

/// A submission as it came.
#[derive(Debug, Clone)]
pub(super) struct Submitted {
    pub(super) prompt_id: String,
    pub(super) client_id: String,
    pub(super) graph: Value,
}

#[derive(Debug)]
pub(super) struct Server {
    script: Script,
    state: Mutex<State>,
    seen: watch::Sender<Seen>,
    /// Releases given and not yet used.
    releases: Semaphore,
    interrupt: Notify,
    stop: Notify,
    socket_opened: Notify,
}

#[derive(Debug)]
struct State {
    job: Job,
    submitted: Option<Submitted>,
    /// The open WebSocket of each client; dropping the sender cuts it.
    sockets: HashMap<String, mpsc::UnboundedSender<Frame>>,
}

impl Server {
    pub(super) fn new(script: Script) -> (Arc<Self>, watch::Receiver<Seen>) {
        let (seen, watched) = watch::channel(Seen::default());
        let server = Self {
            script,
            state: Mutex::new(State {
                job: Job::None,
                submitted: None,
                sockets: HashMap::new(),
            }),
            seen,
            releases: Semaphore::new(0),
            interrupt: Notify::new(),
            stop: Notify::new(),
            socket_opened: Notify::new(),
        };
        (Arc::new(server), watched)
    }

    pub(super) fn script(&self) -> &Script {
        &self.script
    }

    pub(super) fn release(&self) {
        self.releases.add_permits(1);
    }

    pub(super) fn stop(&self) {
        self.stop.notify_one();
    }

    pub(super) async fn stopped(&self) {
        self.stop.notified().await;
    }

    pub(super) fn saw(&self, note: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(note);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn job(&self) -> Job {
        self.state().job.clone()
    }

    pub(super) fn submitted(&self) -> Option<Submitted> {
        self.state().submitted.clone()
    }

    /// The record, if it is there and not held back any more.
    pub(super) fn record(&self) -> Option<Value> {
        match &mut self.state().job {
            Job::Over(_, held) if *held > 0 => {
                *held -= 1;
                None
            }
            Job::Over(record, _) => Some(record.clone()),
            _ => None,
        }
    }

    pub(super) fn delete(&self) {
        self.saw(|seen| seen.deletions += 1);
        let mut state = self.state();
        if state.job == Job::Pending {
            state.job = Job::None;
        }
    }

    pub(super) fn interrupt(&self) {
        self.saw(|seen| seen.interrupts += 1);
        if self.job() == Job::Running {
            self.interrupt.notify_one();
        }
    }

    /// Registers a WebSocket; false when the client has one open already, which makes the new one deaf.
    pub(super) fn open_socket(&self, client_id: &str, frames: mpsc::UnboundedSender<Frame>) -> bool {
        let fresh = !self.state().sockets.contains_key(client_id);
        if fresh {
            self.state().sockets.insert(client_id.to_owned(), frames);
        }
        self.saw(|seen| seen.sockets += 1);
        self.socket_opened.notify_one();
        fresh
    }

    pub(super) fn close_socket(&self, client_id: &str) {
        self.state().sockets.remove(client_id);
    }

    /// Takes a submission in and plays the run.
    pub(super) fn enqueue(self: &Arc<Self>, submitted: Submitted) {
        {
            let mut state = self.state();
            state.job = if self.script.start == Start::Running {
                Job::Running
            } else {
                Job::Pending
            };
            state.submitted = Some(submitted.clone());
        }
        let server = Arc::clone(self);
        tokio::spawn(async move { server.play(submitted).await });
    }

    async fn play(&self, submitted: Submitted) {
        let adopted = |recording: &Recording| recording.under(&submitted.prompt_id, &submitted.client_id).ok();
        let Some(recording) = adopted(&self.script.recording) else {
            return;
        };
        if self.script.start != Start::Running {
            self.hold().await;
            let mut state = self.state();
            if state.job != Job::Pending {
                return;
            }
            state.job = Job::Running;
        }
        for (index, frame) in recording.frames().into_iter().enumerate() {
            match self.script.before_frame.get(&index) {
                None => {}
                Some(Act::Send(others)) => others.iter().for_each(|other| self.send(&submitted, other.clone())),
                Some(Act::Die) => return self.stop(),
                Some(Act::Restart) => {
                    let mut state = self.state();
                    state.job = Job::None;
                    state.sockets.clear();
                    return;
                }
                Some(Act::CutSocket) => {
                    self.close_socket(&submitted.client_id);
                    while !self.state().sockets.contains_key(&submitted.client_id) {
                        self.socket_opened.notified().await;
                    }
                }
                Some(Act::Hold) => tokio::select! {
                    () = self.hold() => {}
                    () = self.interrupt.notified() => {
                        if let Some(ending) = self.script.interrupted.as_ref().and_then(adopted) {
                            self.end_interrupted(&submitted, &ending);
                        }
                        return;
                    }
                },
            }
            if frame.is_over() {
                // The record is there when the last frame is sent, never before.
                self.state().job = Job::Over(recording.history().clone(), self.script.history_held);
            }
            self.send(&submitted, frame);
            self.saw(|seen| seen.frames += 1);
            // One worker, many connections: let the others have their turn, as a real run does.
            tokio::task::yield_now().await;
        }
    }

    async fn hold(&self) {
        if let Ok(permit) = self.releases.acquire().await {
            permit.forget();
        }
    }

    fn end_interrupted(&self, submitted: &Submitted, ending: &Recording) {
        self.state().job = Job::Over(ending.history().clone(), self.script.history_held);
        let from = ending.index_of("execution_interrupted").unwrap_or_default();
        for frame in ending.frames().into_iter().skip(from) {
            self.send(submitted, frame);
        }
    }

    fn send(&self, submitted: &Submitted, frame: Frame) {
        if let Some(socket) = self.state().sockets.get(&submitted.client_id) {
            // A socket that has just gone hears nothing, as with the real server.
            let _ = socket.send(frame);
        }
    }
}
