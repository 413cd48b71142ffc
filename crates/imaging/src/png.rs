//! PNG, row by row: colour profile and texts are not looked at, so that nothing in them is unpacked.

use std::io::{BufRead, ErrorKind, Seek};

use image::ColorType;
use image::metadata::Orientation;
use png::{BitDepth, DecodingError, Transformations};

use super::canvas::{self, Canvas};
use super::decode::{Decoded, check_size, claim, in_words};
use super::{PictureError, PictureFlag};
use types::PictureFormat;

/// What one chunk beside the pixels may hold, in bytes; also the decoder's own row.
const MOST_METADATA: usize = 4 << 20;

/// The keyword of the note in a picture that was kept smaller than it came.
const NOTE: &str = "prompt-calibrator";
/// What the note says before the size.
const REDUCED: &str = "reduced from ";

/// Decodes the first picture of a PNG.
pub(super) fn draw(
    source: impl BufRead + Seek,
    max_pixels: u64,
    flags: &mut Vec<PictureFlag>,
) -> Result<Decoded, PictureError> {
    let limits = png::Limits { bytes: MOST_METADATA };
    let mut decoder = png::Decoder::new_with_limits(source, limits);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let info = decoder.read_header_info().map_err(broken)?;
    let (width, height) = info.size();
    let (interlaced, deep) = (info.interlaced, info.bit_depth == BitDepth::Sixteen);
    check_size(PictureFormat::Png, (width, height), max_pixels)?;
    // Four samples a pixel at most; some rows lie in the decoder.
    let row = u64::from(width) * if deep { 8 } else { 4 };
    let rows = if interlaced { u64::from(height) + 8 } else { 8 };
    let needs = row * rows + canvas::kept_bytes(width, height) + 3 * MOST_METADATA as u64;
    let _held = claim(PictureFormat::Png, (width, height), needs)?;
    let mut reader = decoder.read_info().map_err(broken)?;
    let info = reader.info();
    if info.animation_control.is_some() {
        flags.push(PictureFlag::Animated);
    }
    if info
        .frame_control
        .is_some_and(|frame| (frame.width, frame.height) != (width, height))
    {
        return Err(damaged("its first frame has another size than the picture"));
    }
    let orientation = info
        .exif_metadata
        .as_ref()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    let color = match reader.output_color_type() {
        (png::ColorType::Grayscale, BitDepth::Eight) => ColorType::L8,
        (png::ColorType::Grayscale, BitDepth::Sixteen) => ColorType::L16,
        (png::ColorType::GrayscaleAlpha, BitDepth::Eight) => ColorType::La8,
        (png::ColorType::GrayscaleAlpha, BitDepth::Sixteen) => ColorType::La16,
        (png::ColorType::Rgb, BitDepth::Eight) => ColorType::Rgb8,
        (png::ColorType::Rgb, BitDepth::Sixteen) => ColorType::Rgb16,
        (png::ColorType::Rgba, BitDepth::Eight) => ColorType::Rgba8,
        (png::ColorType::Rgba, BitDepth::Sixteen) => ColorType::Rgba16,
        other => return Err(damaged(&format!("samples of the kind {other:?}"))),
    };
    let mut canvas = Canvas::new(width, height);
    let line = reader
        .output_line_size(width)
        .ok_or_else(|| damaged("its rows are too long"))?;
    if interlaced {
        let mut frame = vec![0; line * height as usize];
        reader.next_frame(&mut frame).map_err(broken)?;
        for row in frame.chunks_exact(line) {
            canvas.big_endian_row(color, row);
        }
    } else {
        let mut row = vec![0; line];
        while reader.read_row(&mut row).map_err(broken)?.is_some() {
            canvas.big_endian_row(color, &row);
        }
    }
    Ok(Decoded {
        size: (width, height),
        drawn: canvas.drawn(),
        color,
        orientation,
    })
}

/// Writes pixels as PNG, with a note of what they were reduced from.
pub(super) fn encode(rgb: &[u8], size: (u32, u32), from: (u32, u32)) -> Result<Vec<u8>, PictureError> {
    let failed = |error: png::EncodingError| PictureError::Internal {
        step: "encoding a PNG",
        reason: error.to_string(),
    };
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder
        .add_text_chunk(NOTE.to_owned(), format!("{REDUCED}{}x{}", from.0, from.1))
        .map_err(failed)?;
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(rgb).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// What a picture was reduced from before it was kept, as [`encode`] noted it.
pub(super) fn noted(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.get(8..)?;
    loop {
        let (head, tail) = rest.split_at_checked(8)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let (data, after) = tail.split_at_checked(usize::try_from(length).ok()?)?;
        match &head[4..] {
            b"IDAT" | b"IEND" => return None,
            b"tEXt" => {
                if let Some(size) = note(data) {
                    return Some(size);
                }
            }
            _ => {}
        }
        rest = after.get(4..)?;
    }
}

/// The size in a text that [`encode`] wrote.
pub(super) fn note(data: &[u8]) -> Option<(u32, u32)> {
    let text = data.strip_prefix(NOTE.as_bytes())?.strip_prefix(b"\0")?;
    let size = std::str::from_utf8(text).ok()?.strip_prefix(REDUCED)?;
    let (width, height) = size.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

fn broken(error: DecodingError) -> PictureError {
    match error {
        DecodingError::IoError(io) if io.kind() == ErrorKind::UnexpectedEof => PictureError::Truncated {
            format: PictureFormat::Png,
        },
        error => in_words(PictureFormat::Png, error.to_string()),
    }
}

fn damaged(reason: &str) -> PictureError {
    PictureError::Broken {
        format: PictureFormat::Png,
        reason: reason.to_owned(),
    }
}
