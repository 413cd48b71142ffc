//! Checking and removing.

use super::hub::{COMMIT, Hub, gguf, sha256};
use super::person::{MODEL, NAME, PROJECTOR, Person, REPO, SIZE, hub};

#[tokio::test]
async fn verify_finds_a_flipped_byte_and_pull_mends_it() {
    let hub = hub().await;
    let person = Person::new(&hub);
    let said = person.types(&["verify"]).await.fine();
    assert!(said.out.contains("No model is installed"), "{said:?}");
    person.pulls().await.fine();
    let said = person.types(&["verify", NAME]).await.fine();
    assert_eq!(said.out.matches(" good").count(), 2, "{said:?}");

    let blob = person.cached(REPO).join("blobs").join(sha256(&gguf(SIZE, 1)));
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[SIZE / 2] ^= 1;
    std::fs::write(&blob, &bytes).unwrap();
    let said = person.types(&["verify"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let line = said
        .out
        .lines()
        .find(|line| line.contains(MODEL) && line.contains("is damaged"))
        .unwrap();
    assert!(line.contains(&sha256(&bytes)), "{line}");
    assert!(
        said.err
            .contains(&format!("what to do: prompt-calibrator models pull {NAME}")),
        "{said:?}"
    );
    assert_eq!(said.out.matches(" good").count(), 1);
    let checked = person.reads(&["verify", NAME, "--json"]).await;
    assert_eq!(checked[0]["state"]["content"]["is"].as_str(), Some(&*sha256(&bytes)));
    assert_eq!(checked[1]["state"], "good");

    hub.asked();
    let said = person.pulls().await.fine();
    assert!(said.err.contains("has another content than the hub's"), "{said:?}");
    assert!(
        hub.contents().iter().all(|asked| asked.path.ends_with(MODEL)),
        "the projector was right"
    );
    person.types(&["verify"]).await.fine();

    std::fs::write(&blob, &bytes[..100]).unwrap();
    let snapshot = person.cached(REPO).join("snapshots").join(COMMIT);
    std::fs::remove_file(snapshot.join(PROJECTOR)).unwrap();
    let said = person.types(&["verify"]).await;
    assert!(
        said.out.contains("has 100 bytes instead of 600001") && said.out.contains("is not there"),
        "{said:?}"
    );
    person
        .types(&["use", NAME])
        .await
        .refused(&["is not there any more"], "pull");
    person.pulls().await.fine();
    person.types(&["verify"]).await.fine();
}

#[tokio::test]
async fn rm_removes_what_nothing_else_needs() {
    let other = "vision-Q8_0.gguf";
    let hub = hub().await.with(REPO, other, gguf(1_000, 8));
    let person = Person::new(&hub);
    person.pulls().await.fine();
    person.uses(NAME).await;
    let second = format!("{REPO}/{other}");
    person.types(&["pull", &second]).await.fine();
    // Another program's snapshot has the second model as well.
    let cached = person.cached(REPO);
    let old = cached.join("snapshots").join("f".repeat(40));
    std::fs::create_dir(&old).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(format!("../../blobs/{}", sha256(&gguf(1_000, 8))), old.join("old.gguf")).unwrap();
    // And it has written down what it is about to fetch.
    let coming = cached.join("refs").join("coming");
    std::fs::write(&coming, "e".repeat(40)).unwrap();

    person
        .types(&["rm", NAME])
        .await
        .refused(&["is in use as the judge's model"], "models use");
    person
        .types(&["rm", &second])
        .await
        .refused(&["has to be confirmed"], "--yes");
    assert_eq!(person.blobs(REPO).len(), 3, "nothing was removed");

    let said = person.types(&["rm", &second, "--yes"]).await.fine();
    assert!(said.out.contains("another installed model uses it"), "{said:?}");
    #[cfg(unix)]
    assert!(
        said.out.contains("another snapshot in the cache uses its content"),
        "{said:?}"
    );
    assert_eq!(std::fs::read(old.join("old.gguf")).unwrap(), gguf(1_000, 8));
    person.types(&["verify", NAME]).await.fine();

    let said = person.types(&["rm", NAME, "--yes"]).await.fine();
    assert!(said.out.contains("2 file(s), 670.0 KB are free again"), "{said:?}");
    assert!(said.out.contains("The judge is the bundled one now"), "{said:?}");
    assert!(person.config().is_empty());
    assert_eq!(person.blobs(REPO), [sha256(&gguf(1_000, 8))]);
    assert!(!cached.join("snapshots").join(COMMIT).exists());
    let refs: Vec<_> = std::fs::read_dir(cached.join("refs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(refs, [coming], "its own is gone, and no other");
    let rows = person.reads(&["list", "--json"]).await;
    assert!(rows.as_array().unwrap().iter().all(|row| row["installed"] == false));
    person
        .types(&["rm", NAME, "--yes"])
        .await
        .refused(&["is not installed"], "models pull");
}

#[tokio::test]
async fn a_record_that_is_damaged_is_said_before_anything_is_fetched() {
    let hub: Hub = hub().await;
    let person = Person::new(&hub);
    person.file("data/models.json", b"{");
    person.pulls().await.refused(&["models.json"], "Move");
    assert_eq!(hub.contents(), []);
    person
        .types(&["list"])
        .await
        .refused(&["models.json"], "found, not fetched again");
}
