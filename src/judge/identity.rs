//! Who judged: the hash under which scores may be compared.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::engine::EngineInfo;
use super::protocol::{self, Evidence};

/// Everything a score depends on beside the pictures. Scores of different identities are never
/// compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Fingerprint of the model file.
    pub model: String,
    /// Fingerprint of the projector file.
    pub mmproj: String,
    /// llama.cpp's version.
    pub engine: String,
    /// The device, such as `CPU`.
    pub backend: String,
    /// Most tokens an image takes.
    pub image_tokens: u32,
    /// The rubric's hash.
    pub rubric: String,
    /// What stands before the question.
    pub evidence: Evidence,
    /// The wording's version.
    pub protocol: u32,
    /// Hash of the maps that were fitted for this judge; empty without any.
    pub fit: String,
}

impl Identity {
    /// Puts the parts together.
    #[must_use]
    pub fn new(files: &Fingerprints, info: &EngineInfo, image_tokens: u32, rubric: String, evidence: Evidence) -> Self {
        Self {
            model: files.model.clone(),
            mmproj: files.mmproj.clone(),
            engine: info.engine.clone(),
            backend: info.backend.clone(),
            image_tokens,
            rubric,
            evidence,
            protocol: protocol::VERSION,
            fit: String::new(),
        }
    }

    /// Sha-256 (hex) over all parts.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(&[
            &self.model,
            &self.mmproj,
            &self.engine,
            &self.backend,
            &self.image_tokens.to_string(),
            &self.rubric,
            &format!("{:?}", self.evidence),
            &self.protocol.to_string(),
            &self.fit,
        ])
    }
}

/// Sha-256 (hex) over texts, kept apart by their lengths.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex(&hash.finalize())
}

/// Fingerprints of the two model files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// The model's.
    pub model: String,
    /// The projector's.
    pub mmproj: String,
}

impl Fingerprints {
    /// Reads both files' fingerprints; blocking, a few milliseconds.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(model: &Path, mmproj: &Path) -> io::Result<Self> {
        Ok(Self {
            model: fingerprint(model)?,
            mmproj: fingerprint(mmproj)?,
        })
    }
}

/// Bytes read at the head (metadata and tensor directory) and at the tail.
const ENDS: u64 = 4 << 20;
/// Samples between the ends, and their size.
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 16 << 10;

/// Sha-256 (hex) over a file's size, its first and last 4 MiB and 64 samples of 16 KiB between.
///
/// A whole hash of an 18 GB model would take longer than the judgement it names. Two files that
/// differ only between the samples would share a fingerprint; two quantisations, fine-tunes or
/// downloads of different lengths never do.
fn fingerprint(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut add = |at: u64, length: u64| -> io::Result<()> {
        file.seek(SeekFrom::Start(at))?;
        let mut part = (&mut file).take(length);
        io::copy(&mut part, &mut hash).map(|_| ())
    };
    if size <= 2 * ENDS + SAMPLES * SAMPLE {
        add(0, size)?;
    } else {
        add(0, ENDS)?;
        let step = (size - 2 * ENDS) / SAMPLES;
        for i in 0..SAMPLES {
            add(ENDS + i * step, SAMPLE)?;
        }
        add(size - ENDS, ENDS)?;
    }
    Ok(hex(&hash.finalize()))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_sees_head_tail_size_and_samples() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m");
        let size = 20usize << 20;
        let mut bytes = vec![7u8; size];
        let print = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            fingerprint(&path).unwrap()
        };
        let first = print(&bytes);
        assert_eq!(first, print(&bytes));
        assert_ne!(first, print(&bytes[..size - 1]));
        for at in [0, size - 1, ENDS as usize] {
            bytes[at] = 8;
            assert_ne!(first, print(&bytes), "{at}");
            bytes[at] = 7;
        }
    }

    #[test]
    fn every_part_changes_the_hash() {
        let identity = Identity {
            model: "a".into(),
            mmproj: "b".into(),
            engine: "c".into(),
            backend: "d".into(),
            image_tokens: 256,
            rubric: "e".into(),
            evidence: Evidence::Values,
            protocol: 1,
            fit: String::new(),
        };
        let changes: [fn(&mut Identity); 9] = [
            |i| i.model.push('x'),
            |i| i.mmproj.push('x'),
            |i| i.engine.push('x'),
            |i| i.backend.push('x'),
            |i| i.image_tokens += 1,
            |i| i.rubric.push('x'),
            |i| i.evidence = Evidence::None,
            |i| i.fit = "maps".into(),
            |i| i.protocol += 1,
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut other = identity.clone();
            change(&mut other);
            assert_ne!(identity.hash(), other.hash(), "{n}");
        }
    }
}
