//! Embeddings of pictures that are asked about again and again, on disk, so that a restart encodes none
//! of them.
//!
//! A file holds one picture. It is written under another name first and carries a hash of its content,
//! so that what is half there or damaged is encoded anew instead of being believed. What was not used for
//! longest leaves when the folder grows beyond its limit.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use llama_cpp_2::token::LlamaToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::raw::Chunk;
use super::vision::Embedded;
use judge::engine::PixelKey;
use types::digest::digest;

/// Of the files' form and of what is computed for them.
const VERSION: &str = "embedding 1";
const ENDING: &str = "embedding";
const HASH: usize = 32;

/// A folder of embeddings by one model and projector.
pub struct Kept {
    folder: PathBuf,
    limit: u64,
    /// Hash of all that an embedding depends on beside the pixels.
    maker: String,
    /// Floats a token.
    width: usize,
}

/// What stands before the numbers.
#[derive(Serialize, Deserialize)]
struct Head {
    before: Vec<i32>,
    after: Vec<i32>,
    /// Bytes of the chunk behind this head.
    chunk: usize,
    tokens: u32,
}

impl Kept {
    /// Prepares a folder that may hold `limit` bytes. `maker` names all that an embedding depends on.
    pub fn new(folder: PathBuf, limit: u64, maker: &[&str], width: usize) -> Self {
        Self {
            folder,
            limit,
            maker: digest(maker),
            width,
        }
    }

    /// Whether a file of this picture is there; it may be damaged.
    pub fn has(&self, key: &PixelKey) -> bool {
        self.path(key).is_file()
    }

    /// The picture's embedding, if it is kept and whole.
    pub fn load(&self, key: &PixelKey) -> Option<Embedded> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let found = self.parse(&bytes);
        match &found {
            // Its time is that of its last use.
            Some(_) => drop(fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()))),
            None => {
                tracing::warn!(path = %path.display(), "a kept embedding is damaged; the picture is encoded anew");
                drop(fs::remove_file(&path));
            }
        }
        found
    }

    /// Keeps an embedding. Failing to is no failure of the judgement.
    pub fn store(&self, key: &PixelKey, embedded: &Embedded) {
        let result = self.write(key, embedded).and_then(|()| self.evict());
        if let Err(error) = result {
            tracing::warn!(%error, folder = %self.folder.display(), "an embedding could not be kept");
        }
    }

    fn path(&self, key: &PixelKey) -> PathBuf {
        let name = digest(&[VERSION, &self.maker, &key.0]);
        self.folder.join(name).with_extension(ENDING)
    }

    fn parse(&self, bytes: &[u8]) -> Option<Embedded> {
        let (hash, content) = bytes.split_at_checked(HASH)?;
        if Sha256::digest(content).as_slice() != hash {
            return None;
        }
        let (length, content) = content.split_first_chunk::<4>()?;
        let (head, content) = content.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let (chunk, floats) = content.split_at_checked(head.chunk)?;
        let chunk = Chunk::load(chunk)?;
        let embedding: Vec<f32> = floats
            .chunks_exact(4)
            .filter_map(|four| Some(f32::from_le_bytes(four.try_into().ok()?)))
            .collect();
        let whole = chunk.tokens() == head.tokens as usize && embedding.len() == chunk.tokens() * self.width;
        whole.then(|| Embedded {
            before: head.before.into_iter().map(LlamaToken).collect(),
            after: head.after.into_iter().map(LlamaToken).collect(),
            chunk,
            embedding,
            tokens: head.tokens,
        })
    }

    fn write(&self, key: &PixelKey, embedded: &Embedded) -> io::Result<()> {
        let chunk = embedded
            .chunk
            .save()
            .ok_or_else(|| io::Error::other("llama.cpp cannot write the picture's chunk"))?;
        let ids = |tokens: &[LlamaToken]| tokens.iter().map(|t| t.0).collect();
        let head = serde_json::to_vec(&Head {
            before: ids(&embedded.before),
            after: ids(&embedded.after),
            chunk: chunk.len(),
            tokens: embedded.tokens,
        })?;
        let length = u32::try_from(head.len()).map_err(io::Error::other)?;
        let mut content = Vec::with_capacity(embedded.embedding.len() * 4 + head.len() + chunk.len() + 4);
        content.extend(length.to_le_bytes());
        content.extend(head);
        content.extend(chunk);
        content.extend(embedded.embedding.iter().flat_map(|x| x.to_le_bytes()));

        fs::create_dir_all(&self.folder)?;
        let path = self.path(key);
        // Two processes may write the same picture: each under a name of its own.
        let partial = path.with_extension(format!("partial-{}", std::process::id()));
        let mut file = fs::File::create(&partial)?;
        let written = file
            .write_all(&Sha256::digest(&content))
            .and_then(|()| file.write_all(&content))
            .and_then(|()| fs::rename(&partial, &path));
        if written.is_err() {
            drop(fs::remove_file(&partial));
        }
        written
    }

    /// Removes what was not used for longest until the folder is within its limit.
    fn evict(&self) -> io::Result<()> {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = fs::read_dir(&self.folder)?
            .filter_map(Result::ok)
            .filter(|entry| ours(&entry.path()))
            .filter_map(|entry| {
                let meta = entry.metadata().ok()?;
                Some((meta.modified().ok()?, meta.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut total: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if total <= self.limit {
                break;
            }
            fs::remove_file(path)?;
            total -= size;
        }
        Ok(())
    }
}

/// Embeddings, and what a process that was killed while writing one left behind; told by their names, which are hashes.
fn ours(path: &Path) -> bool {
    let (Some(stem), Some(ending)) = (
        path.file_stem().and_then(|stem| stem.to_str()),
        path.extension().and_then(|ending| ending.to_str()),
    ) else {
        return false;
    };
    let named = stem.len() == 2 * HASH && stem.bytes().all(|b| b.is_ascii_hexdigit());
    named && (ending == ENDING || ending.starts_with("partial-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_to_make_room_is_our_own() {
        let hash = digest(&["x"]);
        for name in [format!("{hash}.embedding"), format!("{hash}.partial-77")] {
            assert!(ours(Path::new(&name)), "{name}");
        }
        for name in [
            "thesis.embedding".to_owned(),
            "a.partial-7".to_owned(),
            format!("{hash}.txt"),
            hash,
        ] {
            assert!(!ours(Path::new(&name)), "{name}");
        }
    }
}
