//! Tells the client how far a request is, as `notifications/progress`.
//!
//! A client that sent a progress token resets its time limits with every notification, so that long work sends one at
//! least every few seconds even when nothing changed. On the wire progress is always a percentage (`total` is 100): it
//! must grow with every notification, also when the work changes what it counts.

use std::time::{Duration, Instant};

use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::RequestContext;
use tokio::sync::watch;

use text::outgoing;
pub use types::progress::{Done, Progress};

/// The whole, on the wire.
const WHOLE: f64 = 100.0;

/// What a beat without any news adds, as a part of what is left. It never reaches the whole.
const CREEP: f64 = 0.001;

/// How long a notification that is being written when the work ends may still take: it must not come after the answer.
const LAST_WRITE: Duration = Duration::from_secs(1);

/// How often the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Least time between two notifications.
    pub at_most_every: Duration,
    /// Longest time without one.
    pub at_least_every: Duration,
}

impl Default for Pace {
    /// At most every half second, at least every three.
    fn default() -> Self {
        Self {
            at_most_every: Duration::from_millis(500),
            at_least_every: Duration::from_secs(3),
        }
    }
}

/// Runs `work`, tells the client about `updates` meanwhile, and returns what `work` returns.
///
/// Does nothing but run `work` when the request carries no progress token. Nothing is sent any more once `work` is done or
/// the request is cancelled; cancelling does not stop `work`, which watches `context.ct` itself.
pub async fn report<T>(
    context: &RequestContext<RoleServer>,
    updates: watch::Receiver<Progress>,
    work: impl Future<Output = T>,
) -> T {
    report_at(Pace::default(), context, updates, work).await
}

/// [`report`] at another pace.
pub async fn report_at<T>(
    pace: Pace,
    context: &RequestContext<RoleServer>,
    mut updates: watch::Receiver<Progress>,
    work: impl Future<Output = T>,
) -> T {
    let Some(token) = context.meta.get_progress_token() else {
        return work.await;
    };
    let mut work = std::pin::pin!(work);
    let mut beat = Beat::new(pace, Instant::now());
    loop {
        let now = tokio::select! {
            biased;
            output = &mut work => return output,
            () = context.ct.cancelled() => return work.await,
            () = beat.due(&mut updates) => Instant::now(),
        };
        let notification = beat.tell(now, &updates.borrow_and_update(), &token);
        let mut sending = std::pin::pin!(context.peer.notify_progress(notification));
        tokio::select! {
            biased;
            sent = &mut sending => if let Err(error) = sent {
                tracing::debug!(%error, "progress cannot be told any more");
                return work.await;
            },
            output = &mut work => {
                let _ = tokio::time::timeout(LAST_WRITE, sending).await;
                return output;
            }
        }
    }
}

/// When the next notification is due and what it says.
#[derive(Debug)]
struct Beat {
    pace: Pace,
    /// When the last one was sent, or the work began.
    last: Instant,
    told: Option<f64>,
    /// The work's end of the channel is gone: no more news.
    silent: bool,
}

impl Beat {
    fn new(pace: Pace, now: Instant) -> Self {
        Self {
            pace,
            last: now,
            told: None,
            silent: false,
        }
    }

    /// The earliest time at which news may be told. The first ones may at once.
    fn news_from(&self) -> Instant {
        match self.told {
            None => self.last,
            Some(_) => self.last + self.pace.at_most_every,
        }
    }

    /// Waits until something is to be told: news, not too soon after the last, or nothing for too long.
    async fn due(&mut self, updates: &mut watch::Receiver<Progress>) {
        let at_latest = (self.last + self.pace.at_least_every).into();
        let news_from = self.news_from().into();
        let news = async {
            if self.silent || updates.changed().await.is_err() {
                self.silent = true;
                std::future::pending::<()>().await;
            }
            tokio::time::sleep_until(news_from).await;
        };
        // On time-out the beat is due without news.
        let _ = tokio::time::timeout_at(at_latest, news).await;
    }

    /// The next notification. Its progress is above that of the one before.
    fn tell(&mut self, now: Instant, progress: &Progress, token: &ProgressToken) -> ProgressNotificationParam {
        let percent = self.advance(progress.done);
        self.last = now;
        let notification = ProgressNotificationParam::new(token.clone(), percent).with_total(WHOLE);
        if progress.message.is_empty() {
            notification
        } else {
            notification.with_message(outgoing(&progress.message))
        }
    }

    fn advance(&mut self, done: Done) -> f64 {
        let least = match self.told {
            None => 0.0,
            Some(told) => told + (WHOLE - told) * CREEP,
        };
        // The whole is only told by the answer: no notification could grow beyond it.
        let most = WHOLE * (1.0 - CREEP);
        let percent = done.fraction().map_or(least, |part| part * WHOLE).min(most).max(least);
        self.told = Some(percent);
        percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat() -> Beat {
        Beat::new(Pace::default(), Instant::now())
    }

    #[test]
    fn progress_grows_with_every_notification_whatever_the_work_says() {
        let mut beat = beat();
        let mut last = -1.0;
        let said = [
            Done::Unknown,
            Done::Unknown,
            Done::Steps { done: 3, total: 10 },
            Done::Steps { done: 1, total: 10 },
            Done::Fraction(0.5),
            Done::Fraction(f64::NAN),
            Done::Steps { done: 1, total: 0 },
            Done::Fraction(7.0),
            Done::Fraction(1.0),
            Done::Fraction(1.0),
        ];
        for done in said {
            let percent = beat.advance(done);
            assert!(percent > last, "{done:?}: {percent} after {last}");
            assert!(percent < WHOLE, "{done:?}: {percent}");
            last = percent;
        }
        for _ in 0..2_000 {
            let percent = beat.advance(Done::Unknown);
            assert!(percent > last && percent < WHOLE);
            last = percent;
        }
    }

    #[test]
    fn steps_and_fractions_are_told_in_per_cent() {
        assert_eq!(beat().advance(Done::Steps { done: 3, total: 4 }), 75.0);
        assert_eq!(beat().advance(Done::Fraction(0.25)), 25.0);
        assert_eq!(beat().advance(Done::Unknown), 0.0);
    }

    #[test]
    fn the_first_news_may_be_told_at_once_and_the_next_not_too_soon() {
        let start = Instant::now();
        let mut beat = Beat::new(Pace::default(), start);
        assert_eq!(beat.news_from(), start);
        let token = ProgressToken(rmcp::model::NumberOrString::Number(1));
        let later = start + Duration::from_secs(1);
        let told = beat.tell(later, &Progress::default(), &token);
        assert_eq!(told.message, None);
        assert_eq!(told.total, Some(100.0));
        assert_eq!(beat.news_from(), later + Duration::from_millis(500));
    }

    #[tokio::test]
    async fn news_are_due_before_the_beat_and_a_beat_is_due_without_news() {
        let pace = Pace {
            at_most_every: Duration::from_millis(1),
            at_least_every: Duration::from_secs(600),
        };
        let (sender, mut updates) = watch::channel(Progress::default());
        let mut beat = Beat::new(pace, Instant::now());
        sender.send_modify(|progress| progress.message = "loading".to_owned());
        // Only news can end this wait.
        beat.due(&mut updates).await;
        assert_eq!(updates.borrow_and_update().message, "loading");

        drop(sender);
        beat.pace.at_least_every = Duration::from_millis(1);
        // Only the beat can end this one.
        beat.due(&mut updates).await;
        assert!(beat.silent);
    }
}
