//! Long work that outlives the call that began it: followed by handle, shared by all who ask for it, cancelled for real.

mod interest;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ServiceError;
use types::progress::{Progress, Teller};

pub use interest::Caller;
use interest::{Interest, Stop};

/// How many finished jobs stay known; older ones are found in the history.
const KEPT: usize = 64;

/// Jobs of one kind that go on at once, those included that wait for their turn. More are refused.
pub const MOST: usize = 32;

/// How far a job is that is being stopped.
const STOPPING: &str = "being stopped";

/// As many jobs go on as may; nothing was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How many.
    pub running: usize,
}

/// How a job ended.
pub type Ended<T> = Result<Arc<T>, ServiceError>;

struct Job<T> {
    progress: watch::Receiver<Progress>,
    ended: watch::Receiver<Option<Ended<T>>>,
    cancel: CancellationToken,
    /// Who wants it to go on. `cancel` fires under this lock, so that nobody joins what is being stopped.
    interest: Arc<Mutex<Interest>>,
    /// Somebody was told how it ended.
    told: Arc<AtomicBool>,
    /// It was begun for nobody.
    unasked: bool,
    number: u64,
}

impl<T> Clone for Job<T> {
    fn clone(&self) -> Self {
        Self {
            progress: self.progress.clone(),
            ended: self.ended.clone(),
            cancel: self.cancel.clone(),
            interest: Arc::clone(&self.interest),
            told: Arc::clone(&self.told),
            unasked: self.unasked,
            number: self.number,
        }
    }
}

impl<T> Job<T> {
    fn interest(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn runs(&self) -> bool {
        self.ended.borrow().is_none()
    }

    /// Whether it is joined rather than replaced: it runs, or has ended and nobody was told how. That a server could not be
    /// reached then, or a disk had no room, is no news now.
    fn stays(&self) -> bool {
        let passed = matches!(&*self.ended.borrow(), Some(Err(error)) if error.may_be_mended());
        self.runs() || !passed && !self.told.load(Ordering::Acquire) && !self.cancel.is_cancelled()
    }
}

/// What a wait came to.
pub enum Waited<T> {
    /// The job ended.
    Ended(Ended<T>),
    /// The time to wait is up and the job goes on; how far it is.
    GoesOn(Progress),
    /// The wait was cancelled. The job goes on for others, or is still being stopped.
    Left {
        /// Whether it goes on.
        goes_on: bool,
    },
}

/// What joining a job came to.
pub enum Joined<T> {
    /// A wait for it.
    Waiter(Waiter<T>),
    /// The job of this handle is still being stopped, and nothing new was started.
    BeingStopped,
    /// Too many others go on.
    Full(Full),
}

/// The jobs of one kind, by handle.
pub struct Jobs<T> {
    jobs: Mutex<HashMap<String, Job<T>>>,
    numbers: AtomicU64,
}

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self {
            jobs: Mutex::default(),
            numbers: AtomicU64::new(1),
        }
    }
}

impl<T: Send + Sync + 'static> Jobs<T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Job<T>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a job of this handle is known.
    pub fn knows(&self, handle: &str) -> bool {
        self.lock().contains_key(handle)
    }

    /// How far a running job is; `None` when there is none or it ended.
    pub fn running(&self, handle: &str) -> Option<Progress> {
        let jobs = self.lock();
        let job = jobs.get(handle)?;
        job.runs().then(|| match job.cancel.is_cancelled() {
            true => Progress::words(STOPPING),
            false => job.progress.borrow().clone(),
        })
    }

    /// Whether a job is being stopped.
    pub fn is_stopping(&self, handle: &str) -> bool {
        let jobs = self.lock();
        jobs.get(handle)
            .is_some_and(|job| job.runs() && job.cancel.is_cancelled())
    }

    /// Whether another job may begin now.
    ///
    /// # Errors
    /// [`Full`].
    pub fn room(&self) -> Result<(), Full> {
        room(&self.lock())
    }

    /// The handles of all jobs that run.
    pub fn all_running(&self) -> Vec<String> {
        let jobs = self.lock();
        let running = jobs.iter().filter(|(_, job)| job.runs());
        running.map(|(handle, _)| handle.clone()).collect()
    }

    /// Starts work for which nobody waits, unless there is a job of this handle that would be joined.
    ///
    /// # Errors
    /// [`Full`].
    pub fn start<F>(&self, handle: &str, work: impl FnOnce(Teller, CancellationToken) -> F) -> Result<(), Full>
    where
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let mut jobs = self.lock();
        if !jobs.get(handle).is_some_and(Job::stays) {
            room(&jobs)?;
            let job = self.begin(work, true);
            add(&mut jobs, handle, job);
        }
        Ok(())
    }

    fn begin<F>(&self, work: impl FnOnce(Teller, CancellationToken) -> F, unasked: bool) -> Job<T>
    where
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let (teller, progress) = Teller::new();
        let (finish, ended) = watch::channel(None);
        let cancel = CancellationToken::new();
        let running = tokio::spawn(work(teller, cancel.clone()));
        tokio::spawn(async move {
            // The task of its own turns a panic in the work into an answer.
            let result = match running.await {
                Ok(result) => result.map(Arc::new),
                Err(error) => Err(ServiceError::Internal(error.to_string())),
            };
            finish.send_replace(Some(result));
        });
        Job {
            progress,
            ended,
            cancel,
            interest: Arc::default(),
            told: Arc::default(),
            unasked,
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Waits with all others for the job of this handle: the one that is running, or has ended and nobody was told how; else
    /// `work` is started under it. What is being stopped is not joined: its end is awaited first, at most `limit` or until
    /// `cancel` fires.
    pub async fn join<F>(
        &self,
        handle: &str,
        caller: Caller,
        limit: Duration,
        cancel: &CancellationToken,
        work: impl FnOnce(Teller, CancellationToken) -> F,
    ) -> Joined<T>
    where
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let mut ending = {
                let mut jobs = self.lock();
                let there = jobs.get(handle).filter(|job| job.stays()).cloned();
                let Some(job) = there else {
                    if let Err(full) = room(&jobs) {
                        return Joined::Full(full);
                    }
                    let job = self.begin(work, false);
                    add(&mut jobs, handle, job.clone());
                    return Joined::Waiter(Waiter::new(job, caller, true));
                };
                let waiter = Waiter::new(job, caller, false);
                if waiter.counted {
                    return Joined::Waiter(waiter);
                }
                waiter.job.ended.clone()
            };
            tokio::select! {
                ended = tokio::time::timeout_at(deadline, ending.wait_for(Option::is_some)) => if ended.is_err() {
                    return Joined::BeingStopped;
                },
                () = cancel.cancelled() => return Joined::BeingStopped,
            }
        }
    }

    /// Waits for the job of this handle whatever its state; `None` when none is known.
    pub fn attach(&self, handle: &str, caller: Caller) -> Option<Waiter<T>> {
        let job = self.lock().get(handle).cloned()?;
        Some(Waiter::new(job, caller, false))
    }

    /// Stops a job, whoever waits for it; they are told that `by` asked for it. False when none of this handle runs.
    pub fn stop(&self, handle: &str, by: Caller) -> bool {
        let jobs = self.lock();
        let Some(job) = jobs.get(handle).filter(|job| job.runs()) else {
            return false;
        };
        let mut interest = job.interest();
        interest.stop(by);
        job.cancel.cancel();
        true
    }
}

