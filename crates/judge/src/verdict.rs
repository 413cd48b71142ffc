//! What a judgement says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calibration::MonotoneMap;
use super::engine::Cost;
use super::protocol::{self, AxisValue};
use super::rubric::{Axis, Rubric};
use super::score::{AxisVerdict, Closer, Reading, Scale, Weighted, overall, standard_error};
use imaging::{Picture, PictureFlag, ShapeMismatch, Signals};
use types::{AxisId, JudgeHash};

/// Something a reader must know before trusting the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The model's weights are random: the scores mean nothing.
    UntrainedModel,
    /// The model has seen little (the bundled one: rendered scenes); of other pictures its scores
    /// mean nothing.
    NarrowModel,
    /// The judge did not tell an identical pair from an unrelated one.
    SelfCheckFailed,
    /// The model is not a Qwen3-VL; the protocol was not measured on it.
    UnknownArchitecture,
    /// The model's template opens a thinking block, which was closed empty.
    ThinkingClosed,
    /// The pictures' shapes differ by more than a tenth: composition axes compare less well.
    ShapeMismatch,
    /// The reference values were edited by hand.
    EditedReference,
    /// No axis counts, so there is no overall score.
    NothingCounts,
    /// The overall score rests on one or two axes of a longer rubric.
    FewAxes,
    /// The reference is too small to show much.
    TinyReference,
    /// The generated picture is too small to show much.
    TinyGenerated,
    /// What decoding changed in the reference.
    Reference(PictureFlag),
    /// What decoding changed in the generated picture.
    Generated(PictureFlag),
}

impl Flag {
    /// The flag of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain = [
            Self::UntrainedModel,
            Self::NarrowModel,
            Self::SelfCheckFailed,
            Self::UnknownArchitecture,
            Self::ThinkingClosed,
            Self::ShapeMismatch,
            Self::EditedReference,
            Self::NothingCounts,
            Self::FewAxes,
            Self::TinyReference,
            Self::TinyGenerated,
        ];
        let of_pictures = PictureFlag::ALL
            .into_iter()
            .flat_map(|flag| [Self::Reference(flag), Self::Generated(flag)]);
        plain
            .into_iter()
            .chain(of_pictures)
            .find(|flag| flag.to_string() == name)
    }
}

/// Its name in results and records.
impl std::fmt::Display for Flag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UntrainedModel => f.write_str("untrained_model"),
            Self::NarrowModel => f.write_str("narrow_model"),
            Self::SelfCheckFailed => f.write_str("self_check_failed"),
            Self::UnknownArchitecture => f.write_str("unknown_architecture"),
            Self::ThinkingClosed => f.write_str("thinking_closed"),
            Self::ShapeMismatch => f.write_str("shape_mismatch"),
            Self::EditedReference => f.write_str("edited_reference"),
            Self::NothingCounts => f.write_str("nothing_counts"),
            Self::FewAxes => f.write_str("few_axes"),
            Self::TinyReference => f.write_str("tiny_reference"),
            Self::TinyGenerated => f.write_str("tiny_generated"),
            Self::Reference(flag) => write!(f, "reference_{}", flag.as_str()),
            Self::Generated(flag) => write!(f, "generated_{}", flag.as_str()),
        }
    }
}

/// One axis of a judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisResult {
    /// The axis.
    pub id: AxisId,
    /// Its group.
    pub group: Option<String>,
    /// Its weight in the overall score.
    pub weight: f64,
    /// On the reference's scale, in `[0, 1]`; absent when refused, unresolved or not visible.
    pub score: Option<f64>,
    /// The expectation as the model gave it, in `[0, 1]`; absent when refused.
    pub raw: Option<f64>,
    /// Half the difference of the two orders, in `[0, 0.5]`.
    pub position_bias: f64,
    /// Standard deviation of the digit distribution, in `[0, 0.5]`.
    pub std: f64,
    /// What the reference shows.
    #[serde(rename = "ref")]
    pub reference: String,
    /// What the generated picture shows.
    #[serde(rename = "gen")]
    pub generated: String,
    /// What it came to.
    pub verdict: AxisVerdict,
    /// Where the reference shows the axis and the generated picture hides it: the raw value that stands for the score 0, which is
    /// what `raw` is not then. Judgements from before this was recorded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden_raw: Option<f64>,
}

