//! How ids and kinds stand in SQLite.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::decision::DecisionKind;
use crate::ids::{
    ComparisonId, DecisionId, GraphHash, ImageHash, IterationNo, JudgeHash, JudgementId, PromptId, RubricHash, Seed,
    SessionId,
};

macro_rules! as_text {
    ($($id:ty),+) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.to_string()))
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::parse(value.as_str()?).map_err(FromSqlError::other)
            }
        }
    )+};
}

as_text!(SessionId, ImageHash, GraphHash, JudgeHash, RubricHash, PromptId);

macro_rules! as_row {
    ($($id:ident),+) => {$(
        impl ToSql for $id {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.0.to_sql()
            }
        }

        impl FromSql for $id {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                i64::column_result(value).map(Self)
            }
        }
    )+};
}

as_row!(JudgementId, ComparisonId, DecisionId);

impl ToSql for IterationNo {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.get()))
    }
}

impl FromSql for IterationNo {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let n = u32::column_result(value)?;
        Self::new(n).map_err(FromSqlError::other)
    }
}

/// A seed is decimal text: SQLite's integers end at 2⁶³ − 1, ComfyUI's seeds at 2⁶⁴ − 1.
impl ToSql for Seed {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_string()))
    }
}

impl FromSql for Seed {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(FromSqlError::other)
    }
}

impl ToSql for DecisionKind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for DecisionKind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or(FromSqlError::InvalidType)
    }
}
