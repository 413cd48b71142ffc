//! What is computed once and then held to, and under which name.

use std::collections::BTreeSet;
use std::sync::Arc;

use judge::cache::{Kind, Remembered, ScaleOf};
use judge::protocol::{AxisValue, Evidence};
use judge::rubric::Rubric;
use judge::verdict::Flag;
use judge::{Call, Judge};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::progress::Teller;
use types::{ImageHash, JudgeHash};

use crate::judge_protocol::bench::{
    DENSE, IMAGE_TOKENS, LIMIT, MMPROJ, MOE, Record, bits, blue, builtin, compare, engine, file, gguf, green, judge,
    judge_on, red, small_rubric, target,
};

fn scale(picture: ImageHash) -> Kind {
    Kind::Scale(ScaleOf::Picture(picture))
}

#[tokio::test]
async fn values_scale_and_self_check_are_made_once() {
    let rubric = small_rubric();
    let memory = Record::new();
    let mut judge = judge(Evidence::Values, &memory);
    let seen = target(&judge, &rubric, &red()).await.unwrap();
    assert_eq!(
        memory.take_stored(),
        [Kind::SelfCheck, Kind::ReferenceValues(red().hash())]
    );
    assert!(!seen.edited);

    let verdict = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    assert_eq!(memory.take_stored(), [scale(red().hash())]);
    for (axis, value) in rubric.axes.iter().zip(&seen.values) {
        let shown = &verdict
            .axes
            .iter()
            .find(|a| a.id == axis.id.as_str())
            .unwrap()
            .reference;
        assert_eq!(
            *shown,
            if value.is_visible() {
                value.value.clone()
            } else {
                "not visible".into()
            }
        );
    }

    for fresh in [false, true] {
        if fresh {
            judge = super::bench::judge(Evidence::Values, &memory);
        }
        compare(&judge, &rubric, &red(), &green()).await.unwrap();
        assert_eq!(target(&judge, &rubric, &red()).await.unwrap().values, seen.values);
        assert_eq!(memory.take_stored(), [], "fresh process: {fresh}");
    }

    // Another reference has values and a scale of its own, but the judge is the same.
    compare(&judge, &rubric, &green(), &blue()).await.unwrap();
    assert_eq!(
        memory.take_stored(),
        [Kind::ReferenceValues(green().hash()), scale(green().hash())]
    );
}

#[tokio::test]
async fn edited_values_are_used_and_flagged_and_have_their_own_scale() {
    let rubric = small_rubric();
    let memory = Record::new();
    let judge = judge(Evidence::Values, &memory);
    let before = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    assert!(!before.flags.contains(&Flag::EditedReference));
    let (key, original) = memory.only(Kind::ReferenceValues(red().hash()));
    memory.take_stored();

    let said: Vec<AxisValue> = rubric
        .axes
        .iter()
        .map(|axis| AxisValue {
            visible: 1.0,
            value: format!("edited {}", axis.id),
        })
        .collect();
    let edit = Remembered {
        value: serde_json::to_value(&said).unwrap(),
        edited: true,
    };
    memory.put(key.clone(), edit.clone());
    let edited = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    assert!(edited.flags.contains(&Flag::EditedReference), "{:?}", edited.flags);
    for axis in &edited.axes {
        assert_eq!(axis.reference, format!("edited {}", axis.id));
    }
    assert_ne!(before.axes, edited.axes);
    assert!(matches!(memory.take_stored()[..], [Kind::Scale(ScaleOf::Edited(_))]));

    // Nothing of the first judgement shows in the second: who edits before the first gets the same.
    let other = Record::new();
    other.put(key.clone(), edit);
    let fresh = compare(&super::bench::judge(Evidence::Values, &other), &rubric, &red(), &blue())
        .await
        .unwrap();
    assert_eq!(bits(&edited), bits(&fresh));

    memory.put(key, original);
    let back = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    assert_eq!(bits(&before), bits(&back));
    assert_eq!(memory.take_stored(), []);
}

#[tokio::test]
async fn the_self_check_is_one_per_judge_and_rubric() {
    let memory = Record::new();
    let judge = judge(Evidence::None, &memory);
    let check = async |rubric: &Rubric| {
        let (teller, cancel) = (Teller::silent(), CancellationToken::new());
        let call = Call {
            rubric,
            guarded: false,
            teller: &teller,
            cancel: &cancel,
        };
        timeout(LIMIT, judge.self_check(call))
            .await
            .expect("within the limit")
            .unwrap()
    };
    let first = check(&small_rubric()).await;
    assert_eq!(first, check(&small_rubric()).await);
    assert_eq!(memory.take_stored(), [Kind::SelfCheck]);
    // Random weights do not see; whatever they measure must not pass.
    assert!(!first.passed, "{first:?}");
    for part in [first.identical, first.unrelated, first.grey] {
        assert!((0.0..=1.0).contains(&part), "{first:?}");
    }
    check(&builtin("default")).await;
    assert_eq!(memory.take_stored(), [Kind::SelfCheck]);
}

#[tokio::test]
async fn whatever_changes_a_score_changes_the_judges_hash() {
    let memory = Record::new();
    let (small, default) = (small_rubric(), builtin("default"));
    let cancel = CancellationToken::new();
    let hash = async |judge: &Judge, rubric: &Rubric| {
        let identity = timeout(LIMIT, judge.identity(rubric, &cancel)).await;
        identity.expect("within the limit").unwrap().hash()
    };
    let plain = hash(&judge(Evidence::Values, &memory), &small).await;
    assert_eq!(plain, hash(&judge(Evidence::Values, &Record::new()), &small).await);

    let more_tokens = Judge::new(
        engine(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS + 32),
        Evidence::Values,
        Arc::<Record>::default(),
    );
    let others = [
        hash(&judge(Evidence::Values, &memory), &default).await,
        hash(&judge(Evidence::None, &memory), &small).await,
        hash(&judge(Evidence::Difference, &memory), &small).await,
        hash(&judge_on(MOE, Evidence::Values, &memory), &small).await,
        hash(&more_tokens, &small).await,
    ];
    let distinct: BTreeSet<&JudgeHash> = others.iter().chain([&plain]).collect();
    assert_eq!(distinct.len(), 6);
    assert_eq!(
        compare(&judge(Evidence::Values, &memory), &small, &red(), &blue())
            .await
            .unwrap()
            .judge,
        plain
    );
}

#[tokio::test]
async fn a_file_replaced_while_no_process_runs_is_another_judge() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.gguf");
    std::fs::copy(gguf(DENSE), &model).unwrap();
    let judge = Judge::new(
        engine(model.clone(), gguf(MMPROJ), IMAGE_TOKENS),
        Evidence::Values,
        Arc::<Record>::default(),
    );
    let picture = file("examples/pictures/reference.png");
    let first = target(&judge, &small_rubric(), &picture).await.unwrap().judge;
    judge.unload().await;
    std::fs::copy(gguf(MOE), &model).unwrap();
    let second = target(&judge, &small_rubric(), &picture).await.unwrap().judge;
    assert_ne!(first, second);
}
