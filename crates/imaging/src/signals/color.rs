//! Colour in CIELAB (D65): palettes and lightness.

use palette::color_difference::Ciede2000;
use palette::{FromColor, Lab, Srgb};

/// Times a palette is halved: 2³ = 8 colours.
const CUTS: u32 = 3;

/// RGB bytes as CIELAB colours.
pub(super) fn lab(rgb: &[u8]) -> Vec<Lab> {
    rgb.chunks_exact(3)
        .map(|p| Lab::from_color(Srgb::new(p[0], p[1], p[2]).into_format::<f32>()))
        .collect()
}

/// Mean L*, 0 to 100.
pub(super) fn mean_lightness(colors: &[Lab]) -> f64 {
    mean(colors, |c| c.l)
}

/// Mean CIEDE2000 between the palettes of two pictures under the matching that makes it least.
///
/// Every palette colour stands for the same area, so the best one-to-one matching is the optimal
/// transport from one palette to the other: symmetric, and zero for equal palettes.
pub(super) fn palette_distance(first: &[Lab], second: &[Lab]) -> f64 {
    let (first, second) = (palette(first), palette(second));
    let costs: Vec<Vec<f64>> = first
        .iter()
        .map(|&a| second.iter().map(|&b| difference(a, b)).collect())
        .collect();
    least_matching(&costs) / costs.len().max(1) as f64
}

/// CIEDE2000, averaged over both directions so that rounding cannot depend on the order.
fn difference(a: Lab, b: Lab) -> f64 {
    if a == b {
        0.0
    } else {
        f64::from(a.difference(b) + b.difference(a)) / 2.0
    }
}

/// Median cut: the pixels are halved at the median of the channel that varies most, [`CUTS`] times.
fn palette(colors: &[Lab]) -> Vec<Lab> {
    let mut boxes = vec![colors.to_vec()];
    for _ in 0..CUTS {
        boxes = boxes.into_iter().flat_map(halve).collect();
    }
    boxes
        .iter()
        .map(|b| {
            Lab::new(
                mean(b, |c| c.l) as f32,
                mean(b, |c| c.a) as f32,
                mean(b, |c| c.b) as f32,
            )
        })
        .collect()
}

fn halve(mut colors: Vec<Lab>) -> [Vec<Lab>; 2] {
    let channels: [fn(&Lab) -> f32; 3] = [|c| c.l, |c| c.a, |c| c.b];
    let mut widest = channels[0];
    let mut most = f64::MIN;
    for channel in channels {
        let average = mean(&colors, channel);
        let variance = mean(&colors, |c| (f64::from(channel(c)) - average).powi(2) as f32);
        if variance > most {
            (widest, most) = (channel, variance);
        }
    }
    // Ties are broken by the other channels: the cut must not depend on where a pixel stands.
    colors.sort_unstable_by(|x, y| {
        widest(x)
            .total_cmp(&widest(y))
            .then(x.l.total_cmp(&y.l))
            .then(x.a.total_cmp(&y.a))
            .then(x.b.total_cmp(&y.b))
    });
    let upper = colors.split_off(colors.len() / 2);
    [colors, upper]
}

fn mean(colors: &[Lab], channel: impl Fn(&Lab) -> f32) -> f64 {
    colors.iter().map(|c| f64::from(channel(c))).sum::<f64>() / colors.len().max(1) as f64
}

/// The least total of a one-to-one matching of rows and columns (a square matrix), by dynamic
/// programming over the set of columns used so far.
fn least_matching(costs: &[Vec<f64>]) -> f64 {
    let mut least = vec![f64::INFINITY; 1 << costs.len()];
    least[0] = 0.0;
    for used in 0..least.len() {
        let Some(row) = costs.get(used.count_ones() as usize) else {
            continue;
        };
        for (column, cost) in row.iter().enumerate().filter(|(column, _)| used >> column & 1 == 0) {
            let next = used | 1 << column;
            least[next] = least[next].min(least[used] + cost);
        }
    }
    least.last().copied().unwrap_or(0.0)
}
