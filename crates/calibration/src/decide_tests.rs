use rand::RngExt;

use super::*;

fn rule(deltas: &[f64]) -> Decision {
    let seen = Seen {
        deltas,
        ..Seen::default()
    };
    decide(&Prior::default(), &seen).decision
}

/// A standard normal number, by Box and Muller.
fn normal(rng: &mut scenes::Rng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// The decision on a change of this effect, and how many seeds it took.
fn tried(prior: &Prior, effect: f64, noise: f64, rng: &mut scenes::Rng) -> (Way, Vec<f64>) {
    let mut deltas = Vec::new();
    loop {
        let seen = Seen {
            deltas: &deltas,
            ..Seen::default()
        };
        let more = match decide(prior, &seen).decision {
            Decision::Keep => return (Way::Keep, deltas),
            Decision::Revert => return (Way::Revert, deltas),
            Decision::MoreSeeds(more) => more,
            Decision::Tentative(_) => panic!("two seeds are asked for at first"),
        };
        deltas.extend((0..more).map(|_| effect + noise * normal(rng)));
    }
}

#[test]
fn the_normal_distribution_is_right() {
    for (z, p) in [
        (0.0, 0.5),
        (1.0, 0.841_344_746_068_543),
        (-1.96, 0.024_997_895_148_220),
        (0.524_400_512_708_041, 0.7),
        (-6.0, 9.865_876_450_377e-10),
        (9.0, 1.0),
    ] {
        assert!((normal_cdf(z) - p).abs() < 1e-14, "{z}");
    }
}

#[test]
fn the_posterior_is_the_textbook_one() {
    // No freedom of its own: the noise is √(((.1−.2)² + (.3−.2)²) / 1) = .141; two seeds weigh 100,
    // and the prior of sd .1 weighs 100 too.
    let prior = Prior {
        noise_freedom: 0.0,
        ..Prior::default()
    };
    let posterior = prior.after(&[0.1, 0.3]);
    assert!((posterior.noise_sd - 0.02_f64.sqrt()).abs() < 1e-12);
    assert!((posterior.mean - 0.1).abs() < 1e-12);
    assert!((posterior.sd - 200.0_f64.sqrt().recip()).abs() < 1e-12);
    assert!(prior.after(&[0.1]).mean.is_finite());
    assert_eq!(Prior::default().after(&[]).probability_better(), normal_cdf(0.0));
}

#[test]
fn clear_changes_are_decided_on_two_seeds_and_others_ask_for_more() {
    assert_eq!(rule(&[]), Decision::MoreSeeds(2));
    assert_eq!(rule(&[f64::NAN]), Decision::MoreSeeds(2));
    assert_eq!(rule(&[0.1, 0.12]), Decision::Keep);
    assert_eq!(rule(&[-0.1, -0.12]), Decision::Revert);
    assert_eq!(rule(&[0.05, -0.05]), Decision::MoreSeeds(2));
    assert_eq!(rule(&[0.05, -0.05, 0.0]), Decision::MoreSeeds(1));
    assert_eq!(rule(&[0.05, -0.05, 0.05, -0.05]), Decision::MoreSeeds(4));
    let mut even = [0.05, -0.05, 0.05, -0.05, 0.05, -0.05, 0.05, -0.04];
    assert_eq!(rule(&even), Decision::Keep);
    even[7] = -0.06;
    assert_eq!(rule(&even), Decision::Revert);
    // No change at all is no improvement.
    assert_eq!(rule(&[0.0; 8]), Decision::Revert);
}

#[test]
fn a_paired_comparison_holds_a_keep_back_but_not_a_revert() {
    let with = |deltas: &[f64], odds| {
        let seen = Seen {
            deltas,
            log_odds: Some(odds),
            repeat_noise: None,
        };
        decide(&Prior::default(), &seen).decision
    };
    assert_eq!(with(&[0.1, 0.12], 2.0), Decision::Keep);
    assert_eq!(with(&[0.1, 0.12], -0.4), Decision::Keep);
    assert_eq!(with(&[0.1, 0.12], -0.6), Decision::MoreSeeds(2));
    assert_eq!(with(&[0.1; 4], -0.6), Decision::MoreSeeds(4));
    assert_eq!(with(&[0.1; 8], -0.6), Decision::Keep);
    assert_eq!(with(&[-0.1, -0.12], 2.0), Decision::Revert);
}

#[test]
fn one_seed_leans_unless_it_is_beyond_the_noise() {
    let with = |delta: f64, repeat_noise, log_odds| {
        let seen = Seen {
            deltas: &[delta],
            log_odds,
            repeat_noise,
        };
        decide(&Prior::default(), &seen).decision
    };
    assert_eq!(with(0.9, None, None), Decision::Tentative(Way::Keep));
    assert_eq!(with(-0.9, None, None), Decision::Tentative(Way::Revert));
    assert_eq!(with(0.05, Some(0.06), None), Decision::Tentative(Way::Keep));
    assert_eq!(with(0.07, Some(0.06), None), Decision::Keep);
    assert_eq!(with(-0.07, Some(0.06), None), Decision::Revert);
    assert_eq!(with(0.07, Some(0.06), Some(-1.0)), Decision::Tentative(Way::Keep));
    assert_eq!(with(-0.07, Some(0.06), Some(1.0)), Decision::Revert);
    // Repeats without any noise make no verdict of no change.
    assert_eq!(with(0.0, Some(0.0), None), Decision::Tentative(Way::Revert));
}

#[test]
fn history_says_how_large_effects_and_noise_are() {
    assert_eq!(Prior::from_history::<Vec<f64>>(&[]), Prior::default());
    let mut rng = scenes::rng(5);
    let changes: Vec<Vec<f64>> = (0..400)
        .map(|_| {
            let effect = 0.05 * normal(&mut rng);
            (0..4).map(|_| effect + 0.02 * normal(&mut rng)).collect()
        })
        .collect();
    let prior = Prior::from_history(&changes);
    assert!((prior.sd - 0.05).abs() < 0.006, "{prior:?}");
    assert!((prior.noise_sd - 0.02).abs() < 0.002, "{prior:?}");
    // Changes without effect: the prior stays as weak as one seed.
    let idle: Vec<Vec<f64>> = (0..400)
        .map(|_| (0..4).map(|_| 0.1 * normal(&mut rng)).collect())
        .collect();
    let prior = Prior::from_history(&idle);
    assert!((prior.sd - prior.noise_sd).abs() < 1e-12 && (prior.noise_sd - 0.1).abs() < 0.01);
}

#[test]
fn harm_is_rarely_kept_and_help_mostly() {
    const DRAWS: u32 = 2_000;
    let mut rng = scenes::rng(17);
    // Also with effects far from those the prior expects.
    for effect in [0.02, 0.06, 0.2] {
        for ratio in [0.5, 1.0, 2.0] {
            let mut keeps = [0_u32; 3];
            let mut seeds = 0;
            for _ in 0..DRAWS {
                for (sign, kept) in [1.0, -1.0, 0.0].into_iter().zip(&mut keeps) {
                    let (way, deltas) = tried(&Prior::default(), sign * effect, ratio * effect, &mut rng);
                    *kept += u32::from(way == Way::Keep);
                    seeds += deltas.len();
                }
            }
            let [help, harm, nil] = keeps.map(|k| f64::from(k) / f64::from(DRAWS));
            let seeds = seeds as f64 / f64::from(3 * DRAWS);
            println!(
                "effect {effect} noise ×{ratio}: keeps help {help:.3} harm {harm:.3} nil {nil:.3} seeds {seeds:.2}"
            );
            assert!(
                harm <= 0.25 && help >= 0.70,
                "effect {effect}, noise × {ratio}: {keeps:?}"
            );
        }
    }
}

#[test]
fn advice_comes_when_it_is_due() {
    assert!(!rescore_due(4) && rescore_due(5) && rescore_due(6));
    assert!(!stuck(&[0.0; 3], 0.02));
    assert!(stuck(&[0.5, 0.01, -0.02, 0.0, 0.02], 0.02));
    assert!(!stuck(&[0.0, 0.0, 0.03, 0.0], 0.02));
    assert!(!stuck(&[0.0, 0.0, f64::NAN, 0.0], 0.02));
}
