//! The session in brief, the best of it, and what is frozen about a reference.

use super::*;

#[tokio::test]
async fn the_trend_averages_images_and_marks_the_best() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    for text in ["one", "two", "three"] {
        store.add_iteration(new_iteration(&id, text)).await.unwrap();
    }
    let run = store.prepare_run(new_run(&id, number(2))).await.unwrap();
    store
        .update_run_state(
            run.prompt_id,
            RunUpdate::Failed {
                error: "out of memory".into(),
            },
        )
        .await
        .unwrap();
    store.prepare_run(new_run(&id, number(2))).await.unwrap();
    // Iteration 1 has the best single image, iteration 2 the best mean.
    for (n, picture, score) in [
        (1, "1a", 0.9375),
        (1, "1b", 0.0625),
        (2, "2a", 0.5),
        (2, "2b", 0.25),
        // The same image judged again: only this counts.
        (2, "2b", 0.75),
        (3, "3a", 0.625),
    ] {
        store
            .record_judgement(new_judgement(&id, number(n), picture, score))
            .await
            .unwrap();
    }
    // Another reference, and another judge: neither may touch the first judge's numbers.
    let mut foreign = new_judgement(&id, number(3), "3b", 1.0);
    foreign.reference = image("another reference");
    store.record_judgement(foreign).await.unwrap();
    let mut other = new_judgement(&id, number(1), "1a", 0.3);
    other.judge = judge("other");
    store.record_judgement(other).await.unwrap();
    let mut refused = new_judgement(&id, number(3), "3a", 0.0);
    refused.judge = judge("other");
    (refused.overall_score, refused.overall_raw) = (None, None);
    store.record_judgement(refused.clone()).await.unwrap();
    refused.judge = judge("refuses everything");
    store.record_judgement(refused).await.unwrap();

    let rows = store.trend(&id, Span::All).await.unwrap();
    assert_eq!(rows.len(), 3);
    let states: Vec<IterationState> = rows.iter().map(|row| row.runs.state()).collect();
    assert_eq!(
        states,
        [IterationState::Draft, IterationState::Open, IterationState::Draft],
        "a run that failed before says nothing of the one that is open"
    );
    let score = |row: usize, name: &str| {
        let wanted = judge(name);
        let scores = &rows[row].scores;
        scores.iter().find(|score| score.judge == wanted).unwrap().clone()
    };
    // The numbers are sums of powers of two, so that their means are exact.
    assert_eq!(score(0, "judge").overall, Some(0.5));
    assert_eq!(score(1, "judge").overall, Some(0.625));
    assert_eq!(score(1, "judge").raw, Some(0.3125));
    assert_eq!((score(1, "judge").images, score(2, "judge").images), (2, 1));
    assert_eq!(score(2, "other").overall, None);
    assert_eq!(rows[0].scores.len(), 2);
    assert_eq!(rows[0].scores[0].judge, judge("judge"), "first seen first");
    assert_eq!(
        rows[1].runs,
        RunCounts {
            open: 1,
            failed: 1,
            ..RunCounts::default()
        }
    );

    let last = store.trend(&id, Span::Last(1)).await.unwrap();
    assert_eq!(last, rows[2..]);
    let middle = Span::Between(number(1), number(2));
    assert_eq!(store.trend(&id, middle).await.unwrap(), rows[..2]);
    let last: Vec<_> = store.iterations(&id, Span::Last(2)).await.unwrap();
    assert_eq!(last.iter().map(|i| i.n.get()).collect::<Vec<_>>(), [2, 3]);

    let mut loose = new_judgement(&id, number(1), "loose", 0.5);
    loose.overall_score = Some(1.5);
    assert!(store.record_judgement(loose).await.is_err());
}

#[tokio::test]
async fn long_prompts_are_cut_between_characters() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let long = "ä\n".repeat(400);
    store.add_iteration(new_iteration(&id, &long)).await.unwrap();
    let rows = store.trend(&id, Span::Last(5)).await.unwrap();
    let shown = rows[0].positive.as_deref().unwrap();
    assert_eq!(shown.chars().count(), 160);
    assert!(shown.starts_with("ä ä ") && shown.ends_with('…'));
    let empty = store.create_session(new_session()).await.unwrap().id;
    assert_eq!(store.trend(&empty, Span::Last(5)).await.unwrap(), []);
}

#[tokio::test]
async fn reference_values_are_frozen_until_they_are_edited() {
    let (_folder, store) = store();
    let key = ReferenceKey {
        reference: image("reference"),
        judge: judge("judge"),
        rubric: rubric(),
    };
    assert_eq!(store.reference_values(&key).await.unwrap(), None);
    let seen = store
        .put_reference_values(&key, json!({"palette": "red"}))
        .await
        .unwrap();
    let again = store
        .put_reference_values(&key, json!({"palette": "blue"}))
        .await
        .unwrap();
    assert_eq!(again, seen, "the first stays");
    let edited = store
        .edit_reference_values(&key, json!({"palette": "crimson"}))
        .await
        .unwrap();
    assert!(edited.edited);
    store
        .put_reference_values(&key, json!({"palette": "green"}))
        .await
        .unwrap();
    assert_eq!(store.reference_values(&key).await.unwrap(), Some(edited.clone()));
    assert_eq!(store.reference_values_history(&key).await.unwrap(), [seen, edited]);
    let other = ReferenceKey {
        judge: judge("other"),
        ..key.clone()
    };
    assert_eq!(store.reference_values(&other).await.unwrap(), None);

    assert_eq!(store.scale(&key).await.unwrap(), None);
    let scale = store.put_scale(&key, json!({"palette": [0.1, 0.9]})).await.unwrap();
    assert_eq!(store.put_scale(&key, json!({})).await.unwrap(), scale);
    assert_eq!(store.scale(&key).await.unwrap(), Some(scale));
    assert_eq!(store.scale(&other).await.unwrap(), None);
}

#[tokio::test]
async fn how_large_a_graph_is_is_known_without_reading_it() {
    let (_folder, store) = store();
    let session = store.create_session(new_session()).await.unwrap();
    let mut new = new_iteration(&session.id, "é");
    new.graph = serde_json::json!({"1": {"class_type": "é"}});
    let bytes = new.graph.to_string().len() + session.opened.workflow.to_string().len();
    let n = store.add_iteration(new).await.unwrap();
    assert_eq!(store.graph_bytes(&session.id, n).await.unwrap(), bytes as u64);
    assert_eq!(store.graph_bytes(&session.id, number(9)).await.unwrap(), 0);
}
