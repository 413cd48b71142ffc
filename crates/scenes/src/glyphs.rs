//! Words written over a picture, in block letters.

use text::font::{self, GLYPH_HEIGHT, GLYPH_WIDTH};

use crate::draw::Drawn;

/// A letter and one column of space.
const COLUMNS: f32 = (GLYPH_WIDTH + 1) as f32;
const ROWS: f32 = GLYPH_HEIGHT as f32;

/// The picture with words in white on a dark band; letters shrink to fit the width.
pub(crate) fn written(picture: &Drawn, words: &str, height: f32, down: f32, opacity: f32) -> Vec<u8> {
    let side = picture.side as f32;
    let letters: Vec<char> = words.chars().collect();
    let wide = letters.len() as f32 * COLUMNS + 1.0;
    let dot = (height * side / ROWS).min(side / wide).max(0.5);
    let left = ((side - wide * dot) / 2.0).max(0.0);
    let top = down * side;
    let mut rgb = picture.rgb.clone();
    for y in 0..picture.side {
        let row = (y as f32 + 0.5 - top) / dot;
        if !(-1.0..ROWS + 1.0).contains(&row) {
            continue;
        }
        for x in 0..picture.side {
            let column = (x as f32 + 0.5 - left) / dot - 1.0;
            if !(-1.0..wide - 1.0).contains(&column) {
                continue;
            }
            let ink = if is_set(&letters, row, column) { 255.0 } else { 20.0 };
            let at = ((y * picture.side + x) * 3) as usize;
            for channel in &mut rgb[at..at + 3] {
                *channel = (f32::from(*channel) * (1.0 - opacity) + ink * opacity).round() as u8;
            }
        }
    }
    rgb
}

fn is_set(letters: &[char], row: f32, column: f32) -> bool {
    if row < 0.0 || column < 0.0 {
        return false;
    }
    let (letter, within) = ((column / COLUMNS) as usize, (column % COLUMNS) as u32);
    letters
        .get(letter)
        .is_some_and(|letter| font::is_set(*letter, within, row as u32))
}
