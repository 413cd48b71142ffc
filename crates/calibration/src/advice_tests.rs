use super::*;
use crate::decided::Detail;
use crate::stats::Comparison;
use imaging::Signals;
use judge::engine::Cost;
use types::JudgeHash;

fn id(axis: &str) -> AxisId {
    AxisId::new(axis).unwrap()
}

fn no(n: u32) -> IterationNo {
    IterationNo::new(n).unwrap()
}

fn seeds(all: &[u64]) -> Vec<Seed> {
    all.iter().copied().map(Seed).collect()
}

pub(crate) fn axis(id: &str, score: f64, weight: f64) -> AxisResult {
    AxisResult {
        id: self::id(id),
        group: None,
        weight,
        score: Some(score),
        raw: Some(score),
        position_bias: 0.02,
        std: 0.05,
        reference: format!("{id} as wanted"),
        generated: format!("{id} as made"),
        verdict: AxisVerdict::of(score, 0.02),
        hidden_raw: None,
    }
}

pub(crate) fn standing(n: u32, scores: &[f64], axes: Vec<AxisResult>) -> Standing {
    let mean = stats::mean(scores);
    Standing {
        n: no(n),
        verdict: Verdict {
            overall_score: Some(mean),
            overall_ci: Some([mean - 0.02, mean + 0.02]),
            overall_raw: Some(mean),
            axes,
            signals: Signals {
                palette: 0.0,
                brightness: 0.0,
                sharpness: 0.0,
                hog: 0.0,
                ssim: 1.0,
                phash: 0,
            },
            flags: Vec::new(),
            judge: JudgeHash::of(b"judge"),
            cost: Cost::default(),
            seconds: 0.0,
        },
        seeds: scores
            .iter()
            .zip(1..)
            .map(|(score, seed)| Scored {
                seed: Seed(seed),
                score: Some(*score),
                error: 0.01,
            })
            .collect(),
        spent: BTreeSet::new(),
        seedless: false,
    }
}

fn decided(iteration: u32, kind: DecisionKind, axes: &[(&str, f64)]) -> Decided {
    Decided {
        iteration: no(iteration),
        against: (kind != DecisionKind::First).then_some(no(1)),
        kind,
        detail: Detail {
            comparison: Comparison {
                seeds: seeds(&[1, 2]),
                overall: vec![0.01, 0.01],
                axes: axes.iter().map(|(axis, by)| (id(axis), vec![*by, *by])).collect(),
                log_odds: None,
            },
            ..Detail::default()
        },
        awaits_direct_comparison: false,
    }
}

fn facts(best: Standing, decisions: Vec<Decided>) -> Facts {
    Facts {
        target: 0.85,
        max_iterations: 12,
        ran: decisions.len() as u32,
        decisions,
        best: Some(best),
        ..Facts::default()
    }
}

use DecisionKind::{First, Keep, MoreSeeds, Revert, TentativeRevert};

#[test]
fn the_worst_axis_is_the_one_with_most_to_gain_that_is_surely_off() {
    let axes = vec![
        axis("hair", 0.2, 1.0),
        axis("pose", 0.5, 3.0),
        axis("light", 0.79, 9.0),
        axis("mood", 0.95, 9.0),
    ];
    let advice = advise(&facts(standing(1, &[0.5, 0.5], axes), vec![decided(1, First, &[])]));
    assert_eq!(advice.step, Step::Change(no(1)));
    assert_eq!(
        advice.worst.unwrap().axis.id,
        "pose",
        "three times half is more than four fifths"
    );
}

#[test]
fn what_was_tried_on_it_is_told_and_an_axis_that_does_not_move_comes_last() {
    let axes = vec![axis("hair", 0.2, 1.0), axis("pose", 0.5, 1.0)];
    let mut decisions = vec![decided(1, First, &[])];
    decisions.extend((2..=5).map(|n| {
        decided(
            n,
            if n % 2 == 0 { Keep } else { Revert },
            &[("hair", 0.01), ("pose", 0.0)],
        )
    }));
    let mut told = facts(standing(4, &[0.5, 0.5], axes), decisions);
    let unspoken = advise(&told).worst.unwrap();
    assert_eq!(
        (unspoken.axis.id.as_str(), unspoken.tried.len()),
        ("hair", 0),
        "nobody meant to change it"
    );
    told.notes
        .extend((2..=5).map(|n| (no(n), format!("Hair said another way, {n}"))));
    let worst = advise(&told).worst.unwrap();
    assert_eq!(worst.axis.id, "pose", "hair was meant four times and did not move");
    told.notes.remove(&no(2));
    let worst = advise(&told).worst.unwrap();
    assert_eq!((worst.axis.id.as_str(), worst.stuck), ("hair", false));
    assert_eq!(worst.tried.iter().map(|t| t.n.get()).collect::<Vec<_>>(), [5, 4, 3]);
}

