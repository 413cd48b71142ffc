//! What a check says.

use serde::Serialize;
use serde_json::Value;

use crate::cli::error::CliError;

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

    /// It failed with this error, which says what to do.
    pub fn failed(what: &'static str, health: Health, error: impl Into<CliError>) -> Self {
        let error = error.into();
        Self {
            health,
            fix: error.hint().map(str::to_owned),
            ..Self::ok(what, error.to_string())
        }
    }

    /// With these lines.
    pub fn with(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comfyui::error::ComfyError;

    #[test]
    fn an_error_says_what_to_do_as_a_check_too() {
        let error = ComfyError::Config {
            detail: "no host".into(),
        };
        let hint = error.hint();
        let check = Check::failed("ComfyUI", Health::Missing, error);
        assert!(check.found.ends_with("no host"), "{}", check.found);
        assert_eq!(check.fix, Some(hint));
    }
}