/// One call's wait for a job. Dropping it, as when the client is gone, is giving it up.
pub struct Waiter<T> {
    job: Job<T>,
    caller: Caller,
    began: bool,
    looks_back: bool,
    /// Whether it stands in the job's interest.
    counted: bool,
}

impl<T> Waiter<T> {
    fn new(job: Job<T>, caller: Caller, began: bool) -> Self {
        let counted = job.interest().join(caller);
        Self {
            looks_back: !began && (job.unasked || !job.runs()),
            job,
            caller,
            began,
            counted,
        }
    }

    /// Whether the job was begun for this call, and not joined.
    pub fn began(&self) -> bool {
        self.began
    }

    /// Whether the job had ended before, or was begun for nobody: what became of it is no answer to what this call asks for now.
    pub fn looks_back(&self) -> bool {
        self.looks_back
    }

    /// Waits for the job at most `limit`, passing its progress on. When `cancel` fires the wait is over at once, unless
    /// nobody else wants the job ([`Interest`] says who does): then the job is stopped, and its end awaited.
    pub async fn wait(mut self, limit: Duration, teller: &Teller, cancel: &CancellationToken) -> Waited<T> {
        let deadline = tokio::time::Instant::now() + limit;
        let mut cancelled = false;
        loop {
            let ended = self.job.ended.borrow_and_update().clone();
            if let Some(ended) = ended {
                self.counted = false;
                self.job.told.store(true, Ordering::Release);
                return Waited::Ended(self.with_who_stopped_it(ended));
            }
            let now = self.job.progress.borrow_and_update().clone();
            teller.tell(now.clone());
            tokio::select! {
                biased;
                changed = self.job.ended.changed() => if changed.is_err() {
                    return Waited::Ended(Err(ServiceError::Internal("the job vanished".into())));
                },
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    if !self.give_up() {
                        return Waited::Left { goes_on: true };
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    if cancelled {
                        return Waited::Left { goes_on: false };
                    }
                    self.leave_with_handle();
                    return Waited::GoesOn(now);
                }
                Ok(()) = self.job.progress.changed() => {}
            }
        }
    }

    /// Whether the job is over, or being stopped now.
    fn give_up(&mut self) -> bool {
        let mut interest = self.job.interest();
        if !self.job.runs() {
            // There is nothing to stop, and its end stays for whoever asks.
            self.counted = false;
            return true;
        }
        if !std::mem::take(&mut self.counted) {
            return interest.stopped().is_some();
        }
        let stops = interest.leave();
        if stops {
            self.job.cancel.cancel();
        }
        stops
    }

    fn leave_with_handle(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.job.interest().leave_with_handle(self.caller);
        }
    }

    fn with_who_stopped_it(&self, ended: Ended<T>) -> Ended<T> {
        match self.job.interest().stopped() {
            Some(Stop::Asked(by)) => ended.map_err(|error| error.stopped_by_a_call(by == self.caller)),
            _ => ended,
        }
    }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        if self.counted {
            self.give_up();
        }
    }
}

fn room<T>(jobs: &HashMap<String, Job<T>>) -> Result<(), Full> {
    let running = jobs.values().filter(|job| job.runs()).count();
    if running < MOST { Ok(()) } else { Err(Full { running }) }
}

fn add<T>(jobs: &mut HashMap<String, Job<T>>, handle: &str, job: Job<T>) {
    jobs.insert(handle.to_owned(), job);
    forget_oldest(jobs);
}

fn forget_oldest<T>(jobs: &mut HashMap<String, Job<T>>) {
    while jobs.len() > KEPT {
        let oldest = jobs
            .iter()
            .filter(|(_, job)| job.ended.borrow().is_some())
            .min_by_key(|(_, job)| job.number)
            .map(|(handle, _)| handle.clone());
        match oldest {
            Some(handle) => jobs.remove(&handle),
            None => return,
        };
    }
}
