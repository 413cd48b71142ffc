//! Adding and reading iterations.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::error::{HistoryError, Result};
use super::rows::{Iteration, NewIteration, Span};
use super::sessions;
use super::store::{Json, Store};
use super::time::Timestamp;
use types::{IterationNo, SessionId};

impl Store {
    /// Adds an iteration and gives it the session's next number. Two processes never get the same one.
    pub async fn add_iteration(&self, new: NewIteration) -> Result<IterationNo> {
        self.write(move |transaction| add(transaction, &new)).await
    }

    /// How many iterations a session has, drafts included.
    pub async fn iteration_count(&self, session: &SessionId) -> Result<u32> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            count(transaction, &session)
        })
        .await
    }

    /// One iteration.
    pub async fn iteration(&self, session: &SessionId, n: IterationNo) -> Result<Iteration> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| find(transaction, &session, n))
            .await
    }

    /// How long an iteration's graph and its session's workflow are as JSON, in bytes: known without having them in memory.
    pub async fn graph_bytes(&self, session: &SessionId, n: IterationNo) -> Result<u64> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            let bytes = transaction
                .prepare_cached(
                    "SELECT length(CAST(graph AS BLOB)) + length(CAST(workflow AS BLOB))
                     FROM iterations JOIN sessions ON id = session_id WHERE session_id = ?1 AND n = ?2",
                )?
                .query_row((&session, n), |row| row.get::<_, i64>(0))
                .optional()?;
            Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default())
        })
        .await
    }

    /// Iterations of a session, in ascending order, with their graphs; [`Store::trend`] is the short form.
    pub async fn iterations(&self, session: &SessionId, span: Span) -> Result<Vec<Iteration>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            let Bounds { from, to } = bounds(transaction, &session, span)?;
            let mut statement = transaction
                .prepare_cached("SELECT * FROM iterations WHERE session_id = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n")?;
            let rows = statement.query_map((&session, from, to), iteration_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

/// The highest number in use; 0 where there is none.
pub(super) fn count(transaction: &Transaction<'_>, session: &SessionId) -> Result<u32> {
    Ok(transaction
        .prepare_cached("SELECT coalesce(max(n), 0) FROM iterations WHERE session_id = ?1")?
        .query_row([session], |row| row.get(0))?)
}

/// The first and the last number that a span names; of a session without iterations the last is 0.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub from: u32,
    pub to: u32,
}

pub(super) fn bounds(transaction: &Transaction<'_>, session: &SessionId, span: Span) -> Result<Bounds> {
    Ok(match span {
        Span::All => Bounds { from: 1, to: u32::MAX },
        Span::Between(from, to) => Bounds {
            from: from.get(),
            to: to.get(),
        },
        Span::Last(few) => {
            let to = count(transaction, session)?;
            let from = to.saturating_sub(few) + 1;
            Bounds { from, to }
        }
    })
}

fn exists(transaction: &Transaction<'_>, session: &SessionId, n: IterationNo) -> Result<bool> {
    Ok(transaction
        .prepare_cached("SELECT 1 FROM iterations WHERE session_id = ?1 AND n = ?2")?
        .exists((session, n))?)
}

fn unknown(transaction: &Transaction<'_>, session: &SessionId, n: IterationNo) -> Result<HistoryError> {
    Ok(HistoryError::UnknownIteration {
        count: count(transaction, session)?,
        session: session.clone(),
        n,
    })
}

/// An error unless there are such a session and such an iteration.
pub(super) fn require(transaction: &Transaction<'_>, session: &SessionId, n: IterationNo) -> Result<()> {
    sessions::require(transaction, session)?;
    if exists(transaction, session, n)? {
        Ok(())
    } else {
        Err(unknown(transaction, session, n)?)
    }
}

/// The rows of a table that belong to a session, or to one of its iterations, oldest first.
pub(super) fn rows_of<T>(
    transaction: &Transaction<'_>,
    table: &str,
    session: &SessionId,
    n: Option<IterationNo>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    match n {
        Some(n) => require(transaction, session, n)?,
        None => sessions::require(transaction, session)?,
    }
    // Two statements, because one for both would read the whole session.
    let of_one = match n {
        Some(_) => "AND iteration = ?2",
        None => "AND ?2 IS NULL",
    };
    let mut statement = transaction.prepare_cached(&format!(
        "SELECT * FROM {table} WHERE session_id = ?1 {of_one} ORDER BY rowid"
    ))?;
    let rows = statement.query_map((session, n), read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn add(transaction: &Transaction<'_>, new: &NewIteration) -> Result<IterationNo> {
    sessions::require(transaction, &new.session)?;
    if let Some(parent) = new.parent {
        require(transaction, &new.session, parent)?;
    }
    // The transaction has excluded other writers since before this count.
    let n = IterationNo::new(count(transaction, &new.session)? + 1)?;
    transaction
        .prepare_cached(
            "INSERT INTO iterations (session_id, n, parent, created_at, positive, negative, knobs, graph, graph_hash,
                 changes, note)
             VALUES (:session, :n, :parent, :created_at, :positive, :negative, :knobs, :graph, :graph_hash,
                 :changes, :note)",
        )?
        .execute(named_params! {
            ":session": new.session,
            ":n": n,
            ":parent": new.parent,
            ":created_at": Timestamp::now(),
            ":positive": new.positive,
            ":negative": new.negative,
            ":knobs": Json(&new.knobs),
            ":graph": Json(&new.graph),
            ":graph_hash": new.graph_hash,
            ":changes": Json(&new.changes),
            ":note": new.note,
        })?;
    Ok(n)
}

fn find(transaction: &Transaction<'_>, session: &SessionId, n: IterationNo) -> Result<Iteration> {
    let found = transaction
        .prepare_cached("SELECT * FROM iterations WHERE session_id = ?1 AND n = ?2")?
        .query_row((session, n), iteration_row)
        .optional()?;
    match found {
        Some(iteration) => Ok(iteration),
        None => {
            sessions::require(transaction, session)?;
            Err(unknown(transaction, session, n)?)
        }
    }
}

pub(super) fn iteration_row(row: &Row<'_>) -> rusqlite::Result<Iteration> {
    Ok(Iteration {
        n: row.get("n")?,
        created_at: row.get("created_at")?,
        content: NewIteration {
            session: row.get("session_id")?,
            parent: row.get("parent")?,
            positive: row.get("positive")?,
            negative: row.get("negative")?,
            knobs: row.get::<_, Json<_>>("knobs")?.0,
            graph: row.get::<_, Json<_>>("graph")?.0,
            graph_hash: row.get("graph_hash")?,
            changes: row.get::<_, Json<_>>("changes")?.0,
            note: row.get("note")?,
        },
    })
}
