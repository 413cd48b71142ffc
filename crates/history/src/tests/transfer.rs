//! Sessions go out and come in whole; what is removed is gone, and nothing else.

use std::fs;
use std::time::{Duration, SystemTime};

use super::*;

/// A session with two iterations, a run with a real picture, two judgements, a decision and a refusal.
async fn fill(store: &Store) -> (SessionId, StoredImage) {
    let id = store.create_session(new_session()).await.unwrap().id;
    let first = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let mut child = new_iteration(&id, "a red barn");
    child.parent = Some(first);
    let second = store.add_iteration(child).await.unwrap();
    let picture = store.put_image(PNG.to_vec()).await.unwrap();
    let run = store.prepare_run(new_run(&id, second)).await.unwrap();
    let mut image = run_image(0, "one");
    image.hash = picture.hash;
    store.record_images(run.prompt_id, vec![image]).await.unwrap();
    let finished = RunUpdate::Finished {
        cached: false,
        seconds: Some(0.1 + 0.2),
    };
    store.update_run_state(run.prompt_id, finished).await.unwrap();
    let mut judged = new_judgement(&id, second, "one", 0.5);
    (judged.run, judged.image) = (Some(run.prompt_id), picture.hash);
    store
        .record_judgement(new_judgement(&id, first, "two", 1.0 / 3.0))
        .await
        .unwrap();
    let judgement = store.record_judgement(judged).await.unwrap();
    let decision = NewDecision {
        session: id.clone(),
        iteration: second,
        against: Some(first),
        judge: judge("judge"),
        judgement,
        kind: DecisionKind::Keep,
        detail: json!({"probability": 0.9}),
    };
    assert!(store.record_decision(decision, None).await.unwrap().is_some());
    let comparison = NewComparison {
        session: id.clone(),
        candidate: second,
        incumbent: first,
        seed: Seed(u64::MAX),
        judge: judge("judge"),
        candidate_image: picture.hash,
        incumbent_image: super::image("two"),
        value: json!({"v": 1, "log_odds": 0.5}),
    };
    store.record_comparison(comparison).await.unwrap();
    store.record_refusal(Some(&id), "it describes a minor").await.unwrap();
    let key = ReferenceKey {
        reference: image_of_reference(),
        judge: judge("judge"),
        rubric: rubric(),
    };
    store
        .edit_reference_values(&key, json!({"palette": "crimson"}))
        .await
        .unwrap();
    (id, picture)
}

/// What the history keeps for others is theirs to check.
fn anything(_: Payload<'_>) -> std::result::Result<(), String> {
    Ok(())
}

fn image_of_reference() -> ImageHash {
    image("reference")
}

