//! Sums of files.

use std::io::{self, Read};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::error::ModelsError;
use crate::telling::{Event, Telling};
use files::regular;
use types::digest::hex;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// The sha256 of a file, in lower case hex digits. `name` is what is told while it is read.
///
/// # Errors
/// [`ModelsError::Io`] where it cannot be read.
pub async fn hash_of(path: PathBuf, name: &str, telling: &Telling) -> Result<String, ModelsError> {
    let telling = telling.clone();
    let what = format!("checking {name}");
    let shown = path.clone();
    let hash = move || -> io::Result<String> {
        let mut file = regular::open(&path)?;
        telling.begins(what, 0, file.metadata()?.len());
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => {
                    hasher.update(&buffer[..read]);
                    telling.tell(Event::Moved(read as u64));
                }
            }
        }
        Ok(hex(&hasher.finalize()))
    };
    blocking(hash).await.map_err(ModelsError::io("read", shown))
}

/// Runs work on the disk off the async threads; a panic in it becomes an error.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}
