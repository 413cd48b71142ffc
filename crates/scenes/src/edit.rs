//! Changing one attribute by a known distance.

use rand::RngExt as _;

use crate::attribute::Attribute;
use crate::compare::{FULL_BALLS, FULL_DOUBLINGS, FULL_HUE, FULL_LIGHT, FULL_WAY};
use crate::kinds::{Mark, Pattern, Shape, Texture, apart};
use crate::sample::{Rng, one};
use crate::scene::{ACROSS, DOWN, MOST_BALLS, RADII, Scene};

impl Scene {
    /// This scene with one attribute moved by about `distance` (above 0, at most 1): exactly so for
    /// hues and light, as far as the frame allows for sizes and places, to the nearest kind
    /// otherwise. An attribute that is hidden stays hidden.
    #[must_use]
    pub fn edited(&self, attribute: Attribute, distance: f32, rng: &mut Rng) -> Self {
        self.clone().edited_from(self, attribute, distance, rng)
    }

    /// This scene without an attribute: no mark, no balls; the whole figure goes for its shape.
    /// Others cannot be hidden and stay.
    #[must_use]
    pub fn without(&self, attribute: Attribute) -> Self {
        let mut scene = self.clone();
        match attribute {
            Attribute::Mark => scene.figure.iter_mut().for_each(|f| f.mark = None),
            Attribute::Count => scene.balls = 0,
            Attribute::Subject => scene.figure = None,
            _ => {}
        }
        scene
    }

    /// This scene with `attribute` at about `distance` from what `base` has.
    pub(crate) fn edited_from(mut self, base: &Self, attribute: Attribute, distance: f32, rng: &mut Rng) -> Self {
        let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        match attribute {
            Attribute::Background => self.backdrop = base.backdrop.turned(sign * distance * FULL_HUE),
            Attribute::Lighting => self.light = (base.light + sign * distance * FULL_LIGHT).rem_euclid(360.0),
            Attribute::Texture => self.texture = other(Texture::ALL, base.texture, Texture::FAMILIES, distance, rng),
            Attribute::Count if base.balls > 0 => {
                let step = (distance * FULL_BALLS).round().max(1.0);
                self.balls = balls(base.balls, step, sign);
            }
            _ => {}
        }
        let (Some(figure), Some(of)) = (&mut self.figure, &base.figure) else {
            return self;
        };
        match attribute {
            Attribute::Subject => figure.shape = other(Shape::ALL, of.shape, Shape::FAMILIES, distance, rng),
            Attribute::Colour => figure.hue = of.hue.turned(sign * distance * FULL_HUE),
            Attribute::Pattern => figure.pattern = other(Pattern::ALL, of.pattern, Pattern::FAMILIES, distance, rng),
            Attribute::Size => figure.radius = scaled(of.radius, sign * distance * FULL_DOUBLINGS),
            Attribute::Position => figure.middle = moved(of.middle, distance * FULL_WAY, rng),
            Attribute::Mark => {
                if let Some(mark) = of.mark {
                    figure.mark = Some(other(Mark::ALL, mark, Mark::FAMILIES, distance, rng));
                }
            }
            _ => {}
        }
        self
    }
}

/// A different kind, as near to `distance` as there is one.
fn other<T: Copy + PartialEq>(all: &[T], from: T, families: &[&[T]], distance: f32, rng: &mut Rng) -> T {
    let off = |kind: &T| (apart(&from, kind, families) - f64::from(distance)).abs();
    let least = all
        .iter()
        .filter(|k| **k != from)
        .map(off)
        .fold(f64::INFINITY, f64::min);
    let near: Vec<T> = all.iter().filter(|k| **k != from && off(k) <= least).copied().collect();
    one(&near, rng)
}

fn balls(from: u8, step: f32, sign: f32) -> u8 {
    let within = |n: f32| (1.0..=f32::from(MOST_BALLS)).contains(&n);
    let (way, back) = (f32::from(from) + sign * step, f32::from(from) - sign * step);
    let to = if within(way) {
        way
    } else if within(back) {
        back
    } else if f32::from(from) * 2.0 > f32::from(MOST_BALLS) {
        1.0
    } else {
        f32::from(MOST_BALLS)
    };
    to as u8
}

/// Larger or smaller; the other way where the frame does not allow it, and to the end that is
/// further when neither does.
fn scaled(from: f32, doublings: f32) -> f32 {
    let within = |r: f32| (RADII.0..=RADII.1).contains(&r);
    let (way, back) = (from * doublings.exp2(), from * (-doublings).exp2());
    if within(way) {
        way
    } else if within(back) {
        back
    } else if from / RADII.0 > RADII.1 / from {
        RADII.0
    } else {
        RADII.1
    }
}

/// Moved by `way` in a random direction that stays within bounds; where there is none, to the
/// furthest corner.
fn moved(from: (f32, f32), way: f32, rng: &mut Rng) -> (f32, f32) {
    for _ in 0..64 {
        let angle = rng.random_range(0.0..std::f32::consts::TAU);
        let to = (from.0 + way * angle.cos(), from.1 + way * angle.sin());
        if (ACROSS.0..=ACROSS.1).contains(&to.0) && (DOWN.0..=DOWN.1).contains(&to.1) {
            return to;
        }
    }
    let far = |x: f32, (low, high): (f32, f32)| if x - low > high - x { low } else { high };
    (far(from.0, ACROSS), far(from.1, DOWN))
}

impl Scene {
    /// This scene with one attribute as another scene has it.
    #[must_use]
    pub fn taking(&self, other: &Self, attribute: Attribute) -> Self {
        let mut scene = self.clone();
        match attribute {
            Attribute::Background => scene.backdrop = other.backdrop,
            Attribute::Lighting => scene.light = other.light,
            Attribute::Texture => scene.texture = other.texture,
            Attribute::Count => scene.balls = other.balls,
            _ => {}
        }
        if let (Some(figure), Some(of)) = (&mut scene.figure, &other.figure) {
            match attribute {
                Attribute::Subject => figure.shape = of.shape,
                Attribute::Colour => figure.hue = of.hue,
                Attribute::Pattern => figure.pattern = of.pattern,
                Attribute::Size => figure.radius = of.radius,
                Attribute::Position => figure.middle = of.middle,
                Attribute::Mark => figure.mark = of.mark,
                _ => {}
            }
        }
        scene
    }
}
