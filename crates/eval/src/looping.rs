//! The pure part of T11: the loop of an agent over planted changes, decided by the session's own rule.

use std::collections::HashSet;
use std::future::Future;

use rand::seq::SliceRandom;

use calibration::decide::{Decision, Prior, STEPS, Seen, Way, decide, rescore_due};

/// Changes to try, with what each truly does.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// True effect of every candidate on the raw overall score: above 0 helpful, below 0 harmful,
    /// 0 nil. Effects add up.
    pub effects: Vec<f64>,
    /// What the order of the candidates and the seeds of the pictures follow from.
    pub seed: u64,
}

impl Plan {
    /// A plan of these candidates.
    #[must_use]
    pub fn new(effects: Vec<f64>, seed: u64) -> Self {
        Self { effects, seed }
    }

    /// Twelve candidates: five helpful and four harmful of the same size, and three nil.
    #[must_use]
    pub fn planted(effect: f64, seed: u64) -> Self {
        let mut effects = vec![effect; 5];
        effects.extend([-effect; 4]);
        effects.extend([0.0; 3]);
        Self::new(effects, seed)
    }

    /// The candidates in the order they are tried.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.effects.len()).collect();
        order.shuffle(&mut scenes::rng(self.seed));
        order
    }

    /// What keeping exactly the helpful candidates gains.
    #[must_use]
    pub fn oracle_gain(&self) -> f64 {
        self.effects.iter().filter(|e| **e > 0.0).sum()
    }
}

/// Makes and judges pictures.
pub trait Measure {
    /// Why it could not.
    type Error;

    /// The difference, candidate on top of what is kept minus what is kept, of the raw overall score
    /// on one seed. `kept` is in the order of keeping, so that the picture of `kept` and then
    /// `candidate` is the next incumbent's if it is kept: the same call must give the same picture.
    fn delta(
        &mut self,
        candidate: usize,
        kept: &[usize],
        seed: u64,
    ) -> impl Future<Output = Result<f64, Self::Error>> + Send;
}

/// What a loop came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Sum of the true effects of what was kept.
    pub true_gain: f64,
    /// What an oracle gains on the same plan.
    pub oracle_gain: f64,
    /// Candidates kept.
    pub keeps: u32,
    /// Harmful candidates kept.
    pub false_keeps: u32,
    /// Candidates without effect kept: they cost pictures, not likeness.
    pub nil_keeps: u32,
    /// Different pictures that were needed.
    pub pictures: u32,
}

/// Tries every candidate once.
///
/// The seeds stay the same, so that the incumbent's pictures are used again, until
/// [`rescore_due`] asks for fresh ones. The prior is re-estimated from the candidates before.
///
/// # Errors
/// The first of `measure`.
pub async fn run<M: Measure>(plan: &Plan, measure: &mut M) -> Result<Outcome, M::Error> {
    let mut outcome = Outcome {
        oracle_gain: plan.oracle_gain(),
        ..Outcome::default()
    };
    let mut pictures: HashSet<(Vec<usize>, u64)> = HashSet::new();
    let mut history: Vec<Vec<f64>> = Vec::new();
    let mut kept: Vec<usize> = Vec::new();
    let (mut fresh, mut keeps_since) = (0, 0);
    for candidate in plan.order() {
        let with: Vec<usize> = kept.iter().copied().chain([candidate]).collect();
        let prior = Prior::from_history(&history);
        let mut deltas = Vec::new();
        let way = loop {
            let seen = Seen {
                deltas: &deltas,
                ..Seen::default()
            };
            let more = match decide(&prior, &seen).decision {
                Decision::Keep => break Way::Keep,
                Decision::Revert => break Way::Revert,
                Decision::Tentative(way) => break way,
                Decision::MoreSeeds(more) => more,
            };
            // Only if differences were no numbers: what cannot be measured is not kept.
            if deltas.len() >= STEPS[STEPS.len() - 1] as usize {
                break Way::Revert;
            }
            for _ in 0..more {
                let seed = picture_seed(plan.seed, fresh, deltas.len());
                deltas.push(measure.delta(candidate, &kept, seed).await?);
                pictures.insert((kept.clone(), seed));
                pictures.insert((with.clone(), seed));
            }
        };
        history.push(deltas);
        if way == Way::Revert {
            continue;
        }
        let effect = plan.effects[candidate];
        outcome.true_gain += effect;
        outcome.keeps += 1;
        outcome.false_keeps += u32::from(effect < 0.0);
        outcome.nil_keeps += u32::from(effect == 0.0);
        kept = with;
        keeps_since += 1;
        if rescore_due(keeps_since) {
            (fresh, keeps_since) = (fresh + 1, 0);
        }
    }
    outcome.pictures = u32::try_from(pictures.len()).unwrap_or(u32::MAX);
    Ok(outcome)
}