/// As it would be read back from a file.
fn through_a_file(lines: &[Line]) -> Vec<Line> {
    let text: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    text.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_session_goes_out_and_comes_in_the_same() {
    let (_folder, store) = store();
    let (id, picture) = fill(&store).await;
    let (lines, images) = store.export_session(&id).await.unwrap();
    assert!(images.contains(&picture.hash) && images.contains(&image("reference")));

    let (_other_folder, other) = super::store();
    // Judgements there have other numbers.
    fill(&other).await;
    assert_eq!(
        other.import_session(through_a_file(&lines), anything).await.unwrap(),
        id
    );
    assert_eq!(other.session(&id).await.unwrap(), store.session(&id).await.unwrap());
    assert_eq!(
        other.iterations(&id, Span::All).await.unwrap(),
        store.iterations(&id, Span::All).await.unwrap()
    );
    let runs = store.runs_of(&id, None).await.unwrap();
    assert_eq!(other.runs_of(&id, None).await.unwrap(), runs);
    assert_eq!(
        other.images_of(runs[0].prompt_id).await.unwrap(),
        store.images_of(runs[0].prompt_id).await.unwrap()
    );
    let contents = |judgements: Vec<Judgement>| judgements.into_iter().map(|j| j.content).collect::<Vec<_>>();
    assert_eq!(
        contents(other.judgements_of(&id, None).await.unwrap()),
        contents(store.judgements_of(&id, None).await.unwrap())
    );
    let decision = other.decisions(&id, &judge("judge"), 9).await.unwrap().remove(0);
    let newest = other.judgements_of(&id, None).await.unwrap().pop().unwrap();
    assert_eq!(decision.content.judgement, newest.id, "it follows its judgement");
    assert_eq!(other.standing(&id, &judge("judge"), 9).await.unwrap().undecided, []);
    let comparisons = other
        .comparisons(&id, &judge("judge"), number(2), number(1))
        .await
        .unwrap();
    assert_eq!(comparisons[0].content.value, json!({"v": 1, "log_odds": 0.5}));
    assert_eq!(other.refusals_of(&id).await.unwrap().len(), 1);

    let twice = other.import_session(lines, anything).await;
    assert!(matches!(twice, Err(HistoryError::SessionExists(there)) if there == id));
}

#[tokio::test]
async fn secrets_do_not_go_out_and_the_rest_does_as_it_is() {
    let (_folder, store) = store();
    let mut opened = new_session();
    opened.workflow =
        json!({"9": {"class_type": "Llm", "inputs": {"api_key": "open sesame", "seed": u64::MAX, "cfg": 7.3}}});
    let id = store.create_session(opened).await.unwrap().id;
    let mut iteration = new_iteration(&id, "the key to a barn");
    iteration.graph = json!({"9": {"class_type": "Llm", "inputs": {"api_key": "open sesame", "cfg": 7.3}}});
    iteration.knobs = json!({"9.api_key": "open sesame", "9.key_color": "red"})
        .as_object()
        .unwrap()
        .clone();
    iteration.changes.push(Change {
        node: "9".into(),
        input: "api_key".into(),
        from: json!("an older one"),
        to: json!("open sesame"),
    });
    iteration.note = Some("it says: open sesame is wrong".into());
    let n = store.add_iteration(iteration).await.unwrap();
    let (lines, _) = store.export_session(&id).await.unwrap();
    let told = serde_json::to_string(&lines).unwrap();
    assert!(!told.contains("sesame") && !told.contains("an older one"), "{told}");

    let (_other_folder, other) = super::store();
    other.import_session(through_a_file(&lines), anything).await.unwrap();
    let there = other.iteration(&id, n).await.unwrap().content;
    let here = store.iteration(&id, n).await.unwrap().content;
    assert_eq!(
        here.graph["9"]["inputs"]["api_key"], "open sesame",
        "what is stored stays whole"
    );
    assert_eq!(
        there.graph,
        json!({"9": {"class_type": "Llm", "inputs": {"api_key": "[masked]", "cfg": 7.3}}})
    );
    assert_eq!(there.knobs["9.key_color"], "red");
    assert_eq!(
        (&there.changes[1].to, &there.changes[0]),
        (&json!("[masked]"), &here.changes[0])
    );
    assert_eq!((&there.positive, &there.graph_hash), (&here.positive, &here.graph_hash));
    assert_eq!(there.note.as_deref(), Some("it says: [masked] is wrong"));
}

#[test]
fn pictures_are_named_anew_wherever_a_row_names_them() {
    let row = |hash: &ImageHash| Line::Row {
        table: "judgements".into(),
        row: json!({"image_hash": hash, "verdict": format!("{{\"of\": \"{hash}\"}}"), "id": 1})
            .as_object()
            .unwrap()
            .clone(),
    };
    let mut lines = [row(&image("old")), row(&image("other"))];
    rename_images(&mut lines, &[(image("old"), image("new"))].into());
    assert_eq!(lines, [row(&image("new")), row(&image("other"))]);
}

#[tokio::test]
async fn what_is_no_export_is_refused_with_its_line_and_leaves_nothing() {
    let (_folder, store) = store();
    let (id, _) = fill(&store).await;
    let (mut lines, _) = store.export_session(&id).await.unwrap();
    // As earlier programs wrote it: what is counted is found by its number alone.
    if let Line::Head { rows, .. } = &mut lines[0] {
        *rows = None;
    }
    let (_other_folder, other) = super::store();
    type Damage = fn(&mut Vec<Line>);
    let damages: [(&str, Damage); 9] = [
        ("line 1", |lines| drop(lines.remove(0))),
        ("line 1", |lines| lines.clear()),
        ("schema version 99", |lines| match &mut lines[0] {
            Line::Head { version, .. } => *version = 99,
            Line::Row { .. } => panic!(),
        }),
        ("a second head", |lines| lines.push(lines[0].clone())),
        ("no table \"sqlite_schema\"", |lines| match &mut lines[1] {
            Line::Row { table, .. } => *table = "sqlite_schema".into(),
            Line::Head { .. } => panic!(),
        }),
        ("no column \"x); DROP TABLE runs; --\"", |lines| {
            row(lines, 1).insert("x); DROP TABLE runs; --".into(), json!(1));
        }),
        ("neither text nor a number", |lines| {
            row(lines, 2).insert("positive".into(), json!(["a"]));
        }),
        ("a row of another session", |lines| {
            row(lines, 2).insert("session_id".into(), json!("another1"));
        }),
        ("does not take", |lines| drop(lines.remove(2))),
    ];
    for (expected, damage) in damages {
        let mut damaged = lines.clone();
        damage(&mut damaged);
        let error = other.import_session(damaged, anything).await.unwrap_err();
        let told = format!("{error}");
        assert!(
            told.contains(expected) && told.contains("nothing was imported"),
            "{expected}: {told}"
        );
        assert!(!error.hint().is_empty());
        assert_eq!(other.sessions(0, 9).await.unwrap(), [], "{expected}");
    }
    other.import_session(lines, anything).await.unwrap();
}

#[tokio::test]
async fn an_export_that_was_cut_is_refused_and_says_how_much_is_missing() {
    let (_folder, store) = store();
    let (id, _) = fill(&store).await;
    let (lines, _) = store.export_session(&id).await.unwrap();
    let rows = lines.len() - 1;
    let (_other_folder, other) = super::store();
    for left in 1..lines.len() {
        let cut = through_a_file(&lines[..left]);
        let error = other.import_session(cut, anything).await.unwrap_err();
        let told = error.to_string();
        let expected = format!("{} of its {rows} rows are missing", rows + 1 - left);
        assert!(
            told.contains(&expected) && told.contains("nothing was imported"),
            "{left}: {told}"
        );
        assert_eq!(other.sessions(0, 9).await.unwrap(), [], "{left}");
    }
    let mut longer = lines.clone();
    longer.push(lines[rows].clone());
    let error = other.import_session(longer, anything).await.unwrap_err();
    assert!(error.to_string().contains(&format!("has only {rows} rows")), "{error}");
    other.import_session(lines, anything).await.unwrap();
}

#[test]
fn a_line_that_is_not_understood_says_why_in_words() {
    for (text, word) in [
        ("{\"table\": \"runs\", \"row\": {\"a\":", "in the middle"),
        ("", "in the middle"),
        ("hello", "not JSON"),
        ("[1]", "neither the head"),
        ("{\"table\": \"runs\"}", "neither the head"),
    ] {
        let told = Line::parse(text).unwrap_err();
        assert!(told.contains(word) && !told.contains("untagged"), "{text}: {told}");
    }
    let head = "{\"format\": \"x\", \"version\": 3, \"session\": \"7k3m9qx2\"}";
    assert!(matches!(Line::parse(head), Ok(Line::Head { rows: None, .. })));
}

/// Whatever a single field of an export holds: what comes in can be read afterwards, and what cannot be read does not come in.
#[tokio::test]
async fn a_row_that_cannot_be_read_is_not_imported_and_names_its_session() {
    let (_folder, store) = store();
    let (id, _) = fill(&store).await;
    let (lines, _) = store.export_session(&id).await.unwrap();
    let (_other_folder, other) = super::store();
    let wrong = [json!("x"), json!("{}"), json!(-1), json!(1e300), json!(null), json!("")];
    let (mut refused, mut unreadable, mut taken) = (0, 0, 0);
    for at in 1..lines.len() {
        let columns: Vec<String> = row(&mut lines.clone(), at).keys().cloned().collect();
        for column in columns {
            for value in &wrong {
                let mut damaged = lines.clone();
                row(&mut damaged, at).insert(column.clone(), value.clone());
                match other.import_session(damaged, anything).await {
                    Ok(session) => {
                        taken += 1;
                        read_everything(&other, &session).await;
                        other.prune(vec![session]).await.unwrap();
                    }
                    Err(error @ HistoryError::ImportUnreadable { .. }) => {
                        unreadable += 1;
                        let told = error.to_string();
                        assert!(
                            told.contains(id.as_str()) && told.contains("nothing was imported"),
                            "{told}"
                        );
                    }
                    Err(_) => refused += 1,
                }
                let left = other.sessions(0, 9).await.unwrap();
                assert_eq!(left, [], "line {at}, {column}: {value}");
            }
        }
    }
    assert!(
        refused > 50 && unreadable > 50 && taken > 50,
        "{refused} {unreadable} {taken}"
    );
}

/// Everything that views read.
async fn read_everything(store: &Store, id: &SessionId) {
    store.sessions(0, 9).await.unwrap();
    let session = store.session(id).await.unwrap();
    store.iterations(id, Span::All).await.unwrap();
    store.trend(id, Span::All).await.unwrap();
    for run in store.runs_of(id, None).await.unwrap() {
        store.images_of(run.prompt_id).await.unwrap();
    }
    for judgement in store.judgements_of(id, None).await.unwrap() {
        let judge = judgement.content.judge;
        let standing = store.standing(id, &judge, 9).await.unwrap();
        store.judged_runs(id, &judge, Span::All).await.unwrap();
        store.comparisons(id, &judge, number(2), number(1)).await.unwrap();
        for taken in standing.took_over {
            store.refused_seeds(id, taken.iteration).await.unwrap();
        }
        if let Some(reference) = session.opened.reference {
            let rubric = judgement.content.rubric;
            let key = ReferenceKey {
                reference,
                judge,
                rubric,
            };
            store.reference_values(&key).await.unwrap();
        }
    }
    store.decisions_of(id, Span::All).await.unwrap();
    store.refusals_of(id).await.unwrap();
    store.export_session(id).await.unwrap();
}

#[tokio::test]
async fn what_the_history_keeps_for_others_is_checked_before_it_is_kept() {
    let (_folder, store) = store();
    let (id, _) = fill(&store).await;
    let (lines, _) = store.export_session(&id).await.unwrap();
    let (_other_folder, other) = super::store();
    let error = other
        .import_session(lines.clone(), |payload| match payload {
            Payload::Judgement(_) => Err("it is from the future".to_owned()),
            _ => Ok(()),
        })
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("judgements") && told.contains("from the future") && told.contains(id.as_str()),
        "{told}"
    );
    assert_eq!(other.sessions(0, 9).await.unwrap(), []);
    // Each kind is shown.
    let seen = std::sync::Arc::new(std::sync::Mutex::new(std::collections::BTreeSet::new()));
    let noted = std::sync::Arc::clone(&seen);
    let note = move |payload: Payload<'_>| {
        let name = format!("{payload:?}");
        noted.lock().unwrap().insert(name.split('(').next().unwrap().to_owned());
        Ok(())
    };
    other.import_session(lines, note).await.unwrap();
    let all = [
        "Comparison",
        "Decision",
        "Graph",
        "Judgement",
        "ReferenceValues",
        "Rubric",
    ];
    assert_eq!(seen.lock().unwrap().iter().collect::<Vec<_>>(), all);
}

