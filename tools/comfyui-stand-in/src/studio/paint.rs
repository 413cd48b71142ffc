//! Draws a scene, and writes it as a PNG that carries its graph as ComfyUI's do.

use std::io::Cursor;

use anyhow::Result;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, Rgb, RgbImage};
use scenes::Scene;

/// Where the chunks after `IHDR` begin: 8 bytes of signature and 25 of the header chunk.
const AFTER_HEADER: usize = 33;

/// The scene that a prompt describes; words of the negative prompt are left out of the positive one. What is said is followed
/// with the probability `adherence`.
pub fn imagined(positive: &str, negative: &str, seed: u64, adherence: f64) -> Scene {
    let unwanted: Vec<String> = words(negative).filter(|w| is_word(w)).map(str::to_lowercase).collect();
    let wanted = words(positive).filter(|word| !unwanted.contains(&word.to_lowercase()));
    Scene::loosely_described(&wanted.collect::<String>(), seed, adherence)
}

/// The words of a text, and what stands between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let inside = is_word(rest);
        let end = rest.find(|c: char| c.is_alphanumeric() != inside).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn is_word(piece: &str) -> bool {
    piece.starts_with(char::is_alphanumeric)
}

/// Draws a scene on a picture of this size in pixels: in the middle, as large as the shorter side. On the longer side its
/// edge is repeated.
pub fn paint(scene: &Scene, width: u32, height: u32) -> RgbImage {
    let side = width.min(height);
    let drawn = scenes::draw(scene, side);
    let within = |at: u32, of: u32| at.saturating_sub((of - side) / 2).min(side.saturating_sub(1));
    RgbImage::from_fn(width, height, |x, y| {
        let at = ((within(y, height) * side + within(x, width)) * 3) as usize;
        Rgb(std::array::from_fn(|part| drawn.rgb[at + part]))
    })
}

/// A PNG with the graph in a `prompt` text chunk.
///
/// # Errors
/// When the picture cannot be encoded.
pub fn png(picture: &RgbImage, graph: &serde_json::Value) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    picture.write_to(&mut Cursor::new(&mut plain), ImageFormat::Png)?;
    let mut chunk = b"tEXtprompt\0".to_vec();
    chunk.extend(ascii(&graph.to_string()).into_bytes());
    let (head, tail) = plain.split_at(AFTER_HEADER.min(plain.len()));
    let length = u32::try_from(chunk.len() - 4)?;
    Ok([head, &length.to_be_bytes(), &chunk, &crc(&chunk).to_be_bytes(), tail].concat())
}

/// The same picture as a JPEG of quality 90.
///
/// # Errors
/// When the file is no picture.
pub fn jpeg(file: &[u8]) -> Result<Vec<u8>> {
    let picture = image::load_from_memory(file)?.into_rgb8();
    let mut bytes = Vec::new();
    picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))?;
    Ok(bytes)
}

/// JSON with everything beyond ASCII escaped: the chunk is Latin-1.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            let mut units = [0; 2];
            text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// The checksum of a PNG chunk (CRC-32).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            }
        })
    })
}
