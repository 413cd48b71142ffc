//! The statistics of an evaluation. Nothing here draws from a clock: equal inputs give equal numbers.

use rand::RngExt;

use super::report::Estimate;

/// Standard normal quantile of .975: half-width of a 95 % interval in standard errors.
const Z_95: f64 = 1.959_963_984_540_054;
/// Resamples of the bootstrap; Efron and Tibshirani (1993, §13) ask for 1,000 or more for an interval.
const RESAMPLES: usize = 2_000;
/// Fixed, so that a report repeated on the same cases is the same report.
const BOOTSTRAP_SEED: u64 = 0x7072_6f6d_7074;
/// Ridge of [`logistic_slope`], as the precision of a normal prior on the slope (sd 100): it only
/// keeps the slope of perfectly separated outcomes finite.
const RIDGE: f64 = 1e-4;

/// A share in `[0, 1]` with its Wilson score interval (Wilson 1927), 95 %, which is honest near 0
/// and 1, where the targets lie. `hits` above `n` count as `n`.
///
/// Without cases the value is NaN, which meets no target, and the interval is `[0, 1]`: leave such
/// a measure out of a report, since JSON has no NaN.
#[must_use]
pub fn share(hits: usize, n: usize) -> Estimate {
    if n == 0 {
        return Estimate {
            value: f64::NAN,
            low: 0.0,
            high: 1.0,
            cases: 0,
        };
    }
    let cases = n as f64;
    let value = hits.min(n) as f64 / cases;
    let z2 = Z_95 * Z_95;
    let scale = 1.0 + z2 / cases;
    let centre = (value + z2 / (2.0 * cases)) / scale;
    let half = Z_95 / scale * (value * (1.0 - value) / cases + z2 / (4.0 * cases * cases)).sqrt();
    Estimate {
        value,
        // Rounding must not put the value outside its own interval at 0 and 1.
        low: (centre - half).clamp(0.0, value),
        high: (centre + half).clamp(value, 1.0),
        cases: n,
    }
}

/// A mean, in the unit of the values, with a 95 % percentile bootstrap interval (Efron and Tibshirani
/// 1993, §13.3; 2,000 resamples, fixed seed). Not Student's t: most of what is averaged is bounded
/// and skewed, and this interval never leaves the range of the values. It is too narrow below about
/// ten cases, and a point for one.
///
/// Values that are not finite make the mean NaN. Without values everything is NaN: leave such a
/// measure out.
#[must_use]
pub fn mean(values: &[f64]) -> Estimate {
    let value = average(values);
    let mut estimate = Estimate {
        value,
        low: value,
        high: value,
        cases: values.len(),
    };
    if values.len() < 2 || !value.is_finite() {
        return estimate;
    }
    let mut rng = scenes::rng(BOOTSTRAP_SEED);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = values.iter().map(|_| values[rng.random_range(0..values.len())]).sum();
            sum / values.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    // The mean of equal values may differ from them in the last bit.
    estimate.low = quantile_of_sorted(&means, 0.025).min(value);
    estimate.high = quantile_of_sorted(&means, 0.975).max(value);
    estimate
}

/// Spearman's rank correlation in `[-1, 1]`: Pearson's correlation of the ranks, ties given their
/// average rank. `None` when a side is constant, the lengths differ, or a value is NaN.
#[must_use]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|v| v.is_nan()) {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let (centre_a, centre_b) = (average(&a), average(&b));
    let mut products = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        let (x, y) = (x - centre_a, y - centre_b);
        products = (products.0 + x * y, products.1 + x * x, products.2 + y * y);
    }
    let (both, only_a, only_b) = products;
    (only_a > 0.0 && only_b > 0.0).then(|| (both / (only_a * only_b).sqrt()).clamp(-1.0, 1.0))
}

