//! How the judge's threads wait for one another.

#![cfg(target_os = "linux")]

use llama::worker::{Waiting, Worker, WorkerState};
use tokio_util::sync::CancellationToken;

use crate::judge_worker::setting::{config, gguf};

/// libgomp reads it before the process does anything, so it must be there from the start.
#[tokio::test]
async fn the_process_is_told_to_wait_briefly_where_the_user_says_nothing() {
    for (waiting, told) in [(Waiting::Brief, true), (Waiting::Library, false)] {
        let mut config = config(gguf("random-qwen3vl.gguf"), gguf("random-mmproj.gguf"));
        config.waiting = waiting;
        let worker = Worker::new(config);
        worker.info(&CancellationToken::new()).await.unwrap();
        let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
            panic!("not ready")
        };
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        let mut variables = environment.split(|byte| *byte == 0);
        assert_eq!(
            variables.any(|v| v.starts_with(b"GOMP_SPINCOUNT=")),
            told,
            "{waiting:?}"
        );
    }
}
