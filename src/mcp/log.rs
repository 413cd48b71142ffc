//! The program's log for clients that ask for it (`logging/setLevel`, which 2026-07-28 has given up).

use std::sync::Arc;

// Deprecated in the protocol, and still asked for by clients.
#[allow(deprecated)]
use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam as Message};
use rmcp::{Peer, RoleServer};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::telemetry;

/// What one client wants to hear. Dropping it ends that.
#[derive(Clone)]
pub struct Log {
    /// The rank below which nothing is told; `None` until a client asks.
    from: Arc<watch::Sender<Option<u8>>>,
    end: CancellationToken,
    _ends_with_the_session: Arc<DropGuard>,
}

impl Default for Log {
    fn default() -> Self {
        let end = CancellationToken::new();
        Self {
            from: Arc::new(watch::Sender::new(None)),
            _ends_with_the_session: Arc::new(end.clone().drop_guard()),
            end,
        }
    }
}

#[allow(deprecated)]
impl Log {
    /// Tells `peer` from now on what is logged at `level` or above it.
    pub fn set(&self, level: LoggingLevel, peer: Peer<RoleServer>) {
        if self.from.send_replace(Some(rank(level))).is_some() {
            return;
        }
        let mut lines = telemetry::lines();
        let from = self.from.subscribe();
        tokio::spawn(self.end.clone().run_until_cancelled_owned(async move {
            loop {
                let line = match lines.recv().await {
                    Ok(line) => line,
                    // A client that is slower than the log misses lines; they are in the log.
                    Err(RecvError::Lagged(_)) => continue,
                    Err(RecvError::Closed) => return,
                };
                let level = of(line.level);
                if from.borrow().is_some_and(|from| rank(level) >= from) {
                    let message = Message::new(level, json!(line.text)).with_logger(line.target);
                    if peer.notify_logging_message(message).await.is_err() {
                        return;
                    }
                }
            }
        }));
    }
}

#[allow(deprecated)]
fn of(level: tracing::Level) -> LoggingLevel {
    match level {
        tracing::Level::ERROR => LoggingLevel::Error,
        tracing::Level::WARN => LoggingLevel::Warning,
        tracing::Level::INFO => LoggingLevel::Info,
        _ => LoggingLevel::Debug,
    }
}

#[allow(deprecated)]
fn rank(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
