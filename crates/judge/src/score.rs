//! From digit probabilities to scores. Pure: no I/O, no model, no clock.
//!
//! The rules are those of the judge protocol: the two orders' log-probabilities are averaged and
//! renormalised, the score is the expectation over the digits, the disagreement of the orders and
//! the spread of the averaged distribution are its uncertainty.

use serde::{Deserialize, Serialize};

/// Below this probability for the ten digits together, an axis is refused.
pub const MIN_DIGIT_MASS: f64 = 0.5;
/// A ceiling and a floor closer than this leave an axis unresolved.
pub const MIN_RANGE: f64 = 0.15;
/// Scores from here on match, if the orders agree within [`MATCH_POSITION_BIAS`].
pub const MATCH_SCORE: f64 = 0.8;
/// The largest position bias of a match.
pub const MATCH_POSITION_BIAS: f64 = 0.1;
/// Scores below this are a mismatch.
pub const MISMATCH_SCORE: f64 = 0.4;
/// Stands for the logarithm of a probability of zero.
const LOG_ZERO: f64 = -50.0;

/// One axis as the two orders read it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// `E = Σ d·p(d) / 9` of the averaged distribution, in `[0, 1]`.
    pub raw: f64,
    /// Half the difference of the two orders' `E`, in `[0, 0.5]`.
    #[serde(alias = "order")]
    pub position_bias: f64,
    /// Standard deviation of the averaged distribution on the scale of `raw`, in `[0, 0.5]`.
    #[serde(alias = "spread")]
    pub std: f64,
    /// The smaller of the two orders' probability for the ten digits together, in `[0, 1]`.
    pub mass: f64,
}

impl Reading {
    /// Whether the model refused to answer with a digit.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.mass < MIN_DIGIT_MASS
    }
}

/// Combines the natural-log probabilities of the digit tokens of both orders.
#[must_use]
pub fn read(orders: [&[f64; 10]; 2]) -> Reading {
    let mass = |logs: &[f64; 10]| -> f64 { logs.iter().map(|x| x.exp()).sum::<f64>().min(1.0) };
    let averaged: [f64; 10] =
        std::array::from_fn(|d| f64::midpoint(orders[0][d].max(LOG_ZERO), orders[1][d].max(LOG_ZERO)));
    let together = normalise(&averaged);
    let (raw, std) = moments(&together);
    let (first, _) = moments(&normalise(orders[0]));
    let (second, _) = moments(&normalise(orders[1]));
    Reading {
        raw,
        position_bias: (first - second).abs() / 2.0,
        std,
        mass: mass(orders[0]).min(mass(orders[1])),
    }
}

fn normalise(logs: &[f64; 10]) -> [f64; 10] {
    let logs = logs.map(|x| x.max(LOG_ZERO));
    let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights = logs.map(|x| (x - max).exp());
    let sum: f64 = weights.iter().sum();
    weights.map(|w| w / sum)
}

/// Mean and standard deviation of a digit distribution, on `[0, 1]`.
fn moments(p: &[f64; 10]) -> (f64, f64) {
    let value = |d: usize| d as f64 / 9.0;
    let mean: f64 = p.iter().enumerate().map(|(d, p)| p * value(d)).sum();
    let variance: f64 = p.iter().enumerate().map(|(d, p)| p * (value(d) - mean).powi(2)).sum();
    (mean, variance.max(0.0).sqrt())
}

/// Which of two pictures is closer to the reference on a group of axes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closer {
    /// Natural log-odds that the second one is, averaged over both places it was shown in.
    pub log_odds: f64,
    /// Half the difference between the two places.
    #[serde(alias = "order")]
    pub position_bias: f64,
    /// The lesser probability of the answers 2 and 3 together, in `[0, 1]`.
    pub mass: f64,
}

impl Closer {
    /// Whether the model answered with something other than 2 or 3.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.mass < MIN_DIGIT_MASS
    }
}

/// Reads step D: the digits with the first picture shown as Image 2, and with it as Image 3.
#[must_use]
pub fn closer(first_as_2: &[f64; 10], first_as_3: &[f64; 10]) -> Closer {
    let odds = |logs: &[f64; 10]| logs[3].max(LOG_ZERO) - logs[2].max(LOG_ZERO);
    let mass = |logs: &[f64; 10]| (logs[2].exp() + logs[3].exp()).min(1.0);
    let (one, other) = (odds(first_as_2), -odds(first_as_3));
    Closer {
        log_odds: f64::midpoint(one, other),
        position_bias: (one - other).abs() / 2.0,
        mass: mass(first_as_2).min(mass(first_as_3)),
    }
}

