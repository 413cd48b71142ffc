//! Several handles on one data folder, as several processes would have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Barrier;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn many_open_an_empty_folder_at_once() {
    const HANDLES: usize = 12;
    for _ in 0..10 {
        let folder = tempfile::tempdir().unwrap();
        let start = Arc::new(Barrier::new(HANDLES));
        let opening: Vec<_> = (0..HANDLES)
            .map(|_| {
                let (store, start) = (Store::open(folder.path()), Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    store.create_session(new_session()).await
                })
            })
            .collect();
        for task in opening {
            task.await.unwrap().unwrap();
        }
        let store = Store::open(folder.path());
        assert_eq!(store.sessions(0, 99).await.unwrap().len(), HANDLES);
        store.check().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_never_get_the_same_number() {
    let (folder, one) = store();
    let id = one.create_session(new_session()).await.unwrap().id;
    let two = Store::open(folder.path());
    let write = |store: Store| {
        let id = id.clone();
        tokio::spawn(async move {
            let mut numbers = Vec::new();
            for _ in 0..40 {
                numbers.push(store.add_iteration(new_iteration(&id, "a barn")).await.unwrap());
            }
            numbers
        })
    };
    let tasks = [write(one.clone()), write(two), write(one.clone())];
    let mut all = BTreeSet::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    let all: Vec<_> = all.into_iter().map(IterationNo::get).collect();
    assert_eq!(all, (1..=120).collect::<Vec<_>>());
    assert_eq!(one.iterations(&id, Span::All).await.unwrap().len(), 120);
}

#[tokio::test]
async fn opening_waits_for_nobody_who_merely_writes() {
    let (folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let writer = rusqlite::Connection::open(store.database_path()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    // No patience at all: opening and reading must not need any.
    let other = Store::with_patience(folder.path(), std::time::Duration::ZERO);
    other.session(&id).await.unwrap();
    let error = other.create_session(new_session()).await.unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Database {
                trouble: Trouble::Locked,
                ..
            }
        ),
        "{error:?}"
    );
    writer.execute_batch("ROLLBACK").unwrap();
    other.create_session(new_session()).await.unwrap();
}

#[test]
fn a_dropped_future_is_carried_through() {
    // With one thread for blocking work the calls are carried out in the order in which they were made.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (_folder, store) = store();
        let id = store.create_session(new_session()).await.unwrap().id;
        {
            let adding = store.add_iteration(new_iteration(&id, "a barn"));
            tokio::pin!(adding);
            // One poll hands the work over; then the caller goes away.
            let _ = futures::poll!(&mut adding);
        }
        let all = store.iterations(&id, Span::All).await.unwrap();
        assert_eq!(all.len(), 1);
    });
}
