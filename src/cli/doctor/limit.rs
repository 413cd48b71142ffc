//! Every check ends: what takes too long is stopped and told, with what took the time.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::check::Check;
use crate::machine;

/// For what answers at once where it is well: ComfyUI, the disk, a judge process without a model.
pub const QUICK: Duration = Duration::from_secs(30);

/// What has a limit, and what ends it when that is reached.
pub struct Limit {
    pub length: Duration,
    pub cancel: CancellationToken,
}

impl Limit {
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            cancel: CancellationToken::new(),
        }
    }

    /// Carries out work that heeds the token; it is awaited to its end, so that nothing of it is left behind.
    pub async fn over<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = sleep(self.length) => {
                self.cancel.cancel();
                work.await
            }
        }
    }

    /// Whether the work was stopped.
    pub fn is_reached(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// That it was; `at` is what was going on, in a few words or none.
    pub fn reached(&self, what: &'static str, at: &str, advice: &str) -> Check {
        let at = if at.is_empty() {
            String::new()
        } else {
            format!(" ({at})")
        };
        let found = format!("stopped after {} s{at}", self.length.as_secs());
        match busy(machine::load(), machine::cores()) {
            Some(busy) => Check::missing(
                what,
                format!("{found}; {busy}, so other programs take the processor"),
                format!("Run doctor again when they are done. Or else: {advice}"),
            ),
            None => Check::missing(what, found, advice),
        }
    }
}

/// Work that cannot be told to stop: when the limit is reached it is dropped.
pub async fn quick<T>(work: impl Future<Output = T>) -> Option<T> {
    within(QUICK, work).await
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, work).await.ok()
}

/// How busy the machine is, where that makes a judge slow.
pub fn busy(load: Option<f64>, cores: usize) -> Option<String> {
    // Ours is one of them at most.
    let load = load.filter(|load| *load > cores as f64 + 1.0)?;
    let cores = match cores {
        1 => "one core".to_owned(),
        many => format!("{many} cores"),
    };
    Some(format!("the machine is busy: load average {load:.1} on {cores}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_busy_where_more_threads_wait_than_there_are_cores() {
        assert_eq!(busy(None, 2), None);
        assert_eq!(busy(Some(2.9), 2), None);
        let said = busy(Some(34.96), 2).unwrap();
        assert_eq!(said, "the machine is busy: load average 35.0 on 2 cores");
        assert!(busy(Some(4.0), 1).unwrap().ends_with("on one core"));
    }

    #[tokio::test]
    async fn work_is_told_to_stop_when_its_time_is_over() {
        let limit = Limit::new(Duration::from_secs(600));
        assert_eq!(limit.over(async { 1 }).await, 1);
        assert!(!limit.is_reached());
        let limit = Limit::new(Duration::from_millis(1));
        let heard = limit.over(async {
            limit.cancel.cancelled().await;
            2
        });
        assert_eq!(heard.await, 2);
        assert!(limit.is_reached());
        let check = limit.reached("judgement", "comparing colour", "Use less.");
        assert!(
            check.found.starts_with("stopped after 0 s (comparing colour)"),
            "{}",
            check.found
        );
        assert!(check.fix.unwrap().ends_with("Use less."));
    }

    #[tokio::test]
    async fn what_never_answers_is_dropped() {
        assert_eq!(
            within(Duration::from_millis(1), std::future::pending::<()>()).await,
            None
        );
        assert_eq!(quick(async { 3 }).await, Some(3));
    }
}
