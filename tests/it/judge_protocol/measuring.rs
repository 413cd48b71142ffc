//! What the judge reads before any scale: for `eval`, and the same as what it scores by.

use eval::json;
use judge::calibration::{FIT_VERSION, Fit, MonotoneMap};
use judge::protocol::{self, Evidence};
use judge::{Call, Given, Judge, Pair};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::progress::Teller;

use crate::judge_protocol::bench::{
    DENSE, IMAGE_TOKENS, LIMIT, MMPROJ, Record, blue, compare, engine, gguf, green, judge, red, rubric, small_rubric,
};

/// Runs work with a call on a rubric that nobody follows or cancels.
macro_rules! with_call {
    ($rubric:expr, |$call:ident| $work:expr) => {{
        let (teller, cancel) = (Teller::silent(), CancellationToken::new());
        let $call = Call {
            rubric: $rubric,
            guarded: false,
            teller: &teller,
            cancel: &cancel,
        };
        timeout(LIMIT, $work)
            .await
            .expect("an answer within the limit")
            .unwrap()
    }};
}

#[tokio::test]
async fn what_is_observed_is_what_is_scored() {
    let (judge, rubric) = (judge(Evidence::Values, &Record::new()), small_rubric());
    let (a, b) = (red(), blue());
    let pair = Pair {
        reference: &a,
        generated: &b,
    };
    let verdict = compare(&judge, &rubric, &a, &b).await.unwrap();
    let seen = with_call!(&rubric, |call| judge.observe(pair, Evidence::Values, Given::Own, call));
    for (axis, reading) in rubric.axes.iter().zip(seen.readings()) {
        let scored = verdict.axes.iter().find(|a| a.id == axis.id).unwrap();
        assert_eq!(scored.raw, (!reading.refused()).then_some(reading.raw), "{}", axis.id);
    }
    // Values that are given are asked with: other words, other numbers.
    let given = Given::These(&seen.generated, &seen.reference);
    let other = with_call!(&rubric, |call| judge.observe(pair, Evidence::Values, given, call));
    assert_ne!(seen.digits, other.digits);
}

#[tokio::test]
async fn which_is_closer_does_not_depend_on_which_is_named_first() {
    let judge = judge(Evidence::None, &Record::new());
    let rubric = rubric(
        "id = \"r\"\ntitle = \"t\"\n\
         [[axis]]\nid = \"subject\"\ngroup = \"what\"\ndefinition = \"what is shown\"\n\
         [[axis]]\nid = \"colour\"\ndefinition = \"the dominant colours\"\n\
         [[axis]]\nid = \"count\"\ngroup = \"what\"\ndefinition = \"how many\"\n",
    );
    let groups = protocol::groups(&rubric);
    let named: Vec<(&str, &[usize])> = groups.iter().map(|g| (g.name.as_str(), &g.axes[..])).collect();
    assert_eq!(named, [("what", &[0, 2][..]), ("colour", &[1][..])]);
    let (reference, a, b) = (red(), blue(), green());
    let one = with_call!(&rubric, |call| judge.closer(&reference, &a, &b, call));
    let other = with_call!(&rubric, |call| judge.closer(&reference, &b, &a, call));
    assert_eq!(one.len(), 2);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.log_odds, -other.log_odds);
        assert_eq!((one.position_bias, one.mass), (other.position_bias, other.mass));
    }
    assert_ne!(one[0].log_odds, one[1].log_odds);
}

#[tokio::test]
async fn a_grammar_makes_even_random_weights_write_the_document() {
    let (judge, rubric) = (judge(Evidence::None, &Record::new()), small_rubric());
    let (a, b) = (red(), blue());
    let pair = Pair {
        reference: &a,
        generated: &b,
    };
    let documents = with_call!(&rubric, |call| json::documents(&judge, pair, call));
    for document in documents.entries {
        assert_eq!(document.len(), rubric.axes.len());
        for entry in document {
            let json::Entry { score, .. } = entry.expect("an entry on every axis");
            assert!((0.0..=1.0).contains(&score));
        }
    }
}

#[tokio::test]
async fn a_fit_changes_how_a_judge_asks_and_scores_and_who_it_is() {
    let memory = Record::new();
    let rubric = small_rubric();
    let (a, b) = (red(), blue());
    let cancel = CancellationToken::new();
    let fit = |evidence, y: f64| Fit {
        version: FIT_VERSION,
        evidence,
        maps: rubric
            .axes
            .iter()
            .map(|axis| {
                let map: MonotoneMap = serde_json::from_value(serde_json::json!([[0.0, y], [1.0, y]])).unwrap();
                (axis.id.to_string(), map)
            })
            .collect(),
        cases: 100,
        seed: 1,
    };
    let free = || {
        let memory: std::sync::Arc<dyn judge::cache::Memory> = memory.clone();
        let engine = engine(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS);
        Judge::new(engine, None, memory)
    };
    let judge_before = free();
    assert_eq!(
        judge_before.evidence_for(&rubric, &cancel).await.unwrap(),
        Evidence::Values
    );
    let before = compare(&judge_before, &rubric, &a, &b).await.unwrap();
    judge_before
        .keep_fit(&rubric, &fit(Evidence::None, 0.25), &cancel)
        .await
        .unwrap();

    // In force at once, and for the next process.
    for judge in [judge_before, free()] {
        assert_eq!(judge.evidence_for(&rubric, &cancel).await.unwrap(), Evidence::None);
        let after = compare(&judge, &rubric, &a, &b).await.unwrap();
        assert_ne!(after.judge, before.judge);
        for axis in after.axes.iter().filter(|axis| axis.verdict.counts()) {
            assert!(axis.score == Some(0.25) || axis.score == Some(0.0), "{axis:?}");
        }
    }
    // A mode that someone chose stands, and then the maps of another mode do not apply.
    let chosen = judge(Evidence::Values, &memory);
    assert_eq!(compare(&chosen, &rubric, &a, &b).await.unwrap().judge, before.judge);
}
