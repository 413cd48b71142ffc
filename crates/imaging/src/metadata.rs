//! Texts in picture files: ComfyUI writes the whole workflow into its PNGs and WebPs, keys of services and all.

mod pieces;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::ZlibDecoder;

use self::pieces::{Format, Piece};
use text::secrets;

/// The longest text that is looked into, in bytes as it is read.
const MAX_TEXT: u64 = 4 << 20;

/// What stands for a text that cannot be looked into.
const UNREAD: &str = "a text that cannot be read";

/// The names of the inputs in which a file's texts hold secrets. A text that cannot be looked into counts as one that does.
pub fn secrets_in(file: &[u8]) -> BTreeSet<String> {
    let Some((format, begin)) = Format::of(file) else {
        return BTreeSet::new();
    };
    let texts = format.pieces(&file[begin..]).filter(|piece| format.is_text(piece));
    texts
        .flat_map(|piece| {
            let found = match (format, piece.kind) {
                (Format::Png, b"tEXt" | b"zTXt" | b"iTXt") => text_of(&piece).map(|text| secrets::inputs_in(&text)),
                _ => loose(piece.data),
            };
            found.unwrap_or_else(|| BTreeSet::from([UNREAD.to_owned()]))
        })
        .collect()
}

/// The file, without its texts where they hold secrets. The picture stays as it is.
pub fn without_secrets(file: &[u8]) -> Cow<'_, [u8]> {
    match Format::of(file) {
        Some((format, begin)) if !secrets_in(file).is_empty() => Cow::Owned(format.without_texts(file, begin)),
        _ => Cow::Borrowed(file),
    }
}

/// The file without its texts. Other files than PNGs keep those that tell no secret: a camera's say which side is up.
pub fn without_texts(file: &[u8]) -> Cow<'_, [u8]> {
    match Format::of(file) {
        Some((format @ Format::Png, begin)) if format.pieces(&file[begin..]).any(|piece| format.is_text(&piece)) => {
            Cow::Owned(format.without_texts(file, begin))
        }
        _ => without_secrets(file),
    }
}

/// The texts in the EXIF of a WebP or JPEG, one after the other, among what else stands there: in EXIF each ends with a zero.
pub fn exif_texts(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pieces = match Format::of(file) {
        Some((format @ (Format::Webp | Format::Jpeg), begin)) => Some(format.pieces(&file[begin..])),
        _ => None,
    };
    pieces
        .into_iter()
        .flatten()
        .filter(|piece| matches!(piece.kind, b"EXIF" | [0xe1]))
        .flat_map(|piece| piece.data.split(|byte| *byte == 0))
}

/// What a PNG's text says; `None` where that cannot be read, or is too long.
fn text_of(piece: &Piece<'_>) -> Option<String> {
    let end = piece.data.iter().position(|byte| *byte == 0)?;
    let body = &piece.data[end + 1..];
    match piece.kind {
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

/// The secrets of EXIF and the like, where texts stand among other things: ComfyUI's as `prompt:{…}`, others' in UTF-16.
fn loose(data: &[u8]) -> Option<BTreeSet<String>> {
    let text: Vec<u8> = data.iter().copied().filter(|byte| *byte != 0).collect();
    let text = plain(&text)?;
    let parts = text.split("workflow:").flat_map(|part| part.split("prompt:"));
    Some(
        parts
            .map(|part| part.split_at(part.find('{').unwrap_or(part.len())))
            .flat_map(|(before, json)| [secrets::inputs_in(before), secrets::inputs_in(json)])
            .flatten()
            .collect(),
    )
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
    use crate::{Limits, decode};

    /// A picture as ComfyUI writes it, with these chunks before its pixels.
    fn png(texts: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut plain = std::io::Cursor::new(Vec::new());
        let pixels = image::RgbImage::from_fn(8, 8, |x, y| image::Rgb([(x * 31) as u8, (y * 31) as u8, 7]));
        pixels.write_to(&mut plain, image::ImageFormat::Png).unwrap();
        let plain = plain.into_inner();
        // After the signature and the head, which is 25 bytes long.
        let (before, after) = plain.split_at(8 + 25);
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

    /// A file of this format with a piece more, before its pixels.
    fn with(format: image::ImageFormat, piece: &[u8]) -> Vec<u8> {
        let mut plain = std::io::Cursor::new(Vec::new());
        let pixels = image::RgbImage::from_pixel(8, 8, image::Rgb([200, 30, 7]));
        pixels.write_to(&mut plain, format).unwrap();
        let plain = plain.into_inner();
        match format {
            image::ImageFormat::Jpeg => {
                let length = u16::try_from(piece.len() + 2).unwrap().to_be_bytes();
                [&plain[..2], b"\xff\xe1", &length, piece, &plain[2..]].concat()
            }
            // A WebP says what it holds, and how long it is.
            _ => {
                let mut file = plain[..12].to_vec();
                file.extend(b"VP8X\x0a\0\0\0\x08\0\0\0\x07\0\0\x07\0\0");
                file.extend(&plain[12..]);
                file.extend(b"EXIF");
                file.extend(u32::try_from(piece.len()).unwrap().to_le_bytes());
                file.extend(piece);
                file.extend(vec![0; piece.len() % 2]);
                let size = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
                file[4..8].copy_from_slice(&size);
                file
            }
        }
    }

    #[test]
    fn other_files_are_looked_into_too() {
        let as_comfyui = format!("MM\0*prompt:{GRAPH}\0workflow:{{\"nodes\": []}}");
        let wide: Vec<u8> = GRAPH.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let in_utf16 = [b"Exif\0\0MM\0*UNICODE\0".as_slice(), &wide].concat();
        for format in [image::ImageFormat::Jpeg, image::ImageFormat::WebP] {
            for piece in [as_comfyui.as_bytes(), &in_utf16] {
                let file = with(format, piece);
                let pixels = decode(&file, &Limits::default()).unwrap();
                assert_eq!(secrets_in(&file), BTreeSet::from(["api_key".to_owned()]), "{format:?}");
                let bare = without_texts(&file);
                assert_eq!(
                    bare.len(),
                    file.len()
                        - piece.len()
                        - piece.len() % 2 * usize::from(format == image::ImageFormat::WebP)
                        - match format {
                            image::ImageFormat::Jpeg => 4,
                            _ => 8,
                        }
                );
                assert!(secrets_in(&bare).is_empty());
                let after = decode(&bare, &Limits::default()).unwrap();
                assert_eq!(
                    (after.width(), after.height(), after.rgb()),
                    (8, 8, pixels.rgb()),
                    "{format:?}"
                );
            }
            // A camera's own notes stay.
            let photo = with(format, b"Exif\0\0MM\0*a camera");
            assert!(matches!(without_texts(&photo), Cow::Borrowed(_)), "{format:?}");
        }
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
            b"\x89PNG\r\n\x1a\n",
        ] {
            assert!(secrets_in(file).is_empty());
            assert!(matches!(without_secrets(file), Cow::Borrowed(same) if same == file));
        }
        assert_eq!(*without_texts(&harmless), *png(&[]));
        // The size that a picture had before it was kept smaller is part of what is known of it.
        let reduced = png(&[(b"tEXt", b"prompt-calibrator\0reduced from 9000x8000".to_vec())]);
        assert_eq!(*without_texts(&reduced), *reduced);
        let other = png(&[(b"tEXt", b"prompt-calibrator\0reduced from 9x8 and more".to_vec())]);
        assert_eq!(*without_texts(&other), *png(&[]));
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
