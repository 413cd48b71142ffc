//! The causal chain from the reference to the verdict, across a restart.

use super::*;

#[tokio::test]
async fn the_whole_chain_survives_a_restart() {
    let (folder, store) = store();
    let session = store.create_session(new_session()).await.unwrap();
    let id = session.id.clone();
    let first = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let mut child = new_iteration(&id, "a red barn");
    child.parent = Some(first);
    let second = store.add_iteration(child.clone()).await.unwrap();
    assert_eq!((first.get(), second.get()), (1, 2));

    let new = new_run(&id, second);
    let prompt = new.prompt_id;
    let prepared = store.prepare_run(new).await.unwrap();
    assert_eq!(prepared.state, RunState::Prepared);
    store.update_run_state(prompt, RunUpdate::Submitted).await.unwrap();
    let pictures = vec![run_image(0, "one"), run_image(1, "two")];
    store.record_images(prompt, pictures.clone()).await.unwrap();
    let finished = RunUpdate::Finished {
        cached: true,
        seconds: Some(3.25),
    };
    let run = store.update_run_state(prompt, finished).await.unwrap();
    let mut judged = new_judgement(&id, second, "one", 0.5);
    judged.run = Some(prompt);
    let judgement = store.record_judgement(judged.clone()).await.unwrap();
    drop(store);

    let store = Store::open(folder.path());
    assert_eq!(store.session(&id).await.unwrap(), session);
    assert_eq!(session.opened, new_session());
    let read = store.iteration(&id, second).await.unwrap();
    assert_eq!((read.n, &read.content), (second, &child));
    // The graph's keys keep their order: it is hashed and shown as text.
    assert_eq!(read.content.graph.to_string(), child.graph.to_string(), "key order");
    let read = store.run(prompt).await.unwrap();
    assert_eq!(read, run);
    assert_eq!(
        (read.seed, read.state, read.cached, read.seconds),
        (Seed(u64::MAX), RunState::Finished, true, Some(3.25))
    );
    assert!(read.submitted_at.is_some() && read.finished_at.is_some());
    assert_eq!(store.images_of(prompt).await.unwrap(), pictures);
    let read = store.judgement(judgement).await.unwrap();
    assert_eq!(read.content, judged);
    assert_eq!(store.judgements_of(&id, None).await.unwrap(), [read]);
}

#[tokio::test]
async fn a_run_goes_forward_only() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    use RunState::{Cancelled, Failed, Finished, Lost, Prepared, Submitted};
    let mut seeds = (0..).map(Seed);
    for from in RunState::ALL {
        let onward: &[RunState] = match from {
            Prepared => &[Submitted, Finished, Failed, Cancelled, Lost],
            Submitted => &[Finished, Failed, Cancelled, Lost],
            // It may turn up again.
            Lost => &[Submitted],
            Finished | Failed | Cancelled => &[],
        };
        for to in RunState::ALL {
            assert_eq!(from.may_become(to), onward.contains(&to), "{from} to {to}");
            let Some(last) = update(to) else { continue };
            let mut run = new_run(&id, n);
            run.seed = seeds.next().unwrap();
            let prompt = store.prepare_run(run).await.unwrap().prompt_id;
            if let Some(first) = update(from) {
                store.update_run_state(prompt, first).await.unwrap();
            }
            let outcome = store.update_run_state(prompt, last).await;
            let state = store.run(prompt).await.unwrap().state;
            if from == to || onward.contains(&to) {
                assert_eq!(outcome.unwrap().state, to, "{from} to {to}");
                assert_eq!(state, to);
            } else {
                let error = outcome.unwrap_err();
                assert!(matches!(error, HistoryError::Transition { .. }), "{error:?}");
                assert_eq!(state, from);
            }
        }
    }
}

fn update(state: RunState) -> Option<RunUpdate> {
    let error = || "connection refused".to_owned();
    match state {
        RunState::Prepared => None,
        RunState::Submitted => Some(RunUpdate::Submitted),
        RunState::Finished => Some(RunUpdate::Finished {
            cached: false,
            seconds: None,
        }),
        RunState::Failed => Some(RunUpdate::Failed { error: error() }),
        RunState::Cancelled => Some(RunUpdate::Cancelled { by: None }),
        RunState::Lost => Some(RunUpdate::Lost { error: error() }),
    }
}

#[tokio::test]
async fn a_lost_run_that_turns_up_is_open_again() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let run = store.prepare_run(new_run(&id, n)).await.unwrap().prompt_id;
    store.update_run_state(run, RunUpdate::Submitted).await.unwrap();
    let lost = RunUpdate::Lost {
        error: "it has no such run".to_owned(),
    };
    assert!(store.update_run_state(run, lost).await.unwrap().finished_at.is_some());
    let again = store.update_run_state(run, RunUpdate::Submitted).await.unwrap();
    assert_eq!(
        (again.state, again.finished_at, again.error),
        (RunState::Submitted, None, None)
    );
    assert_eq!(store.prepare_run(new_run(&id, n)).await.unwrap().prompt_id, run);
}

