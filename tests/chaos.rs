//! Calibrations over a connection that delays, cuts, truncates, duplicates, reorders and lies, and through kills and doubles of
//! the program: nothing hangs, no picture goes to the wrong run, no run is lost, none is rendered twice. Calls of several seeds are
//! broken off, and in every third run stopped; what was asked for is finished by calls that do not name the seeds any more.
//!
//! `CHAOS_RUNS` is how many seeded runs there are, 48 unless set; `CHAOS_FIRST` is the first seed. A seed says
//! what goes wrong on which connection; which request meets it is a matter of time, too.
//!
//! A binary of its own: cargo runs one binary after another, and six programs with limits of fractions of a second leave no
//! processor for anybody else's test. `.ci/long` runs it with thousands of seeds.

#![cfg(test)]

#[path = "it/support/chain.rs"]
mod chain;
#[path = "chaos/proxy.rs"]
mod proxy;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use comfyui::calls::Submitted;
use comfyui::client::{Client, ClientConfig};
use comfyui::graph::Graph;
use comfyui::runs::RunConfig;
use comfyui_stand_in::gpu::{Event, Gpu};
use comfyui_stand_in::studio::Studio;
use futures::StreamExt;
use history::{NewRun, Run, RunState, RunUpdate, Store};
use llama::Llama;
use llama::spec::ModelSpec;
use llama::worker::WorkerConfig;
use prompt_calibrator::config::Roots;
use prompt_calibrator::session::{
    InjectRequest, Injected, KeptPicture, Parts, Policy, QueueAnswer, QueueRequest, Service, ServiceError,
};
use proxy::Proxy;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use types::progress::Teller;
use types::{IterationNo, PromptId, Seed, SessionId};

/// How long the client waits for an answer; the proxy goes beyond it now and then.
const PATIENCE: Duration = Duration::from_millis(400);
/// Tries before the connection calms down.
const TRIES: usize = 3;

fn workflow() -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "nothing yet", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": 0, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "chaos"}},
    })
}

/// A running program. Dropping it is killing it: whatever it is at stops where it stands.
struct Program {
    service: Service,
    runtime: Option<Runtime>,
}

impl Program {
    /// A fresh one on the history of the one before it.
    fn start(data: &Path, url: &str, policy: Policy) -> Self {
        Self::with_patience(data, url, policy, PATIENCE)
    }

    /// One that waits so long for an answer.
    fn with_patience(data: &Path, url: &str, policy: Policy, patience: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let inside = runtime.enter();
        let service = service(data, url, policy, patience);
        drop(inside);
        Self {
            service,
            runtime: Some(runtime),
        }
    }

    /// Something the program does, on its own threads.
    async fn does<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().unwrap().spawn(work).await.unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn service(data: &Path, url: &str, policy: Policy, patience: Duration) -> Service {
    let mut client = ClientConfig::new(url.parse().unwrap());
    client.request_timeout = patience;
    Service::new(Parts {
        store: Store::open(data.to_owned()),
        comfy: Client::new(client).unwrap(),
        runs: RunConfig {
            poll_interval: Duration::from_millis(30),
            grace: Duration::from_secs(3),
            late_record: Duration::from_secs(1),
            cancel_limit: Duration::from_secs(3),
            reconnect_delay: Duration::from_millis(10),
        },
        // Never started: nothing is judged here.
        engine: Arc::new(Llama::new(WorkerConfig::new(
            PathBuf::from("no-judge"),
            ModelSpec {
                model: PathBuf::new(),
                mmproj: PathBuf::new(),
                image_tokens: 64,
                threads: None,
                gpu_layers: None,
                adapters: Vec::new(),
                keep: None,
            },
        ))),
        evidence: None,
        roots: Roots::new(vec![data.to_owned()], None, data.to_owned()),
        rubric: prompt_calibrator::config::RubricChoice::Name("scenes".into()),
        gpu_sharing: policy,
    })
}

/// The session and the iteration that a prompt was written into, however often it has to be asked for.
async fn injected(program: &Program, data: &Path, prompt: &str) -> (SessionId, u32) {
    let file = data.join("workflow.json");
    std::fs::write(&file, workflow().to_string()).unwrap();
    let request = InjectRequest {
        workflow: Some(file.display().to_string()),
        positive: Some(prompt.to_owned()),
        ..InjectRequest::default()
    };
    let service = program.service.clone();
    match program
        .does(async move { service.inject(request, &CancellationToken::new()).await })
        .await
        .unwrap()
    {
        Injected::Draft(draft) => (draft.session.id.clone(), draft.n.get()),
        Injected::Question(question) => panic!("{question:?}"),
    }
}

/// One calibration step through the chaos of one seed.
async fn one(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let gpu = Gpu::new(1 << 34, 1 << 30);
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::from_millis(3))
        .await
        .unwrap();
    let studio = studio.with_gpu(Arc::clone(&gpu), Duration::ZERO);
    let posted = studio.posted();
    let address = studio.url().trim_start_matches("http://").parse().unwrap();
    let serving = tokio::spawn(studio.serve());
    let proxy = Proxy::before(address, seed, PATIENCE).await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();

