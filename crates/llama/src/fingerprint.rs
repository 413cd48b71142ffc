//! What tells one file of weights from another, without reading all of it.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use files::regular;
use types::digest::hex;

use crate::spec::{Adapter, ModelSpec};

/// Bytes read at the head (metadata and tensor directory) and at the tail.
const ENDS: u64 = 4 << 20;
/// Samples between the ends, and their size.
const SAMPLES: u64 = 64;
const SAMPLE: u64 = 16 << 10;

/// Sha-256 (hex) over a file's size, its first and last 4 MiB and 64 samples of 16 KiB between.
///
/// A whole hash of an 18 GB model would take longer than the judgement it names. Two files that
/// differ only between the samples would share a fingerprint; two quantisations, fine-tunes or
/// downloads of different lengths never do. Blocking, a few milliseconds.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn fingerprint(path: &Path) -> io::Result<String> {
    let mut file = regular::open(path)?;
    let size = file.metadata()?.len();
    let mut hash = Sha256::new();
    hash.update(size.to_le_bytes());
    let mut add = |at: u64, length: u64| -> io::Result<()> {
        file.seek(SeekFrom::Start(at))?;
        let mut part = Vec::new();
        (&mut file).take(length).read_to_end(&mut part)?;
        hash.update(&part);
        Ok(())
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

/// Fingerprints of the judge's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// The model's.
    pub model: String,
    /// The projector's.
    pub mmproj: String,
    /// Those of the adapters, with their weights.
    pub adapters: Vec<String>,
}

impl Fingerprints {
    /// Reads all files' fingerprints; blocking, a few milliseconds each.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn of(spec: &ModelSpec) -> io::Result<Self> {
        let adapter = |a: &Adapter| Ok(format!("{} {}", fingerprint(&a.path)?, a.scale));
        Ok(Self {
            model: fingerprint(&spec.model)?,
            mmproj: fingerprint(&spec.mmproj)?,
            adapters: spec.adapters.iter().map(adapter).collect::<io::Result<_>>()?,
        })
    }
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
}
