//! T11: a whole calibration with planted changes and noisy seeds.

use scenes::Scene;

use super::{Bench, measure, meter, report};
use crate::EvalError;
use crate::cases::{self, Calibration};
use crate::looping;
use crate::numbers;
use crate::report::Target::{AtLeast, AtMost};
use crate::report::{Measure, TestReport};
use types::progress::Teller;

/// Seed noise, as multiples of a planted change's effect.
const NOISES: [f64; 3] = [0.5, 1.0, 2.0];

/// The real judge on scenes, as the loop asks for it.
struct OnScenes<'a> {
    bench: &'a Bench<'a>,
    calibration: &'a Calibration,
    noise: f64,
}

impl OnScenes<'_> {
    /// The scene after some changes.
    fn state(&self, changes: &[usize]) -> Scene {
        let mut scene = self.calibration.start.clone();
        for &change in changes {
            if let Some((attribute, off)) = self.calibration.changes[change] {
                // Its own source, so that a change is the same in whatever company it comes.
                let mut rng = cases::rng(self.bench.plan.seed, 5000 + change as u64);
                scene = scene.taking(&self.calibration.reference, attribute);
                if off > 0.0 {
                    scene = scene.edited(attribute, off, &mut rng);
                }
            }
        }
        scene
    }

    async fn overall(&self, changes: &[usize], seed: u64) -> Result<f64, EvalError> {
        // One generation: what the seed does to it depends on the seed and on what is generated.
        let scene = self.state(changes);
        let mixed = changes.iter().fold(seed, |mixed, change| {
            mixed.wrapping_mul(31).wrapping_add(*change as u64 + 1)
        });
        let mut rng = cases::rng(self.bench.plan.seed ^ mixed, 1200);
        let generated = cases::picture(&cases::shaken(&scene, self.noise, &mut rng))?;
        let reference = cases::picture(&self.calibration.reference)?;
        Ok(self
            .bench
            .asker
            .pair(&reference, &generated, self.bench.plan.evidence)
            .await?
            .overall())
    }
}

impl looping::Measure for OnScenes<'_> {
    type Error = EvalError;

    async fn delta(&mut self, candidate: usize, kept: &[usize], seed: u64) -> Result<f64, EvalError> {
        let mut with = kept.to_vec();
        with.push(candidate);
        Ok(self.overall(&with, seed).await? - self.overall(kept, seed).await?)
    }
}

impl Bench<'_> {
    /// T11: how many keeps are wrong, and how much of what could be gained is.
    pub(super) async fn loops(&self, teller: &Teller) -> Result<TestReport, EvalError> {
        let count = self.plan.cases.div_ceil(20);
        let meter = meter(teller, "T11 calibrations", count * NOISES.len());
        let mut measures: Vec<Measure> = Vec::new();
        for noise in NOISES {
            let (mut wrong, mut gains) = (Vec::new(), Vec::new());
            for number in 0..count {
                let calibration = cases::calibration(self.plan.seed, number);
                let mut scenes = OnScenes {
                    bench: self,
                    calibration: &calibration,
                    noise,
                };
                let effects = effects(&calibration, &scenes);
                let plan = looping::Plan {
                    effects,
                    seed: self.plan.seed.wrapping_add(number as u64),
                };
                let outcome = looping::run(&plan, &mut scenes).await?;
                wrong.extend((0..outcome.keeps).map(|i| f64::from(u8::from(i < outcome.false_keeps))));
                if outcome.keeps == 0 {
                    wrong.push(0.0);
                }
                gains.push(outcome.true_gain / outcome.oracle_gain);
                meter.step();
            }
            let name = |what: &str| format!("noise {noise} × effect: {what}");
            let (mut false_keeps, mut gain) = (
                measure(
                    &name("false keeps, share"),
                    numbers::mean(&wrong),
                    AtMost(0.25),
                    AtMost(0.25),
                ),
                measure(
                    &name("gain of the oracle's, share"),
                    numbers::mean(&gains),
                    AtLeast(0.8),
                    AtLeast(0.8),
                ),
            );
            if noise > 1.0 {
                // At twice the effect only the best judges have a target.
                (false_keeps.target, gain.target) = (None, None);
            }
            measures.extend([false_keeps, gain]);
        }
        Ok(report("T11", "a calibration with planted changes", measures))
    }
}

/// The true effect of every change: by how much it lowers the mean distance to the reference.
fn effects(calibration: &Calibration, scenes: &OnScenes<'_>) -> Vec<f64> {
    let distance = |scene: &Scene| {
        let all = calibration.reference.distances(scene);
        all.iter().sum::<f64>() / all.len() as f64
    };
    let before = distance(&calibration.start);
    (0..calibration.changes.len())
        .map(|change| before - distance(&scenes.state(&[change])))
        .collect()
}
