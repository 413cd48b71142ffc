//! The judge process: reads requests from its standard input, answers on its standard output.
//!
//! It ends when its input ends, and on Linux with its parent even while it is stopped: it never outlives the server.

use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::{LogOptions, send_logs_to_tracing};

use super::{LlamaEngine, Loader, StopFlag, load_model};
use crate::error::LlamaError;
use crate::memory::Placement;
use crate::spec::ModelSpec;
use crate::worker::frame::{self, Reply, Request};
use crate::worker::query::{self, Name};

/// How often a working process says that it works.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long the engine may take to stop when the input has ended.
const LEAVE: Duration = Duration::from_secs(2);

/// Which request runs and which was cancelled last. Requests count from 1; 0 is none.
#[derive(Clone, Default)]
struct Turn {
    running: Arc<AtomicU64>,
    cancelled: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    stop: StopFlag,
}

impl Turn {
    fn begin(&self, id: u64) {
        self.stop.clear();
        self.running.store(id, Ordering::SeqCst);
        // A cancellation can arrive before its request is taken up.
        if self.cancelled.load(Ordering::SeqCst) == id || self.over.load(Ordering::SeqCst) {
            self.stop.stop();
        }
    }

    fn cancel(&self, id: u64) {
        self.cancelled.store(id, Ordering::SeqCst);
        if self.running.load(Ordering::SeqCst) == id {
            self.stop.stop();
        }
    }

    /// The input ended: what runs stops, and whatever is still queued.
    fn close(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.stop.stop();
    }

    fn end(&self) {
        self.running.store(0, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Out(Arc<Mutex<Stdout>>);

impl Out {
    fn reply(&self, reply: &Reply) {
        let mut out = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A closed pipe means that the server is gone; the reader thread ends the process.
        let _ = frame::write(&mut *out, reply, &[]);
    }
}

/// Runs the judge process until its input ends. Whatever fails is told to the server, as the answer to what it asks.
pub fn run() {
    send_logs_to_tracing(LogOptions::default());
    let out = Out(Arc::new(Mutex::new(io::stdout())));
    let turn = Turn::default();
    let requests = read_requests(turn.clone());
    let mut loader = match Loader::start() {
        Ok(loader) => loader,
        Err(error) => {
            refuse(&error, &requests, &out);
            return;
        }
    };
    let backend = match LlamaBackend::init() {
        Ok(backend) => backend,
        Err(error) => {
            refuse(&LlamaError::Protocol(error.to_string()), &requests, &out);
            return;
        }
    };

    let load = loop {
        match requests.recv() {
            Ok((Request::Query { id, name }, _)) => out.reply(&answered(id, name, &mut loader)),
            Ok((Request::Load { id, spec, placement }, _)) => break Load { id, spec, placement },
            _ => return,
        }
    };
    loader.settle(load.spec.gpu_layers != Some(0));
    tell_of_life(turn.clone(), out.clone());
    turn.begin(load.id);
    let mut server = Server {
        backend,
        loader,
        requests,
        turn,
        out: out.clone(),
    };
    if let Err(error) = server.serve(&load) {
        out.reply(&Reply::Failed { id: load.id, error });
    }
}

/// What is to be loaded, and the request that asked for it.
struct Load {
    id: u64,
    spec: ModelSpec,
    placement: Option<Placement>,
}

/// A process that has a model, or loads it.
struct Server {
    backend: LlamaBackend,
    loader: Loader,
    requests: mpsc::Receiver<(Request, Vec<u8>)>,
    turn: Turn,
    out: Out,
}

/// The reply to a query.
fn answered(id: u64, name: Name, loader: &mut Loader) -> Reply {
    match query::answer(name, loader) {
        Ok(answer) => Reply::Told { id, answer },
        Err(error) => Reply::Failed {
            id,
            error: LlamaError::Protocol(error.to_string()),
        },
    }
}

/// Answers everything with the one thing that is wrong.
fn refuse(error: &LlamaError, requests: &mpsc::Receiver<(Request, Vec<u8>)>, out: &Out) {
    while let Ok((request, _)) = requests.recv() {
        match request {
            Request::Load { id, .. } | Request::Query { id, .. } | Request::Ask { id, .. } => {
                out.reply(&Reply::Failed {
                    id,
                    error: error.clone(),
                });
            }
            Request::Cancel { .. } => {}
        }
    }
}

impl Server {
    /// Loads, says so, and answers asks until the input ends. An error is a failed load.
    fn serve(&mut self, load: &Load) -> Result<(), LlamaError> {
        // The projector is the smaller part of the load; it takes the last tenth of the progress.
        const MODEL_PART: f32 = 0.9;
        let (id, spec, placement) = (load.id, &load.spec, load.placement);
        let (turn, out) = (&self.turn, &self.out);
        let told = out.clone();
        let mut last = -1.0f32;
        let model = load_model(&self.backend, spec, placement, &turn.stop, move |progress| {
            if progress - last >= 0.01 {
                last = progress;
                let fraction = progress * MODEL_PART;
                told.reply(&Reply::Loading { id, fraction });
            }
        })?;
        let mut engine = LlamaEngine::new(&model, spec, placement, &turn.stop, |progress| {
            let fraction = MODEL_PART + progress * (1.0 - MODEL_PART);
            out.reply(&Reply::Loading { id, fraction });
        })?;
        turn.end();
        out.reply(&Reply::Loaded {
            id,
            info: engine.info().clone(),
        });
        while let Ok((request, blob)) = self.requests.recv() {
            let (id, ask, pictures) = match request {
                Request::Ask { id, ask, pictures } => (id, ask, pictures),
                Request::Query { id, name } => {
                    out.reply(&answered(id, name, &mut self.loader));
                    continue;
                }
                Request::Load { .. } | Request::Cancel { .. } => continue,
            };
            turn.begin(id);
            let result = frame::pictures(pictures, &blob)
                .map_err(|e| LlamaError::Protocol(e.to_string()))
                .and_then(|pictures| engine.ask(&ask, &pictures));
            turn.end();
            out.reply(&match result {
                Ok(answers) => Reply::Answered { id, answers },
                Err(error) => Reply::Failed { id, error },
            });
        }
        Ok(())
    }
}

/// Says that the work goes on, on a thread of its own, while the engine's callbacks come by.
fn tell_of_life(turn: Turn, out: Out) {
    std::thread::spawn(move || {
        let mut last = turn.stop.looks();
        loop {
            std::thread::sleep(HEARTBEAT);
            let looks = turn.stop.looks();
            if looks != last && turn.running.load(Ordering::SeqCst) != 0 {
                out.reply(&Reply::Alive);
            }
            last = looks;
        }
    });
}

/// Reads on a thread of its own, so that a cancellation arrives while the engine works.
fn read_requests(turn: Turn) -> mpsc::Receiver<(Request, Vec<u8>)> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            match frame::read::<Request>(&mut input) {
                Ok(Some((Request::Cancel { id }, _))) => turn.cancel(id),
                Ok(Some(message)) => {
                    if sender.send(message).is_err() {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(%error, "the server's requests cannot be read");
                    break;
                }
            }
        }
        // The engine is freed in order where it stops by itself. Where it does not (inside a GPU
        // kernel, say), nobody is left who could end this process: it must not outlive the server.
        turn.close();
        drop(sender);
        std::thread::sleep(LEAVE);
        std::process::abort();
    });
    receiver
}
