//! Reads the head of a file, value by value, and believes no number in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use super::{GgufError, Value};
use imaging::looks_like;

/// Most keys and most tensors of a file that is taken for a model.
const MAX_ENTRIES: u64 = 1 << 17;
/// Longest name of a key or a tensor, in bytes; ggml's own have 64 at most.
const MAX_NAME: u64 = 512;
/// Longest text that is kept; longer ones (templates) are skipped.
const MAX_TEXT: u64 = 1 << 12;
/// Most numbers of a list that are kept; longer ones (vocabularies) are skipped, their length is not.
const MAX_LIST: u64 = 1 << 12;
/// Most dimensions of a tensor, as in ggml.
const MAX_DIMENSIONS: u32 = 4;

/// A tensor as the head lists it.
pub(super) struct Entry {
    pub name: String,
    pub dimensions: Vec<u64>,
    pub kind: u32,
    pub offset: u64,
}

/// Keys, tensors, and where the head ends.
pub(super) type Raw = (HashMap<String, Value>, Vec<Entry>, u64);

pub(super) struct Reader<'a> {
    pub input: BufReader<File>,
    pub path: &'a Path,
}

impl Reader<'_> {
    /// Keys, tensors with their offsets, and where the head ends.
    pub fn head(&mut self) -> Result<Raw, GgufError> {
        let begins = self.input.fill_buf().map_err(|source| GgufError::Unread {
            path: self.path.to_owned(),
            source,
        })?;
        if begins.len() >= 4 && !begins.starts_with(b"GGUF") {
            return Err(GgufError::SomethingElse {
                looks_like: looks_like(begins),
                path: self.path.to_owned(),
            });
        }
        self.bytes::<4>()?;
        let version = self.u32()?;
        if !(2..=3).contains(&version) {
            return Err(self.not(&format!("version {version}; 2 and 3 are known")));
        }
        let (tensor_count, key_count) = (self.count()?, self.count()?);
        let mut keys = HashMap::new();
        for _ in 0..key_count {
            let name = self.name()?;
            let kind = self.u32()?;
            let value = self.value(kind)?;
            keys.insert(name, value);
        }
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            let name = self.name()?;
            let count = self.u32()?;
            if count > MAX_DIMENSIONS {
                return Err(self.not(&format!("{name} has {count} dimensions")));
            }
            let dimensions = (0..count).map(|_| self.u64()).collect::<Result<_, _>>()?;
            tensors.push(Entry {
                name,
                dimensions,
                kind: self.u32()?,
                offset: self.u64()?,
            });
        }
        let end = self.input.stream_position().map_err(|source| self.unread(source))?;
        Ok((keys, tensors, end))
    }

    fn value(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            8 => {
                let length = self.u64()?;
                self.text(length)?.map_or(Value::Other, Value::Text)
            }
            9 => {
                let (of, length) = (self.u32()?, self.u64()?);
                self.list(of, length)?
            }
            _ => self.scalar(kind)?,
        })
    }

    fn scalar(&mut self, kind: u32) -> Result<Value, GgufError> {
        Ok(match kind {
            0 | 7 => Value::Whole(u64::from(self.bytes::<1>()?[0])),
            1 => signed(i64::from(i8::from_le_bytes(self.bytes()?))),
            2 => Value::Whole(u64::from(u16::from_le_bytes(self.bytes()?))),
            3 => signed(i64::from(i16::from_le_bytes(self.bytes()?))),
            4 => Value::Whole(u64::from(self.u32()?)),
            5 => signed(i64::from(i32::from_le_bytes(self.bytes()?))),
            6 => Value::Number(f64::from(f32::from_le_bytes(self.bytes()?))),
            10 => Value::Whole(self.u64()?),
            11 => signed(i64::from_le_bytes(self.bytes()?)),
            12 => Value::Number(f64::from_le_bytes(self.bytes()?)),
            _ => return Err(self.not(&format!("a value of the unknown kind {kind}"))),
        })
    }

    fn list(&mut self, of: u32, length: u64) -> Result<Value, GgufError> {
        if of == 8 {
            for _ in 0..length {
                let length = self.u64()?;
                self.skip(length)?;
            }
            return Ok(Value::Other);
        }
        if length > MAX_LIST {
            let size = match of {
                0 | 1 | 7 => 1,
                2 | 3 => 2,
                4..=6 => 4,
                10..=12 => 8,
                _ => return Err(self.not(&format!("a list of the unknown kind {of}"))),
            };
            self.skip(length.saturating_mul(size))?;
            return Ok(Value::Other);
        }
        let values = (0..length).map(|_| self.scalar(of)).collect::<Result<Vec<_>, _>>()?;
        let whole = values.into_iter().map(|value| match value {
            Value::Whole(number) => Some(number),
            _ => None,
        });
        Ok(whole.collect::<Option<_>>().map_or(Value::Other, Value::List))
    }

    fn count(&mut self) -> Result<u64, GgufError> {
        let count = self.u64()?;
        if count > MAX_ENTRIES {
            return Err(self.not(&format!("it claims {count} entries")));
        }
        Ok(count)
    }

    fn name(&mut self) -> Result<String, GgufError> {
        let length = self.u64()?;
        if length > MAX_NAME {
            return Err(self.not(&format!("a name of {length} bytes")));
        }
        self.string(length)
    }

    /// A text, if it is short; a long one is skipped.
    fn text(&mut self, length: u64) -> Result<Option<String>, GgufError> {
        if length > MAX_TEXT {
            self.skip(length)?;
            return Ok(None);
        }
        self.string(length).map(Some)
    }

    fn string(&mut self, length: u64) -> Result<String, GgufError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.input
            .read_exact(&mut bytes)
            .map_err(|source| self.unread(source))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn skip(&mut self, length: u64) -> Result<(), GgufError> {
        let passed = io::copy(&mut self.input.by_ref().take(length), &mut io::sink());
        let passed = passed.map_err(|source| self.unread(source))?;
        if passed < length {
            return Err(self.not("it ends within its head"));
        }
        Ok(())
    }

    fn u32(&mut self) -> Result<u32, GgufError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, GgufError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], GgufError> {
        let mut bytes = [0; N];
        match self.input.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(source) => Err(self.unread(source)),
        }
    }

    fn unread(&self, source: io::Error) -> GgufError {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return self.not("it ends within its head");
        }
        let path = self.path.to_owned();
        GgufError::Unread { path, source }
    }

    fn not(&self, reason: &str) -> GgufError {
        GgufError::NotGguf {
            path: self.path.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

fn signed(number: i64) -> Value {
    u64::try_from(number).map_or(Value::Number(number as f64), Value::Whole)
}
