//! llama.cpp as the judge's engine: who answers, how much memory that takes, and where its parts go.

use std::path::Path;
use std::sync::{OnceLock, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use judge::engine::{
    Answers, Ask, Capabilities, Engine, EngineError, EngineIdentity, EngineInfo, GpuResident, KeyedPixels, Layout,
    Probabilities,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use types::progress::{Done, Progress, Teller};

use crate::fingerprint::Fingerprints;
use crate::machine::{Backends, Buffer};
use crate::memory::gguf::parts_of;
use crate::memory::{MARGIN, Need, Placement, Shape, ShapeError, choose, need};
use crate::worker::query::{Buffers, FoundBackends, Gpus};
use crate::worker::{Worker, WorkerConfig, WorkerError, WorkerState};
use judge::engine::GpuMemory;

/// Most pictures in a prompt of the judge's: the reference and two to compare.
const IMAGES: u32 = 3;

/// What the judge needs beside its files where their shape is not known, in bytes: a judgement's cache (about 0.15 MB a token
/// for 8B, and a few thousand tokens), the buffers, and what a driver keeps for a process.
const BESIDE_FILES: u64 = 2 << 30;

/// The judge's engine on llama.cpp. Loads its model on first use.
pub struct Llama {
    worker: Worker,
    config: WorkerConfig,
    // Of the process that loaded them: files may be replaced while no process runs.
    files: Mutex<Option<(u32, Fingerprints)>>,
    shape: OnceLock<Shape>,
    gpus_seen: std::sync::Mutex<Vec<GpuMemory>>,
}

impl Llama {
    /// Prepares the engine on the present tokio runtime; starts nothing.
    #[must_use]
    pub fn new(config: WorkerConfig) -> Self {
        Self {
            worker: Worker::new(config.clone()),
            config,
            files: Mutex::default(),
            shape: OnceLock::new(),
            gpus_seen: std::sync::Mutex::default(),
        }
    }

    /// The process behind it.
    #[must_use]
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// What one of its files is: `model`, `projector` or `adapter`. Parts of a split model are the model.
    #[must_use]
    pub fn role_of(&self, path: &Path) -> &'static str {
        let spec = &self.config.spec;
        if path == spec.mmproj && path != spec.model {
            "projector"
        } else if spec.adapters.iter().any(|adapter| adapter.path == path) {
            "adapter"
        } else {
            "model"
        }
    }

    /// The shape of the judge's files, read once.
    ///
    /// # Errors
    /// [`ShapeError`] when a file cannot be read or is of another kind.
    pub fn shape(&self) -> Result<&Shape, ShapeError> {
        if let Some(shape) = self.shape.get() {
            return Ok(shape);
        }
        let spec = &self.config.spec;
        let adapters = spec.adapters.iter().map(|adapter| adapter.path.as_path());
        let shape = Shape::read(&spec.model, &spec.mmproj, adapters)?;
        Ok(self.shape.get_or_init(|| shape))
    }

    /// Where the judge's parts go on these GPUs, and what that takes; for judgements of another layout than the usual one.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn plan(&self, gpus: &[GpuMemory], layout: Option<&Layout>) -> Result<(Placement, Need), ShapeError> {
        let shape = self.shape()?;
        let plan = &self.config.plan;
        let placement = match self.config.spec.gpu_layers {
            Some(layers) => Placement {
                layers: if gpus.is_empty() { 0 } else { layers },
                experts_away: 0,
                projector: layers > 0 && !gpus.is_empty(),
            },
            None => choose(shape, plan, gpus).0,
        };
        let need = need(shape, layout.unwrap_or(plan), &placement, gpus.len() as u64);
        Ok((placement, need))
    }

    /// Bytes that the judge needs free where it runs: on the GPUs as they are when nothing else is on them, as far as they
    /// have been looked at. With what is left free as a margin.
    ///
    /// # Errors
    /// [`WorkerError::Files`] when a file is missing.
    fn planned_memory(&self) -> Result<u64, WorkerError> {
        let empty: Vec<GpuMemory> = {
            let seen = self.gpus_seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.iter()
                .map(|gpu| GpuMemory {
                    free: gpu.total,
                    ..gpu.clone()
                })
                .collect()
        };
        match self.shape() {
            Ok(shape) if empty.is_empty() => {
                let whole = Placement::whole(&shape.text);
                Ok(need(shape, &self.config.plan, &whole, 1).gpu.total() + MARGIN)
            }
            Ok(_) => match self.plan(&empty, None) {
                Ok((_, need)) => Ok(need.gpu.total() + MARGIN * empty.len() as u64),
                Err(error) => Err(WorkerError::Files(error.to_string())),
            },
            Err(ShapeError::Lacks { .. }) => {
                let spec = &self.config.spec;
                let files = [&spec.model, &spec.mmproj].into_iter();
                let files = files
                    .chain(spec.adapters.iter().map(|adapter| &adapter.path))
                    .flat_map(|file| parts_of(file));
                let sizes = files.map(|file| {
                    std::fs::metadata(&file)
                        .map(|about| about.len())
                        .map_err(|error| WorkerError::Files(format!("{}: {error}", file.display())))
                });
                Ok(BESIDE_FILES + sizes.sum::<Result<u64, _>>()?)
            }
            Err(error) => Err(WorkerError::Files(error.to_string())),
        }
    }

    /// The GPUs of this machine and their free memory now, as the driver says; none in a build for the processor.
    ///
    /// # Errors
    /// [`WorkerError`] when the judge process cannot be started.
    pub async fn gpus_now(&self, cancel: &CancellationToken) -> Result<Vec<GpuMemory>, WorkerError> {
        let gpus = self.worker.query(Gpus, cancel).await?;
        self.gpus_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&gpus);
        Ok(gpus)
    }

    /// The buffers that llama.cpp holds for the loaded model; none where nothing is loaded.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub async fn buffers(&self, cancel: &CancellationToken) -> Result<Vec<Buffer>, WorkerError> {
        self.worker.query(Buffers, cancel).await
    }

    /// The parts of llama.cpp that the judge runs on: compiled in, or files beside the program.
    ///
    /// # Errors
    /// [`WorkerError`] when the judge process cannot be started, or finds nothing to run on.
    pub async fn backends(&self, cancel: &CancellationToken) -> Result<Backends, WorkerError> {
        self.worker.query(FoundBackends, cancel).await
    }

    /// The fingerprints of the files that the present process loaded.
    async fn fingerprints(&self) -> Result<Fingerprints, WorkerError> {
        let process = match *self.worker.state().borrow() {
            WorkerState::Ready { pid, .. } => Some(pid),
            WorkerState::Idle | WorkerState::Loading(_) => None,
        };
        let mut known = self.files.lock().await;
        if let Some((pid, files)) = &*known
            && Some(*pid) == process
        {
            return Ok(files.clone());
        }
        let spec = self.config.spec.clone();
        let read = tokio::task::spawn_blocking(move || Fingerprints::of(&spec)).await;
        match read {
            Ok(Ok(files)) => {
                *known = process.map(|pid| (pid, files.clone()));
                Ok(files)
            }
            Ok(Err(error)) => Err(WorkerError::Files(error.to_string())),
            Err(error) => Err(WorkerError::Files(error.to_string())),
        }
    }
}

