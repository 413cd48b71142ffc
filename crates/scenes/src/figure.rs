//! The outlines of figures, balls and marks.

use tiny_skia::{FillRule, Mask, Path, PathBuilder, Rect, Transform};

use crate::kinds::{Mark, Shape};

/// Coverage of a path, a byte a pixel, row by row: 0 outside, 255 inside.
pub(crate) struct Coverage(Mask);

impl Coverage {
    /// The coverage of a path on a picture of `side` × `side` pixels; nothing for an empty path.
    pub fn of(path: Option<Path>, rule: FillRule, side: u32) -> Option<Self> {
        let mut mask = Mask::new(side, side)?;
        mask.fill_path(&path?, rule, true, Transform::identity());
        Some(Self(mask))
    }

    /// Coverage of each pixel in `[0, 255]`.
    pub fn data(&self) -> &[u8] {
        self.0.data()
    }
}

/// A shape of radius `r` around (`x`, `y`), in pixels, tilted by degrees. The rule fills it.
pub(crate) fn shape(shape: Shape, (x, y): (f32, f32), r: f32, tilt: f32) -> (Option<Path>, FillRule) {
    let path = match shape {
        Shape::Circle => PathBuilder::from_circle(x, y, r),
        Shape::Ring => {
            let mut path = PathBuilder::new();
            path.push_circle(x, y, r);
            path.push_circle(x, y, r * 0.62);
            path.finish()
        }
        Shape::Moon => moon(x, y, r),
        Shape::Square => polygon(&[(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)], x, y, r),
        Shape::Triangle => polygon(&[(0.0, -1.08), (1.04, 0.76), (-1.04, 0.76)], x, y, r),
        Shape::Star => star(x, y, r * 1.1),
        Shape::Plus => {
            let (a, b) = (0.36, 1.0);
            let corners = [
                (-a, -b),
                (a, -b),
                (a, -a),
                (b, -a),
                (b, a),
                (a, a),
                (a, b),
                (-a, b),
                (-a, a),
                (-b, a),
                (-b, -a),
                (-a, -a),
            ];
            polygon(&corners, x, y, r)
        }
        Shape::Heart => heart(x, y, r),
    };
    let rule = if shape == Shape::Ring {
        FillRule::EvenOdd
    } else {
        FillRule::Winding
    };
    let turned = path.and_then(|p| p.transform(Transform::from_rotate_at(tilt, x, y)));
    (turned, rule)
}

/// The white sign of a mark of radius `r`.
pub(crate) fn mark(mark: Mark, (x, y): (f32, f32), r: f32) -> Option<Path> {
    let bar = |path: &mut PathBuilder| {
        if let Some(rect) = Rect::from_xywh(x - r, y - 0.3 * r, 2.0 * r, 0.6 * r) {
            path.push_rect(rect);
        }
    };
    match mark {
        Mark::Dot => PathBuilder::from_circle(x, y, 0.62 * r),
        Mark::Bar => {
            let mut path = PathBuilder::new();
            bar(&mut path);
            path.finish()
        }
        Mark::Cross => {
            let mut path = PathBuilder::new();
            bar(&mut path);
            if let Some(rect) = Rect::from_xywh(x - 0.3 * r, y - r, 0.6 * r, 2.0 * r) {
                path.push_rect(rect);
            }
            path.finish()
        }
    }
}

/// A disc.
pub(crate) fn disc((x, y): (f32, f32), r: f32) -> Option<Path> {
    PathBuilder::from_circle(x, y, r)
}

fn polygon(corners: &[(f32, f32)], x: f32, y: f32, r: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (dx, dy)) in corners.iter().enumerate() {
        let (px, py) = (x + dx * r, y + dy * r);
        if i == 0 {
            path.move_to(px, py);
        } else {
            path.line_to(px, py);
        }
    }
    path.close();
    path.finish()
}

fn star(x: f32, y: f32, r: f32) -> Option<Path> {
    let corners: Vec<(f32, f32)> = (0..10)
        .map(|i| {
            let (sin, cos) = (std::f32::consts::PI * (i as f32) / 5.0).sin_cos();
            let reach = if i % 2 == 0 { 1.0 } else { 0.45 };
            (reach * sin, -reach * cos)
        })
        .collect();
    polygon(&corners, x, y, r)
}

/// A crescent, open to the right, thick enough for a mark.
fn moon(x: f32, y: f32, r: f32) -> Option<Path> {
    // Two arcs of Bézier curves: the outer disc, and a bite from its right side.
    let mut path = PathBuilder::new();
    path.move_to(x + 0.5 * r, y - 0.87 * r);
    path.cubic_to(x - 0.35 * r, y - 1.35 * r, x - 1.1 * r, y - 0.75 * r, x - 1.1 * r, y);
    path.cubic_to(
        x - 1.1 * r,
        y + 0.75 * r,
        x - 0.35 * r,
        y + 1.35 * r,
        x + 0.5 * r,
        y + 0.87 * r,
    );
    path.cubic_to(
        x - 0.05 * r,
        y + 0.5 * r,
        x - 0.05 * r,
        y - 0.5 * r,
        x + 0.5 * r,
        y - 0.87 * r,
    );
    path.close();
    path.finish()
}

fn heart(x: f32, y: f32, r: f32) -> Option<Path> {
    let mut path = PathBuilder::new();
    path.move_to(x, y + r);
    path.cubic_to(x - 1.5 * r, y + 0.1 * r, x - 1.1 * r, y - 1.15 * r, x, y - 0.45 * r);
    path.cubic_to(x + 1.1 * r, y - 1.15 * r, x + 1.5 * r, y + 0.1 * r, x, y + r);
    path.close();
    path.finish()
}
