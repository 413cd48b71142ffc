//! Which of two pictures of one seed is closer to the reference, as the judge said when it was asked directly.

use rusqlite::{Row, named_params};
use serde_json::Value;

use super::error::Result;
use super::iterations;
use super::store::{Json, Store};
use super::time::Timestamp;
use types::{ComparisonId, ImageHash, IterationNo, JudgeHash, Seed, SessionId};

/// A direct comparison to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewComparison {
    /// The session.
    pub session: SessionId,
    /// The iteration that may take over.
    pub candidate: IterationNo,
    /// What it is compared with.
    pub incumbent: IterationNo,
    /// The seed of both pictures.
    pub seed: Seed,
    /// Who was asked.
    pub judge: JudgeHash,
    /// The candidate's picture.
    pub candidate_image: ImageHash,
    /// The incumbent's picture.
    pub incumbent_image: ImageHash,
    /// The answer.
    pub value: Value,
}

/// A direct comparison as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectComparison {
    /// Its number.
    pub id: ComparisonId,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Its content.
    pub content: NewComparison,
}

impl Store {
    /// Records a direct comparison. The first answer of a judge about two iterations and a seed stays: then nothing is recorded.
    pub async fn record_comparison(&self, new: NewComparison) -> Result<()> {
        self.write(move |transaction| {
            iterations::require(transaction, &new.session, new.candidate)?;
            iterations::require(transaction, &new.session, new.incumbent)?;
            transaction
                .prepare_cached(
                    "INSERT INTO comparisons (created_at, session_id, candidate, incumbent, seed, judge_hash,
                         candidate_hash, incumbent_hash, value)
                     VALUES (:created_at, :session, :candidate, :incumbent, :seed, :judge, :candidate_image,
                         :incumbent_image, :value)
                     ON CONFLICT (session_id, judge_hash, candidate, incumbent, seed) DO NOTHING",
                )?
                .execute(named_params! {
                    ":created_at": Timestamp::now(),
                    ":session": new.session,
                    ":candidate": new.candidate,
                    ":incumbent": new.incumbent,
                    ":seed": new.seed,
                    ":judge": new.judge,
                    ":candidate_image": new.candidate_image,
                    ":incumbent_image": new.incumbent_image,
                    ":value": Json(&new.value),
                })?;
            Ok(())
        })
        .await
    }

    /// What a judge said of two iterations directly, in the order in which it was asked.
    pub async fn comparisons(
        &self,
        session: &SessionId,
        judge: &JudgeHash,
        candidate: IterationNo,
        incumbent: IterationNo,
    ) -> Result<Vec<DirectComparison>> {
        let key = (session.clone(), judge.clone(), candidate, incumbent);
        self.read_of(session, move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT * FROM comparisons
                 WHERE session_id = ?1 AND judge_hash = ?2 AND candidate = ?3 AND incumbent = ?4 ORDER BY id",
            )?;
            let rows = statement.query_map(key, comparison_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

/// A whole row of the table.
pub(super) fn comparison_row(row: &Row<'_>) -> rusqlite::Result<DirectComparison> {
    Ok(DirectComparison {
        id: row.get("id")?,
        created_at: row.get("created_at")?,
        content: NewComparison {
            session: row.get("session_id")?,
            candidate: row.get("candidate")?,
            incumbent: row.get("incumbent")?,
            seed: row.get("seed")?,
            judge: row.get("judge_hash")?,
            candidate_image: row.get("candidate_hash")?,
            incumbent_image: row.get("incumbent_hash")?,
            value: row.get::<_, Json<_>>("value")?.0,
        },
    })
}
