//! What every test of the judge needs: files, pictures, rubrics, a memory that keeps a record.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use imaging::{Limits, Picture, decode};
use judge::cache::{Kind, Memory, MemoryError, MemoryKey, Remembered};
use judge::engine::Cost;
use judge::protocol::Evidence;
use judge::rubric::{Rubric, RubricSource};
use judge::verdict::Verdict;
use judge::{Call, Judge, JudgeError, Pair, Target};
use llama::Llama;
use llama::spec::ModelSpec;
use llama::worker::WorkerConfig;
use serde_json::Value;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::progress::Teller;

pub use crate::support::random_judges::RANDOM_JUDGES;

/// No wait is longer.
pub const LIMIT: Duration = Duration::from_secs(240);
pub const IMAGE_TOKENS: u32 = 64;
pub const DENSE: &str = "random-qwen3vl.gguf";
pub const MOE: &str = "random-qwen3vlmoe.gguf";
pub const MMPROJ: &str = "random-mmproj.gguf";

pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn gguf(name: &str) -> PathBuf {
    here("gguf").join(name)
}

/// Files and sizes of a judge process.
pub fn config(model: PathBuf, mmproj: PathBuf, image_tokens: u32) -> WorkerConfig {
    let spec = ModelSpec {
        model,
        mmproj,
        image_tokens,
        threads: Some(1),
        gpu_layers: Some(0),
        adapters: vec![],
        keep: None,
    };
    WorkerConfig::new(env!("CARGO_BIN_EXE_prompt-calibrator").into(), spec)
}

/// An engine of these files and sizes.
pub fn engine(model: PathBuf, mmproj: PathBuf, image_tokens: u32) -> Arc<Llama> {
    Arc::new(Llama::new(config(model, mmproj, image_tokens)))
}

/// A judge on the dense bundled model.
pub fn judge(evidence: Evidence, memory: &Arc<Record>) -> Judge {
    judge_on(DENSE, evidence, memory)
}

/// A judge on one of the random models.
pub fn judge_on(model: &str, evidence: Evidence, memory: &Arc<Record>) -> Judge {
    let memory: Arc<dyn Memory> = memory.clone();
    let files = RANDOM_JUDGES.iter().find(|files| files.model == model).expect(model);
    Judge::new(engine(gguf(model), gguf(files.mmproj), IMAGE_TOKENS), evidence, memory)
}

/// A memory that can be looked into and written to from outside.
#[derive(Debug, Default)]
pub struct Record(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    kept: HashMap<MemoryKey, Remembered>,
    stored: Vec<MemoryKey>,
}

impl Record {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn inside<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// What was stored since the last call, in order.
    pub fn take_stored(&self) -> Vec<Kind> {
        self.inside(|i| std::mem::take(&mut i.stored).into_iter().map(|key| key.kind).collect())
    }

    /// The only entry of a kind.
    pub fn only(&self, kind: Kind) -> (MemoryKey, Remembered) {
        self.inside(|i| {
            let mut found = i.kept.iter().filter(|(key, _)| key.kind == kind);
            let (key, value) = found.next().unwrap_or_else(|| panic!("nothing of {kind:?}"));
            assert!(found.next().is_none(), "several of {kind:?}");
            (key.clone(), value.clone())
        })
    }

    /// Puts a value in force, as an agent does.
    pub fn put(&self, key: MemoryKey, value: Remembered) {
        self.inside(|i| i.kept.insert(key, value));
    }
}

impl Memory for Record {
    fn load<'a>(&'a self, key: &'a MemoryKey) -> BoxFuture<'a, Result<Option<Remembered>, MemoryError>> {
        let found = self.inside(|i| i.kept.get(key).cloned());
        Box::pin(std::future::ready(Ok(found)))
    }

    fn store<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        self.inside(|i| {
            i.stored.push(key.clone());
            i.kept.insert(key.clone(), Remembered { value, edited: false })
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn edit<'a>(&'a self, key: &'a MemoryKey, value: Value) -> BoxFuture<'a, Result<(), MemoryError>> {
        self.put(key.clone(), Remembered { value, edited: true });
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A rubric of a few axes, so that a judgement takes a second.
pub fn small_rubric() -> Rubric {
    rubric(
        "id = \"small\"\ntitle = \"Small\"\n\
         [[axis]]\nid = \"subject\"\ndefinition = \"what is shown\"\nweight = 2.0\n\
         [[axis]]\nid = \"colour\"\ndefinition = \"the dominant colours\"\n\
         [[axis]]\nid = \"place\"\ndefinition = \"indoors or outdoors\"\nweight = 0.5\n",
    )
}

pub fn rubric(text: &str) -> Rubric {
    let source = RubricSource::Text { text, origin: "test" };
    Rubric::load(source, &mut |_| panic!("nothing else is extended")).unwrap()
}

pub fn builtin(name: &str) -> Rubric {
    Rubric::load(RubricSource::Builtin(name), &mut |_| panic!("nothing else is extended")).unwrap()
}

pub fn file(path: &str) -> Picture {
    decode(&std::fs::read(here(path)).unwrap(), &Limits::default()).unwrap()
}

/// Squares of two colours, `cell` pixels wide.
pub fn squares(width: u32, height: u32, cell: u32, colours: [[u8; 3]; 2]) -> Picture {
    let pixel = |i: u32| colours[((i % width / cell + i / width / cell) % 2) as usize];
    let rgb = (0..width * height).flat_map(pixel).collect();
    Picture::from_pixels(width, height, rgb).unwrap()
}

pub fn red() -> Picture {
    squares(256, 256, 32, [[210, 30, 30], [250, 240, 220]])
}

pub fn blue() -> Picture {
    squares(256, 256, 64, [[20, 40, 220], [10, 10, 40]])
}

pub fn green() -> Picture {
    squares(256, 256, 16, [[10, 120, 20], [220, 240, 10]])
}

/// A judgement that nobody follows or cancels.
pub async fn compare(
    judge: &Judge,
    rubric: &Rubric,
    reference: &Picture,
    generated: &Picture,
) -> Result<Verdict, JudgeError> {
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let call = Call {
        rubric,
        guarded: rubric.explicit,
        teller: &teller,
        cancel: &cancel,
    };
    let pair = Pair { reference, generated };
    timeout(LIMIT, judge.compare(pair, call))
        .await
        .expect("a verdict within the limit")
}

pub async fn target(judge: &Judge, rubric: &Rubric, reference: &Picture) -> Result<Target, JudgeError> {
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let call = Call {
        rubric,
        guarded: rubric.explicit,
        teller: &teller,
        cancel: &cancel,
    };
    timeout(LIMIT, judge.target(reference, call))
        .await
        .expect("a target within the limit")
}

/// A verdict without what may differ between two equal ones: time, and how much was reused.
pub fn bits(verdict: &Verdict) -> Verdict {
    Verdict {
        cost: Cost::default(),
        seconds: 0.0,
        ..verdict.clone()
    }
}
