//! Opening the database: shared by several processes, set up by exactly one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};

use super::error::{HistoryError, Result};
use super::schema::{self, Progress};

/// The database's name within the data folder.
const DATABASE: &str = "history.sqlite";
/// Held while the database is opened (shared) or set up (alone), never while it is used.
const SETUP_LOCK: &str = "history.sqlite.setup";

/// The database's file within a data folder.
pub(super) fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join(DATABASE)
}

/// Opens the database of a data folder; makes the folder and the tables where they are missing.
///
/// Setting up means changing the journal mode, for which SQLite does not wait while others look at the file; so the
/// opening of a database is fenced by a lock file: shared to look, exclusive to set up. `patience` limits every wait.
pub(super) fn open(data_dir: &Path, patience: Duration) -> Result<Connection> {
    fs::create_dir_all(data_dir).map_err(|e| HistoryError::folder("make the data folder", data_dir, e))?;
    let path = database_path(data_dir);
    {
        let _shared = SetupLock::take(data_dir, Hold::Shared, patience)?;
        if path.exists() {
            let connection = connect(&path, patience)?;
            if schema::inspect(&connection, &path)? == Progress::Ready {
                return Ok(connection);
            }
        }
    }
    let _alone = SetupLock::take(data_dir, Hold::Alone, patience)?;
    let mut connection = connect(&path, patience)?;
    // Another process may have done it in between.
    if schema::inspect(&connection, &path)? == Progress::Behind {
        schema::migrate(&mut connection)?;
    }
    Ok(connection)
}

/// Which file a path leads to: SQLite goes on writing to one that was removed or moved away, and nothing of that is kept. Only
/// Unix says it; nothing where no file is there.
#[cfg(unix)]
pub(super) fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let there = fs::metadata(path).ok()?;
    Some((there.dev(), there.ino()))
}

/// Elsewhere an open file cannot be removed.
#[cfg(not(unix))]
pub(super) fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}

fn connect(path: &Path, patience: Duration) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What was answered must survive a power cut too; writes are few.
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

#[derive(Debug, Clone, Copy)]
enum Hold {
    Shared,
    Alone,
}

/// The lock is given back when the file is closed, also by a kill.
struct SetupLock {
    _file: Option<File>,
}

impl SetupLock {
    fn take(data_dir: &Path, hold: Hold, patience: Duration) -> Result<Self> {
        let path = data_dir.join(SETUP_LOCK);
        let failed = |e| HistoryError::folder("write", &path, e);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        let until = Instant::now() + patience;
        loop {
            let taken = match hold {
                Hold::Shared => file.try_lock_shared(),
                Hold::Alone => file.try_lock(),
            };
            match taken {
                Ok(()) => return Ok(Self { _file: Some(file) }),
                Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => {
                    // Some network folders know no locks; SQLite's own then has to do.
                    return Ok(Self { _file: None });
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(HistoryError::SettingUp {
                        path: data_dir.to_owned(),
                        waited_s: patience.as_secs(),
                    });
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }
}
