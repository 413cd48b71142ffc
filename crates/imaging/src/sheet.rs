//! What an agent or a person is shown: previews and labelled contact sheets, as JPEG.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use super::{Picture, PictureError, resample};
use text::font::{self, GLYPH_HEIGHT, GLYPH_WIDTH};

/// The most pictures of one sheet.
pub const MAX_CELLS: usize = 24;

const JPEG_QUALITY: u8 = 85;
const SHEET_WIDTH: u32 = 1536;
const MAX_COLUMNS: usize = 4;
/// A sheet of one or two pictures does not blow them up to the full width.
const MAX_CELL_SIDE: u32 = 640;
const GAP: u32 = 12;
/// Label pixels per font pixel.
const TEXT_SCALE: u32 = 3;
const LABEL_HEIGHT: u32 = GLYPH_HEIGHT * TEXT_SCALE + 12;
/// Advance of one character: the glyph and one column of space.
const ADVANCE: u32 = (GLYPH_WIDTH + 1) * TEXT_SCALE;

const BACKGROUND: [u8; 3] = [28, 28, 30];
const TEXT: [u8; 3] = [240, 240, 240];
const MARK: [u8; 3] = [96, 200, 120];

/// One picture of a sheet.
#[derive(Clone, Copy, Debug)]
pub struct SheetCell<'a> {
    /// The picture; it is shrunk to its cell, never enlarged.
    pub picture: &'a Picture,
    /// What stands above it, such as `reference` or `#3 0.71`; cut where it would not fit.
    pub label: &'a str,
    /// Whether label and frame are highlighted (the best so far, say).
    pub marked: bool,
}

/// A JPEG (quality 85) of `picture`, at most `max_side` pixels (at least 1) on its longer side.
///
/// # Errors
/// [`PictureError::Internal`] if resizing or encoding fails.
pub fn preview(picture: &Picture, max_side: u32) -> Result<Vec<u8>, PictureError> {
    let bound = max_side.max(1);
    let size = resample::shrink_into((picture.width(), picture.height()), (bound, bound));
    let pixels = resample::resize(picture.rgb(), (picture.width(), picture.height()), size)?;
    encode(&pixels, size)
}

/// A contact sheet as JPEG, at most 1536 px wide: `cells` row by row in the order given (the
/// reference first), up to four in a row, each with its label above it.
///
/// # Errors
/// [`PictureError::SheetSize`] for no cells or more than [`MAX_CELLS`]; [`PictureError::Internal`]
/// if resizing or encoding fails.
pub fn sheet(cells: &[SheetCell<'_>]) -> Result<Vec<u8>, PictureError> {
    if cells.is_empty() || cells.len() > MAX_CELLS {
        return Err(PictureError::SheetSize {
            cells: cells.len(),
            max: MAX_CELLS,
        });
    }
    let columns = columns(cells.len());
    // At most four columns.
    let count = columns as u32;
    let side = ((SHEET_WIDTH - GAP * (count + 1)) / count).min(MAX_CELL_SIDE);
    let placed: Vec<Vec<Placed<'_>>> = cells
        .chunks(columns)
        .map(|row| row.iter().map(|cell| Placed::new(cell, side)).collect())
        .collect();
    let row_height = |row: &[Placed<'_>]| row.iter().map(|cell| cell.size.1).max().unwrap_or(0);
    let height = placed
        .iter()
        .map(|row| row_height(row) + LABEL_HEIGHT + GAP)
        .sum::<u32>()
        + GAP;
    let mut canvas = Canvas::new(count * (side + GAP) + GAP, height);
    let mut top = GAP;
    for row in &placed {
        let mut left = GAP;
        for cell in row {
            cell.draw(&mut canvas, (left, top), side)?;
            left += side + GAP;
        }
        top += row_height(row) + LABEL_HEIGHT + GAP;
    }
    encode(&canvas.rgb, (canvas.width, canvas.height))
}

/// Rows as even as they get: five pictures stand as 3 + 2, not 4 + 1.
fn columns(cells: usize) -> usize {
    let rows = cells.div_ceil(MAX_COLUMNS);
    cells.div_ceil(rows)
}

struct Placed<'a> {
    cell: &'a SheetCell<'a>,
    size: (u32, u32),
}

impl<'a> Placed<'a> {
    fn new(cell: &'a SheetCell<'a>, side: u32) -> Self {
        let size = (cell.picture.width(), cell.picture.height());
        Self {
            cell,
            size: resample::shrink_into(size, (side, side)),
        }
    }

    fn draw(&self, canvas: &mut Canvas, (left, top): (u32, u32), side: u32) -> Result<(), PictureError> {
        let picture = self.cell.picture;
        let pixels = resample::resize(picture.rgb(), (picture.width(), picture.height()), self.size)?;
        let at = (left + (side - self.size.0) / 2, top + LABEL_HEIGHT);
        let color = if self.cell.marked { MARK } else { TEXT };
        if self.cell.marked {
            let edge = GAP / 3;
            let frame = (self.size.0 + 2 * edge, self.size.1 + 2 * edge);
            canvas.fill((at.0 - edge, at.1 - edge), frame, MARK);
        }
        canvas.paste(&pixels, self.size, at);
        canvas.text(&cut(self.cell.label, side / ADVANCE), (left, top), color);
        Ok(())
    }
}

/// `label` in at most `room` characters, with an ellipsis if it was cut.
fn cut(label: &str, room: u32) -> String {
    let room = room as usize;
    if label.chars().count() <= room {
        return label.to_owned();
    }
    let kept: String = label.chars().take(room.saturating_sub(1)).collect();
    kept + "…"
}

struct Canvas {
    rgb: Vec<u8>,
    width: u32,
    height: u32,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        let pixels = width as usize * height as usize;
        Self {
            rgb: BACKGROUND.repeat(pixels),
            width,
            height,
        }
    }

    fn set(&mut self, x: u32, y: u32, color: [u8; 3]) {
        let start = (y as usize * self.width as usize + x as usize) * 3;
        if x < self.width
            && let Some(pixel) = self.rgb.get_mut(start..start + 3)
        {
            pixel.copy_from_slice(&color);
        }
    }

    fn fill(&mut self, (left, top): (u32, u32), (width, height): (u32, u32), color: [u8; 3]) {
        for y in top..top + height {
            for x in left..left + width {
                self.set(x, y, color);
            }
        }
    }

    fn paste(&mut self, pixels: &[u8], size: (u32, u32), (left, top): (u32, u32)) {
        let row = self.width as usize * 3;
        let start = left as usize * 3;
        let lines = self.rgb.chunks_exact_mut(row).skip(top as usize);
        for (target, source) in lines.zip(pixels.chunks_exact(size.0 as usize * 3)) {
            target[start..start + source.len()].copy_from_slice(source);
        }
    }

    fn text(&mut self, text: &str, (left, top): (u32, u32), color: [u8; 3]) {
        let mut pen = left;
        for character in text.chars() {
            for y in 0..GLYPH_HEIGHT {
                for x in (0..GLYPH_WIDTH).filter(|&x| font::is_set(character, x, y)) {
                    let at = (pen + x * TEXT_SCALE, top + y * TEXT_SCALE);
                    self.fill(at, (TEXT_SCALE, TEXT_SCALE), color);
                }
            }
            pen += ADVANCE;
        }
    }
}

fn encode(rgb: &[u8], (width, height): (u32, u32)) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
        .encode(rgb, width, height, ExtendedColorType::Rgb8)
        .map_err(|error| PictureError::Internal {
            step: "encoding a JPEG",
            reason: error.to_string(),
        })?;
    Ok(bytes)
}
