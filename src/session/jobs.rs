//! Long work that outlives the call that began it: followed by handle, cancelled for real.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ServiceError;
use crate::progress::{Progress, Teller};

/// How many finished jobs stay known; older ones are found in the history.
const KEPT: usize = 64;

/// How a job ended.
pub type Ended<T> = Result<Arc<T>, ServiceError>;

struct Job<T> {
    progress: watch::Receiver<Progress>,
    ended: watch::Receiver<Option<Ended<T>>>,
    cancel: CancellationToken,
    /// Somebody was told how it ended.
    told: Arc<AtomicBool>,
    number: u64,
}

impl<T> Clone for Job<T> {
    fn clone(&self) -> Self {
        Self {
            progress: self.progress.clone(),
            ended: self.ended.clone(),
            cancel: self.cancel.clone(),
            told: Arc::clone(&self.told),
            number: self.number,
        }
    }
}

/// What a wait came to.
pub enum Waited<T> {
    /// The job ended.
    Ended(Ended<T>),
    /// It goes on; how far it is.
    GoesOn(Progress),
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
        job.ended.borrow().is_none().then(|| job.progress.borrow().clone())
    }

    /// Starts work under a handle, unless a job of this handle is running, or has ended and
    /// nobody was told how: then that one stays and `work` is dropped. Returns whether it started.
    pub fn start<F>(&self, handle: &str, work: impl FnOnce(Teller, CancellationToken) -> F) -> bool
    where
        F: Future<Output = Result<T, ServiceError>> + Send + 'static,
    {
        let mut jobs = self.lock();
        let stays = |job: &Job<T>| {
            let untold = !job.told.load(Ordering::Acquire) && !job.cancel.is_cancelled();
            job.ended.borrow().is_none() || untold
        };
        if jobs.get(handle).is_some_and(stays) {
            return false;
        }
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
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            progress,
            ended,
            cancel,
            told: Arc::default(),
            number,
        };
        jobs.insert(handle.to_owned(), job);
        forget_oldest(&mut jobs);
        true
    }

    /// Waits at most `limit` for a job that was cancelled to be over, so that a new one does not join
    /// what is being stopped.
    pub async fn settle(&self, handle: &str, limit: Duration) {
        let job = self.lock().get(handle).cloned();
        if let Some(mut job) = job.filter(|job| job.cancel.is_cancelled()) {
            let _ = tokio::time::timeout(limit, job.ended.wait_for(Option::is_some)).await;
        }
    }

    /// Cancels a job. False when none of this handle runs.
    pub fn cancel(&self, handle: &str) -> bool {
        let jobs = self.lock();
        match jobs.get(handle) {
            Some(job) if job.ended.borrow().is_none() => {
                job.cancel.cancel();
                true
            }
            _ => false,
        }
    }

    /// Waits for a job at most `limit`, passing its progress on. When `cancel` fires the job is
    /// cancelled, and its end awaited.
    ///
    /// `None` when no job of this handle is known.
    pub async fn wait(
        &self,
        handle: &str,
        limit: Duration,
        teller: &Teller,
        cancel: &CancellationToken,
    ) -> Option<Waited<T>> {
        let mut job = self.lock().get(handle).cloned()?;
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            if let Some(ended) = job.ended.borrow_and_update().clone() {
                job.told.store(true, Ordering::Release);
                return Some(Waited::Ended(ended));
            }
            let now = job.progress.borrow_and_update().clone();
            teller.tell(now.clone());
            tokio::select! {
                changed = job.ended.changed() => if changed.is_err() {
                    return Some(Waited::Ended(Err(ServiceError::Internal("the job vanished".into()))));
                },
                Ok(()) = job.progress.changed() => {}
                () = cancel.cancelled(), if !job.cancel.is_cancelled() => job.cancel.cancel(),
                () = tokio::time::sleep_until(deadline) => return Some(Waited::GoesOn(now)),
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn ended(jobs: &Jobs<u32>, handle: &str) -> Ended<u32> {
        match jobs
            .wait(
                handle,
                Duration::from_secs(10),
                &Teller::silent(),
                &CancellationToken::new(),
            )
            .await
        {
            Some(Waited::Ended(ended)) => ended,
            _ => panic!("it did not end"),
        }
    }

    #[tokio::test]
    async fn a_job_outlives_the_call_and_is_found_by_its_handle() {
        let jobs = Jobs::<u32>::default();
        let gate = CancellationToken::new();
        let open = gate.clone();
        jobs.start("a", |teller, _| async move {
            teller.tell(Progress::words("half way"));
            open.cancelled().await;
            Ok(7)
        });
        let never = CancellationToken::new();
        let first = jobs.wait("a", Duration::ZERO, &Teller::silent(), &never).await;
        assert!(matches!(first, Some(Waited::GoesOn(_))));
        gate.cancel();
        assert_eq!(*ended(&jobs, "a").await.unwrap(), 7);
        assert_eq!(*ended(&jobs, "a").await.unwrap(), 7, "asked again");
        assert!(
            jobs.wait("b", Duration::ZERO, &Teller::silent(), &never)
                .await
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_second_start_joins_the_running_job() {
        let jobs = Jobs::<u32>::default();
        let gate = CancellationToken::new();
        let open = gate.clone();
        jobs.start("a", |_, _| async move {
            open.cancelled().await;
            Ok(1)
        });
        assert!(!jobs.start("a", |_, _| async { Ok(2) }));
        gate.cancel();
        assert_eq!(*ended(&jobs, "a").await.unwrap(), 1);
        assert!(jobs.start("a", |_, _| async { Ok(3) }), "an ended job is replaced");
        let mut end = jobs.lock()["a"].ended.clone();
        end.wait_for(Option::is_some).await.unwrap();
        assert!(!jobs.start("a", |_, _| async { Ok(4) }), "nobody was told its end");
        assert_eq!(*ended(&jobs, "a").await.unwrap(), 3);
    }

    #[tokio::test]
    async fn cancelling_the_wait_cancels_the_work_and_a_panic_is_an_answer() {
        let jobs = Jobs::<u32>::default();
        jobs.start("a", |_, cancel| async move {
            cancel.cancelled().await;
            Err(ServiceError::Cancelled(String::new()))
        });
        let cancel = CancellationToken::new();
        cancel.cancel();
        let waited = jobs
            .wait("a", Duration::from_secs(10), &Teller::silent(), &cancel)
            .await;
        assert!(matches!(waited, Some(Waited::Ended(Err(ServiceError::Cancelled(_))))));
        jobs.start("p", |_, _| async { panic!("on purpose") });
        assert!(matches!(ended(&jobs, "p").await, Err(ServiceError::Internal(_))));
    }
}
