//! Draws a sheet of random scenes: `cargo run --release -p prompt-calibrator-scenes --example sheet -- sheet.jpg`.

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use scenes::{Scene, draw, rng};

const SIDE: u32 = 128;
const COLUMNS: u32 = 8;
const ROWS: u32 = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "scenes.jpg".into());
    let mut rng = rng(1);
    let (width, height) = (COLUMNS * SIDE, ROWS * SIDE);
    let mut sheet = vec![0u8; (width * height * 3) as usize];
    for tile in 0..COLUMNS * ROWS {
        let drawn = draw(&Scene::random_partly_hidden(&mut rng), SIDE);
        let (left, top) = (tile % COLUMNS * SIDE, tile / COLUMNS * SIDE);
        for (row, line) in drawn.rgb.chunks_exact((SIDE * 3) as usize).enumerate() {
            let at = (((top + row as u32) * width + left) * 3) as usize;
            sheet[at..at + line.len()].copy_from_slice(line);
        }
    }
    let file = std::fs::File::create(path)?;
    JpegEncoder::new_with_quality(file, 92).write_image(&sheet, width, height, ExtendedColorType::Rgb8)?;
    Ok(())
}
