//! Does this judge tell alike from unlike at all? Asked once per judge and rubric.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cache::{Kind, MemoryKey};
use super::engine::{Cost, EngineError, KeyedPixels, PixelKey, Pixels};
use super::protocol::{self, AxisValue, Evidence};
use super::score::Reading;
use super::steps::{Seen, Steps};
use super::stored::Stored;
use super::{CHECKING, Call, Judge, JudgeError, bank, keyed, part};
use imaging::{Limits, decode};
use types::JudgeHash;
use types::progress::Meter;

/// An identical pair must reach this raw value (the protocol's T2 asks 0.90 of the bundled judge
/// and 0.95 of a good one).
const MIN_IDENTICAL: f64 = 0.8;
/// An unrelated pair and a grey picture must lie at least this much below the identical pair.
const MIN_DROP: f64 = 0.3;

/// What the self-check measured: means of `raw` over the axes, in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfCheck {
    /// A picture against itself.
    pub identical: f64,
    /// Two unrelated pictures.
    pub unrelated: f64,
    /// A picture against plain grey.
    pub grey: f64,
    /// Whether the judge can be trusted to see.
    pub passed: bool,
}

impl SelfCheck {
    /// Of a judge that is only timed: nothing was measured, and it is not to be trusted.
    #[must_use]
    pub fn skipped() -> Self {
        Self::of(0.0, 0.0, 0.0)
    }

    fn of(identical: f64, unrelated: f64, grey: f64) -> Self {
        Self {
            identical,
            unrelated,
            grey,
            passed: identical >= MIN_IDENTICAL && unrelated <= identical - MIN_DROP && grey <= identical - MIN_DROP,
        }
    }
}

/// The bank's pictures, fitted.
pub(super) fn bank(image_tokens: u32) -> Result<Vec<KeyedPixels>, JudgeError> {
    bank::bank()
        .iter()
        .map(|entry| keyed(&decode(entry.bytes, &Limits::default())?, image_tokens))
        .collect()
}

impl Judge {
    /// The stored self-check of the judge of this hash, made now when there is none.
    pub(super) async fn checked(
        &self,
        judge: &JudgeHash,
        evidence: Evidence,
        call: &Call<'_>,
    ) -> Result<SelfCheck, JudgeError> {
        if let Some(found) = self.checked.lock().await.get(judge) {
            return Ok(*found);
        }
        let key = MemoryKey {
            kind: Kind::SelfCheck,
            judge: judge.clone(),
            rubric: call.rubric.hash(),
        };
        let stored = self.memory.load(&key).await?;
        let check = match stored.map(|kept| SelfCheck::from_stored(&kept.value)).transpose()? {
            Some(check) => check,
            None => {
                let check = self.run_self_check(evidence, call).await?;
                self.memory.store(&key, check.to_stored()).await?;
                check
            }
        };
        self.checked.lock().await.insert(judge.clone(), check);
        Ok(check)
    }

    async fn run_self_check(&self, evidence: Evidence, call: &Call<'_>) -> Result<SelfCheck, JudgeError> {
        let tokens = self.engine.image_tokens();
        let pictures = bank(tokens)?;
        let [first, second, ..] = &pictures[..] else {
            return Err(EngineError::Protocol("the bank of pictures is empty".into()).into());
        };
        let grey = grey_like(first);
        let system = protocol::system(call.rubric);
        let values_asks = if Steps::needs_values(evidence) { 3 } else { 0 };
        let meter = Meter::new(
            &part(call.teller, CHECKING),
            "checking the judge itself (once)",
            values_asks + 3 * Steps::asks_per_reading(evidence),
        );
        let mut steps = Steps {
            engine: &*self.engine,
            rubric: call.rubric,
            evidence,
            layout: protocol::layout(call.rubric, tokens),
            system: &system,
            base: first,
            lasting: &pictures,
            cancel: call.cancel,
            meter: &meter,
            cost: Cost::default(),
        };
        let mut shown: Vec<Vec<AxisValue>> = vec![Vec::new(); 3];
        if Steps::needs_values(evidence) {
            for (values, picture) in shown.iter_mut().zip([first, second, &grey]) {
                *values = steps.values(picture).await?;
            }
        }
        let base = Seen {
            pixels: first,
            values: &shown[0],
        };
        let identical = steps.readings(base, base).await?;
        let unrelated = steps
            .readings(
                base,
                Seen {
                    pixels: second,
                    values: &shown[1],
                },
            )
            .await?;
        let grey = steps
            .readings(
                base,
                Seen {
                    pixels: &grey,
                    values: &shown[2],
                },
            )
            .await?;
        Ok(SelfCheck::of(mean(&identical), mean(&unrelated), mean(&grey)))
    }
}

fn mean(readings: &[Reading]) -> f64 {
    // A refused axis says nothing; a judge that refuses everything is not alike with anything.
    let raws: Vec<f64> = readings.iter().filter(|r| !r.refused()).map(|r| r.raw).collect();
    if raws.is_empty() {
        0.0
    } else {
        raws.iter().sum::<f64>() / raws.len() as f64
    }
}

fn grey_like(picture: &KeyedPixels) -> KeyedPixels {
    let Pixels { width, height, rgb } = &*picture.pixels;
    KeyedPixels {
        key: PixelKey(format!("grey {width}x{height}")),
        pixels: Arc::new(Pixels {
            width: *width,
            height: *height,
            rgb: vec![128; rgb.len()],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_judge_that_says_the_same_of_everything_fails() {
        assert!(SelfCheck::of(0.95, 0.2, 0.1).passed);
        assert!(!SelfCheck::of(0.9, 0.9, 0.9).passed);
        assert!(!SelfCheck::of(0.9, 0.2, 0.7).passed);
        assert!(!SelfCheck::of(0.6, 0.1, 0.1).passed);
        assert!(!SelfCheck::of(f64::NAN, 0.1, 0.1).passed);
    }
}
