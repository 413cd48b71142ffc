//! Downloads that broke, were killed, or are made twice at once go on.

use std::collections::BTreeSet;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use super::hub::{Act, Asked, Hub};
use super::person::{LIMIT, MODEL, Person, REPO, SIZE, ends, hub};

/// The first bytes of the pieces of the model that were asked for.
fn pieces(hub: &Hub) -> Vec<u64> {
    let asked = hub.contents().into_iter().filter(|asked| asked.path.ends_with(MODEL));
    asked.map(|asked| asked.range.unwrap().0).collect()
}

/// Whether a request is for the model's pieces from the `n`th on.
fn from_piece(n: u64) -> impl Fn(&Asked) -> bool + Send + Sync {
    let piece = (SIZE as u64).div_ceil(8);
    move |asked| asked.path.ends_with(MODEL) && asked.range.is_some_and(|(first, _)| first >= n * piece)
}

#[tokio::test]
async fn a_broken_transfer_goes_on_where_it_stopped() {
    let hub = hub().await;
    let late = from_piece(5);
    hub.rule(move |asked| match late(asked) {
        true => Act::Cut(1000),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    let said = person.pulls().await;
    said.refused(
        &["vision-Q4_K_M.gguf was not fetched", "375.0 KB of 600.0 KB are kept"],
        "goes on where it stopped",
    );
    assert!(
        !person.cached(REPO).join("snapshots").exists(),
        "nothing is in its place by halves"
    );
    let first: BTreeSet<u64> = pieces(&hub).into_iter().collect();
    assert!(first.len() > 5);

    hub.rule(|_| Act::Serve);
    let said = person.pulls().await.fine();
    assert!(
        said.err.contains("going on, 375.0 KB of 600.0 KB are there"),
        "{said:?}"
    );
    let mut second = pieces(&hub);
    second.sort_unstable();
    assert_eq!(second, [5 * 75_001, 6 * 75_001, 7 * 75_001], "only what was missing");
    assert_eq!(person.blobs(REPO).len(), 2);
}

#[tokio::test]
async fn a_page_in_the_place_of_the_rest_costs_nothing_of_what_is_there() {
    let hub = hub().await;
    let late = from_piece(5);
    hub.rule(move |asked| match late(asked) {
        true => Act::Cut(1000),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    person.pulls().await;
    let page = b"<!DOCTYPE html><p>This site is blocked.".to_vec();
    for act in [Act::Other(page.clone()), Act::Endless(page)] {
        hub.rule(move |asked| if asked.content { act.clone() } else { Act::Serve });
        let said = person.pulls().await;
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("375.0 KB of 600.0 KB are kept"), "{said:?}");
    }
    pieces(&hub);
    hub.rule(|_| Act::Serve);
    person.pulls().await.fine();
    assert_eq!(pieces(&hub).len(), 3, "only what was missing");
}

#[tokio::test]
async fn a_connection_that_breaks_now_and_then_is_no_trouble() {
    let hub = hub().await;
    let seen = std::sync::Mutex::new(BTreeSet::new());
    // Every piece breaks once in its middle; what came of it is not asked for again.
    hub.rule(
        move |asked| match asked.content && seen.lock().unwrap().insert(asked.range.map(|(_, last)| last)) {
            true => Act::Cut(40_000),
            false => Act::Serve,
        },
    );
    let person = Person::new(&hub);
    person.pulls().await.fine();
    let starts = pieces(&hub);
    assert_eq!(starts.len(), 16);
    let middles = starts.iter().filter(|first| *first % 75_001 == 40_000).count();
    assert_eq!(middles, 8, "{starts:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_killed_download_goes_on_where_it_was() {
    let hub = hub().await;
    let late = from_piece(5);
    hub.rule(move |asked| match late(asked) {
        true => Act::Hold(usize::MAX),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    let mut child = person.starts(&["pull", super::person::NAME]).spawn().unwrap();
    // Three of four connections hang: the fourth is at most at the fourth piece, so four are remembered.
    hub.held(3).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    pieces(&hub);

    hub.rule(|_| Act::Serve);
    hub.release();
    let said = person.pulls().await.fine();
    assert!(said.err.contains("going on"), "{said:?}");
    let again = pieces(&hub);
    assert!(again.len() <= 4 && again.contains(&(7 * 75_001)), "{again:?}");
    let said = person.types(&["verify"]).await.fine();
    assert!(said.out.contains("good"), "{said:?}");
}

#[tokio::test]
async fn a_server_without_ranges_gets_one_stream() {
    let hub = hub().await;
    hub.rule(|asked| if asked.content { Act::Whole } else { Act::Serve });
    let person = Person::new(&hub);
    person.pulls().await.fine();
    assert_eq!(pieces(&hub), [0]);
    person.types(&["verify"]).await.fine();
}

#[tokio::test]
async fn pieces_of_a_damaged_memory_are_fetched_again() {
    let hub = hub().await;
    let late = from_piece(5);
    hub.rule(move |asked| {
        if late(asked) {
            Act::Status(410, vec![])
        } else {
            Act::Serve
        }
    });
    let person = Person::new(&hub);
    person.pulls().await.refused(&["status 410", "are kept"], "HF_ENDPOINT");
    let state = person
        .blobs(REPO)
        .into_iter()
        .find(|name| name.ends_with(".pieces"))
        .unwrap();
    let state = person.cached(REPO).join("blobs").join(state);
    let lines = std::fs::read_to_string(&state).unwrap();
    std::fs::write(&state, format!("{lines}7\n99\nrubbish\n3")).unwrap();
    hub.rule(|_| Act::Serve);
    // The last piece is not there, whatever the lines say: the file is not that long.
    pieces(&hub);
    person.pulls().await.fine();
    assert!(pieces(&hub).contains(&(7 * 75_001)));
}

#[tokio::test]
async fn of_two_pulls_at_once_the_second_waits() {
    let hub = hub().await;
    hub.rule(|asked| {
        if asked.content && asked.path.ends_with(MODEL) {
            Act::Hold(1_000)
        } else {
            Act::Serve
        }
    });
    let person = Person::new(&hub);
    let first = tokio::spawn(ends(person.starts(&["pull", super::person::NAME])));
    hub.held(1).await;
    let mut second = person.starts(&["pull", super::person::NAME]).spawn().unwrap();
    let mut lines = BufReader::new(second.stderr.take().unwrap()).lines();
    loop {
        let line = timeout(LIMIT, lines.next_line()).await.expect("it waits and says so");
        let line = line.unwrap().expect("it says that it waits");
        if line.contains("being fetched by another program") {
            break;
        }
    }
    hub.release();
    first.await.unwrap().fine();
    let said = second.wait_with_output().await.unwrap();
    assert!(said.status.success());
    assert!(String::from_utf8(said.stdout).unwrap().contains("is here"));
    assert_eq!(pieces(&hub).len(), 8, "each piece once");
    // Whoever came second: it is ours, and can be removed.
    person.types(&["use", "bundled"]).await.fine();
    person.types(&["rm", super::person::NAME, "--yes"]).await.fine();
    assert_eq!(person.blobs(REPO), [""; 0]);
}
