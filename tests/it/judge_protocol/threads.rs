//! How many threads a judge has is no part of who it is: with any number it says the same.

use std::path::PathBuf;

use judge::Judge;
use judge::protocol::Evidence;

use std::sync::Arc;

use llama::Llama;

use crate::judge_protocol::bench::{RANDOM_JUDGES, Record, bits, blue, compare, config, gguf, red, small_rubric};

/// The judges that lie in the repository, each with its projector.
fn judges() -> impl Iterator<Item = [PathBuf; 2]> {
    const BUNDLED: [&str; 2] = [
        "bundled-judge/bundled-qwen3vl.gguf",
        "bundled-judge/bundled-mmproj.gguf",
    ];
    let random = RANDOM_JUDGES.iter().map(|files| [files.model, files.mmproj]);
    random.chain([BUNDLED]).map(|files| files.map(gguf))
}

#[tokio::test]
async fn any_number_of_threads_gives_the_same_bits() {
    // So many cells are in use that a token which is decoded alone attends to more than llama.cpp gives one thread.
    const IMAGE_TOKENS: u32 = 256;
    let rubric = small_rubric();
    for [model, mmproj] in judges() {
        let mut first = None;
        for threads in 1..=4 {
            let mut worker = config(model.clone(), mmproj.clone(), IMAGE_TOKENS);
            worker.spec.threads = Some(threads);
            let judge = Judge::new(Arc::new(Llama::new(worker)), Evidence::Values, Record::new());
            let verdict = compare(&judge, &rubric, &red(), &blue()).await.unwrap();
            let verdict = bits(&verdict);
            let one = first.get_or_insert_with(|| verdict.clone());
            assert_eq!(*one, verdict, "{} with {threads} threads", model.display());
        }
    }
}
