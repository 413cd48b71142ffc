//! What can go wrong with the history, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::state::RunState;
use types::{ImageHash, InvalidId, IterationNo, JudgementId, PromptId, SessionId};

/// The answer of every call on the history.
pub type Result<T> = std::result::Result<T, HistoryError>;

/// Why a call on the history failed. Nothing was written, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The data folder or a file in it cannot be made or written.
    #[error("cannot {doing} {}: {source}", path.display())]
    Folder {
        /// What was tried.
        doing: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database that was open is no longer where it was opened.
    #[error("the history {} was removed, moved or replaced while this program used it; nothing was recorded", path.display())]
    Gone {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite refused.
    #[error("the history {} {}: {source}", path.display(), trouble.words())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What kind of refusal.
        trouble: Trouble,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The database was written by a newer version of this program.
    #[error("the history {} has schema version {found}; this program knows versions up to {known}", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file is an SQLite database of something else.
    #[error("{} is an SQLite database, but not a history of this program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process is setting the database up and does not come to an end.
    #[error("another process has been setting up the history in {} for {waited_s} s", path.display())]
    SettingUp {
        /// The data folder.
        path: PathBuf,
        /// How long was waited, in seconds.
        waited_s: u64,
    },
    /// There is no such session.
    #[error("there is no session {0} in this history")]
    UnknownSession(SessionId),
    /// There is no such iteration.
    #[error("session {session} has no iteration {n}; it has {count}")]
    UnknownIteration {
        /// The session.
        session: SessionId,
        /// The iteration that was asked for.
        n: IterationNo,
        /// How many there are.
        count: u32,
    },
    /// There is no such run.
    #[error("there is no run {0} in this history")]
    UnknownRun(PromptId),
    /// There is no such judgement.
    #[error("there is no judgement {0} in this history")]
    UnknownJudgement(JudgementId),
    /// A run with this id has been written down already.
    #[error("a run {0} has been written down already")]
    RepeatedRun(PromptId),
    /// A run cannot go from one state to the other.
    #[error("run {run} is {from} and cannot become {to}; it stays as it is")]
    Transition {
        /// The run.
        run: PromptId,
        /// Its state.
        from: RunState,
        /// The state it should have got.
        to: RunState,
    },
    /// A run's picture was recorded before, with other content.
    #[error("image {ordinal} of run {run} is recorded as {recorded}; it stays as it is")]
    ImageConflict {
        /// The run.
        run: PromptId,
        /// Which of its images.
        ordinal: u32,
        /// What is recorded.
        recorded: ImageHash,
    },
    /// A value that must not be stored.
    #[error("{what} is {value}, which is not {wanted}")]
    Value {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A text that is no identifier.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// A value cannot be written as JSON.
    #[error("a value cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The bytes are no image file of a known format.
    #[error("these {length} bytes are no PNG, JPEG, WebP, GIF, BMP or TIFF file")]
    NoImage {
        /// How many bytes.
        length: usize,
    },
    /// The image's file is gone.
    #[error("image {hash} is not in {}", folder.display())]
    ImageMissing {
        /// The image.
        hash: ImageHash,
        /// The folder of images.
        folder: PathBuf,
    },
    /// The image's file has other content than its name says.
    #[error("the file of image {hash}, {}, has other content than was stored", path.display())]
    ImageDamaged {
        /// The image.
        hash: ImageHash,
        /// The file.
        path: PathBuf,
    },
    /// What is to be imported is no exported session.
    #[error("line {line} is not that of an exported session: {reason}; nothing was imported")]
    Import {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// What is to be imported is not all of an exported session.
    #[error("the exported session is cut off: {missing} of its {rows} rows are missing; nothing was imported")]
    ImportCut {
        /// How many rows its head promises.
        rows: usize,
        /// How many of them are not there.
        missing: usize,
    },
    /// A row of what is to be imported could not be read afterwards.
    #[error(
        "session {session} cannot be imported: a row of its table {table} cannot be read: {reason}; nothing was imported"
    )]
    ImportUnreadable {
        /// The session.
        session: SessionId,
        /// The row's table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A row of one session cannot be read; the others can.
    #[error("session {session} in the history {} has a row that cannot be read: {source}", path.display())]
    UnreadableRow {
        /// The database file.
        path: PathBuf,
        /// The session, as it is named in the database.
        session: String,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// What is to be imported is there already.
    #[error("session {0} is in this history already; nothing was imported")]
    SessionExists(SessionId),
    /// The work on the history was broken off by a panic or by the end of the program.
    #[error("the work on the history was broken off: {0}")]
    BrokenOff(String),
}

/// A finished run is not rendered again when it is asked for; a new iteration from its iteration is.
const RENDER_AGAIN: &str = "render it again as a new iteration: queue_generation with `session`, its iteration as `parent` and its seed in `seeds`. A reference is kept anew when its file is given again.";

/// Kinds of refusal by SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Another process holds it.
    Locked,
    /// It may not be written.
    ReadOnly,
    /// No room is left.
    Full,
    /// The file is damaged, or no database at all.
    Damaged,
    /// The file cannot be opened.
    Unopened,
    /// Reading or writing the disk failed.
    Disk,
    /// A row holds what it should not.
    BadRow,
    /// Anything else.
    Other,
}

impl Trouble {
    fn words(self) -> &'static str {
        match self {
            Self::Locked => "is held by another process",
            Self::ReadOnly => "may not be written",
            Self::Full => "has no room left on its disk",
            Self::Damaged => "is damaged or no database",
            Self::Unopened => "cannot be opened",
            Self::Disk => "cannot be read or written",
            Self::BadRow => "holds a row that cannot be read",
            Self::Other => "refused",
        }
    }

    fn of(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Self::BadRow,
            other => match other.sqlite_error_code() {
                Some(Code::DatabaseBusy | Code::DatabaseLocked) => Self::Locked,
                Some(Code::ReadOnly | Code::PermissionDenied) => Self::ReadOnly,
                Some(Code::DiskFull) => Self::Full,
                Some(Code::DatabaseCorrupt | Code::NotADatabase) => Self::Damaged,
                Some(Code::CannotOpen) => Self::Unopened,
                Some(Code::SystemIoFailure) => Self::Disk,
                _ => Self::Other,
            },
        }
    }
}