    let prompt = format!(
        "a red circle and {} blue squares, number {seed}",
        random.random_range(2..9)
    );
    let seeds: Vec<Seed> = (0..random.random_range(1..4)).map(|_| Seed(random.random())).collect();
    let policy = if random.random_bool(0.5) {
        Policy::Exclusive
    } else {
        Policy::Shared
    };
    let mut program = Program::start(data, &proxy.url, policy);
    let mut others = Vec::new();
    let (session, n) = injected(&program, data, &prompt).await;
    let number = IterationNo::new(n).unwrap();
    let stops = seed.is_multiple_of(3);

    let mut done = None;
    for attempt in 0.. {
        if attempt == TRIES {
            proxy.calm_down();
        }
        assert!(
            attempt < TRIES + 4,
            "seed {seed}: it does not get done on a good connection"
        );
        // A call that was broken off is followed by one that does not repeat the seeds: the program knows them.
        let remembered = program.service.store().seeds_of(&session, number).await.unwrap();
        assert!(
            remembered.is_empty() || remembered == seeds,
            "seed {seed}: {remembered:?}"
        );
        let request = QueueRequest {
            iteration: Some(n),
            seeds: match remembered.is_empty() || random.random_bool(0.3) {
                true => seeds.clone(),
                false => Vec::new(),
            },
            // Now and then the caller looks away, or the program is killed at some point of its work.
            wait: Duration::from_millis(if attempt < TRIES {
                random.random_range(0..600)
            } else {
                20_000
            }),
            ..asked(&session, n)
        };
        match program.does(queue(&program, request)).await {
            // Of several seeds some may have failed; asking again makes up for them.
            Ok(QueueAnswer::Done { queued, .. }) if queued.runs.len() == seeds.len() => {
                done = Some(queued);
                break;
            }
            Ok(QueueAnswer::Done { .. } | QueueAnswer::GoesOn { .. }) | Err(_) => {}
            Ok(other) => panic!("seed {seed}: {other:?}"),
        }
        if stops && attempt < TRIES && random.random_bool(0.5) {
            let stop = QueueRequest {
                stop: true,
                ..asked(&session, n)
            };
            // Whether something ran is a matter of time.
            let _ = program.does(queue(&program, stop)).await;
        }
        if attempt < TRIES && random.random_bool(0.4) {
            // Killed, or still at work beside a second one on the same history.
            let before = std::mem::replace(&mut program, Program::start(data, &proxy.url, policy));
            if random.random_bool(0.3) {
                others.push(before);
            }
            if random.random_bool(0.5) {
                let service = program.service.clone();
                program.does(async move { service.resume_open_runs() }).await;
            }
        }
    }
    let done = done.unwrap();

    // Every picture belongs to the run it is recorded for: the graph that made it is in the file.
    let mut pictures = BTreeSet::new();
    for report in &done.runs {
        assert_eq!(report.images.len(), 1, "seed {seed}");
        let KeptPicture { image, file } = &report.images[0];
        let made_by = Graph::parse(&std::fs::read(file.path().unwrap()).unwrap()).unwrap();
        assert_eq!(
            made_by.node("5").unwrap().literal("seed"),
            Some(&json!(report.run.seed)),
            "seed {seed}"
        );
        assert_eq!(
            made_by.node("2").unwrap().literal("text"),
            Some(&json!(prompt)),
            "seed {seed}"
        );
        pictures.insert(image.hash);
    }
    assert_eq!(
        pictures.len(),
        seeds.len(),
        "seed {seed}: each run has a picture of its own"
    );

    // One finished run a seed, none left open, and nothing was rendered twice.
    let runs = program.service.store().runs_of(&session, None).await.unwrap();
    let states: Vec<(Seed, RunState)> = runs.iter().map(|run| (run.seed, run.state)).collect();
    let posted = posted.lock().unwrap().clone();
    let ids: BTreeSet<&String> = posted.iter().collect();
    for wanted in &seeds {
        let finished = states
            .iter()
            .filter(|(own, state)| own == wanted && *state == RunState::Finished);
        assert_eq!(finished.count(), 1, "seed {seed}: {states:?}");
    }
    assert!(
        states.iter().all(|(_, state)| !state.is_open()),
        "seed {seed}: {states:?}"
    );
    assert_eq!(posted.len(), ids.len(), "seed {seed}: each was sent once: {posted:?}");
    // What did not finish was never sent, unless it was told to stop.
    let sent = |run: &&Run| ids.contains(&run.prompt_id.to_string());
    let given_up = runs.iter().filter(|run| run.state != RunState::Finished).filter(sent);
    let stopped = given_up.count();
    assert!(stops || stopped == 0, "seed {seed}: {states:?}");
    assert_eq!(posted.len(), seeds.len() + stopped, "seed {seed}: {states:?}");
    let renders = gpu.events().iter().filter(|event| **event == Event::Rendering).count();
    assert!(
        (seeds.len()..=posted.len()).contains(&renders),
        "seed {seed}: {renders} renders: {states:?}"
    );
    serving.abort();
}