/// What a judge gives a picture against itself and against unrelated ones, per axis.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// `raw` of the reference against itself.
    pub ceiling: f64,
    /// Mean `raw` of the reference against the bank of unrelated pictures.
    pub floor: f64,
}

impl Scale {
    /// From what was read of the reference against itself and against each unrelated picture.
    ///
    /// A refusal measures nothing: without a ceiling or any floor the axis is unresolved.
    #[must_use]
    pub fn measured(ceiling: &Reading, floors: &[Reading]) -> Self {
        let told: Vec<f64> = floors.iter().filter(|f| !f.refused()).map(|f| f.raw).collect();
        let floor = if ceiling.refused() || told.is_empty() {
            ceiling.raw
        } else {
            told.iter().sum::<f64>() / told.len() as f64
        };
        Self {
            ceiling: ceiling.raw,
            floor,
        }
    }

    /// Whether this judge tells anything apart on this axis.
    #[must_use]
    pub fn resolves(&self) -> bool {
        self.ceiling - self.floor >= MIN_RANGE
    }

    /// `clamp((raw − floor) / (ceiling − floor), 0, 1)`; `None` when unresolved.
    #[must_use]
    pub fn score(&self, raw: f64) -> Option<f64> {
        self.resolves()
            .then(|| ((raw - self.floor) / (self.ceiling - self.floor)).clamp(0.0, 1.0))
    }
}

/// What an axis came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AxisVerdict {
    /// Score at least 0.8 and orders within 0.1.
    Match,
    /// Between match and mismatch.
    Partial,
    /// Score below 0.4.
    Mismatch,
    /// The model did not answer with a digit: no score.
    Refused,
    /// Ceiling and floor lie too close for this judge: no score.
    Unresolved,
    /// Not visible in the reference: left out.
    NotVisible,
}

impl AxisVerdict {
    /// Every verdict.
    pub const ALL: [Self; 6] = [
        Self::Match,
        Self::Partial,
        Self::Mismatch,
        Self::Refused,
        Self::Unresolved,
        Self::NotVisible,
    ];

    /// The verdict on a scored axis.
    #[must_use]
    pub fn of(score: f64, position_bias: f64) -> Self {
        if score >= MATCH_SCORE && position_bias <= MATCH_POSITION_BIAS {
            Self::Match
        } else if score < MISMATCH_SCORE {
            Self::Mismatch
        } else {
            Self::Partial
        }
    }

    /// The name it has in results.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Partial => "partial",
            Self::Mismatch => "mismatch",
            Self::Refused => "refused",
            Self::Unresolved => "unresolved",
            Self::NotVisible => "not_visible",
        }
    }

    /// Whether the axis has a score and counts in the overall score.
    #[must_use]
    pub fn counts(self) -> bool {
        matches!(self, Self::Match | Self::Partial | Self::Mismatch)
    }
}

/// One counting axis, as the overall score needs it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighted {
    /// The axis's score (or raw value), in `[0, 1]`.
    pub value: f64,
    /// Its standard error on the same scale.
    pub error: f64,
    /// Its weight, above 0.
    pub weight: f64,
}

/// A weighted mean with an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overall {
    /// The weighted mean, in `[0, 1]`.
    pub value: f64,
    /// About 95 %: mean ± 1.96 standard errors, clamped to `[0, 1]`.
    pub interval: [f64; 2],
}

/// The weighted mean of the counting axes; `None` when there is none.
///
/// The axes' errors are taken as independent: `σ² = Σ w²·e² / (Σ w)²`.
#[must_use]
pub fn overall(axes: &[Weighted]) -> Option<Overall> {
    let total: f64 = axes.iter().map(|a| a.weight).sum();
    if axes.is_empty() || total <= 0.0 {
        return None;
    }
    let value = axes.iter().map(|a| a.weight * a.value).sum::<f64>() / total;
    let error = axes.iter().map(|a| (a.weight * a.error).powi(2)).sum::<f64>().sqrt() / total;
    let at = |sign: f64| (value + sign * 1.96 * error).clamp(0.0, 1.0);
    Some(Overall {
        value,
        interval: [at(-1.0), at(1.0)],
    })
}

