//! A database of every released schema version can be read and written.
//!
//! `tests/fixtures/history/v1.sqlite` was written by [`write_v1`] when version 1 was the newest. It stands for the
//! databases that people have: once a version is released its file is never made anew. For a new version, copy
//! `write_v1`, let it write the next file, and run it once with
//! `cargo test --lib history::tests::fixture::write_v1 -- --ignored --exact`.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn fixture(name: &str) -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    repository.join("tests/fixtures/history").join(name)
}

fn key() -> ReferenceKey {
    ReferenceKey {
        reference: image("reference"),
        judge: judge("judge"),
        rubric: rubric(),
    }
}

#[tokio::test]
#[ignore = "writes the fixture; only while its version is unreleased"]
async fn write_v1() {
    let (folder, store) = store();
    assert_eq!(schema::VERSION, 1, "version 1 is frozen by now");
    fill_v1(&store).await;
    drop(store);
    keep(&folder, "v1.sqlite");
}

fn keep(folder: &tempfile::TempDir, name: &str) {
    let to = fixture(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(folder.path().join("history.sqlite"), to).unwrap();
}

/// Gives the session and the judgement.
async fn fill_v1(store: &Store) -> (SessionId, JudgementId) {
    let id = store.create_session(new_session()).await.unwrap().id;
    let first = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let mut child = new_iteration(&id, "a red barn");
    child.parent = Some(first);
    let second = store.add_iteration(child).await.unwrap();
    let run = store.prepare_run(new_run(&id, second)).await.unwrap();
    store
        .update_run_state(run.prompt_id, RunUpdate::Submitted)
        .await
        .unwrap();
    let pictures = vec![run_image(0, "one")];
    store.record_images(run.prompt_id, pictures).await.unwrap();
    let finished = RunUpdate::Finished {
        cached: false,
        seconds: Some(2.5),
    };
    store.update_run_state(run.prompt_id, finished).await.unwrap();
    store.prepare_run(new_run(&id, first)).await.unwrap();
    let mut judged = new_judgement(&id, second, "one", 0.5);
    judged.run = Some(run.prompt_id);
    let judgement = store.record_judgement(judged).await.unwrap();
    store
        .put_reference_values(&key(), json!({"palette": "red"}))
        .await
        .unwrap();
    store
        .edit_reference_values(&key(), json!({"palette": "crimson"}))
        .await
        .unwrap();
    store.put_scale(&key(), json!({"palette": [0.1, 0.9]})).await.unwrap();
    (id, judgement)
}

fn decision(session: &SessionId, judgement: JudgementId) -> NewDecision {
    NewDecision {
        session: session.clone(),
        iteration: number(2),
        against: Some(number(1)),
        judge: judge("judge"),
        judgement,
        kind: DecisionKind::TentativeKeep,
        detail: json!({"probability": 0.75}),
    }
}

#[tokio::test]
#[ignore = "writes the fixture; only while its version is unreleased"]
async fn write_v2() {
    let (folder, store) = store();
    assert_eq!(schema::VERSION, 2, "version 2 is frozen by now");
    let (id, judgement) = fill_v1(&store).await;
    let recorded = store.record_decision(decision(&id, judgement), None).await.unwrap();
    assert!(recorded.is_some());
    store.record_refusal(Some(&id), "it describes a minor").await.unwrap();
    drop(store);
    keep(&folder, "v2.sqlite");
}

#[tokio::test]
async fn version_2_is_read_and_written() {
    let (folder, store) = store();
    fs::copy(fixture("v2.sqlite"), folder.path().join("history.sqlite")).unwrap();
    store.check().await.unwrap();
    let sessions = store.sessions(0, 9).await.unwrap();
    let id = &sessions[0].id;
    let decisions = store.decisions(id, &judge("judge"), 9).await.unwrap();
    let judgement = decisions[0].content.judgement;
    assert_eq!(decisions[0].content, decision(id, judgement));
    assert_eq!(store.decisions_of(id, Span::All).await.unwrap(), decisions);
    assert_eq!(store.incumbent(id, &judge("judge")).await.unwrap(), Some(number(2)));
    assert_eq!(store.refusals_of(id).await.unwrap()[0].1, "it describes a minor");
    let standing = store.standing(id, &judge("judge"), 9).await.unwrap();
    assert_eq!((standing.undecided.len(), standing.newest), (0, Some(decisions[0].id)));
    assert_eq!(
        standing.took_over,
        [TookOver {
            iteration: number(2),
            against: Some(number(1))
        }],
        "by its name before version 4"
    );

    let mut later = decision(id, judgement);
    later.kind = DecisionKind::Revert;
    assert_eq!(
        store.record_decision(later.clone(), None).await.unwrap(),
        None,
        "others decided since"
    );
    let recorded = store.record_decision(later, standing.newest).await.unwrap();
    assert!(recorded.is_some());
    assert_eq!(
        store.incumbent(id, &judge("judge")).await.unwrap(),
        None,
        "it only leaned to it"
    );
}

#[tokio::test]
async fn version_1_is_read_and_written() {
    let (folder, store) = store();
    fs::copy(fixture("v1.sqlite"), folder.path().join("history.sqlite")).unwrap();
    store.check().await.unwrap();

    let sessions = store.sessions(0, 9).await.unwrap();
    let [summary] = sessions.as_slice() else {
        panic!("{sessions:?}")
    };
    assert_eq!(
        (
            summary.iterations,
            summary.open_runs,
            summary.judgements,
            summary.rubric_id.as_str()
        ),
        (2, 1, 1, "look")
    );
    let id = &summary.id;
    assert_eq!(store.session(id).await.unwrap().opened, new_session());
    let iterations = store.iterations(id, Span::All).await.unwrap();
    let mut child = new_iteration(id, "a red barn");
    child.parent = Some(number(1));
    assert_eq!(iterations[0].content, new_iteration(id, "a barn"));
    assert_eq!(iterations[1].content, child);

    let runs = store.runs_of(id, None).await.unwrap();
    let [finished, open] = runs.as_slice() else {
        panic!("{runs:?}")
    };
    assert_eq!(
        (finished.state, finished.seed, finished.seconds),
        (RunState::Finished, Seed(u64::MAX), Some(2.5))
    );
    assert_eq!(store.open_runs().await.unwrap(), std::slice::from_ref(open));
    let images = store.images_of(finished.prompt_id).await.unwrap();
    assert_eq!(images, [run_image(0, "one")]);
    let mut judged = new_judgement(id, number(2), "one", 0.5);
    judged.run = Some(finished.prompt_id);
    let judgements = store.judgements_of(id, Some(number(2))).await.unwrap();
    assert_eq!(judgements[0].content, judged);
    let values = store.reference_values_history(&key()).await.unwrap();
    assert_eq!(values.iter().map(|v| v.edited).collect::<Vec<_>>(), [false, true]);
    assert_eq!(
        store.scale(&key()).await.unwrap().unwrap().value,
        json!({"palette": [0.1, 0.9]})
    );
    assert_eq!(
        store.trend(id, Span::All).await.unwrap()[1].scores[0].overall,
        Some(0.5)
    );
    // What version 2 added.
    assert_eq!(store.decisions(id, &judge("judge"), 9).await.unwrap(), []);
    let standing = store.standing(id, &judge("judge"), 9).await.unwrap();
    assert_eq!(standing.undecided, [(number(2), judgements[0].id)]);
    assert!(
        summary.last_activity >= judgements[0].created_at,
        "worked out from the old rows"
    );

    let third = store.add_iteration(new_iteration(id, "more")).await;
    assert_eq!(third.unwrap(), number(3));
    store
        .update_run_state(open.prompt_id, RunUpdate::Cancelled { by: None })
        .await
        .unwrap();
}

/// What the offline demo of the first release left behind: a whole calibration by the bundled judge.
#[tokio::test]
async fn version_3_is_read_and_written() {
    let (folder, store) = store();
    fs::copy(fixture("v3.sqlite"), folder.path().join("history.sqlite")).unwrap();
    store.check().await.unwrap();
    let sessions = store.sessions(0, 9).await.unwrap();
    let id = &sessions[0].id;
    let judgements = store.judgements_of(id, None).await.unwrap();
    let by = judgements[0].content.judge.clone();
    let rubric = judgements[0].content.rubric.clone();
    assert_eq!((sessions[0].iterations, judgements.len()), (6, 28));
    assert_eq!(store.decisions_of(id, Span::All).await.unwrap().len(), 9);
    let standing = store.standing(id, &by, 60).await.unwrap();
    // The best was scored on fresh seeds last, which decides nothing.
    assert_eq!((standing.undecided.len(), standing.decisions.len()), (1, 9));
    assert_eq!(store.last_judge(id).await.unwrap().as_ref(), Some(&by));

    // The self-check lay among the scales, under the hash of no picture.
    let check = store
        .judge_state(&by, &rubric, JudgeStateKind::SelfCheck)
        .await
        .unwrap();
    assert_eq!(check.unwrap()["passed"], true);
    assert_eq!(
        store.judge_state(&by, &rubric, JudgeStateKind::Fit).await.unwrap(),
        None
    );
    for made in [json!(1), json!(2)] {
        let put = store.put_judge_state(&by, &rubric, JudgeStateKind::Fit, made.clone());
        put.await.unwrap();
        let kept = store.judge_state(&by, &rubric, JudgeStateKind::Fit).await.unwrap();
        assert_eq!(kept, Some(made), "the newest is in force");
    }
    let database = rusqlite::Connection::open(folder.path().join("history.sqlite")).unwrap();
    let strangers: i64 = database
        .query_row(
            "SELECT count(*) FROM scales WHERE reference_hash NOT IN (SELECT reference_hash FROM sessions)",
            (),
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(strangers, 0);
}
