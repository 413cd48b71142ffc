//! How the process ends, and that the next call works.

use std::path::Path;

use llama::error::LlamaError;
use llama::worker::{WorkerError, WorkerState};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::judge_worker::setting::{LIMIT, RANDOM_JUDGES, answer, ask, gguf, picture, worker_of, worker_on};
use crate::support::signal::signal;

#[tokio::test]
async fn a_killed_process_is_an_error_and_the_next_call_works() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let wanted = ask(&a, &[&a, &b]);
        let before = answer(&worker, &wanted, &[&a, &b]).await.unwrap();
        let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
            panic!("not ready")
        };
        signal("-KILL", pid);
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
}

#[tokio::test]
async fn a_cancelled_ask_stops_and_the_next_one_works() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
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
        let worker = worker_of(judge);
        let mut state = worker.state();
        let (result, ()) = tokio::join!(worker.ask(wanted.clone(), vec![a.clone(), b.clone()], &cancel), async {
            state.wait_for(|s| *s != WorkerState::Idle).await.unwrap();
            cancel.cancel();
        });
        assert!(result.unwrap_err().is_cancelled());
        answer(&worker, &wanted, &[&a, &b]).await.unwrap();
    }
}

#[tokio::test]
async fn unloading_ends_the_process() {
    for judge in &RANDOM_JUDGES {
        let worker = worker_of(judge);
        let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
        let before = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
        let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
            panic!("not ready")
        };
        worker.unload().await;
        assert_eq!(*worker.state().borrow(), WorkerState::Idle);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        let after = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
        assert_eq!(before.answers, after.answers, "{}", judge.architecture);
    }
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
                WorkerError::Engine(LlamaError::Load { .. }) | WorkerError::Died { .. }
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
    assert!(matches!(error, Err(WorkerError::Engine(LlamaError::File { .. }))));
}
