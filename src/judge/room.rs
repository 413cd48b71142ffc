//! The judge as one who needs memory: how much, where from, and loading ahead of the first question.

use std::sync::PoisonError;

use tokio_util::sync::CancellationToken;

use super::engine::llama::Backends;
use super::engine::{Buffer, EngineInfo, GpuMemory, Layout};
use super::memory::gguf::parts_of;
use super::memory::{MARGIN, Need, Placement, Shape, ShapeError, choose, need};
use super::worker::WorkerState;
use super::{Judge, JudgeError};
use types::progress::{Done, Progress, Teller};

/// What the judge needs beside its files where their shape is not known, in bytes: a judgement's cache (about 0.15 MB a token
/// for 8B, and a few thousand tokens), the buffers, and what a driver keeps for a process.
const BESIDE_FILES: u64 = 2 << 30;

impl Judge {
    /// Whether a process holds the model, or is loading it.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        !matches!(*self.worker.state().borrow(), WorkerState::Idle)
    }

    /// Whether the judge can lie on a GPU at all: by this build, and by its settings.
    #[must_use]
    pub fn may_use_gpu(&self) -> bool {
        // Where backends are files, whether there is one for a GPU is seen by the judge process.
        cfg!(any(
            feature = "cuda",
            feature = "vulkan",
            feature = "metal",
            feature = "dynamic-backends"
        )) && self.config.spec.gpu_layers != Some(0)
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
    /// [`JudgeError::Files`] when a file is missing.
    pub fn memory_needed(&self) -> Result<u64, JudgeError> {
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
                Err(error) => Err(JudgeError::Files(error.to_string())),
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
                        .map_err(|error| JudgeError::Files(format!("{}: {error}", file.display())))
                });
                Ok(BESIDE_FILES + sizes.sum::<Result<u64, _>>()?)
            }
            Err(error) => Err(JudgeError::Files(error.to_string())),
        }
    }

    /// The GPUs of this machine and their free memory now, as the driver says; none in a build for the processor.
    ///
    /// # Errors
    /// [`JudgeError`] when the judge process cannot be started.
    pub async fn gpus(&self, cancel: &CancellationToken) -> Result<Vec<GpuMemory>, JudgeError> {
        let gpus = self.worker.gpus(cancel).await?;
        self.gpus_seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&gpus);
        Ok(gpus)
    }

    /// The buffers that llama.cpp holds for the loaded model; none where nothing is loaded.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn buffers(&self, cancel: &CancellationToken) -> Result<Vec<Buffer>, JudgeError> {
        Ok(self.worker.buffers(cancel).await?)
    }

    /// The parts of llama.cpp that the judge runs on: compiled in, or files beside the program.
    ///
    /// # Errors
    /// [`JudgeError`] when the judge process cannot be started, or finds nothing to run on.
    pub async fn backends(&self, cancel: &CancellationToken) -> Result<Backends, JudgeError> {
        Ok(self.worker.backends(cancel).await?)
    }

    /// Loads the model if needed, tells how far it is, and says what it is.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn load(&self, teller: &Teller, cancel: &CancellationToken) -> Result<EngineInfo, JudgeError> {
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
}
