//! The states of a run and the ways between them.

use std::fmt;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};

/// Where a run stands. The first two are open; the others are the end of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Written down; the request may or may not have reached ComfyUI.
    Prepared,
    /// ComfyUI has accepted it.
    Submitted,
    /// ComfyUI has finished it.
    Finished,
    /// It went wrong.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// ComfyUI was asked and does not know it.
    Lost,
}

impl RunState {
    /// Every state.
    pub const ALL: [Self; 6] = [
        Self::Prepared,
        Self::Submitted,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Lost,
    ];

    /// The state's name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Submitted => "submitted",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// Whether the run may still produce something.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Prepared | Self::Submitted)
    }

    /// Whether a run may go from this state to `next`. A prepared run may end without ever having been seen as
    /// submitted: the process may have died between the request and writing down its answer. A run that counted as lost may
    /// turn up again: then it is open as it was before.
    pub fn may_become(self, next: Self) -> bool {
        match self {
            Self::Prepared => next != Self::Prepared,
            Self::Submitted => !next.is_open(),
            Self::Lost => next == Self::Submitted,
            Self::Finished | Self::Failed | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ToSql for RunState {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.as_str()))
    }
}

impl FromSql for RunState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(FromSqlError::InvalidType)
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum RunUpdate {
    /// ComfyUI accepted it, or has it still although it counted as lost.
    Submitted,
    /// ComfyUI finished it.
    Finished {
        /// Whether every node came from ComfyUI's cache.
        cached: bool,
        /// How long it took, in seconds, where known.
        seconds: Option<f64>,
    },
    /// It went wrong.
    Failed {
        /// What ComfyUI or the connection said.
        error: String,
    },
    /// It was cancelled.
    Cancelled {
        /// Who stopped it, where it was not this program.
        by: Option<String>,
    },
    /// ComfyUI does not know it any more.
    Lost {
        /// How that was found out.
        error: String,
    },
}

impl RunUpdate {
    /// The state that this leads to.
    pub fn state(&self) -> RunState {
        match self {
            Self::Submitted => RunState::Submitted,
            Self::Finished { .. } => RunState::Finished,
            Self::Failed { .. } => RunState::Failed,
            Self::Cancelled { .. } => RunState::Cancelled,
            Self::Lost { .. } => RunState::Lost,
        }
    }
}
