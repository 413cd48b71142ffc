//! Equal inputs give equal bits, whatever ran before and whichever cache was warm.

use judge::protocol::Evidence;

use crate::judge_protocol::bench::{
    DENSE, RANDOM_JUDGES, Record, bits, blue, compare, file, green, judge_on, red, rubric as rubric_of, small_rubric,
};

#[tokio::test]
async fn the_same_pair_gives_the_same_bits_warm_cold_and_in_a_fresh_process() {
    let rubric = small_rubric();
    // Another rubric has another layout, so the context is made anew.
    let another = rubric_of("id = \"a\"\ntitle = \"A\"\n[[axis]]\nid = \"mood\"\ndefinition = \"calm or tense\"\n");
    let each = RANDOM_JUDGES.iter().map(|files| (files.model, Evidence::Values));
    for (model, evidence) in each.chain([(DENSE, Evidence::Difference)]) {
        let memory = Record::new();
        let judge = judge_on(model, evidence, &memory);
        let first = compare(&judge, &rubric, &red(), &blue()).await.unwrap();

        let again = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
        assert_eq!(again.cost.images_encoded, 0);
        assert_eq!(bits(&first), bits(&again), "{model} {evidence:?}: again");

        compare(&judge, &rubric, &green(), &red()).await.unwrap();
        compare(&judge, &another, &red(), &green()).await.unwrap();
        let after_others = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
        assert_eq!(bits(&first), bits(&after_others), "{model} {evidence:?}: after others");

        judge.unload().await;
        let reloaded = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
        assert_eq!(bits(&first), bits(&reloaded), "{model} {evidence:?}: reloaded");

        let remembered = compare(&judge_on(model, evidence, &memory), &rubric, &red(), &blue())
            .await
            .unwrap();
        assert_eq!(bits(&first), bits(&remembered), "{model} {evidence:?}: a fresh process");

        let cold = judge_on(model, evidence, &Record::new());
        let cold = compare(&cold, &rubric, &red(), &blue()).await.unwrap();
        assert_eq!(bits(&first), bits(&cold), "{model} {evidence:?}: nothing remembered");
    }
}

#[tokio::test]
async fn another_picture_gives_other_bits() {
    let rubric = small_rubric();
    let judge = judge_on(DENSE, Evidence::Values, &Record::new());
    let one = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
    let other = compare(&judge, &rubric, &red(), &file("examples/pictures/generated.png"))
        .await
        .unwrap();
    assert_ne!(one.axes, other.axes);
}
