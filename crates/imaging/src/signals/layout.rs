//! Structure in luma: sharpness, gradients, structural similarity, perceptual hash.

use std::f64::consts::PI;

use super::Luma;

const CELL: usize = 16;
const BINS: usize = 9;
/// L2-Hys: normalised values are clipped here and normalised again (Dalal and Triggs, section 6.4).
const HOG_CLIP: f64 = 0.2;
/// Gradient energy of a block below which it counts as flat (grey levels).
const HOG_FLOOR: f64 = 16.0;

const SSIM_SIGMA: f64 = 1.5;
const SSIM_TAPS: usize = 11;
const SSIM_C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const SSIM_C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// Variance of the 4-neighbour Laplacian (Pech-Pacheco et al. 2000), squared grey levels; 0 for
/// pictures too small to have an inner pixel.
pub(super) fn laplacian_variance(luma: &Luma) -> f64 {
    let mut values = Vec::new();
    for y in 1..luma.height.saturating_sub(1) {
        for x in 1..luma.width.saturating_sub(1) {
            let around = luma.at(x - 1, y) + luma.at(x + 1, y) + luma.at(x, y - 1) + luma.at(x, y + 1);
            values.push(around - 4.0 * luma.at(x, y));
        }
    }
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count
}

/// log₂(second ÷ first), with one squared grey level added to both so that flat pictures compare.
pub(super) fn log_ratio(first: f64, second: f64) -> f64 {
    (second + 1.0).log2() - (first + 1.0).log2()
}

/// `|a − b| / √(|a|² + |b|²)` of the two descriptors: 0 to 1, since no entry is negative.
pub(super) fn hog_distance(first: &Luma, second: &Luma) -> f64 {
    let (a, b) = (hog(first), hog(second));
    let apart: f64 = a.iter().zip(&b).map(|(x, y)| (x - y).powi(2)).sum();
    let total: f64 = a.iter().map(|x| x * x).sum::<f64>() + b.iter().map(|x| x * x).sum::<f64>();
    if total > 0.0 { (apart / total).sqrt() } else { 0.0 }
}

/// Histograms of unsigned gradient directions in cells of 16 px, normalised in blocks of 2×2 cells.
fn hog(luma: &Luma) -> Vec<f64> {
    let (columns, rows) = (luma.width / CELL, luma.height / CELL);
    let mut cells = vec![[0.0; BINS]; columns * rows];
    for y in 1..luma.height - 1 {
        for x in 1..luma.width - 1 {
            let dx = luma.at(x + 1, y) - luma.at(x - 1, y);
            let dy = luma.at(x, y + 1) - luma.at(x, y - 1);
            let magnitude = dx.hypot(dy);
            let angle = dy.atan2(dx).rem_euclid(PI) / PI * BINS as f64;
            // Each gradient is shared between its two nearest bins.
            let lower = angle.floor();
            let share = angle - lower;
            let bin = lower as usize % BINS;
            let cell = &mut cells[y / CELL * columns + x / CELL];
            cell[bin] += magnitude * (1.0 - share);
            cell[(bin + 1) % BINS] += magnitude * share;
        }
    }
    let mut descriptor = Vec::new();
    for top in 0..rows - 1 {
        for left in 0..columns - 1 {
            let corner = top * columns + left;
            let members = [corner, corner + 1, corner + columns, corner + columns + 1];
            let mut block: Vec<f64> = members.iter().flat_map(|&cell| cells[cell]).collect();
            normalise(&mut block, HOG_FLOOR);
            block.iter_mut().for_each(|v| *v = v.min(HOG_CLIP));
            normalise(&mut block, 0.0);
            descriptor.extend(block);
        }
    }
    descriptor
}

fn normalise(block: &mut [f64], floor: f64) {
    let norm = (block.iter().map(|v| v * v).sum::<f64>() + floor * floor).sqrt();
    if norm > 0.0 {
        block.iter_mut().for_each(|v| *v /= norm);
    }
}

/// Mean SSIM with an 11-tap Gaussian window (σ 1.5) over the places where it fits; both pictures
/// have the same size, at least 11 px a side.
pub(super) fn ssim(first: &Luma, second: &Luma) -> f64 {
    let blurred = |f: &dyn Fn(f64, f64) -> f64| {
        let values = first
            .values
            .iter()
            .zip(&second.values)
            .map(|(&a, &b)| f(a, b))
            .collect();
        blur(&Luma {
            values,
            width: first.width,
            height: first.height,
        })
    };
    let mean_a = blurred(&|a, _| a);
    let mean_b = blurred(&|_, b| b);
    let square_a = blurred(&|a, _| a * a);
    let square_b = blurred(&|_, b| b * b);
    let product = blurred(&|a, b| a * b);
    let mut total = 0.0;
    for i in 0..mean_a.len() {
        let (ma, mb) = (mean_a[i], mean_b[i]);
        // Written alike on both sides of the fraction: equal pictures then give exactly 1.
        let cross = ma * mb;
        let covariance = product[i] - cross;
        let variances = (square_a[i] - ma * ma) + (square_b[i] - mb * mb);
        let numerator = (cross + cross + SSIM_C1) * (covariance + covariance + SSIM_C2);
        let denominator = (ma * ma + mb * mb + SSIM_C1) * (variances + SSIM_C2);
        total += numerator / denominator;
    }
    total / mean_a.len().max(1) as f64
}

fn blur(luma: &Luma) -> Vec<f64> {
    let weights = gaussian();
    let (width, height) = (luma.width - SSIM_TAPS + 1, luma.height - SSIM_TAPS + 1);
    let mut across = Vec::with_capacity(width * luma.height);
    for row in luma.values.chunks_exact(luma.width) {
        across.extend(row.windows(SSIM_TAPS).map(|window| {
            window
                .iter()
                .zip(&weights)
                .map(|(value, weight)| value * weight)
                .sum::<f64>()
        }));
    }
    let mut both = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let column = weights.iter().enumerate();
            both.push(column.map(|(i, weight)| across[(y + i) * width + x] * weight).sum());
        }
    }
    both
}

fn gaussian() -> [f64; SSIM_TAPS] {
    let middle = (SSIM_TAPS / 2) as f64;
    let mut weights = [0.0; SSIM_TAPS];
    for (i, weight) in weights.iter_mut().enumerate() {
        *weight = (-(i as f64 - middle).powi(2) / (2.0 * SSIM_SIGMA * SSIM_SIGMA)).exp();
    }
    let total: f64 = weights.iter().sum();
    weights.map(|weight| weight / total)
}

/// 64 bits: which of the 8×8 lowest frequencies (without the constant ones) of the DCT lie above
/// their median.
pub(super) fn phash(luma: &Luma) -> u64 {
    let side = luma.width;
    let basis =
        |frequency: usize, position: usize| (PI / side as f64 * (position as f64 + 0.5) * frequency as f64).cos();
    let mut coefficients = Vec::with_capacity(64);
    for v in 1..=8 {
        for u in 1..=8 {
            let mut sum = 0.0;
            for y in 0..luma.height {
                let row: f64 = (0..side).map(|x| luma.at(x, y) * basis(u, x)).sum();
                sum += row * basis(v, y);
            }
            // What is left of a flat picture is rounding noise; it must not become bits.
            coefficients.push(if sum.abs() < 1e-6 { 0.0 } else { sum });
        }
    }
    let mut sorted = coefficients.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let median = (sorted[31] + sorted[32]) / 2.0;
    coefficients
        .iter()
        .fold(0, |bits, &c| bits << 1 | u64::from(c > median))
}
