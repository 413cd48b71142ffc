//! The scheduler against a living ComfyUI stand-in with a pretended GPU. The judge is pretended too: what it takes and
//! gives back is seen on the GPU.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use comfyui_stand_in::gpu::{Event, Gpu};
use comfyui_stand_in::studio::Studio;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::*;
use comfyui::client::ClientConfig;
use comfyui::runs::{RunConfig, Runner, Submission};
use judge::JudgeError;
use judge::engine::{EngineError, EngineFailure};

const GB: u64 = 1 << 30;

/// A judge that takes memory of the pretended GPU.
struct Pretended {
    gpu: Arc<Gpu>,
    needs: u64,
    /// What it thinks that it needs; the truth unless set.
    estimate: Option<u64>,
    loaded: AtomicBool,
}

impl Pretended {
    fn new(gpu: &Arc<Gpu>, needs: u64) -> Self {
        Self {
            gpu: Arc::clone(gpu),
            needs,
            estimate: None,
            loaded: AtomicBool::new(false),
        }
    }
}

impl Tenant for Pretended {
    fn may_use_gpu(&self) -> bool {
        true
    }

    fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::SeqCst)
    }

    fn memory_needed(&self) -> Result<u64, ServiceError> {
        Ok(self.estimate.unwrap_or(self.needs))
    }

    async fn gpus(&self, _: &CancellationToken) -> Result<Vec<u64>, ServiceError> {
        Ok(vec![self.gpu.free()])
    }

    async fn load(&self, _: &Teller, _: &CancellationToken) -> Result<(), ServiceError> {
        assert!(!self.gpu.is_rendering(), "the judge loads while a picture is rendered");
        if !self.gpu.take(self.needs) {
            return Err(JudgeError::from(EngineError::Failed(EngineFailure::new(
                std::io::Error::other("no memory"),
                String::new(),
                true,
            )))
            .into());
        }
        self.loaded.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn unload(&self) {
        self.gpu.release();
        self.loaded.store(false, Ordering::SeqCst);
    }
}

/// What a test works with.
struct Scene {
    gpu: Arc<Gpu>,
    judge: Pretended,
    sharing: Sharing,
    runner: Runner,
}

impl Scene {
    async fn lease_to_judge(&self) -> Result<Lease, ServiceError> {
        let never = CancellationToken::new();
        self.sharing.for_judging(&self.judge, &Teller::silent(), &never).await
    }

    async fn lease_to_render(&self) -> Lease {
        let never = CancellationToken::new();
        let lease = self.sharing.for_rendering(&self.judge, &Teller::silent(), &never).await;
        lease.unwrap()
    }

    /// A whole render under a lease; returns how the lease was had.
    async fn render(&self, seed: u64) -> Lease {
        let lease = self.lease_to_render().await;
        self.run(seed, 1).await.outcome().await.unwrap();
        self.sharing.rendered(&self.judge).await;
        lease
    }

    async fn run(&self, seed: u64, steps: u32) -> comfyui::runs::Run {
        let prompt_id = Uuid::new_v4();
        let submission = Submission {
            graph: graph(seed, steps),
            prompt_id,
            client_id: prompt_id.to_string(),
        };
        self.runner.start(submission).await.unwrap()
    }

    fn events(&self) -> Vec<Event> {
        self.gpu.events()
    }
}

fn graph(seed: u64, steps: u32) -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": seed, "steps": steps, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["2", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "shared"}},
    })
}

/// Runs a test beside a studio whose renders take `render` bytes of `total`, and a judge that needs `judge`.
async fn scene(
    policy: Policy,
    [total, render, judge]: [u64; 3],
    gives_back_after: Duration,
    test: impl AsyncFnOnce(Scene),
) {
    let gpu = Gpu::new(total, render);
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::from_millis(5))
        .await
        .unwrap();
    let studio = studio.with_gpu(Arc::clone(&gpu), gives_back_after);
    let client = Client::new(ClientConfig::new(studio.url().parse().unwrap())).unwrap();
    let quick = RunConfig {
        poll_interval: Duration::from_millis(20),
        ..RunConfig::default()
    };
    let scene = Scene {
        judge: Pretended::new(&gpu, judge),
        sharing: Sharing::new(policy, client.clone()),
        runner: Runner::new(client, quick),
        gpu,
    };
    tokio::select! {
        served = studio.serve() => panic!("{served:?}"),
        ended = tokio::time::timeout(Duration::from_secs(30), test(scene)) => ended.expect("the test has to end in time"),
    }
}

