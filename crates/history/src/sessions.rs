//! Opening, reading and changing sessions.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::error::{HistoryError, Result};
use super::rows::{NewSession, Session, SessionChange, SessionRubric, SessionSummary};
use super::store::{Json, Store};
use super::time::Timestamp;
use types::SessionId;

/// A state of the history: two that are equal show the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

/// Names are random; another try after a clash succeeds unless something is broken.
const NAME_TRIES: usize = 8;

impl Store {
    /// Opens a session and gives it a name.
    pub async fn create_session(&self, new: NewSession) -> Result<Session> {
        self.write(move |transaction| create(transaction, new)).await
    }

    /// One session.
    pub async fn session(&self, id: &SessionId) -> Result<Session> {
        let id = id.clone();
        self.read_of(&id.clone(), move |transaction| find(transaction, &id))
            .await
    }

    /// The sessions, newest first: `limit` of them after the first `skip`.
    pub async fn sessions(&self, skip: u32, limit: u32) -> Result<Vec<SessionSummary>> {
        self.read(move |transaction| list(transaction, skip, limit)).await
    }

    /// What changes whenever a session does, or, without one, whenever one is added or changes.
    ///
    /// # Errors
    /// [`HistoryError::UnknownSession`] when there is none of this name.
    pub async fn stamp(&self, id: Option<&SessionId>) -> Result<Stamp> {
        let id = id.cloned();
        self.read(move |transaction| match &id {
            Some(id) => stamp_of(transaction, id),
            None => stamp_of_all(transaction),
        })
        .await
    }

    /// Changes what may change in a session; returns it as it then is.
    pub async fn change_session(&self, id: &SessionId, change: SessionChange) -> Result<Session> {
        let id = id.clone();
        self.write(move |transaction| {
            let mut session = find(transaction, &id)?;
            apply(&mut session.opened, change);
            check(&session.opened)?;
            update(transaction, &session)?;
            Ok(session)
        })
        .await
    }
}

fn check(session: &NewSession) -> Result<()> {
    if !(0.0..=1.0).contains(&session.target_score) {
        return Err(HistoryError::Value {
            what: "the target score",
            value: session.target_score.to_string(),
            wanted: "a number from 0 to 1",
        });
    }
    if session.max_iterations == 0 {
        return Err(HistoryError::Value {
            what: "the maximum of iterations",
            value: "0".into(),
            wanted: "a whole number of 1 or more",
        });
    }
    Ok(())
}

fn apply(session: &mut NewSession, change: SessionChange) {
    if let Some(title) = change.title {
        session.title = Some(title);
    }
    if let Some(target) = change.target_score {
        session.target_score = target;
    }
    if let Some(maximum) = change.max_iterations {
        session.max_iterations = maximum;
    }
    if let Some(choices) = change.choices {
        session.choices = choices;
    }
    if session.reference.is_none() {
        session.reference = change.reference;
    }
}

fn create(transaction: &Transaction<'_>, new: NewSession) -> Result<Session> {
    check(&new)?;
    let mut id = SessionId::random();
    for _ in 0..NAME_TRIES {
        if !exists(transaction, &id)? {
            break;
        }
        id = SessionId::random();
    }
    let session = Session {
        id,
        created_at: Timestamp::now(),
        opened: new,
    };
    let opened = &session.opened;
    transaction
        .prepare_cached(
            "INSERT INTO sessions (id, created_at, title, workflow, workflow_hash, workflow_source, reference_hash,
                 rubric_id, rubric_hash, rubric, explicit, target_score, max_iterations, choices)
             VALUES (:id, :created_at, :title, :workflow, :workflow_hash, :workflow_source, :reference_hash,
                 :rubric_id, :rubric_hash, :rubric, :explicit, :target_score, :max_iterations, :choices)",
        )?
        .execute(named_params! {
            ":id": session.id,
            ":created_at": session.created_at,
            ":title": opened.title,
            ":workflow": Json(&opened.workflow),
            ":workflow_hash": opened.workflow_hash,
            ":workflow_source": Json(&opened.workflow_source),
            ":reference_hash": opened.reference,
            ":rubric_id": opened.rubric.id,
            ":rubric_hash": opened.rubric.hash,
            ":rubric": Json(&opened.rubric.resolved),
            ":explicit": opened.rubric.explicit,
            ":target_score": opened.target_score,
            ":max_iterations": opened.max_iterations,
            ":choices": Json(&opened.choices),
        })?;
    Ok(session)
}

fn update(transaction: &Transaction<'_>, session: &Session) -> Result<()> {
    let opened = &session.opened;
    transaction.execute(
        "UPDATE sessions SET title = :title, target_score = :target_score, max_iterations = :max_iterations,
             choices = :choices, reference_hash = :reference_hash
         WHERE id = :id",
        named_params! {
            ":id": session.id,
            ":title": opened.title,
            ":target_score": opened.target_score,
            ":max_iterations": opened.max_iterations,
            ":choices": Json(&opened.choices),
            ":reference_hash": opened.reference,
        },
    )?;
    Ok(())
}

