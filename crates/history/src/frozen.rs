//! What a judge found out once, and is held to from then on: the values and the scale of a reference, and what is known of the
//! judge itself.

use rusqlite::{OptionalExtension, Row, Transaction};
use serde_json::Value;

use super::error::Result;
use super::rows::{Frozen, ReferenceKey};
use super::store::{Json, Store};
use super::time::Timestamp;
use types::{JudgeHash, RubricHash};

/// What is known of a judge whatever the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JudgeStateKind {
    /// Whether it tells alike from unlike.
    SelfCheck,
    /// What suits it best, from `eval --fit`.
    Fit,
}

impl JudgeStateKind {
    /// Its name, as it is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelfCheck => "self_check",
            Self::Fit => "fit",
        }
    }
}

impl Store {
    /// What is known of a judge with a rubric: the newest that was put.
    pub async fn judge_state(
        &self,
        judge: &JudgeHash,
        rubric: &RubricHash,
        kind: JudgeStateKind,
    ) -> Result<Option<Value>> {
        let (judge, rubric) = (judge.clone(), rubric.clone());
        self.read(move |transaction| {
            Ok(transaction
                .prepare_cached(
                    "SELECT value FROM judge_state WHERE judge_hash = ?1 AND rubric_hash = ?2 AND kind = ?3
                     ORDER BY id DESC LIMIT 1",
                )?
                .query_row((judge, rubric, kind.as_str()), |row| Ok(row.get::<_, Json<_>>(0)?.0))
                .optional()?)
        })
        .await
    }

    /// Puts what is known of a judge with a rubric in force. What was there before is kept as history.
    pub async fn put_judge_state(
        &self,
        judge: &JudgeHash,
        rubric: &RubricHash,
        kind: JudgeStateKind,
        value: Value,
    ) -> Result<()> {
        let (judge, rubric) = (judge.clone(), rubric.clone());
        self.write(move |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO judge_state (created_at, judge_hash, rubric_hash, kind, value) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((Timestamp::now(), judge, rubric, kind.as_str(), Json(&value)))?;
            Ok(())
        })
        .await
    }

    /// The reference values in force: the newest edit, else what the judge saw.
    pub async fn reference_values(&self, key: &ReferenceKey) -> Result<Option<Frozen>> {
        let key = key.clone();
        self.read(move |transaction| newest_values(transaction, &key)).await
    }

    /// Freezes what the judge saw, unless there are values already, edited or not. Returns the values in force, which
    /// are therefore not always the ones that were passed.
    pub async fn put_reference_values(&self, key: &ReferenceKey, value: Value) -> Result<Frozen> {
        let key = key.clone();
        self.write(move |transaction| {
            if let Some(there) = newest_values(transaction, &key)? {
                return Ok(there);
            }
            add_values(transaction, &key, value, false)
        })
        .await
    }

    /// Puts the agent's values in force. What was there before is kept as history.
    pub async fn edit_reference_values(&self, key: &ReferenceKey, value: Value) -> Result<Frozen> {
        let key = key.clone();
        self.write(move |transaction| add_values(transaction, &key, value, true))
            .await
    }

    /// The scale (ceilings and floors), if it was measured.
    pub async fn scale(&self, key: &ReferenceKey) -> Result<Option<Frozen>> {
        let key = key.clone();
        self.read(move |transaction| find_scale(transaction, &key)).await
    }

    /// Freezes the scale, unless there is one already. Returns the one in force.
    pub async fn put_scale(&self, key: &ReferenceKey, value: Value) -> Result<Frozen> {
        let key = key.clone();
        self.write(move |transaction| {
            if let Some(there) = find_scale(transaction, &key)? {
                return Ok(there);
            }
            let frozen = Frozen {
                value,
                edited: false,
                created_at: Timestamp::now(),
            };
            transaction
                .prepare_cached(
                    "INSERT INTO scales (reference_hash, judge_hash, rubric_hash, created_at, value)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute((
                    &key.reference,
                    &key.judge,
                    &key.rubric,
                    frozen.created_at,
                    Json(&frozen.value),
                ))?;
            Ok(frozen)
        })
        .await
    }
}

fn newest_values(transaction: &Transaction<'_>, key: &ReferenceKey) -> Result<Option<Frozen>> {
    Ok(transaction
        .prepare_cached(
            "SELECT value, edited, created_at FROM reference_values
             WHERE reference_hash = ?1 AND judge_hash = ?2 AND rubric_hash = ?3 ORDER BY id DESC LIMIT 1",
        )?
        .query_row((&key.reference, &key.judge, &key.rubric), frozen_row)
        .optional()?)
}

fn add_values(transaction: &Transaction<'_>, key: &ReferenceKey, value: Value, edited: bool) -> Result<Frozen> {
    let frozen = Frozen {
        value,
        edited,
        created_at: Timestamp::now(),
    };
    transaction
        .prepare_cached(
            "INSERT INTO reference_values (created_at, reference_hash, judge_hash, rubric_hash, edited, value)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            frozen.created_at,
            &key.reference,
            &key.judge,
            &key.rubric,
            frozen.edited,
            Json(&frozen.value),
        ))?;
    Ok(frozen)
}

fn find_scale(transaction: &Transaction<'_>, key: &ReferenceKey) -> Result<Option<Frozen>> {
    Ok(transaction
        .prepare_cached(
            "SELECT value, 0 AS edited, created_at FROM scales
             WHERE reference_hash = ?1 AND judge_hash = ?2 AND rubric_hash = ?3",
        )?
        .query_row((&key.reference, &key.judge, &key.rubric), frozen_row)
        .optional()?)
}

pub(super) fn frozen_row(row: &Row<'_>) -> rusqlite::Result<Frozen> {
    Ok(Frozen {
        value: row.get::<_, Json<_>>("value")?.0,
        edited: row.get("edited")?,
        created_at: row.get("created_at")?,
    })
}
