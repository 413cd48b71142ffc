//! Hubs that lie about sizes and contents, and disks that are full.

use super::hub::{Act, gguf};
use super::person::{MODEL, NAME, Person, REPO, SIZE, ends, hub};

#[tokio::test]
async fn damaged_content_is_removed_and_fetched_again() {
    let hub = hub().await;
    let damaged = gguf(SIZE, 77);
    let sent = damaged.clone();
    hub.rule(move |asked| match asked.content && asked.path.ends_with(MODEL) {
        true => Act::Other(sent.clone()),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    let said = person.pulls().await;
    let sums = [
        &*super::hub::sha256(&damaged),
        &*super::hub::sha256(&gguf(SIZE, 1)),
        "it was removed",
    ];
    said.refused(&sums, "Repeat the command");
    assert_eq!(person.blobs(REPO), [""; 0]);
    assert!(!person.at("data/models.json").exists() && person.config().is_empty());

    hub.rule(|_| Act::Serve);
    person.pulls().await.fine();
    person.types(&["verify"]).await.fine();
}

#[tokio::test]
async fn a_size_that_is_a_lie_is_noticed() {
    let hub = hub().await;
    for announced in [SIZE as u64 + 1, SIZE as u64 - 1] {
        for ranges in [true, false] {
            let person = Person::new(&hub);
            hub.rule(move |asked| match (asked.content, asked.path.ends_with(MODEL)) {
                (false, true) => Act::Announce(announced),
                (true, true) if !ranges => Act::Whole,
                _ => Act::Serve,
            });
            let said = person.pulls().await;
            let announced = format!("announced {announced} bytes");
            said.refused(&[&announced, "600001", "nothing is kept"], "another network");
            assert_eq!(person.blobs(REPO), [""; 0]);
        }
    }
}

#[tokio::test]
async fn more_than_was_announced_is_not_taken() {
    let hub = hub().await;
    let mut more = gguf(SIZE, 1);
    more.extend(b"more");
    hub.rule(move |asked| match asked.content && asked.path.ends_with(MODEL) {
        true => Act::Endless(more.clone()),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    person.pulls().await.refused(
        &["announced 600001 bytes and then sent more", "nothing is kept"],
        "Repeat",
    );
    assert_eq!(person.blobs(REPO), [""; 0]);
}

#[tokio::test]
async fn less_than_was_announced_is_asked_for_again_and_then_said() {
    let hub = hub().await;
    let mut less = gguf(SIZE, 1);
    less.truncate(SIZE - 4);
    hub.rule(move |asked| match asked.content && asked.path.ends_with(MODEL) {
        true => Act::Endless(less.clone()),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    person
        .pulls()
        .await
        .refused(&["it ended 4 bytes too early"], "Repeat the command");
    let asked = hub.contents();
    assert!(asked.len() > 1 && asked.len() < 100, "{}", asked.len());
}

#[tokio::test]
async fn a_disk_that_is_too_small_is_said_before_anything_is_fetched() {
    let hub = hub().await;
    hub.rule(|asked| match asked.path.ends_with(MODEL) {
        true => Act::Announce(1_000_000_000_000_000),
        false => Act::Serve,
    });
    let person = Person::new(&hub);
    let said = person.pulls().await;
    said.refused(&["1000000.0 GB are needed", "nothing was fetched"], "HF_HUB_CACHE");
    assert_eq!(hub.contents(), []);
    assert!(!person.at("hf").exists());
}

/// A limit on the size of files fails writes as a full disk does, in the middle of a download.
#[cfg(unix)]
#[tokio::test]
async fn a_disk_that_fills_up_keeps_what_came() {
    let hub = hub().await;
    let person = Person::new(&hub);
    // In blocks of 512 bytes: 350,208 bytes, which is in the fifth piece.
    let script = "ulimit -f 684; exec \"$0\" \"$@\"";
    let program = env!("CARGO_BIN_EXE_prompt-calibrator");
    let said = ends(person.command("/bin/sh", &["-c", script, program, "models", "pull", NAME])).await;
    let said = said.refused(
        &["cannot be written any further", "of 600.0 KB are kept"],
        "Make room there",
    );
    assert!(!said.err.contains("nothing is kept"), "{said:?}");
    assert!(person.config().is_empty() && !person.cached(REPO).join("snapshots").exists());
    hub.asked();

    person.pulls().await.fine();
    let again = hub
        .contents()
        .iter()
        .filter(|asked| asked.path.ends_with(MODEL))
        .count();
    assert!((1..8).contains(&again), "{again}");
}
