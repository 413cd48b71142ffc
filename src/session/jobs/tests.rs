use std::io;

use super::*;
use crate::session::CancelledDuring;
use history::HistoryError;
use types::PromptId;

const LONG: Duration = Duration::from_secs(10);

type Work = futures::future::BoxFuture<'static, Result<u32, ServiceError>>;

/// Ends when `gate` opens, or as cancelled.
fn gated(gate: &CancellationToken) -> impl FnOnce(Teller, CancellationToken) -> Work {
    let gate = gate.clone();
    move |teller, cancel| {
        Box::pin(async move {
            teller.tell(Progress::words("half way"));
            tokio::select! {
                () = gate.cancelled() => Ok(7),
                () = cancel.cancelled() => Err(ServiceError::Cancelled(CancelledDuring::Judging)),
            }
        })
    }
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

async fn joined(jobs: &Jobs<u32>, caller: Caller, gate: &CancellationToken) -> Waiter<u32> {
    match jobs.join("a", caller, LONG, &never(), gated(gate)).await {
        Joined::Waiter(waiter) => waiter,
        Joined::BeingStopped | Joined::Full(_) => panic!("nothing is being stopped, and there is room"),
    }
}

/// What a wait comes to that may last.
async fn waited(waiter: Waiter<u32>) -> Waited<u32> {
    waiter.wait(LONG, &Teller::silent(), &never()).await
}

/// What a wait comes to that is given up at once.
async fn given_up(waiter: Waiter<u32>) -> Waited<u32> {
    let cancel = never();
    cancel.cancel();
    waiter.wait(LONG, &Teller::silent(), &cancel).await
}

/// What a wait comes to whose time is up at once.
async fn glanced(waiter: Waiter<u32>) -> Waited<u32> {
    waiter.wait(Duration::ZERO, &Teller::silent(), &never()).await
}

fn is_cancelled(waited: &Waited<u32>) -> bool {
    matches!(waited, Waited::Ended(Err(ServiceError::Cancelled(_))))
}

fn is_done(waited: &Waited<u32>) -> bool {
    matches!(waited, Waited::Ended(Ok(seven)) if **seven == 7)
}

async fn is_over(jobs: &Jobs<u32>, handle: &str) {
    let mut ended = jobs.lock()[handle].ended.clone();
    ended.wait_for(Option::is_some).await.unwrap();
}

#[tokio::test]
async fn a_job_outlives_the_call_and_is_found_by_its_handle() {
    let (jobs, gate, caller) = (Jobs::default(), never(), Caller::new());
    let first = joined(&jobs, caller, &gate).await;
    assert!(first.began() && matches!(glanced(first).await, Waited::GoesOn(_)));
    assert!(jobs.running("a").is_some() && jobs.running("b").is_none());
    gate.cancel();
    for _ in ["asked", "asked again"] {
        assert!(is_done(&waited(jobs.attach("a", caller).unwrap()).await));
    }
    assert!(jobs.attach("b", caller).is_none());
}

#[tokio::test]
async fn a_second_call_joins_the_running_job_and_gets_what_nobody_was_told() {
    let (jobs, gate) = (Jobs::default(), never());
    let first = joined(&jobs, Caller::new(), &gate).await;
    let second = joined(&jobs, Caller::new(), &gate).await;
    assert!(!second.began());
    gate.cancel();
    assert!(is_done(&waited(first).await) && is_done(&waited(second).await));

    let third = joined(&jobs, Caller::new(), &gate).await;
    assert!(third.began(), "an ended job is replaced");
    is_over(&jobs, "a").await;
    drop(third);
    let fourth = joined(&jobs, Caller::new(), &never()).await;
    assert!(!fourth.began(), "nobody was told how the third one ended");
    assert!(is_done(&waited(fourth).await));
    jobs.start("a", gated(&gate)).unwrap();
    assert!(!joined(&jobs, Caller::new(), &gate).await.began());
}

/// Ends when `gate` opens, whether it is cancelled or not.
fn stubborn(gate: &CancellationToken) -> impl FnOnce(Teller, CancellationToken) -> Work {
    let gate = gate.clone();
    move |_, _| {
        Box::pin(async move {
            gate.cancelled().await;
            Err(ServiceError::Cancelled(CancelledDuring::OwnWork))
        })
    }
}

#[tokio::test]
async fn what_is_being_stopped_says_so_until_it_has_ended() {
    let (jobs, gate) = (Jobs::<u32>::default(), never());
    jobs.start("a", stubborn(&gate)).unwrap();
    assert!(!jobs.is_stopping("a") && !jobs.is_stopping("b"));
    assert!(jobs.stop("a", Caller::new()));
    assert!(jobs.is_stopping("a"));
    assert_eq!(jobs.running("a").unwrap().message, "being stopped");
    gate.cancel();
    is_over(&jobs, "a").await;
    assert!(!jobs.is_stopping("a") && jobs.running("a").is_none());
}

#[tokio::test]
async fn a_wait_knows_whether_what_it_hears_is_from_before_it() {
    let (jobs, gate) = (Jobs::default(), never());
    let first = joined(&jobs, Caller::new(), &gate).await;
    let second = joined(&jobs, Caller::new(), &gate).await;
    assert!(!first.looks_back() && !second.looks_back(), "it runs, and is asked for");
    assert!(matches!(glanced(first).await, Waited::GoesOn(_)));
    drop(second);
    gate.cancel();
    is_over(&jobs, "a").await;
    let third = joined(&jobs, Caller::new(), &never()).await;
    assert!(third.looks_back(), "it had ended");
    assert!(is_done(&waited(third).await));

    let gate = never();
    jobs.start("a", gated(&gate)).unwrap();
    let fourth = joined(&jobs, Caller::new(), &gate).await;
    assert!(fourth.looks_back(), "nobody had asked for it");
    gate.cancel();
    assert!(is_done(&waited(fourth).await));
    assert!(
        !joined(&jobs, Caller::new(), &gate).await.looks_back(),
        "it begins with this one"
    );
}

#[tokio::test]
async fn one_who_gives_up_ends_its_own_wait_and_the_last_one_the_work() {
    let (jobs, gate) = (Jobs::default(), never());
    let [a, b] = [
        joined(&jobs, Caller::new(), &gate).await,
        joined(&jobs, Caller::new(), &gate).await,
    ];
    // At once, although the work goes on.
    assert!(matches!(given_up(b).await, Waited::Left { goes_on: true }));
    assert!(jobs.running("a").is_some());
    gate.cancel();
    assert!(is_done(&waited(a).await));

    let [a, b] = [
        joined(&jobs, Caller::new(), &never()).await,
        joined(&jobs, Caller::new(), &never()).await,
    ];
    assert!(matches!(given_up(a).await, Waited::Left { goes_on: true }));
    assert!(is_cancelled(&given_up(b).await), "its end is awaited");
    assert!(jobs.running("a").is_none());
}

#[tokio::test]
async fn a_call_whose_client_is_gone_wants_nothing_any_more() {
    let jobs = Jobs::default();
    let [a, b] = [
        joined(&jobs, Caller::new(), &never()).await,
        joined(&jobs, Caller::new(), &never()).await,
    ];
    drop(a);
    assert!(!jobs.lock()["a"].cancel.is_cancelled());
    drop(b);
    assert!(jobs.lock()["a"].cancel.is_cancelled());
    is_over(&jobs, "a").await;
}

#[tokio::test]
async fn who_left_with_a_handle_keeps_the_work_from_others() {
    let (jobs, gate) = (Jobs::default(), never());
    let [a, b] = [Caller::new(), Caller::new()];
    assert!(matches!(
        glanced(joined(&jobs, a, &gate).await).await,
        Waited::GoesOn(_)
    ));
    let cancelled = given_up(joined(&jobs, b, &gate).await).await;
    assert!(matches!(cancelled, Waited::Left { goes_on: true }));
    // The one who was promised it may stop it: alone, that is the whole of a client's cancelling.
    assert!(is_cancelled(&given_up(joined(&jobs, a, &gate).await).await));
}

#[tokio::test]
async fn asking_for_it_stops_the_work_for_all_and_says_so() {
    let jobs = Jobs::default();
    let [a, b] = [Caller::new(), Caller::new()];
    let waiters = [joined(&jobs, a, &never()).await, joined(&jobs, b, &never()).await];
    assert!(jobs.stop("a", b) && !jobs.stop("b", b));
    for (waiter, connection) in waiters.into_iter().zip(["another connection", "this connection"]) {
        let Waited::Ended(Err(error)) = waited(waiter).await else {
            panic!("it was stopped");
        };
        let told = error.to_string();
        assert!(
            told.contains("`cancel: true`") && told.contains(connection) && told.ends_with(": nothing was scored"),
            "{told}"
        );
        assert!(!error.is_cancellation(), "this call was not cancelled");
    }
    assert!(!jobs.stop("a", b), "it is over");
}

#[tokio::test]
async fn what_is_being_stopped_is_not_joined() {
    let jobs = Jobs::default();
    let gate = never();
    let open = gate.clone();
    // It takes its time to stop.
    jobs.start("a", |_, _| async move {
        open.cancelled().await;
        Err(ServiceError::Cancelled(CancelledDuring::Preparing))
    })
    .unwrap();
    jobs.stop("a", Caller::new());
    let joining = |limit| {
        let (jobs, gate) = (&jobs, gate.clone());
        async move { jobs.join("a", Caller::new(), limit, &never(), gated(&gate)).await }
    };
    assert!(matches!(joining(Duration::ZERO).await, Joined::BeingStopped));
    let (joined, ()) = tokio::join!(joining(LONG), async { gate.cancel() });
    assert!(matches!(joined, Joined::Waiter(waiter) if waiter.began()));
}

/// As when runs are followed again at the start: nobody waits, and the first call comes later.
#[tokio::test]
async fn trouble_that_may_be_mended_since_is_tried_anew_and_what_is_said_of_the_run_is_told() {
    let jobs = Jobs::<u32>::default();
    let full = || HistoryError::Folder {
        doing: "write",
        path: "data".into(),
        source: io::ErrorKind::StorageFull.into(),
    };
    jobs.start("a", |_, _| async move { Err(full().into()) }).unwrap();
    is_over(&jobs, "a").await;
    let gate = never();
    gate.cancel();
    let waiter = joined(&jobs, Caller::new(), &gate).await;
    assert!(waiter.began() && is_done(&waited(waiter).await));

    let stopped = || ServiceError::StoppedInComfyui {
        run: PromptId(uuid::Uuid::nil()),
        node: None,
        left: Vec::new(),
    };
    jobs.start("b", |_, _| async move { Err(stopped()) }).unwrap();
    is_over(&jobs, "b").await;
    let caller = Caller::new();
    let Joined::Waiter(waiter) = jobs.join("b", caller, LONG, &never(), gated(&gate)).await else {
        panic!("there is room");
    };
    assert!(!waiter.began());
    assert!(matches!(
        waited(waiter).await,
        Waited::Ended(Err(ServiceError::StoppedInComfyui { .. }))
    ));
}

#[tokio::test]
async fn a_panic_in_the_work_is_an_answer() {
    let jobs = Jobs::<u32>::default();
    jobs.start("p", |_, _| async { panic!("on purpose") }).unwrap();
    let waiter = jobs.attach("p", Caller::new()).unwrap();
    assert!(matches!(
        waited(waiter).await,
        Waited::Ended(Err(ServiceError::Internal(_)))
    ));
}

#[tokio::test]
async fn more_jobs_than_may_go_on_are_refused_and_counted() {
    let (jobs, gate) = (Jobs::default(), never());
    for n in 0..MOST {
        jobs.room().unwrap();
        jobs.start(&n.to_string(), gated(&gate)).unwrap();
    }
    let full = Full { running: MOST };
    assert_eq!(jobs.room(), Err(full));
    assert_eq!(jobs.start("one more", gated(&gate)), Err(full));
    assert!(!jobs.knows("one more"));
    let refused = jobs.join("one more", Caller::new(), LONG, &never(), gated(&gate)).await;
    assert!(matches!(refused, Joined::Full(told) if told == full));
    // Those that go on are joined still, and their ends make room.
    jobs.start("0", gated(&gate)).unwrap();
    let waiter = jobs.attach("0", Caller::new()).unwrap();
    gate.cancel();
    assert!(is_done(&waited(waiter).await));
    for n in 0..MOST {
        is_over(&jobs, &n.to_string()).await;
    }
    jobs.start("one more", gated(&never())).unwrap();
}
