use std::collections::BTreeSet;

use super::*;
use crate::stats::{Measured, Sample};
use judge::verdict::Comparable;

fn no(n: u32) -> IterationNo {
    IterationNo::new(n).unwrap()
}

fn seeds(all: &[u64]) -> Vec<Seed> {
    all.iter().copied().map(Seed).collect()
}

fn decided(iteration: u32, against: Option<u32>, kind: DecisionKind) -> Decided {
    Decided {
        iteration: no(iteration),
        against: against.map(no),
        kind,
        detail: Detail::default(),
        awaits_direct_comparison: false,
    }
}

fn judged(n: u32, all: &[u64]) -> JudgedSeeds {
    let sample = |seed| Sample {
        seed,
        ..Sample::default()
    };
    JudgedSeeds {
        samples: seeds(all).into_iter().map(sample).collect(),
        ..JudgedSeeds::none(no(n))
    }
}

/// Candidates, and what they are compared with.
fn numbers_of_pairs(newest: &BTreeMap<IterationNo, &Decided>, n: u32, incumbent: u32) -> Vec<(u32, u32)> {
    let found = pairs(newest, no(n), no(incumbent)).into_iter();
    found.map(|pair| (pair.candidate.get(), pair.against.get())).collect()
}

#[test]
fn a_new_iteration_is_compared_with_the_best_and_what_is_open_is_taken_up_again() {
    use DecisionKind::{First, Keep, MoreSeeds, Revert, TentativeKeep};
    let past = [
        decided(1, None, First),
        decided(2, Some(1), Keep),
        decided(3, Some(2), MoreSeeds),
        decided(4, Some(2), Revert),
    ];
    let map = newest(&past);
    assert_eq!(numbers_of_pairs(&map, 5, 2), [(5, 2)]);
    assert_eq!(numbers_of_pairs(&map, 3, 2), [(3, 2)], "more seeds of the candidate");
    assert_eq!(
        numbers_of_pairs(&map, 4, 2),
        [(4, 2)],
        "one that was not kept, on more seeds"
    );
    assert_eq!(
        numbers_of_pairs(&map, 2, 2),
        [(3, 2), (2, 1)],
        "of what it is compared with, and of what it replaced another for"
    );
    assert_eq!(numbers_of_pairs(&map, 1, 2), [(2, 1)], "of what was replaced");

    let past = [
        decided(1, None, First),
        decided(2, Some(1), TentativeKeep),
        decided(3, Some(2), TentativeKeep),
    ];
    let map = newest(&past);
    assert_eq!(
        numbers_of_pairs(&map, 3, 3),
        [(3, 2)],
        "the provisional best with what it replaced"
    );
    assert_eq!(numbers_of_pairs(&map, 2, 3), [(3, 2)], "and the other way round");
    assert_eq!(numbers_of_pairs(&map, 1, 3), [], "what had its time is left alone");

    let past = [decided(1, None, First)];
    assert_eq!(numbers_of_pairs(&newest(&past), 1, 1), [], "the best on fresh seeds");
}

#[test]
fn judging_again_tells_nothing_new() {
    let mut last = decided(2, Some(1), DecisionKind::Keep);
    last.detail.comparison.seeds = seeds(&[1, 2]);
    let of = |all: &[u64]| Comparison {
        seeds: seeds(all),
        ..Comparison::default()
    };
    assert!(last.knew(&of(&[2, 1])) && last.knew(&of(&[])));
    assert!(!last.knew(&of(&[1, 2, 3])));
}

#[test]
fn seeds_that_one_side_has_are_asked_for_first() {
    let (mut new, old) = (judged(5, &[1, 7]), judged(3, &[1, 2]));
    assert_eq!(
        needs(&new, &old, 2),
        BTreeMap::from([(no(5), seeds(&[2])), (no(3), seeds(&[7]))])
    );
    assert_eq!(
        needs(&new, &old, 3),
        BTreeMap::from([(no(5), seeds(&[2, 3])), (no(3), seeds(&[7, 3]))]),
        "then a fresh one for both"
    );
    assert!(needs(&new, &old, 0).is_empty());
    new.spent = BTreeSet::from([Seed(2), Seed(7), Seed(3)]);
    assert_eq!(
        needs(&new, &old, 1),
        BTreeMap::from([(no(5), seeds(&[4])), (no(3), seeds(&[4]))]),
        "never what was refused"
    );
}

fn measured(raw: f64) -> Measured {
    Measured {
        value: Comparable::Shown(raw),
        weight: 1.0,
    }
}

/// Two iterations on so many seeds, the candidate better by `by` on the one axis.
fn pair(by: f64, seeds: u64) -> Pair {
    let judged = |n: u32, raw: f64| {
        let value = |seed: u64| measured(raw + 0.01 * (seed % 2) as f64);
        let sample = |seed| Sample {
            seed: Seed(seed),
            axes: BTreeMap::from([(AxisId::new("hair").unwrap(), value(seed))]),
        };
        JudgedSeeds {
            samples: (1..=seeds).map(sample).collect(),
            ..JudgedSeeds::none(no(n))
        }
    };
    Pair {
        candidate: judged(2, 0.5 + by),
        against: judged(1, 0.5),
        kept: Vec::new(),
        direct: BTreeMap::new(),
    }
}

#[test]
fn a_decision_follows_from_the_rows_and_direct_answers_count_where_they_may_hold_it_back() {
    let past = [Decided::first(no(1), None)];
    let past = newest(&past);
    let mut doubtful = pair(0.05, 2);
    assert_eq!(doubtful.seeds_to_ask(&past), seeds(&[1, 2]));
    let without = doubtful.decide(&past);
    assert_eq!(without.kind, DecisionKind::Keep, "{without:?}");
    assert!(without.awaits_direct_comparison && without.in_words().contains("Not recorded yet"));
    assert_eq!(doubtful.decide(&past), without, "the same rows, the same decision");

    doubtful.direct = BTreeMap::from([(Seed(1), Some(-2.0)), (Seed(2), None)]);
    assert_eq!(
        doubtful.seeds_to_ask(&past),
        [],
        "an answer that could not be read is one"
    );
    let held = doubtful.decide(&past);
    assert_eq!(
        (held.kind, held.detail.comparison.log_odds),
        (DecisionKind::MoreSeeds, Some(-2.0))
    );
    assert!(!held.awaits_direct_comparison);
    doubtful.direct = BTreeMap::from([(Seed(1), Some(2.0)), (Seed(2), Some(1.0))]);
    assert_eq!(doubtful.decide(&past).kind, DecisionKind::Keep);

    // Where the scores are clear, or would not keep, answers that are there change nothing.
    for by in [0.3, -0.3] {
        let mut clear = pair(by, 2);
        assert_eq!(clear.seeds_to_ask(&past), [], "{by}");
        let decided = clear.decide(&past);
        clear.direct = BTreeMap::from([(Seed(1), Some(-9.0)), (Seed(2), Some(-9.0))]);
        assert_eq!(clear.decide(&past), decided, "{by}");
    }
}
