//! Adapters, and models that the protocol was not made for.

use judge::engine::Answer;
use llama::error::LlamaError;
use llama::spec::{Adapter, ModelSpec};
use llama::worker::{Worker, WorkerError, WorkerState};

use crate::judge_worker::setting::{answer, ask, config, dense, digits, gguf, picture, worker_on};

fn adapted(model: &str, adapter: std::path::PathBuf, scale: f32) -> Worker {
    let mut config = config(gguf(model), gguf("random-mmproj.gguf"));
    config.spec = ModelSpec {
        adapters: vec![Adapter { path: adapter, scale }],
        ..config.spec
    };
    Worker::new(config)
}

#[tokio::test]
async fn an_adapter_changes_what_is_read_and_its_weight_counts() {
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let wanted = ask(&a, &[&a, &b]);
    let plain = digits(&answer(&dense(), &wanted, &[&a, &b]).await.unwrap());
    let mut seen = vec![plain];
    for scale in [1.0, 0.5] {
        let worker = adapted("random-qwen3vl.gguf", gguf("random-lora.gguf"), scale);
        let got = digits(&answer(&worker, &wanted, &[&a, &b]).await.unwrap());
        assert!(!seen.contains(&got), "{scale}");
        seen.push(got);
    }
    let nothing = adapted("random-qwen3vl.gguf", gguf("random-lora.gguf"), 0.0);
    let got = digits(&answer(&nothing, &wanted, &[&a, &b]).await.unwrap());
    assert_eq!(got, seen[0], "a weight of 0 is no adapter");
}

#[tokio::test]
async fn an_adapter_that_does_not_belong_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.gguf");
    let whole = std::fs::read(gguf("random-lora.gguf")).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let wanted = ask(&a, &[&a, &b]);
    for (model, adapter) in [
        ("random-qwen3vl.gguf", cut),
        ("random-qwen3vl.gguf", gguf("random-mmproj.gguf")),
        ("random-qwen3vlmoe.gguf", gguf("random-lora.gguf")),
        ("random-qwen3vl.gguf", folder.path().join("none.gguf")),
    ] {
        let error = answer(&adapted(model, adapter, 1.0), &wanted, &[&a, &b])
            .await
            .unwrap_err();
        eprintln!("{error}");
        assert!(
            matches!(&error, WorkerError::Engine(LlamaError::Load { what, .. } | LlamaError::File { what, .. }) if what == "adapter"),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn gemma_3_answers_and_is_known_to_be_unmeasured() {
    let worker = worker_on(gguf("random-gemma3.gguf"), gguf("random-gemma3-mmproj.gguf"));
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let ab = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
    for row in digits(&ab) {
        let mass: f64 = row.iter().map(|x| x.exp()).sum();
        assert!(mass > 0.0 && mass <= 1.0 + 1e-6, "{mass}");
    }
    assert!(matches!(&ab.answers[2], Answer::YesNo { yes, no } if *yes > 0.0 && *no > 0.0));
    let ba = answer(&worker, &ask(&a, &[&b, &a]), &[&a, &b]).await.unwrap();
    assert_ne!(digits(&ab), digits(&ba), "the pictures are seen");
    let again = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
    assert_eq!(ab.answers, again.answers, "the same bits");
    let WorkerState::Ready { info, .. } = worker.state().borrow().clone() else {
        panic!("not ready")
    };
    assert_eq!(info.architecture, "gemma3");
    assert!(!info.known_architecture);
}