#[test]
fn it_stops_at_the_target_only_on_seeds_that_the_best_was_not_chosen_on() {
    // Chosen on seeds 1 and 2.
    let at = |scores: &[f64]| {
        let decisions = vec![decided(1, First, &[]), decided(2, Keep, &[])];
        facts(standing(2, scores, vec![axis("hair", 0.2, 1.0)]), decisions)
    };
    let rescore = |all: &[u64]| Step::Rescore {
        n: no(2),
        seeds: seeds(all),
    };
    assert_eq!(advise(&at(&[0.7, 0.8])).step, Step::Change(no(2)));
    let chosen = at(&[0.99, 0.98]);
    assert_eq!(
        advise(&chosen).step,
        rescore(&[3, 4]),
        "it was chosen for what it scored on these"
    );
    let told = advise(&chosen).step.in_words(&chosen);
    assert!(told.contains("confirm with fresh seeds 3, 4 of it"), "{told}");
    assert_eq!(advise(&at(&[0.9, 0.91, 0.9, 0.9])).step, Step::Stop(Stop::Reached));
    assert_eq!(advise(&at(&[0.99, 0.99, 0.6, 0.8])).step, Step::Change(no(2)), "luck");
    assert_eq!(
        advise(&at(&[0.99, 0.99, 0.8, 1.0])).step,
        rescore(&[5, 6, 7, 8]),
        "it may be"
    );
    let all = [0.9, 0.9, 0.75, 1.0, 0.7, 1.0, 0.75, 1.0];
    assert_eq!(
        advise(&at(&all)).step,
        Step::Change(no(2)),
        "as sure as it gets, and that is not enough"
    );

    let mut again = at(&[0.9, 0.91, 0.9, 0.9]);
    let mut looked = decided(2, Keep, &[]);
    looked.detail.comparison.seeds = seeds(&[1, 2, 3, 4]);
    again.decisions.push(looked);
    assert_eq!(
        advise(&again).step,
        Step::Stop(Stop::Reached),
        "seeds 3 and 4 confirmed it"
    );

    let mut first = at(&[0.9, 0.91]);
    first.decisions.truncate(1);
    first.decisions[0].detail = Detail::default();
    first.best.as_mut().unwrap().n = no(1);
    assert_eq!(
        advise(&first).step,
        Step::Stop(Stop::Reached),
        "the first was not chosen"
    );
    let mut seedless = at(&[0.9]);
    seedless.best.as_mut().unwrap().seedless = true;
    assert_eq!(
        advise(&seedless).step,
        Step::Stop(Stop::Reached),
        "there is one picture and no other"
    );
    let mut refused = at(&[0.99, 0.98]);
    refused.best.as_mut().unwrap().spent.insert(Seed(3));
    assert_eq!(advise(&refused).step, rescore(&[4, 5]));
}

#[test]
fn it_stops_at_the_maximum_and_on_a_plateau() {
    let best = || standing(1, &[0.5, 0.5], Vec::new());
    let mut decisions = vec![decided(1, First, &[]), decided(2, Keep, &[])];
    decisions.extend((3..=5).map(|n| decided(n, Revert, &[])));
    let mut told = facts(best(), decisions);
    assert_eq!(advise(&told).step, Step::Change(no(1)));
    told.decisions.push(decided(6, TentativeRevert, &[]));
    assert_eq!(advise(&told).step, Step::Stop(Stop::Plateau));
    told.max_iterations = 5;
    assert_eq!(advise(&told).step, Step::Stop(Stop::Maximum));
}

#[test]
fn what_was_begun_is_brought_to_its_end_first() {
    let mut open = decided(2, MoreSeeds, &[]);
    open.detail.needs = BTreeMap::from([(no(1), seeds(&[3])), (no(2), seeds(&[3, 4]))]);
    let mut told = facts(standing(1, &[0.5, 0.5], Vec::new()), vec![decided(1, First, &[]), open]);
    let step = advise(&told).step;
    assert_eq!(
        step.in_words(&told),
        "Undecided. Run seed 3 of iteration 1 and seeds 3, 4 of iteration 2 with judge."
    );
    told.best.as_mut().unwrap().n = no(7);
    assert_eq!(advise(&told).step, Step::Change(no(7)), "another took over meanwhile");
    told.best.as_mut().unwrap().n = no(1);
    told.decisions.push(decided(3, Revert, &[]));
    assert!(
        matches!(advise(&told).step, Step::MoreSeeds(_)),
        "it may still be better"
    );
    told.decisions[1].detail.probability = Some(0.4);
    assert_eq!(advise(&told).step, Step::Change(no(1)), "and most likely is not");
    told.unjudged = Some(no(3));
    assert_eq!(advise(&told).step, Step::Judge(Some(no(3))));
    told.best = None;
    told.unjudged = None;
    assert_eq!(advise(&told).step, Step::Judge(None));
}