#[tokio::test]
async fn seeds_that_were_asked_for_are_remembered_before_anything_is_run() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    assert!(store.seeds_of(&id, n).await.unwrap().is_empty());
    store
        .ask_for_seeds(&id, n, vec![Seed(u64::MAX), Seed(6)])
        .await
        .unwrap();
    store.ask_for_seeds(&id, n, vec![Seed(6), Seed(7)]).await.unwrap();
    let mut run = new_run(&id, n);
    run.seed = Seed(6);
    let run = store.prepare_run(run).await.unwrap();
    let stopped = RunUpdate::Cancelled { by: None };
    store.update_run_state(run.prompt_id, stopped).await.unwrap();
    drop(store);
    // As after a kill.
    let store = Store::open(folder.path());
    assert_eq!(
        store.seeds_of(&id, n).await.unwrap(),
        [Seed(u64::MAX), Seed(6), Seed(7)]
    );

    let (lines, _) = store.export_session(&id).await.unwrap();
    let (_elsewhere, other) = self::store();
    other.import_session(lines, |_| Ok(())).await.unwrap();
    assert_eq!(
        other.seeds_of(&id, n).await.unwrap(),
        [Seed(u64::MAX), Seed(6), Seed(7)]
    );
    other.prune(vec![id]).await.unwrap();
    assert!(other.sessions(0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn open_runs_are_found_after_a_restart() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let mut prompts = Vec::new();
    for (seed, state) in (0..).map(Seed).zip(RunState::ALL) {
        let mut run = new_run(&id, n);
        run.seed = seed;
        let prompt = store.prepare_run(run).await.unwrap().prompt_id;
        if let Some(update) = update(state) {
            store.update_run_state(prompt, update).await.unwrap();
        }
        prompts.push(prompt);
    }
    drop(store);
    let store = Store::open(folder.path());
    let open: Vec<_> = store
        .open_runs()
        .await
        .unwrap()
        .into_iter()
        .map(|run| run.prompt_id)
        .collect();
    assert_eq!(open, prompts[..2]);
    assert_eq!(store.runs_of(&id, Some(n)).await.unwrap().len(), 6);
    assert_eq!(store.sessions(0, 9).await.unwrap()[0].open_runs, 2);
}

#[tokio::test]
async fn images_may_be_recorded_again_but_not_otherwise() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let prompt = store.prepare_run(new_run(&id, n)).await.unwrap().prompt_id;
    let one = vec![run_image(0, "one")];
    store.record_images(prompt, one.clone()).await.unwrap();
    store.record_images(prompt, one.clone()).await.unwrap();
    let both = vec![run_image(1, "new"), run_image(0, "other")];
    let error = store.record_images(prompt, both).await.unwrap_err();
    assert!(
        matches!(error, HistoryError::ImageConflict { ordinal: 0, .. }),
        "{error:?}"
    );
    assert_eq!(
        store.images_of(prompt).await.unwrap(),
        one,
        "nothing of the second call"
    );
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let (_folder, store) = store();
    let nowhere = SessionId::parse("00000000").unwrap();
    let error = store.session(&nowhere).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no session 00000000 in this history");
    let id = store.create_session(new_session()).await.unwrap().id;
    let error = store.iteration(&id, number(1)).await.unwrap_err();
    assert!(error.hint().contains("inject_prompt"), "{}", error.hint());
    store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    for error in [
        store.iteration(&id, number(2)).await.unwrap_err(),
        store.prepare_run(new_run(&id, number(2))).await.unwrap_err(),
        store
            .record_judgement(new_judgement(&id, number(2), "x", 0.1))
            .await
            .unwrap_err(),
        store.runs_of(&id, Some(number(2))).await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), format!("session {id} has no iteration 2; it has 1"));
    }
    let mut orphan = new_iteration(&id, "a barn");
    orphan.parent = Some(number(7));
    assert!(store.add_iteration(orphan).await.is_err());
    assert_eq!(store.iterations(&id, Span::All).await.unwrap().len(), 1);
    assert!(matches!(
        store.run(PromptId::random()).await.unwrap_err(),
        HistoryError::UnknownRun(_)
    ));
    let run = new_run(&id, number(1));
    store.prepare_run(run.clone()).await.unwrap();
    let other_seed = NewRun { seed: Seed(7), ..run };
    assert!(matches!(
        store.prepare_run(other_seed).await.unwrap_err(),
        HistoryError::RepeatedRun(_)
    ));
}

#[tokio::test]
async fn of_those_that_would_send_a_run_one_does() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let beside = Store::open(folder.path());
    let seen = store.prepare_run(new_run(&id, n)).await.unwrap();
    let (one, other) = tokio::join!(store.claim_run(&seen), beside.claim_run(&seen));
    let claims = [one.unwrap(), other.unwrap()];
    let claimed: Vec<&Run> = claims.iter().flatten().collect();
    assert_eq!(claimed.len(), 1, "{claims:?}");
    assert_ne!(claimed[0].prepared_at, seen.prepared_at);
    // Whoever looks now sees a run that was prepared just now, and may take it over later.
    let seen = beside.run(seen.prompt_id).await.unwrap();
    assert_eq!(&seen, claimed[0]);
    assert!(beside.claim_run(&seen).await.unwrap().is_some());
    store
        .update_run_state(seen.prompt_id, RunUpdate::Submitted)
        .await
        .unwrap();
    let seen = store.run(seen.prompt_id).await.unwrap();
    assert_eq!(store.claim_run(&seen).await.unwrap(), None);
}

