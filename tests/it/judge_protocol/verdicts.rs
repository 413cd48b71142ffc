//! What a verdict holds.

use std::collections::{BTreeMap, BTreeSet};

use judge::protocol::Evidence;
use judge::rubric::Rubric;
use judge::score::AxisVerdict;
use judge::verdict::{Flag, Verdict};

use crate::judge_protocol::bench::{
    RANDOM_JUDGES, Record, blue, builtin, compare, file, green, judge, judge_on, red, small_rubric,
};

fn check_shape(verdict: &Verdict, rubric: &Rubric) {
    let wanted: BTreeSet<&str> = rubric.axes.iter().map(|a| a.id.as_str()).collect();
    let got: BTreeSet<&str> = verdict.axes.iter().map(|a| a.id.as_str()).collect();
    assert_eq!(wanted, got);
    assert_eq!(verdict.axes.len(), rubric.axes.len(), "an axis stands there twice");

    // Worst first; what has no score stands behind what has.
    let scores: Vec<f64> = verdict.axes.iter().map_while(|a| a.score).collect();
    assert!(scores.is_sorted(), "{scores:?}");
    assert!(verdict.axes[scores.len()..].iter().all(|a| a.score.is_none()));

    let (mut sum, mut weights) = (0.0, 0.0);
    for axis in &verdict.axes {
        assert!((0.0..=0.5).contains(&axis.position_bias), "{axis:?}");
        assert!((0.0..=0.5).contains(&axis.std), "{axis:?}");
        assert!(axis.raw.is_none_or(|raw| (0.0..=1.0).contains(&raw)), "{axis:?}");
        match axis.verdict {
            AxisVerdict::Refused => assert_eq!(axis.raw, None, "{axis:?}"),
            // That it cannot be seen is said first, whether the digits were answered or not.
            AxisVerdict::NotVisible => {}
            _ => assert!(axis.raw.is_some(), "{axis:?}"),
        }
        assert_eq!(axis.score.is_some(), axis.verdict.counts(), "{axis:?}");
        assert_eq!(axis.weight, rubric.axis(axis.id.as_str()).unwrap().weight);
        let hidden = axis.reference == "not visible";
        assert_eq!(hidden, axis.verdict == AxisVerdict::NotVisible, "{axis:?}");
        if let Some(score) = axis.score {
            assert!((0.0..=1.0).contains(&score), "{axis:?}");
            sum += axis.weight * score;
            weights += axis.weight;
        }
    }
    let overall = (weights > 0.0).then(|| sum / weights);
    match (verdict.overall_score, overall) {
        (Some(got), Some(wanted)) => assert!((got - wanted).abs() < 1e-12, "{got} {wanted}"),
        (got, wanted) => assert_eq!(got, wanted),
    }
    assert_eq!(verdict.flags.contains(&Flag::NothingCounts), overall.is_none());
    if let Some([low, high]) = verdict.overall_ci {
        let overall = overall.expect("an interval is of something");
        assert!(low <= overall && overall <= high);
    }
}

#[tokio::test]
async fn every_architecture_judges_the_bundled_pair_with_the_default_rubric() {
    let rubric = builtin("default");
    let (reference, generated) = (
        file("examples/pictures/reference.png"),
        file("examples/pictures/generated.png"),
    );
    for files in &RANDOM_JUDGES {
        let model = files.model;
        let judge = judge_on(model, Evidence::Values, &Record::new());
        let verdict = compare(&judge, &rubric, &reference, &generated).await.expect(model);
        check_shape(&verdict, &rubric);
        assert!(verdict.flags.contains(&Flag::UntrainedModel), "{:?}", verdict.flags);
        // The files are made so that axes count: without that, this would show little. Gemma's is not wired so.
        assert!(
            files.architecture == "gemma3" || verdict.axes.iter().any(|a| a.verdict.counts()),
            "{model}: {:#?}",
            verdict.axes
        );
        judge.unload().await;
    }
}

/// What is said of the generated picture is said of it alone.
#[tokio::test]
async fn another_reference_changes_no_value_of_the_generated_picture() {
    let rubric = builtin("default");
    let generated = file("crates/judge/src/bank/still_life.jpg");
    let references = [red(), green()];
    for files in &RANDOM_JUDGES {
        let judge = judge_on(files.model, Evidence::Values, &Record::new());
        let mut said = Vec::new();
        for reference in &references {
            let verdict = compare(&judge, &rubric, reference, &generated)
                .await
                .expect(files.model);
            let values = verdict.axes.into_iter().map(|axis| (axis.id, axis.generated));
            said.push(values.collect::<BTreeMap<_, _>>());
        }
        assert_eq!(said[0], said[1], "{}", files.architecture);
        assert!(
            said[0].values().collect::<BTreeSet<_>>().len() > 3,
            "{}: the fixture tells axes apart: {said:?}",
            files.architecture
        );
        judge.unload().await;
    }
}

#[tokio::test]
async fn every_evidence_mode_judges_and_says_something_else() {
    let rubric = small_rubric();
    let mut raws = Vec::new();
    for evidence in [Evidence::None, Evidence::Values, Evidence::Difference] {
        let judge = judge(evidence, &Record::new());
        let verdict = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
        check_shape(&verdict, &rubric);
        raws.push(verdict.axes.iter().map(|a| (a.id.clone(), a.raw)).collect::<Vec<_>>());
    }
    assert_ne!(raws[0], raws[1]);
    assert_ne!(raws[1], raws[2]);
    assert_ne!(raws[0], raws[2]);
}

#[tokio::test]
async fn a_picture_against_itself_is_at_its_ceiling() {
    let rubric = builtin("default");
    let judge = judge(Evidence::Values, &Record::new());
    let reference = file("crates/judge/src/bank/still_life.jpg");
    let verdict = compare(&judge, &rubric, &reference, &reference).await.unwrap();
    check_shape(&verdict, &rubric);
    let scored: Vec<f64> = verdict.axes.iter().filter_map(|a| a.score).collect();
    assert!(!scored.is_empty(), "{:#?}", verdict.axes);
    // The same questions on the same pictures: the ceiling again, to the bit.
    assert!(scored.iter().all(|score| *score == 1.0), "{scored:?}");
}

#[tokio::test]
async fn a_warm_judgement_encodes_one_picture_and_lays_three() {
    let rubric = small_rubric();
    let judge = judge(Evidence::Values, &Record::new());
    compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    let warm = compare(&judge, &rubric, &red(), &green()).await.unwrap().cost;
    assert_eq!(warm.images_encoded, 1, "{warm:?}");
    // Three pictures of 64 tokens, their labels, and no system prompt.
    assert!((192..256).contains(&warm.prefill_tokens), "{warm:?}");
    assert!(warm.reused_tokens > 0, "{warm:?}");
}
