//! Deterministic, cheap comparisons of two pictures: colour, brightness, sharpness, layout.
//!
//! They stand beside the judge's axes where vision models are weak and say nothing about identity,
//! action or affect. Two pictures of equal pixels give exact zeros (and a structural similarity of
//! exactly 1). Exchanging the pictures changes the sign of the two signed signals and nothing else.

mod color;
mod layout;

use serde::{Deserialize, Serialize};

use super::{Picture, PictureError, resample};

/// Side of the square, in pixels, at which colours are taken.
const COLOR_SIDE: u32 = 64;
/// Longer side, in pixels, at which sharpness is compared.
const SHARP_SIDE: u32 = 512;
/// Side of the square at which structural similarity is taken.
const SSIM_SIDE: u32 = 256;
/// Side of the square at which gradients are taken.
const HOG_SIDE: u32 = 128;
/// Side of the square of which the perceptual hash takes the low frequencies.
const PHASH_SIDE: u32 = 32;

/// How two pictures differ, without a model. Values are rounded to four decimals.
///
/// Layout signals stretch both pictures to a common square, so a difference in shape alone does not
/// show there; [`shape_mismatch`](super::shape_mismatch) reports it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Signals {
    /// Distance of the colour palettes in CIEDE2000 units: 0 the same, 1 just visible, above 10
    /// clearly different, about 100 black against white. Each picture is cut into eight colours of
    /// equal area (median cut in CIELAB); the value is the mean difference under the best matching.
    pub palette: f64,
    /// Mean CIE L* of the second picture minus the first: −100 to 100, above 0 = second is brighter.
    pub brightness: f64,
    /// log₂ of second ÷ first variance of the Laplacian of luma at a common size: 0 the same, above
    /// 0 = second is sharper (or noisier), 1 = twice the variance.
    pub sharpness: f64,
    /// Distance of histograms of oriented gradients (Dalal and Triggs 2005): 0 the same edges at the
    /// same places, 1 none in common.
    pub hog: f64,
    /// Mean structural similarity of luma (Wang et al. 2004): 1 the same, around 0 unrelated, −1 at
    /// worst.
    pub ssim: f64,
    /// Bits that differ between the 64-bit perceptual hashes (DCT, Zauner 2010): 0 to 64, around 32
    /// for unrelated pictures.
    pub phash: u32,
}

impl Signals {
    /// Compares `second` (generated) with `first` (reference).
    ///
    /// # Errors
    /// [`PictureError::Internal`] if resizing fails.
    pub fn between(first: &Picture, second: &Picture) -> Result<Self, PictureError> {
        let colors = |picture| Ok::<_, PictureError>(color::lab(&square(picture, COLOR_SIDE)?));
        let (lab_first, lab_second) = (colors(first)?, colors(second)?);
        let common = common_size(first, second);
        let sharp = |picture| {
            let luma = Luma::of(picture, common)?;
            Ok::<_, PictureError>(layout::laplacian_variance(&luma))
        };
        let luma = |picture, side| Luma::of(picture, (side, side));
        Ok(Self {
            palette: rounded(color::palette_distance(&lab_first, &lab_second)),
            brightness: rounded(color::mean_lightness(&lab_second) - color::mean_lightness(&lab_first)),
            sharpness: rounded(layout::log_ratio(sharp(first)?, sharp(second)?)),
            hog: rounded(layout::hog_distance(&luma(first, HOG_SIDE)?, &luma(second, HOG_SIDE)?)),
            ssim: rounded(layout::ssim(&luma(first, SSIM_SIDE)?, &luma(second, SSIM_SIDE)?)),
            phash: (layout::phash(&luma(first, PHASH_SIDE)?) ^ layout::phash(&luma(second, PHASH_SIDE)?)).count_ones(),
        })
    }
}

/// Luma of a picture, 0 to 255 (BT.601 weights, on the stored values), row by row.
struct Luma {
    values: Vec<f64>,
    width: usize,
    height: usize,
}

impl Luma {
    fn of(picture: &Picture, size: (u32, u32)) -> Result<Self, PictureError> {
        let source = (picture.width(), picture.height());
        let rgb = resample::resize(picture.rgb(), source, size)?;
        let values = rgb
            .chunks_exact(3)
            .map(|p| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]))
            .collect();
        Ok(Self {
            values,
            width: size.0 as usize,
            height: size.1 as usize,
        })
    }

    /// The value at (`x`, `y`), which lie inside.
    fn at(&self, x: usize, y: usize) -> f64 {
        self.values[y * self.width + x]
    }
}

/// The smaller width and the smaller height of both, shrunk to at most [`SHARP_SIDE`]: neither
/// picture is enlarged, which would count as blur.
fn common_size(first: &Picture, second: &Picture) -> (u32, u32) {
    let size = (first.width().min(second.width()), first.height().min(second.height()));
    resample::shrink_into(size, (SHARP_SIDE, SHARP_SIDE))
}

fn square(picture: &Picture, side: u32) -> Result<Vec<u8>, PictureError> {
    resample::resize(picture.rgb(), (picture.width(), picture.height()), (side, side))
}

/// Four decimals, and no negative zero.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0 + 0.0
}
