//! From the bytes of a file to upright, opaque 8-bit sRGB pixels.
//!
//! Order matters: length, then kind, then the size in the header, and only then the pixels. Colour
//! profiles are not applied: pixels are taken as sRGB, as the model's own preprocessing does.

use std::io::{Cursor, ErrorKind};

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{AnimationDecoder, ColorType, DynamicImage, ImageDecoder, ImageError};

use super::{ImageHash, Picture, PictureError, PictureFlag, PictureFormat, jpeg, sniff};

/// How large a picture may be before it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width × height in the header.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 64 MiB and 64 megapixels (2²⁰ pixels each).
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
            max_pixels: 64 << 20,
        }
    }
}

impl Limits {
    /// Checks a file's length. Call it with the file's metadata before reading the file.
    ///
    /// # Errors
    /// [`PictureError::Empty`] or [`PictureError::TooManyBytes`].
    pub fn check_bytes(&self, bytes: u64) -> Result<(), PictureError> {
        if bytes == 0 {
            Err(PictureError::Empty)
        } else if bytes > self.max_bytes {
            Err(PictureError::TooManyBytes {
                bytes,
                limit: self.max_bytes,
            })
        } else {
            Ok(())
        }
    }

    /// What a decoder may allocate. Sixteen bytes a pixel is the widest sample layout (four
    /// floats); the slack covers tables and small pictures.
    fn decoder_limits(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(self.max_pixels.saturating_mul(16).saturating_add(64 << 20));
        limits
    }
}

/// Decodes PNG, JPEG, WebP, GIF (first frame), BMP or TIFF.
///
/// The orientation tag is applied, alpha is composited on white, 16-bit and float samples are
/// reduced to 8 bits, CMYK is converted; [`Picture::flags`] says which of these happened.
///
/// # Errors
/// See [`PictureError`]: too large (checked before decoding), not a picture (saying what it looks
/// like), cut off, damaged.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, PictureError> {
    limits.check_bytes(bytes.len() as u64)?;
    let format = sniff::sniff(bytes)?;
    let mut flags = Vec::new();
    let image = read_pixels(bytes, format, limits, &mut flags)?;
    let (width, height) = (image.width(), image.height());
    let rgb = flatten(image, &mut flags);
    Ok(Picture {
        rgb: rgb.into(),
        width,
        height,
        hash: ImageHash::of(bytes),
        format,
        flags,
    })
}

fn read_pixels(
    bytes: &[u8],
    format: PictureFormat,
    limits: &Limits,
    flags: &mut Vec<PictureFlag>,
) -> Result<DynamicImage, PictureError> {
    let broken = |error| classify(format, &error);
    let source = || Cursor::new(bytes);
    let reading = Reading { format, limits };
    match format {
        PictureFormat::Png => {
            let decoder = PngDecoder::new(source()).map_err(broken)?;
            if decoder.is_apng().map_err(broken)? {
                flags.push(PictureFlag::Animated);
            }
            reading.run(decoder, flags)
        }
        PictureFormat::Jpeg => {
            let markers = jpeg::markers(bytes);
            if !markers.complete {
                return Err(PictureError::Truncated { format });
            }
            if markers.components == 4 {
                flags.push(PictureFlag::FromCmyk);
            }
            reading.run(JpegDecoder::new(source()).map_err(broken)?, flags)
        }
        PictureFormat::Webp => {
            if riff_is_cut(bytes) {
                return Err(PictureError::Truncated { format });
            }
            let decoder = WebPDecoder::new(source()).map_err(broken)?;
            if decoder.has_animation() {
                flags.push(PictureFlag::Animated);
            }
            reading.run(decoder, flags)
        }
        PictureFormat::Gif => {
            let image = reading.run(GifDecoder::new(source()).map_err(broken)?, flags)?;
            // Only after the size was found small enough.
            if second_frame(bytes, limits) {
                flags.insert(0, PictureFlag::Animated);
            }
            Ok(image)
        }
        PictureFormat::Bmp => reading.run(BmpDecoder::new(source()).map_err(broken)?, flags),
        PictureFormat::Tiff => reading.run(TiffDecoder::new(source()).map_err(broken)?, flags),
        PictureFormat::Pixels => Err(PictureError::NotAPicture {
            looks_like: "a pixel buffer without a header",
        }),
    }
}