/// What an axis of one picture is compared by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparable {
    /// Both pictures show it: the raw value.
    Shown(f64),
    /// The generated picture hides it: the raw value that stands for the score 0.
    Hidden(f64),
}

impl AxisResult {
    /// What the axis is compared by; nothing where the reference does not show it, or the judge refused it.
    #[must_use]
    pub fn comparable(&self) -> Option<Comparable> {
        if self.verdict == AxisVerdict::NotVisible {
            return None;
        }
        let raw = self.raw?;
        // An older judgement says only by score and words that the picture hid the axis.
        let hid = self.score == Some(0.0) && self.generated == protocol::NOT_VISIBLE;
        Some(match self.hidden_raw.or(hid.then_some(0.0)) {
            Some(zero) => Comparable::Hidden(zero),
            None => Comparable::Shown(raw),
        })
    }
}

/// A whole judgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Weighted mean of the counting axes' scores, in `[0, 1]`; `None` when none counts.
    pub overall_score: Option<f64>,
    /// About 95 % interval of it.
    pub overall_ci: Option<[f64; 2]>,
    /// Weighted mean of the visible axes' raw values, in `[0, 1]`.
    pub overall_raw: Option<f64>,
    /// All axes, worst first; those without a score come last.
    pub axes: Vec<AxisResult>,
    /// Deterministic signals between the pictures, beside the axes.
    pub signals: Signals,
    /// What to know before trusting the numbers.
    pub flags: Vec<Flag>,
    /// The judge's hash.
    pub judge: JudgeHash,
    /// Where the time went.
    pub cost: Cost,
    /// Seconds from start to end.
    pub seconds: f64,
}

/// Step D: which of two pictures is closer to the reference, asked of the judge directly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Versus {
    /// The other picture: an iteration's number, or a path.
    pub against: String,
    /// Natural log-odds that the judged picture is the closer one: the mean over the groups by their axes' weights.
    /// Nothing where no group could be read.
    pub log_odds: Option<f64>,
    /// The same for each group of axes that could be read.
    pub groups: BTreeMap<String, f64>,
}

impl Versus {
    /// Puts the readings of a rubric's groups together, one reading a group.
    #[must_use]
    pub fn of(against: String, rubric: &Rubric, readings: &[Closer]) -> Self {
        let (mut groups, mut sum, mut weights) = (BTreeMap::new(), 0.0, 0.0);
        for (group, reading) in protocol::groups(rubric).into_iter().zip(readings) {
            if reading.refused() {
                continue;
            }
            let weight: f64 = group
                .axes
                .iter()
                .filter_map(|&i| rubric.axes.get(i))
                .map(|a| a.weight)
                .sum();
            sum += weight * reading.log_odds;
            weights += weight;
            groups.insert(group.name, reading.log_odds);
        }
        Self {
            against,
            log_odds: (weights > 0.0).then(|| sum / weights),
            groups,
        }
    }
}

/// What the pure part of a judgement starts from: one entry an axis, in the rubric's order.
pub struct Observed<'a> {
    /// The rubric.
    pub rubric: &'a Rubric,
    /// What the reference shows.
    pub reference: &'a [AxisValue],
    /// What the generated picture shows.
    pub generated: &'a [AxisValue],
    /// How alike they are.
    pub readings: &'a [Reading],
    /// The reference's scale.
    pub scale: &'a [Scale],
    /// Maps from raw values to scores that were fitted for this judge, by axis; an axis with one is
    /// scored by it instead of by the reference's scale.
    pub maps: &'a BTreeMap<String, MonotoneMap>,
}

/// The axes' results, worst first, and the overall score with its interval and raw value.
pub struct Scored {
    /// As in [`Verdict`].
    pub axes: Vec<AxisResult>,
    /// As in [`Verdict`].
    pub overall_score: Option<f64>,
    /// As in [`Verdict`].
    pub overall_ci: Option<[f64; 2]>,
    /// As in [`Verdict`].
    pub overall_raw: Option<f64>,
}

