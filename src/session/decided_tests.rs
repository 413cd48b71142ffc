use super::*;

fn decided(iteration: u32, against: Option<u32>, kind: DecisionKind) -> Decided {
    Decided {
        iteration,
        against,
        kind,
        detail: Detail::default(),
    }
}

fn sample(seed: u64) -> Sample {
    Sample {
        seed,
        ..Sample::default()
    }
}

#[test]
fn a_new_iteration_is_compared_with_the_best_and_what_is_open_is_taken_up_again() {
    use DecisionKind::{First, Keep, LeaningKeep, MoreSeeds, Revert};
    let past = [
        decided(1, None, First),
        decided(2, Some(1), Keep),
        decided(3, Some(2), MoreSeeds),
        decided(4, Some(2), Revert),
    ];
    let map = newest(&past);
    assert_eq!(pairs(&map, 5, 2), [(5, 2)]);
    assert_eq!(pairs(&map, 3, 2), [(3, 2)], "more seeds of the candidate");
    assert_eq!(pairs(&map, 4, 2), [(4, 2)], "one that was not kept, on more seeds");
    assert_eq!(
        pairs(&map, 2, 2),
        [(3, 2), (2, 1)],
        "of what it is compared with, and of what it replaced another for"
    );
    assert_eq!(pairs(&map, 1, 2), [(2, 1)], "of what was replaced");

    let past = [
        decided(1, None, First),
        decided(2, Some(1), LeaningKeep),
        decided(3, Some(2), LeaningKeep),
    ];
    let map = newest(&past);
    assert_eq!(
        pairs(&map, 3, 3),
        [(3, 2)],
        "the provisional best with what it replaced"
    );
    assert_eq!(pairs(&map, 2, 3), [(3, 2)], "and the other way round");
    assert_eq!(pairs(&map, 1, 3), [], "what had its time is left alone");

    let past = [decided(1, None, First)];
    assert_eq!(pairs(&newest(&past), 1, 1), [], "the best on fresh seeds");
}

#[test]
fn judging_again_tells_nothing_new() {
    let mut last = decided(2, Some(1), DecisionKind::Keep);
    last.detail.comparison.seeds = vec![1, 2];
    let of = |seeds: &[u64]| Comparison {
        seeds: seeds.to_vec(),
        ..Comparison::default()
    };
    assert!(last.knew(&of(&[2, 1])) && last.knew(&of(&[])));
    assert!(!last.knew(&of(&[1, 2, 3])));
}

#[test]
fn seeds_that_one_side_has_are_asked_for_first() {
    let (new, old) = ([sample(1), sample(7)], [sample(1), sample(2)]);
    assert_eq!(
        needs((5, &new), (3, &old), &BTreeSet::new(), 2),
        BTreeMap::from([(5, vec![2]), (3, vec![7])])
    );
    assert_eq!(
        needs((5, &new), (3, &old), &BTreeSet::new(), 3),
        BTreeMap::from([(5, vec![2, 3]), (3, vec![7, 3])]),
        "then a fresh one for both"
    );
    assert!(needs((5, &new), (3, &old), &BTreeSet::new(), 0).is_empty());
    let refused = BTreeSet::from([2, 7, 3]);
    assert_eq!(
        needs((5, &new), (3, &old), &refused, 1),
        BTreeMap::from([(5, vec![4]), (3, vec![4])]),
        "never what was refused"
    );
}

#[test]
fn a_detail_is_read_back_as_it_was_written_and_others_are_empty() {
    let detail = Detail {
        comparison: Comparison {
            seeds: vec![u64::MAX],
            overall: vec![0.1],
            axes: BTreeMap::from([("hair".to_owned(), vec![0.25])]),
            log_odds: Some(1.5),
        },
        probability: Some(0.9),
        moved: BTreeMap::from([("hair".to_owned(), 0.25)]),
        fell: BTreeMap::from([("pose".to_owned(), (4, 0.3))]),
        needs: BTreeMap::from([(3, vec![u64::MAX])]),
        best_by_another: Some(6),
    };
    let text = serde_json::to_string(&detail).unwrap();
    assert_eq!(serde_json::from_str::<Detail>(&text).unwrap(), detail);
    assert_eq!(
        Detail::deserialize(&serde_json::json!({"comparison": 1})).unwrap_or_default(),
        Detail::default()
    );
}
