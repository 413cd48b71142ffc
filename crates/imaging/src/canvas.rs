//! Rows of any sample layout become opaque 8-bit RGB. A large picture is made smaller row by row, so that the large one
//! never lies in memory.

use image::ColorType;

use super::decode::MOST_KEPT_PIXELS;

/// Takes a picture's rows from the top.
pub(super) struct Canvas {
    width: u32,
    height: u32,
    /// Pixels a side of the square that becomes one pixel.
    factor: u32,
    rgb: Vec<u8>,
    /// Of the squares that are begun; empty with a factor of 1.
    sums: Vec<u32>,
    /// Rows that were taken.
    taken: u32,
    transparent: bool,
}

/// What was drawn.
pub(super) struct Drawn {
    pub rgb: Vec<u8>,
    pub width: u32,
    pub height: u32,
    /// Whether some pixel was not opaque.
    pub transparent: bool,
}

/// How many pixels a side become one, so that no more than [`MOST_KEPT_PIXELS`] are kept.
fn factor(width: u32, height: u32) -> u32 {
    let kept = |factor: u32| u64::from(width.div_ceil(factor)) * u64::from(height.div_ceil(factor));
    (1..).find(|factor| kept(*factor) <= MOST_KEPT_PIXELS).unwrap_or(1)
}

/// Bytes that the pixels of such a picture take once it is decoded.
pub(super) fn kept_bytes(width: u32, height: u32) -> u64 {
    let factor = factor(width, height);
    u64::from(width.div_ceil(factor)) * u64::from(height.div_ceil(factor)) * 3
}

impl Canvas {
    /// For a picture of this size; both sides are at least 1.
    pub(super) fn new(width: u32, height: u32) -> Self {
        let factor = factor(width, height);
        let sums = if factor == 1 {
            Vec::new()
        } else {
            vec![0; width.div_ceil(factor) as usize * 3]
        };
        // A buffer of at most `3 * MOST_KEPT_PIXELS` bytes.
        let bytes = usize::try_from(kept_bytes(width, height)).unwrap_or_default();
        Self {
            width,
            height,
            factor,
            rgb: Vec::with_capacity(bytes),
            sums,
            taken: 0,
            transparent: false,
        }
    }

    /// Takes one row whose samples of 16 bits have the machine's order of bytes.
    pub(super) fn row(&mut self, color: ColorType, samples: &[u8]) {
        self.row_of(color, samples, u16::from_ne_bytes);
    }

    /// Takes one row whose samples of 16 bits have their high byte first, as PNG has them.
    pub(super) fn big_endian_row(&mut self, color: ColorType, samples: &[u8]) {
        self.row_of(color, samples, u16::from_be_bytes);
    }

    fn row_of(&mut self, color: ColorType, samples: &[u8], join: fn([u8; 2]) -> u16) {
        let deep = |p: &[u8], at: usize| eight_of_sixteen(join([p[2 * at], p[2 * at + 1]]));
        let float = |p: &[u8], at: usize| {
            let at = 4 * at;
            eight_of_float(f32::from_ne_bytes([p[at], p[at + 1], p[at + 2], p[at + 3]]))
        };
        match color {
            ColorType::Rgb8 if self.factor == 1 => {
                self.rgb.extend_from_slice(samples);
                self.taken += 1;
            }
            ColorType::L8 => self.pixels(1, samples, |p| [p[0], p[0], p[0], 255]),
            ColorType::La8 => self.pixels(2, samples, |p| [p[0], p[0], p[0], p[1]]),
            ColorType::Rgb8 => self.pixels(3, samples, |p| [p[0], p[1], p[2], 255]),
            ColorType::Rgba8 => self.pixels(4, samples, |p| [p[0], p[1], p[2], p[3]]),
            ColorType::L16 => self.pixels(2, samples, |p| [deep(p, 0), deep(p, 0), deep(p, 0), 255]),
            ColorType::La16 => self.pixels(4, samples, |p| [deep(p, 0), deep(p, 0), deep(p, 0), deep(p, 1)]),
            ColorType::Rgb16 => self.pixels(6, samples, |p| [deep(p, 0), deep(p, 1), deep(p, 2), 255]),
            ColorType::Rgba16 => self.pixels(8, samples, |p| [deep(p, 0), deep(p, 1), deep(p, 2), deep(p, 3)]),
            ColorType::Rgb32F => self.pixels(12, samples, |p| [float(p, 0), float(p, 1), float(p, 2), 255]),
            _ => self.pixels(16, samples, |p| [float(p, 0), float(p, 1), float(p, 2), float(p, 3)]),
        }
    }

