//! Pictures: decoding with limits, fitting to a token budget, previews, contact sheets and
//! deterministic signals.
//!
//! Everything here is a pure function of its arguments: bytes or pixels in, bytes, pixels or numbers
//! out. No file is opened, so roots are enforced by the caller. The one thing shared is the memory that decoding takes
//! ([`MOST_MEMORY`]).
//!
//! [`decode`] turns the bytes of a file into a [`Picture`] (8-bit sRGB, upright, opaque);
//! [`fit`] resizes it for the judge; [`preview`] and [`sheet`] make what is shown to an agent;
//! [`Signals::between`] measures what a vision model is bad at.

mod canvas;
mod decode;
mod error;
mod fit;
mod gif;
mod jpeg;
pub mod metadata;
mod png;
mod resample;
mod room;
mod sheet;
mod signals;
mod sniff;
mod webp;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use decode::{Limits, MOST_KEPT_PIXELS, decode, reduced};
pub use error::PictureError;
pub use fit::{Fitted, ShapeMismatch, TOKEN_SIDE, TokenBudget, fit, shape_mismatch};
pub use room::MOST_MEMORY;
pub use sheet::{MAX_CELLS, SheetCell, preview, sheet};
pub use signals::Signals;
pub use sniff::looks_like;

use types::{ImageHash, PictureFormat};

/// The longest side of a [`preview`], in pixels, that suits what is sent to an agent.
pub const PREVIEW_SIDE: u32 = 768;

/// A decoded picture: 8-bit sRGB, upright, opaque, at least one pixel. Clones share the pixels.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    rgb: Arc<Vec<u8>>,
    width: u32,
    height: u32,
    hash: ImageHash,
    format: Option<PictureFormat>,
    flags: Vec<PictureFlag>,
    reduced_from: Option<(u32, u32)>,
}

/// What decoding changed. A judgement reports these, since each can explain a low score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PictureFlag {
    /// The file holds several frames; only the first was taken.
    Animated,
    /// Some pixels were transparent; they were composited on white.
    AlphaOnWhite,
    /// Samples of more than 8 bits were reduced to 8.
    ReducedDepth,
    /// The file's orientation tag was applied: the pixels are turned or mirrored against the file.
    Turned,
    /// A CMYK file, converted to sRGB without a colour profile; colours are approximate.
    FromCmyk,
    /// There were more pixels than are kept; squares of them became one.
    ReducedSize,
}

impl PictureFlag {
    /// Every flag.
    pub const ALL: [Self; 6] = [
        Self::Animated,
        Self::AlphaOnWhite,
        Self::ReducedDepth,
        Self::Turned,
        Self::FromCmyk,
        Self::ReducedSize,
    ];

    /// Its name in results and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Animated => "animated",
            Self::AlphaOnWhite => "alpha_on_white",
            Self::ReducedDepth => "reduced_depth",
            Self::Turned => "turned",
            Self::FromCmyk => "from_cmyk",
            Self::ReducedSize => "reduced_size",
        }
    }
}

impl Picture {
    /// Wraps pixels made in this process (rendered scenes, composites).
    ///
    /// `rgb` holds `width × height` pixels of three bytes, row by row. The hash covers size and
    /// pixels; it is not the hash of any file.
    ///
    /// # Errors
    /// [`PictureError::PixelBuffer`] if a side is 0 or the length is not `width × height × 3`.
    pub fn from_pixels(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self, PictureError> {
        // Two u32 sides and a factor of 3 do not fit 64 bits.
        let wanted = u128::from(width) * u128::from(height) * 3;
        if wanted == 0 || wanted != rgb.len() as u128 {
            return Err(PictureError::PixelBuffer {
                width,
                height,
                bytes: rgb.len(),
            });
        }
        let header = format!("rgb8:{width}x{height}:");
        let hash = ImageHash::of_parts(&[header.as_bytes(), &rgb]);
        Ok(Self {
            rgb: Arc::new(rgb),
            width,
            height,
            hash,
            format: None,
            flags: Vec::new(),
            reduced_from: None,
        })
    }

    /// The pixels: three bytes (R, G, B) each, row by row from the top left.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Width in pixels, after the orientation was applied; at least 1.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, after the orientation was applied; at least 1.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width divided by height.
    pub fn aspect(&self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    /// SHA-256 of the file's bytes.
    pub fn hash(&self) -> ImageHash {
        self.hash
    }

    /// The file's format; nothing for pixels made in this process ([`Picture::from_pixels`]).
    pub fn format(&self) -> Option<PictureFormat> {
        self.format
    }

    /// The size of the file's picture, where it had more pixels than are kept: now, or before it was kept here.
    pub fn reduced_from(&self) -> Option<(u32, u32)> {
        self.reduced_from
    }

    /// The picture with sides of at most `side` pixels, where it is larger: enough for what shows it small, so that of
    /// many pictures not all pixels lie in memory.
    ///
    /// # Errors
    /// [`PictureError::Internal`] if resizing fails.
    pub fn shrunk(self, side: u32) -> Result<Self, PictureError> {
        let size = (self.width, self.height);
        let (width, height) = resample::shrink_into(size, (side, side));
        if (width, height) == size {
            return Ok(self);
        }
        let rgb = resample::resize(&self.rgb, size, (width, height))?;
        Ok(Self {
            rgb: rgb.into(),
            width,
            height,
            ..self
        })
    }

    /// What decoding changed, in a fixed order, without repeats.
    pub fn flags(&self) -> &[PictureFlag] {
        &self.flags
    }
}

impl std::fmt::Debug for Picture {
    // Pixels would drown a log line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Picture")
            .field("size", &format_args!("{}x{}", self.width, self.height))
            .field("format", &self.format)
            .field("hash", &format_args!("{}", self.hash))
            .field("flags", &self.flags)
            .finish()
    }
}

#[cfg(test)]
mod tests;
