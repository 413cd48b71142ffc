//! How far two scenes lie apart on an attribute: the truth a judge is measured against.

use crate::attribute::{ATTRIBUTES, Attribute};
use crate::kinds::{Mark, Pattern, Shape, Texture, apart};
use crate::scene::{Figure, Scene};

/// Degrees of hue that are as different as can be.
pub(crate) const FULL_HUE: f32 = 120.0;
/// Degrees of light that are as different as can be.
pub(crate) const FULL_LIGHT: f32 = 120.0;
/// Doublings of the radius that are as different as can be.
pub(crate) const FULL_DOUBLINGS: f32 = 1.0;
/// Shares of the side that are as far as can be.
pub(crate) const FULL_WAY: f32 = 0.4;
/// Balls that are as different as can be.
pub(crate) const FULL_BALLS: f32 = 3.0;

impl Scene {
    /// How far another scene lies on an attribute: 0 the same, 1 unrelated. An attribute that only
    /// one of them shows is 1 apart; one that neither shows, 0.
    #[must_use]
    pub fn distance(&self, other: &Self, attribute: Attribute) -> f64 {
        match (self.shows(attribute), other.shows(attribute)) {
            (false, false) => return 0.0,
            (true, true) => {}
            _ => return 1.0,
        }
        let part = |value: f32, full: f32| f64::from((value / full).min(1.0));
        let of_figures = |compare: &dyn Fn(&Figure, &Figure) -> f64| match (&self.figure, &other.figure) {
            (Some(a), Some(b)) => compare(a, b),
            _ => 0.0,
        };
        match attribute {
            Attribute::Subject => of_figures(&|a, b| apart(&a.shape, &b.shape, Shape::FAMILIES)),
            Attribute::Colour => of_figures(&|a, b| part(a.hue.apart(b.hue), FULL_HUE)),
            Attribute::Pattern => of_figures(&|a, b| apart(&a.pattern, &b.pattern, Pattern::FAMILIES)),
            Attribute::Size => of_figures(&|a, b| part((a.radius / b.radius).log2().abs(), FULL_DOUBLINGS)),
            Attribute::Position => of_figures(&|a, b| {
                let way = (a.middle.0 - b.middle.0).hypot(a.middle.1 - b.middle.1);
                part(way, FULL_WAY)
            }),
            Attribute::Mark => of_figures(&|a, b| match (&a.mark, &b.mark) {
                (Some(a), Some(b)) => apart(a, b, Mark::FAMILIES),
                _ => 0.0,
            }),
            Attribute::Count => part(f32::from(self.balls.abs_diff(other.balls)), FULL_BALLS),
            Attribute::Background => part(self.backdrop.apart(other.backdrop), FULL_HUE),
            Attribute::Lighting => {
                let across = (self.light - other.light).abs();
                part(across.min(360.0 - across), FULL_LIGHT)
            }
            Attribute::Texture => apart(&self.texture, &other.texture, Texture::FAMILIES),
        }
    }

    /// The distances on all attributes, in the order of [`ATTRIBUTES`].
    #[must_use]
    pub fn distances(&self, other: &Self) -> [f64; ATTRIBUTES.len()] {
        ATTRIBUTES.map(|a| self.distance(other, a))
    }
}
