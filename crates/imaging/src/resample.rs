//! Resizing of RGB pixels: one place that knows the resizing library.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::PictureError;

/// Resizes `width × height` RGB pixels to exactly `to` (both sides at least 1), stretching if the
/// aspect differs. Lanczos3 where something shrinks, Catmull-Rom (less ringing) where all grows.
/// The same size is returned unchanged.
pub(super) fn resize(rgb: &[u8], (width, height): (u32, u32), to: (u32, u32)) -> Result<Vec<u8>, PictureError> {
    if (width, height) == to {
        return Ok(rgb.to_vec());
    }
    let shrinks = to.0 < width || to.1 < height;
    let filter = if shrinks {
        FilterType::Lanczos3
    } else {
        FilterType::CatmullRom
    };
    let source = ImageRef::new(width, height, rgb, PixelType::U8x3).map_err(failed)?;
    let mut target = Image::new(to.0, to.1, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    Resizer::new().resize(&source, &mut target, &options).map_err(failed)?;
    Ok(target.into_vec())
}

/// The largest size inside `bound` that keeps the aspect of `size`; never larger than `size`,
/// never below 1 pixel.
pub(super) fn shrink_into((width, height): (u32, u32), bound: (u32, u32)) -> (u32, u32) {
    let ratio = (f64::from(bound.0) / f64::from(width))
        .min(f64::from(bound.1) / f64::from(height))
        .min(1.0);
    (scaled(width, ratio).min(bound.0), scaled(height, ratio).min(bound.1))
}

/// `side × ratio`, rounded, at least 1.
pub(super) fn scaled(side: u32, ratio: f64) -> u32 {
    // A float cast saturates, so no value is out of range.
    (f64::from(side) * ratio).round().max(1.0) as u32
}

fn failed(error: impl std::fmt::Display) -> PictureError {
    PictureError::Internal {
        step: "resizing a picture",
        reason: error.to_string(),
    }
}