/// Turns observations into results. Pure.
#[must_use]
pub fn score(observed: &Observed<'_>) -> Scored {
    let (mut counting, mut raws) = (Vec::new(), Vec::new());
    let rows = observed
        .reference
        .iter()
        .zip(observed.generated)
        .zip(observed.readings)
        .zip(observed.scale);
    let mut axes: Vec<AxisResult> = observed
        .rubric
        .axes
        .iter()
        .zip(rows)
        .map(|(axis, (((reference, generated), reading), scale))| {
            let map = observed.maps.get(axis.id.as_str());
            let result = one(axis, reference, generated, reading, *scale, map);
            if result.verdict != AxisVerdict::NotVisible
                && let Some(value) = result.raw
            {
                raws.push(Weighted {
                    value,
                    error: standard_error(reading),
                    weight: axis.weight,
                });
            }
            if let Some(value) = result.score {
                let error = standard_error(reading) / (scale.ceiling - scale.floor);
                counting.push(Weighted {
                    value,
                    error,
                    weight: axis.weight,
                });
            }
            result
        })
        .collect();
    // A stable sort: equal axes keep the rubric's order.
    axes.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let total = overall(&counting);
    Scored {
        axes,
        overall_score: total.map(|o| o.value),
        overall_ci: total.map(|o| o.interval),
        overall_raw: overall(&raws).map(|o| o.value),
    }
}

/// Scores first, lowest first; then unresolved by raw value, refused, and what is left out.
pub(super) fn rank(axis: &AxisResult) -> f64 {
    match (axis.verdict, axis.score, axis.raw) {
        (_, Some(score), _) => score,
        (AxisVerdict::Unresolved, None, Some(raw)) => 2.0 + raw,
        (AxisVerdict::Refused, ..) => 4.0,
        _ => 5.0,
    }
}

fn one(
    axis: &Axis,
    reference: &AxisValue,
    generated: &AxisValue,
    reading: &Reading,
    scale: Scale,
    map: Option<&MonotoneMap>,
) -> AxisResult {
    let refused = reading.refused();
    let (score, verdict) = if !reference.is_visible() {
        (None, AxisVerdict::NotVisible)
    } else if refused {
        (None, AxisVerdict::Refused)
    } else if !scale.resolves() {
        (None, AxisVerdict::Unresolved)
    } else if !generated.is_visible() {
        // Visible in the reference and hidden here: the lowest score, or hiding things would pay.
        (Some(0.0), AxisVerdict::Mismatch)
    } else {
        let mapped = map.map(|map| map.apply(reading.raw));
        match mapped.or_else(|| scale.score(reading.raw)) {
            Some(score) => (Some(score), AxisVerdict::of(score, reading.position_bias)),
            None => (None, AxisVerdict::Unresolved),
        }
    };
    AxisResult {
        id: axis.id.clone(),
        group: axis.group.as_ref().map(ToString::to_string),
        weight: axis.weight,
        score,
        raw: (!refused).then_some(reading.raw),
        position_bias: reading.position_bias,
        std: reading.std,
        reference: shown(reference),
        generated: shown(generated),
        verdict,
        hidden_raw: (reference.is_visible() && !refused && !generated.is_visible())
            .then(|| map.map_or(scale.floor, MonotoneMap::zero)),
    }
}

fn shown(value: &AxisValue) -> String {
    if value.is_visible() {
        value.value.clone()
    } else {
        protocol::NOT_VISIBLE.into()
    }
}

/// A picture with a side of fewer pixels shows too little to be judged.
pub const TINY_SIDE: u32 = 64;
/// So many axes that count are too few to be an overall score.
pub const FEW_AXES: usize = 2;

/// Whether a picture is too small to show much.
#[must_use]
pub fn is_tiny(picture: &Picture) -> bool {
    picture.width().min(picture.height()) < TINY_SIDE
}

/// The flag of an overall score that rests on nothing, or on few of the axes.
#[must_use]
pub fn counting_flag(axes: &[AxisResult]) -> Option<Flag> {
    match axes.iter().filter(|axis| axis.score.is_some()).count() {
        0 => Some(Flag::NothingCounts),
        counting if counting <= FEW_AXES && counting < axes.len() => Some(Flag::FewAxes),
        _ => None,
    }
}

/// The flag of two pictures of different shape.
#[must_use]
pub fn shape_flag(mismatch: Option<ShapeMismatch>) -> Option<Flag> {
    mismatch.map(|_| Flag::ShapeMismatch)
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
