//! Draws the scene that a prompt describes:
//! `cargo run -p prompt-calibrator-scenes --example described -- star.png 1 "a large red star"`.
//! The number is the seed: of what the prompt does not say, and of small variations of what it says.

use std::fs::File;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};
use scenes::{Scene, draw};

const SIDE: u32 = 512;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, seed, prompt] = arguments.as_slice() else {
        return Err("three arguments are needed: a PNG file, a seed, a prompt".into());
    };
    let drawn = draw(&Scene::described(prompt, seed.parse()?), SIDE);
    PngEncoder::new_with_quality(File::create(path)?, CompressionType::Best, FilterType::Adaptive).write_image(
        &drawn.rgb,
        SIDE,
        SIDE,
        ExtendedColorType::Rgb8,
    )?;
    Ok(())
}
