//! Recording and reading judgements.

use rusqlite::{OptionalExtension, Row, Transaction, named_params};

use super::error::{HistoryError, Result};
use super::rows::{Judgement, NewJudgement};
use super::store::{Json, Store};
use super::time::Timestamp;
use super::{iterations, runs, sessions};
use types::{ImageHash, IterationNo, JudgementId, SessionId};

impl Store {
    /// Records a judgement, of a session or of two loose images. Judging again adds another; nothing is written over.
    pub async fn record_judgement(&self, new: NewJudgement) -> Result<JudgementId> {
        self.write(move |transaction| record(transaction, &new)).await
    }

    /// One judgement.
    pub async fn judgement(&self, id: JudgementId) -> Result<Judgement> {
        self.read(move |transaction| {
            transaction
                .prepare_cached("SELECT * FROM judgements WHERE id = ?1")?
                .query_row([id], judgement_row)
                .optional()?
                .ok_or(HistoryError::UnknownJudgement(id))
        })
        .await
    }

    /// Why a picture must not be shown: what the guard said when it refused it, as a reference or as what was judged.
    pub async fn refusal_of(&self, picture: &ImageHash) -> Result<Option<String>> {
        let picture = *picture;
        self.read(move |transaction| {
            // A refusal that is about neither of the two, since nobody could guard them, counts for the one that was made.
            let reason = transaction
                .prepare_cached(
                    "SELECT json_extract(verdict, '$.refused') FROM judgements
                     WHERE image_hash = ?1 AND json_extract(verdict, '$.refused') IS NOT NULL
                         AND json_extract(verdict, '$.side') IS NOT 'reference'
                     UNION ALL
                     SELECT json_extract(verdict, '$.refused') FROM judgements
                     WHERE reference_hash = ?1 AND json_extract(verdict, '$.refused') IS NOT NULL
                         AND json_extract(verdict, '$.side') = 'reference'
                     LIMIT 1",
                )?
                .query_row([picture], |row| row.get(0))
                .optional()?;
            Ok(reason)
        })
        .await
    }

    /// The judgements of a session, or of one of its iterations, oldest first.
    pub async fn judgements_of(&self, session: &SessionId, n: Option<IterationNo>) -> Result<Vec<Judgement>> {
        let (of, session) = (session, session.clone());
        let rows = move |transaction: &Transaction<'_>| {
            iterations::rows_of(transaction, "judgements", &session, n, judgement_row)
        };
        self.read_of(of, rows).await
    }
}

fn check(new: &NewJudgement) -> Result<()> {
    for (what, score) in [
        ("the overall score", new.overall_score),
        ("the raw overall score", new.overall_raw),
    ] {
        if let Some(score) = score.filter(|score| !(0.0..=1.0).contains(score)) {
            return Err(HistoryError::Value {
                what,
                value: score.to_string(),
                wanted: "a number from 0 to 1",
            });
        }
    }
    if new.iteration.is_some() && new.session.is_none() {
        return Err(HistoryError::Value {
            what: "the judgement's session",
            value: "missing".into(),
            wanted: "the session that the iteration belongs to",
        });
    }
    Ok(())
}

fn record(transaction: &Transaction<'_>, new: &NewJudgement) -> Result<JudgementId> {
    check(new)?;
    if let Some(session) = &new.session {
        match new.iteration {
            Some(n) => iterations::require(transaction, session, n)?,
            None => sessions::require(transaction, session)?,
        }
    }
    if let Some(run) = new.run {
        runs::find(transaction, run)?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO judgements (created_at, session_id, iteration, prompt_id, reference_hash, image_hash,
                 judge_hash, rubric_hash, overall_score, overall_raw, verdict)
             VALUES (:created_at, :session, :iteration, :run, :reference, :image, :judge, :rubric, :score, :raw,
                 :verdict)",
        )?
        .execute(named_params! {
            ":created_at": Timestamp::now(),
            ":session": new.session,
            ":iteration": new.iteration,
            ":run": new.run,
            ":reference": new.reference,
            ":image": new.image,
            ":judge": new.judge,
            ":rubric": new.rubric,
            ":score": new.overall_score,
            ":raw": new.overall_raw,
            ":verdict": Json(&new.verdict),
        })?;
    Ok(JudgementId(transaction.last_insert_rowid()))
}

/// A whole row of the table.
pub(super) fn judgement_row(row: &Row<'_>) -> rusqlite::Result<Judgement> {
    Ok(Judgement {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        content: NewJudgement {
            session: row.get("session_id")?,
            iteration: row.get("iteration")?,
            run: row.get("prompt_id")?,
            reference: row.get("reference_hash")?,
            image: row.get("image_hash")?,
            judge: row.get("judge_hash")?,
            rubric: row.get("rubric_hash")?,
            overall_score: row.get("overall_score")?,
            overall_raw: row.get("overall_raw")?,
            verdict: row.get::<_, Json<_>>("verdict")?.0,
        },
    })
}
