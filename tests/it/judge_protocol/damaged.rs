//! Model files that load and cannot judge.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use judge::cache::Kind;
use judge::protocol::Evidence;
use judge::{Judge, JudgeError};
use llama::error::LlamaError;
use llama::worker::WorkerError;

use crate::judge_protocol::bench::{
    DENSE, IMAGE_TOKENS, MMPROJ, RANDOM_JUDGES, Record, blue, compare, engine, gguf, red, small_rubric,
};

/// A copy of a bundled file after `damage`.
fn damaged(folder: &Path, name: &str, damage: impl FnOnce(&mut [u8])) -> PathBuf {
    let mut bytes = std::fs::read(gguf(name)).unwrap();
    damage(&mut bytes);
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The end of a file belongs to its last matrix; all ones are NaN in each format it may have.
fn not_numbers(bytes: &mut [u8]) {
    let end = bytes.len();
    bytes[end - 8192..].fill(0xFF);
}

/// Sets a 32-bit number of the metadata: a key is followed by its type (4: u32) and its value.
fn set_u32(bytes: &mut [u8], key: &str, from: u32, to: u32) {
    let mut found = bytes
        .windows(key.len())
        .enumerate()
        .filter(|(_, w)| *w == key.as_bytes());
    let at = found.next().expect("the key is there").0 + key.len();
    assert!(found.next().is_none(), "{key} occurs twice");
    let value = &mut bytes[at..at + 8];
    assert_eq!(value, [4u32.to_le_bytes(), from.to_le_bytes()].concat());
    value[4..].copy_from_slice(&to.to_le_bytes());
}

async fn judged(model: PathBuf, mmproj: PathBuf) -> LlamaError {
    let memory = Record::new();
    let judge = Judge::new(
        engine(model, mmproj, IMAGE_TOKENS),
        Evidence::Values,
        Arc::<Record>::clone(&memory),
    );
    let result = compare(&judge, &small_rubric(), &red(), &blue()).await;
    assert_eq!(memory.take_stored(), [] as [Kind; 0], "something was made of it");
    match result {
        Err(JudgeError::Engine(error)) => match error.cause() {
            Some(WorkerError::Engine(error)) => error.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn weights_that_are_not_numbers_give_no_score() {
    let folder = tempfile::tempdir().unwrap();
    for files in &RANDOM_JUDGES {
        // The end of this one belongs to a layer that guesses further tokens and is not loaded.
        if files.architecture == "qwen35" {
            continue;
        }
        let model = damaged(folder.path(), files.model, not_numbers);
        let error = judged(model, gguf(files.mmproj)).await;
        assert_eq!(error, LlamaError::NotFinite("language model".into()));
    }
    let mmproj = damaged(folder.path(), MMPROJ, not_numbers);
    let error = judged(gguf(DENSE), mmproj).await;
    assert_eq!(error, LlamaError::NotFinite("vision encoder".into()));
    assert!(error.hint().contains("projector"), "{}", error.hint());
}

#[tokio::test]
async fn a_projector_of_another_width_does_not_load() {
    let folder = tempfile::tempdir().unwrap();
    // A model that takes one deep layer of the encoder less expects narrower embeddings.
    let model = damaged(folder.path(), DENSE, |bytes| {
        set_u32(bytes, "qwen3vl.n_deepstack_layers", 2, 1);
    });
    let error = judged(model, gguf(MMPROJ)).await;
    match &error {
        LlamaError::Load { what, path, reason } => {
            assert_eq!(what, "projector");
            assert_eq!(*path, gguf(MMPROJ));
            assert!(reason.contains("256") && reason.contains("384"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(error.hint().contains("mmproj"), "{}", error.hint());
}
