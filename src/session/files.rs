//! What is read from disk for a call: pictures, workflows, rubrics. What a caller names lies below the roots; what the user configured
//! may lie anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Service, ServiceError};
use crate::comfy::graph::Graph;
use crate::config::{RootError, Roots, RubricChoice};
use crate::history::WorkflowSource;
use crate::judge::rubric::{BUILTIN_NAMES, Extends, Rubric, RubricError, RubricProblem, RubricSource, RubricText};
use crate::picture::{Limits, Picture, PictureError, decode};

/// Larger workflow or rubric files are not read.
const MAX_TEXT: u64 = 100 << 20;

/// A decoded picture with the bytes of its file.
pub struct Loaded {
    /// The picture.
    pub picture: Picture,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

impl Service {
    /// Reads a picture below the roots. Bytes and pixels are limited before decoding.
    ///
    /// # Errors
    /// [`ServiceError::Root`], [`ServiceError::File`], [`ServiceError::PictureFile`].
    pub async fn picture(&self, path: &str) -> Result<Loaded, ServiceError> {
        let allowed = self.roots.allow(path)?;
        let path = path.to_owned();
        blocking(move || {
            let limits = Limits::default();
            let unusable = |error: PictureError| ServiceError::PictureFile {
                path: path.clone(),
                error: Arc::new(error),
            };
            let bytes = read(&allowed, &path, |size| limits.check_bytes(size).map_err(unusable))?;
            let picture = decode(&bytes, &limits).map_err(unusable)?;
            Ok(Loaded { picture, bytes })
        })
        .await
    }

    /// Decodes bytes off the runtime's threads.
    pub(super) async fn decoded(&self, bytes: Vec<u8>) -> Result<Loaded, ServiceError> {
        blocking(move || {
            let picture = decode(&bytes, &Limits::default())?;
            Ok(Loaded { picture, bytes })
        })
        .await
    }

    /// A workflow: a file (API JSON or a PNG that ComfyUI saved), or `last` for the newest graph
    /// in ComfyUI's history.
    pub(super) async fn workflow(&self, named: &str) -> Result<(Graph, WorkflowSource), ServiceError> {
        if named == "last" {
            let graph = self.client.last_graph().await?.ok_or_else(|| {
                ServiceError::usage(
                    "ComfyUI's history is empty, so there is no last workflow",
                    "Run the workflow once in ComfyUI, or give its file (File > Export (API)).",
                )
            })?;
            return Ok((Graph::from_json(graph)?, WorkflowSource::Last));
        }
        let allowed = self.roots.allow(named)?;
        let named = named.to_owned();
        blocking(move || {
            let bytes = read(&allowed, &named, |size| text_size(&named, size))?;
            Ok((Graph::parse(&bytes)?, WorkflowSource::File(allowed)))
        })
        .await
    }

    /// A rubric by built-in name or file; the configured one where none is named.
    ///
    /// # Errors
    /// [`ServiceError::Rubric`] with file, line and column; [`ServiceError::Root`].
    pub async fn rubric(&self, named: Option<&str>) -> Result<Rubric, ServiceError> {
        let chosen = named.map_or_else(
            || self.default_rubric.clone(),
            |name| RubricChoice::Name(name.to_owned()),
        );
        let roots = self.roots.clone();
        blocking(move || match chosen {
            RubricChoice::Name(named) => load_rubric(&named, &roots),
            RubricChoice::File(path) => read_rubric(&configured(&path)?, &path.display().to_string(), &configured),
        })
        .await
    }
}

fn load_rubric(named: &str, roots: &Roots) -> Result<Rubric, ServiceError> {
    if BUILTIN_NAMES.contains(&named) {
        let none = &mut |_: Extends<'_>| -> Result<RubricText, RubricError> {
            Err(RubricError::without_place(RubricProblem::UnknownParent {
                name: named.to_owned(),
                reason: "a built-in rubric extends only built-in ones".into(),
            }))
        };
        return Ok(Rubric::load(RubricSource::Builtin(named), none)?);
    }
    let allowed = match roots.allow(named) {
        Ok(allowed) => allowed,
        // A bare name is a misspelt built-in one, rather than a file that may not be read; lines are a rubric's text.
        Err(_) if !named.contains(['/', '\\', '.']) || named.contains('\n') => {
            return Err(ServiceError::usage(
                format!("there is no rubric {:?}", named.chars().take(80).collect::<String>()),
                format!(
                    "Built in are {}; a rubric of your own is the path of its TOML file.",
                    BUILTIN_NAMES.join(", ")
                ),
            ));
        }
        Err(error) => return Err(error.into()),
    };
    read_rubric(&allowed, named, &|path| roots.allow(path))
}

/// A file of the user's own, which they named in the configuration: roots limit what others name.
fn configured(path: &Path) -> Result<PathBuf, RootError> {
    // What is not there at all is told when it is read.
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(RootError::NotAFile { path: path.to_owned() }),
        _ => Ok(path.to_owned()),
    }
}

/// A rubric's file, and those that it extends, as far as they may be read.
fn read_rubric(
    allowed: &Path,
    named: &str,
    allow: &dyn Fn(&Path) -> Result<PathBuf, RootError>,
) -> Result<Rubric, ServiceError> {
    let bytes = read(allowed, named, |size| text_size(named, size))?;
    let RubricText { text, origin } = RubricText::of(bytes, allowed.display().to_string())?;
    let mut resolve = |parent: Extends<'_>| -> Result<RubricText, RubricError> {
        let beside = Path::new(parent.from).parent().unwrap_or(Path::new("."));
        let path = beside.join(parent.name);
        let unknown = |reason: String| {
            RubricError::without_place(RubricProblem::UnknownParent {
                name: parent.name.to_owned(),
                reason,
            })
        };
        let allowed = allow(&path).map_err(|e| unknown(e.to_string()))?;
        let bytes =
            read(&allowed, parent.name, |size| text_size(parent.name, size)).map_err(|e| unknown(e.to_string()))?;
        RubricText::of(bytes, allowed.display().to_string())
    };
    Ok(Rubric::load(
        RubricSource::Text {
            text: &text,
            origin: &origin,
        },
        &mut resolve,
    )?)
}

/// Reads a file whose size `check` accepts; what is too large is never in memory.
fn read(
    allowed: &Path,
    named: &str,
    check: impl FnOnce(u64) -> Result<(), ServiceError>,
) -> Result<Vec<u8>, ServiceError> {
    let failed = |reason: String| ServiceError::File {
        path: named.to_owned(),
        reason,
    };
    let size = std::fs::metadata(allowed).map_err(|e| failed(e.to_string()))?.len();
    check(size)?;
    std::fs::read(allowed).map_err(|e| failed(e.to_string()))
}

fn text_size(named: &str, size: u64) -> Result<(), ServiceError> {
    if size <= MAX_TEXT {
        return Ok(());
    }
    Err(ServiceError::usage(
        format!("{named} has {size} bytes, the limit for workflows and rubrics is {MAX_TEXT}; it was not read"),
        "Check the path: give the workflow or the rubric itself.",
    ))
}

/// Runs blocking work off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ServiceError::Internal(error.to_string())),
    }
}
