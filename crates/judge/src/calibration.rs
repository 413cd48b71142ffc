//! What `eval --fit` learns of a judge: a map an axis from its raw score to the true likeness.
//!
//! A map never changes an order, it only stretches the scale. It stands beside the score and the
//! raw score, and replaces neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::protocol::Evidence;

/// Version of [`Fit`]; others are not read.
pub const FIT_VERSION: u32 = 1;
/// Fewer pairs fit no map.
pub const MIN_PAIRS: usize = 20;
/// Raw scores or truths that span less than this, on their scale of `[0, 1]`, fit no map.
const MIN_SPREAD: f64 = 0.05;
/// Knots between the ends, so at most 12 in all.
const MAX_INNER_KNOTS: usize = 10;
/// A group smaller than this is mostly noise.
const MIN_GROUP: usize = 5;

/// An increasing, piecewise linear map from a raw score in `[0, 1]` to a true likeness in `[0, 1]`.
///
/// Written as the list of its knots, `[[raw, truth], …]`; a list that is no such map is not read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[f64; 2]>", into = "Vec<[f64; 2]>")]
pub struct MonotoneMap {
    knots: Vec<[f64; 2]>,
}

/// Why a list of knots is no map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMap {
    /// Fewer than two knots.
    TooFew,
    /// A number that is not finite or not in `[0, 1]`.
    OutOfRange,
    /// A raw score that is not above the one before, or a truth below it.
    NotIncreasing,
}

impl std::fmt::Display for BadMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooFew => "a calibration map needs two knots or more",
            Self::OutOfRange => "the knots of a calibration map lie in 0 to 1",
            Self::NotIncreasing => "the knots of a calibration map increase",
        })
    }
}

impl std::error::Error for BadMap {}

impl TryFrom<Vec<[f64; 2]>> for MonotoneMap {
    type Error = BadMap;

    fn try_from(knots: Vec<[f64; 2]>) -> Result<Self, BadMap> {
        if knots.len() < 2 {
            return Err(BadMap::TooFew);
        }
        // NaN is in no range.
        if knots.iter().flatten().any(|v| !(0.0..=1.0).contains(v)) {
            return Err(BadMap::OutOfRange);
        }
        if knots.windows(2).any(|w| w[1][0] <= w[0][0] || w[1][1] < w[0][1]) {
            return Err(BadMap::NotIncreasing);
        }
        Ok(Self { knots })
    }
}

impl From<MonotoneMap> for Vec<[f64; 2]> {
    fn from(map: MonotoneMap) -> Self {
        map.knots
    }
}

impl MonotoneMap {
    /// Fits a map to pairs of (raw, truth), both in `[0, 1]`; others are clamped, and pairs with a
    /// number that is not finite left out. `None` below [`MIN_PAIRS`], where raw scores or truths
    /// hardly differ, or where the truth does not rise with the raw score at all.
    ///
    /// Isotonic regression by pooling adjacent violators (Ayer et al. 1955), not of single pairs,
    /// which gives steps, but of the means of at most ten groups of neighbours, joined by lines. The
    /// outer lines go on to the ends of the scale, so raw scores beyond the pairs keep their order.
    #[must_use]
    pub fn fit(pairs: &[(f64, f64)]) -> Option<Self> {
        let mut pairs: Vec<(f64, f64)> = pairs
            .iter()
            .filter(|(raw, truth)| raw.is_finite() && truth.is_finite())
            .map(|(raw, truth)| (raw.clamp(0.0, 1.0), truth.clamp(0.0, 1.0)))
            .collect();
        if pairs.len() < MIN_PAIRS {
            return None;
        }
        // By both, so that sums, and with them the map, do not depend on the order of the pairs.
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let spread = |of: fn(&(f64, f64)) -> f64| {
            let (low, high) = pairs
                .iter()
                .map(of)
                .fold((1.0_f64, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
            high - low
        };
        if spread(|p| p.0) < MIN_SPREAD || spread(|p| p.1) < MIN_SPREAD {
            return None;
        }
        let pooled = pool(&groups(&pairs));
        let mut knots: Vec<[f64; 2]> = pooled.iter().map(Group::knot).collect();
        let [first, second, ..] = knots[..] else {
            return None;
        };
        let [.., before, last] = knots[..] else {
            return None;
        };
        if first[0] > 0.0 {
            knots.insert(0, [0.0, on_line(first, second, 0.0).clamp(0.0, first[1])]);
        }
        if last[0] < 1.0 {
            knots.push([1.0, on_line(before, last, 1.0).clamp(last[1], 1.0)]);
        }
        Self::try_from(knots).ok()
    }

    /// The likeness that a raw score in `[0, 1]` stands for, in `[0, 1]`. Outside the knots it is
    /// that of the nearest one; at a knot exactly the knot's. NaN stays NaN.
    #[must_use]
    pub fn apply(&self, raw: f64) -> f64 {
        if raw.is_nan() {
            return raw;
        }
        let after = self.knots.partition_point(|k| k[0] <= raw);
        match (
            after.checked_sub(1).and_then(|i| self.knots.get(i)),
            self.knots.get(after),
        ) {
            // Rounding must not step over the next knot, or the map would fall there.
            (Some(&a), Some(&b)) => on_line(a, b, raw).clamp(a[1], b[1]),
            (Some(only), None) | (None, Some(only)) => only[1],
            (None, None) => raw,
        }
    }

    /// The raw score up to which the likeness is 0; 0 where it never is.
    #[must_use]
    pub fn zero(&self) -> f64 {
        let last = self.knots.iter().take_while(|knot| knot[1] <= 0.0).last();
        last.map_or(0.0, |knot| knot[0])
    }

    /// The knots, `[raw, truth]`, in increasing order.
    #[must_use]
    pub fn knots(&self) -> &[[f64; 2]] {
        &self.knots
    }
}

/// What a judge was found to need on a rubric: how to ask it, and how to read its scores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// [`FIT_VERSION`] when it was written.
    pub version: u32,
    /// The evidence mode that did best, and that the maps were fitted with.
    pub evidence: Evidence,
    /// A map an axis, by the axis's id. An axis whose scores fit no map is left out.
    pub maps: BTreeMap<String, MonotoneMap>,
    /// Cases a test of the evaluation that it was fitted on.
    pub cases: usize,
    /// The seed that those cases follow from.
    pub seed: u64,
}

/// Neighbouring pairs, as sums.
#[derive(Clone, Copy)]
struct Group {
    raw: f64,
    truth: f64,
    pairs: f64,
}

impl Group {
    fn knot(&self) -> [f64; 2] {
        // The mean of many equal numbers may lie a bit above them, and so above 1.
        [(self.raw / self.pairs).min(1.0), (self.truth / self.pairs).min(1.0)]
    }

