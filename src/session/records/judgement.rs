//! A judgement: a verdict, or why there is none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Unreadable, version};
use imaging::Signals;
use judge::engine::Cost;
use judge::score::AxisVerdict;
use judge::verdict::{AxisResult, Flag, Verdict, Versus};
use safety::{Refusal, Side};
use types::{AxisId, JudgeHash};

const WHAT: &str = "a judgement";
const NEWEST: u64 = 1;

/// What is recorded of a judgement.
#[derive(Clone, Debug, PartialEq)]
pub enum JudgementRecord {
    /// It was made.
    Made {
        /// The verdict.
        verdict: Box<Verdict>,
        /// Which picture is closer, where that was asked for.
        versus: Option<Versus>,
    },
    /// The guard refused it.
    Refused {
        /// Why, in words.
        reason: String,
        /// Which picture it is about; nothing where it is about neither, or both.
        side: Option<Side>,
    },
}

impl JudgementRecord {
    /// The record of a refusal.
    #[must_use]
    pub fn refused(refusal: &Refusal) -> Self {
        Self::Refused {
            reason: refusal.to_string(),
            side: refusal.side(),
        }
    }

    /// The verdict, unless the judgement was refused.
    #[must_use]
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Made { verdict, .. } => Some(*verdict),
            Self::Refused { .. } => None,
        }
    }

    /// Writes the newest version.
    ///
    /// # Errors
    /// A number that is not finite cannot be written.
    pub fn write(&self) -> Result<Value, serde_json::Error> {
        match self {
            // The history finds refusals by these two names.
            Self::Refused { reason, side } => Ok(json!({"v": NEWEST, "refused": reason, "side": side})),
            Self::Made { verdict, versus } => {
                let mut written = json!({"v": NEWEST});
                let row = serde_json::to_value(VerdictRow::of(verdict, versus.as_ref()))?;
                if let (Value::Object(all), Value::Object(fields)) = (&mut written, row) {
                    all.extend(fields);
                }
                Ok(written)
            }
        }
    }

    /// Reads any version.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn read(stored: &Value) -> Result<Self, Unreadable> {
        // Version 0 has the same fields under two older names, and flags in another form.
        version(stored, NEWEST, WHAT)?;
        let unreadable = |error: serde_json::Error| Unreadable::new(WHAT, error);
        if let Some(reason) = stored.get("refused") {
            return Ok(Self::Refused {
                reason: String::deserialize(reason).map_err(unreadable)?,
                side: Option::deserialize(&stored["side"]).map_err(unreadable)?,
            });
        }
        let row = VerdictRow::deserialize(stored).map_err(unreadable)?;
        row.read()
    }
}

#[derive(Serialize, Deserialize)]
struct VerdictRow {
    overall_score: Option<f64>,
    overall_ci: Option<[f64; 2]>,
    overall_raw: Option<f64>,
    axes: Vec<AxisRow>,
    signals: SignalsRow,
    flags: Vec<Value>,
    judge: JudgeHash,
    #[serde(default)]
    cost: CostRow,
    #[serde(default)]
    seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    versus: Option<VersusRow>,
}

#[derive(Serialize, Deserialize)]
struct AxisRow {
    id: AxisId,
    group: Option<String>,
    weight: f64,
    score: Option<f64>,
    raw: Option<f64>,
    #[serde(alias = "order")]
    position_bias: f64,
    #[serde(alias = "spread")]
    std: f64,
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "gen")]
    generated: String,
    verdict: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hidden_raw: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct SignalsRow {
    palette: f64,
    brightness: f64,
    sharpness: f64,
    hog: f64,
    ssim: f64,
    phash: u32,
}

/// What a judgement took is for people: a part that is missing is 0.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct CostRow {
    encode_s: f64,
    prefill_s: f64,
    branch_s: f64,
    decode_s: f64,
    images_encoded: u32,
    images_kept: u32,
    prefill_tokens: u32,
    reused_tokens: u32,
    branch_tokens: u32,
}

#[derive(Serialize, Deserialize)]
struct VersusRow {
    against: String,
    log_odds: Option<f64>,
    groups: BTreeMap<String, f64>,
}

