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
fn a_new_iteration_is_compared_with_the_best_and_open_decisions_are_taken_up_again() {
    use DecisionKind::{First, Keep, LeaningKeep, MoreSeeds};
    let past = [
        decided(1, None, First),
        decided(2, Some(1), Keep),
        decided(3, Some(2), MoreSeeds),
    ];
    let map = newest(&past);
    assert_eq!(pair(&map, 4, 2), Some((4, 2)));
    assert_eq!(pair(&map, 3, 2), Some((3, 2)), "more seeds of the candidate");
    assert_eq!(pair(&map, 2, 2), Some((3, 2)), "more seeds of what it is compared with");
    assert_eq!(pair(&map, 1, 2), Some((1, 2)), "an old one once more");

    let past = [decided(1, None, First), decided(2, Some(1), LeaningKeep)];
    let map = newest(&past);
    assert_eq!(
        pair(&map, 2, 2),
        Some((2, 1)),
        "the provisional best with what it replaced"
    );
    assert_eq!(pair(&map, 1, 2), Some((2, 1)), "and the other way round");

    let past = [decided(1, None, First)];
    assert_eq!(pair(&newest(&past), 1, 1), None, "the best on fresh seeds");
}

#[test]
fn seeds_that_one_side_has_are_asked_for_first() {
    let (new, old) = ([sample(1), sample(7)], [sample(1), sample(2)]);
    assert_eq!(
        needs((5, &new), (3, &old), 2),
        BTreeMap::from([(5, vec![2]), (3, vec![7])])
    );
    assert_eq!(
        needs((5, &new), (3, &old), 3),
        BTreeMap::from([(5, vec![2, 3]), (3, vec![7, 3])]),
        "then a fresh one for both"
    );
    assert!(needs((5, &new), (3, &old), 0).is_empty());
}

#[test]
fn what_is_kept_makes_a_chain_that_the_candidate_ends() {
    use DecisionKind::{First, Keep, LeaningKeep, Revert};
    let mut kept = decided(2, Some(1), LeaningKeep);
    kept.detail.comparison.seeds = vec![1];
    let mut later = decided(4, Some(2), Keep);
    later.detail.comparison.seeds = vec![1];
    let (first, undone) = (decided(1, None, First), decided(3, Some(2), LeaningKeep));
    let reverted = decided(3, Some(2), Revert);
    let candidate = Comparison::default();
    let past = [&first, &kept, &undone, &reverted, &later];
    let chain = chain(&past, (5, &candidate));
    let numbers: Vec<(u32, bool)> = chain.iter().map(|k| (k.iteration, k.comparison.is_some())).collect();
    assert_eq!(numbers, [(1, false), (2, true), (4, true), (5, true)]);
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
        change: None,
    };
    let text = serde_json::to_string(&detail).unwrap();
    assert_eq!(serde_json::from_str::<Detail>(&text).unwrap(), detail);
    assert_eq!(
        Detail::deserialize(&serde_json::json!({"comparison": 1})).unwrap_or_default(),
        Detail::default()
    );
}
