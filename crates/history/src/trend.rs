//! A session in brief: one row an iteration, without graphs.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use serde::Serialize;

use super::error::Result;
use super::iterations::{self, Bounds};
use super::rows::Span;
use super::sessions;
use super::state::RunState;
use super::store::Store;
use super::time::Timestamp;
use text::shortened;
use types::{IterationNo, JudgeHash, SessionId};

/// How many characters of a positive prompt a row shows.
const EXCERPT: usize = 160;

/// One iteration in brief.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendRow {
    /// The iteration.
    pub n: IterationNo,
    /// The iteration it was made from.
    pub parent: Option<IterationNo>,
    /// When it was added.
    pub created_at: Timestamp,
    /// The beginning of the positive prompt, at most 160 characters, on one line.
    pub positive: Option<String>,
    /// Why the agent made it.
    pub note: Option<String>,
    /// How many of its runs are in which state.
    pub runs: RunCounts,
    /// Its scores, one entry a judge, in the order in which they scored it.
    pub scores: Vec<TrendScore>,
}

/// Runs by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RunCounts {
    /// Prepared or submitted.
    pub open: u32,
    /// Finished.
    pub finished: u32,
    /// Failed or lost.
    pub failed: u32,
    /// Cancelled.
    pub cancelled: u32,
}

/// How an iteration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IterationState {
    /// It was not run.
    Draft,
    /// A run was begun and is not known to have ended.
    Open,
    /// A run made a picture.
    Done,
    /// No run made a picture.
    Failed,
    /// Its runs were stopped.
    Cancelled,
}

impl RunCounts {
    /// How an iteration with such runs stands.
    #[must_use]
    pub fn state(self) -> IterationState {
        if self.open > 0 {
            IterationState::Open
        } else if self.finished > 0 {
            IterationState::Done
        } else if self.failed > 0 {
            IterationState::Failed
        } else if self.cancelled > 0 {
            IterationState::Cancelled
        } else {
            IterationState::Draft
        }
    }
}

/// What one judge made of an iteration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrendScore {
    /// The judge; scores of different judges are never compared.
    pub judge: JudgeHash,
    /// How many different images were judged; each counts once, with its newest judgement.
    pub images: u32,
    /// The mean overall score, 0 to 1; none when every image was refused.
    pub overall: Option<f64>,
    /// The mean raw overall score, 0 to 1.
    pub raw: Option<f64>,
}

impl Store {
    /// Iterations of a session in brief, in ascending order. Only judgements against the session's own reference
    /// count.
    pub async fn trend(&self, session: &SessionId, span: Span) -> Result<Vec<TrendRow>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            let bounds = iterations::bounds(transaction, &session, span)?;
            let mut rows = rows(transaction, &session, bounds)?;
            count_runs(transaction, &session, bounds, &mut rows)?;
            let mut scores = scores(transaction, &session, bounds)?;
            for row in &mut rows {
                row.scores = scores.remove(&row.n).unwrap_or_default();
            }
            Ok(rows)
        })
        .await
    }
}

fn rows(transaction: &Transaction<'_>, session: &SessionId, bounds: Bounds) -> Result<Vec<TrendRow>> {
    let mut statement = transaction.prepare_cached(
        "SELECT n, parent, created_at, positive, note FROM iterations
         WHERE session_id = ?1 AND n BETWEEN ?2 AND ?3 ORDER BY n",
    )?;
    let rows = statement.query_map((session, bounds.from, bounds.to), |row| {
        Ok(TrendRow {
            n: row.get("n")?,
            parent: row.get("parent")?,
            created_at: row.get("created_at")?,
            positive: row.get::<_, Option<String>>("positive")?.map(|text| excerpt(&text)),
            note: row.get("note")?,
            runs: RunCounts::default(),
            scores: Vec::new(),
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn count_runs(transaction: &Transaction<'_>, session: &SessionId, bounds: Bounds, rows: &mut [TrendRow]) -> Result<()> {
    let mut statement = transaction.prepare_cached(
        "SELECT iteration, state, count(*) FROM runs WHERE session_id = ?1 AND iteration BETWEEN ?2 AND ?3
         GROUP BY iteration, state",
    )?;
    let mut counted = statement.query((session, bounds.from, bounds.to))?;
    while let Some(count) = counted.next()? {
        let n: IterationNo = count.get(0)?;
        let number: u32 = count.get(2)?;
        // They are in order.
        let Ok(at) = rows.binary_search_by_key(&n, |row| row.n) else {
            continue;
        };
        let row = &mut rows[at];
        match count.get(1)? {
            RunState::Prepared | RunState::Submitted => row.runs.open += number,
            RunState::Finished => row.runs.finished += number,
            RunState::Failed | RunState::Lost => row.runs.failed += number,
            RunState::Cancelled => row.runs.cancelled += number,
        }
    }
    Ok(())
}

fn scores(
    transaction: &Transaction<'_>,
    session: &SessionId,
    bounds: Bounds,
) -> Result<BTreeMap<IterationNo, Vec<TrendScore>>> {
    let mut statement = transaction.prepare_cached(
        "WITH newest AS (
             SELECT max(j.id) AS id
             FROM judgements j JOIN sessions s ON s.id = j.session_id
             WHERE j.session_id = ?1 AND j.iteration BETWEEN ?2 AND ?3 AND j.reference_hash IS s.reference_hash
             GROUP BY j.iteration, j.image_hash, j.judge_hash
         )
         SELECT j.iteration, j.judge_hash, count(*), avg(j.overall_score), avg(j.overall_raw)
         FROM newest JOIN judgements j USING (id)
         GROUP BY j.iteration, j.judge_hash
         ORDER BY j.iteration, min(j.id)",
    )?;
    let mut found = statement.query((session, bounds.from, bounds.to))?;
    let mut scores: BTreeMap<IterationNo, Vec<TrendScore>> = BTreeMap::new();
    while let Some(row) = found.next()? {
        scores.entry(row.get(0)?).or_default().push(TrendScore {
            judge: row.get(1)?,
            images: row.get(2)?,
            overall: row.get(3)?,
            raw: row.get(4)?,
        });
    }
    Ok(scores)
}

/// The beginning of a text, on one line, with `…` where it was cut.
fn excerpt(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    shortened(&line, EXCERPT)
}
