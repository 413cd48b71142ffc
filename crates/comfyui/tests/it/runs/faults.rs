//! Servers that die, restart, forget, fall silent or lie.

use super::*;

fn impatient(server: &Replay) -> Runner {
    let mut config = config(server);
    config.request_timeout = Duration::from_millis(200);
    runner_with(config)
}

#[tokio::test]
async fn a_server_that_dies_and_stays_away_is_unreachable_with_the_state_told() {
    within(async {
        let recording = recorded("text_to_image");
        let dies = at(&recording, "progress") + 3;
        let (server, run) = start(Script::new(recording).before(dies, Act::Hold)).await;
        until_progress(&run, |p| matches!(p.state, RunState::Running { step: Some(1), .. })).await;
        drop(server);
        // The first look may find the connection broken; those after it find nobody.
        until_progress(&run, |p| {
            p.trouble.as_ref().is_some_and(|why| why.contains("cannot be reached"))
        })
        .await;
        let error = run.outcome().await.expect_err("no server");
        assert!(matches!(error, ComfyError::Unreachable { .. }), "{error:?}");
        let said = error.to_string();
        assert!(
            said.contains("\"KSampler\" (node 5), step") && said.contains(&run.prompt_id.to_string()),
            "{said}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_server_that_kills_itself_mid_run_is_noticed() {
    within(async {
        let recording = recorded("text_to_image");
        let dies = at(&recording, "progress");
        let (_server, run) = start(Script::new(recording).before(dies, Act::Die)).await;
        assert!(matches!(run.outcome().await, Err(ComfyError::Unreachable { .. })));
    })
    .await;
}

#[tokio::test]
async fn no_server_at_all_is_unreachable_and_nothing_was_submitted() {
    within(async {
        let script = Script::new(recorded("text_to_image"));
        let submission = submission(&script);
        let gone = Replay::start(script).expect("a server");
        let runner = runner(&gone);
        drop(gone);
        // The port is closed as soon as the server's thread has ended.
        let error = loop {
            match runner.client().system_stats().await {
                Err(error @ ComfyError::Unreachable { .. }) => break error,
                _ => tokio::task::yield_now().await,
            }
        };
        assert!(
            error.hint().contains("Check that ComfyUI is running"),
            "{}",
            error.hint()
        );
        assert!(matches!(
            runner.start(submission).await,
            Err(ComfyError::Unreachable { .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn a_run_that_a_restart_forgot_is_lost() {
    within(async {
        let recording = recorded("text_to_image");
        let restart = at(&recording, "progress");
        let (server, run) = start(Script::new(recording).before(restart, Act::Restart)).await;
        let error = run.outcome().await.expect_err("lost");
        assert!(
            matches!(error, ComfyError::Lost { prompt_id, .. } if prompt_id == run.prompt_id),
            "{error:?}"
        );
        assert!(error.hint().contains("restarted"), "{}", error.hint());
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_run_is_found_again_after_our_own_restart() {
    within(async {
        let recording = recorded("text_to_image");
        let step = at(&recording, "progress");
        let script = Script::new(recording).before(step, Act::Hold);
        let submission = submission(&script);
        let (prompt_id, client_id) = (submission.prompt_id, submission.client_id.clone());
        let server = Replay::start(script).expect("a server");
        let first = runner(&server).start(submission).await.expect("a run");
        server.until(|seen| seen.frames == step).await;
        drop(first);

        let again = runner(&server).attach(prompt_id, Some(client_id));
        until_progress(&again, |p| matches!(p.state, RunState::Running { .. })).await;
        server.release();
        assert_eq!(again.outcome().await.expect("a result").images.len(), 1);
        // And once more when it is over, without a socket.
        let late = runner(&server).attach(prompt_id, None);
        assert_eq!(late.outcome().await.expect("a result").images.len(), 1);
        let stranger = Script::new(recorded("cached"));
        let empty = Replay::start(stranger).expect("a server");
        assert!(matches!(
            runner(&empty).attach(prompt_id, None).outcome().await,
            Err(ComfyError::Lost { .. })
        ));
        assert_eq!(server.seen().posts, 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_submission_without_an_answer_is_looked_up_and_never_repeated() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        script.post = Post::QueuedInSilence;
        let submission = submission(&script);
        let server = Replay::start(script).expect("a server");
        let run = impatient(&server)
            .start(submission)
            .await
            .expect("the run is in the queue or the history");
        assert_eq!(run.outcome().await.expect("a result").images.len(), 1);
        assert_eq!(server.seen().posts, 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_submission_that_was_never_queued_is_a_timeout_that_says_so() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        script.post = Post::Silence;
        let submission = submission(&script);
        let server = Replay::start(script).expect("a server");
        let error = impatient(&server).start(submission).await.expect_err("not queued");
        assert!(
            matches!(&error, ComfyError::Timeout { what, .. } if what.contains("neither queued nor finished")),
            "{error}"
        );
        assert_eq!(server.seen().posts, 1, "never a second submission");
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_lost_socket_is_opened_again_and_progress_goes_on() {
    within(async {
        let recording = recorded("text_to_image");
        let (cut, steps) = (at(&recording, "progress"), 3);
        let last_step = recording.frames().len() - 8;
        let script = Script::new(recording)
            .before(cut, Act::CutSocket)
            .before(last_step, Act::Hold);
        let (server, run) = start(script).await;
        server.until(|seen| seen.frames == last_step).await;
        until_progress(
            &run,
            |p| matches!(p.state, RunState::Running { step: Some(step), .. } if step == steps),
        )
        .await;
        server.release();
        run.outcome().await.expect("a result");
        assert_eq!(server.seen().sockets, 2);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn malformed_frames_and_frames_of_other_runs_change_nothing() {
    within(async {
        let recording = recorded("text_to_image");
        let other = recording
            .under("11111111-2222-4333-8444-555555555555", "someone-else")
            .expect("a recording");
        let mut noise = vec![
            Frame::Text("{".into()),
            Frame::Text("[".repeat(50_000)),
            Frame::Text(r#"{"type":"executing","data":{"node":null}}"#.into()),
            Frame::Text(r#"{"type":"progress","data":{"value":1e308,"max":-1}}"#.into()),
            Frame::Binary(Vec::new()),
            Frame::Binary(vec![0, 0, 0, 4, 255, 255, 255, 255, 1]),
            Frame::Binary(vec![0, 0, 0, 1, 0, 0]),
        ];
        noise.extend(other.frames());
        // Held when the first node has begun: what was sent before that has then been heard.
        let begun = at(&recording, "executing") + 1;
        let script = Script::new(recording)
            .before(2, Act::Send(noise))
            .before(begun, Act::Hold);
        let (server, run) = start(script).await;
        let first =
            |p: &Progress| matches!(&p.state, RunState::Running { node: Some(node), step: None, .. } if node == "1");
        let progress = until_progress(&run, first).await;
        assert!(progress.fraction < 0.1 && progress.preview.is_none(), "{progress:?}");
        server.release();
        run.outcome().await.expect("a result");
        assert_eq!(server.seen().sockets, 1, "noise does not cost the connection");
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_frame_beyond_the_limit_costs_the_socket_and_not_the_run() {
    within(async {
        let recording = recorded("text_to_image");
        let huge = Frame::Text("x".repeat(17 * 1024 * 1024));
        let script = Script::new(recording)
            .before(5, Act::Send(vec![huge]))
            .before(6, Act::Hold);
        let (server, run) = start(script).await;
        server.until(|seen| seen.sockets == 2).await;
        server.release();
        run.outcome().await.expect("a result");
        nothing_unexpected(&server);
    })
    .await;
}

/// Patience for silence, as it is in earnest: what is plainly wrong is told all the same.
fn patient(server: &Replay) -> Runner {
    let config = RunConfig {
        poll_interval: Duration::from_millis(20),
        reconnect_delay: Duration::from_millis(5),
        ..RunConfig::default()
    };
    Runner::new(Client::new(self::config(server)).expect("a client"), config)
}

#[tokio::test]
async fn a_refused_connection_is_told_long_before_patience_with_silence_ends() {
    within(async {
        let recording = recorded("text_to_image");
        let dies = at(&recording, "progress");
        let script = Script::new(recording).before(dies, Act::Die);
        let submission = submission(&script);
        let server = Replay::start(script).expect("a server");
        let run = patient(&server).start(submission).await.expect("an accepted run");
        let error = run.outcome().await.expect_err("no server");
        assert!(matches!(error, ComfyError::Unreachable { .. }), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_record_that_comes_late_is_waited_for() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        // More looks than are made at once when success is heard, and more than two intervals.
        script.history_held = 80;
        let submission = submission(&script);
        let server = Replay::start(script).expect("a server");
        let run = patient(&server).start(submission).await.expect("an accepted run");
        assert_eq!(run.outcome().await.expect("a result").images.len(), 1);
        let seen = server.seen();
        assert!(seen.history_looks > 80, "{seen:?}");
        assert_eq!(seen.posts, 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_vanishes_from_the_queue_was_perhaps_removed_by_somebody() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        script.start = Start::Pending { ahead: 1 };
        let (server, run) = start(script).await;
        until_progress(&run, |p| matches!(p.state, RunState::Queued { .. })).await;
        // As the page does it.
        let id = run.prompt_id;
        runner(&server).client().delete_pending(id).await.expect("removed");
        let error = run.outcome().await.expect_err("gone");
        assert!(matches!(error, ComfyError::Lost { waited: true, .. }), "{error:?}");
        assert!(error.hint().contains("ask the user"), "{}", error.hint());
    })
    .await;
}
