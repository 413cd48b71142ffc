mod decoding;
mod fitting;
mod limits;
mod seeing;

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::*;

/// Red above blue, with a slope along x so that no two columns are alike.
fn sample(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let slope = u8::try_from(x * 100 / width).unwrap();
        image::Rgb(if y < height / 2 {
            [220, slope, 30]
        } else {
            [30, slope, 220]
        })
    })
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn picture(image: RgbImage) -> Picture {
    let (width, height) = image.dimensions();
    Picture::from_pixels(width, height, image.into_raw()).unwrap()
}

fn read(bytes: &[u8]) -> Result<Picture, PictureError> {
    decode(bytes, &Limits::default())
}

fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let start = (y * picture.width() + x) as usize * 3;
    picture.rgb()[start..start + 3].try_into().unwrap()
}

#[track_caller]
fn assert_near(found: [u8; 3], wanted: [u8; 3], tolerance: u8) {
    let near = found.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= tolerance);
    assert!(near, "{found:?} is not near {wanted:?}");
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}