/// Expected calibration error in `[0, 1]` of `(probability, outcome)` pairs: the mean over the cases
/// of how far the mean probability of their bin lies from its share of true outcomes.
///
/// Bins hold equally many cases (Nguyen and O'Connor 2015), not equally wide ranges, because
/// probabilities crowd at the ends; equal probabilities are never parted, so the order of the cases
/// does not matter. It is biased upwards with few cases a bin. NaN without cases.
#[must_use]
pub fn ece(cases: &[(f64, bool)], bins: usize) -> f64 {
    if cases.is_empty() || cases.iter().any(|c| c.0.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = cases.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (n, bins) = (sorted.len(), bins.max(1));
    let mut error = 0.0;
    let mut start = 0;
    for bin in 1..=bins {
        let mut end = (n * bin / bins).max(start);
        while end > start && end < n && sorted[end].0 == sorted[end - 1].0 {
            end += 1;
        }
        let gap: f64 = sorted[start..end].iter().map(|c| c.0 - f64::from(u8::from(c.1))).sum();
        error += gap.abs();
        start = end;
    }
    error / n as f64
}

/// The slope `k`, per unit of x, of `P(outcome) = 1 / (1 + exp(-k·x))`: logistic regression through
/// the origin (an even chance at x = 0), by Newton's method on the log-likelihood less a weak ridge.
/// 0 when nothing is known; pairs whose x is not finite are left out.
#[must_use]
pub fn logistic_slope(cases: &[(f64, bool)]) -> f64 {
    // With the sign of the outcome folded in, every case says "k·x should be large".
    let signed: Vec<f64> = cases
        .iter()
        .filter(|c| c.0.is_finite())
        .map(|&(x, so)| if so { x } else { -x })
        .collect();
    // ln(1 + exp(-t)), without overflow.
    let loss = |k: f64| -> f64 {
        let each = |x: &f64| (-k * x).max(0.0) + (-(k * x).abs()).exp().ln_1p();
        signed.iter().map(each).sum::<f64>() + RIDGE / 2.0 * k * k
    };
    let mut k = 0.0;
    let mut now = loss(k);
    for _ in 0..100 {
        let (mut slope, mut curvature) = (RIDGE * k, RIDGE);
        for x in &signed {
            let wrong = 1.0 / (1.0 + (k * x).exp());
            slope -= x * wrong;
            curvature += x * x * wrong * (1.0 - wrong);
        }
        let mut step = slope / curvature;
        // A full step may overshoot where the curve is flat; the loss is convex, so halving ends.
        while loss(k - step) > now && step.abs() > 1e-12 {
            step /= 2.0;
        }
        if step.abs() <= 1e-12 * k.abs().max(1.0) {
            break;
        }
        k -= step;
        now = loss(k);
    }
    k
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The `q` quantile, `q` in `[0, 1]` (clamped), by linear interpolation between order statistics (type 7 of Hyndman and Fan 1996).
fn quantile_of_sorted(sorted: &[f64], q: f64) -> f64 {
    let last = sorted.len() - 1;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = (place as usize).min(last);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    if low == high {
        low // also where both are infinite
    } else {
        low + (place - below as f64) * (high - low)
    }
}

/// Ranks from 1, ties given the average of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let same = order[start..]
            .iter()
            .take_while(|&&i| values[i] == values[order[start]])
            .count();
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        for &i in &order[start..start + same] {
            ranks[i] = rank;
        }
        start += same;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a} is not within {within} of {b}");
    }

    #[test]
    fn wilson_intervals_are_the_textbook_ones() {
        let half = share(5, 10);
        near(half.value, 0.5, 0.0);
        near(half.low, 0.236_593, 1e-6);
        near(half.high, 0.763_407, 1e-6);
        // With no hit the upper end is z² / (n + z²).
        let none = share(0, 20);
        near(none.low, 0.0, 0.0);
        near(none.high, 3.841_459 / 23.841_459, 1e-6);
        let all = share(20, 20);
        near(all.high, 1.0, 0.0);
        near(all.low, 1.0 - none.high, 1e-12);
        assert!(share(0, 0).value.is_nan());
    }

    #[test]
    fn a_mean_has_an_interval_like_students_and_is_the_same_twice() {
        let values: Vec<f64> = (0..100).map(|i| f64::from(i % 10)).collect();
        let found = mean(&values);
        near(found.value, 4.5, 1e-12);
        // sd 2.887, so a standard error of .2872 and ± .563.
        near(found.low, 4.5 - 0.563, 0.06);
        near(found.high, 4.5 + 0.563, 0.06);
        assert_eq!(found, mean(&values));
        let same = mean(&[0.1; 7]);
        near(same.low, 0.1, 1e-12);
        near(same.high, 0.1, 1e-12);
        assert_eq!(mean(&[2.0]).cases, 1);
        assert!(mean(&[]).value.is_nan());
    }

    #[test]
    fn quantiles_interpolate() {
        let sorted = [1.0, 2.0, 3.0, 4.0];
        for (q, value) in [(0.5, 2.5), (0.0, 1.0), (1.0, 4.0), (0.25, 1.75)] {
            assert_eq!(quantile_of_sorted(&sorted, q), value);
        }
    }

    #[test]
    fn spearman_sees_order_only() {
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, 10.0, 1000.0]), Some(1.0));
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]), Some(-1.0));
        // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / √(4.5 · 5).
        let tied = spearman(&[0.0, 5.0, 5.0, 9.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        near(tied, 4.5 / (4.5_f64 * 5.0).sqrt(), 1e-12);
        assert_eq!(spearman(&[1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }

    #[test]
    fn ece_is_the_gap_of_equal_mass_bins() {
        // .8 said and .5 true, whatever the order and the number of bins: the ties stay together.
        let mut cases: Vec<(f64, bool)> = (0..10).map(|i| (0.8, i < 5)).collect();
        near(ece(&cases, 1), 0.3, 1e-12);
        near(ece(&cases, 5), 0.3, 1e-12);
        cases.reverse();
        near(ece(&cases, 5), 0.3, 1e-12);
        // Two bins: .2 against 0, .9 against 1.
        near(
            ece(&[(0.2, false), (0.2, false), (0.9, true), (0.9, true)], 2),
            0.15,
            1e-12,
        );
        // In one bin they cancel partly: .55 against .5.
        near(
            ece(&[(0.2, false), (0.2, false), (0.9, true), (0.9, true)], 1),
            0.05,
            1e-12,
        );
        near(ece(&[(0.3, true)], 10), 0.7, 1e-12);
        assert!(ece(&[], 10).is_nan());
    }

    #[test]
    fn the_logistic_slope_is_found() {
        // At x = 1 three of four: k = ln 3. The ridge moves it by far less than .001.
        let cases: Vec<(f64, bool)> = (0..400).map(|i| (1.0, i % 4 != 0)).collect();
        near(logistic_slope(&cases), 3.0_f64.ln(), 1e-3);
        // x and outcome both turned round say the same.
        let turned: Vec<(f64, bool)> = cases.iter().map(|&(x, so)| (-x, !so)).collect();
        near(logistic_slope(&turned), 3.0_f64.ln(), 1e-3);
        let separated = logistic_slope(&[(0.1, true), (-0.1, false), (3.0, true)]);
        assert!(separated.is_finite() && separated > 10.0);
        near(logistic_slope(&[]), 0.0, 0.0);
        near(logistic_slope(&[(0.0, true)]), 0.0, 0.0);
        near(logistic_slope(&[(1e6, true), (1e6, false)]), 0.0, 1e-6);
    }

    #[test]
    fn a_simulated_slope_is_recovered() {
        let mut rng = scenes::rng(3);
        let cases: Vec<(f64, bool)> = (0..20_000)
            .map(|_| {
                let x = rng.random_range(-0.5..0.5);
                (x, rng.random::<f64>() < 1.0 / (1.0 + (-12.0_f64 * x).exp()))
            })
            .collect();
        near(logistic_slope(&cases), 12.0, 0.6);
    }
}
