//! The handle by which everybody reads and writes the history.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db;
use super::error::{HistoryError, Result};
use super::images::ImageStore;
use super::watch::Watch;
use types::SessionId;

/// How long a call waits for another process that is writing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The history in one data folder. Cheap to clone, usable from any thread; every call runs off the async threads and
/// is carried through even when its future is dropped. Several handles, also of several processes, may share a folder.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    data_dir: PathBuf,
    images: ImageStore,
    patience: Duration,
    /// Opened by the first call that needs it.
    open: Mutex<Option<Open>>,
    /// How often it was.
    openings: AtomicU64,
    watch: Watch,
}

/// The database that is open.
struct Open {
    connection: Connection,
    path: PathBuf,
    /// Which file it is.
    identity: Option<(u64, u64)>,
}

impl Open {
    fn new(data_dir: &Path, patience: Duration) -> Result<Self> {
        let connection = db::open(data_dir, patience)?;
        let path = db::database_path(data_dir);
        Ok(Self {
            connection,
            identity: db::identity(&path),
            path,
        })
    }

    /// Fails where the file is no longer the one that lies there: what SQLite writes to it then is kept nowhere.
    fn is_there(&self) -> Result<()> {
        if db::identity(&self.path) == self.identity {
            return Ok(());
        }
        Err(HistoryError::Gone {
            path: self.path.clone(),
        })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Closing removes the journal by its name, which would be that of another database.
        if self.is_there().is_err() {
            let kept = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            if let Err(error) = kept {
                tracing::warn!(%error, "the journal of the history may be removed");
            }
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("data_dir", &self.inner.data_dir)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// The history in `data_dir`. Touches nothing yet: the first call opens the database, and makes folder and tables
    /// where they are missing. [`Store::check`] does only that.
    pub fn open(data_dir: impl Into<PathBuf>) -> Self {
        Self::with_patience(data_dir, PATIENCE)
    }

    /// The same with another limit on waiting for other processes (10 s by default).
    pub fn with_patience(data_dir: impl Into<PathBuf>, patience: Duration) -> Self {
        let data_dir = data_dir.into();
        Self {
            inner: Arc::new(Inner {
                images: ImageStore::new(&data_dir),
                data_dir,
                patience,
                open: Mutex::new(None),
                openings: AtomicU64::new(0),
                watch: Watch::default(),
            }),
        }
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.inner.data_dir
    }

    /// The database's file.
    pub fn database_path(&self) -> PathBuf {
        db::database_path(&self.inner.data_dir)
    }

    /// The folder of images; its calls block. The handle's own image calls do not.
    pub fn images(&self) -> &ImageStore {
        &self.inner.images
    }

    /// How often the database was opened.
    pub(super) fn opened(&self) -> u64 {
        self.inner.openings.load(Ordering::Relaxed)
    }

    /// Who listens for changes.
    pub(super) fn watch(&self) -> &Watch {
        &self.inner.watch
    }

    /// Removes what a process that was killed while it kept an image left behind.
    pub async fn tidy(&self) -> Result<()> {
        let images = self.images().clone();
        blocking(move || {
            images.remove_leftovers();
            Ok(())
        })
        .await
    }

    /// Opens the database if it is not open yet and checks that it is whole and can be written. For `doctor`.
    pub async fn check(&self) -> Result<()> {
        self.write(|transaction| {
            let verdict: String = transaction.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
            if verdict != "ok" {
                let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                return Err(rusqlite::Error::SqliteFailure(code, Some(verdict)).into());
            }
            // Writing the version it has already proves that the file and its journal can be written.
            transaction.pragma_update(None, "user_version", super::schema::VERSION)?;
            Ok(())
        })
        .await
    }

    /// Runs `work` in a transaction of its own for reading, off the async threads.
    pub(super) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.transact(TransactionBehavior::Deferred, work).await
    }

    /// The same for what is read of one session, which an error about a row names.
    pub(super) async fn read_of<T, F>(&self, session: &SessionId, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let answer = self.read(work).await;
        answer.map_err(|error| error.of_session(session.as_str()))
    }

    /// Runs `work` in a transaction that excludes other writers from its beginning; committed if `work` succeeds.
    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.transact(TransactionBehavior::Immediate, work).await
    }

    async fn transact<T, F>(&self, behavior: TransactionBehavior, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.transact(behavior, work)).await
    }
}

impl Inner {
    fn transact<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let at = |error: HistoryError| error.at(&db::database_path(&self.data_dir));
        // A panic in `work` rolled its transaction back; the connection itself is still good.
        let mut slot = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let open = match slot.as_mut() {
            Some(open) => open,
            None => {
                self.openings.fetch_add(1, Ordering::Relaxed);
                slot.insert(Open::new(&self.data_dir, self.patience).map_err(at)?)
            }
        };
        if let Err(gone) = open.is_there() {
            // The next call opens what lies there then.
            *slot = None;
            return Err(gone);
        }
        let outcome = open
            .connection
            .transaction_with_behavior(behavior)
            .map_err(HistoryError::from)
            .and_then(|transaction| {
                let answer = work(&transaction)?;
                transaction.commit()?;
                Ok(answer)
            });
        let answer = outcome.map_err(at)?;
        if let Err(gone) = open.is_there() {
            *slot = None;
            return Err(gone);
        }
        Ok(answer)
    }
}

/// Runs blocking work off the async threads; a panic in it becomes an error.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(broken) => Err(HistoryError::BrokenOff(broken.to_string())),
    }
}

/// A value that is kept as JSON text in a column.
pub(super) struct Json<T>(pub T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(&self.0)
            .map(ToSqlOutput::from)
            .map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(FromSqlError::other)
    }
}