/// Whoever asks, and from whichever program: one run of an iteration and a seed, until it ends without a result.
#[tokio::test]
async fn an_iteration_and_a_seed_have_one_run() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let n = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap();
    let beside = Store::open(folder.path());
    let (one, other) = tokio::join!(store.prepare_run(new_run(&id, n)), beside.prepare_run(new_run(&id, n)));
    let first = one.unwrap();
    assert_eq!(other.unwrap(), first);
    let failed = update(RunState::Failed).unwrap();
    store.update_run_state(first.prompt_id, failed).await.unwrap();
    let second = beside.prepare_run(new_run(&id, n)).await.unwrap();
    assert_ne!(second.prompt_id, first.prompt_id, "what failed is tried anew");
    let finished = update(RunState::Finished).unwrap();
    store.update_run_state(second.prompt_id, finished).await.unwrap();
    assert_eq!(
        store.prepare_run(new_run(&id, n)).await.unwrap().prompt_id,
        second.prompt_id
    );
}

#[tokio::test]
async fn a_session_changes_only_where_it_may() {
    let (_folder, store) = store();
    let mut new = new_session();
    new.reference = None;
    let id = store.create_session(new).await.unwrap().id;
    let change = SessionChange {
        title: Some("Barn".into()),
        choices: Some([("seed".to_owned(), "9.seed".to_owned())].into()),
        target_score: Some(0.8),
        max_iterations: Some(3),
        reference: Some(image("reference")),
    };
    let changed = store.change_session(&id, change.clone()).await.unwrap();
    assert_eq!(store.session(&id).await.unwrap(), changed);
    assert_eq!(changed.opened.title.as_deref(), Some("Barn"));
    assert_eq!(changed.opened.choices["seed"], "9.seed");
    assert_eq!((changed.opened.target_score, changed.opened.max_iterations), (0.8, 3));
    let another = SessionChange {
        reference: Some(image("another")),
        ..SessionChange::default()
    };
    let kept = store.change_session(&id, another).await.unwrap();
    assert_eq!(kept.opened.reference, Some(image("reference")));
    for target in [-0.1, 1.1, f64::NAN] {
        let wrong = SessionChange {
            target_score: Some(target),
            ..SessionChange::default()
        };
        assert!(store.change_session(&id, wrong).await.is_err(), "{target}");
    }
    assert_eq!(store.session(&id).await.unwrap(), kept);
}

#[tokio::test]
async fn sessions_come_newest_first_in_pages() {
    let (_folder, store) = store();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(store.create_session(new_session()).await.unwrap().id);
    }
    ids.reverse();
    let page = async |skip, limit| -> Vec<SessionId> {
        let page = store.sessions(skip, limit).await.unwrap();
        page.into_iter().map(|summary| summary.id).collect()
    };
    assert_eq!(page(0, 2).await, ids[..2]);
    assert_eq!(page(2, 9).await, ids[2..]);
    assert_eq!(page(5, 9).await, []);
}

#[tokio::test]
async fn a_loose_pair_is_judged_without_a_session() {
    let (_folder, store) = store();
    let nowhere = SessionId::random();
    let mut loose = new_judgement(&nowhere, number(1), "one", 0.4);
    loose.session = None;
    let error = store.record_judgement(loose.clone()).await.unwrap_err();
    assert!(
        matches!(error, HistoryError::Value { .. }),
        "an iteration needs its session: {error:?}"
    );
    loose.iteration = None;
    store.record_judgement(loose.clone()).await.unwrap();
    loose.overall_score = None;
    loose.overall_raw = None;
    let refused = store.record_judgement(loose.clone()).await.unwrap();
    assert_eq!(store.judgement(refused).await.unwrap().content, loose);
}

#[test]
fn identifiers_are_checked_where_they_enter() {
    assert_eq!(SessionId::parse(" 7K3MOQI2 ").unwrap().as_str(), "7k3m0q12");
    for wrong in ["", "7k3m9qx", "7k3m9qx22", "7k3m9q/2", "7k3m9qu2"] {
        assert!(SessionId::parse(wrong).is_err(), "{wrong}");
    }
    assert_ne!(SessionId::random(), SessionId::random());
    assert!(IterationNo::new(0).is_err());
    // A hash becomes part of a path.
    assert!(ImageHash::parse(&format!("../{}", "a".repeat(61))).is_err());
    assert!(ImageHash::parse(&"a".repeat(63)).is_err());
    assert_eq!(
        ImageHash::of(b"abc").to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    assert!(serde_json::from_str::<IterationNo>("0").is_err());
    assert!(serde_json::from_str::<SessionId>("\"my session\"").is_err());
}