impl VerdictRow {
    fn of(verdict: &Verdict, versus: Option<&Versus>) -> Self {
        let (signals, cost) = (&verdict.signals, &verdict.cost);
        Self {
            overall_score: verdict.overall_score,
            overall_ci: verdict.overall_ci,
            overall_raw: verdict.overall_raw,
            axes: verdict.axes.iter().map(AxisRow::of).collect(),
            signals: SignalsRow {
                palette: signals.palette,
                brightness: signals.brightness,
                sharpness: signals.sharpness,
                hog: signals.hog,
                ssim: signals.ssim,
                phash: signals.phash,
            },
            flags: verdict.flags.iter().map(|flag| flag.to_string().into()).collect(),
            judge: verdict.judge.clone(),
            cost: CostRow {
                encode_s: cost.encode_s,
                prefill_s: cost.prefill_s,
                branch_s: cost.branch_s,
                decode_s: cost.decode_s,
                images_encoded: cost.images_encoded,
                images_kept: cost.images_kept,
                prefill_tokens: cost.prefill_tokens,
                reused_tokens: cost.reused_tokens,
                branch_tokens: cost.branch_tokens,
            },
            seconds: verdict.seconds,
            versus: versus.map(|versus| VersusRow {
                against: versus.against.clone(),
                log_odds: versus.log_odds,
                groups: versus.groups.clone(),
            }),
        }
    }

    fn read(self) -> Result<JudgementRecord, Unreadable> {
        let (signals, cost) = (self.signals, self.cost);
        let verdict = Verdict {
            overall_score: self.overall_score,
            overall_ci: self.overall_ci,
            overall_raw: self.overall_raw,
            axes: self.axes.into_iter().map(AxisRow::read).collect::<Result<_, _>>()?,
            signals: Signals {
                palette: signals.palette,
                brightness: signals.brightness,
                sharpness: signals.sharpness,
                hog: signals.hog,
                ssim: signals.ssim,
                phash: signals.phash,
            },
            flags: self.flags.iter().map(flag).collect::<Result<_, _>>()?,
            judge: self.judge,
            cost: Cost {
                encode_s: cost.encode_s,
                prefill_s: cost.prefill_s,
                branch_s: cost.branch_s,
                decode_s: cost.decode_s,
                images_encoded: cost.images_encoded,
                images_kept: cost.images_kept,
                prefill_tokens: cost.prefill_tokens,
                reused_tokens: cost.reused_tokens,
                branch_tokens: cost.branch_tokens,
            },
            seconds: self.seconds,
        };
        Ok(JudgementRecord::Made {
            verdict: Box::new(verdict),
            versus: self.versus.map(|versus| Versus {
                against: versus.against,
                log_odds: versus.log_odds,
                groups: versus.groups,
            }),
        })
    }
}

impl AxisRow {
    fn of(axis: &AxisResult) -> Self {
        Self {
            id: axis.id.clone(),
            group: axis.group.clone(),
            weight: axis.weight,
            score: axis.score,
            raw: axis.raw,
            position_bias: axis.position_bias,
            std: axis.std,
            reference: axis.reference.clone(),
            generated: axis.generated.clone(),
            verdict: axis.verdict.as_str().to_owned(),
            hidden_raw: axis.hidden_raw,
        }
    }

    fn read(self) -> Result<AxisResult, Unreadable> {
        let known = AxisVerdict::ALL
            .into_iter()
            .find(|known| known.as_str() == self.verdict);
        Ok(AxisResult {
            verdict: known.ok_or_else(|| {
                Unreadable::new(WHAT, format!("axis {} has the verdict \"{}\"", self.id, self.verdict))
            })?,
            id: self.id,
            group: self.group,
            weight: self.weight,
            score: self.score,
            raw: self.raw,
            position_bias: self.position_bias,
            std: self.std,
            reference: self.reference,
            generated: self.generated,
            hidden_raw: self.hidden_raw,
        })
    }
}

