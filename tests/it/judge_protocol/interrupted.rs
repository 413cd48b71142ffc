//! Judgements that are cancelled, that lose their process, or that have to wait.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use judge::protocol::Evidence;
use judge::verdict::Verdict;
use judge::{Call, Judge, JudgeError, MAX_WAITING, Pair};
use llama::Llama;
use llama::worker::frame::{self, Request};
use llama::worker::{SUBCOMMAND, WorkerError, WorkerState};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use types::progress::{Progress, Teller};

use crate::judge_protocol::bench::{
    DENSE, IMAGE_TOKENS, LIMIT, MMPROJ, RANDOM_JUDGES, Record, bits, blue, builtin, compare, config, engine, gguf,
    judge_on, red,
};
use crate::support::signal::signal;

/// The engine looks at its flag every few milliseconds; past 800 ms its process is ended. The rest is for a busy machine.
const PROMPTLY: Duration = Duration::from_secs(5);

/// Judges the same pair with the default rubric, and runs `disturb` beside it.
async fn disturbed(
    judge: &Judge,
    cancel: &CancellationToken,
    disturb: impl AsyncFnOnce(watch::Receiver<Progress>),
) -> Result<Verdict, JudgeError> {
    let rubric = builtin("default");
    let (reference, generated) = (red(), blue());
    let (teller, listener) = Teller::new();
    let call = Call {
        rubric: &rubric,
        guarded: false,
        teller: &teller,
        cancel,
    };
    let pair = Pair {
        reference: &reference,
        generated: &generated,
    };
    let both = async { tokio::join!(judge.compare(pair, call), disturb(listener)) };
    timeout(LIMIT, both).await.expect("an end within the limit").0
}

async fn heard(mut listener: watch::Receiver<Progress>, words: &str) {
    listener
        .wait_for(|p| p.message.starts_with(words))
        .await
        .expect("the judgement goes on");
}

fn pid(engine: &Llama) -> u32 {
    match *engine.worker().state().borrow() {
        WorkerState::Ready { pid, .. } => pid,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_cancelled_judgement_stops_at_once_and_leaves_no_trace() {
    for files in &RANDOM_JUDGES {
        let undisturbed = {
            let judge = judge_on(files.model, Evidence::Values, &Record::new());
            compare(&judge, &builtin("default"), &red(), &blue()).await.unwrap()
        };
        let judge = judge_on(files.model, Evidence::Values, &Record::new());
        for words in [
            "loading",
            "checking the judge itself",
            "reading the reference",
            "measuring the reference's scale, 3",
            "comparing, 1",
            "comparing, 2",
        ] {
            let cancel = CancellationToken::new();
            let mut since = None;
            let result = disturbed(&judge, &cancel, async |listener| {
                heard(listener, words).await;
                since = Some(Instant::now());
                cancel.cancel();
            })
            .await;
            let took = since.expect("it was cancelled").elapsed();
            let error = result.expect_err(words);
            assert!(error.is_cancelled(), "{words}: {error}");
            assert!(took < PROMPTLY, "{words}: {took:?}");
        }
        let verdict = compare(&judge, &builtin("default"), &red(), &blue()).await.unwrap();
        // What was half computed, a recurrent state above all, is not gone on with.
        assert_eq!(bits(&undisturbed), bits(&verdict), "{}", files.model);
    }
}

#[tokio::test]
async fn a_process_killed_while_it_judges_is_an_error_that_says_so() {
    let engine = engine(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS);
    let judge = Judge::new(engine.clone(), Evidence::Values, Record::new());
    let first = compare(&judge, &builtin("default"), &red(), &blue()).await.unwrap();
    let killed = pid(&engine);
    let result = disturbed(&judge, &CancellationToken::new(), async |listener| {
        heard(listener, "comparing").await;
        // Stopped, so that the question cannot be answered before the process is killed.
        signal("-STOP", killed);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        signal("-KILL", killed);
    })
    .await;
    match result {
        Err(JudgeError::Engine(error)) => {
            let Some(WorkerError::Died { status, .. }) = error.cause() else {
                panic!("{error:?}")
            };
            assert!(status.contains("signal: 9"), "{status}");
            assert!(error.to_string().contains("killed from outside"), "{error}");
            assert!(!error.hint().is_empty());
        }
        other => panic!("{other:?}"),
    }
    assert!(
        !Path::new(&format!("/proc/{killed}")).exists(),
        "it is left as a zombie"
    );
    assert_eq!(*engine.worker().state().borrow(), WorkerState::Idle);
    let again = compare(&judge, &builtin("default"), &red(), &blue()).await.unwrap();
    assert_eq!(bits(&first), bits(&again));
    assert_ne!(pid(&engine), killed);
}

#[tokio::test]
async fn a_judgement_too_many_is_told_to_come_back() {
    let rubric = builtin("default");
    let (reference, generated) = (red(), blue());
    let engine = engine(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS);
    let judge = Judge::new(engine.clone(), Evidence::Values, Record::new());
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let call = Call {
        rubric: &rubric,
        guarded: false,
        teller: &teller,
        cancel: &cancel,
    };
    let pair = Pair {
        reference: &reference,
        generated: &generated,
    };
    // One runs, as many wait as may, and the next is turned away while the first still loads its model.
    let mut running: FuturesUnordered<_> = (0..MAX_WAITING + 2).map(|_| judge.compare(pair, call)).collect();
    let turned_away = timeout(LIMIT, running.next()).await.expect("within the limit").unwrap();
    match turned_away {
        Err(ref error @ JudgeError::Busy { waiting }) => {
            assert_eq!(waiting, MAX_WAITING);
            assert!(
                error.to_string().contains(&MAX_WAITING.to_string()) && !error.hint().is_empty(),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    cancel.cancel();
    let rest = timeout(LIMIT, running.collect::<Vec<_>>())
        .await
        .expect("within the limit");
    assert_eq!(rest.len(), MAX_WAITING + 1);
    assert!(rest.iter().all(|r| r.as_ref().is_err_and(JudgeError::is_cancelled)));
    // Nobody is left in the line.
    compare(&judge, &rubric, &reference, &generated).await.unwrap();
}

/// What a server that dies leaves behind: pipes that close.
#[tokio::test]
async fn a_judge_process_ends_with_its_input() {
    let load = Request::Load {
        placement: None,
        id: 1,
        spec: config(gguf(DENSE), gguf(MMPROJ), IMAGE_TOKENS).spec,
    };
    for loads in [false, true] {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_prompt-calibrator"))
            .arg(SUBCOMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        if loads {
            input.write_all(&frame::head(&load, &[]).unwrap()).await.unwrap();
        }
        // Both at once, as when the server is killed.
        drop((input, child.stdout.take()));
        let status = timeout(Duration::from_secs(20), child.wait())
            .await
            .expect("it ends")
            .unwrap();
        assert!(status.success(), "{status}");
    }
}