    fn pixels(&mut self, bytes: usize, samples: &[u8], read: impl Fn(&[u8]) -> [u8; 4]) {
        let mut transparent = false;
        let opaque = samples.chunks_exact(bytes).take(self.width as usize).map(|pixel| {
            let [r, g, b, alpha] = read(pixel);
            transparent |= alpha != 255;
            [r, g, b].map(|sample| on_white(sample, alpha))
        });
        if self.factor == 1 {
            for pixel in opaque {
                self.rgb.extend_from_slice(&pixel);
            }
        } else {
            let factor = self.factor as usize;
            for (x, pixel) in opaque.enumerate() {
                let start = x / factor * 3;
                for (sum, sample) in self.sums[start..start + 3].iter_mut().zip(pixel) {
                    *sum += u32::from(sample);
                }
            }
        }
        self.transparent |= transparent;
        self.taken += 1;
        if self.factor > 1 && (self.taken.is_multiple_of(self.factor) || self.taken == self.height) {
            self.squares_done();
        }
    }

    /// The squares above are complete: their means are a row of the smaller picture.
    fn squares_done(&mut self) {
        let rows = match self.taken % self.factor {
            0 => self.factor,
            rest => rest,
        };
        for (column, sums) in (0..).zip(self.sums.chunks_exact_mut(3)) {
            let columns = (self.width - column * self.factor).min(self.factor);
            let count = rows * columns;
            for sum in sums {
                let mean = (*sum + count / 2) / count;
                self.rgb.push(u8::try_from(mean).unwrap_or(u8::MAX));
                *sum = 0;
            }
        }
    }

    /// The picture; rows that never came are black.
    pub(super) fn drawn(mut self) -> Drawn {
        let (width, height) = (self.width.div_ceil(self.factor), self.height.div_ceil(self.factor));
        self.rgb.resize(width as usize * height as usize * 3, 0);
        Drawn {
            rgb: self.rgb,
            width,
            height,
            transparent: self.transparent,
        }
    }
}

fn on_white(sample: u8, alpha: u8) -> u8 {
    if alpha == 255 {
        return sample;
    }
    let alpha = u32::from(alpha);
    let mixed = (u32::from(sample) * alpha + 255 * (255 - alpha) + 127) / 255;
    u8::try_from(mixed).unwrap_or(u8::MAX)
}

fn eight_of_sixteen(sample: u16) -> u8 {
    u8::try_from((u32::from(sample) + 128) / 257).unwrap_or(u8::MAX)
}

fn eight_of_float(sample: f32) -> u8 {
    // What is not a number is white, as what is too bright is. A float cast saturates.
    let kept = if sample < 1.0 { sample.max(0.0) } else { 1.0 };
    (kept * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_reduced_that_the_judge_could_see() {
        for (size, wanted) in [
            ((1, 1), 1),
            ((4096, 4096), 1),
            ((4097, 4096), 2),
            ((8192, 8192), 2),
            ((65_535, 1), 1),
            ((16_384, 16_384), 4),
            ((65_535, 65_535), 16),
        ] {
            assert_eq!(factor(size.0, size.1), wanted, "{size:?}");
            assert!(kept_bytes(size.0, size.1) <= 3 * MOST_KEPT_PIXELS, "{size:?}");
        }
    }

    #[test]
    fn squares_become_their_means_also_at_the_edges() {
        // 4097×4097 is reduced by 2, so that the last column and row stand alone.
        let side = 4097_u32;
        let mut canvas = Canvas::new(side, side);
        for y in 0..side {
            let row: Vec<u8> = (0..side)
                .flat_map(|x| {
                    if x == side - 1 || y == side - 1 {
                        [9, 9, 9]
                    } else {
                        [(x % 2 * 3) as u8, (y % 2) as u8, 8]
                    }
                })
                .collect();
            canvas.row(ColorType::Rgb8, &row);
        }
        let drawn = canvas.drawn();
        assert_eq!((drawn.width, drawn.height), (2049, 2049));
        let pixel = |x: usize, y: usize| &drawn.rgb[(y * 2049 + x) * 3..][..3];
        // Half-way values are rounded up: (0 + 3 + 0 + 3 + 2) / 4 and (0 + 0 + 1 + 1 + 2) / 4.
        assert_eq!(pixel(0, 0), [2, 1, 8]);
        assert_eq!(pixel(2048, 5), [9, 9, 9]);
        assert_eq!(pixel(7, 2048), [9, 9, 9]);
        assert!(!drawn.transparent);
    }

    #[test]
    fn a_row_that_never_came_is_black() {
        let mut canvas = Canvas::new(2, 2);
        canvas.row(ColorType::L8, &[7, 8]);
        assert_eq!(canvas.drawn().rgb, [7, 7, 7, 8, 8, 8, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn floats_are_clamped() {
        let found = [-1.0, 0.5, 2.0, f32::NAN].map(eight_of_float);
        assert_eq!(found, [0, 128, 255, 255]);
    }
}
