//! Embeddings of lasting pictures, on disk.

use std::path::Path;

use judge::engine::KeyedPixels;
use judge::engine::{Answers, Ask};
use llama::spec::KeepSpec;
use llama::worker::Worker;

use crate::judge_worker::setting::{RANDOM_JUDGES, RandomJudge, answer, ask, config, gguf, picture};

fn keeping(folder: &Path, limit: u64) -> Worker {
    keeping_of(&RANDOM_JUDGES[0], folder, limit)
}

fn keeping_of(judge: &RandomJudge, folder: &Path, limit: u64) -> Worker {
    let mut config = config(gguf(judge.model), gguf(judge.mmproj));
    config.spec.keep = Some(KeepSpec {
        folder: folder.into(),
        limit,
    });
    Worker::new(config)
}

/// The reference lasts, the other picture does not.
fn lasting(a: &KeyedPixels, b: &KeyedPixels) -> Ask {
    let mut ask = ask(a, &[a, b]);
    ask.lasting = vec![a.key.clone()];
    ask
}

async fn fresh(folder: &Path, a: &KeyedPixels, b: &KeyedPixels) -> Answers {
    let worker = keeping(folder, 1 << 30);
    answer(&worker, &lasting(a, b), &[a, b]).await.unwrap()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map(|entries| entries.map(|e| e.unwrap().path()).collect())
        .unwrap_or_default();
    files.sort();
    files
}

#[tokio::test]
async fn a_reference_is_encoded_once_even_across_restarts() {
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    for judge in &RANDOM_JUDGES {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("embeddings");
        let asked = async || {
            let worker = keeping_of(judge, &folder, 1 << 30);
            answer(&worker, &lasting(&a, &b), &[&a, &b]).await.unwrap()
        };
        let cold = asked().await;
        assert_eq!((cold.cost.images_encoded, cold.cost.images_kept), (2, 0));
        assert_eq!(files(&folder).len(), 1, "only what lasts is kept");
        let again = asked().await;
        assert_eq!((again.cost.images_encoded, again.cost.images_kept), (1, 1));
        assert_eq!(cold.answers, again.answers, "{}: to the bit", judge.architecture);
    }
}

#[tokio::test]
async fn a_damaged_embedding_is_made_anew_and_never_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let cold = fresh(folder.path(), &a, &b).await;
    let [file] = &files(folder.path())[..] else {
        panic!("one file")
    };
    let whole = std::fs::read(file).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() - 1], &whole[..40], b"", &flipped] {
        std::fs::write(file, damaged).unwrap();
        let again = fresh(folder.path(), &a, &b).await;
        assert_eq!(again.cost.images_kept, 0);
        assert_eq!(cold.answers, again.answers);
        assert_eq!(std::fs::read(file).unwrap(), whole, "and kept again");
    }
}

#[tokio::test]
async fn what_was_not_used_for_longest_leaves_first() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, c) = (
        picture("a", [200, 30, 30]),
        picture("b", [20, 40, 220]),
        picture("c", [9, 90, 9]),
    );
    fresh(folder.path(), &a, &b).await;
    let [first] = &files(folder.path())[..] else {
        panic!("one file")
    };
    let size = first.metadata().unwrap().len();
    // Room for two: the third makes the first leave, since the second was used after it.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::open(first).unwrap().set_modified(long_ago).unwrap();
    let worker = keeping(folder.path(), 2 * size + size / 2);
    answer(&worker, &lasting(&b, &a), &[&a, &b]).await.unwrap();
    assert_eq!(files(folder.path()).len(), 2);
    answer(&worker, &lasting(&c, &a), &[&a, &c]).await.unwrap();
    let left = files(folder.path());
    assert_eq!(left.len(), 2);
    assert!(!left.contains(first));
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_costs_nothing_but_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file");
    std::fs::write(&file, "not a folder").unwrap();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let got = fresh(&file.join("embeddings"), &a, &b).await;
    assert_eq!(got.cost.images_encoded, 2);
}
