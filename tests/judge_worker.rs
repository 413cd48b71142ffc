//! The judge process with the real llama.cpp on the bundled random-weight files.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prompt_calibrator::judge::engine::llama::Pixels;
use prompt_calibrator::judge::engine::{Answer, Answers, Ask, Branch, EngineError, Layout, ModelSpec, PixelKey, Want};
use prompt_calibrator::judge::worker::{KeyedPixels, Worker, WorkerConfig, WorkerError, WorkerState};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(60);

fn gguf(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("gguf").join(name)
}

fn worker_on(model: PathBuf, mmproj: PathBuf) -> Worker {
    Worker::new(WorkerConfig {
        program: env!("CARGO_BIN_EXE_prompt-calibrator").into(),
        spec: ModelSpec {
            model,
            mmproj,
            image_tokens: 64,
            threads: Some(1),
            gpu_layers: Some(0),
        },
    })
}

fn dense() -> Worker {
    worker_on(gguf("random-qwen3vl.gguf"), gguf("random-mmproj.gguf"))
}

/// A picture of one colour with a diagonal of another.
fn picture(name: &str, rgb: [u8; 3]) -> KeyedPixels {
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

fn ask(base: &KeyedPixels, images: &[&KeyedPixels]) -> Ask {
    let question = |text: &str, want| Branch {
        text: text.into(),
        want,
    };
    Ask {
        system: "You compare two pictures on one axis at a time. Answer with one digit.".into(),
        base: base.key.clone(),
        images: images.iter().map(|p| p.key.clone()).collect(),
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

async fn answer(worker: &Worker, ask: &Ask, pictures: &[&KeyedPixels]) -> Result<Answers, WorkerError> {
    let pictures = pictures.iter().map(|p| (*p).clone()).collect();
    timeout(LIMIT, worker.ask(ask.clone(), pictures, &CancellationToken::new()))
        .await
        .expect("an answer within the limit")
}

fn digits(answers: &Answers) -> Vec<[f64; 10]> {
    answers
        .answers
        .iter()
        .filter_map(|a| match a {
            Answer::Digits { log_probs } => Some(*log_probs),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn dense_and_moe_answer_every_branch_with_probabilities() {
    for model in ["random-qwen3vl.gguf", "random-qwen3vlmoe.gguf"] {
        let worker = worker_on(gguf(model), gguf("random-mmproj.gguf"));
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let got = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.expect(model);
        assert_eq!(got.answers.len(), 4, "{model}");
        for row in digits(&got) {
            let mass: f64 = row.iter().map(|x| x.exp()).sum();
            assert!(mass > 0.0 && mass <= 1.0 + 1e-6, "{model}: {mass}");
        }
        assert!(matches!(&got.answers[2], Answer::YesNo { yes, no } if *yes > 0.0 && *no > 0.0));
        assert_eq!(got.cost.images_encoded, 2);
        eprintln!("{model}: {got:?}");
        let WorkerState::Ready { info, .. } = worker.state().borrow().clone() else {
            panic!("not ready")
        };
        assert!(!info.trained, "the bundled file says that its weights are random");
        assert!(info.known_architecture);
    }
}

#[tokio::test]
async fn equal_inputs_give_equal_bits_whatever_ran_before() {
    let worker = dense();
    let (a, b, c) = (
        picture("a", [200, 30, 30]),
        picture("b", [20, 40, 220]),
        picture("c", [9, 90, 9]),
    );
    let all = [&a, &b, &c];
    let wanted = ask(&a, &[&a, &b]);
    let cold = answer(&worker, &wanted, &all).await.unwrap();
    // Warm, after an extension of another prefix, after another base, and in a fresh process.
    let warm = answer(&worker, &wanted, &all).await.unwrap();
    assert_eq!(warm.cost.images_encoded, 0);
    assert!(warm.cost.reused_tokens > 0);
    answer(&worker, &ask(&a, &[&c]), &all).await.unwrap();
    answer(&worker, &ask(&a, &[&c, &a]), &all).await.unwrap();
    let after_others = answer(&worker, &wanted, &all).await.unwrap();
    answer(&worker, &ask(&b, &[&b, &c]), &all).await.unwrap();
    let after_base = answer(&worker, &wanted, &all).await.unwrap();
    let fresh = answer(&dense(), &wanted, &all).await.unwrap();
    for (name, other) in [
        ("warm", warm),
        ("others", after_others),
        ("base", after_base),
        ("fresh", fresh),
    ] {
        assert_eq!(cold.answers, other.answers, "{name}");
    }
}

#[tokio::test]
async fn an_extended_prefix_gives_the_same_bits_as_a_fresh_one() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    answer(&worker, &ask(&a, &[&b]), &[&a, &b]).await.unwrap();
    let extended = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
    let fresh = answer(&dense(), &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
    assert!(extended.cost.reused_tokens > fresh.cost.reused_tokens);
    assert_eq!(extended.answers, fresh.answers);
}

#[tokio::test]
async fn what_is_seen_decides_and_so_does_the_order() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let ab = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
    let ba = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
    let aa = answer(&worker, &ask(&a, &[&a, &a]), &[&a, &b]).await.unwrap();
    assert_ne!(digits(&ab), digits(&ba));
    assert_ne!(digits(&ab), digits(&aa));
}

#[tokio::test]
async fn a_killed_process_is_an_error_and_the_next_call_works() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let wanted = ask(&a, &[&a, &b]);
    let before = answer(&worker, &wanted, &[&a, &b]).await.unwrap();
    let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
        panic!("not ready")
    };
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    // Either it is seen to be gone and replaced, or the call in flight says that it died.
    let again = match answer(&worker, &wanted, &[&a, &b]).await {
        Ok(answers) => answers,
        Err(WorkerError::Died { .. }) => answer(&worker, &wanted, &[&a, &b]).await.unwrap(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(before.answers, again.answers);
    let WorkerState::Ready { pid: new, .. } = worker.state().borrow().clone() else {
        panic!("not ready")
    };
    assert_ne!(pid, new);
}

#[tokio::test]
async fn a_cancelled_ask_stops_and_the_next_one_works() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let wanted = ask(&a, &[&a, &b]);
    let cancel = CancellationToken::new();
    cancel.cancel();
    let result = timeout(LIMIT, worker.ask(wanted.clone(), vec![a.clone(), b.clone()], &cancel))
        .await
        .unwrap();
    assert!(result.unwrap_err().is_cancelled());
    // Cancelled while it runs: as soon as the process has started to load.
    let cancel = CancellationToken::new();
    let worker = dense();
    let mut state = worker.state();
    let (result, ()) = tokio::join!(worker.ask(wanted.clone(), vec![a.clone(), b.clone()], &cancel), async {
        state.wait_for(|s| *s != WorkerState::Idle).await.unwrap();
        cancel.cancel();
    });
    assert!(result.unwrap_err().is_cancelled());
    answer(&worker, &wanted, &[&a, &b]).await.unwrap();
}

#[tokio::test]
async fn unloading_ends_the_process() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
    let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
        panic!("not ready")
    };
    worker.unload().await;
    assert_eq!(*worker.state().borrow(), WorkerState::Idle);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[tokio::test]
async fn damaged_and_mismatched_files_are_clear_errors() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let model = std::fs::read(gguf("random-qwen3vl.gguf")).unwrap();
    let mmproj = std::fs::read(gguf("random-mmproj.gguf")).unwrap();
    let cases = [
        (
            "truncated model",
            put("t.gguf", &model[..model.len() / 2]),
            gguf("random-mmproj.gguf"),
        ),
        (
            "not a model",
            put("h.gguf", b"<!DOCTYPE html><html>404</html>"),
            gguf("random-mmproj.gguf"),
        ),
        ("empty model", put("e.gguf", b""), gguf("random-mmproj.gguf")),
        (
            "truncated projector",
            gguf("random-qwen3vl.gguf"),
            put("p.gguf", &mmproj[..mmproj.len() / 2]),
        ),
        (
            "a model as projector",
            gguf("random-qwen3vl.gguf"),
            gguf("random-qwen3vl.gguf"),
        ),
        (
            "a projector as model",
            gguf("random-mmproj.gguf"),
            gguf("random-mmproj.gguf"),
        ),
    ];
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    for (name, model, mmproj) in cases {
        let error = answer(&worker_on(model, mmproj), &ask(&a, &[&a, &b]), &[&a, &b])
            .await
            .unwrap_err();
        eprintln!("{name}: {error}");
        assert!(
            matches!(
                &error,
                WorkerError::Engine(EngineError::Load { .. }) | WorkerError::Died { .. }
            ),
            "{name}: {error:?}"
        );
        assert!(!error.hint().is_empty());
    }
    let missing = folder.path().join("none.gguf");
    let error = answer(
        &worker_on(missing, gguf("random-mmproj.gguf")),
        &ask(&a, &[&a, &b]),
        &[&a, &b],
    )
    .await;
    assert!(matches!(error, Err(WorkerError::Engine(EngineError::File { .. }))));
}

#[tokio::test]
async fn a_question_longer_than_planned_is_refused() {
    let worker = dense();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let mut long = ask(&a, &[&a, &b]);
    long.branches[0].text = "framing ".repeat(400);
    let error = answer(&worker, &long, &[&a, &b]).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Engine(EngineError::TooLong { .. })),
        "{error}"
    );
    let mut many = ask(&a, &[&a, &b]);
    many.branches = vec![many.branches[0].clone(); 9];
    many.layout.branch_tokens = 1024;
    let error = answer(&worker, &many, &[&a, &b]).await.unwrap_err();
    assert!(
        matches!(error, WorkerError::Engine(EngineError::TooLong { .. })),
        "{error}"
    );
}
