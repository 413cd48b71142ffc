//! Databases that are damaged, full, locked, read-only, too new, or not ours.

use std::fs;

use super::*;

async fn refusal(store: &Store) -> (Trouble, String) {
    match store.create_session(new_session()).await.unwrap_err() {
        error @ HistoryError::Database { trouble, .. } => {
            assert!(
                error.to_string().contains(&store.database_path().display().to_string()),
                "{error}"
            );
            assert!(!error.hint().is_empty());
            (trouble, error.to_string())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_is_touched_before_the_first_call() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/yet/there");
    let store = Store::open(&data);
    assert!(!data.exists());
    store.check().await.unwrap();
    assert!(store.database_path().is_file());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let (folder, store) = store();
    fs::write(folder.path().join("history.sqlite"), "not a database ".repeat(99)).unwrap();
    assert_eq!(refusal(&store).await.0, Trouble::Damaged);
}

#[tokio::test]
async fn damage_inside_is_found_by_the_check() {
    let (folder, store) = store();
    for _ in 0..60 {
        store.create_session(new_session()).await.unwrap();
    }
    drop(store);
    let path = folder.path().join("history.sqlite");
    // The last handle is closed, so that everything is in the one file.
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 5 * 4096);
    let middle = bytes.len() / 2;
    bytes[4096 * 2..middle].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let error = Store::open(folder.path()).check().await.unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Database {
                trouble: Trouble::Damaged,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_lost() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    store
        .read(|transaction| Ok(transaction.execute_batch("PRAGMA max_page_count = 1")?))
        .await
        .unwrap();
    let mut big = new_iteration(&id, "a barn");
    big.note = Some("x".repeat(1 << 20));
    let error = store.add_iteration(big).await.unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Database {
                trouble: Trouble::Full,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(store.iterations(&id, Span::All).await.unwrap(), []);
}

#[tokio::test]
async fn a_read_only_database_is_told_and_can_be_read() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    store
        .read(|transaction| Ok(transaction.execute_batch("PRAGMA query_only = 1")?))
        .await
        .unwrap();
    let error = store.add_iteration(new_iteration(&id, "a barn")).await.unwrap_err();
    assert!(
        matches!(
            error,
            HistoryError::Database {
                trouble: Trouble::ReadOnly,
                ..
            }
        ),
        "{error:?}"
    );
    store.session(&id).await.unwrap();
    assert!(store.check().await.is_err());
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let store = Store::open(file.join("data"));
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, HistoryError::Folder { .. }), "{error:?}");
    assert!(error.to_string().contains("file"), "{error}");
}

#[tokio::test]
async fn a_newer_database_is_left_alone() {
    let (folder, store) = store();
    store.check().await.unwrap();
    let path = store.database_path();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(raw);
    let before = fs::read(&path).unwrap();
    let error = Store::open(folder.path()).check().await.unwrap_err();
    assert!(matches!(error, HistoryError::Newer { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let (folder, store) = store();
    let raw = rusqlite::Connection::open(store.database_path()).unwrap();
    raw.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(raw);
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, HistoryError::Foreign { .. }), "{error:?}");
    let raw = rusqlite::Connection::open(folder.path().join("history.sqlite")).unwrap();
    let tables: i64 = raw
        .query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn someone_who_sets_up_for_too_long_is_told() {
    let (folder, _) = store();
    let lock = fs::File::create(folder.path().join("history.sqlite.setup")).unwrap();
    lock.lock().unwrap();
    let store = Store::with_patience(folder.path(), std::time::Duration::ZERO);
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, HistoryError::SettingUp { .. }), "{error:?}");
    // Nor is anything set up while someone else is looking.
    lock.unlock().unwrap();
    lock.lock_shared().unwrap();
    let error = store.check().await.unwrap_err();
    assert!(matches!(error, HistoryError::SettingUp { .. }), "{error:?}");
    drop(lock);
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_told() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    store
        .write(|transaction| {
            transaction.execute("UPDATE sessions SET workflow = '{'", ())?;
            Ok(())
        })
        .await
        .unwrap();
    let error = store.session(&id).await.unwrap_err();
    let named = matches!(&error, HistoryError::UnreadableRow { session, .. } if session == id.as_str());
    assert!(named, "{error:?}");
}

#[tokio::test]
async fn a_panic_breaks_off_one_call_only() {
    let (_folder, store) = store();
    let id = store.create_session(new_session()).await.unwrap().id;
    let broken: Result<()> = store
        .write(|transaction| {
            transaction.execute("UPDATE sessions SET title = 'gone'", ())?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(broken, Err(HistoryError::BrokenOff(_))), "{broken:?}");
    let session = store.session(&id).await.unwrap();
    assert_eq!(session.opened, new_session(), "rolled back");
    store.check().await.unwrap();
}

#[tokio::test]
async fn foreign_keys_are_on() {
    let (_folder, store) = store();
    let outcome = store
        .write(|transaction| {
            transaction.execute("INSERT INTO images VALUES ('nobody', 0, 'x', 'x', 'x', 'x', 1, 1)", ())?;
            Ok(())
        })
        .await;
    assert!(outcome.unwrap_err().to_string().contains("FOREIGN KEY"));
}

/// SQLite goes on with a file that has no name any more: what it takes is gone with it.
#[cfg(unix)]
#[tokio::test]
async fn a_history_that_is_removed_moved_or_replaced_is_told_of_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("data"), folder.path().join("aside"));
    let store = Store::open(&data);
    let id = store.create_session(new_session()).await.unwrap().id;
    let gone = |error: HistoryError| {
        let told = error.to_string();
        assert!(matches!(error, HistoryError::Gone { .. }), "{error:?}");
        assert!(
            told.contains("history.sqlite") && told.contains("nothing was recorded"),
            "{told}"
        );
        assert!(error.hint().contains(&data.display().to_string()), "{}", error.hint());
    };
    // Moved away: neither written nor read, and there again when it is back.
    fs::rename(&data, &aside).unwrap();
    gone(store.add_iteration(new_iteration(&id, "a barn")).await.unwrap_err());
    assert!(!data.exists(), "nothing was made in its place");
    fs::rename(&aside, &data).unwrap();
    assert_eq!(store.iterations(&id, Span::All).await.unwrap(), []);
    // Another one in its place: that one is not written to by mistake, nor harmed.
    let other = Store::open(folder.path().join("other"));
    let others = other.create_session(new_session()).await.unwrap().id;
    fs::rename(&data, &aside).unwrap();
    fs::rename(other.data_dir(), &data).unwrap();
    gone(store.session(&id).await.unwrap_err());
    store.session(&others).await.unwrap();
    drop(other);
    // Removed for good: the call after the one that was told begins anew.
    fs::remove_dir_all(&data).unwrap();
    gone(store.create_session(new_session()).await.unwrap_err());
    store.create_session(new_session()).await.unwrap();
    assert!(matches!(
        store.session(&others).await.unwrap_err(),
        HistoryError::UnknownSession(_)
    ));
    // What was moved away is whole.
    Store::open(&aside).session(&id).await.unwrap();
}
