//! Reads a whole session through the readers that everybody uses, to find rows that cannot be read before they are kept.

use rusqlite::{Row, Transaction};
use serde_json::Value;

use super::comparisons::comparison_row;
use super::decisions::decision_row;
use super::error::{HistoryError, Result};
use super::frozen::frozen_row;
use super::iterations::iteration_row;
use super::judgements::judgement_row;
use super::runs::{image_row, run_row};
use super::sessions::{session_row, summary_of};
use types::SessionId;

/// What the history keeps as JSON for others, who alone know what it means.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// A session's workflow, or an iteration's graph.
    Graph(&'a Value),
    /// A session's rubric.
    Rubric(&'a Value),
    /// A verdict, or why there is none.
    Judgement(&'a Value),
    /// What a decision rests on.
    Decision(&'a Value),
    /// What the judge said when it was asked directly.
    Comparison(&'a Value),
    /// What a reference shows.
    ReferenceValues(&'a Value),
}

type Check<'a> = &'a dyn Fn(Payload<'_>) -> std::result::Result<(), String>;

/// Reads every row of a session.
///
/// # Errors
/// [`HistoryError::ImportUnreadable`] for the first that cannot be read.
pub(super) fn session(transaction: &Transaction<'_>, session: &SessionId, check: Check<'_>) -> Result<()> {
    let reader = Reader { transaction, session };
    reader.rows("sessions", "SELECT * FROM sessions WHERE id = ?1", session_row, |s| {
        check(Payload::Graph(&s.opened.workflow))?;
        check(Payload::Rubric(&s.opened.rubric.resolved))
    })?;
    reader.rows(
        "iterations",
        "SELECT * FROM iterations WHERE session_id = ?1 ORDER BY n",
        iteration_row,
        |i| check(Payload::Graph(&i.content.graph)),
    )?;
    reader.rows(
        "asked_seeds",
        "SELECT seed FROM asked_seeds WHERE session_id = ?1",
        |row| row.get::<_, types::Seed>(0),
        |_| Ok(()),
    )?;
    reader.rows("runs", "SELECT * FROM runs WHERE session_id = ?1", run_row, |_| Ok(()))?;
    reader.rows(
        "images",
        "SELECT i.* FROM images i JOIN runs r USING (prompt_id) WHERE r.session_id = ?1",
        image_row,
        |_| Ok(()),
    )?;
    reader.rows(
        "judgements",
        "SELECT * FROM judgements WHERE session_id = ?1 ORDER BY id",
        judgement_row,
        |j| check(Payload::Judgement(&j.content.verdict)),
    )?;
    reader.rows(
        "decisions",
        "SELECT * FROM decisions WHERE session_id = ?1 ORDER BY id",
        decision_row,
        |d| check(Payload::Decision(&d.content.detail)),
    )?;
    reader.rows(
        "comparisons",
        "SELECT * FROM comparisons WHERE session_id = ?1 ORDER BY id",
        comparison_row,
        |c| check(Payload::Comparison(&c.content.value)),
    )?;
    reader.rows(
        "refusals",
        "SELECT created_at, reason FROM refusals WHERE session_id = ?1",
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)),
        |_| Ok(()),
    )?;
    reader.rows(
        "reference_values",
        "SELECT v.value, v.edited, v.created_at FROM reference_values v JOIN sessions s
             ON v.reference_hash = s.reference_hash AND v.rubric_hash = s.rubric_hash WHERE s.id = ?1",
        frozen_row,
        |v| check(Payload::ReferenceValues(&v.value)),
    )?;
    // As the list of sessions reads it.
    summary_of(transaction, session).map_err(|error| reader.unreadable("sessions", error.to_string()))
}

struct Reader<'a> {
    transaction: &'a Transaction<'a>,
    session: &'a SessionId,
}

impl Reader<'_> {
    fn rows<T>(
        &self,
        table: &'static str,
        query: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        check: impl Fn(&T) -> std::result::Result<(), String>,
    ) -> Result<()> {
        let mut statement = self.transaction.prepare(query)?;
        let mut rows = statement.query([self.session])?;
        while let Some(row) = rows.next()? {
            let row = read(row).map_err(|error| self.unreadable(table, error.to_string()))?;
            check(&row).map_err(|reason| self.unreadable(table, reason))?;
        }
        Ok(())
    }

    fn unreadable(&self, table: &'static str, reason: String) -> HistoryError {
        HistoryError::ImportUnreadable {
            session: self.session.clone(),
            table,
            reason,
        }
    }
}