/// A database can come to hold such a row by other ways than an import.
#[tokio::test]
async fn an_unreadable_row_names_its_session_and_leaves_the_others_alone() {
    let (folder, store) = store();
    let (bad, _) = fill(&store).await;
    let (good, _) = fill(&store).await;
    let database = rusqlite::Connection::open(folder.path().join("history.sqlite")).unwrap();
    database
        .execute(
            "UPDATE judgements SET verdict = 'x' WHERE session_id = ?1",
            [bad.as_str()],
        )
        .unwrap_err();
    database
        .execute(
            "UPDATE iterations SET knobs = '[]' WHERE session_id = ?1",
            [bad.as_str()],
        )
        .unwrap();
    let error = store.iterations(&bad, Span::All).await.unwrap_err();
    assert!(error.to_string().contains(bad.as_str()), "{error}");
    assert!(error.hint().contains("other sessions are not affected") && error.hint().contains(bad.as_str()));
    store.iterations(&good, Span::All).await.unwrap();
    database
        .execute("UPDATE sessions SET reference_hash = 'x' WHERE id = ?1", [bad.as_str()])
        .unwrap();
    let error = store.sessions(0, 9).await.unwrap_err();
    assert!(error.to_string().contains(bad.as_str()), "{error}");
    let pruned = store.prune(vec![bad]).await.unwrap();
    assert_eq!(pruned.sessions.len(), 1, "what its hint says works");
    assert_eq!(store.sessions(0, 9).await.unwrap().len(), 1);
}

