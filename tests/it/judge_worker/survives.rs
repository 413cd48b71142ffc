//! Hangs, crashes, lies and idleness.

#![cfg(unix)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use judge::engine::KeyedPixels;
use llama::error::LlamaError;
use llama::worker::{Cause, Worker, WorkerConfig, WorkerError, WorkerState};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::judge_worker::setting::{LIMIT, answer, ask, config, gguf, picture};
use crate::support::signal::signal;

/// Patience that runs out in a test. A process that is well says something many times within it, on a busy machine too.
const SHORT: Duration = Duration::from_secs(3);

fn dense_with(change: impl FnOnce(&mut WorkerConfig)) -> Worker {
    let mut config = config(gguf("random-qwen3vl.gguf"), gguf("random-mmproj.gguf"));
    change(&mut config);
    Worker::new(config)
}

async fn loaded(worker: &Worker) -> u32 {
    worker.info(&CancellationToken::new()).await.unwrap();
    let WorkerState::Ready { pid, .. } = worker.state().borrow().clone() else {
        panic!("not ready")
    };
    pid
}

/// Carries a call on until the stopped process has something to read in its pipe: its question.
#[cfg(target_os = "linux")]
async fn on_its_way<T>(pid: u32, mut asked: impl Future<Output = T> + Unpin) {
    let pipe = std::fs::File::open(format!("/proc/{pid}/fd/0")).unwrap();
    while rustix::io::ioctl_fionread(&pipe).unwrap() == 0 {
        assert!(futures::poll!(&mut asked).is_pending());
        tokio::task::yield_now().await;
    }
    // The call hears that its question is written.
    assert!(futures::poll!(&mut asked).is_pending());
}

/// A stopped process stands for one that hangs in a driver.
#[tokio::test]
async fn a_process_that_hangs_is_ended_and_the_next_call_works() {
    let worker = dense_with(|c| c.patience = SHORT);
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let pid = loaded(&worker).await;
    signal("-STOP", pid);
    let error = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap_err();
    assert!(matches!(error, WorkerError::Hung { .. }), "{error}");
    assert!(error.to_string().contains("fresh one"), "{error}");
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it is gone");
    answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
}

/// What crashes the process twice is not tried a third time; other questions are.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_question_that_crashes_the_process_twice_is_refused() {
    let worker = dense_with(|_| {});
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let question = ask(&a, &[&a, &b]);
    for time in 1..=2 {
        let pid = loaded(&worker).await;
        // Stopped first, so that it surely dies at work and not before or after.
        signal("-STOP", pid);
        let dies = async {
            let state = worker.state();
            let both = [&a, &b];
            let asked = answer(&worker, &question, &both);
            tokio::pin!(asked);
            on_its_way(pid, &mut asked).await;
            assert!(matches!(&*state.borrow(), WorkerState::Ready { .. }));
            // What llama.cpp ends with when an assertion fails.
            signal("-ABRT", pid);
            signal("-CONT", pid);
            asked.await
        };
        let error = dies.await.unwrap_err();
        assert!(
            matches!(
                &error,
                WorkerError::Died {
                    cause: Cause::Crashed,
                    ..
                }
            ),
            "{time}: {error:?}"
        );
    }
    let refused = answer(&worker, &question, &[&a, &b]).await.unwrap_err();
    assert!(matches!(refused, WorkerError::Refused { times: 2, .. }), "{refused}");
    assert!(refused.hint().contains("another picture"));
    let other = ask(&b, &[&b, &a]);
    answer(&worker, &other, &[&a, &b]).await.unwrap();
}

/// Being killed from outside says nothing of the question.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_question_is_not_blamed_when_somebody_kills_the_process() {
    let worker = dense_with(|_| {});
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let question = ask(&a, &[&a, &b]);
    for _ in 0..3 {
        let pid = loaded(&worker).await;
        signal("-STOP", pid);
        let both = [&a, &b];
        let asked = answer(&worker, &question, &both);
        tokio::pin!(asked);
        on_its_way(pid, &mut asked).await;
        signal("-KILL", pid);
        let error = asked.await;
        // Seen before the question was sent, it is replaced without a word.
        if let Err(error) = error {
            assert!(
                matches!(
                    &error,
                    WorkerError::Died {
                        cause: Cause::Killed,
                        ..
                    }
                ),
                "{error:?}"
            );
        }
    }
    answer(&worker, &question, &[&a, &b]).await.unwrap();
}

#[tokio::test]
async fn an_idle_process_is_ended_and_comes_back() {
    let worker = dense_with(|c| c.idle = Some(Duration::from_millis(200)));
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    let pid = loaded(&worker).await;
    let mut state = worker.state();
    state.wait_for(|s| *s == WorkerState::Idle).await.unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "its memory is free");
    answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap();
}

/// What a process says, as a frame: its head says how long it is.
fn frame(json: &str) -> Vec<u8> {
    let mut bytes = (json.len() as u32).to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend(json.as_bytes());
    bytes
}

