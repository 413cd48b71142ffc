//! Hues, on a circle on which equal steps look about equally large (Oklch).

use palette::{IntoColor, Oklch, Srgb};
use serde::{Deserialize, Serialize};

/// A hue in degrees, `[0, 360)`, of the Oklch colour space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hue(f32);

/// Names, each at the middle of what it is used for.
const NAMES: [(f32, &str); 8] = [
    (25.0, "red"),
    (60.0, "orange"),
    (100.0, "yellow"),
    (145.0, "green"),
    (200.0, "cyan"),
    (260.0, "blue"),
    (305.0, "purple"),
    (350.0, "pink"),
];

impl Hue {
    /// A hue of any number of degrees.
    #[must_use]
    pub fn new(degrees: f32) -> Self {
        Self(degrees.rem_euclid(360.0))
    }

    /// Degrees, `[0, 360)`.
    #[must_use]
    pub fn degrees(self) -> f32 {
        self.0
    }

    /// The shorter way round to another, in degrees, `[0, 180]`.
    #[must_use]
    pub fn apart(self, other: Self) -> f32 {
        let across = (self.0 - other.0).abs();
        across.min(360.0 - across)
    }

    /// This hue turned.
    #[must_use]
    pub fn turned(self, degrees: f32) -> Self {
        Self::new(self.0 + degrees)
    }

    /// The nearest name.
    #[must_use]
    pub fn word(self) -> &'static str {
        NAMES
            .iter()
            .min_by(|a, b| self.apart(Self(a.0)).total_cmp(&self.apart(Self(b.0))))
            .map_or("", |(_, name)| name)
    }

    /// The hue of a name.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        NAMES.iter().find(|(_, name)| *name == word).map(|(at, _)| Self(*at))
    }

    /// sRGB in `[0, 255]` at a lightness and a chroma of Oklch, clipped to what a screen shows.
    pub(crate) fn rgb(self, lightness: f32, chroma: f32) -> [f32; 3] {
        let srgb: Srgb<f32> = Oklch::new(lightness, chroma, self.0).into_color();
        [srgb.red, srgb.green, srgb.blue].map(|c| c.clamp(0.0, 1.0) * 255.0)
    }
}
