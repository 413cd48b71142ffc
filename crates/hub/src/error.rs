//! What can go wrong with models, told so that the reader knows the state things are in.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::hub::HubError;

/// Why a model is not there, or not to be removed.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The catalogue in the program is damaged.
    #[error("the catalogue of models is wrong: {0}")]
    Catalog(String),
    /// Nothing is called that.
    #[error("no model is called {name:?}")]
    UnknownName {
        /// What was asked for.
        name: String,
        /// Names near it.
        near: Vec<String>,
    },
    /// The model is known, in other precisions.
    #[error("{name} is not known in {wanted:?}")]
    UnknownQuantisation {
        /// The model.
        name: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        there: Vec<String>,
    },
    /// It is neither a short name nor a file on the hub.
    #[error("{0:?} is not the name of a GGUF file on the hub")]
    BadName(String),
    /// A projector was named as the model.
    #[error("{0} is a projector, the half of a model that sees; nothing was fetched")]
    NoModel(String),
    /// It is not clear which projector belongs to a model; nothing was fetched.
    #[error("{}", projectors(.repo, .there))]
    Projector {
        /// The repository.
        repo: String,
        /// The projectors it has.
        there: Vec<String>,
    },
    /// The hub did not give it; nothing was fetched.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A download stopped.
    #[error("{file} was not fetched: {why}; {kept}")]
    Stopped {
        /// The file.
        file: String,
        /// What is left of it.
        kept: Kept,
        /// Why.
        why: Box<HubError>,
    },
    /// What came is not what the hub says it is; it was removed.
    #[error("{file} came damaged: its sha256 is {got}, the hub says {wanted}; it was removed, nothing is kept of it")]
    WrongHash {
        /// The file.
        file: String,
        /// What it should be.
        wanted: String,
        /// What it is.
        got: String,
    },
    /// The disk has too little room; nothing was fetched.
    #[error("{} has too little room: {} are needed, {} are free; nothing was fetched", folder.display(), size(*.needed), size(*.free))]
    NoRoom {
        /// The cache.
        folder: PathBuf,
        /// Bytes that are missing yet.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// The disk, or the user's share of it, is full.
    #[error("{file} was not fetched: {} cannot be written any further: {why}; {kept}", path.display())]
    Full {
        /// The file.
        file: String,
        /// Where it was written to.
        path: PathBuf,
        /// What is left of it.
        kept: Kept,
        /// What the system said.
        why: io::Error,
    },
    /// A file or folder of ours cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The record of what is installed is damaged; it was left as it is.
    #[error("the record of installed models, {}, is wrong: {detail}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Not installed.
    #[error("{name} is not installed")]
    NotInstalled {
        /// What was asked for.
        name: String,
        /// What is, of similar names first.
        installed: Vec<String>,
    },
    /// A file of an installed model is gone.
    #[error("{} is not there any more", path.display())]
    Gone {
        /// The model.
        name: String,
        /// The file.
        path: PathBuf,
    },
    /// It is the judge's model.
    #[error("{0} is in use as the judge's model; nothing was removed")]
    InUse(String),
    /// Nobody is there to be asked.
    #[error("removing {0} has to be confirmed; nothing was removed")]
    Unconfirmed(String),
}

/// What a broken off download leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Bytes that need not be fetched again.
    pub bytes: u64,
    /// Bytes altogether.
    pub total: u64,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            0 => f.write_str("nothing is kept of it"),
            bytes => write!(f, "{} of {} are kept", size(bytes), size(self.total)),
        }
    }
}

