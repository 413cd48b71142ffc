//! A walk over the chunks of a WebP file, whose decoder believes the lengths and sizes that they give.
//!
//! Layout: RFC 9649, section 2; RFC 6386, section 9.1.

/// The largest Exif chunk that is read, in bytes: JPEG has room for no more.
const MOST_EXIF: u64 = 64 << 10;

/// What the chunks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    /// Whether the file ends before its chunks do.
    pub cut: bool,
    /// Whether there is an Exif chunk of a size that can be read.
    pub exif: bool,
    /// Pixels of the largest bitmap, whatever the canvas is said to be.
    pub largest: u64,
}

/// Reads the heads of the chunks of `bytes`, which begin with a RIFF header.
pub(super) fn chunks(bytes: &[u8]) -> Chunks {
    let mut found = Chunks {
        cut: true,
        exif: false,
        largest: 0,
    };
    let Some(riff) = number(bytes, 4).map(|size| size + 8) else {
        return found;
    };
    // One missing byte may be the padding that some encoders leave out.
    if riff > bytes.len() as u64 + 1 {
        return found;
    }
    let length = riff.min(bytes.len() as u64);
    let mut at = 12;
    while at as u64 + 8 <= length
        && let Some(size) = number(bytes, at + 4)
    {
        let end = at as u64 + 8 + size;
        if end > length {
            return found;
        }
        let (kind, data) = (&bytes[at..at + 4], &bytes[at + 8..]);
        match kind {
            b"EXIF" => found.exif = size <= MOST_EXIF,
            b"VP8 " => found.largest = found.largest.max(lossy(data)),
            b"VP8L" => found.largest = found.largest.max(lossless(data)),
            _ => {}
        }
        // The chunks of a frame lie behind 16 bytes of its own.
        let next = match kind {
            b"ANMF" if size >= 16 => at as u64 + 24,
            _ => end + size % 2,
        };
        match usize::try_from(next) {
            Ok(next) => at = next,
            Err(_) => return found,
        }
    }
    found.cut = false;
    found
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let four = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(u64::from(u32::from_le_bytes(four)))
}

/// Pixels of a lossy bitmap: two sides of 14 bits behind a tag and a start code.
fn lossy(data: &[u8]) -> u64 {
    number(data, 6).map_or(0, |sides| (sides & 0x3fff) * (sides >> 16 & 0x3fff))
}

/// Pixels of a lossless bitmap: two sides of 14 bits, less one, behind a signature.
fn lossless(data: &[u8]) -> u64 {
    number(data, 1).map_or(0, |sides| ((sides & 0x3fff) + 1) * ((sides >> 14 & 0x3fff) + 1))
}
