//! What a judge said when it was asked directly which of two pictures is closer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Unreadable, version};
use judge::verdict::Versus;

const WHAT: &str = "a direct comparison";
const NEWEST: u64 = 1;

/// The answer about one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DirectAnswer {
    /// Natural log-odds that the candidate is the closer one; nothing where no group of axes could be read.
    pub log_odds: Option<f64>,
    /// The same for each group that could be read.
    pub groups: BTreeMap<String, f64>,
}

impl From<Versus> for DirectAnswer {
    fn from(versus: Versus) -> Self {
        Self {
            log_odds: versus.log_odds,
            groups: versus.groups,
        }
    }
}

impl DirectAnswer {
    /// Writes the newest version.
    pub fn write(&self) -> Value {
        json!({"v": NEWEST, "log_odds": self.log_odds, "groups": self.groups})
    }

    /// Reads any version.
    pub fn read(stored: &Value) -> Result<Self, Unreadable> {
        match version(stored, NEWEST, WHAT)? {
            0 => Err(Unreadable::new(WHAT, "it has no version")),
            _ => Self::deserialize(stored).map_err(|error| Unreadable::new(WHAT, error)),
        }
    }
}
