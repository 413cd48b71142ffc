//! Texts in picture files: ComfyUI writes the whole workflow into its PNGs, keys of services and all.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::ZlibDecoder;

use crate::secrets;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The longest text that is looked into, in bytes as it is read.
const MAX_TEXT: u64 = 4 << 20;

/// What stands for a text that cannot be looked into.
const UNREAD: &str = "a text that cannot be read";

/// The names of the inputs in which a PNG's texts hold secrets. A text that cannot be looked into counts as one that does.
pub fn secrets_in(file: &[u8]) -> BTreeSet<String> {
    let texts = chunks(file).filter(Chunk::is_text);
    texts
        .flat_map(|chunk| match chunk.text() {
            Some(text) => secrets::inputs_in(&text),
            None => BTreeSet::from([UNREAD.to_owned()]),
        })
        .collect()
}

/// The file, without its texts where they hold secrets. The picture stays as it is.
pub fn without_secrets(file: &[u8]) -> Cow<'_, [u8]> {
    match secrets_in(file).is_empty() {
        true => Cow::Borrowed(file),
        false => without_texts(file),
    }
}

/// The file without its texts, where it is a PNG that has some. The picture stays as it is.
pub fn without_texts(file: &[u8]) -> Cow<'_, [u8]> {
    if !chunks(file).any(|chunk| chunk.is_text()) {
        return Cow::Borrowed(file);
    }
    let mut kept = SIGNATURE.to_vec();
    let mut end = SIGNATURE.len();
    for chunk in chunks(file) {
        if !chunk.is_text() {
            kept.extend_from_slice(chunk.whole);
        }
        end += chunk.whole.len();
    }
    // What follows the last whole chunk is no text that anybody reads.
    kept.extend_from_slice(file.get(end..).unwrap_or_default());
    Cow::Owned(kept)
}

/// A piece of a PNG.
struct Chunk<'a> {
    kind: &'a [u8],
    data: &'a [u8],
    /// With its head and its checksum.
    whole: &'a [u8],
}

/// The whole chunks of a PNG; none of any other file.
fn chunks(file: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = file.strip_prefix(SIGNATURE).unwrap_or_default();
    std::iter::from_fn(move || {
        let (head, tail) = rest.split_at_checked(8)?;
        let (length, kind) = head.split_at_checked(4)?;
        let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
        let data = tail.get(..length)?;
        let (whole, after) = rest.split_at_checked(length.checked_add(12)?)?;
        rest = after;
        Some(Chunk { kind, data, whole })
    })
}

impl Chunk<'_> {
    fn is_text(&self) -> bool {
        matches!(self.kind, b"tEXt" | b"iTXt" | b"zTXt" | b"eXIf")
    }

    /// What it says; `None` where that cannot be read, or is too long.
    fn text(&self) -> Option<String> {
        if self.kind == b"eXIf" {
            return plain(self.data);
        }
        let end = self.data.iter().position(|byte| *byte == 0)?;
        let body = &self.data[end + 1..];
        match self.kind {
            b"tEXt" => plain(body),
            // The method of compression comes first; there is one.
            b"zTXt" => inflated(body.get(1..)?),
            _ => {
                let [compressed, _method, rest @ ..] = body else {
                    return None;
                };
                // The language, and the keyword in it.
                let text = rest.splitn(3, |byte| *byte == 0).nth(2)?;
                match compressed {
                    0 => plain(text),
                    _ => inflated(text),
                }
            }
        }
    }
}

fn plain(text: &[u8]) -> Option<String> {
    let fits = u64::try_from(text.len()).is_ok_and(|length| length <= MAX_TEXT);
    fits.then(|| String::from_utf8_lossy(text).into_owned())
}

fn inflated(packed: &[u8]) -> Option<String> {
    let mut text = Vec::new();
    ZlibDecoder::new(packed)
        .take(MAX_TEXT + 1)
        .read_to_end(&mut text)
        .ok()?;
    plain(&text)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;
    use crate::picture::{Limits, decode};

    /// A picture as ComfyUI writes it, with these chunks before its pixels.
    fn png(texts: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut plain = std::io::Cursor::new(Vec::new());
        let pixels = image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([(x * 31) as u8, (y * 31) as u8, 7]));
        pixels.write_to(&mut plain, image::ImageFormat::Png).unwrap();
        let plain = plain.into_inner();
        // After the signature and the head, which is 25 bytes long.
        let (before, after) = plain.split_at(SIGNATURE.len() + 25);
        let mut file = before.to_vec();
        for (kind, data) in texts {
            file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
            file.extend_from_slice(*kind);
            file.extend_from_slice(data);
            let mut sum = flate2::Crc::new();
            sum.update(&[kind.as_slice(), data.as_slice()].concat());
            file.extend(sum.sum().to_be_bytes());
        }
        file.extend_from_slice(after);
        file
    }

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    const GRAPH: &str = r#"{"9": {"class_type": "Llm", "inputs": {"api_key": "open sesame", "text": "a key"}}}"#;

    #[test]
    fn secrets_are_found_in_every_kind_of_text_and_taken_out() {
        let pixels = decode(&png(&[]), &Limits::default()).unwrap();
        for (kind, data) in [
            (b"tEXt", [b"prompt\0".as_slice(), GRAPH.as_bytes()].concat()),
            (b"zTXt", [b"prompt\0\0".as_slice(), &packed(GRAPH)].concat()),
            (
                b"iTXt",
                [b"workflow\0\0\0en\0w\0".as_slice(), GRAPH.as_bytes()].concat(),
            ),
            (b"iTXt", [b"workflow\0\x01\0\0\0".as_slice(), &packed(GRAPH)].concat()),
        ] {
            let other = (b"tEXt", b"Software\0ComfyUI".to_vec());
            let file = png(&[(kind, data), other]);
            assert_eq!(secrets_in(&file), BTreeSet::from(["api_key".to_owned()]), "{kind:?}");
            let bare = without_secrets(&file);
            assert_eq!(*bare, *png(&[]), "{kind:?}");
            assert!(decode(&bare, &Limits::default()).unwrap() == pixels);
        }
        let exif = png(&[(b"eXIf", b"MM\0*prompt: token=0a1b2c3d4e5f".to_vec())]);
        assert_eq!(secrets_in(&exif).len(), 1);
    }

    #[test]
    fn files_without_secrets_stay_as_they_are() {
        let graph = GRAPH.replace("api_key", "key_color");
        let harmless = png(&[(b"tEXt", [b"prompt\0".as_slice(), graph.as_bytes()].concat())]);
        for file in [
            harmless.as_slice(),
            b"",
            b"\xff\xd8\xff no PNG",
            &harmless[..40],
            SIGNATURE,
        ] {
            assert!(secrets_in(file).is_empty());
            assert!(matches!(without_secrets(file), Cow::Borrowed(same) if same == file));
        }
        assert_eq!(*without_texts(&harmless), *png(&[]));
    }

    #[test]
    fn a_text_that_cannot_be_looked_into_is_taken_for_a_secret() {
        let bomb = packed(&" ".repeat(5 << 20));
        for (kind, data) in [
            (b"zTXt", [b"prompt\0\0".as_slice(), &bomb].concat()),
            (b"zTXt", b"prompt\0\0no zlib".to_vec()),
            (b"tEXt", b"no end of its keyword".to_vec()),
        ] {
            let file = png(&[(kind, data)]);
            assert_eq!(secrets_in(&file), BTreeSet::from([UNREAD.to_owned()]));
            assert_eq!(*without_secrets(&file), *png(&[]));
        }
    }
}