/// Seeds that differ between plans, rounds and places, as one step of SplitMix64 (Steele et al. 2014).
fn picture_seed(plan: u64, fresh: u64, place: usize) -> u64 {
    let mut z = plan
        ^ (fresh << 32 | place as u64)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::hash::{DefaultHasher, Hash, Hasher};

    use rand::RngExt;

    use super::*;

    /// Pictures whose scores are the sum of their effects and a noise of their own, the same
    /// whenever the same picture is asked about: a lucky incumbent stays lucky.
    struct Synthetic {
        effects: Vec<f64>,
        /// Standard deviation of Δ.
        noise: f64,
    }

    impl Synthetic {
        fn score(&self, kept: &[usize], seed: u64) -> f64 {
            let mut hash = DefaultHasher::new();
            (kept, seed).hash(&mut hash);
            let mut rng = scenes::rng(hash.finish());
            let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            let effect: f64 = kept.iter().map(|k| self.effects[*k]).sum();
            effect + self.noise / std::f64::consts::SQRT_2 * normal
        }
    }

    impl Measure for Synthetic {
        type Error = Infallible;

        async fn delta(&mut self, candidate: usize, kept: &[usize], seed: u64) -> Result<f64, Infallible> {
            assert!(!kept.contains(&candidate));
            let with: Vec<usize> = kept.iter().copied().chain([candidate]).collect();
            Ok(self.score(&with, seed) - self.score(kept, seed))
        }
    }

    async fn totals(effect: f64, ratio: f64, loops: u64) -> Outcome {
        let mut sum = Outcome::default();
        for seed in 0..loops {
            let plan = Plan::planted(effect, seed);
            let mut measure = Synthetic {
                effects: plan.effects.clone(),
                noise: ratio * effect,
            };
            let Ok(found) = run(&plan, &mut measure).await;
            sum.true_gain += found.true_gain;
            sum.oracle_gain += found.oracle_gain;
            sum.keeps += found.keeps;
            sum.false_keeps += found.false_keeps;
            sum.nil_keeps += found.nil_keeps;
            sum.pictures += found.pictures;
        }
        sum
    }

    #[tokio::test]
    async fn the_loop_gains_most_of_what_an_oracle_gains() {
        const LOOPS: u64 = 300;
        for effect in [0.02, 0.06, 0.2] {
            for ratio in [0.5, 1.0, 2.0] {
                let sum = totals(effect, ratio, LOOPS).await;
                let gain = sum.true_gain / sum.oracle_gain;
                let harmful = f64::from(sum.false_keeps) / f64::from(sum.keeps);
                let useless = f64::from(sum.false_keeps + sum.nil_keeps) / f64::from(sum.keeps);
                let tried = f64::from(sum.false_keeps) / (4 * LOOPS) as f64;
                let pictures = f64::from(sum.pictures) / LOOPS as f64;
                println!(
                    "effect {effect} noise ×{ratio}: gain {gain:.3}, of keeps harmful {harmful:.3}, harmful or nil \
                     {useless:.3}, of harmful kept {tried:.3}, pictures {pictures:.1}"
                );
                assert!(harmful <= 0.25 && tried <= 0.25, "effect {effect}, noise × {ratio}");
                // The stricter reading of a false keep, nil ones counted, holds where the target does.
                assert!(
                    ratio > 1.0 || (gain >= 0.8 && useless <= 0.25),
                    "effect {effect}, noise × {ratio}"
                );
            }
        }
    }

    #[tokio::test]
    async fn without_noise_the_loop_is_the_oracle_but_for_the_nil() {
        let plan = Plan::planted(0.1, 3);
        let mut measure = Synthetic {
            effects: plan.effects.clone(),
            noise: 0.0,
        };
        let Ok(found) = run(&plan, &mut measure).await;
        assert!((found.true_gain - found.oracle_gain).abs() < 1e-9);
        assert_eq!((found.keeps - found.nil_keeps, found.false_keeps), (5, 0));
        assert!((found.oracle_gain - 0.5).abs() < 1e-9);
        let Ok(again) = run(&plan, &mut measure).await;
        assert_eq!(found, again);
    }

    struct Broken;

    impl Measure for Broken {
        type Error = &'static str;

        async fn delta(&mut self, candidate: usize, _: &[usize], _: u64) -> Result<f64, Self::Error> {
            if candidate == 1 { Err("gone") } else { Ok(f64::NAN) }
        }
    }

    #[tokio::test]
    async fn errors_end_the_loop_and_numbers_that_are_none_revert() {
        let mut plan = Plan {
            effects: vec![0.1],
            seed: 1,
        };
        assert_eq!(run(&plan, &mut Broken).await.map(|o| o.keeps), Ok(0));
        plan.effects.push(0.1);
        assert_eq!(run(&plan, &mut Broken).await, Err("gone"));
    }

    #[test]
    fn the_order_follows_from_the_seed() {
        let orders: HashSet<Vec<usize>> = (0..20).map(|seed| Plan::planted(0.1, seed).order()).collect();
        assert_eq!(orders.len(), 20);
        assert_eq!(Plan::planted(0.1, 4).order(), Plan::planted(0.1, 4).order());
        let seeds: HashSet<u64> = (0..1000)
            .map(|i| picture_seed(i / 100, i / 10 % 10, i as usize % 10))
            .collect();
        assert_eq!(seeds.len(), 1000);
    }
}
