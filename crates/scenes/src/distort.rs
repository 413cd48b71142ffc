//! What must not move a score: compression, noise, shifts, and words written over the picture.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _, ImageFormat};
use rand::RngExt as _;

use crate::draw::Drawn;
use crate::glyphs;
use crate::sample::Rng;

/// A change of pixels that changes nothing of what is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Distortion<'a> {
    /// Compressed as JPEG of a quality of 1 to 100 and decoded again.
    Jpeg(u8),
    /// Moved by pixels to the right and down; the edge is repeated.
    Shift(i32, i32),
    /// Uniform noise of at most this many levels of 255 either way.
    Noise(f32),
    /// Words across the picture, white in a dark frame, `height` as a share of the side, at a
    /// height down from the top.
    Written {
        /// Capital letters, digits and spaces.
        words: &'a str,
        /// Height of the letters as a share of the side.
        height: f32,
        /// Where the letters begin, from the top, as a share of the side.
        down: f32,
        /// 1 for solid, less for a watermark.
        opacity: f32,
    },
}

impl Distortion<'_> {
    /// The picture with the change. One that cannot be compressed is returned as it is.
    #[must_use]
    pub fn applied(&self, picture: &Drawn, rng: &mut Rng) -> Drawn {
        let side = picture.side;
        let rgb = match *self {
            Self::Jpeg(quality) => compressed(picture, quality).unwrap_or_else(|| picture.rgb.clone()),
            Self::Shift(right, down) => shifted(picture, right, down),
            Self::Noise(levels) => picture
                .rgb
                .iter()
                .map(|&c| {
                    (f32::from(c) + rng.random_range(-levels..=levels))
                        .round()
                        .clamp(0.0, 255.0) as u8
                })
                .collect(),
            Self::Written {
                words,
                height,
                down,
                opacity,
            } => glyphs::written(picture, words, height, down, opacity),
        };
        Drawn { side, rgb }
    }
}

fn compressed(picture: &Drawn, quality: u8) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    JpegEncoder::new_with_quality(&mut file, quality.clamp(1, 100))
        .write_image(&picture.rgb, picture.side, picture.side, ExtendedColorType::Rgb8)
        .ok()?;
    let decoded = image::load_from_memory_with_format(&file, ImageFormat::Jpeg).ok()?;
    Some(decoded.into_rgb8().into_raw())
}

fn shifted(picture: &Drawn, right: i32, down: i32) -> Vec<u8> {
    let side = i64::from(picture.side);
    let from = |at: i64, by: i32| (at - i64::from(by)).clamp(0, side - 1);
    let mut rgb = Vec::with_capacity(picture.rgb.len());
    for y in 0..side {
        for x in 0..side {
            let at = ((from(y, down) * side + from(x, right)) * 3) as usize;
            rgb.extend_from_slice(&picture.rgb[at..at + 3]);
        }
    }
    rgb
}
