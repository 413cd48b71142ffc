//! Random scenes.

use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand::{RngExt as _, SeedableRng};

use crate::kinds::{Mark, Pattern, Shape, Texture};
use crate::scene::{ACROSS, DOWN, Figure, MOST_BALLS, RADII, Scene};
use crate::tone::Hue;

/// The source of randomness: portable, so that a seed means the same scenes everywhere.
pub type Rng = ChaCha8Rng;

/// The source for a seed.
#[must_use]
pub fn rng(seed: u64) -> Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// One of several; they are never none.
pub(crate) fn one<T: Copy>(of: &[T], rng: &mut Rng) -> T {
    match of.choose(rng) {
        Some(found) => *found,
        // Every list here is a constant with entries.
        None => unreachable!("a choice among nothing"),
    }
}

impl Scene {
    /// A scene in which everything is visible.
    #[must_use]
    pub fn random(rng: &mut Rng) -> Self {
        Self {
            figure: Some(Figure {
                shape: one(Shape::ALL, rng),
                hue: Hue::new(rng.random_range(0.0..360.0)),
                pattern: one(Pattern::ALL, rng),
                radius: radius(rng),
                middle: (rng.random_range(ACROSS.0..ACROSS.1), rng.random_range(DOWN.0..DOWN.1)),
                mark: Some(one(Mark::ALL, rng)),
                tilt: rng.random_range(-12.0..12.0),
            }),
            balls: rng.random_range(1..=MOST_BALLS),
            backdrop: Hue::new(rng.random_range(0.0..360.0)),
            texture: one(Texture::ALL, rng),
            light: rng.random_range(0.0..360.0),
            detail: rng.random(),
        }
    }

    /// A scene in which now and then something is hidden: no mark, no balls, or the whole figure
    /// out of frame.
    #[must_use]
    pub fn random_partly_hidden(rng: &mut Rng) -> Self {
        let mut scene = Self::random(rng);
        if rng.random_bool(0.15) {
            scene.figure.iter_mut().for_each(|f| f.mark = None);
        }
        if rng.random_bool(0.1) {
            scene.balls = 0;
        }
        if rng.random_bool(0.04) {
            scene.figure = None;
        }
        scene
    }

    /// A scene that differs as much as can be on every attribute that this one shows.
    #[must_use]
    pub fn unrelated(&self, rng: &mut Rng) -> Self {
        let mut other = self.renewed(rng);
        for attribute in crate::ATTRIBUTES {
            other = other.edited_from(self, attribute, 1.0, rng);
        }
        other
    }

    /// The same scene in another detail: other grain, other tilt.
    #[must_use]
    pub fn renewed(&self, rng: &mut Rng) -> Self {
        let mut scene = self.clone();
        scene.detail = rng.random();
        scene
            .figure
            .iter_mut()
            .for_each(|f| f.tilt = rng.random_range(-12.0..12.0));
        scene
    }
}

/// Even in doublings, so that no size word is rare.
fn radius(rng: &mut Rng) -> f32 {
    rng.random_range(RADII.0.ln()..RADII.1.ln()).exp()
}
