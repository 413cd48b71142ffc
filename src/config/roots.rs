//! Which files may be read.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use url::Url;

use super::parse::expand_home;
use files::regular;

/// No system takes a longer path; what is longer is a file's content.
const MAX_PATH: usize = 4096;
/// Characters of a path that an error shows.
const SHOWN: usize = 300;

/// The folders below which files may be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    folders: Vec<PathBuf>,
    home: Option<PathBuf>,
    cwd: PathBuf,
}

/// A file that may be read.
#[derive(Debug)]
pub struct Opened {
    /// The file, open for reading.
    pub file: File,
    /// Its real path.
    pub path: PathBuf,
}

/// Why a file may not be read.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// It is an address, not a file.
    #[error("{scheme}: URIs are not read; only files on this machine are")]
    Address {
        /// The address's scheme.
        scheme: String,
        /// The allowed folders.
        roots: Vec<PathBuf>,
    },
    /// It is longer than any path: a file's content, not its name.
    #[error("{bytes} bytes that begin with {start:?} were given where the path of a file belongs; they were not read")]
    NotAPath {
        /// How long it is.
        bytes: usize,
        /// How it begins.
        start: String,
        /// The allowed folders.
        roots: Vec<PathBuf>,
    },
    /// It is a `file:` address that names no file here.
    #[error("{uri} names no file on this machine")]
    Uri {
        /// The address.
        uri: String,
    },
    /// It begins with `~`, and there is no home folder.
    #[error("{} begins with ~, but this system names no home folder", shown(path))]
    NoHome {
        /// The path.
        path: PathBuf,
    },
    /// It does not lie below an allowed folder; whether it exists is not said.
    #[error(
        "{} does not lie below an allowed folder ({}); links are followed before this is decided",
        shown(path),
        list(roots)
    )]
    Outside {
        /// The path as it was given.
        path: PathBuf,
        /// The allowed folders.
        roots: Vec<PathBuf>,
    },
    /// It lies below an allowed folder, but cannot be reached.
    #[error("cannot reach {}: {source}", shown(path))]
    Unreachable {
        /// The path as it was given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is a folder, a device or a pipe.
    #[error("{} is not a regular file", shown(path))]
    NotAFile {
        /// The path as it was given.
        path: PathBuf,
    },
}

/// A path as an error shows it: of a very long one the beginning.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn list(roots: &[PathBuf]) -> String {
    let shown: Vec<_> = roots.iter().map(|r| r.display().to_string()).collect();
    shown.join(", ")
}

impl RootError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Address { scheme, roots } if scheme == "data" => {
                format!("Decode it into a file below {} and pass that file's path.", list(roots))
            }
            Self::Address { roots, .. } | Self::NotAPath { roots, .. } => {
                format!("Save it as a file below {} and pass that file's path.", list(roots))
            }
            Self::Uri { .. } => "Pass the path itself, or file:///absolute/path.".into(),
            Self::NoHome { .. } => "Pass an absolute path.".into(),
            Self::Outside { roots, .. } => format!(
                "Copy the file below {}, or ask the user to start the server with --root and the file's folder.",
                list(roots)
            ),
            Self::Unreachable { .. } => "Check the path's spelling, and that this user may read it.".into(),
            Self::NotAFile { .. } => "Pass the path of the file itself, not of a folder or a device.".into(),
        }
    }
}

types::hints!(RootError);

impl Roots {
    /// Allows these folders. `home` stands for `~`; relative paths are taken from `cwd`.
    pub fn new(folders: Vec<PathBuf>, home: Option<PathBuf>, cwd: PathBuf) -> Self {
        Self { folders, home, cwd }
    }

