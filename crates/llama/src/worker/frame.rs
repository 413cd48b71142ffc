//! How the server and the judge process talk: length-prefixed frames over the child's pipes.
//!
//! A frame is `u32` JSON length, `u32` blob length (little endian), the JSON, the blob. The blob
//! carries the pixels of the pictures the JSON names, one after the other.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::query::Name;
use crate::error::LlamaError;
use crate::memory::Placement;
use crate::spec::ModelSpec;
use judge::engine::{Answers, Ask, EngineInfo, PixelKey, Pixels};
use serde_json::Value;

const MAX_JSON: u32 = 16 << 20;
const MAX_BLOB: u32 = 512 << 20;

/// What the server sends.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Load a model; once, before the first question.
    Load {
        /// The request's number.
        id: u64,
        /// What to load.
        spec: ModelSpec,
        /// Where its parts go; `None` leaves that to the settings in `spec`, and to llama.cpp.
        placement: Option<Placement>,
    },
    /// Say what there is, or what is held.
    Query {
        /// The request's number.
        id: u64,
        /// What to say.
        name: Name,
    },
    /// Answer questions; pictures follow in the blob.
    Ask {
        /// The request's number.
        id: u64,
        /// The questions.
        ask: Ask,
        /// Pictures in the order of the blob.
        pictures: Vec<PictureHead>,
    },
    /// Stop the request of this number, if it runs.
    Cancel {
        /// The request's number.
        id: u64,
    },
}

/// A picture's place in the blob.
#[derive(Debug, Serialize, Deserialize)]
pub struct PictureHead {
    /// Its name.
    pub key: PixelKey,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// What the judge process answers. Every `Load` and `Ask` gets exactly one final reply.
#[derive(Debug, Serialize, Deserialize)]
pub enum Reply {
    /// A request is being worked on and something was done since the last word.
    Alive,
    /// Loading goes on.
    Loading {
        /// The request's number.
        id: u64,
        /// Part done, in `[0, 1]`.
        fraction: f32,
    },
    /// The model is loaded.
    Loaded {
        /// The request's number.
        id: u64,
        /// What it is.
        info: EngineInfo,
    },
    /// What a query asked for.
    Told {
        /// The request's number.
        id: u64,
        /// The query's answer.
        answer: Value,
    },
    /// The answers.
    Answered {
        /// The request's number.
        id: u64,
        /// One per branch.
        answers: Answers,
    },
    /// It failed; the process lives on unless loading failed.
    Failed {
        /// The request's number.
        id: u64,
        /// Why.
        error: LlamaError,
    },
}

/// All of a frame but its blob.
///
/// # Errors
/// When the frame is over the limits.
pub fn head(message: &impl Serialize, blob: &[u8]) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(message)?;
    let mut head = lengths_of(&json, blob)?.to_vec();
    head.extend(json);
    Ok(head)
}

fn lengths_of(json: &[u8], blob: &[u8]) -> io::Result<[u8; 8]> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "frame too large");
    let json = u32::try_from(json.len()).map_err(|_| too_large())?;
    let blob = u32::try_from(blob.len()).map_err(|_| too_large())?;
    if json > MAX_JSON || blob > MAX_BLOB {
        return Err(too_large());
    }
    let mut head = [0; 8];
    head[..4].copy_from_slice(&json.to_le_bytes());
    head[4..].copy_from_slice(&blob.to_le_bytes());
    Ok(head)
}

fn lengths(head: [u8; 8]) -> io::Result<(usize, usize)> {
    let [a, b, c, d, e, f, g, h] = head;
    let json = u32::from_le_bytes([a, b, c, d]);
    let blob = u32::from_le_bytes([e, f, g, h]);
    if json > MAX_JSON || blob > MAX_BLOB {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too large"));
    }
    Ok((json as usize, blob as usize))
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> io::Result<T> {
    serde_json::from_slice(json).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

/// Writes a frame, blocking.
///
/// # Errors
/// When the pipe is closed or the frame is over the limits.
pub fn write(out: &mut impl Write, message: &impl Serialize, blob: &[u8]) -> io::Result<()> {
    out.write_all(&head(message, blob)?)?;
    out.write_all(blob)?;
    out.flush()
}

/// Reads a frame, blocking; `None` at the end of input.
///
/// # Errors
/// When the pipe breaks inside a frame or the frame is malformed.
pub fn read<T: DeserializeOwned>(input: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut head = [0; 8];
    match input.read_exact(&mut head) {
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let (json, blob) = lengths(head)?;
    let mut buffer = vec![0; json + blob];
    input.read_exact(&mut buffer)?;
    let rest = buffer.split_off(json);
    Ok(Some((parse(&buffer)?, rest)))
}

/// [`read()`] for the server's side.
///
/// # Errors
/// As [`read()`].
pub async fn receive<T: DeserializeOwned>(input: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let mut head = [0; 8];
    match input.read_exact(&mut head).await {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let (json, blob) = lengths(head)?;
    let mut buffer = vec![0; json + blob];
    input.read_exact(&mut buffer).await?;
    buffer.truncate(json);
    Ok(Some(parse(&buffer)?))
}

/// Cuts the blob into the pictures that `heads` announce.
///
/// # Errors
/// When the sizes do not add up to the blob.
pub fn pictures(heads: Vec<PictureHead>, blob: &[u8]) -> io::Result<Vec<(PixelKey, Pixels)>> {
    let mut rest = blob;
    let mut pictures = Vec::with_capacity(heads.len());
    for head in heads {
        let bytes = usize::try_from(u64::from(head.width) * u64::from(head.height) * 3)
            .ok()
            .filter(|&n| n <= rest.len())
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "pixels are missing"))?;
        let (rgb, tail) = rest.split_at(bytes);
        rest = tail;
        pictures.push((
            head.key,
            Pixels {
                width: head.width,
                height: head.height,
                rgb: rgb.to_vec(),
            },
        ));
    }
    Ok(pictures)
}
