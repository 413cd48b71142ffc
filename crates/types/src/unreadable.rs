//! Stored data that cannot be read.

/// A record that this program cannot read. It is told, and never taken for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {reason}")]
pub struct Unreadable {
    /// What it should be.
    pub what: &'static str,
    /// Why it cannot be read.
    pub reason: String,
}

impl Unreadable {
    /// That something is no such record.
    pub fn new(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self {
            what,
            reason: reason.to_string(),
        }
    }
}