/// A request for what an iteration was asked for.
fn asked(session: &SessionId, n: u32) -> QueueRequest {
    QueueRequest {
        iteration: Some(n),
        wait: Duration::from_secs(20),
        edits: InjectRequest {
            session: Some(session.to_string()),
            ..InjectRequest::default()
        },
        ..QueueRequest::default()
    }
}

/// The call of a program, to be run by it.
fn queue(
    program: &Program,
    request: QueueRequest,
) -> impl Future<Output = Result<QueueAnswer, ServiceError>> + Send + use<> {
    cancellable(program, request, CancellationToken::new())
}

fn cancellable(
    program: &Program,
    request: QueueRequest,
    cancel: CancellationToken,
) -> impl Future<Output = Result<QueueAnswer, ServiceError>> + Send + use<> {
    let service = program.service.clone();
    async move { service.queue(request, &Teller::silent(), &cancel).await }
}

/// A run of seed 5 that was written down by a program which ended before it sent it.
async fn prepared(program: &Program, session: &SessionId, n: u32) -> PromptId {
    let run = NewRun {
        prompt_id: PromptId::random(),
        session: session.clone(),
        iteration: IterationNo::new(n).unwrap(),
        seed: Seed(5),
        server: program.service.comfy().url_for_people(),
    };
    program.service.store().prepare_run(run).await.unwrap().prompt_id
}

/// A program was killed after it had written a run down, and then the clock was set back by a day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_holds_nothing_up() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let (url, posted) = (studio.url(), studio.posted());
    let serving = tokio::spawn(studio.serve());
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &url, Policy::Shared);
    let (session, n) = injected(&program, folder.path(), "a red circle").await;
    let store = program.service.store();
    prepared(&program, &session, n).await;
    let history = rusqlite::Connection::open(folder.path().join("history.sqlite")).unwrap();
    let day = Duration::from_secs(86_400).as_millis().to_string();
    let changed = history.execute(&format!("UPDATE runs SET prepared_at = prepared_at + {day}"), ());
    assert_eq!(changed.unwrap(), 1);

    let answer = program.does(queue(&program, asked(&session, n))).await.unwrap();
    let QueueAnswer::Done { queued, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(queued.seeds, [Seed(5)]);
    assert_eq!(posted.lock().unwrap().len(), 1);
    assert_eq!(store.runs_of(&session, None).await.unwrap().len(), 1);
    serving.abort();
}

/// Another program wrote a run down and may be about to send it: whoever cancels does not wait until that is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_while_an_earlier_request_is_looked_for() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let (url, posted) = (studio.url(), studio.posted());
    let serving = tokio::spawn(studio.serve());
    let folder = tempfile::tempdir().unwrap();
    // So long a request may be on its way: longer than this test may take.
    let patience = Duration::from_secs(300);
    let program = Program::with_patience(folder.path(), &url, Policy::Shared, patience);
    let (session, n) = injected(&program, folder.path(), "a red circle").await;
    let store = program.service.store();
    prepared(&program, &session, n).await;

    let cancel = CancellationToken::new();
    let (teller, mut told) = Teller::new();
    let (service, heard) = (program.service.clone(), cancel.clone());
    let request = QueueRequest {
        wait: patience,
        ..asked(&session, n)
    };
    let running = program.runtime.as_ref().unwrap();
    let call = running.spawn(async move { service.queue(request, &teller, &heard).await });
    let looking = told.wait_for(|progress| progress.message.contains("earlier request"));
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, looking).await.expect("it looks").unwrap();
    cancel.cancel();
    let ended = tokio::time::timeout(limit, call).await;
    let error = ended.expect("it is heard").unwrap().unwrap_err();
    assert!(error.is_cancellation(), "{error}");
    assert!(posted.lock().unwrap().is_empty(), "nothing was sent");
    let runs = store.runs_of(&session, None).await.unwrap();
    let states: Vec<RunState> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [RunState::Prepared], "it is the other program's still");
    serving.abort();
}

