//! From a scene to pixels.

use crate::figure::{self, Coverage};
use crate::kinds::{Pattern, Texture};
use crate::scene::{Figure, Scene};

/// A drawn scene: square, three bytes (R, G, B) a pixel, row by row from the top left.
#[derive(Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Pixels a side.
    pub side: u32,
    /// The pixels.
    pub rgb: Vec<u8>,
}

impl std::fmt::Debug for Drawn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drawn")
            .field("side", &self.side)
            .finish_non_exhaustive()
    }
}

/// Draws a scene on `side` × `side` pixels; below 64 the signs can hardly be told apart.
#[must_use]
pub fn draw(scene: &Scene, side: u32) -> Drawn {
    let mut canvas = Canvas::new(side);
    canvas.backdrop(scene);
    if let Some(figure) = &scene.figure {
        canvas.figure(figure, scene.detail);
    }
    canvas.balls(scene.balls);
    canvas.light(scene.light);
    Drawn {
        side,
        rgb: canvas
            .pixels
            .iter()
            .flatten()
            .map(|c| c.clamp(0.0, 255.0).round() as u8)
            .collect(),
    }
}

type Rgb = [f32; 3];

const WHITE: Rgb = [250.0; 3];
const DARK: Rgb = [25.0, 25.0, 30.0];

struct Canvas {
    side: u32,
    pixels: Vec<Rgb>,
}

impl Canvas {
    fn new(side: u32) -> Self {
        Self {
            side,
            pixels: vec![[0.0; 3]; (side * side) as usize],
        }
    }

    fn each(&mut self, mut paint: impl FnMut(f32, f32, &mut Rgb)) {
        let side = self.side as f32;
        for (row, line) in self.pixels.chunks_exact_mut(self.side as usize).enumerate() {
            let y = (row as f32 + 0.5) / side;
            for (column, pixel) in line.iter_mut().enumerate() {
                paint((column as f32 + 0.5) / side, y, pixel);
            }
        }
    }

    fn backdrop(&mut self, scene: &Scene) {
        let hue = scene.backdrop.rgb(0.8, 0.1);
        let shift = (scene.detail & 0xff) as f32 / 256.0;
        let soft = self.side as f32 / LINES;
        let line = |at: f32| crest(at * LINES + shift, soft);
        self.each(|x, y, pixel| {
            let shade = match scene.texture {
                Texture::Smooth => 0.0,
                Texture::Grain => speck((x * GRAINS) as u32, (y * GRAINS) as u32, scene.detail) - 0.5,
                Texture::Lines => -0.5 * line(x),
                Texture::Grid => -0.5 * line(x).max(line(y)),
            };
            *pixel = hue.map(|c| c * (1.0 + 0.4 * shade));
        });
    }

    fn figure(&mut self, figure: &Figure, detail: u32) {
        let side = self.side as f32;
        let middle = (figure.middle.0 * side, figure.middle.1 * side);
        let radius = figure.radius * side;
        let (base, second) = (figure.hue.rgb(0.62, 0.2), figure.hue.rgb(0.88, 0.09));
        let shift = (detail >> 8 & 0xff) as f32 / 256.0;
        let (sin, cos) = (-figure.tilt.to_radians()).sin_cos();
        let tone = |px: f32, py: f32| -> Rgb {
            let (dx, dy) = (px - middle.0, py - middle.1);
            // In the figure's own frame, in bands of a quarter of the diameter.
            let (u, v) = (
                (dx * cos - dy * sin) / radius * BANDS,
                (dx * sin + dy * cos) / radius * BANDS,
            );
            let soft = radius / BANDS;
            let share = match figure.pattern {
                Pattern::Solid => 0.0,
                Pattern::Stripes => crest(v + shift, soft),
                Pattern::Dots => {
                    let (a, b) = ((u + shift).rem_euclid(1.0) - 0.5, (v + shift).rem_euclid(1.0) - 0.5);
                    ((0.33 - a.hypot(b)) * soft + 0.5).clamp(0.0, 1.0)
                }
                Pattern::Checks => {
                    let (a, b) = (crest(u + shift, soft), crest(v + shift, soft));
                    a + b - 2.0 * a * b
                }
            };
            mix(base, second, share)
        };
        // A dark rim, so that a figure of the backdrop's hue can be seen as well.
        let (path, rule) = figure::shape(figure.shape, middle, radius + RIM * side, figure.tilt);
        self.paint(Coverage::of(path, rule, self.side), |_, _| DARK);
        let (path, rule) = figure::shape(figure.shape, middle, radius, figure.tilt);
        self.paint(Coverage::of(path, rule, self.side), tone);
        if let Some(mark) = figure.mark {
            let plate = radius * 0.44;
            self.paint(cover(figure::disc(middle, plate), self.side), |_, _| DARK);
            self.paint(cover(figure::mark(mark, middle, plate * 0.74), self.side), |_, _| WHITE);
        }
    }