    fn add(&mut self, other: Self) {
        self.raw += other.raw;
        self.truth += other.truth;
        self.pairs += other.pairs;
    }
}

/// Sorted pairs in equally large groups; equal raw scores are never parted.
fn groups(pairs: &[(f64, f64)]) -> Vec<Group> {
    let wanted = (pairs.len() / MIN_GROUP).clamp(2, MAX_INNER_KNOTS);
    let mut groups = Vec::with_capacity(wanted);
    let mut start = 0;
    for group in 1..=wanted {
        let mut end = (pairs.len() * group / wanted).max(start);
        while end > start && end < pairs.len() && pairs[end].0 == pairs[end - 1].0 {
            end += 1;
        }
        if end == start {
            continue;
        }
        let mut sums = Group {
            raw: 0.0,
            truth: 0.0,
            pairs: 0.0,
        };
        for &(raw, truth) in &pairs[start..end] {
            sums.add(Group { raw, truth, pairs: 1.0 });
        }
        groups.push(sums);
        start = end;
    }
    groups
}

/// Joins neighbours until the truths increase.
fn pool(groups: &[Group]) -> Vec<Group> {
    let mut pooled: Vec<Group> = Vec::with_capacity(groups.len());
    for &group in groups {
        let mut last = group;
        while let Some(before) = pooled.pop_if(|b| b.knot()[1] >= last.knot()[1]) {
            last.add(before);
        }
        pooled.push(last);
    }
    pooled
}

/// The value at `x` of the line through two knots whose x differ; exact at the first.
fn on_line(a: [f64; 2], b: [f64; 2], x: f64) -> f64 {
    a[1] + (x - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    fn grid() -> impl Iterator<Item = f64> {
        (0..=1000).map(|i| f64::from(i) / 1000.0)
    }

    fn sample(n: usize, noise: f64, seed: u64, curve: fn(f64) -> f64) -> Vec<(f64, f64)> {
        let mut rng = scenes::rng(seed);
        (0..n)
            .map(|_| {
                let raw: f64 = rng.random();
                (raw, curve(raw) + noise * rng.random_range(-1.0..1.0))
            })
            .collect()
    }

    #[test]
    fn random_pairs_fit_only_increasing_maps_in_range() {
        let mut rng = scenes::rng(11);
        let mut fitted = 0;
        for _ in 0..500 {
            let n = rng.random_range(0..200);
            // Often few distinct values, as from a judge that knows ten digits.
            let steps = [3.0, 9.0, 1e6][rng.random_range(0..3)];
            let pairs: Vec<(f64, f64)> = (0..n)
                .map(|_| {
                    let raw = (rng.random::<f64>() * steps).round() / steps;
                    (raw, (raw + rng.random_range(-0.8..0.8)).clamp(-0.1, 1.1))
                })
                .collect();
            let Some(map) = MonotoneMap::fit(&pairs) else {
                continue;
            };
            fitted += 1;
            assert!((2..=12).contains(&map.knots().len()));
            let values: Vec<f64> = grid().map(|x| map.apply(x)).collect();
            assert!(values.windows(2).all(|w| w[0] <= w[1]), "{map:?}");
            assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
            for knot in map.knots() {
                assert_eq!(map.apply(knot[0]), knot[1]);
            }
            let mut shuffled = pairs.clone();
            shuffled.reverse();
            assert_eq!(MonotoneMap::fit(&shuffled), Some(map));
        }
        assert!(fitted > 300, "{fitted}");
    }

    #[test]
    fn a_known_curve_is_recovered() {
        let curves: [fn(f64) -> f64; 4] = [
            |x| x,
            |x| x * x,
            |x| 0.2 + 0.6 * x,
            |x| 1.0 / (1.0 + (-8.0 * (x - 0.5)).exp()),
        ];
        for (i, curve) in curves.into_iter().enumerate() {
            let map = MonotoneMap::fit(&sample(2_000, 0.1, i as u64, curve)).unwrap();
            let worst = grid().map(|x| (map.apply(x) - curve(x)).abs()).fold(0.0, f64::max);
            assert!(worst <= 0.05, "curve {i}: {worst}");
        }
    }

    #[test]
    fn too_little_fits_nothing() {
        let line: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i) / 19.0, f64::from(i) / 19.0)).collect();
        assert!(MonotoneMap::fit(&line).is_some());
        assert!(MonotoneMap::fit(&line[..19]).is_none());
        let narrow: Vec<(f64, f64)> = line.iter().map(|p| (0.5 + p.0 / 100.0, p.1)).collect();
        assert!(MonotoneMap::fit(&narrow).is_none());
        let one_truth: Vec<(f64, f64)> = line.iter().map(|p| (p.0, 0.7)).collect();
        assert!(MonotoneMap::fit(&one_truth).is_none());
        let falling: Vec<(f64, f64)> = line.iter().map(|p| (p.0, 1.0 - p.1)).collect();
        assert!(MonotoneMap::fit(&falling).is_none());
        let unknown = vec![(f64::NAN, 0.5); 40];
        assert!(MonotoneMap::fit(&unknown).is_none());
    }

    #[test]
    fn outside_the_knots_the_ends_hold() {
        let map = MonotoneMap::try_from(vec![[0.2, 0.1], [0.6, 0.9]]).unwrap();
        assert_eq!(map.apply(-3.0), 0.1);
        assert_eq!(map.apply(0.2), 0.1);
        assert_eq!(map.apply(0.6), 0.9);
        assert_eq!(map.apply(1.0), 0.9);
        assert!((map.apply(0.4) - 0.5).abs() < 1e-12);
        assert!(map.apply(f64::NAN).is_nan());
        assert_eq!(map.zero(), 0.0, "no raw score is worth nothing");
        let map = MonotoneMap::try_from(vec![[0.1, 0.0], [0.3, 0.0], [0.6, 0.9]]).unwrap();
        assert_eq!(map.zero(), 0.3);
    }

    #[test]
    fn what_is_written_is_read_and_bad_lists_are_not() {
        let fit = Fit {
            version: FIT_VERSION,
            evidence: Evidence::Values,
            maps: BTreeMap::from([(
                "identity".to_owned(),
                MonotoneMap::fit(&sample(100, 0.1, 1, |x| x)).unwrap(),
            )]),
            cases: 200,
            seed: 7,
        };
        let text = serde_json::to_string(&fit).unwrap();
        assert!(text.contains("\"identity\":[[0.0,"), "{text}");
        let read: Fit = serde_json::from_str(&text).unwrap();
        for x in grid() {
            assert!((read.maps["identity"].apply(x) - fit.maps["identity"].apply(x)).abs() < 1e-12);
        }
        for bad in [
            "[]",
            "[[0.1, 0.1]]",
            "[[0.5, 0.1], [0.4, 0.2]]",
            "[[0.5, 0.1], [0.5, 0.2]]",
            "[[0.4, 0.2], [0.5, 0.1]]",
            "[[0.0, 0.0], [1.5, 1.0]]",
            "[[0.0, -0.1], [1.0, 1.0]]",
            "[[0.0, null], [1.0, 1.0]]",
        ] {
            assert!(serde_json::from_str::<MonotoneMap>(bad).is_err(), "{bad}");
        }
        assert_eq!(
            MonotoneMap::try_from(vec![[0.0, f64::NAN], [1.0, 1.0]]),
            Err(BadMap::OutOfRange)
        );
    }
}