/// What every format's reading has in common.
struct Reading<'a> {
    format: PictureFormat,
    limits: &'a Limits,
}

impl Reading<'_> {
    fn run(&self, mut decoder: impl ImageDecoder, flags: &mut Vec<PictureFlag>) -> Result<DynamicImage, PictureError> {
        let format = self.format;
        let (width, height) = decoder.dimensions();
        if width == 0 || height == 0 {
            return Err(PictureError::NoPixels { format, width, height });
        }
        if u64::from(width) * u64::from(height) > self.limits.max_pixels {
            let limit = self.limits.max_pixels;
            return Err(PictureError::TooManyPixels { width, height, limit });
        }
        let broken = |error| classify(format, &error);
        decoder.set_limits(self.limits.decoder_limits()).map_err(broken)?;
        // A broken orientation tag is no reason to refuse the pixels.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut image = DynamicImage::from_decoder(decoder).map_err(broken)?;
        if orientation != Orientation::NoTransforms {
            image.apply_orientation(orientation);
            flags.push(PictureFlag::Turned);
        }
        Ok(image)
    }
}

/// Whether a RIFF file is shorter than its header says; its decoder calls that corrupt at best. One
/// missing byte may be the padding that some encoders leave out.
fn riff_is_cut(bytes: &[u8]) -> bool {
    let size = bytes
        .get(4..8)
        .and_then(|size| size.try_into().ok())
        .map(u32::from_le_bytes);
    size.is_none_or(|size| u64::from(size) + 8 > bytes.len() as u64 + 1)
}

fn second_frame(bytes: &[u8], limits: &Limits) -> bool {
    let Ok(mut decoder) = GifDecoder::new(Cursor::new(bytes)) else {
        return false;
    };
    if decoder.set_limits(limits.decoder_limits()).is_err() {
        return false;
    }
    decoder.into_frames().take(2).filter(Result::is_ok).count() == 2
}

/// Eight bits a sample, no alpha.
fn flatten(image: DynamicImage, flags: &mut Vec<PictureFlag>) -> Vec<u8> {
    let color = image.color();
    if !matches!(
        color,
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8
    ) {
        flags.push(PictureFlag::ReducedDepth);
    }
    if !color.has_alpha() {
        return image.into_rgb8().into_raw();
    }
    let rgba = image.into_rgba8();
    if rgba.pixels().any(|pixel| pixel[3] != 255) {
        flags.push(PictureFlag::AlphaOnWhite);
    }
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.pixels() {
        let alpha = u32::from(pixel[3]);
        for &sample in &pixel.0[..3] {
            let mixed = (u32::from(sample) * alpha + 255 * (255 - alpha) + 127) / 255;
            rgb.push(u8::try_from(mixed).unwrap_or(u8::MAX));
        }
    }
    rgb
}

/// Cut off, or otherwise damaged? The decoders agree on neither error kinds nor words.
fn classify(format: PictureFormat, error: &ImageError) -> PictureError {
    let reason = error.to_string();
    let end_of_file = match error {
        ImageError::IoError(io) => io.kind() == ErrorKind::UnexpectedEof,
        _ => {
            let lower = reason.to_ascii_lowercase();
            ["eof", "end of file", "failed to fill whole buffer"]
                .iter()
                .any(|w| lower.contains(w))
        }
    };
    if end_of_file {
        PictureError::Truncated { format }
    } else {
        PictureError::Broken { format, reason }
    }
}