/// Working through a large workflow takes a while: whoever cancels does not wait for it, and nothing is recorded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_while_a_workflow_is_worked_through() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let url = studio.url();
    let serving = tokio::spawn(studio.serve());
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &url, Policy::Shared);
    let graph = chain::with_samplers(workflow(), 2_000);
    let file = folder.path().join("many.json");
    std::fs::write(&file, graph.to_string()).unwrap();
    let request = InjectRequest {
        workflow: Some(file.display().to_string()),
        positive: Some("a red circle".to_owned()),
        place: [("positive".to_owned(), "2.text".to_owned())].into(),
        ..InjectRequest::default()
    };
    let cancel = CancellationToken::new();
    cancel.cancel();
    let service = program.service.clone();
    let (asked, heard) = (request.clone(), cancel.clone());
    let error = program
        .does(async move { service.inject(asked, &heard).await })
        .await
        .unwrap_err();
    assert!(error.is_cancellation(), "{error}");
    let sessions = program.service.store().sessions(0, 10).await.unwrap();
    assert!(sessions.is_empty(), "{sessions:?}");

    // It held no turn: the next call gets one.
    let service = program.service.clone();
    let made = program
        .does(async move { service.inject(request, &CancellationToken::new()).await })
        .await;
    assert!(matches!(made, Ok(Injected::Draft(_))), "{made:?}");
    serving.abort();
}

/// ComfyUI's record of a run came later than anybody waited: the run counts as lost, and is not rendered again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_counted_as_lost_is_found_when_its_record_has_come() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let (url, posted) = (studio.url(), studio.posted());
    let serving = tokio::spawn(studio.serve());
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), &url, Policy::Shared);
    let (session, n) = injected(&program, folder.path(), "a red circle").await;
    let store = program.service.store();
    let id = prepared(&program, &session, n).await;
    let lost = RunUpdate::Lost {
        error: "its record was late".to_owned(),
    };
    for update in [RunUpdate::Submitted, lost] {
        store.update_run_state(id, update).await.unwrap();
    }
    let mut graph = workflow();
    graph["5"]["inputs"]["seed"] = json!(5);
    let sent = program.service.comfy().submit(id.0, &graph, "nobody").await;
    assert_eq!(sent, Ok(Submitted::Whole));

    let answer = program.does(queue(&program, asked(&session, n))).await.unwrap();
    let QueueAnswer::Done { queued, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(queued.runs[0].run.prompt_id, id);
    assert_eq!(*posted.lock().unwrap(), [id.to_string()], "it was rendered once");
    let runs = store.runs_of(&session, None).await.unwrap();
    assert_eq!(
        (runs.len(), runs[0].state, &runs[0].error),
        (1, RunState::Finished, &None)
    );
    serving.abort();
}

/// A picture comes byte by byte: whoever cancels does not wait for it, and it is fetched by the next call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_is_heard_while_pictures_are_fetched() {
    let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
    let (address, posted) = (
        studio.url().trim_start_matches("http://").parse().unwrap(),
        studio.posted(),
    );
    let serving = tokio::spawn(studio.serve());
    let proxy = Proxy::before(address, 1, PATIENCE).await;
    proxy.calm_down();
    proxy.drip(true);
    let folder = tempfile::tempdir().unwrap();
    // Longer than this test may take.
    let patience = Duration::from_secs(300);
    let program = Program::with_patience(folder.path(), &proxy.url, Policy::Shared, patience);
    let (session, n) = injected(&program, folder.path(), "a red circle").await;

    let cancel = CancellationToken::new();
    let running = program.runtime.as_ref().unwrap();
    let request = QueueRequest {
        wait: patience,
        ..asked(&session, n)
    };
    let call = running.spawn(cancellable(&program, request, cancel.clone()));
    proxy.dripping().await;
    cancel.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(60), call).await;
    let error = ended.expect("it is heard").unwrap().unwrap_err();
    assert!(error.is_cancellation(), "{error}");

    proxy.drip(false);
    let answer = program.does(queue(&program, asked(&session, n))).await.unwrap();
    let QueueAnswer::Done { queued, .. } = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(queued.runs[0].images.len(), 1);
    assert_eq!(posted.lock().unwrap().len(), 1, "it was rendered once");
    serving.abort();
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_mistaken_in_chaos() {
    let first = setting("CHAOS_FIRST", 1);
    let runs = (first..first + setting("CHAOS_RUNS", 48)).map(|seed| async move {
        let ended = tokio::time::timeout(Duration::from_secs(60), tokio::spawn(one(seed))).await;
        match ended {
            Ok(Ok(())) => None,
            Ok(Err(panic)) => Some(format!("seed {seed}: {panic}")),
            Err(_) => Some(format!("seed {seed} hangs")),
        }
    });
    let failed: Vec<String> = futures::stream::iter(runs)
        .buffer_unordered(6)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(failed.is_empty(), "{failed:#?}");
}
