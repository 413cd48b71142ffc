//! What is read from disk for a call: pictures, workflows, rubrics. What a caller names lies below the roots; what the user configured
//! may lie anywhere.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Service, ServiceError};
use crate::config::{Opened, RootError, Roots, RubricChoice};
use comfyui::graph::{Graph, GraphError, Wrapped};
use files::regular;
use history::{Verify, WorkflowSource};
use imaging::{Limits, Picture, PictureError, decode};
use judge::rubric::{BUILTIN_NAMES, Extends, Rubric, RubricError, RubricProblem, RubricSource, RubricText};
use types::ImageHash;

/// Larger rubrics are not read.
const MAX_TEXT: u64 = 1 << 20;

/// KiB of files that lie in memory at once, over all calls of the process: one file of the largest size.
const MOST_READ: u32 = 64 << 10;

static READ: Semaphore = Semaphore::const_new(MOST_READ as usize);

/// Room for a file's bytes; dropping it lets others read. Nobody who holds one asks for another: they would wait for each
/// other.
pub(super) struct Room {
    _taken: Option<SemaphorePermit<'static>>,
}

/// Waits until there is room for a file of this size.
pub(super) async fn room(bytes: u64) -> Room {
    let kib = u32::try_from(bytes.div_ceil(1 << 10))
        .unwrap_or(MOST_READ)
        .min(MOST_READ);
    Room {
        // It is never closed.
        _taken: READ.acquire_many(kib).await.ok(),
    }
}

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
        Ok(self.picture_in_room(path).await?.0)
    }

    /// The same, with the room that its bytes take.
    pub(super) async fn picture_in_room(&self, path: &str) -> Result<(Loaded, Room), ServiceError> {
        let (opened, size) = self.opened(path).await?;
        let path = path.to_owned();
        let limits = Limits::default();
        let unusable = |error: PictureError, path: String| ServiceError::PictureFile {
            path,
            error: Arc::new(error),
        };
        limits
            .check_bytes(size)
            .map_err(|error| unusable(error, path.clone()))?;
        let room = room(size).await;
        let loaded = blocking(move || {
            let bytes = read(opened, &path, size)?;
            let picture = decode(&bytes, &limits).map_err(|error| unusable(error, path))?;
            Ok(Loaded { picture, bytes })
        })
        .await?;
        Ok((loaded, room))
    }

    /// A file below the roots, and how large it is.
    async fn opened(&self, named: &str) -> Result<(Opened, u64), ServiceError> {
        let (roots, named) = (self.roots.clone(), named.to_owned());
        blocking(move || {
            let opened = roots.open(&named)?;
            let size = size_of(&opened, &named)?;
            Ok((opened, size))
        })
        .await
    }

    /// Whether a file lies there, below the roots.
    pub(super) async fn is_readable_file(&self, named: &str) -> Result<bool, ServiceError> {
        let (roots, named) = (self.roots.clone(), named.to_owned());
        blocking(move || Ok(roots.allow(&named).is_ok_and(|path| path.is_file()))).await
    }

    /// Keeps a picture below the roots in the image store, when it can be used.
    ///
    /// # Errors
    /// As [`Service::picture`], and [`ServiceError::History`].
    pub(super) async fn kept_picture(&self, path: &str) -> Result<ImageHash, ServiceError> {
        let (loaded, _room) = self.picture_in_room(path).await?;
        Ok(self.store.put_image(loaded.bytes).await?.hash)
    }

    /// A picture from the image store, its content checked against its name.
    pub(super) async fn stored_picture(&self, hash: &ImageHash) -> Result<Picture, ServiceError> {
        self.with_stored(hash, Ok).await
    }

    /// What `make` makes of a picture from the image store, where it is decoded: what is not used of it lies in memory no
    /// longer than that.
    pub(super) async fn with_stored<T: Send + 'static>(
        &self,
        hash: &ImageHash,
        make: impl FnOnce(Picture) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (bytes, _room) = self.stored_bytes(hash).await?;
        blocking(move || make(decode(&bytes, &Limits::default())?)).await
    }

    /// The bytes of a picture from the image store, their content checked against its name, and the room that they take.
    pub(super) async fn stored_bytes(&self, hash: &ImageHash) -> Result<(Vec<u8>, Room), ServiceError> {
        let stored = self.store.find_image(hash).await?;
        // Where its size cannot be told, reading it says why.
        let size = tokio::fs::metadata(&stored.path).await.map_or(0, |about| about.len());
        let room = room(size).await;
        Ok((self.store.read_image(hash, Verify::Hash).await?.1, room))
    }

    /// A workflow: a file (API JSON or a picture that ComfyUI saved), or `last` for the newest graph
    /// in ComfyUI's history; and where in its file it stood, if something lay around it.
    pub(super) async fn workflow(&self, named: &str) -> Result<(Graph, Option<Wrapped>, WorkflowSource), ServiceError> {
        if named == "last" {
            let graph = self.client.last_graph().await?.ok_or_else(|| {
                ServiceError::usage(
                    "ComfyUI's history is empty, so there is no last workflow",
                    "Run the workflow once in ComfyUI, or give its file (File > Export (API)).",
                )
            })?;
            return Ok((Graph::from_json(graph)?, None, WorkflowSource::Last));
        }
        let (opened, size) = self.opened(named).await?;
        let named = named.to_owned();
        let _room = room(size).await;
        blocking(move || {
            let take = |most: u64, bytes: &mut Vec<u8>| {
                let taken = (&opened.file).take(most).read_to_end(bytes);
                taken.map_err(|error| unread(&named, &error))
            };
            let mut bytes = Vec::new();
            // Its first bytes tell how large a file of its kind may be.
            take(Graph::BEGINNING as u64, &mut bytes)?;
            let limit = Graph::most_bytes(&bytes);
            if size > limit as u64 {
                let bytes = usize::try_from(size).unwrap_or(usize::MAX);
                return Err(GraphError::TooLarge { bytes, limit }.into());
            }
            take(size.saturating_sub(bytes.len() as u64), &mut bytes)?;
            let (graph, wrapped) = Graph::read(&bytes)?;
            Ok((graph, wrapped, WorkflowSource::File(opened.path)))
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
            RubricChoice::File(path) => read_rubric(configured(&path)?, &path.display().to_string(), &configured),
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
    let opened = match roots.open(named) {
        Ok(opened) => opened,
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
    read_rubric(opened, named, &|path| roots.open(path))
}

/// A file of the user's own, which they named in the configuration: roots limit what others name.
fn configured(path: &Path) -> Result<Opened, RootError> {
    match regular::open(path) {
        Ok(file) => Ok(Opened {
            file,
            path: path.to_owned(),
        }),
        Err(_) if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
            Err(RootError::NotAFile { path: path.to_owned() })
        }
        Err(source) => Err(RootError::Unreachable {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A rubric's file, and those that it extends, as far as they may be read.
fn read_rubric(
    opened: Opened,
    named: &str,
    open: &dyn Fn(&Path) -> Result<Opened, RootError>,
) -> Result<Rubric, ServiceError> {
    let place = opened.path.display().to_string();
    let RubricText { text, origin } = RubricText::of(read_text(opened, named)?, place)?;
    let mut resolve = |parent: Extends<'_>| -> Result<RubricText, RubricError> {
        let beside = Path::new(parent.from).parent().unwrap_or(Path::new("."));
        let path = beside.join(parent.name);
        let unknown = |reason: String| {
            RubricError::without_place(RubricProblem::UnknownParent {
                name: parent.name.to_owned(),
                reason,
            })
        };
        let opened = open(&path).map_err(|e| unknown(e.to_string()))?;
        let place = opened.path.display().to_string();
        let bytes = read_text(opened, parent.name).map_err(|e| unknown(e.to_string()))?;
        RubricText::of(bytes, place)
    };
    Ok(Rubric::load(
        RubricSource::Text {
            text: &text,
            origin: &origin,
        },
        &mut resolve,
    )?)
}

/// The size of an open file.
fn size_of(opened: &Opened, named: &str) -> Result<u64, ServiceError> {
    let about = opened.file.metadata().map_err(|error| unread(named, &error))?;
    Ok(about.len())
}

/// Reads the first `size` bytes of an open file: it may grow meanwhile.
fn read(opened: Opened, named: &str, size: u64) -> Result<Vec<u8>, ServiceError> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let read = opened.file.take(size).read_to_end(&mut bytes);
    read.map_err(|error| unread(named, &error))?;
    Ok(bytes)
}

/// Reads a rubric.
fn read_text(opened: Opened, named: &str) -> Result<Vec<u8>, ServiceError> {
    let size = size_of(&opened, named)?;
    if size > MAX_TEXT {
        return Err(ServiceError::usage(
            format!("{named} has {size} bytes, the limit for a rubric is {MAX_TEXT}; it was not read"),
            "Check the path: give the rubric itself.",
        ));
    }
    read(opened, named, size)
}

fn unread(named: &str, error: &std::io::Error) -> ServiceError {
    ServiceError::File {
        path: named.to_owned(),
        reason: error.to_string(),
    }
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