/// That the model is loaded.
fn loaded_frame() -> Vec<u8> {
    let info = r#"{"architecture":"x","name":null,"parameters":1,"bytes":1,"backend":"CPU","instructions":"","engine":"x","trained":true,"domain":null,"closes_thinking":false,"known_architecture":true}"#;
    frame(&format!(r#"{{"Loaded":{{"id":1,"info":{info}}}}}"#))
}

/// A program that says these words and then does as the script says.
fn program(folder: &Path, name: &str, words: &[u8], script: &str) -> PathBuf {
    let (said, program) = (folder.join(format!("{name}.bin")), folder.join(format!("{name}.sh")));
    std::fs::write(&said, words).unwrap();
    std::fs::write(&program, format!("#!/bin/sh\ncat {} && {script}\n", said.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// A process that stands still in the middle of the pixels that it asked for.
struct HalfWay {
    folder: tempfile::TempDir,
    worker: Worker,
    pictures: [KeyedPixels; 2],
}

impl HalfWay {
    fn with_patience(patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let needs = r#"{"Failed":{"id":2,"error":{"NeedPixels":["a","b"]}}}"#;
        let words = [loaded_frame(), frame(needs)].concat();
        // More than it is asked in words, and less than the pixels by more than a pipe holds.
        let pid = folder.path().join("pid");
        let script = format!(
            "head -c 100000 >/dev/null && echo $$ >{pid}.new && mv {pid}.new {pid} && exec sleep 1000",
            pid = pid.display()
        );
        let program = program(folder.path(), "half", &words, &script);
        Self {
            folder,
            worker: dense_with(|c| {
                c.program = program;
                c.patience = patience;
            }),
            pictures: [picture("a", [200, 30, 30]), picture("b", [20, 40, 220])],
        }
    }

    async fn asked(&self, cancel: &CancellationToken) -> WorkerError {
        let [a, b] = &self.pictures;
        let asked = self.worker.ask(ask(a, &[a, b]), vec![a.clone(), b.clone()], cancel);
        timeout(LIMIT, asked).await.expect("it ends").unwrap_err()
    }

    /// Waits until it stands still; its process id. The system has no bell for that.
    async fn stands_still(&self) -> u32 {
        let pid = self.folder.path().join("pid");
        let there = async {
            loop {
                match std::fs::read_to_string(&pid) {
                    Ok(pid) => return pid.trim().parse().unwrap(),
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        timeout(LIMIT, there).await.expect("it stands still")
    }
}

fn is_gone(pid: u32) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_process_that_takes_no_more_pixels_is_ended_and_told() {
    let process = HalfWay::with_patience(SHORT);
    let never = CancellationToken::new();
    let (error, pid) = tokio::join!(process.asked(&never), process.stands_still());
    assert!(matches!(error, WorkerError::Hung { .. }), "{error}");
    assert!(
        error.to_string().contains("was ended") && !error.hint().is_empty(),
        "{error}"
    );
    assert!(is_gone(pid));
}

#[tokio::test]
async fn a_cancel_is_heard_while_pixels_are_written_and_unloading_works() {
    let process = HalfWay::with_patience(Duration::from_secs(3600));
    let cancel = CancellationToken::new();
    let (error, pid) = tokio::join!(process.asked(&cancel), async {
        let pid = process.stands_still().await;
        cancel.cancel();
        pid
    });
    assert!(error.is_cancelled(), "{error}");
    assert!(is_gone(pid));
    timeout(LIMIT, process.worker.unload()).await.expect("it is unloaded");
    assert_eq!(*process.worker.state().borrow(), WorkerState::Idle);
}

/// A program that is no judge: it says something else, nothing, or too much.
#[tokio::test]
async fn a_lying_process_is_an_error_and_never_a_score() {
    let folder = tempfile::tempdir().unwrap();
    let cost = r#"{"encode_s":0,"prefill_s":0,"branch_s":0,"decode_s":0,"images_encoded":0,"images_kept":0,"prefill_tokens":0,"reused_tokens":0,"branch_tokens":0}"#;
    let answered = |id: u64, answers: &str| {
        frame(&format!(
            r#"{{"Answered":{{"id":{id},"answers":{{"answers":[{answers}],"cost":{cost}}}}}}}"#
        ))
    };
    let sure = r#"{"Digits":{"log_probs":[0,0,0,0,0,0,0,0,0,0]}}"#;
    let four = [sure; 4].join(",");
    let cases: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("no frame", b"I am a judge, believe me\n".to_vec()),
        ("a frame without end", u32::MAX.to_le_bytes().repeat(2)),
        ("an answer to nothing", answered(7, "")),
        ("too few answers", [loaded_frame(), answered(2, sure)].concat()),
        ("sure of every digit", [loaded_frame(), answered(2, &four)].concat()),
    ];
    let (a, b) = (picture("a", [200, 30, 30]), picture("b", [20, 40, 220]));
    for (n, (name, said)) in cases.iter().enumerate() {
        // What it is asked is read, so that nobody waits for it to.
        let program = program(folder.path(), &n.to_string(), said, "exec cat >/dev/null");
        let worker = dense_with(|c| {
            c.program = program;
            // The last says all that it is asked for, and must be heard to its end.
            c.patience = if n + 1 < cases.len() {
                Duration::from_millis(500)
            } else {
                LIMIT
            };
        });
        let error = answer(&worker, &ask(&a, &[&a, &b]), &[&a, &b]).await.unwrap_err();
        eprintln!("{name}: {error}");
        assert!(
            matches!(
                error,
                WorkerError::Hung { .. }
                    | WorkerError::Died { .. }
                    | WorkerError::Lied(_)
                    | WorkerError::Engine(LlamaError::Protocol(_))
            ),
            "{name}: {error:?}"
        );
        assert!(!error.hint().is_empty());
        if name.starts_with("sure") {
            assert!(matches!(error, WorkerError::Lied(_)), "{error:?}");
        }
    }
}
