//! Who listens hears of what is written, by this handle and by others.

use std::time::Duration;

use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn every_listener_hears_of_changes_by_whoever_makes_them_and_of_nothing_else() {
    let (folder, store) = store();
    let other = Store::open(folder.path());
    let session = store.create_session(new_session()).await.unwrap().id;
    let mut listeners = [store.changes(), store.changes()];
    let mut heard = async || {
        for listener in &mut listeners {
            let heard = timeout(Duration::from_secs(20), listener.changed()).await;
            heard.expect("a change was not heard of").unwrap();
        }
    };
    // What happened before it listened.
    heard().await;
    store.add_iteration(new_iteration(&session, "a barn")).await.unwrap();
    heard().await;
    other.add_iteration(new_iteration(&session, "a mill")).await.unwrap();
    heard().await;
    store.sessions(0, 10).await.unwrap();
    other.sessions(0, 10).await.unwrap();
    let nothing = timeout(Duration::from_millis(2500), listeners[0].changed()).await;
    assert!(nothing.is_err(), "reading is no change");

    drop(listeners);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let mut again = store.changes();
    let heard = timeout(Duration::from_secs(20), again.changed()).await;
    heard.expect("who listens anew hears nothing").unwrap();
}
