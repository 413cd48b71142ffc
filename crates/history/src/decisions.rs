//! What was decided about iterations, and what it was decided from.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};
use serde_json::Value;

use super::error::Result;
use super::iterations::{self, Bounds};
use super::judgements;
use super::rows::{Judgement, Span};
use super::sessions;
use super::store::{Json, Store};
use super::time::Timestamp;
use types::{DecisionId, DecisionKind, IterationNo, JudgeHash, JudgementId, Seed, SessionId, TookOver};

/// A decision to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDecision {
    /// The session.
    pub session: SessionId,
    /// The iteration.
    pub iteration: IterationNo,
    /// What it was compared with; nothing for a judge's first.
    pub against: Option<IterationNo>,
    /// Whose scores it rests on.
    pub judge: JudgeHash,
    /// The newest judgement of this judge in the session that was taken into account.
    pub judgement: JudgementId,
    /// What was decided.
    pub kind: DecisionKind,
    /// What it rests on.
    pub detail: Value,
}

/// A decision as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Its number.
    pub id: DecisionId,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Its content.
    pub content: NewDecision,
}

/// A judgement of one of a session's runs.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedRun {
    /// The iteration.
    pub iteration: IterationNo,
    /// The run's seed.
    pub seed: Seed,
    /// The newest judgement of this iteration and seed.
    pub judgement: Judgement,
}

/// Where a session's decisions by one judge stand, and what is not decided yet. All of it is of one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Iterations that were judged since the last decision, and recent ones that were judged and never decided on (their judging was
    /// cut off, or overtaken), in the order of their newest judgement, each with it.
    pub undecided: Vec<(IterationNo, JudgementId)>,
    /// The newest decisions, at most as many as were asked for, oldest first.
    pub decisions: Vec<Decision>,
    /// Iterations that took over and were not decided otherwise since in the same comparison, newest first. The first is what new
    /// ones are compared with. There is one more than `undecided` has iterations, where there are so many.
    pub took_over: Vec<TookOver>,
    /// The newest decision, by any judge; to be handed to [`Store::record_decision`].
    pub newest: Option<DecisionId>,
}

/// Iterations that are looked through for some that were never decided on.
const RECENT: u32 = 60;

