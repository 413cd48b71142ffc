//! What an entry says: which program is started, and how.

use std::path::{Component, Path, PathBuf};

use super::ClientError;
use crate::config::{Environment, Machine};

/// The name of our entries.
pub const NAME: &str = "calibrator";
/// The name of this program's file, without an ending.
const PROGRAM: &str = "prompt-calibrator";
/// Seconds that Codex waits for a call, which answers after 50 unless an agent asks for longer.
pub(super) const CODEX_WAITS_S: i64 = 120;

/// What a client starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The program, an absolute path.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Entry {
    /// Starts a program as a server, with these settings.
    ///
    /// # Errors
    /// [`ClientError::NotText`] where a path cannot be written in such a file.
    pub fn new(program: &Path, settings: &[(&str, &Path)]) -> Result<Self, ClientError> {
        let text = |path: &Path| {
            path.to_str()
                .map(str::to_owned)
                .ok_or_else(|| ClientError::NotText(path.to_owned()))
        };
        let mut args = Vec::new();
        for (flag, path) in settings {
            args.extend([format!("--{flag}"), text(path)?]);
        }
        args.push("serve".to_owned());
        Ok(Self {
            command: text(program)?,
            args,
        })
    }

    /// Command and arguments for a shell.
    #[must_use]
    pub fn words(&self) -> String {
        let words: Vec<String> = std::iter::once(&self.command)
            .chain(&self.args)
            .map(|w| quoted(w))
            .collect();
        words.join(" ")
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-+=:,./\\@%~".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    match cfg!(windows) {
        true => format!("\"{word}\""),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The program's own path, as it will still be right after an upgrade: the name by which it was found, a link perhaps,
/// where that leads here, else the file that runs.
///
/// # Errors
/// [`ClientError::NoProgram`] where the system does not tell.
pub fn program(environment: &Environment) -> Result<PathBuf, ClientError> {
    let Machine {
        program, started_as, ..
    } = &environment.machine;
    let program = program.clone().ok_or(ClientError::NoProgram)?;
    let typed = started_as.as_deref().and_then(|typed| located(typed, environment));
    let real = program.canonicalize().ok();
    Ok(match typed {
        Some(typed) if real.is_some() && typed.canonicalize().ok() == real => typed,
        _ => program,
    })
}

/// Where a program is that is started by this name or path.
pub(super) fn located(name: &Path, environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: &Path| {
        let path = environment.cwd.join(path);
        // Without the dots of `./program`; a path that climbs may mean another place once a link is followed.
        let climbs = path.components().any(|part| part == Component::ParentDir);
        (!climbs).then(|| path.components().collect::<PathBuf>())
    };
    if name.components().count() > 1 || name.is_absolute() {
        return absolute(name).filter(|path| path.is_file());
    }
    let named = |folder: PathBuf| {
        let folder = absolute(&folder)?;
        let mut ended = name.as_os_str().to_owned();
        ended.push(std::env::consts::EXE_SUFFIX);
        [folder.join(ended), folder.join(name)]
            .into_iter()
            .find(|path| path.is_file())
    };
    std::env::split_paths(&environment.machine.search_path).find_map(named)
}

/// Whether a path lies in a folder where the next build replaces or removes it.
#[must_use]
pub fn is_a_build(program: &Path) -> bool {
    let names: Vec<_> = program.iter().collect();
    let above = |at: usize| names.len().checked_sub(at).and_then(|at| names.get(at)).copied();
    above(2).is_some_and(|profile| profile == "release" || profile == "debug")
        && names.iter().any(|name| *name == "target")
}

/// Whether a command names this program, wherever it lies and on whichever system.
pub(super) fn is_ours(command: &str) -> bool {
    let name = command.rsplit(['/', '\\']).next().unwrap_or(command);
    name.strip_suffix(".exe").unwrap_or(name) == PROGRAM
}