/// A flag by its name. Version 0 wrote flags about one picture as `{"reference": "animated"}`.
fn flag(stored: &Value) -> Result<Flag, Unreadable> {
    let name = match stored {
        Value::String(name) => name.clone(),
        Value::Object(old) => match old.iter().next() {
            Some((side, Value::String(what))) if old.len() == 1 => format!("{side}_{what}"),
            _ => stored.to_string(),
        },
        _ => stored.to_string(),
    };
    Flag::named(&name).ok_or_else(|| Unreadable::new(WHAT, format!("it has the flag {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use imaging::PictureFlag;

    /// As commit a78b3ea wrote it, shortened to two axes.
    fn version_0() -> Value {
        json!({
            "overall_score": 0.5, "overall_ci": [0.4, 0.6], "overall_raw": 0.45,
            "axes": [
                {"id": "palette", "group": "look", "weight": 1.0, "score": 0.5, "raw": 0.45, "order": 0.01, "spread": 0.2,
                 "ref": "red", "gen": "blue", "verdict": "partial"},
                {"id": "hair", "group": null, "weight": 2.0, "score": null, "raw": 0.1, "order": 0.0, "spread": 0.1,
                 "ref": "not visible", "gen": "not visible", "verdict": "not_visible"}
            ],
            "signals": {"palette": 1.0, "brightness": -2.0, "sharpness": 0.5, "hog": 0.2, "ssim": 0.9, "phash": 3},
            "flags": ["narrow_model", {"reference": "animated"}, {"generated": "alpha_on_white"}],
            "judge": "abababababababab", "seconds": 1.5,
            "cost": {"encode_s": 0.1, "prefill_s": 0.2, "branch_s": 0.3, "decode_s": 0.4, "images_encoded": 1, "images_kept": 0,
                     "prefill_tokens": 10, "reused_tokens": 20, "branch_tokens": 30},
            "versus": {"against": "2", "log_odds": -0.5, "groups": {"look": -0.5}}
        })
    }

    #[test]
    fn every_version_is_read_and_the_newest_is_written() {
        let read = JudgementRecord::read(&version_0()).unwrap();
        let JudgementRecord::Made { verdict, versus } = &read else {
            panic!("{read:?}")
        };
        assert_eq!((verdict.axes[0].position_bias, verdict.axes[0].std), (0.01, 0.2));
        assert_eq!(verdict.axes[1].verdict, AxisVerdict::NotVisible);
        assert_eq!(
            verdict.flags,
            [
                Flag::NarrowModel,
                Flag::Reference(PictureFlag::Animated),
                Flag::Generated(PictureFlag::AlphaOnWhite)
            ]
        );
        assert_eq!(versus.as_ref().unwrap().log_odds, Some(-0.5));
        let written = read.write().unwrap();
        assert_eq!(written["v"], 1);
        assert_eq!(written["axes"][0]["position_bias"], 0.01);
        assert_eq!(written["flags"][1], "reference_animated");
        assert_eq!(JudgementRecord::read(&written).unwrap(), read);
        assert_eq!(
            written["axes"][0].get("hidden_raw"),
            None,
            "only where a picture hides the axis"
        );
        let mut hides = written;
        hides["axes"][0]["hidden_raw"] = json!(0.25);
        let kept = JudgementRecord::read(&hides).unwrap();
        assert_eq!(kept.write().unwrap(), hides);
    }

    #[test]
    fn a_part_that_only_people_look_at_may_be_missing() {
        let mut old = version_0();
        old["cost"].as_object_mut().unwrap().remove("images_kept");
        old.as_object_mut().unwrap().remove("seconds");
        assert!(JudgementRecord::read(&old).unwrap().verdict().is_some());
    }

    #[test]
    fn refusals_are_read_and_written() {
        let refusal = Refusal::MaybeUnder18 { side: Side::Reference };
        let written = JudgementRecord::refused(&refusal).write().unwrap();
        assert_eq!(written["side"], "reference");
        assert_eq!(
            JudgementRecord::read(&written).unwrap(),
            JudgementRecord::refused(&refusal)
        );
        let old = json!({"refused": "refused: no", "side": null});
        assert_eq!(JudgementRecord::read(&old).unwrap().verdict(), None);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_why() {
        type Damage = fn(&mut Value);
        let damages: [(&str, Damage); 6] = [
            ("version 2", |v| v["v"] = json!(2)),
            ("missing field `axes`", |v| {
                drop(v.as_object_mut().unwrap().remove("axes"))
            }),
            ("the verdict \"splendid\"", |v| {
                v["axes"][0]["verdict"] = json!("splendid")
            }),
            ("the flag blurred", |v| v["flags"] = json!(["blurred"])),
            ("invalid type", |v| v["axes"][1]["weight"] = json!("heavy")),
            ("invalid type", |v| v["refused"] = json!(1)),
        ];
        for (expected, damage) in damages {
            let mut damaged = version_0();
            damage(&mut damaged);
            let error = JudgementRecord::read(&damaged).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        assert!(JudgementRecord::read(&json!(null)).is_err());
        assert!(JudgementRecord::read(&json!([])).is_err());
    }
}
