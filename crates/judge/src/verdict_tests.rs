use std::collections::BTreeMap;

use super::*;
use crate::rubric::{RubricSource, parse};

fn rubric(weights: &[f64]) -> Rubric {
    let mut text = String::from("id = \"t\"\ntitle = \"t\"\n");
    for (i, weight) in weights.iter().enumerate() {
        text.push_str(&format!(
            "[[axis]]\nid = \"axis{i}\"\ndefinition = \"number {i}\"\nweight = {weight:?}\n"
        ));
    }
    let RubricSource::Text { text, origin } = (RubricSource::Text {
        text: &text,
        origin: "test",
    }) else {
        unreachable!()
    };
    parse(text, origin, &mut |_| unreachable!("nothing is extended")).unwrap()
}

fn seen(visible: f64) -> AxisValue {
    AxisValue {
        visible,
        value: "red".into(),
    }
}

fn reading(raw: f64) -> Reading {
    Reading {
        raw,
        position_bias: 0.0,
        std: 0.0,
        mass: 0.9,
    }
}

const WIDE: Scale = Scale {
    ceiling: 1.0,
    floor: 0.0,
};

#[test]
fn the_reference_alone_decides_what_counts() {
    let rubric = rubric(&[1.0, 1.0, 2.0]);
    let scored = score(&Observed {
        rubric: &rubric,
        reference: &[seen(0.9), seen(0.1), seen(0.9)],
        // Hiding the third axis must not pay.
        generated: &[seen(0.9), seen(0.9), seen(0.1)],
        readings: &[reading(0.9), reading(0.0), reading(0.9)],
        scale: &[WIDE; 3],
        maps: &BTreeMap::new(),
    });
    assert!((scored.overall_score.unwrap() - 0.3).abs() < 1e-12);
    let ids: Vec<_> = scored.axes.iter().map(|a| (a.id.as_str(), a.verdict)).collect();
    assert_eq!(
        ids,
        [
            ("axis2", AxisVerdict::Mismatch),
            ("axis0", AxisVerdict::Match),
            ("axis1", AxisVerdict::NotVisible)
        ]
    );
    assert_eq!(scored.axes[0].generated, "not visible");
}

#[test]
fn what_a_picture_hides_is_compared_by_the_raw_value_that_scores_nothing() {
    let rubric = rubric(&[1.0; 5]);
    let scale = |floor: f64| Scale { ceiling: 0.9, floor };
    let fitted = MonotoneMap::try_from(vec![[0.0, 0.0], [0.2, 0.0], [1.0, 1.0]]).unwrap();
    let scored = score(&Observed {
        rubric: &rubric,
        reference: &[seen(0.9), seen(0.1), seen(0.9), seen(0.9), seen(0.9)],
        generated: &[seen(0.1), seen(0.1), seen(0.9), seen(0.1), seen(0.1)],
        readings: &[
            reading(0.7),
            reading(0.7),
            reading(0.7),
            reading(0.7),
            Reading {
                mass: 0.3,
                ..reading(0.7)
            },
        ],
        scale: &[scale(0.3), scale(0.3), scale(0.3), scale(0.3), scale(0.3)],
        maps: &BTreeMap::from([("axis3".to_owned(), fitted)]),
    });
    let by_id = |id: &str| scored.axes.iter().find(|a| a.id == id).unwrap();
    assert_eq!(by_id("axis0").comparable(), Some(Comparable::Hidden(0.3)));
    assert_eq!(by_id("axis0").raw, Some(0.7), "what the model gave stays");
    assert_eq!(by_id("axis1").comparable(), None, "the reference does not show it");
    assert_eq!(by_id("axis2").comparable(), Some(Comparable::Shown(0.7)));
    assert_eq!(
        by_id("axis3").comparable(),
        Some(Comparable::Hidden(0.2)),
        "by the fitted map"
    );
    assert_eq!(by_id("axis4").comparable(), None, "refused");
    // As it was recorded before: the score and the words say it.
    let before = AxisResult {
        hidden_raw: None,
        ..by_id("axis0").clone()
    };
    assert_eq!(before.comparable(), Some(Comparable::Hidden(0.0)));
}