impl Store {
    /// Where the decisions about a session by the scores of a judge stand: the newest `limit` of them, and what is undecided.
    pub async fn standing(&self, session: &SessionId, judge: &JudgeHash, limit: u32) -> Result<Standing> {
        let (session, judge) = (session.clone(), judge.clone());
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            let upto = upto(transaction, &session, &judge)?;
            let mut statement = transaction.prepare_cached(
                "WITH counted AS (
                     SELECT j.id, j.iteration FROM judgements j JOIN sessions s ON s.id = j.session_id
                     WHERE j.session_id = ?1 AND j.judge_hash = ?2 AND j.id > ?3 AND j.iteration IS NOT NULL
                         AND j.overall_raw IS NOT NULL AND j.prompt_id IS NOT NULL AND j.reference_hash IS s.reference_hash
                     UNION
                     SELECT j.id, j.iteration FROM judgements j JOIN sessions s ON s.id = j.session_id
                     WHERE j.session_id = ?1 AND j.iteration > ?4 AND j.judge_hash = ?2
                         AND j.overall_raw IS NOT NULL AND j.prompt_id IS NOT NULL AND j.reference_hash IS s.reference_hash
                         AND NOT EXISTS (
                             -- Else SQLite reads all decisions of the judge for each of these.
                             SELECT 1 FROM decisions d INDEXED BY decisions_by_iteration
                             WHERE d.session_id = j.session_id AND d.iteration = j.iteration AND d.judge_hash = j.judge_hash))
                 SELECT iteration, max(id) AS newest FROM counted GROUP BY iteration ORDER BY newest",
            )?;
            let before = iterations::count(transaction, &session)?.saturating_sub(RECENT);
            let key = (&session, &judge, upto, before);
            let rows = statement.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
            let undecided: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
            Ok(Standing {
                decisions: newest(transaction, &session, &judge, limit)?,
                took_over: took_over(transaction, &session, &judge, undecided.len() + 1)?,
                undecided,
                newest: newest_id(transaction, &session)?,
            })
        })
        .await
    }

    /// Records a decision and gives its number, unless another one of the session was recorded since [`Standing::newest`] was
    /// read: then nothing is recorded. Of two programs that decide at the same time one has to look again.
    pub async fn record_decision(&self, new: NewDecision, since: Option<DecisionId>) -> Result<Option<DecisionId>> {
        self.write(move |transaction| {
            iterations::require(transaction, &new.session, new.iteration)?;
            if newest_id(transaction, &new.session)? != since {
                return Ok(None);
            }
            insert(transaction, &new, Timestamp::now())?;
            Ok(Some(DecisionId(transaction.last_insert_rowid())))
        })
        .await
    }

    /// The iteration that new ones are compared with by this judge, if there is one.
    pub async fn incumbent(&self, session: &SessionId, judge: &JudgeHash) -> Result<Option<IterationNo>> {
        let (session, judge) = (session.clone(), judge.clone());
        self.read_of(&session.clone(), move |transaction| {
            let found = took_over(transaction, &session, &judge, 1)?;
            Ok(found.first().map(|best| best.iteration))
        })
        .await
    }

    /// The last iteration that took over by whichever judge.
    pub async fn last_incumbent(&self, session: &SessionId) -> Result<Option<IterationNo>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            let judge: Option<JudgeHash> = transaction
                .prepare_cached("SELECT judge_hash FROM decisions WHERE session_id = ?1 ORDER BY id DESC LIMIT 1")?
                .query_row([&session], |row| row.get(0))
                .optional()?;
            match judge {
                Some(judge) => Ok(took_over(transaction, &session, &judge, 1)?
                    .first()
                    .map(|best| best.iteration)),
                None => Ok(None),
            }
        })
        .await
    }

    /// The seeds of an iteration whose picture a judge refused and none has scored.
    pub async fn refused_seeds(&self, session: &SessionId, n: IterationNo) -> Result<Vec<Seed>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT r.seed FROM judgements j JOIN runs r ON r.prompt_id = j.prompt_id
                 WHERE j.session_id = ?1 AND j.iteration = ?2
                 GROUP BY r.seed HAVING count(*) = count(json_extract(j.verdict, '$.refused'))",
            )?;
            let rows = statement.query_map((session, n), |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// The judge of a session's newest judgement of an iteration that was not refused, with or without a score.
    pub async fn last_judge(&self, session: &SessionId) -> Result<Option<JudgeHash>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            Ok(transaction
                .prepare_cached(
                    "SELECT judge_hash FROM judgements WHERE session_id = ?1 AND iteration IS NOT NULL
                     AND json_extract(verdict, '$.refused') IS NULL ORDER BY id DESC LIMIT 1",
                )?
                .query_row([session], |row| row.get(0))
                .optional()?)
        })
        .await
    }

    /// A judge's newest judgement of a session's iterations, or of one, against its own reference and not refused.
    pub async fn newest_judgement(
        &self,
        session: &SessionId,
        judge: &JudgeHash,
        n: Option<IterationNo>,
    ) -> Result<Option<Judgement>> {
        let (session, judge) = (session.clone(), judge.clone());
        self.read_of(&session.clone(), move |transaction| {
            // Two statements, because one for both would read the whole session.
            let of_one = match n {
                Some(_) => "j.iteration = ?3",
                None => "j.iteration IS NOT NULL AND ?3 IS NULL",
            };
            Ok(transaction
                .prepare_cached(&format!(
                    "SELECT j.* FROM judgements j JOIN sessions s ON s.id = j.session_id
                     WHERE j.session_id = ?1 AND j.judge_hash = ?2 AND {of_one} AND j.prompt_id IS NOT NULL
                         AND json_extract(j.verdict, '$.refused') IS NULL AND j.reference_hash IS s.reference_hash
                     ORDER BY j.id DESC LIMIT 1"
                ))?
                .query_row((session, judge, n), judgements::judgement_row)
                .optional()?)
        })
        .await
    }

    /// The newest `limit` decisions by a judge, oldest first.
    pub async fn decisions(&self, session: &SessionId, judge: &JudgeHash, limit: u32) -> Result<Vec<Decision>> {
        let (session, judge) = (session.clone(), judge.clone());
        self.read_of(&session.clone(), move |transaction| {
            newest(transaction, &session, &judge, limit)
        })
        .await
    }

    /// All decisions about some iterations, by any judge, oldest first.
    pub async fn decisions_of(&self, session: &SessionId, span: Span) -> Result<Vec<Decision>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            let Bounds { from, to } = iterations::bounds(transaction, &session, span)?;
            let mut statement = transaction.prepare_cached(
                "SELECT * FROM decisions WHERE session_id = ?1 AND iteration BETWEEN ?2 AND ?3 ORDER BY id",
            )?;
            let rows = statement.query_map((session, from, to), decision_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// The newest judgement of every seed of some iterations by one judge, refusals left out; by iteration, then in the order of
    /// the runs.
    pub async fn judged_runs(&self, session: &SessionId, judge: &JudgeHash, span: Span) -> Result<Vec<JudgedRun>> {
        let (session, judge) = (session.clone(), judge.clone());
        self.read_of(&session.clone(), move |transaction| {
            let Bounds { from, to } = iterations::bounds(transaction, &session, span)?;
            let mut statement = transaction.prepare_cached(
                "SELECT j.*, r.seed AS run_seed FROM judgements j
                 JOIN runs r ON r.prompt_id = j.prompt_id
                 WHERE j.id IN (
                     SELECT max(o.id) FROM judgements o
                     JOIN runs u ON u.prompt_id = o.prompt_id
                     JOIN sessions s ON s.id = o.session_id
                     WHERE o.session_id = ?1 AND o.iteration BETWEEN ?3 AND ?4 AND o.judge_hash = ?2
                         AND json_extract(o.verdict, '$.refused') IS NULL AND o.reference_hash IS s.reference_hash
                     GROUP BY o.iteration, u.seed)
                 ORDER BY j.iteration, r.rowid",
            )?;
            let rows = statement.query_map((&session, &judge, from, to), |row| {
                Ok(JudgedRun {
                    iteration: row.get("iteration")?,
                    seed: row.get("run_seed")?,
                    judgement: judgements::judgement_row(row)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Records that the guard refused a text before anything was rendered.
    pub async fn record_refusal(&self, session: Option<&SessionId>, reason: &str) -> Result<()> {
        let (session, reason) = (session.cloned(), reason.to_owned());
        self.write(move |transaction| {
            transaction
                .prepare_cached("INSERT INTO refusals (created_at, session_id, reason) VALUES (?1, ?2, ?3)")?
                .execute((Timestamp::now(), session, reason))?;
            Ok(())
        })
        .await
    }
}

fn newest_id(transaction: &Transaction<'_>, session: &SessionId) -> Result<Option<DecisionId>> {
    Ok(transaction
        .prepare_cached("SELECT max(id) FROM decisions WHERE session_id = ?1")?
        .query_row([session], |row| row.get(0))?)
}

/// The newest judgement that a decision has taken into account.
fn upto(transaction: &Transaction<'_>, session: &SessionId, judge: &JudgeHash) -> Result<JudgementId> {
    Ok(transaction
        .prepare_cached("SELECT coalesce(max(judgement), 0) FROM decisions WHERE session_id = ?1 AND judge_hash = ?2")?
        .query_row((session, judge), |row| row.get(0))?)
}

fn newest(transaction: &Transaction<'_>, session: &SessionId, judge: &JudgeHash, limit: u32) -> Result<Vec<Decision>> {
    let mut statement = transaction.prepare_cached(
        "SELECT * FROM decisions WHERE session_id = ?1 AND judge_hash = ?2
         ORDER BY judgement DESC, id DESC LIMIT ?3",
    )?;
    let rows = statement.query_map((session, judge, limit), decision_row)?;
    let mut found: Vec<Decision> = rows.collect::<rusqlite::Result<_>>()?;
    found.reverse();
    Ok(found)
}

/// Those that took over and were not decided otherwise since in the same comparison, newest first.
fn took_over(
    transaction: &Transaction<'_>,
    session: &SessionId,
    judge: &JudgeHash,
    limit: usize,
) -> Result<Vec<TookOver>> {
    // Several decisions of one comparison are one row.
    let mut statement = transaction.prepare_cached(
        "SELECT iteration, against FROM decisions d
         WHERE session_id = ?1 AND judge_hash = ?2 AND kind IN ('first', 'keep', 'tentative_keep')
             AND NOT EXISTS (
                 SELECT 1 FROM decisions later
                 WHERE later.session_id = d.session_id AND later.iteration = d.iteration
                     AND later.judge_hash = d.judge_hash AND later.id > d.id AND later.against IS d.against)
         ORDER BY id DESC LIMIT ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((session, judge, limit), |row| {
        Ok(TookOver {
            iteration: row.get(0)?,
            against: row.get(1)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a decision down.
pub(super) fn insert(transaction: &Transaction<'_>, new: &NewDecision, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO decisions (created_at, session_id, iteration, against, judge_hash, judgement, kind, detail)
             VALUES (:created_at, :session, :iteration, :against, :judge, :judgement, :kind, :detail)",
        )?
        .execute(named_params! {
            ":created_at": at,
            ":session": new.session,
            ":iteration": new.iteration,
            ":against": new.against,
            ":judge": new.judge,
            ":judgement": new.judgement,
            ":kind": new.kind,
            ":detail": Json(&new.detail),
        })?;
    Ok(())
}

pub(super) fn decision_row(row: &Row<'_>) -> rusqlite::Result<Decision> {
    Ok(Decision {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        content: NewDecision {
            session: row.get("session_id")?,
            iteration: row.get("iteration")?,
            against: row.get("against")?,
            judge: row.get("judge_hash")?,
            judgement: row.get("judgement")?,
            kind: row.get("kind")?,
            detail: row.get::<_, Json<_>>("detail")?.0,
        },
    })
}
