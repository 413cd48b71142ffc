//! Reads one text chunk out of a PNG without decoding the picture.

use super::GraphError;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// The longest text chunk that is read, in bytes.
const MAX_CHUNK: usize = 4 * 1024 * 1024;

pub(super) fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// The text stored under `keyword` in a `tEXt` or an uncompressed `iTXt` chunk, or in the `comf` chunk of an animation that
/// ComfyUI saved; `None` where no chunk has that keyword. Nothing is unpacked.
pub(super) fn text_chunk(bytes: &[u8], keyword: &str) -> Result<Option<String>, GraphError> {
    let Some(TextChunk { kind, body }) = find(bytes, keyword)? else {
        return Ok(None);
    };
    if body.len() > MAX_CHUNK {
        return Err(GraphError::UnreadableChunk("it is longer than 4 MiB"));
    }
    match kind {
        b"tEXt" | b"comf" => Ok(Some(latin1_or_utf8(body))),
        b"iTXt" => international(body).map(Some),
        _ => Err(GraphError::UnreadableChunk("it is compressed")),
    }
}

/// Whether some text, readable or not, is stored under `keyword`.
pub(super) fn has_text_chunk(bytes: &[u8], keyword: &str) -> bool {
    find(bytes, keyword).is_ok_and(|found| found.is_some())
}

/// A chunk of text.
struct TextChunk<'a> {
    /// `tEXt`, `iTXt`, `zTXt` or `comf`.
    kind: &'a [u8],
    /// What comes behind the keyword.
    body: &'a [u8],
}

/// The first text chunk of a keyword.
fn find<'a>(bytes: &'a [u8], keyword: &str) -> Result<Option<TextChunk<'a>>, GraphError> {
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = head[..4]
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let Some((data, after)) = tail.split_at_checked(length) else {
            return Err(GraphError::DamagedPng("a chunk is longer than the file"));
        };
        let kind = &head[4..];
        if matches!(kind, b"tEXt" | b"iTXt" | b"zTXt" | b"comf")
            && let Some(body) = data
                .strip_prefix(keyword.as_bytes())
                .and_then(|body| body.strip_prefix(b"\0"))
        {
            return Ok(Some(TextChunk { kind, body }));
        }
        if kind == b"IEND" {
            return Ok(None);
        }
        // The four bytes after the data are its checksum; a wrong one shows in the JSON soon enough.
        rest = after.get(4..).unwrap_or_default();
    }
    Err(GraphError::DamagedPng("it ends before its last chunk"))
}

/// `tEXt` is Latin-1 by the standard, but many writers put UTF-8 there.
fn latin1_or_utf8(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) => text.to_owned(),
        Err(_) => body.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// The text of an `iTXt` body: compression flag, method, language, translated keyword, text.
fn international(body: &[u8]) -> Result<String, GraphError> {
    let [flag, _method, rest @ ..] = body else {
        return Err(GraphError::DamagedPng("an iTXt chunk is too short"));
    };
    if *flag != 0 {
        return Err(GraphError::UnreadableChunk("it is compressed"));
    }
    let text = rest
        .splitn(3, |byte| *byte == 0)
        .nth(2)
        .ok_or(GraphError::DamagedPng("an iTXt chunk is too short"))?;
    Ok(String::from_utf8_lossy(text).into_owned())
}
