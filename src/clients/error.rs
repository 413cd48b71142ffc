//! Why an entry could not be written.

use std::io;
use std::path::PathBuf;

use super::{Client, NAME};

/// What is wrong with the text of a client's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmergeable {
    /// It cannot be read, by the client neither.
    #[error("line {line}: {problem}")]
    Unreadable {
        /// Where.
        line: usize,
        /// What.
        problem: String,
    },
    /// What is there leaves no place for an entry.
    #[error("{0}")]
    NoPlace(String),
}

/// Why an entry could not be made or written. The client's file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The system does not say which file this program is.
    #[error("this system does not say where this program lies")]
    NoProgram,
    /// A path that is no Unicode cannot be written into a client's file.
    #[error("{} is not valid Unicode, so a client's file cannot name it", .0.display())]
    NotText(PathBuf),
    /// The platform names no folder for the client's file.
    #[error("this system names no folder for the settings of {}", .0.title())]
    Nowhere(Client),
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what the client reads.
    #[error("{} is not as {} wants it and was left as it is: {problem}", path.display(), client.title())]
    Wrong {
        /// Whose it is.
        client: Client,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: Unmergeable,
    },
    /// It has another entry of our name.
    #[error("{} has another entry {NAME:?}, which was left as it is", .0.display())]
    Different(PathBuf),
    /// It changed while the user was asked.
    #[error("{} was changed by another program meanwhile and was left as that wrote it", .0.display())]
    Meanwhile(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}, which is as it was: {source}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ClientError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoProgram => "Write the entry by hand: README, \"Connect a client\".".into(),
            Self::NotText(_) => "Move it to a path of plain characters, and call it from there.".into(),
            Self::Nowhere(client) => format!("Add the entry by hand; {} says where.", client.title()),
            Self::Unread { .. } | Self::Unwritten { .. } => {
                "Allow it, or add the entry by hand: the same command without --write shows it.".into()
            }
            Self::Wrong { .. } => "Correct the file and repeat this, or add the entry by hand.".into(),
            Self::Different(_) => "Repeat it with --yes to replace that entry by this one.".into(),
            Self::Meanwhile(_) => "Repeat it.".into(),
        }
    }
}

types::hints!(ClientError);
