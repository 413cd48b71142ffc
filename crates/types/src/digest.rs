//! Names made of content: SHA-256 in hexadecimal.

use sha2::{Digest, Sha256};

/// Sha-256 (hex) over texts, kept apart by their lengths.
pub fn digest(parts: &[&str]) -> String {
    hex(&digest_bytes(parts))
}

/// Sha-256 over texts, kept apart by their lengths.
pub fn digest_bytes(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Sha-256 (hex) of bytes.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}
