//! Hearing that the history changed, whoever changed it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::Result;
use super::store::Store;

/// How often the history is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Who listens, and the one task that looks for all of them.
#[derive(Default)]
pub(super) struct Watch {
    changed: watch::Sender<()>,
    looking: Mutex<Option<JoinHandle<()>>>,
}

/// Another value whenever anything was written, by this program or by others.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    /// Another database may lie there since it was opened anew.
    opened: u64,
    /// SQLite's number for what other connections wrote.
    others: i64,
    /// Rows that this connection wrote, which `others` does not count.
    own: u64,
}

impl Store {
    /// Hears of every change from now on, within a second, and perhaps of one that was before. However many listen, one task looks
    /// for them all; without listeners none does. To be called within a runtime.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        let watch = self.watch();
        let mut looking = watch.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let listener = watch.changed.subscribe();
        if looking.as_ref().is_none_or(JoinHandle::is_finished) {
            *looking = Some(tokio::spawn(look(self.clone())));
        }
        listener
    }

    async fn version(&self) -> Result<Version> {
        let (others, own) = self
            .read(|transaction| {
                let others: i64 = transaction.query_row("PRAGMA data_version", (), |row| row.get(0))?;
                Ok((others, transaction.total_changes()))
            })
            .await?;
        Ok(Version {
            opened: self.opened(),
            others,
            own,
        })
    }
}

/// Looks until nobody listens any more.
async fn look(store: Store) {
    let mut seen = None;
    loop {
        match store.version().await {
            Ok(now) if seen.as_ref() == Some(&now) => {}
            Ok(now) => {
                seen = Some(now);
                store.watch().changed.send_replace(());
            }
            Err(error) => tracing::debug!(%error, "the history could not be looked at"),
        }
        tokio::time::sleep(EVERY).await;
        let mut looking = store.watch().looking.lock().unwrap_or_else(PoisonError::into_inner);
        if store.watch().changed.receiver_count() == 0 {
            *looking = None;
            return;
        }
    }
}