fn row(lines: &mut [Line], at: usize) -> &mut serde_json::Map<String, serde_json::Value> {
    match &mut lines[at] {
        Line::Row { row, .. } => row,
        Line::Head { .. } => panic!("a head"),
    }
}

#[tokio::test]
async fn pruning_removes_a_session_and_the_pictures_that_nothing_else_names() {
    let (_folder, store) = store();
    let (id, picture) = fill(&store).await;
    let age = |picture: &StoredImage| {
        let old = SystemTime::now() - Duration::from_secs(7_200);
        fs::File::options()
            .append(true)
            .open(&picture.path)
            .unwrap()
            .set_modified(old)
            .unwrap();
    };
    age(&picture);
    let (other, _) = fill(&store).await;
    assert_eq!(
        store.would_prune(vec![id.clone()]).await.unwrap().images,
        Vec::<std::path::PathBuf>::new()
    );
    let pruned = store.prune(vec![id.clone()]).await.unwrap();
    assert_eq!((pruned.sessions.len(), pruned.images.len()), (1, 0));
    assert!(picture.path.exists(), "the other session has the same picture");
    assert!(matches!(store.session(&id).await, Err(HistoryError::UnknownSession(_))));
    assert_eq!(store.runs_of(&other, None).await.unwrap().len(), 1);

    // One that was wanted within the hour may belong to what is not recorded yet.
    let young = store.would_prune(vec![other.clone()]).await.unwrap();
    assert_eq!((young.images.len(), young.young), (0, 1));
    age(&picture);
    let told = store.would_prune(vec![other.clone()]).await.unwrap();
    assert_eq!(
        (told.images.as_slice(), told.bytes),
        ([picture.path.clone()].as_slice(), PNG.len() as u64)
    );
    assert!(
        picture.path.exists() && store.session(&other).await.is_ok(),
        "nothing was removed yet"
    );
    assert_eq!(store.prune(vec![other]).await.unwrap(), told);
    assert!(!picture.path.exists());
    assert_eq!(store.sessions(0, 9).await.unwrap(), []);
    // One that was spared is found later, by whichever pruning.
    let left = store.put_image(PNG.to_vec()).await.unwrap();
    assert_eq!(store.prune(Vec::new()).await.unwrap().young, 1);
    age(&left);
    assert_eq!(store.prune(Vec::new()).await.unwrap().images, [left.path]);
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_session_at_work_stays_and_idle_ones_are_found() {
    let (_folder, store) = store();
    let (idle, _) = fill(&store).await;
    let (busy, _) = fill(&store).await;
    let mut run = new_run(&busy, number(1));
    run.seed = Seed(3);
    store.prepare_run(run).await.unwrap();
    let both = vec![idle.clone(), busy.clone()];
    let now = Timestamp::from_millis(Timestamp::now().millis() + 1);
    assert_eq!(store.sessions_idle_since(now).await.unwrap(), both);
    let past = Timestamp::from_millis(now.millis() - 3_600_000);
    assert_eq!(store.sessions_idle_since(past).await.unwrap(), []);
    let pruned = store.prune(both).await.unwrap();
    assert_eq!((pruned.sessions, pruned.running), (vec![idle], vec![busy.clone()]));
    assert!(store.session(&busy).await.is_ok());
}
