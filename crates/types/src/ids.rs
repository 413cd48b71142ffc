//! The names of things: checked once, where they enter.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::digest::{digest, hex, sha256_hex};

/// A text that is not the identifier it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct InvalidId {
    text: String,
    wanted: &'static str,
}

impl InvalidId {
    fn new(text: &str, wanted: &'static str) -> Self {
        // A whole file handed over by mistake must not come back in an error.
        let text = text.chars().take(80).collect();
        Self { text, wanted }
    }

    /// What to do next.
    pub fn hint(&self) -> String {
        "get_history without arguments lists the sessions; with a session it lists its iterations and runs.".to_owned()
    }
}

crate::hints!(InvalidId);

/// Reading an identifier from text, as `FromStr` and serde do it.
macro_rules! from_text {
    ($name:ident) => {
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }
    };
}

/// Text in and out of serde and `Display` for an identifier that holds a `String`.
macro_rules! text_id {
    ($name:ident) => {
        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        from_text!($name);

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

/// A session's name: 8 characters of Crockford's base 32 (40 random bits), for instance `7k3m9qx2`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

text_id!(SessionId);

impl SessionId {
    const ALPHABET: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    const LENGTH: usize = 8;

    /// A new random name. Uniqueness is the database's to check.
    pub fn random() -> Self {
        let bits = Uuid::new_v4().as_u128();
        let text = (0..Self::LENGTH)
            .map(|place| char::from(Self::ALPHABET[(bits >> (5 * place) & 31) as usize]))
            .collect();
        Self(text)
    }

    /// Reads a name; capitals, and the look-alikes `o`, `i` and `l`, are taken for what they stand for.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let wanted = "a session id (8 digits and letters without u, such as 7k3m9qx2)";
        let name: String = text
            .trim()
            .chars()
            .map(|c| match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            })
            .collect();
        let known = |c: char| u8::try_from(c).is_ok_and(|b| Self::ALPHABET.contains(&b));
        if name.len() == Self::LENGTH && name.chars().all(known) {
            Ok(Self(name))
        } else {
            Err(InvalidId::new(text, wanted))
        }
    }
}

/// Lower-case hexadecimal text of an allowed length.
fn hexadecimal(
    text: &str,
    lengths: std::ops::RangeInclusive<usize>,
    wanted: &'static str,
) -> Result<String, InvalidId> {
    let name = text.trim().to_ascii_lowercase();
    if lengths.contains(&name.len()) && name.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(name)
    } else {
        Err(InvalidId::new(text, wanted))
    }
}

/// The SHA-256 of an image file's bytes, written as 64 lower-case hexadecimal digits; also the file's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageHash([u8; 32]);

from_text!(ImageHash);

impl ImageHash {
    /// The hash of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Hashes several pieces as if they were one.
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads exactly 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let digits = hexadecimal(text, 64..=64, "an image hash (64 hexadecimal digits)")?;
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default();
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = (digit(pair[0]) << 4 | digit(pair[1])) as u8;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for ImageHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ImageHash({self})")
    }
}

/// A digest that stands where a picture's stands, as that of a picture and of what was written about it.
impl From<[u8; 32]> for ImageHash {
    fn from(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl From<ImageHash> for String {
    fn from(hash: ImageHash) -> Self {
        hash.to_string()
    }
}

/// A hash that another module computed: 16 to 64 hexadecimal digits.
macro_rules! foreign_hash {
    ($(#[$doc:meta])* $name:ident, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        text_id!($name);

        impl $name {
            const SHORTEST: usize = 16;

            /// The SHA-256 of these bytes, for callers that have no hash of their own.
            pub fn of(bytes: &[u8]) -> Self {
                Self(sha256_hex(bytes))
            }

            /// The SHA-256 of these texts, kept apart by their lengths.
            pub fn of_texts(texts: &[&str]) -> Self {
                Self(digest(texts))
            }

            /// The first 16 digits: enough to tell them apart where they are shown.
            pub fn short(&self) -> &str {
                &self.0[..Self::SHORTEST]
            }

            /// Reads 16 to 64 hexadecimal digits.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                hexadecimal(text, Self::SHORTEST..=64, $wanted).map(Self)
            }
        }
    };
}

foreign_hash!(
    /// Which workflow graph: 16 to 64 hexadecimal digits.
    GraphHash,
    "a graph hash (16 to 64 hexadecimal digits)"
);
foreign_hash!(
    /// Which judge (model, quantisation, rubric, protocol): 16 to 64 hexadecimal digits. Scores of different hashes are
    /// never compared.
    JudgeHash,
    "a judge hash (16 to 64 hexadecimal digits)"
);
foreign_hash!(
    /// Which text of a rubric: 16 to 64 hexadecimal digits.
    RubricHash,
    "a rubric hash (16 to 64 hexadecimal digits)"
);

/// The number of an iteration within its session, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct IterationNo(NonZeroU32);

impl IterationNo {
    /// The first iteration of every session.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// An iteration number; 0 is none.
    pub fn new(n: u32) -> Result<Self, InvalidId> {
        let wanted = "an iteration number (1 or more)";
        NonZeroU32::new(n)
            .map(Self)
            .ok_or_else(|| InvalidId::new(&n.to_string(), wanted))
    }

    /// The number, 1 or more.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for IterationNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for IterationNo {
    type Error = InvalidId;
    fn try_from(n: u32) -> Result<Self, InvalidId> {
        Self::new(n)
    }
}

impl From<IterationNo> for u32 {
    fn from(n: IterationNo) -> u32 {
        n.get()
    }
}

/// What the noise of a run's picture follows from, exact over all of `u64`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of one submission to ComfyUI: chosen here, before the request is sent, so that an answer that never arrives
/// can still be asked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptId(pub Uuid);

impl PromptId {
    /// A new random id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads a UUID.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        Uuid::parse_str(text.trim())
            .map(Self)
            .map_err(|_| InvalidId::new(text, "a prompt id (a UUID)"))
    }
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PromptId {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::parse(text)
    }
}

/// A row's number: SQLite's, serde and `Display` for an identifier that holds an `i64`.
macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

row_id! {
    /// The number of a judgement, unique in one data folder, growing with time.
    JudgementId
}

row_id! {
    /// The number of a direct comparison, unique in one data folder, growing with time.
    ComparisonId
}

row_id! {
    /// The number of a decision, unique in one data folder, growing with time.
    DecisionId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_hashes_are_read_as_they_are_written() {
        let hash = ImageHash::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(ImageHash::of_parts(&[b"a", b"bc"]), hash);
        for accepted in [text, &text.to_uppercase(), &format!(" {text}\n")] {
            assert_eq!(accepted.parse(), Ok(hash), "{accepted}");
        }
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<ImageHash>(&json).unwrap(), hash);
        for bad in ["", "ba78", &"g".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert!(bad.parse::<ImageHash>().is_err(), "{bad}");
        }
    }
}
