//! One attribute growing away step by step.

use rand::RngExt as _;

use crate::attribute::Attribute;
use crate::compare::{FULL_DOUBLINGS, FULL_HUE, FULL_LIGHT};
use crate::sample::Rng;
use crate::scene::{ACROSS, DOWN, RADII, Scene};

impl Scene {
    /// `count` scenes that move away from this one on a graded attribute in equal steps, all in one
    /// direction, the last as far as the frame allows (at most a distance of 1). Empty when the
    /// attribute is hidden or comes in kinds.
    #[must_use]
    pub fn steps(&self, attribute: Attribute, count: usize, rng: &mut Rng) -> Vec<Self> {
        if !attribute.is_graded() || !self.shows(attribute) {
            return Vec::new();
        }
        let sign = if rng.random_bool(0.5) { 1.0 } else { -1.0 };
        let share = |i: usize| i as f32 / count as f32;
        let corner = self
            .figure
            .as_ref()
            .map(|f| furthest_corner(f.middle))
            .unwrap_or_default();
        (1..=count)
            .map(|i| {
                let mut scene = self.renewed(rng);
                match attribute {
                    Attribute::Background => scene.backdrop = self.backdrop.turned(sign * share(i) * FULL_HUE),
                    Attribute::Lighting => {
                        scene.light = (self.light + sign * share(i) * FULL_LIGHT).rem_euclid(360.0);
                    }
                    _ => {}
                }
                if let Some(figure) = &mut scene.figure {
                    match attribute {
                        Attribute::Colour => figure.hue = figure.hue.turned(sign * share(i) * FULL_HUE),
                        Attribute::Size => figure.radius *= (share(i) * widest(figure.radius)).exp2(),
                        Attribute::Position => {
                            let along = |from: f32, to: f32| from + share(i) * (to - from);
                            figure.middle = (along(figure.middle.0, corner.0), along(figure.middle.1, corner.1));
                        }
                        _ => {}
                    }
                }
                scene
            })
            .collect()
    }
}

/// Doublings to the end of the range that is further away.
fn widest(radius: f32) -> f32 {
    let (down, up) = ((RADII.0 / radius).log2(), (RADII.1 / radius).log2());
    let way = if -down > up { down } else { up };
    way.clamp(-FULL_DOUBLINGS, FULL_DOUBLINGS)
}

fn furthest_corner(from: (f32, f32)) -> (f32, f32) {
    let far = |x: f32, (low, high): (f32, f32)| if x - low > high - x { low } else { high };
    (far(from.0, ACROSS), far(from.1, DOWN))
}