impl Engine for Llama {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            probabilities: Probabilities::All,
            images: IMAGES,
            constrained_text: true,
        }
    }

    fn image_tokens(&self) -> u32 {
        self.config.spec.image_tokens
    }

    fn load<'a>(
        &'a self,
        teller: &'a Teller,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<EngineInfo, EngineError>> {
        async move {
            let mut state = self.worker.state();
            let mut info = std::pin::pin!(self.worker.info(cancel));
            loop {
                tokio::select! {
                    info = &mut info => return Ok(info?),
                    Ok(()) = state.changed() => {
                        if let WorkerState::Loading(fraction) = *state.borrow_and_update() {
                            teller.tell(Progress {
                                done: Done::Fraction(f64::from(fraction)),
                                message: "loading the judge's model".into(),
                            });
                        }
                    }
                }
            }
        }
        .boxed()
    }

    fn identity<'a>(&'a self, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<EngineIdentity, EngineError>> {
        async move {
            let info = self.worker.info(cancel).await?;
            let files = self.fingerprints().await?;
            Ok(EngineIdentity {
                model: files.model,
                mmproj: files.mmproj,
                adapters: files.adapters,
                backend: info.computes_on(),
                engine: info.engine,
            })
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        ask: Ask,
        pictures: Vec<KeyedPixels>,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<Answers, EngineError>> {
        async move { Ok(self.worker.ask(ask, pictures, cancel).await?) }.boxed()
    }

    fn residency(&self) -> Option<&dyn GpuResident> {
        Some(self)
    }
}

impl GpuResident for Llama {
    fn may_use_gpu(&self) -> bool {
        // Where backends are files, whether there is one for a GPU is seen by the judge process.
        cfg!(any(
            feature = "cuda",
            feature = "vulkan",
            feature = "metal",
            feature = "dynamic-backends"
        )) && self.config.spec.gpu_layers != Some(0)
    }

    fn is_loaded(&self) -> bool {
        !matches!(*self.worker.state().borrow(), WorkerState::Idle)
    }

    fn memory_needed(&self) -> Result<u64, EngineError> {
        Ok(self.planned_memory()?)
    }

    fn gpus<'a>(&'a self, cancel: &'a CancellationToken) -> BoxFuture<'a, Result<Vec<GpuMemory>, EngineError>> {
        async move { Ok(self.gpus_now(cancel).await?) }.boxed()
    }

    fn unload(&self) -> BoxFuture<'_, ()> {
        self.worker.unload().boxed()
    }
}
