//! What can be decided about an iteration.

use serde::{Deserialize, Serialize};

use crate::ids::IterationNo;

/// What was decided about an iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// The first that this judge scored: there was nothing to compare with.
    First,
    /// Better than what it was compared with.
    Keep,
    /// Not better.
    Revert,
    /// Undecided until there are more seeds.
    MoreSeeds,
    /// Better on one seed, which is no verdict.
    TentativeKeep,
    /// Not better on one seed, which is no verdict.
    TentativeRevert,
}

impl DecisionKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::First,
        Self::Keep,
        Self::Revert,
        Self::MoreSeeds,
        Self::TentativeKeep,
        Self::TentativeRevert,
    ];

    /// Its name, as it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Keep => "keep",
            Self::Revert => "revert",
            Self::MoreSeeds => "more_seeds",
            Self::TentativeKeep => "tentative_keep",
            Self::TentativeRevert => "tentative_revert",
        }
    }

    /// Whether the iteration is what later ones are compared with. One seed that leans to it is enough for that, or a
    /// session of single seeds would never get away from its first iteration.
    pub fn takes_over(self) -> bool {
        matches!(self, Self::First | Self::Keep | Self::TentativeKeep)
    }
}

/// An iteration that took over as the best, and what it replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TookOver {
    /// The iteration.
    pub iteration: IterationNo,
    /// What it was compared with; nothing for a judge's first.
    pub against: Option<IterationNo>,
}
