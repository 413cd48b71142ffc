//! The judge as one who needs memory: how much, where from, and loading ahead of the first question.

use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::engine::llama::Backends;
use super::engine::{EngineInfo, GpuMemory};
use super::worker::WorkerState;
use super::{Judge, JudgeError};
use crate::progress::{Done, Progress, Teller};

/// What the judge needs beside its files, in bytes: the cache of a judgement (about 0.15 MB a token for 8B, and a few thousand
/// tokens), the buffers of model and projector, and what a driver keeps for a process.
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

    /// Bytes that the judge needs where it runs, from the size of its files.
    ///
    /// # Errors
    /// [`JudgeError::Files`] when a file is missing.
    pub fn memory_needed(&self) -> Result<u64, JudgeError> {
        let spec = &self.config.spec;
        let files = [&spec.model, &spec.mmproj].into_iter();
        let mut bytes = BESIDE_FILES;
        for file in files.chain(spec.adapters.iter().map(|adapter| &adapter.path)) {
            for part in parts_of(file) {
                let size = std::fs::metadata(&part)
                    .map_err(|error| JudgeError::Files(format!("{}: {error}", part.display())))?;
                bytes += size.len();
            }
        }
        Ok(bytes)
    }

    /// The GPUs of this machine and their free memory now, as the driver says; none in a build for the processor.
    ///
    /// # Errors
    /// [`JudgeError`] when the judge process cannot be started.
    pub async fn gpus(&self, cancel: &CancellationToken) -> Result<Vec<GpuMemory>, JudgeError> {
        Ok(self.worker.gpus(cancel).await?)
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

/// The files of a model: of one that was split, `NAME-00001-of-00003.gguf` and the others.
fn parts_of(file: &Path) -> Vec<PathBuf> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let split = name.split_once("-00001-of-").and_then(|(stem, rest)| {
        let count: u32 = rest.strip_suffix(".gguf")?.parse().ok()?;
        Some((stem, rest, count))
    });
    match split {
        Some((stem, rest, count)) => (1..=count)
            .map(|part| file.with_file_name(format!("{stem}-{part:05}-of-{rest}")))
            .collect(),
        None => vec![file.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_model_is_all_its_parts() {
        let parts = parts_of(Path::new("m/big-00001-of-00002.gguf"));
        assert_eq!(
            parts,
            [
                Path::new("m/big-00001-of-00002.gguf"),
                Path::new("m/big-00002-of-00002.gguf")
            ]
        );
        assert_eq!(parts_of(Path::new("m/big.gguf")), [Path::new("m/big.gguf")]);
    }
}