impl ModelsError {
    /// Wraps what the system said of a file.
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Catalog(_) => "This is a bug worth reporting; owner/repo/file.gguf works without the catalogue.".into(),
            Self::UnknownName { near, .. } => format!(
                "Did you mean {}? `prompt-calibrator models list` shows all; any other is named owner/repo/file.gguf.",
                near.join(" or ")
            ),
            Self::UnknownQuantisation { name, there, .. } => format!(
                "There is {}: {name}:{}. Others by owner/repo/file.gguf.",
                there.join(", "),
                there.last().map_or("Q4_K_M", String::as_str)
            ),
            Self::NoModel(_) => "Name the model's file of that repository; its projector is found, or given with --mmproj.".into(),
            Self::BadName(_) => {
                "Name it owner/repo/file.gguf, as in its page's address; a projector of the same repository by its file \
                 alone."
                    .into()
            }
            Self::Projector { there, .. } if there.is_empty() => {
                "A judge needs the projector of its model: name it with --mmproj owner/repo/file.gguf.".into()
            }
            Self::Projector { there, .. } => format!("Choose one with --mmproj: {}.", there.join(", ")),
            Self::Hub(error) => error.hint(),
            Self::Stopped { why, kept, .. } => match kept.bytes {
                0 => why.hint(),
                _ => format!("{} It goes on where it stopped.", why.hint()),
            },
            Self::WrongHash { .. } => {
                "Repeat the command. If it comes damaged again, the hub or a proxy in between is at fault.".into()
            }
            Self::NoRoom { .. } => {
                "Make room there, or name a folder on another disk with HF_HUB_CACHE; smaller quantisations need less."
                    .into()
            }
            Self::Full { kept, .. } => match kept.bytes {
                0 => "Make room there and repeat the command.".into(),
                _ => "Make room there and repeat the command. It goes on where it stopped.".into(),
            },
            Self::Io { source, path, .. } if source.kind() == io::ErrorKind::PermissionDenied => format!(
                "Make {} accessible to this user, or name another folder with HF_HUB_CACHE (models) or --data-dir.",
                path.display()
            ),
            Self::Io { path, .. } => format!("Look at {}, and repeat the command.", path.display()),
            Self::Record { path, .. } => format!(
                "Move {} away and repeat `models pull`: files that are there already are found, not fetched again.",
                path.display()
            ),
            Self::NotInstalled { installed, .. } if installed.is_empty() => {
                "No model is installed: `prompt-calibrator models pull NAME` fetches one.".into()
            }
            Self::NotInstalled { name, installed } => {
                format!("Installed: {}. `prompt-calibrator models pull {name}` fetches it.", installed.join(", "))
            }
            Self::Gone { name, .. } => format!("`prompt-calibrator models pull {name}` fetches it again."),
            Self::InUse(_) => {
                "Use another first (`models use NAME`, or `models use bundled`), or repeat with --yes: the judge is then \
                 the bundled one."
                    .into()
            }
            Self::Unconfirmed(_) => "Repeat with --yes.".into(),
        }
    }
}

types::hints!(ModelsError);

fn projectors(repo: &str, there: &[String]) -> String {
    match there {
        [] => format!("{repo} has no projector (mmproj)"),
        _ => format!(
            "{repo} has {} projectors, and it is not clear which one belongs to the model",
            there.len()
        ),
    }
}

/// `1.2 GB`.
pub fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return format!("{bytes} bytes"),
        1_000..1_000_000 => (1e3, "KB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    format!("{:.1} {name}", bytes as f64 / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_stopped_only_where_something_is_kept() {
        let stopped = |bytes| ModelsError::Stopped {
            file: "m.gguf".into(),
            kept: Kept { bytes, total: 9 },
            why: Box::new(HubError::Broken("reset".into())),
        };
        let full = |bytes| ModelsError::Full {
            file: "m.gguf".into(),
            path: "m.gguf".into(),
            kept: Kept { bytes, total: 9 },
            why: io::ErrorKind::StorageFull.into(),
        };
        for (nothing, some) in [(stopped(0), stopped(5)), (full(0), full(5))] {
            assert!(nothing.to_string().contains("nothing is kept") && !nothing.hint().contains("goes on"));
            assert!(
                some.to_string().contains("5 bytes of 9 bytes are kept") && some.hint().contains("It goes on where")
            );
        }
    }
}
