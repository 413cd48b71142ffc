//! A walk over the markers of a JPEG file.
//!
//! The decoder fills what a cut-off file lacks with grey and reports success. A judge that is shown
//! half a picture scores something that does not exist, so completeness is checked here.
//! Marker layout: ITU-T T.81, annex B.

/// What the markers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JpegMarkers {
    /// Whether the end-of-image marker was reached.
    pub complete: bool,
    /// Colour components of the frame: 1 grey, 3 colour, 4 CMYK; 0 if no frame was found.
    pub components: u8,
    /// Bits a sample: 8 in nearly every file; 0 if no frame was found.
    pub precision: u8,
    /// Width and height; 0 if no frame was found.
    pub size: (u32, u32),
    /// Whether the decoder keeps all coefficients of the picture: it comes in several scans.
    pub several_scans: bool,
}

/// Reads the markers of `bytes`, which begin with a start-of-image marker.
pub(super) fn markers(bytes: &[u8]) -> JpegMarkers {
    walk(bytes, |_, _| {})
}

/// The file without what no pixel depends on: colour profile, comments, texts. What turns the picture stays, and what
/// says which colours it has.
pub(super) fn without_metadata(bytes: &[u8]) -> Vec<u8> {
    let mut lean = Vec::with_capacity(bytes.len());
    let (mut copied, mut exif) = (0, false);
    walk(bytes, |marker, segment| {
        let data = bytes.get(segment.start + 4..segment.end).unwrap_or_default();
        let kept = match marker {
            0xe1 if data.starts_with(b"Exif\0") => !std::mem::replace(&mut exif, true),
            0xe0 | 0xee => true,
            0xe1..=0xef | 0xfe => false,
            _ => true,
        };
        if !kept {
            lean.extend_from_slice(bytes.get(copied..segment.start).unwrap_or_default());
            copied = segment.end.min(bytes.len());
        }
    });
    lean.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    lean
}

/// Goes from marker to marker, and tells each segment that has a length: its marker, and where it lies with it.
fn walk(bytes: &[u8], mut tell: impl FnMut(u8, std::ops::Range<usize>)) -> JpegMarkers {
    let mut found = JpegMarkers {
        complete: false,
        components: 0,
        precision: 0,
        size: (0, 0),
        several_scans: false,
    };
    let mut scans = 0_u32;
    let mut at = 2;
    while let Some(marker) = next_marker(bytes, &mut at) {
        match marker {
            0xd9 => {
                found.complete = true;
                return found;
            }
            // Restart, start-of-image and TEM markers stand alone.
            0xd0..=0xd8 | 0x01 => {}
            _ => {
                let Some(&[high, low]) = bytes.get(at..at + 2) else {
                    return found;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
                if is_frame {
                    found.several_scans |= matches!(marker, 0xc2 | 0xc6 | 0xca | 0xce);
                    if found.components == 0 {
                        found.precision = bytes.get(at + 2).copied().unwrap_or(0);
                        found.components = bytes.get(at + 7).copied().unwrap_or(0);
                        if let Some(&[high, low, wide, narrow]) = bytes.get(at + 3..at + 7) {
                            let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                            found.size = (side(wide, narrow), side(high, low));
                        }
                    }
                }
                if marker == 0xda {
                    scans = scans.saturating_add(1);
                    // Also a first scan of some components only: the others come in further ones, if at all.
                    let in_scan = bytes.get(at + 2).copied().unwrap_or(0);
                    found.several_scans |= scans > 1 || in_scan < found.components;
                }
                let end = at + length.max(2);
                tell(marker, at - 2..end);
                at = end;
            }
        }
    }
    found
}

/// Moves `at` behind the next marker and returns it. Skips entropy-coded data, where 0xff is
/// always followed by 0x00 or a restart marker.
fn next_marker(bytes: &[u8], at: &mut usize) -> Option<u8> {
    loop {
        let rest = bytes.get(*at..)?;
        let skip = rest.iter().position(|&byte| byte == 0xff)?;
        *at += skip + 1;
        match *bytes.get(*at)? {
            0x00 => *at += 1,
            0xff => {}
            marker => {
                *at += 1;
                return Some(marker);
            }
        }
    }
}
