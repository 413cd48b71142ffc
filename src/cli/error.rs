//! Why a command failed, as a person reads it.

use std::error::Error;
use std::fmt;

use types::hint::Hint;

/// The answer of a command.
pub type Result<T, E = CliError> = std::result::Result<T, E>;

/// What failed and what to do about it. Made by `?` of any error that says what to do; of no other.
#[derive(Debug)]
pub struct CliError {
    failed: String,
    hint: Option<String>,
    client_waits: bool,
}

impl CliError {
    /// An error of the command line's own.
    pub fn new(failed: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            failed: failed.into(),
            hint: Some(hint.into()),
            client_waits: false,
        }
    }

    /// The same, where a client waits at the other end of the pipes for a server that does not start.
    pub fn before_a_client(self) -> Self {
        Self {
            client_waits: true,
            ..self
        }
    }

    /// Whether a client waits for the server that did not start.
    pub fn client_waits(&self) -> bool {
        self.client_waits
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.failed)
    }
}

impl<E: Hint> From<E> for CliError {
    fn from(error: E) -> Self {
        Self {
            hint: error.what_to_do(),
            failed: with_causes(&error),
            client_waits: false,
        }
    }
}

/// An error and its causes; a cause that was just said is not said again.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = followed_by(text, &error.to_string());
        cause = error.source();
    }
    text
}

fn followed_by(text: String, cause: &str) -> String {
    match text.ends_with(cause) {
        true => text,
        false => format!("{text}: {cause}"),
    }
}

/// Says what was being done when something failed. What to do about it stays.
pub trait Context<T> {
    /// Puts `doing` before the error.
    fn context(self, doing: &str) -> Result<T>;

    /// The same, where the words have to be made.
    fn with_context(self, doing: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<CliError>> Context<T> for Result<T, E> {
    fn context(self, doing: &str) -> Result<T> {
        self.with_context(|| doing.to_owned())
    }

    fn with_context(self, doing: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| {
            let error: CliError = error.into();
            CliError {
                failed: followed_by(doing(), &error.failed),
                ..error
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ServiceError;

    #[test]
    fn a_cause_is_said_once_and_what_to_do_stays() {
        let full = || Err::<(), _>(std::io::Error::from(std::io::ErrorKind::StorageFull));
        let error = full().context("the page cannot be written").unwrap_err();
        assert_eq!(error.to_string(), "the page cannot be written: no storage space");
        assert!(error.hint().is_some_and(|hint| hint.contains("room")));

        let said = || Err::<(), _>(ServiceError::usage("no picture", "Give one."));
        let twice = said().context("judging failed: no picture").unwrap_err();
        assert_eq!(twice.to_string(), "judging failed: no picture");
        assert_eq!(twice.hint(), Some("Give one."));
        let inner = said().context("of two").context("judging failed").unwrap_err();
        assert_eq!(inner.to_string(), "judging failed: of two: no picture");
        assert_eq!(inner.hint(), Some("Give one."));
    }
}
