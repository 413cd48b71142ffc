//! What followers and readers of pictures ask: has anything changed, and may this be shown?

use super::*;

#[tokio::test]
async fn a_stamp_changes_with_everything_that_is_added_or_changed_and_with_nothing_else() {
    let (_folder, store) = store();
    let session = store.create_session(new_session()).await.unwrap().id;
    let other = store.create_session(new_session()).await.unwrap().id;
    let untouched = store.stamp(Some(&other)).await.unwrap();
    let mut seen = vec![store.stamp(Some(&session)).await.unwrap()];
    let mut note = async || seen.push(store.stamp(Some(&session)).await.unwrap());

    let n = store.add_iteration(new_iteration(&session, "a barn")).await.unwrap();
    note().await;
    let run = store.prepare_run(new_run(&session, n)).await.unwrap();
    note().await;
    store
        .update_run_state(run.prompt_id, RunUpdate::Submitted)
        .await
        .unwrap();
    store
        .record_images(run.prompt_id, vec![run_image(0, "a")])
        .await
        .unwrap();
    let finished = RunUpdate::Finished {
        cached: false,
        seconds: Some(1.0),
    };
    store.update_run_state(run.prompt_id, finished).await.unwrap();
    note().await;
    for _ in 0..2 {
        // Within one millisecond, as a rule.
        store
            .record_judgement(new_judgement(&session, n, "a", 0.5))
            .await
            .unwrap();
        note().await;
    }
    let change = SessionChange {
        target_score: Some(0.7),
        ..SessionChange::default()
    };
    store.change_session(&session, change).await.unwrap();
    note().await;

    for (i, stamp) in seen.iter().enumerate() {
        assert!(!seen[..i].contains(stamp), "{i}: {seen:?}");
    }
    assert_eq!(store.stamp(Some(&session)).await.unwrap(), *seen.last().unwrap());
    assert_eq!(store.stamp(Some(&other)).await.unwrap(), untouched);
    let all = store.stamp(None).await.unwrap();
    store.create_session(new_session()).await.unwrap();
    assert_ne!(store.stamp(None).await.unwrap(), all);
    let gone = store.stamp(Some(&"zzzzzzzz".parse().unwrap())).await.unwrap_err();
    assert!(gone.is_absence());
}

#[tokio::test]
async fn a_refused_picture_is_withheld_and_the_other_of_the_pair_is_not() {
    let (_folder, store) = store();
    let session = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&session, "a barn")).await.unwrap();
    let refused = async |picture: &str, side: Option<&str>| {
        let mut judgement = new_judgement(&session, n, picture, 0.5);
        judgement.verdict = json!({"refused": "it cannot be ruled out that someone is under 18", "side": side});
        store.record_judgement(judgement).await.unwrap();
    };
    store
        .record_judgement(new_judgement(&session, n, "fine", 0.5))
        .await
        .unwrap();
    refused("young", Some("generated")).await;
    let reason = async |picture: &str| store.refusal_of(&image(picture)).await.unwrap();
    assert!(reason("young").await.unwrap().contains("under 18"));
    assert_eq!(
        (reason("fine").await, reason("reference").await, reason("unknown").await),
        (None, None, None)
    );
    refused("fine", Some("reference")).await;
    assert!(reason("reference").await.is_some());
    assert_eq!(reason("fine").await, None);
    // Where nobody could guard it, what was made is withheld.
    refused("unguarded", None).await;
    assert!(reason("unguarded").await.is_some());
}
