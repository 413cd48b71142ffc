//! What to do about an error. The error itself says it; every edge shows it.
//!
//! An edge is where an error leaves the program: the command line, a tool's answer, a check of `doctor`. Edges take only errors
//! that implement [`Hint`], so a new error type does not compile there before it says what to do.

use std::io;

use text::outgoing;

/// An error that says what to do about it.
pub trait Hint: std::error::Error {
    /// What to do next, in one sentence or two; nothing where no advice would help.
    fn what_to_do(&self) -> Option<String>;
}

/// Makes types say what to do by their own `hint()`, which always knows something.
#[macro_export]
macro_rules! hints {
    ($($error:ty),+ $(,)?) => {$(
        impl $crate::hint::Hint for $error {
            fn what_to_do(&self) -> Option<String> {
                Some(self.hint())
            }
        }
    )+};
}
/// An error and what to do about it as sentences, for an answer that has a single place for both, as it may go out.
pub fn in_words(error: &impl Hint) -> String {
    outgoing(&match error.what_to_do() {
        Some(hint) => format!("{error}. {hint}"),
        None => format!("{error}."),
    })
}

impl<E: Hint + ?Sized> Hint for &E {
    fn what_to_do(&self) -> Option<String> {
        (**self).what_to_do()
    }
}

impl Hint for io::Error {
    fn what_to_do(&self) -> Option<String> {
        let hint = match self.kind() {
            io::ErrorKind::NotFound => "Check the path's spelling.",
            io::ErrorKind::PermissionDenied => "Give this user the right to it, or name another place.",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room on that disk, or name another one.",
            io::ErrorKind::IsADirectory => "Name a file, not a folder.",
            io::ErrorKind::NotADirectory => "Name a folder, not a file.",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Of what is written a defect, of what is read nothing that JSON itself could know.
impl Hint for serde_json::Error {
    fn what_to_do(&self) -> Option<String> {
        None
    }
}
