//! What the clients of this machine know of this program.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Client, Found, MOST_BYTES, entry, find, json};
use crate::config::Environment;
use files::regular;

/// What one client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The client.
    pub client: Client,
    /// What was found.
    pub standing: Standing,
}

/// Whether a client has an entry of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has none.
    Absent,
    /// It has one whose program is there.
    Ready {
        /// The file.
        file: PathBuf,
        /// The program.
        program: PathBuf,
    },
    /// It has one that starts what is not there.
    Dangling {
        /// The file.
        file: PathBuf,
        /// What it would start.
        command: String,
    },
    /// It has one that starts nothing: an address.
    Address {
        /// The file.
        file: PathBuf,
    },
    /// Its file cannot be read.
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        problem: String,
    },
}

/// What every client knows, as seen from the working folder. Reads the clients' files and changes nothing.
#[must_use]
pub fn state(environment: &Environment) -> Vec<State> {
    let of = |client: Client| State {
        client,
        standing: standing(client, environment),
    };
    Client::ALL.into_iter().map(of).collect()
}

/// The first entry that is found, else the first file that cannot be read.
fn standing(client: Client, environment: &Environment) -> Standing {
    let mut unreadable = None;
    for file in client.places(environment) {
        match look(client, &file, &environment.cwd) {
            Ok(Some(Found::Other)) => return Standing::Address { file },
            Ok(Some(Found::Program(command))) => {
                return match entry::located(Path::new(&command), environment) {
                    Some(program) => Standing::Ready { file, program },
                    None => Standing::Dangling { file, command },
                };
            }
            Ok(None) => (),
            Err(problem) => unreadable = unreadable.or(Some(Standing::Unreadable { file, problem })),
        }
    }
    unreadable.unwrap_or(Standing::Absent)
}

fn look(client: Client, file: &Path, project: &Path) -> Result<Option<Found>, String> {
    let text = match regular::read_to_string(file, MOST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    if file.ends_with(".claude.json") {
        let all: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let here = project.to_str().map(|project| &all["projects"][project]["mcpServers"]);
        let found = here.and_then(json::among).or_else(|| json::among(&all["mcpServers"]));
        return Ok(found);
    }
    find(client, &text).map_err(|problem| problem.to_string())
}
