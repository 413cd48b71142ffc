//! What bytes are, judged by how they begin. File names are never asked.

use super::PictureError;
use types::PictureFormat;

/// The picture format of `bytes`, or an error that says what they look like instead.
pub(super) fn sniff(bytes: &[u8]) -> Result<PictureFormat, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if let Some(format) = PictureFormat::of(bytes) {
        return Ok(format);
    }
    if let Some(looks_like) = other_picture(bytes) {
        return Err(PictureError::Unsupported { looks_like });
    }
    Err(PictureError::NotAPicture {
        looks_like: looks_like(bytes),
    })
}

fn other_picture(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if bytes.get(4..8) == Some(b"ftyp") {
        return match bytes.get(8..12) {
            Some(b"avif" | b"avis") => Some("an AVIF picture"),
            Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1") => Some("a HEIC picture"),
            _ => None,
        };
    }
    if starts(b"\xff\x0a") || starts(b"\0\0\0\x0cJXL ") {
        Some("a JPEG XL picture")
    } else if starts(b"8BPS") {
        Some("a Photoshop document")
    } else if starts(b"\x76\x2f\x31\x01") {
        Some("an OpenEXR picture")
    } else if starts(b"DDS ") {
        Some("a DDS texture")
    } else if starts(b"\0\0\x01\0") {
        Some("an icon file")
    } else if leading_text(bytes).is_some_and(|text| is_svg(&text)) {
        Some("an SVG drawing")
    } else {
        None
    }
}

/// What bytes that are no picture look like.
pub fn looks_like(bytes: &[u8]) -> &'static str {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"GGUF") {
        return "a GGUF model file";
    }
    if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") {
        return "a zip archive (or a PyTorch checkpoint)";
    }
    if starts(b"%PDF") {
        return "a PDF document";
    }
    if starts(b"\x1f\x8b") {
        return "a gzip archive";
    }
    if bytes.get(4..8) == Some(b"ftyp") || starts(b"\x1a\x45\xdf\xa3") {
        return "a video";
    }
    if starts(b"RIFF") {
        return "a sound or video file (RIFF, but not WebP)";
    }
    if starts(b"SQLite format 3\0") {
        return "a SQLite database";
    }
    if bytes.get(8) == Some(&b'{') && bytes.get(..8).is_some_and(|n| n[5..] == [0; 3]) {
        return "a safetensors model file";
    }
    let Some(text) = leading_text(bytes) else {
        return "binary data of an unknown kind";
    };
    let lower = text.trim_start().to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "an HTML page (often an error or login page saved under this name)"
    } else if lower.starts_with("version https://git-lfs") {
        "a Git LFS pointer (the real file was not downloaded)"
    } else if lower.starts_with('{') || lower.starts_with('[') {
        "JSON text"
    } else if lower.starts_with("data:image") {
        "a data URL (decode its base64 part first)"
    } else if lower.starts_with('<') {
        "an XML document"
    } else {
        "plain text"
    }
}

fn is_svg(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    lower.starts_with("<svg") || (lower.starts_with("<?xml") && lower.contains("<svg"))
}

/// The first bytes as text, if they are text: valid UTF-8 (but for a character cut at the end)
/// without control characters.
fn leading_text(bytes: &[u8]) -> Option<String> {
    let head = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let head = &head[..head.len().min(512)];
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let clean = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    (clean && !text.is_empty()).then(|| text.to_owned())
}