/// How the events follow each other, without repeats of a question.
fn story(events: &[Event]) -> Vec<Event> {
    let mut story = events.to_vec();
    story.dedup();
    story
}

#[tokio::test]
async fn where_both_do_not_fit_the_gpu_changes_hands_each_time() {
    scene(
        Policy::Auto,
        [24 * GB, 16 * GB, 10 * GB],
        Duration::from_millis(300),
        async |scene| {
            assert_eq!(scene.render(1).await.hand_over, None, "there is no judge to unload");
            let lease = scene.lease_to_judge().await.unwrap();
            let hand_over = lease.hand_over.expect("a hand-over");
            assert_eq!((hand_over.to, hand_over.freed), (Side::Judge, 16 * GB));
            assert!(hand_over.seconds >= 0.3, "{hand_over}: the memory was awaited");
            drop(lease);
            let back = scene.render(2).await.hand_over.expect("a hand-over");
            assert_eq!(back.to, Side::Comfyui);
            use Event::*;
            assert_eq!(
                story(&scene.events()),
                [
                    Rendering, Rendered, Asked, GaveBack, Taken, Released, Rendering, Rendered
                ]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn where_both_fit_nothing_is_unloaded() {
    scene(
        Policy::Auto,
        [32 * GB, 16 * GB, 10 * GB],
        Duration::ZERO,
        async |scene| {
            drop(scene.render(1).await);
            assert_eq!(scene.lease_to_judge().await.unwrap().hand_over, None);
            // They may even work at the same time.
            let render = scene.lease_to_render().await;
            assert_eq!(scene.lease_to_judge().await.unwrap().hand_over, None);
            assert_eq!(render.hand_over, None);
            assert!(scene.judge.is_loaded());
            assert_eq!(
                story(&scene.events()),
                [Event::Rendering, Event::Rendered, Event::Taken]
            );
        },
    )
    .await;
}

#[tokio::test]
async fn before_the_first_render_the_judge_makes_way() {
    scene(
        Policy::Auto,
        [32 * GB, 16 * GB, 10 * GB],
        Duration::ZERO,
        async |scene| {
            drop(scene.lease_to_judge().await.unwrap());
            assert!(scene.judge.is_loaded());
            assert_eq!(scene.render(1).await.hand_over.expect("a hand-over").to, Side::Comfyui);
            assert_eq!(
                scene.lease_to_judge().await.unwrap().hand_over,
                None,
                "now it is known that both fit"
            );
            assert_eq!(scene.render(2).await.hand_over, None);
        },
    )
    .await;
}

#[tokio::test]
async fn exclusive_asks_even_where_both_fit_and_shared_never_does() {
    let roomy = [64 * GB, 8 * GB, 4 * GB];
    scene(Policy::Exclusive, roomy, Duration::from_millis(300), async |scene| {
        drop(scene.render(1).await);
        let given = scene.lease_to_judge().await.unwrap().hand_over.expect("a hand-over");
        assert_eq!((given.to, given.freed), (Side::Judge, 8 * GB));
        let events = story(&scene.events());
        let [gave, taken] = [Event::GaveBack, Event::Taken].map(|event| events.iter().position(|e| *e == event));
        assert!(gave < taken, "never both in memory: {events:?}");
        assert_eq!(scene.render(2).await.hand_over.expect("a hand-over").to, Side::Comfyui);
    })
    .await;
    scene(Policy::Shared, roomy, Duration::ZERO, async |scene| {
        drop(scene.render(1).await);
        let judging = scene.lease_to_judge().await.unwrap();
        let rendering = scene.lease_to_render().await;
        assert_eq!((judging.hand_over, rendering.hand_over), (None, None));
        assert!(!scene.events().contains(&Event::Asked));
    })
    .await;
}

#[tokio::test]
async fn the_judge_waits_for_a_render_and_for_other_peoples_runs() {
    scene(
        Policy::Exclusive,
        [24 * GB, 16 * GB, 10 * GB],
        Duration::ZERO,
        async |scene| {
            // Somebody else's run, of which we hold no lease.
            let other = scene.run(1, 60).await;
            let mut progress = other.progress.clone();
            progress
                .wait_for(|p| matches!(p.state, comfyui::progress::RunState::Running { .. }))
                .await
                .unwrap();
            let (teller, told) = Teller::new();
            let never = CancellationToken::new();
            drop(scene.sharing.for_judging(&scene.judge, &teller, &never).await.unwrap());
            other.outcome().await.unwrap();
            use Event::*;
            assert_eq!(story(&scene.events()), [Rendering, Rendered, Asked, GaveBack, Taken]);
            assert!(!told.borrow().message.is_empty());

            // A lease of ours: the judgement waits until it is given up, and can be cancelled meanwhile.
            let rendering = scene.lease_to_render().await;
            let cancel = CancellationToken::new();
            let waiting = scene.sharing.for_judging(&scene.judge, &teller, &cancel);
            let mut waiting = std::pin::pin!(waiting);
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("it did not wait"),
                () = tokio::task::yield_now() => {}
            }
            assert!(
                told.borrow().message.contains("waiting for the GPU"),
                "{:?}",
                told.borrow()
            );
            cancel.cancel();
            assert!(matches!(waiting.await, Err(ServiceError::Cancelled(_))));
            drop(rendering);
            scene.lease_to_judge().await.unwrap();
        },
    )
    .await;
}

#[tokio::test]
async fn a_judge_that_finds_too_little_memory_after_all_asks_for_it() {
    let sizes = [24 * GB, 16 * GB, 10 * GB];
    scene(Policy::Auto, sizes, Duration::from_millis(300), async |mut scene| {
        drop(scene.render(1).await);
        // Eight are free, and six are thought to be enough.
        scene.judge.estimate = Some(6 * GB);
        let lease = scene.lease_to_judge().await.unwrap();
        assert_eq!(lease.hand_over.expect("a hand-over").freed, 16 * GB);
        assert!(scene.judge.is_loaded());
        drop(lease);
        let back = scene.render(2).await.hand_over;
        assert_eq!(back.expect("they take turns from now on").to, Side::Comfyui);
    })
    .await;
}

#[tokio::test]
async fn a_judgement_that_runs_out_makes_room_and_may_be_tried_again() {
    scene(
        Policy::Auto,
        [24 * GB, 16 * GB, 4 * GB],
        Duration::ZERO,
        async |scene| {
            drop(scene.render(1).await);
            let _lease = scene.lease_to_judge().await.unwrap();
            assert_eq!(scene.gpu.free(), 4 * GB, "both lie there");
            let never = CancellationToken::new();
            assert!(
                scene
                    .sharing
                    .make_way(&scene.judge, &Teller::silent(), &never)
                    .await
                    .unwrap()
            );
            assert_eq!((scene.judge.is_loaded(), scene.gpu.free()), (false, 24 * GB));
        },
    )
    .await;
}

#[tokio::test]
async fn a_render_that_runs_out_makes_them_take_turns() {
    scene(
        Policy::Auto,
        [24 * GB, 12 * GB, 10 * GB],
        Duration::ZERO,
        async |scene| {
            drop(scene.render(1).await);
            drop(scene.lease_to_judge().await.unwrap());
            assert_eq!(scene.render(2).await.hand_over, None, "both fit");
            assert!(scene.sharing.ran_out(&scene.judge));
            assert_eq!(
                scene.lease_to_render().await.hand_over.expect("a hand-over").to,
                Side::Comfyui
            );
            assert!(
                !scene.sharing.ran_out(&scene.judge),
                "without the judge there is nothing to win"
            );
        },
    )
    .await;
}

#[tokio::test]
async fn without_comfyui_the_judge_just_loads() {
    let gpu = Gpu::new(24 * GB, 0);
    let judge = Pretended::new(&gpu, 10 * GB);
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let client = Client::new(ClientConfig::new(format!("http://127.0.0.1:{port}/").parse().unwrap())).unwrap();
    let sharing = Sharing::new(Policy::Exclusive, client);
    let lease = sharing
        .for_judging(&judge, &Teller::silent(), &CancellationToken::new())
        .await
        .unwrap();
    assert!(judge.is_loaded() && lease.hand_over.is_none());
}

#[tokio::test]
async fn a_comfyui_elsewhere_is_another_machine_unless_told() {
    let gpu = Gpu::new(24 * GB, 0);
    let judge = Pretended::new(&gpu, 10 * GB);
    for (address, here) in [
        ("http://localhost:8188/", true),
        ("http://127.0.0.1:8188/", true),
        ("http://[::1]:8188/", true),
        ("http://192.168.1.5:8188/", false),
        ("https://gpu.example.org/comfy/", false),
    ] {
        let client = Client::new(ClientConfig::new(address.parse().unwrap())).unwrap();
        assert_eq!(
            Sharing::new(Policy::Auto, client.clone()).concerns(&judge),
            here,
            "{address}"
        );
        assert!(Sharing::new(Policy::Exclusive, client.clone()).concerns(&judge));
        assert!(!Sharing::new(Policy::Shared, client).concerns(&judge));
    }
}