fn exists(transaction: &Transaction<'_>, id: &SessionId) -> Result<bool> {
    Ok(transaction
        .prepare_cached("SELECT 1 FROM sessions WHERE id = ?1")?
        .exists([id])?)
}

/// An error unless there is such a session.
pub(super) fn require(transaction: &Transaction<'_>, id: &SessionId) -> Result<()> {
    if exists(transaction, id)? {
        Ok(())
    } else {
        Err(HistoryError::UnknownSession(id.clone()))
    }
}

fn find(transaction: &Transaction<'_>, id: &SessionId) -> Result<Session> {
    transaction
        .prepare_cached("SELECT * FROM sessions WHERE id = ?1")?
        .query_row([id], session_row)
        .optional()?
        .ok_or_else(|| HistoryError::UnknownSession(id.clone()))
}

/// Times alone would miss what happens within a millisecond; numbers of rows alone would miss what changes in one.
fn stamp_of(transaction: &Transaction<'_>, id: &SessionId) -> Result<Stamp> {
    transaction
        .prepare_cached(
            "SELECT printf('%d|%d|%d|%d|%d|%d|%s|%s|%s|%s', last_activity,
                 (SELECT coalesce(max(n), 0) FROM iterations WHERE session_id = s.id),
                 (SELECT count(*) FROM runs WHERE session_id = s.id),
                 (SELECT count(*) FROM runs WHERE session_id = s.id AND finished_at IS NOT NULL),
                 (SELECT count(*) FROM judgements WHERE session_id = s.id),
                 (SELECT count(*) FROM decisions WHERE session_id = s.id),
                 target_score, max_iterations, coalesce(reference_hash, ''), coalesce(title, ''))
             FROM sessions s WHERE id = ?1",
        )?
        .query_row([id], |row| row.get(0).map(Stamp))
        .optional()?
        .ok_or_else(|| HistoryError::UnknownSession(id.clone()))
}

fn stamp_of_all(transaction: &Transaction<'_>) -> Result<Stamp> {
    let stamp = transaction
        .prepare_cached("SELECT printf('%d|%d', count(*), coalesce(max(last_activity), 0)) FROM sessions")?
        .query_row([], |row| row.get(0).map(Stamp))?;
    Ok(stamp)
}

pub(super) fn session_row(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        opened: NewSession {
            title: row.get("title")?,
            workflow: row.get::<_, Json<_>>("workflow")?.0,
            workflow_hash: row.get("workflow_hash")?,
            workflow_source: row.get::<_, Json<_>>("workflow_source")?.0,
            reference: row.get("reference_hash")?,
            rubric: SessionRubric {
                id: row.get("rubric_id")?,
                hash: row.get("rubric_hash")?,
                resolved: row.get::<_, Json<_>>("rubric")?.0,
                explicit: row.get("explicit")?,
            },
            target_score: row.get("target_score")?,
            max_iterations: row.get("max_iterations")?,
            choices: row.get::<_, Json<_>>("choices")?.0,
        },
    })
}

/// The columns of a line in the list of sessions.
const SUMMARY: &str = "SELECT s.id, s.title, s.created_at, s.reference_hash, s.rubric_id,
         (SELECT coalesce(max(i.n), 0) FROM iterations i WHERE i.session_id = s.id) AS iterations,
         (SELECT count(*) FROM runs r INDEXED BY runs_open
             WHERE r.session_id = s.id AND r.state IN ('prepared', 'submitted'))
             AS open_runs,
         (SELECT count(*) FROM judgements j WHERE j.session_id = s.id) AS judgements,
         s.last_activity
     FROM sessions s";

fn list(transaction: &Transaction<'_>, skip: u32, limit: u32) -> Result<Vec<SessionSummary>> {
    let mut statement = transaction.prepare_cached(&format!(
        "{SUMMARY} ORDER BY s.created_at DESC, s.rowid DESC LIMIT ?1 OFFSET ?2"
    ))?;
    let mut rows = statement.query((limit, skip))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let summary = summary_row(row).map_err(|error| {
            // Whatever its name is, it is what a person has to look for.
            let name = row
                .get::<_, String>("id")
                .unwrap_or_else(|_| "without a name".to_owned());
            HistoryError::from(error).of_session(&name)
        })?;
        found.push(summary);
    }
    Ok(found)
}

/// Reads the line of one session.
pub(super) fn summary_of(transaction: &Transaction<'_>, session: &SessionId) -> Result<()> {
    transaction
        .prepare_cached(&format!("{SUMMARY} WHERE s.id = ?1"))?
        .query_row([session], summary_row)?;
    Ok(())
}

fn summary_row(row: &Row<'_>) -> rusqlite::Result<SessionSummary> {
    Ok(SessionSummary {
        id: row.get("id")?,
        title: row.get("title")?,
        created_at: row.get("created_at")?,
        last_activity: row.get("last_activity")?,
        reference: row.get("reference_hash")?,
        rubric_id: row.get("rubric_id")?,
        iterations: row.get("iterations")?,
        open_runs: row.get("open_runs")?,
        judgements: row.get("judgements")?,
    })
}
