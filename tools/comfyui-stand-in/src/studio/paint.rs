//! Draws a scene, and writes it as a PNG that carries its graph as ComfyUI's do.

use anyhow::Result;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

use super::scene::{Form, Scene, Shape};

/// Where the chunks after `IHDR` begin: 8 bytes of signature and 25 of the header chunk.
const AFTER_HEADER: usize = 33;

/// Draws a scene of this size in pixels.
pub fn paint(scene: &Scene, width: u32, height: u32) -> RgbImage {
    let scale = width.min(height) as f32 / 2.0;
    let softness = 1.0 / scale;
    RgbImage::from_fn(width, height, |px, py| {
        let x = (px as f32 + 0.5 - width as f32 / 2.0) / scale;
        let y = (py as f32 + 0.5 - height as f32 / 2.0) / scale;
        let mut colour = scene.background;
        for shape in &scene.shapes {
            let cover = (0.5 - distance(shape, x, y) / softness).clamp(0.0, 1.0);
            for (below, above) in colour.iter_mut().zip(shape.colour) {
                *below += (above - *below) * cover;
            }
        }
        Rgb(colour.map(|part| (part * scene.light * 255.0).round().clamp(0.0, 255.0) as u8))
    })
}

/// How far a point is outside a shape; negative inside.
fn distance(shape: &Shape, x: f32, y: f32) -> f32 {
    let (x, y) = (x - shape.x, y - shape.y);
    let radius = x.hypot(y);
    match shape.form {
        Form::Circle => radius - shape.size,
        Form::Ring => (radius - shape.size * 0.8).abs() - shape.size * 0.2,
        Form::Square => x.abs().max(y.abs()) - shape.size * 0.85,
        Form::Triangle => (x.abs() * 0.894 - y * 0.447 - shape.size * 0.447).max(y - shape.size * 0.8),
        Form::Star => {
            let wave = (y.atan2(x) + std::f32::consts::FRAC_PI_2).rem_euclid(std::f32::consts::TAU / 5.0);
            let from_tip = (wave / (std::f32::consts::TAU / 5.0) - 0.5).abs() * 2.0;
            (radius - shape.size * (0.4 + 0.6 * from_tip)) * 0.6
        }
    }
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