/// The standard error of an axis from its two uncertainties: `√(order² + spread²)`.
#[must_use]
pub fn standard_error(reading: &Reading) -> f64 {
    reading.position_bias.hypot(reading.std)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(p: [f64; 10]) -> [f64; 10] {
        p.map(f64::ln)
    }

    fn sure(digit: usize) -> [f64; 10] {
        let mut p = [1e-9; 10];
        p[digit] = 0.99;
        logs(p)
    }

    #[test]
    fn both_orders_count_the_same_and_neither_is_skipped() {
        let (low, high) = (sure(2), sure(8));
        let one = read([&low, &high]);
        let other = read([&high, &low]);
        assert_eq!(one, other);
        assert_ne!(one.raw, read([&low, &low]).raw);
        assert_ne!(one.raw, read([&high, &high]).raw);
        assert!((one.position_bias - 1.0 / 3.0).abs() < 1e-6, "{one:?}");
    }

    #[test]
    fn the_score_is_the_expectation_not_the_likeliest_digit() {
        let mut p = [1e-12; 10];
        p[9] = 0.4;
        p[5] = 0.3;
        p[6] = 0.3;
        let reading = read([&logs(p), &logs(p)]);
        assert!((reading.raw - (0.4 * 9.0 + 0.3 * 5.0 + 0.3 * 6.0) / 9.0).abs() < 1e-9);
        assert_eq!(reading.position_bias, 0.0);
    }

    #[test]
    fn little_digit_mass_is_a_refusal_even_in_one_order() {
        let weak = logs([0.04; 10]);
        let strong = logs([0.09; 10]);
        assert!(read([&weak, &weak]).refused());
        assert!(read([&strong, &weak]).refused());
        assert!(!read([&strong, &strong]).refused());
    }

    #[test]
    fn impossible_digits_do_not_make_a_score_that_is_no_number() {
        let mut p = [f64::NEG_INFINITY; 10];
        p[3] = 0.0;
        let reading = read([&p, &sure(7)]);
        assert!(reading.raw.is_finite() && reading.std.is_finite() && reading.position_bias.is_finite());
    }

    #[test]
    fn a_leaning_to_one_place_cancels_in_which_is_closer() {
        let mut leans = [-9.0; 10];
        (leans[2], leans[3]) = (-0.2, -2.0);
        let got = closer(&leans, &leans);
        assert!(
            got.log_odds.abs() < 1e-12 && (got.position_bias - 1.8).abs() < 1e-12,
            "{got:?}"
        );
        let mut other = leans;
        (other[2], other[3]) = (-3.0, -0.1);
        assert!(closer(&other, &leans).log_odds > 0.0);
        assert_eq!(closer(&other, &leans).log_odds, -closer(&leans, &other).log_odds);
    }

    #[test]
    fn the_scale_maps_floor_and_ceiling_to_the_ends() {
        let scale = Scale {
            ceiling: 0.9,
            floor: 0.3,
        };
        assert_eq!(scale.score(0.3), Some(0.0));
        assert_eq!(scale.score(0.9), Some(1.0));
        assert_eq!(scale.score(1.0), Some(1.0));
        assert_eq!(scale.score(0.1), Some(0.0));
        assert_eq!(
            Scale {
                ceiling: 0.44,
                floor: 0.3
            }
            .score(0.4),
            None
        );
    }

    #[test]
    fn a_refusal_measures_neither_ceiling_nor_floor() {
        let reading = |raw, mass| Reading {
            raw,
            position_bias: 0.0,
            std: 0.0,
            mass,
        };
        let (high, low, refused) = (reading(0.9, 0.9), reading(0.1, 0.9), reading(0.7, 0.2));
        assert_eq!(Scale::measured(&high, &[low, refused, reading(0.3, 0.9)]).floor, 0.2);
        assert!(!Scale::measured(&refused, &[low]).resolves());
        assert!(!Scale::measured(&high, &[refused, refused]).resolves());
    }

    #[test]
    fn verdicts_follow_the_protocol() {
        assert_eq!(AxisVerdict::of(0.8, 0.1), AxisVerdict::Match);
        assert_eq!(AxisVerdict::of(0.95, 0.11), AxisVerdict::Partial);
        assert_eq!(AxisVerdict::of(0.4, 0.0), AxisVerdict::Partial);
        assert_eq!(AxisVerdict::of(0.39, 0.0), AxisVerdict::Mismatch);
    }

    #[test]
    fn overall_weighs_and_widens() {
        let axis = |value, error, weight| Weighted { value, error, weight };
        let got = overall(&[axis(1.0, 0.1, 3.0), axis(0.0, 0.1, 1.0)]).unwrap();
        assert!((got.value - 0.75).abs() < 1e-12);
        let half = 1.96 * (0.09f64 + 0.01).sqrt() / 4.0;
        assert!((got.interval[0] - (0.75 - half)).abs() < 1e-12);
        assert!(overall(&[]).is_none());
    }
}
