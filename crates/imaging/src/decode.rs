//! From the bytes of a file to upright, opaque 8-bit sRGB pixels, never more of them than the judge can see.
//!
//! Order matters: length, then kind, then the size in the header, then the memory that decoding takes, and only then the
//! pixels. Colour profiles are not applied: pixels are taken as sRGB, as the model's own preprocessing does. Nor are they
//! or other metadata unpacked: of those only what turns the picture is read.

use std::io::{BufRead, Cursor, ErrorKind, Seek};

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::jpeg::JpegDecoder;
use image::codecs::tiff::TiffDecoder;
use image::codecs::webp::WebPDecoder;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, RgbImage};

use super::canvas::{self, Canvas, Drawn};
use super::fit::{TOKEN_SIDE, TokenBudget};
use super::room::{self, Held, MOST_MEMORY};
use super::{Picture, PictureError, PictureFlag, gif, jpeg, png, sniff, webp};
use types::{ImageHash, PictureFormat};

/// Pixels of a [`Picture`] at most: what the judge sees under the largest budget. Of a larger file squares of pixels become
/// one, while it is read.
pub const MOST_KEPT_PIXELS: u64 = TokenBudget::MAX as u64 * TOKEN_SIDE as u64 * TOKEN_SIDE as u64;

/// No side is longer: rows lie in memory.
const MOST_SIDE: u32 = 65_535;

/// Pixels of a picture that is taken at a reduced size only.
const MOST_REDUCED_PIXELS: u64 = 256 << 20;

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
}

/// Decodes PNG, JPEG, WebP, GIF (first frame), BMP or TIFF.
///
/// The orientation tag is applied, alpha is composited on white, 16-bit and float samples are
/// reduced to 8 bits, CMYK is converted, more than [`MOST_KEPT_PIXELS`] become fewer; [`Picture::flags`] says which of
/// these happened. Waits where other pictures take the memory that all of them share; blocking.
///
/// # Errors
/// See [`PictureError`]: too large (checked before decoding), not a picture (saying what it looks
/// like), cut off, damaged.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, PictureError> {
    limits.check_bytes(bytes.len() as u64)?;
    let format = sniff::sniff(bytes)?;
    let mut flags = Vec::new();
    let decoded = draw(bytes, format, limits, &mut flags)?;
    let reduced_from = match format {
        // A file that was only too long was written anew in the size it had.
        PictureFormat::Png => decoded
            .reduced_from()
            .or_else(|| png::noted(bytes).filter(|size| *size != decoded.size)),
        _ => decoded.reduced_from(),
    };
    let (rgb, (width, height)) = decoded.upright(&mut flags)?;
    if reduced_from.is_some() {
        flags.push(PictureFlag::ReducedSize);
    }
    Ok(Picture {
        rgb: rgb.into(),
        width,
        height,
        hash: ImageHash::of(bytes),
        format: Some(format),
        flags,
        reduced_from,
    })
}

/// Reads a PNG that is larger than [`Limits`] allow, in bytes or in pixels, and writes it anew within them: in 8 bits a
/// sample, smaller where it has too many pixels, and with a note of the size that it had, which [`decode`] finds.
///
/// # Errors
/// [`PictureError`]; also when it has more pixels than are read at all.
pub fn reduced(source: impl BufRead + Seek) -> Result<Vec<u8>, PictureError> {
    let decoded = png::draw(source, MOST_REDUCED_PIXELS, &mut Vec::new())?;
    let from = decoded.size;
    let (rgb, size) = decoded.upright(&mut Vec::new())?;
    // The pixels, what they are packed into, and what that grows from.
    let _held = claim(PictureFormat::Png, size, rgb.len() as u64 * 3)?;
    png::encode(&rgb, size, from)
}

/// A picture as it lies in its file.
pub(super) struct Decoded {
    /// The size in the file.
    pub size: (u32, u32),
    pub drawn: Drawn,
    /// The samples in the file.
    pub color: ColorType,
    pub orientation: Orientation,
}

impl Decoded {
    /// The size in the file, where it is another than that of the pixels.
    fn reduced_from(&self) -> Option<(u32, u32)> {
        ((self.drawn.width, self.drawn.height) != self.size).then_some(self.size)
    }

