//! One file, from the hub into the cache: in pieces over several connections, resumable, checked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use backon::BackoffBuilder;
use futures::{StreamExt, TryStreamExt, stream};
use http::StatusCode;
use reqwest::Response;
use url::Url;

use super::answers::{self, RemoteFile};
use super::cache::{Cache, sync_folder};
use super::client::{self, Hub, PAUSES};
use super::error::HubError;
use super::hash::{blocking, hash_of};
use super::pieces::Pieces;
use crate::error::{Kept, ModelsError};
use crate::telling::{Event, Telling};

/// What every GGUF file begins with.
const MAGIC: &[u8] = b"GGUF";
/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;
/// Of an attempt that brought this part of its piece, or more, it is not held against the hub that it broke.
const ENOUGH: u64 = 8;

/// A file on its way.
pub struct Transfer<'a> {
    hub: &'a Hub,
    cache: &'a Cache,
    file: &'a RemoteFile,
    telling: &'a Telling,
    connections: usize,
    pieces: Mutex<Pieces>,
    /// Where the hub sent on to last.
    known: Mutex<Option<Url>>,
}

/// Why an attempt ended.
enum End {
    Hub(HubError),
    Disk(io::Error),
}

impl From<HubError> for End {
    fn from(error: HubError) -> Self {
        Self::Hub(error)
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Bytes of a file that an earlier download left, in whole pieces.
pub fn kept(cache: &Cache, file: &RemoteFile) -> u64 {
    left(cache, file).bytes()
}

fn left(cache: &Cache, file: &RemoteFile) -> Pieces {
    let there = fs::metadata(cache.incomplete(file)).map_or(0, |data| data.len());
    let lines = fs::read_to_string(cache.pieces(file)).unwrap_or_default();
    Pieces::read(file.size, there, &lines)
}

impl<'a> Transfer<'a> {
    /// Prepares to fetch a file over so many connections. Its lock must be held.
    pub fn new(hub: &'a Hub, cache: &'a Cache, file: &'a RemoteFile, telling: &'a Telling, connections: usize) -> Self {
        Self {
            hub,
            cache,
            file,
            telling,
            connections,
            pieces: Mutex::new(left(cache, file)),
            known: Mutex::default(),
        }
    }

    /// Fetches what is missing, checks it, and puts it in its place among the blobs.
    ///
    /// # Errors
    /// [`ModelsError`]; what came so far is kept unless it is wrong.
    pub async fn run(&self) -> Result<(), ModelsError> {
        let blob = self.cache.blob(self.file);
        let folder = blob.parent().unwrap_or(self.cache.root()).to_owned();
        let made = tokio::fs::create_dir_all(&folder).await;
        made.map_err(ModelsError::io("make the folder", &folder))?;
        let path = self.cache.incomplete(self.file);
        let opening = path.clone();
        let opened = blocking(move || {
            OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(opening)
        })
        .await;
        let to = Arc::new(opened.map_err(ModelsError::io("write", &path))?);
        if let Err(end) = self.fetch(&to).await {
            return Err(self.stopped(end).await);
        }
        drop(to);
        self.check(&path).await?;
        let renamed = tokio::fs::rename(&path, &blob).await;
        renamed.map_err(ModelsError::io("write", &blob))?;
        // What is left over is only untidy.
        let _ = tokio::fs::remove_file(self.cache.pieces(self.file)).await;
        let _ = blocking(move || {
            sync_folder(&folder);
            Ok(())
        })
        .await;
        Ok(())
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Pieces) -> T) -> T {
        act(&mut self.pieces.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// All that is missing, until it is really on the disk.
    async fn fetch(&self, to: &Arc<File>) -> Result<(), End> {
        self.rewrite().await?;
        self.telling
            .begins(&self.file.id.file, self.locked(|pieces| pieces.bytes()), self.file.size);
        self.fetch_missing(to).await?;
        let to = Arc::clone(to);
        Ok(blocking(move || to.sync_all()).await?)
    }

    /// All missing pieces. The first one shows what the hub can do, and that it is a model at all.
    async fn fetch_missing(&self, to: &Arc<File>) -> Result<(), End> {
        let mut missing = self.locked(|pieces| pieces.missing()).into_iter();
        let Some(first) = missing.next() else { return Ok(()) };
        if self.piece(first, to, true).await? == Came::Everything {
            return Ok(());
        }
        stream::iter(missing)
            .map(|at| self.piece(at, to, false))
            .buffer_unordered(self.connections)
            .try_for_each(|_| async { Ok(()) })
            .await
    }

    /// One piece, with as many attempts as it takes and patience allows. Not a `backon` retry: an attempt that brought enough of
    /// the piece starts the pauses anew, and the next one goes on where it stopped.
    async fn piece(&self, at: usize, to: &Arc<File>, first: bool) -> Result<Came, End> {
        let whole = self.locked(|pieces| pieces.range(at));
        let (mut from, mut pauses) = (whole.start, PAUSES.build());
        loop {
            let mut reached = from;
            let end = match self.attempt(from..whole.end, to, first, &mut reached).await {
                Ok(Came::Everything) => return Ok(Came::Everything),
                Ok(Came::Range) => {
                    self.finish(at, to).await?;
                    return Ok(Came::Range);
                }
                Err(End::Disk(error)) => return Err(End::Disk(error)),
                Err(End::Hub(error)) => error,
            };
            if (reached - from) * ENOUGH >= whole.end - whole.start {
                pauses = PAUSES.build();
            }
            from = reached;
            let Some(pause) = pauses.next().and_then(|usual| client::pause(&end, usual)) else {
                return Err(End::Hub(end));
            };
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
            client::note_pause(self.telling, &end, pause);
            tokio::time::sleep(pause).await;
        }
    }

    /// One request, and what comes of it. `reached` is how far it brought the file.
    async fn attempt(&self, range: Range<u64>, to: &Arc<File>, first: bool, reached: &mut u64) -> Result<Came, End> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = self.hub.open(self.file, range.clone(), known).await?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(response.url().clone());
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let wrong = |detail: String| HubError::BadAnswer {
                what: format!("the request for a part of {}", self.file.id.file),
                detail,
            };
            let (sent, total) = answers::content_range(response.headers())
                .ok_or_else(|| wrong("it does not say which part it is".into()))?;
            if total != self.file.size {
                return Err(End::Hub(self.size_differs(format!("a file of {total}"))));
            }
            if sent != range {
                return Err(End::Hub(wrong(format!(
                    "it is another part, {sent:?} instead of {range:?}"
                ))));
            }
            self.pour(response, range, to, reached).await?;
            return Ok(Came::Range);
        }
        if !first {
            let error = HubError::BadAnswer {
                what: format!("the request for a part of {}", self.file.id.file),
                detail: "it sends everything, after parts before".into(),
            };
            return Err(End::Hub(error));
        }
        // No ranges here: everything in one stream, from the beginning each time.
        if response.content_length().is_some_and(|length| length != self.file.size) {
            // A web page in the place of a file says more by its beginning than by its length.
            let length = response.content_length().unwrap_or(0);
            self.beginning_of(response).await?;
            return Err(End::Hub(self.size_differs(format!("{length}"))));
        }
        // What is there already is given up only for what is surely all of it.
        if response.content_length().is_none() && self.locked(|pieces| pieces.bytes()) > 0 {
            let error = HubError::BadAnswer {
                what: format!("the request for a part of {}", self.file.id.file),
                detail: "it sends something else, and does not say how much".into(),
            };
            return Err(End::Hub(error));
        }
        self.locked(|pieces| *pieces = Pieces::new(self.file.size));
        self.rewrite().await?;
        self.telling.begins(&self.file.id.file, 0, self.file.size);
        let mut at = 0;
        self.pour(response, 0..self.file.size, to, &mut at).await?;
        let to = Arc::clone(to);
        blocking(move || to.sync_data()).await?;
        self.locked(|pieces| {
            for at in pieces.missing() {
                pieces.finish(at);
            }
        });
        self.rewrite().await?;
        Ok(Came::Everything)
    }

    fn size_differs(&self, sent: String) -> HubError {
        HubError::SizeDiffers {
            announced: self.file.size,
            sent,
        }
    }

    /// Fails where a body begins like no model.
    async fn beginning_of(&self, mut response: Response) -> Result<(), HubError> {
        let mut start = Vec::new();
        while start.len() < MAGIC.len() {
            match response.chunk().await {
                Ok(Some(chunk)) => start.extend_from_slice(&chunk),
                _ => return Ok(()),
            }
        }
        gguf(&start)
    }

    /// A body into its place in the file. Neither more nor fewer bytes are accepted; what came before it broke stays.
    async fn pour(&self, response: Response, range: Range<u64>, to: &Arc<File>, reached: &mut u64) -> Result<(), End> {
        let url = response.url().clone();
        let mut buffer = Vec::new();
        let mut body = response.bytes_stream();
        *reached = range.start;
        loop {
            let next = body.next().await.transpose();
            let (chunk, broke) = match next {
                Ok(chunk) => (chunk, None),
                Err(error) => (None, Some(client::transport(&error, &url))),
            };
            let over = chunk.is_none();
            buffer.extend_from_slice(chunk.as_deref().unwrap_or_default());
            if range.start == 0 && *reached == 0 && buffer.len() >= MAGIC.len() {
                gguf(&buffer)?;
            }
            let end = *reached + buffer.len() as u64;
            if end > range.end {
                return Err(End::Hub(self.size_differs("more".into())));
            }
            if over || buffer.len() >= BUFFER {
                let moved = buffer.len() as u64;
                self.write(to, *reached, std::mem::take(&mut buffer)).await?;
                *reached = end;
                self.telling.tell(Event::Moved(moved));
            }
            match (over, broke) {
                (_, Some(error)) => return Err(End::Hub(error)),
                // An end without a length is an end like any other, until the bytes are counted.
                (true, None) if end < range.end => {
                    let missing = range.end - end;
                    return Err(End::Hub(HubError::Broken(format!(
                        "it ended {missing} bytes too early"
                    ))));
                }
                (true, None) => return Ok(()),
                (false, None) => {}
            }
        }
    }

    async fn write(&self, to: &Arc<File>, at: u64, bytes: Vec<u8>) -> io::Result<()> {
        let to = Arc::clone(to);
        blocking(move || write_at(&to, at, &bytes)).await
    }

    /// A piece is there, and said to be only after it is really on the disk.
    async fn finish(&self, at: usize, to: &Arc<File>) -> io::Result<()> {
        let (to, state) = (Arc::clone(to), self.cache.pieces(self.file));
        blocking(move || {
            to.sync_data()?;
            let mut state = OpenOptions::new().append(true).open(state)?;
            state.write_all(Pieces::line(at).as_bytes())
        })
        .await?;
        self.locked(|pieces| pieces.finish(at));
        Ok(())
    }

    async fn rewrite(&self) -> io::Result<()> {
        let lines = self.locked(|pieces| pieces.lines());
        tokio::fs::write(self.cache.pieces(self.file), lines).await
    }

    /// The hub's own sum. What is damaged is removed, or it would be resumed for ever.
    async fn check(&self, path: &Path) -> Result<(), ModelsError> {
        let file = &self.file.id.file;
        let about = tokio::fs::metadata(path).await;
        let size = about.map_err(ModelsError::io("read", path))?.len();
        let got = match self.file.sha256() {
            Some(_) => Some(hash_of(path.to_owned(), file, self.telling).await?),
            None => None,
        };
        let same = match (&got, self.file.sha256()) {
            (Some(got), Some(wanted)) => got.eq_ignore_ascii_case(wanted),
            _ => true,
        };
        if size != self.file.size || !same {
            self.forget().await;
            return Err(ModelsError::WrongHash {
                file: file.clone(),
                wanted: self.file.etag.clone(),
                got: got.unwrap_or_else(|| format!("unknown ({size} bytes)")),
            });
        }
        Ok(())
    }

    async fn forget(&self) {
        let _ = tokio::fs::remove_file(self.cache.pieces(self.file)).await;
        let _ = tokio::fs::remove_file(self.cache.incomplete(self.file)).await;
    }

    /// What a failed attempt leaves, in words. A wrong answer is no wrong file: what came before it stays, and the sum at
    /// the end decides.
    async fn stopped(&self, end: End) -> ModelsError {
        let bytes = self.locked(|pieces| pieces.bytes());
        if bytes == 0 {
            self.forget().await;
        }
        let file = self.file.id.file.clone();
        let total = self.file.size;
        let kept = Kept { bytes, total };
        let path = self.cache.incomplete(self.file);
        match end {
            End::Hub(why) => ModelsError::Stopped {
                file,
                kept,
                why: Box::new(why),
            },
            End::Disk(why) if is_full(&why) => ModelsError::Full { file, path, kept, why },
            End::Disk(source) => ModelsError::Io {
                what: "write",
                path,
                source,
            },
        }
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// What was asked for.
    Range,
    /// The whole file.
    Everything,
}

fn gguf(start: &[u8]) -> Result<(), HubError> {
    match start.starts_with(MAGIC) {
        true => Ok(()),
        false => Err(HubError::NotGguf {
            begins: String::from_utf8_lossy(&start[..start.len().min(24)]).into_owned(),
        }),
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(unix)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        (at, bytes) = (at + written as u64, &bytes[written..]);
    }
    Ok(())
}
