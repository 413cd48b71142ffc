//! Runs against a server that plays recorded ComfyUI runs back, and goes wrong in every way that was seen.

use std::future::Future;
use std::time::Duration;

use comfyui::calls::QueueState;
use comfyui::client::{Auth, Client, ClientConfig};
use comfyui::error::{ComfyError, NodeProblem, ProblemKind};
use comfyui::graph::Graph;
use comfyui::images::{Form, ImageKind, ImageRef};
use comfyui::progress::{Progress, RunState};
use comfyui::runs::{Cancelled, Run, RunConfig, Runner, Submission};
use comfyui_stand_in::replay::{Act, Answer, Frame, Post, Recording, Replay, Script, Seen, Start};
use serde_json::json;
use uuid::Uuid;

mod calls;
mod faults;
mod support;

use support::*;

const T2I_FILE: &str = "/view?filename=t2i_00001_.png&subfolder=&type=output";

#[tokio::test]
async fn a_run_gives_steps_images_and_the_graph_as_run() {
    within(async {
        let recording = recorded("text_to_image");
        let graph = recording.graph().clone();
        // Held before the second step, so that the first is seen for sure.
        let second_step = at(&recording, "progress") + 1;
        let script = Script::new(recording)
            .before(second_step, Act::Hold)
            .answer(&format!("GET {T2I_FILE}"), Answer::Bytes(200, b"picture".to_vec()));
        let (server, run) = start(script).await;
        let seen = until_progress(&run, |p| matches!(p.state, RunState::Running { step: Some(1), .. })).await;
        let expected = RunState::Running {
            node: Some("5".into()),
            title: Some("KSampler".into()),
            step: Some(1),
            steps: Some(3),
        };
        assert_eq!(seen.state, expected);
        assert!(seen.fraction > 0.4 && seen.fraction < 0.8, "{}", seen.fraction);
        assert!(seen.preview.is_some_and(|preview| preview.node.as_deref() == Some("5")));
        server.release();

        let finished = run.outcome().await.expect("a result");
        assert_eq!(finished.graph, graph);
        assert!(!finished.cached);
        assert_eq!(finished.seconds, Some(7.612));
        let [image] = &finished.images[..] else {
            panic!("{:?}", finished.images)
        };
        assert_eq!(
            (
                image.node_id.as_str(),
                image.filename.as_str(),
                image.kind,
                image.cached
            ),
            ("7", "t2i_00001_.png", ImageKind::Output, false)
        );
        assert!((run.progress.borrow().fraction - 1.0).abs() < 1e-6);
        let bytes = runner(&server)
            .client()
            .output_image(image, 1024)
            .await
            .expect("the image");
        assert_eq!(bytes, b"picture");
        assert_eq!(run.outcome().await, Ok(finished), "the outcome can be asked for again");
        assert_eq!(server.seen().posts, 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_cached_run_says_so_and_a_file_that_is_gone_is_named() {
    within(async {
        let script = Script::new(recorded("cached")).answer(&format!("GET {T2I_FILE}"), Answer::Bytes(404, Vec::new()));
        let (server, run) = start(script).await;
        let finished = run.outcome().await.expect("a result");
        assert!(finished.cached && finished.images[0].cached);
        let error = runner(&server)
            .client()
            .output_image(&finished.images[0], 1024)
            .await
            .expect_err("no file");
        assert_eq!(
            error,
            ComfyError::ImageGone {
                filename: "t2i_00001_.png".into(),
                cached: true
            }
        );
        assert!(
            error.to_string().contains("the file of the cached result is gone"),
            "{error}"
        );
        let hint = error.hint();
        assert!(hint.contains("seed") && hint.contains("restart ComfyUI"), "{hint}");
        assert!(!hint.contains("free_memory"), "no tool has it: {hint}");
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn previews_are_used_when_nothing_was_saved() {
    within(async {
        let (server, run) = start(Script::new(recorded("preview_only"))).await;
        let finished = run.outcome().await.expect("a result");
        assert!(!finished.images.is_empty());
        assert!(
            finished.images.iter().all(|image| image.kind == ImageKind::Temp),
            "{:?}",
            finished.images
        );
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_refused_graph_names_nodes_inputs_and_remedies() {
    within(async {
        let (server, problems) = refused(Script::new(recorded("refused_values"))).await;
        let found: Vec<_> = problems
            .iter()
            .map(|p| {
                (
                    p.node_id.as_deref(),
                    p.class.as_deref(),
                    p.input.as_deref(),
                    p.kind.clone(),
                )
            })
            .collect();
        let expected = [
            (
                Some("5"),
                Some("KSampler"),
                Some("sampler_name"),
                ProblemKind::NotInList,
            ),
            (
                Some("5"),
                Some("KSampler"),
                Some("negative"),
                ProblemKind::RequiredInputMissing,
            ),
        ];
        assert_eq!(found, expected);
        let error = ComfyError::Validation { problems };
        assert!(
            error.to_string().contains("node 5 (KSampler) input sampler_name"),
            "{error}"
        );
        assert!(
            error.hint().contains("`sampler_name`") && error.hint().contains("`negative`"),
            "{}",
            error.hint()
        );
        nothing_unexpected(&server);

        let (_server, problems) = refused(Script::new(recorded("refused_checkpoint"))).await;
        assert!(problems[0].message.contains("nope.safetensors"), "{problems:?}");
        let (_server, problems) = refused(Script::new(recorded("refused_class"))).await;
        assert_eq!(
            (
                problems[0].kind.clone(),
                problems[0].title.as_deref(),
                problems[0].node_id.as_deref()
            ),
            (ProblemKind::UnknownClass, Some("My Node"), Some("9"))
        );
        let (_server, problems) = refused(Script::new(recorded("refused_class_0_3_64"))).await;
        assert_eq!(
            (problems[0].kind.clone(), problems[0].node_id.as_deref()),
            (ProblemKind::UnknownClass, Some("9"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_partly_accepted_graph_is_a_failure_and_its_job_is_cancelled() {
    within(async {
        let mut script = Script::new(recorded("partly_accepted"));
        script.start = Start::Pending { ahead: 0 };
        let (server, problems) = refused(script).await;
        assert_eq!(
            (problems[0].node_id.as_deref(), problems[0].input.as_deref()),
            (Some("5"), Some("upscale_method"))
        );
        assert_eq!(server.seen().deletions, 1, "the accepted part must not run");
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_raises_is_named_and_running_out_of_memory_is_told_apart() {
    within(async {
        let (server, run) = start(Script::new(recorded("node_raises"))).await;
        let error = run.outcome().await.expect_err("a failure");
        let ComfyError::NodeFailed {
            node_id,
            class,
            message,
            exception_type,
            out_of_memory,
            ..
        } = &error
        else {
            panic!("{error:?}")
        };
        assert_eq!(
            (
                node_id.as_str(),
                class.as_str(),
                exception_type.as_str(),
                *out_of_memory
            ),
            ("2", "SpikeRaise", "ValueError", false)
        );
        assert_eq!(message, "boom: something failed");
        nothing_unexpected(&server);

        let (server, run) = start(Script::new(recorded("out_of_memory"))).await;
        let error = run.outcome().await.expect_err("a failure");
        assert!(
            matches!(
                &error,
                ComfyError::NodeFailed {
                    out_of_memory: true,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(error.hint().contains("memory"), "{}", error.hint());
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_failed_run_with_partial_outputs_is_a_failure() {
    within(async {
        let (server, run) = start(Script::new(recorded("partial_failure"))).await;
        assert!(matches!(run.outcome().await, Err(ComfyError::NodeFailed { .. })));
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn a_blocked_branch_does_not_end_the_run() {
    within(async {
        let (server, run) = start(Script::new(recorded("blocked"))).await;
        let finished = run.outcome().await.expect("success follows");
        assert!(finished.images.is_empty());
        assert_eq!(
            (finished.blocked[0].node_id.as_str(), finished.blocked[0].class.as_str()),
            ("3", "SaveImage")
        );
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn cancelling_a_running_run_interrupts_it_and_sees_it_stop() {
    within(async {
        let recording = recorded("interrupted");
        let mut script = Script::new(recording.clone()).before(at(&recording, "execution_interrupted"), Act::Hold);
        script.interrupted = Some(recording);
        let (server, run) = start(script).await;
        until_progress(&run, |p| matches!(p.state, RunState::Running { .. })).await;
        assert_eq!(run.cancel().await, Ok(Cancelled::Interrupted));
        let expected = ComfyError::Interrupted {
            prompt_id: run.prompt_id,
            node_id: Some("2".into()),
        };
        assert_eq!(run.outcome().await, Err(expected));
        assert!(server.seen().interrupts >= 1);
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn cancelling_a_waiting_run_removes_it() {
    within(async {
        let mut script = Script::new(recorded("text_to_image"));
        script.start = Start::Pending { ahead: 2 };
        let (server, run) = start(script).await;
        let seen = until_progress(&run, |p| matches!(p.state, RunState::Queued { .. })).await;
        assert_eq!(seen.state, RunState::Queued { position: 3 });
        assert_eq!(run.cancel().await, Ok(Cancelled::Removed));
        assert_eq!(
            run.outcome().await,
            Err(ComfyError::Interrupted {
                prompt_id: run.prompt_id,
                node_id: None
            })
        );
        let seen = server.seen();
        assert_eq!((seen.deletions, seen.interrupts, seen.frames), (1, 0, 0));
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn cancelling_what_is_over_leaves_the_result() {
    within(async {
        let (server, run) = start(Script::new(recorded("cached"))).await;
        run.outcome().await.expect("a result");
        assert_eq!(run.cancel().await, Ok(Cancelled::AlreadyOver));
        assert!(run.outcome().await.is_ok());
        nothing_unexpected(&server);
    })
    .await;
}

#[tokio::test]
async fn success_is_not_the_end_until_the_history_is_there() {
    within(async {
        let recording = recorded("text_to_image");
        let last = at(&recording, "execution_success") + 1;
        let mut script = Script::new(recording).before(last, Act::Hold);
        script.history_held = 3;
        let (server, run) = start(script).await;
        let looks = server.until(|seen| seen.frames == last).await.history_looks;
        // Success was sent. Several more looks find nothing, and the run is still not over.
        server.until(|seen| seen.history_looks >= looks + 4).await;
        assert!(
            tokio::time::timeout(Duration::ZERO, run.outcome()).await.is_err(),
            "success alone is not the end"
        );
        server.release();
        assert_eq!(run.outcome().await.expect("a result").images.len(), 1);
        nothing_unexpected(&server);
    })
    .await;
}