    /// The pixels as they are to be seen, and their size.
    fn upright(self, flags: &mut Vec<PictureFlag>) -> Result<(Vec<u8>, (u32, u32)), PictureError> {
        let Drawn {
            rgb,
            width,
            height,
            transparent,
        } = self.drawn;
        let turned = self.orientation != Orientation::NoTransforms;
        if turned {
            flags.push(PictureFlag::Turned);
        }
        use ColorType::{L8, La8, Rgb8, Rgba8};
        if !matches!(self.color, L8 | La8 | Rgb8 | Rgba8) {
            flags.push(PictureFlag::ReducedDepth);
        }
        if transparent {
            flags.push(PictureFlag::AlphaOnWhite);
        }
        if !turned {
            return Ok((rgb, (width, height)));
        }
        let bytes = rgb.len();
        let image = RgbImage::from_raw(width, height, rgb).ok_or(PictureError::PixelBuffer { width, height, bytes })?;
        let mut image = DynamicImage::ImageRgb8(image);
        image.apply_orientation(self.orientation);
        let size = (image.width(), image.height());
        Ok((image.into_rgb8().into_raw(), size))
    }
}

fn draw(
    bytes: &[u8],
    format: PictureFormat,
    limits: &Limits,
    flags: &mut Vec<PictureFlag>,
) -> Result<Decoded, PictureError> {
    let broken = |error| classify(format, &error);
    let source = || Cursor::new(bytes);
    let reading = Reading { format, limits };
    let file = bytes.len() as u64;
    match format {
        PictureFormat::Png => png::draw(source(), limits.max_pixels, flags),
        PictureFormat::Jpeg => reading.jpeg(bytes, flags),
        PictureFormat::Webp => {
            let chunks = webp::chunks(bytes);
            if chunks.cut {
                return Err(PictureError::Truncated { format });
            }
            let decoder = WebPDecoder::new(source()).map_err(broken)?;
            if decoder.has_animation() {
                flags.push(PictureFlag::Animated);
            }
            let (width, height) = decoder.dimensions();
            let pixels = chunks.largest.max(u64::from(width) * u64::from(height));
            // Canvas and frame of an animation; a frame with its alpha; without.
            let buffers = match (decoder.has_animation(), decoder.color_type().has_alpha()) {
                (true, _) => 14,
                (false, true) => 7,
                (false, false) => 5,
            };
            reading.run(decoder, pixels * buffers, chunks.exif)
        }
        PictureFormat::Gif => {
            if gif::moves(bytes) {
                flags.push(PictureFlag::Animated);
            }
            let decoder = GifDecoder::new(source()).map_err(broken)?;
            // A frame that is not as large as the picture is unpacked beside it.
            let frame = decoder.total_bytes();
            reading.run(decoder, file + frame, true)
        }
        PictureFormat::Bmp => reading.run(BmpDecoder::new(source()).map_err(broken)?, 0, true),
        PictureFormat::Tiff => {
            let decoder = TiffDecoder::new(source()).map_err(broken)?;
            // The decoder unpacks into a buffer of its own, from strips that may be the whole file.
            let unpacked = decoder.total_bytes().saturating_mul(4) / 3;
            reading.run(decoder, unpacked.saturating_add(file + (1 << 20)), true)
        }
    }
}

/// What the reading of every format but PNG has in common.
struct Reading<'a> {
    format: PictureFormat,
    limits: &'a Limits,
}