    /// The allowed folders.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// Opens a file that may be read, as [`Roots::allow`] says. What was opened is looked at, not what its path led to a moment
    /// before: a link that was put in the way meanwhile leads nowhere.
    pub fn open(&self, asked: impl AsRef<Path>) -> Result<Opened, RootError> {
        let asked = asked.as_ref();
        let path = self.allow(asked)?;
        let file = regular::open(&path).map_err(|source| RootError::Unreachable {
            path: asked.to_owned(),
            source,
        })?;
        match regular::path_of(&file, &path) {
            Some(real) if self.reached().iter().any(|root| real.starts_with(root)) => Ok(Opened { file, path }),
            _ => Err(self.outside(asked)),
        }
    }

    /// The allowed folders where they really are. A folder may be made later (the data folder), or be a link itself, so it
    /// is looked up each time.
    fn reached(&self) -> Vec<PathBuf> {
        let reached = self.folders.iter().filter_map(|root| root.canonicalize().ok());
        reached.collect()
    }

    fn outside(&self, asked: &Path) -> RootError {
        RootError::Outside {
            path: asked.to_owned(),
            roots: self.folders.clone(),
        }
    }

    /// The real path of a file that may be read: a path (`~` is the home folder) or a `file:` address of a regular file
    /// which, with every link followed, lies below an allowed folder. To read it, [`Roots::open`] it.
    pub fn allow(&self, asked: impl AsRef<Path>) -> Result<PathBuf, RootError> {
        let asked = asked.as_ref();
        let path = self.cwd.join(self.local(asked)?);
        let roots = self.reached();
        let inside = |real: &Path| roots.iter().any(|root| real.starts_with(root));
        let outside = || self.outside(asked);
        let real = match path.canonicalize() {
            Ok(real) => real,
            // Outside the roots nobody learns whether a file exists, not even by a link that may lead there.
            Err(_) if leads_nowhere(&path) || !nearest_real(&path).is_some_and(|real| inside(&real)) => {
                return Err(outside());
            }
            Err(source) => {
                let path = asked.to_owned();
                return Err(RootError::Unreachable { path, source });
            }
        };
        if !inside(&real) {
            return Err(outside());
        }
        if !real.is_file() {
            let path = asked.to_owned();
            return Err(RootError::NotAFile { path });
        }
        Ok(real)
    }

    /// What was asked for as a path, with `file:` and `~` taken out.
    fn local(&self, asked: &Path) -> Result<PathBuf, RootError> {
        if let Some(scheme) = asked.to_str().and_then(scheme) {
            let text = asked.to_string_lossy();
            if scheme != "file" {
                let roots = self.folders.clone();
                return Err(RootError::Address { scheme, roots });
            }
            let path = Url::parse(&text).ok().and_then(|url| url.to_file_path().ok());
            return path.ok_or_else(|| RootError::Uri {
                uri: text.chars().take(200).collect(),
            });
        }
        let bytes = asked.as_os_str().len();
        if bytes > MAX_PATH {
            return Err(RootError::NotAPath {
                bytes,
                start: asked.to_string_lossy().chars().take(24).collect(),
                roots: self.folders.clone(),
            });
        }
        expand_home(asked, self.home.as_deref()).ok_or_else(|| RootError::NoHome { path: asked.to_owned() })
    }
}

/// The scheme of an address, in lower case: two or more letters, digits, `+`, `-` or `.` before a colon. One letter is
/// a Windows drive; a colon after a slash belongs to a file's name.
fn scheme(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim_start().split_once(':')?;
    let well_formed = scheme.len() >= 2
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let scheme = scheme.to_ascii_lowercase();
    // A file may be called "study: dusk.png"; an address has slashes, or is one of those that need none.
    let address = rest.starts_with("//") || matches!(scheme.as_str(), "data" | "file" | "blob");
    (well_formed && address).then_some(scheme)
}

/// Whether a link on the way has no end that can be reached.
fn leads_nowhere(path: &Path) -> bool {
    path.ancestors()
        .any(|part| part.is_symlink() && part.canonicalize().is_err())
}

/// The real path of the nearest folder above `path` that exists.
fn nearest_real(path: &Path) -> Option<PathBuf> {
    path.ancestors().skip(1).find_map(|above| above.canonicalize().ok())
}
