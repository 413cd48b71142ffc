//! Whether installed files still are what the hub gave.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;

use super::hub::hash_of;
use super::record::{Installed, InstalledFile};
use super::telling::Telling;

/// A file, looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The model it belongs to.
    pub model: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What is with it.
    pub state: State,
}

/// What is with a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it was.
    Good,
    /// Its size is right; the hub knows no sha256 of it.
    SizeOnly,
    /// It is not there.
    Missing,
    /// It has another size, in bytes.
    Size {
        /// As the hub said.
        wanted: u64,
        /// As it is.
        is: u64,
    },
    /// It has another content.
    Content {
        /// The sha256 as the hub said.
        wanted: String,
        /// As it is.
        is: String,
    },
    /// It cannot be read.
    Unreadable(String),
}

impl State {
    /// Whether the file can be used.
    pub fn is_fine(&self) -> bool {
        matches!(self, Self::Good | Self::SizeOnly)
    }

    /// In words.
    pub fn told(&self) -> String {
        match self {
            Self::Good => "good".into(),
            Self::SizeOnly => "size is right; the hub has no sha256 of it".into(),
            Self::Missing => "is not there".into(),
            Self::Size { wanted, is } => format!("has {is} bytes instead of {wanted}"),
            Self::Content { wanted, is } => format!("is damaged: its sha256 is {is} instead of {wanted}"),
            Self::Unreadable(why) => format!("cannot be read: {why}"),
        }
    }
}

/// Looks at all files of a model; reads them whole.
pub async fn verify(model: &Installed, telling: &Telling) -> Vec<Checked> {
    let mut checked = Vec::new();
    for file in &model.files {
        checked.push(Checked {
            model: model.name.clone(),
            path: file.path.clone(),
            state: state(file, telling).await,
        });
    }
    checked
}

async fn state(file: &InstalledFile, telling: &Telling) -> State {
    let size = match fs::metadata(&file.path) {
        Ok(data) => data.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return State::Missing,
        Err(error) => return State::Unreadable(error.to_string()),
    };
    if size != file.size {
        return State::Size {
            wanted: file.size,
            is: size,
        };
    }
    let Some(wanted) = &file.sha256 else {
        return State::SizeOnly;
    };
    match hash_of(file.path.clone(), &file.file, telling).await {
        Ok(is) if is.eq_ignore_ascii_case(wanted) => State::Good,
        Ok(is) => State::Content {
            wanted: wanted.clone(),
            is,
        },
        Err(error) => State::Unreadable(error.to_string()),
    }
}