impl Reading<'_> {
    fn jpeg(&self, bytes: &[u8], flags: &mut Vec<PictureFlag>) -> Result<Decoded, PictureError> {
        let format = self.format;
        let markers = jpeg::markers(bytes);
        if !markers.complete {
            return Err(PictureError::Truncated { format });
        }
        if markers.components == 4 {
            flags.push(PictureFlag::FromCmyk);
        }
        let (width, height) = markers.size;
        check_size(format, (width, height), self.limits.max_pixels)?;
        let (w, h) = (u64::from(width), u64::from(height));
        let pixels = w * h * if markers.components == 1 { 1 } else { 3 };
        let coefficients = match markers.several_scans {
            true => (w + 32) * (h + 32) * 2 * u64::from(markers.components),
            false => 0,
        };
        // What is left of the file is copied by the decoder, and then lies there once.
        let file = bytes.len() as u64;
        let needs = file + file.max(pixels + coefficients + canvas::kept_bytes(width, height));
        let _held = claim(format, (width, height), needs)?;
        let decoder = JpegDecoder::new(Cursor::new(jpeg::without_metadata(bytes)));
        let decoder = decoder.map_err(|error| classify(format, &error))?;
        if decoder.dimensions() != (width, height) || decoder.total_bytes() > pixels {
            let reason = "its headers contradict one another".to_owned();
            return Err(PictureError::Broken { format, reason });
        }
        self.pixels(decoder, needs, true)
    }

    /// Decodes; `extra` is what the decoder takes beside the pixels it hands out, in bytes.
    fn run(&self, decoder: impl ImageDecoder, extra: u64, may_turn: bool) -> Result<Decoded, PictureError> {
        let format = self.format;
        let size = decoder.dimensions();
        check_size(format, size, self.limits.max_pixels)?;
        let needs = decoder.total_bytes().saturating_add(extra) + canvas::kept_bytes(size.0, size.1);
        let _held = claim(format, size, needs)?;
        self.pixels(decoder, extra, may_turn)
    }

    /// Decodes what there is memory for.
    fn pixels(&self, mut decoder: impl ImageDecoder, extra: u64, may_turn: bool) -> Result<Decoded, PictureError> {
        let format = self.format;
        let (size, frame) = (decoder.dimensions(), decoder.total_bytes());
        let broken = |error| classify(format, &error);
        let mut limits = image::Limits::no_limits();
        limits.max_alloc = Some(extra);
        decoder.set_limits(limits).map_err(broken)?;
        // A broken orientation tag is no reason to refuse the pixels.
        let orientation = match may_turn {
            true => decoder.orientation().unwrap_or(Orientation::NoTransforms),
            false => Orientation::NoTransforms,
        };
        let color = decoder.color_type();
        // No more than `MOST_MEMORY`, as was checked.
        let mut samples = vec![0; usize::try_from(frame).unwrap_or_default()];
        decoder.read_image(&mut samples).map_err(broken)?;
        let mut canvas = Canvas::new(size.0, size.1);
        for row in samples.chunks_exact(samples.len() / size.1 as usize) {
            canvas.row(color, row);
        }
        Ok(Decoded {
            size,
            drawn: canvas.drawn(),
            color,
            orientation,
        })
    }
}

/// Checks the size in a header.
pub(super) fn check_size(
    format: PictureFormat,
    (width, height): (u32, u32),
    max_pixels: u64,
) -> Result<(), PictureError> {
    if width == 0 || height == 0 {
        return Err(PictureError::NoPixels { format, width, height });
    }
    if u64::from(width) * u64::from(height) > max_pixels {
        let limit = max_pixels;
        return Err(PictureError::TooManyPixels { width, height, limit });
    }
    if width.max(height) > MOST_SIDE {
        let limit = MOST_SIDE;
        return Err(PictureError::TooLong { width, height, limit });
    }
    Ok(())
}

/// Waits for the memory that decoding takes.
pub(super) fn claim(
    format: PictureFormat,
    (width, height): (u32, u32),
    needs: u64,
) -> Result<Held<'static>, PictureError> {
    room::take(needs).ok_or(PictureError::TooMuchMemory {
        format,
        width,
        height,
        needs,
        limit: MOST_MEMORY,
    })
}

/// Cut off, or otherwise damaged? The decoders agree on neither error kinds nor words.
fn classify(format: PictureFormat, error: &ImageError) -> PictureError {
    match error {
        ImageError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => PictureError::Truncated { format },
        ImageError::IoError(io) => PictureError::Broken {
            format,
            reason: io.to_string(),
        },
        error => in_words(format, error.to_string()),
    }
}

/// The same by what a decoder says.
pub(super) fn in_words(format: PictureFormat, reason: String) -> PictureError {
    let lower = reason.to_ascii_lowercase();
    let end_of_file = ["eof", "end of file", "failed to fill whole buffer"]
        .iter()
        .any(|words| lower.contains(words));
    match end_of_file {
        true => PictureError::Truncated { format },
        false => PictureError::Broken { format, reason },
    }
}