#[test]
fn refused_and_unresolved_axes_have_no_score_and_do_not_count() {
    let rubric = rubric(&[1.0, 1.0, 1.0]);
    let narrow = Scale {
        ceiling: 0.5,
        floor: 0.4,
    };
    let scored = score(&Observed {
        rubric: &rubric,
        reference: &[seen(1.0), seen(1.0), seen(1.0)],
        generated: &[seen(1.0), seen(1.0), seen(1.0)],
        readings: &[
            Reading {
                mass: 0.3,
                ..reading(0.9)
            },
            reading(0.45),
            reading(0.5),
        ],
        scale: &[WIDE, narrow, WIDE],
        maps: &BTreeMap::new(),
    });
    assert_eq!(scored.overall_score, Some(0.5));
    let by_id = |id: &str| scored.axes.iter().find(|a| a.id == id).unwrap();
    assert_eq!(by_id("axis0").verdict, AxisVerdict::Refused);
    assert_eq!(by_id("axis0").raw, None);
    assert_eq!(by_id("axis1").verdict, AxisVerdict::Unresolved);
    assert_eq!(by_id("axis1").raw, Some(0.45));
}

#[test]
fn without_a_counting_axis_there_is_no_overall_score() {
    let rubric = rubric(&[1.0]);
    let scored = score(&Observed {
        rubric: &rubric,
        reference: &[seen(0.2)],
        generated: &[seen(0.9)],
        readings: &[reading(0.9)],
        scale: &[WIDE],
        maps: &BTreeMap::new(),
    });
    assert_eq!((scored.overall_score, scored.overall_ci), (None, None));
}

#[test]
fn a_score_that_rests_on_one_or_two_of_many_axes_is_flagged() {
    let flag = |counting: usize, of: usize| {
        let reference: Vec<AxisValue> = (0..of).map(|n| seen(if n < counting { 0.9 } else { 0.1 })).collect();
        let scored = score(&Observed {
            rubric: &rubric(&vec![1.0; of]),
            reference: &reference,
            generated: &vec![seen(0.9); of],
            readings: &vec![reading(0.9); of],
            scale: &vec![WIDE; of],
            maps: &BTreeMap::new(),
        });
        counting_flag(&scored.axes)
    };
    assert_eq!(flag(0, 10), Some(Flag::NothingCounts));
    assert_eq!(flag(1, 10), Some(Flag::FewAxes));
    assert_eq!(flag(2, 10), Some(Flag::FewAxes));
    assert_eq!(flag(3, 10), None);
    // Of a rubric of two axes both count: it was made so.
    assert_eq!(flag(2, 2), None);
    assert_eq!(flag(1, 2), Some(Flag::FewAxes));
}

#[test]
fn the_interval_widens_with_the_orders_disagreement() {
    let rubric = rubric(&[1.0]);
    let width = |position_bias: f64| {
        let scored = score(&Observed {
            rubric: &rubric,
            reference: &[seen(1.0)],
            generated: &[seen(1.0)],
            readings: &[Reading {
                position_bias,
                ..reading(0.5)
            }],
            scale: &[WIDE],
            maps: &BTreeMap::new(),
        });
        let [low, high] = scored.overall_ci.unwrap();
        high - low
    };
    assert!(width(0.2) > width(0.1));
}

#[test]
fn groups_that_could_be_read_are_weighed_by_their_axes() {
    let rubric = rubric(&[1.0, 3.0, 2.0]);
    let read = |log_odds, mass| Closer {
        log_odds,
        position_bias: 0.0,
        mass,
    };
    let versus = Versus::of("2".into(), &rubric, &[read(1.0, 0.9), read(-1.0, 0.9), read(9.0, 0.3)]);
    assert_eq!(versus.log_odds, Some(-0.5), "the third was refused");
    assert_eq!(versus.groups.len(), 2);
    let nothing = Versus::of("2".into(), &rubric, &[read(1.0, 0.1); 3]);
    assert_eq!(nothing.log_odds, None);
}
