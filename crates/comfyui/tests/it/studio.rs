//! Whole runs against the drawing stand-in of the demo.

use std::future::Future;
use std::time::Duration;

use comfyui::client::{Client, ClientConfig};
use comfyui::error::{ComfyError, ProblemKind};
use comfyui::progress::RunState;
use comfyui::runs::{Cancelled, RunConfig, Runner, Submission};
use comfyui_stand_in::studio::Studio;
use serde_json::{Value, json};
use uuid::Uuid;

/// Serves a studio while the work goes on; neither lasts for ever.
async fn with_studio<F: Future<Output = ()>>(step: Duration, work: impl FnOnce(Runner) -> F) {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), step).await.expect("a port");
    let client = Client::new(ClientConfig::new(studio.url().parse().expect("a URL"))).expect("a client");
    let quick = RunConfig {
        poll_interval: Duration::from_millis(20),
        ..RunConfig::default()
    };
    let work = work(Runner::new(client, quick));
    tokio::select! {
        served = studio.serve() => panic!("{served:?}"),
        ended = tokio::time::timeout(Duration::from_secs(20), work) => ended.expect("the test has to end in time"),
    }
}

fn graph(prompt: &str, seed: u64, steps: u32) -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "8": {"class_type": "CalibratorPromptReceptor", "inputs": {"positive": prompt, "negative": "blurry", "seed": seed}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 1], "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": ["8", 2], "steps": steps, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "demo/circle"}},
    })
}

fn submission(graph: Value) -> Submission {
    let prompt_id = Uuid::new_v4();
    Submission {
        graph,
        prompt_id,
        client_id: prompt_id.to_string(),
    }
}

#[tokio::test]
async fn a_prompt_becomes_a_picture_and_the_same_again_comes_from_the_cache() {
    with_studio(Duration::ZERO, async |runner| {
        assert_eq!(runner.client().system_stats().await.expect("stats").version, "stand-in");
        let first = runner
            .start(submission(graph("a red circle", 1, 3)))
            .await
            .expect("a run");
        let finished = first.outcome().await.expect("a result");
        assert!(!finished.cached);
        let png = runner
            .client()
            .output_image(&finished.images[0], 10_000_000)
            .await
            .expect("a picture");
        assert!(png.starts_with(b"\x89PNG") && finished.images[0].subfolder == "demo");

        let again = runner
            .start(submission(graph("a red circle", 1, 3)))
            .await
            .expect("a run")
            .outcome()
            .await
            .expect("a result");
        assert!(again.cached);
        assert_eq!(again.images[0].filename, finished.images[0].filename);
        let other = runner
            .start(submission(graph("a blue circle", 1, 3)))
            .await
            .expect("a run")
            .outcome()
            .await
            .expect("a result");
        let blue = runner
            .client()
            .output_image(&other.images[0], 10_000_000)
            .await
            .expect("a picture");
        assert!(!other.cached && blue != png);
        let mut last = runner.client().last_graph().await.unwrap().expect("a graph");
        // Every node that was posted has a title, also where it had none.
        for node in last.as_object_mut().unwrap().values_mut() {
            assert_eq!(node["_meta"]["title"], node["class_type"]);
            node.as_object_mut().unwrap().remove("_meta");
        }
        assert_eq!(last, graph("a blue circle", 1, 3));
    })
    .await;
}

#[tokio::test]
async fn one_runs_while_the_other_waits_and_both_can_be_cancelled() {
    with_studio(Duration::from_millis(20), async |runner| {
        let running = runner
            .start(submission(graph("a red circle", 1, 1000)))
            .await
            .expect("a run");
        let waiting = runner
            .start(submission(graph("a blue circle", 1, 1000)))
            .await
            .expect("a run");
        let mut progress = waiting.progress.clone();
        progress
            .wait_for(|p| p.state == RunState::Queued { position: 1 })
            .await
            .expect("progress");
        let mut progress = running.progress.clone();
        progress
            .wait_for(|p| {
                matches!(
                    p.state,
                    RunState::Running {
                        step: Some(3..),
                        steps: Some(1000),
                        ..
                    }
                ) && p.eta.is_some()
            })
            .await
            .expect("steps");
        assert_eq!(waiting.cancel().await, Ok(Cancelled::Removed));
        assert_eq!(running.cancel().await, Ok(Cancelled::Interrupted));
        assert!(
            matches!(running.outcome().await, Err(ComfyError::Interrupted { node_id: Some(node), .. }) if node == "5")
        );
        assert!(matches!(
            waiting.outcome().await,
            Err(ComfyError::Interrupted { node_id: None, .. })
        ));
    })
    .await;
}

#[tokio::test]
async fn uploads_and_refusals_are_as_with_comfyui() {
    with_studio(Duration::ZERO, async |runner| {
        let client = runner.client();
        assert_eq!(
            client.upload_image("ref.png", b"one".to_vec()).await,
            Ok("ref.png".into())
        );
        assert_eq!(
            client.upload_image("ref.png", b"one".to_vec()).await,
            Ok("ref.png".into())
        );
        assert_eq!(
            client.upload_image("ref.png", b"two".to_vec()).await,
            Ok("ref (1).png".into())
        );
        client.free(true, true).await.expect("freed");
        let known = client
            .object_info_for(&["KSampler", "LoraLoader"])
            .await
            .expect("definitions");
        assert!(known["KSampler"].is_some() && known["LoraLoader"].is_none());
        let mut wrong = graph("x", 1, 3);
        wrong["1"]["inputs"]["ckpt_name"] = json!("other.safetensors");
        match runner.start(submission(wrong)).await {
            Err(ComfyError::Validation { problems }) => assert_eq!(problems[0].kind, ProblemKind::NotInList),
            other => panic!("{other:?}"),
        }
    })
    .await;
}