    fn balls(&mut self, balls: u8) {
        let side = self.side as f32;
        for ball in 0..balls {
            let across = 0.5 + (f32::from(ball) - (f32::from(balls) - 1.0) / 2.0) * 0.19;
            let at = (across * side, 0.9 * side);
            self.paint(cover(figure::disc(at, 0.064 * side), self.side), |_, _| DARK);
            self.paint(cover(figure::disc(at, 0.046 * side), self.side), |_, _| WHITE);
        }
    }

    /// Brighter towards where the light comes from.
    fn light(&mut self, from: f32) {
        let (sin, cos) = from.to_radians().sin_cos();
        self.each(|x, y, pixel| {
            let toward = (x - 0.5) * sin - (y - 0.5) * cos;
            let shade = 0.88 + 0.5 * toward;
            *pixel = pixel.map(|c| c * shade);
        });
    }

    fn paint(&mut self, coverage: Option<Coverage>, tone: impl Fn(f32, f32) -> Rgb) {
        let Some(coverage) = coverage else { return };
        let side = self.side as usize;
        for (i, (pixel, &share)) in self.pixels.iter_mut().zip(coverage.data()).enumerate() {
            if share > 0 {
                let paint = tone((i % side) as f32 + 0.5, (i / side) as f32 + 0.5);
                *pixel = mix(*pixel, paint, f32::from(share) / 255.0);
            }
        }
    }
}

/// Breadth of a figure's rim, as a share of the side.
const RIM: f32 = 0.016;
/// Lines across the backdrop.
const LINES: f32 = 14.0;
/// Specks across the backdrop.
const GRAINS: f32 = 46.0;
/// Bands of a pattern in a figure's radius.
const BANDS: f32 = 2.2;

fn cover(path: Option<tiny_skia::Path>, side: u32) -> Option<Coverage> {
    Coverage::of(path, tiny_skia::FillRule::Winding, side)
}

/// 1 in the first half of every period, 0 in the second, with edges of about one of `soft` pixels.
fn crest(at: f32, soft: f32) -> f32 {
    let phase = at.rem_euclid(1.0);
    let to_edge = 0.25 - (phase - 0.25).abs().min((phase - 1.25).abs());
    (to_edge * soft + 0.5).clamp(0.0, 1.0)
}

fn mix(from: Rgb, to: Rgb, share: f32) -> Rgb {
    std::array::from_fn(|i| from[i] + (to[i] - from[i]) * share)
}

/// A number in `[0, 1)` that depends on place and seed alone (the finaliser of MurmurHash3).
pub(crate) fn speck(x: u32, y: u32, seed: u32) -> f32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77) ^ seed;
    h ^= h >> 16;
    h = h.wrapping_mul(0x85eb_ca6b);
    h ^= h >> 13;
    h = h.wrapping_mul(0xc2b2_ae35);
    h ^= h >> 16;
    (h >> 8) as f32 / 16_777_216.0
}
