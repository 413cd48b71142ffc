//! A judge process to test with, its pictures and its questions.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use judge::engine::KeyedPixels;
use judge::engine::Pixels;
use judge::engine::{Answer, Answers, Ask, Branch, Layout, PixelKey, Want};
use llama::spec::ModelSpec;
use llama::worker::{Worker, WorkerConfig, WorkerError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use crate::support::random_judges::{RANDOM_JUDGES, RandomJudge};

pub const LIMIT: Duration = Duration::from_secs(60);

pub fn gguf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gguf").join(name)
}

pub fn config(model: PathBuf, mmproj: PathBuf) -> WorkerConfig {
    let spec = ModelSpec {
        model,
        mmproj,
        image_tokens: 64,
        threads: Some(1),
        gpu_layers: Some(0),
        adapters: vec![],
        keep: None,
    };
    WorkerConfig::new(env!("CARGO_BIN_EXE_prompt-calibrator").into(), spec)
}

pub fn worker_on(model: PathBuf, mmproj: PathBuf) -> Worker {
    Worker::new(config(model, mmproj))
}

pub fn dense() -> Worker {
    worker_on(gguf("random-qwen3vl.gguf"), gguf("random-mmproj.gguf"))
}

/// A judge process on one of the random judges.
pub fn worker_of(judge: &RandomJudge) -> Worker {
    worker_on(gguf(judge.model), gguf(judge.mmproj))
}

/// A picture of one colour with a diagonal of another.
pub fn picture(name: &str, rgb: [u8; 3]) -> KeyedPixels {
    let (width, height) = (256u32, 256u32);
    let rgb = (0..width * height)
        .flat_map(|i| {
            let near = (i % width).abs_diff(i / width) < 24;
            if near { [255 - rgb[0], rgb[2], rgb[1]] } else { rgb }
        })
        .collect();
    KeyedPixels {
        key: PixelKey(name.into()),
        pixels: Arc::new(Pixels { width, height, rgb }),
    }
}

pub fn ask(base: &KeyedPixels, images: &[&KeyedPixels]) -> Ask {
    let question = |text: &str, want| Branch {
        lead: String::new(),
        text: text.into(),
        want,
    };
    Ask {
        system: "You compare two pictures on one axis at a time. Answer with one digit.".into(),
        base: base.key.clone(),
        images: images.iter().map(|p| p.key.clone()).collect(),
        lasting: vec![],
        branches: vec![
            question("framing: how alike?", Want::Digits),
            question("subject_count: how alike?", Want::Digits),
            question("scene: is it visible?", Want::YesNo),
            question("scene: describe it.", Want::Text { max_tokens: 8 }),
        ],
        layout: Layout {
            system_tokens: 256,
            image_tokens: 80,
            more_images: 2,
            branches: 8,
            branch_tokens: 256,
        },
    }
}

pub async fn answer(worker: &Worker, ask: &Ask, pictures: &[&KeyedPixels]) -> Result<Answers, WorkerError> {
    let pictures = pictures.iter().map(|p| (*p).clone()).collect();
    timeout(LIMIT, worker.ask(ask.clone(), pictures, &CancellationToken::new()))
        .await
        .expect("an answer within the limit")
}

pub fn digits(answers: &Answers) -> Vec<[f64; 10]> {
    answers
        .answers
        .iter()
        .filter_map(|a| match a {
            Answer::Digits { log_probs } => Some(*log_probs),
            _ => None,
        })
        .collect()
}
