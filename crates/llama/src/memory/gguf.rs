//! The head of a GGUF file: its keys and its tensors' sizes, without the weights.
//!
//! Read here and not by llama.cpp, because the server reads it too and must survive any file. Format:
//! `docs/gguf.md` of ggml, versions 2 and 3, little endian.

mod reader;

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use reader::{Entry, Reader};

use files::regular;

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A whole number, or a truth value as 0 or 1.
    Whole(u64),
    /// A number that is not whole, or negative.
    Number(f64),
    /// A text of at most 4 KiB.
    Text(String),
    /// A short list of whole numbers (or truth values).
    List(Vec<u64>),
    /// Something else, which was skipped.
    Other,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, such as `blk.0.attn_q.weight`.
    pub name: String,
    /// Its dimensions, the fastest first.
    pub dimensions: Vec<u64>,
    /// Bytes in the file, padding included.
    pub bytes: u64,
}

/// The head of a model's file or files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    keys: HashMap<String, Value>,
    /// All tensors, as they lie in the file.
    pub tensors: Vec<Tensor>,
}

/// Why a file's head cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum GgufError {
    /// The system does not let it be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is something else altogether.
    #[error("{} is no model file: it is {looks_like}", path.display())]
    SomethingElse {
        /// The file.
        path: PathBuf,
        /// What its first bytes look like.
        looks_like: &'static str,
    },
    /// Its head is wrong.
    #[error("{} is no GGUF file: {reason}", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// It ends too early.
    #[error("{} is cut off: its tensors need {needed} bytes and it has {found}", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Bytes that it should have, at least.
        needed: u64,
        /// Bytes that it has.
        found: u64,
    },
}

impl Head {
    /// Reads the head of a model; of one that was split, those of all its parts.
    ///
    /// # Errors
    /// [`GgufError`].
    pub fn read(path: &Path) -> Result<Self, GgufError> {
        let mut whole = Self::default();
        for part in parts_of(path) {
            let head = read_one(&part)?;
            // The first part has the model's keys; the others only say that they are parts.
            for (key, value) in head.keys {
                whole.keys.entry(key).or_insert(value);
            }
            whole.tensors.extend(head.tensors);
        }
        Ok(whole)
    }

    /// A key's value.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.keys.get(key)
    }

    /// A key's whole number.
    #[must_use]
    pub fn whole(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Whole(number) => Some(*number),
            _ => None,
        }
    }

    /// A key's text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Bytes of all tensors.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tensors.iter().map(|tensor| tensor.bytes).sum()
    }
}

/// The files of a model: of one that was split, `NAME-00001-of-00003.gguf` and the others.
#[must_use]
pub fn parts_of(file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let split = name.split_once("-00001-of-").and_then(|(stem, rest)| {
        let count: u32 = rest.strip_suffix(".gguf")?.parse().ok()?;
        Some((stem, rest, count)).filter(|_| count < 1000)
    });
    match split {
        Some((stem, rest, count)) => (1..=count)
            .map(|part| file.with_file_name(format!("{stem}-{part:05}-of-{rest}")))
            .collect(),
        None => vec![file.to_owned()],
    }
}

fn read_one(path: &Path) -> Result<Head, GgufError> {
    let opened = regular::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let (about, file) = opened.map_err(|source| GgufError::Unread {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = Reader {
        input: BufReader::new(file),
        path,
    };
    let (keys, mut tensors, end) = reader.head()?;
    let alignment = match keys.get("general.alignment") {
        Some(Value::Whole(number)) if number.is_power_of_two() => *number,
        _ => 32,
    };
    let start = end.next_multiple_of(alignment);
    let data = about.len().saturating_sub(start);
    // A tensor ends where the next begins, the last with the file: so no table of all the types is needed.
    tensors.sort_by_key(|tensor| tensor.offset);
    let mut sized = Vec::with_capacity(tensors.len());
    let mut ends = tensors.iter().skip(1).map(|tensor| tensor.offset).collect::<Vec<_>>();
    ends.push(data);
    let ends_of = |entry: &Entry| entry.offset.saturating_add(least_bytes(entry.kind, &entry.dimensions));
    let least = tensors.iter().map(ends_of).max().unwrap_or(0);
    if least > data {
        return Err(GgufError::CutOff {
            path: path.to_owned(),
            needed: start.saturating_add(least),
            found: about.len(),
        });
    }
    for (entry, end) in tensors.into_iter().zip(ends) {
        let Entry {
            name,
            dimensions,
            offset,
            ..
        } = entry;
        sized.push(Tensor {
            name,
            dimensions,
            bytes: end.saturating_sub(offset),
        });
    }
    Ok(Head { keys, tensors: sized })
}

/// Bytes that a tensor takes at least: exactly, for the types that models come in.
fn least_bytes(kind: u32, dimensions: &[u64]) -> u64 {
    // Numbers in a block and its bytes, by ggml's numbers of types.
    let (block, bytes) = match kind {
        0 => (1, 4),      // F32
        1 | 30 => (1, 2), // F16, BF16
        2 => (32, 18),    // Q4_0
        3 => (32, 20),    // Q4_1
        6 => (32, 22),    // Q5_0
        7 => (32, 24),    // Q5_1
        8 => (32, 34),    // Q8_0
        10 => (256, 84),  // Q2_K
        11 => (256, 110), // Q3_K
        12 => (256, 144), // Q4_K
        13 => (256, 176), // Q5_K
        14 => (256, 210), // Q6_K
        _ => (8, 1),      // No type takes less than a bit a number.
    };
    let numbers = dimensions.iter().fold(1u64, |a, b| a.saturating_mul(*b));
    (numbers / block).saturating_mul(bytes)
}