impl From<rusqlite::Error> for HistoryError {
    /// The path is filled in by `at`, in the one place that knows it.
    fn from(source: rusqlite::Error) -> Self {
        Self::Database {
            path: PathBuf::new(),
            trouble: Trouble::of(&source),
            source,
        }
    }
}

impl HistoryError {
    pub(super) fn folder(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Folder { doing, path, source }
    }

    /// Says of which database an error of SQLite speaks.
    pub(super) fn at(self, database: &Path) -> Self {
        match self {
            Self::Database { trouble, source, .. } => Self::Database {
                path: database.to_owned(),
                trouble,
                source,
            },
            Self::UnreadableRow { session, source, .. } => Self::UnreadableRow {
                path: database.to_owned(),
                session,
                source,
            },
            other => other,
        }
    }

    /// Says in which session a row is that cannot be read.
    pub(super) fn of_session(self, session: &str) -> Self {
        match self {
            Self::Database {
                path,
                trouble: Trouble::BadRow,
                source,
            } => Self::UnreadableRow {
                path,
                session: session.to_owned(),
                source,
            },
            other => other,
        }
    }

    /// Whether what was asked for is simply not there.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::UnknownSession(_)
                | Self::UnknownIteration { .. }
                | Self::UnknownRun(_)
                | Self::UnknownJudgement(_)
                | Self::ImageMissing { .. }
        )
    }

    /// What to do next, for the agent or the person who reads the error.
    pub fn hint(&self) -> String {
        match self {
            Self::Folder { path, source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!(
                    "Make room on the disk of {}, or move the data folder with --data-dir.",
                    path.display()
                ),
                io::ErrorKind::FileTooLarge => {
                    "This process may not write files of that size: raise its limit (`ulimit -f`) and start it again.".into()
                }
                _ => "Give this user the right to write there, or name another folder with --data-dir.".into(),
            },
            Self::Gone { path } => format!(
                "Put the data folder back in its place ({}) and call again. Without it the next call begins a new, empty history there, in which earlier sessions are unknown.",
                path.parent().unwrap_or(path).display()
            ),
            Self::Database { path, trouble, .. } => match trouble {
                Trouble::Locked => {
                    "Try again; if it stays so, end the other process that uses this data folder.".into()
                }
                Trouble::ReadOnly | Trouble::Unopened => {
                    "Give this user the right to write the file and its folder, or name another folder with --data-dir."
                        .into()
                }
                Trouble::Full => {
                    "Make room on that disk, or move the data folder with --data-dir. Nothing was lost.".into()
                }
                Trouble::Damaged | Trouble::BadRow => format!(
                    "Move {} and its -wal and -shm files aside and start anew, or restore a copy; the images beside it are whole.",
                    path.display()
                ),
                Trouble::Disk => "Check the disk and the limit on the size of files (`ulimit -f`); the data folder can be moved with --data-dir.".into(),
                Trouble::Other => {
                    "Run `prompt-calibrator doctor`; if it finds nothing, this is a bug worth reporting.".into()
                }
            },
            Self::Newer { .. } => {
                "Use the newer prompt-calibrator, or name another folder with --data-dir. The file was not touched."
                    .into()
            }
            Self::Foreign { .. } => "Name another folder with --data-dir. The file was not touched.".into(),
            Self::SettingUp { .. } => "Try again; if it stays so, end the other process.".into(),
            Self::UnknownSession(_) => "Call get_history without a session to list the sessions.".into(),
            Self::UnknownIteration { session, count: 0, .. } => {
                format!("Call inject_prompt with session {session} first; it has no iterations yet.")
            }
            Self::UnknownIteration { session, count, .. } => {
                format!("Session {session} has iterations 1 to {count}; get_history shows them.")
            }
            Self::UnknownRun(_) | Self::UnknownJudgement(_) => {
                "Call get_history with the session to see its runs and judgements.".into()
            }
            Self::RepeatedRun(_) => "Call queue_generation again: it takes a new id.".into(),
            Self::Transition { .. } => {
                "Call get_history to see how the run ended; queue it again to have a new one.".into()
            }
            Self::ImageConflict { .. } => "Queue the iteration again to have a new run.".into(),
            Self::Value { wanted, .. } => format!("Pass {wanted}."),
            Self::Id(id) => id.hint(),
            Self::Json(_) => "Pass plain JSON: finite numbers, text keys and paths that are valid Unicode.".into(),
            Self::NoImage { .. } => "Pass an image file of one of these formats.".into(),
            Self::ImageMissing { .. } => format!("Restore the file from a copy, or {RENDER_AGAIN}"),
            Self::ImageDamaged { path, .. } => {
                format!("Put a whole copy in the place of {}, or {RENDER_AGAIN}", path.display())
            }
            Self::UnreadableRow { session, .. } => format!(
                "The other sessions are not affected. Use the newest prompt-calibrator; if it cannot read the row either, remove the session with `prompt-calibrator sessions prune {session} --yes`, or restore a copy of the file."
            ),
            Self::ImportCut { .. } => {
                "Copy the exported folder again, or export it once more with `prompt-calibrator sessions export`.".into()
            }
            Self::ImportUnreadable { .. } | Self::Import { .. } => {
                "Export it once more with `prompt-calibrator sessions export`.".into()
            }
            Self::SessionExists(_) => {
                "To replace it, remove it first with `prompt-calibrator sessions prune SESSION --yes`.".into()
            }
            Self::BrokenOff(_) => "Call again; what was answered before is on disk.".into(),
        }
    }
}

types::hints!(HistoryError);
