//! What a check says.

use serde::Serialize;
use serde_json::Value;

/// How it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Works.
    Ok,
    /// Works, with a reservation.
    Warning,
    /// Does not work.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub struct Check {
    /// Its name.
    pub what: &'static str,
    /// How it stands.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// More of it, a line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The numbers, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

impl Check {
    /// It works.
    pub fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            health: Health::Ok,
            found: found.into(),
            details: Vec::new(),
            fix: None,
            data: None,
        }
    }

    /// Something is to be done.
    pub fn bad(what: &'static str, health: Health, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            health,
            fix: Some(fix.into()),
            ..Self::ok(what, found)
        }
    }

    /// It works, with a reservation.
    pub fn warning(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::bad(what, Health::Warning, found, fix)
    }

    /// It does not work.
    pub fn missing(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::bad(what, Health::Missing, found, fix)
    }

    /// With these lines.
    pub fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}