#[test]
fn five_keeps_on_the_same_seeds_ask_for_fresh_ones() {
    let mut decisions = vec![decided(1, First, &[])];
    decisions.extend((2..=6).map(|n| decided(n, Keep, &[])));
    let mut told = facts(standing(6, &[0.5, 0.5], Vec::new()), decisions);
    assert_eq!(
        advise(&told).step,
        Step::Rescore {
            n: no(6),
            seeds: seeds(&[3, 4])
        }
    );
    told.best = Some(standing(6, &[0.5; 4], Vec::new()));
    assert_eq!(advise(&told).step, Step::Change(no(6)), "it was");
}

#[test]
fn decisions_are_told_with_what_moved_and_what_to_run() {
    let mut keep = decided(5, Keep, &[]);
    keep.detail.probability = Some(0.934);
    keep.detail.comparison.overall = vec![0.05, 0.07];
    keep.detail.moved = BTreeMap::from([(id("hands"), 0.31), (id("light"), -0.2)]);
    keep.detail.fell = BTreeMap::from([
        (id("light"), Fall { since: no(1), by: 0.2 }),
        (id("mood"), Fall { since: no(3), by: 0.22 }),
    ]);
    assert_eq!(
        keep.in_words(),
        "KEEP 5 over 1 (+0.060 raw on the same 2 seeds, better with probability 0.93). Up: hands +0.31. Down: light -0.20. \
         ALARM: mood fell by 0.22 raw since 3."
    );
    let mut apart = decided(5, MoreSeeds, &[]);
    apart.detail.comparison = Comparison::default();
    apart.detail.needs = BTreeMap::from([(no(5), seeds(&[7]))]);
    assert_eq!(
        apart.in_words(),
        "Undecided between 5 and 1 (no seed in common). Run seed 7 of iteration 5 with judge."
    );
}

#[test]
fn where_the_calibration_is_over_no_decision_asks_for_more() {
    let mut apart = decided(7, MoreSeeds, &[]);
    apart.detail.comparison = Comparison::default();
    apart.detail.needs = BTreeMap::from([(no(7), seeds(&[21, 22]))]);
    let mut told = [apart.clone()];
    Step::Change(no(3)).settle(&mut told);
    assert_eq!(told, [apart], "as it was decided");
    for stop in [Stop::Reached, Stop::Maximum, Stop::Plateau, Stop::Blind] {
        let mut told = told.clone();
        Step::Stop(stop).settle(&mut told);
        assert_eq!(told[0].in_words(), "Undecided between 7 and 1 (no seed in common).");
    }
}

#[test]
fn a_judge_that_sees_nothing_ends_the_calibration_and_says_what_to_do() {
    let mut axis = axis("hair", 0.0, 0.0);
    (axis.score, axis.verdict) = (None, AxisVerdict::NotVisible);
    let mut verdict = standing(1, &[], vec![axis]).verdict;
    let blind = Blind::of(&verdict).unwrap();
    assert_eq!((blind.axes, blind.not_visible, blind.narrow), (1, 1, false));
    assert!(blind.in_words().contains("sees none of the 1 axes") && blind.in_words().contains("models list"));
    verdict.flags.push(Flag::NarrowModel);
    let blind = Blind::of(&verdict).unwrap();
    assert!(
        blind.in_words().contains("prompt-calibrator models pull 8b"),
        "{}",
        blind.in_words()
    );

    let facts = Facts {
        blind: Some(blind),
        ran: 1,
        max_iterations: 12,
        ..Facts::default()
    };
    let advice = advise(&facts);
    assert_eq!(
        advice.step,
        Step::Stop(Stop::Blind),
        "with no decision there is nothing else to go by"
    );
    assert!(advice.step.in_words(&facts).starts_with("Stop: this judge sees none"));

    verdict.axes[0].verdict = AxisVerdict::Mismatch;
    assert_eq!(Blind::of(&verdict), None);
}
