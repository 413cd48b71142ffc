//! llama.cpp's backends: compiled in, or files beside the program that are loaded when the judge process starts.
//!
//! With `dynamic-backends` one program serves machines with and without a GPU. Beside it lie
//! `backends/cpu`, a file for each kind of processor of which the best is taken, and `backends/gpu`, a file for each kind
//! of GPU. Files are looked for there only: what is found is executed, so the working folder is never searched.

use std::path::Path;

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use super::devices::gpus;
use super::raw::{self, BackendFolder};
use crate::error::LlamaError;
use crate::machine::{Backends, NO_GPU, Unused};
use judge::engine::GpuMemory;

/// The folder beside the program.
const FOLDER: &str = "backends";
/// The kinds of GPU, the best first. Only the first that finds a GPU is used: two drivers would show one card twice.
const GPUS: [&str; 4] = ["cuda", "hip", "metal", "vulkan"];

/// Loads backends, each kind once.
#[derive(Debug)]
pub struct Loader {
    folder: Option<BackendFolder>,
    /// Until the GPUs were looked for.
    unused: Option<Vec<Unused>>,
    /// A model is loaded, or about to be: no driver is started any more.
    settled: bool,
}

impl Loader {
    /// Loads what computes on the processor.
    ///
    /// # Errors
    /// [`LlamaError::NoBackend`] when there is nothing beside the program that runs on this processor.
    pub fn start() -> Result<Self, LlamaError> {
        if !cfg!(feature = "dynamic-backends") {
            return Ok(Self {
                folder: None,
                unused: None,
                settled: false,
            });
        }
        let folder = BackendFolder::beside_the_program(FOLDER)?;
        load_processor(&folder.path().join("cpu"))?;
        Ok(Self {
            folder: Some(folder),
            unused: None,
            settled: false,
        })
    }

    /// Looks for GPUs, once. Apart from [`Loader::start`], so that a judge that is kept on the processor starts no driver.
    pub fn find_gpus(&mut self) {
        let Some(folder) = &self.folder else { return };
        if self.unused.is_none() {
            let unused = first_gpu(
                &folder.path().join("gpu"),
                |file| raw::load_backend(folder, file),
                || !gpus().is_empty(),
            );
            for unused in unused.iter().filter(|unused| unused.is_a_fault()) {
                tracing::warn!("{} is not used: {}", unused.file.display(), unused.reason);
            }
            self.unused = Some(unused);
        }
    }

    /// Prepares for a model; looks for GPUs where some of it may lie on one.
    pub fn settle(&mut self, may_use_gpu: bool) {
        if may_use_gpu {
            self.find_gpus();
        }
        self.settled = true;
    }

    /// The GPUs and their free memory now.
    pub fn gpus(&mut self) -> Vec<GpuMemory> {
        if !self.settled {
            self.find_gpus();
        }
        gpus()
    }

    /// What there is, after looking for GPUs.
    pub fn found(&mut self) -> Backends {
        self.find_gpus();
        let device = |device: llama_cpp_2::LlamaBackendDevice| match device.device_type {
            LlamaBackendDeviceType::Cpu => device.name,
            _ => format!("{} ({})", device.name, device.description),
        };
        Backends {
            dynamic: self.folder.is_some(),
            devices: list_llama_ggml_backend_devices().into_iter().map(device).collect(),
            unused: self.unused.clone().unwrap_or_default(),
        }
    }
}

#[cfg(feature = "dynamic-backends")]
fn load_processor(folder: &Path) -> Result<(), LlamaError> {
    let failed = |reason: &str| LlamaError::NoBackend {
        folder: folder.to_owned(),
        reason: reason.to_owned(),
    };
    if !folder.is_dir() {
        return Err(failed("the folder is missing"));
    }
    if folder.to_str().is_none() {
        return Err(failed("its path is not valid UTF-8"));
    }
    // Tries each file and takes the one with most of what this processor can.
    llama_cpp_2::llama_backend::load_backends_from_path(folder);
    let cpu = |device: &llama_cpp_2::LlamaBackendDevice| device.device_type == LlamaBackendDeviceType::Cpu;
    if list_llama_ggml_backend_devices().iter().any(cpu) {
        Ok(())
    } else {
        Err(failed("no file in it runs on this processor"))
    }
}

#[cfg(not(feature = "dynamic-backends"))]
fn load_processor(_: &Path) -> Result<(), LlamaError> {
    Ok(())
}

/// Loads the files of a folder in the order of [`GPUS`] until one has found a GPU. What is not used comes back.
fn first_gpu(
    folder: &Path,
    mut load: impl FnMut(&Path) -> Result<String, String>,
    mut any_gpu: impl FnMut() -> bool,
) -> Vec<Unused> {
    let mut unused = Vec::new();
    for kind in GPUS {
        let file = folder.join(file_name(kind));
        if !file.exists() {
            continue;
        }
        let said = match load(&file) {
            Ok(_) if any_gpu() => break,
            Ok(said) if said.is_empty() => NO_GPU.to_owned(),
            Ok(said) => format!("{NO_GPU}: {said}"),
            Err(said) => explained(said),
        };
        unused.push(Unused { file, reason: said });
    }
    unused
}

/// What the system says of a library that is missing, in words about what to install; all else as it was said.
fn explained(said: String) -> String {
    let Some((before, _)) = said.split_once(": cannot open shared object file") else {
        return said;
    };
    let library = before.rsplit([' ', '/']).next().unwrap_or(before);
    match library.split_once(".so").unwrap_or((library, "")) {
        ("libcuda", _) => format!("NVIDIA's driver is not installed here ({library} is missing)"),
        ("libamdhip64", _) => format!("AMD's ROCm is not installed here ({library} is missing)"),
        ("libvulkan", _) => format!("Vulkan's loader is not installed here ({library} is missing)"),
        ("libcudart" | "libcublas" | "libcublasLt", version) => format!(
            "CUDA's libraries of version {} are not found here ({library} is missing): install those of that version, or name \
             their folder in LD_LIBRARY_PATH",
            version.trim_start_matches('.')
        ),
        _ => said,
    }
}

/// As llama.cpp names the file of a backend: `.so` on macOS too.
fn file_name(kind: &str) -> String {
    if cfg!(windows) {
        format!("ggml-{kind}.dll")
    } else {
        format!("libggml-{kind}.so")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(kinds: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for kind in kinds {
            std::fs::write(folder.path().join(file_name(kind)), "").unwrap();
        }
        folder
    }

    fn kind_of(file: &Path) -> String {
        let name = file.file_stem().unwrap().to_str().unwrap();
        name.rsplit('-').next().unwrap().to_owned()
    }

    #[test]
    fn a_second_driver_is_left_alone_where_the_first_finds_a_gpu() {
        let folder = folder(&["vulkan", "cuda"]);
        let mut loaded = Vec::new();
        let load = |file: &Path| {
            loaded.push(kind_of(file));
            Ok(String::new())
        };
        assert_eq!(first_gpu(folder.path(), load, || true), []);
        assert_eq!(loaded, ["cuda"]);
    }

    #[test]
    fn what_is_not_used_says_why_and_the_next_is_tried() {
        let folder = folder(&["cuda", "hip", "vulkan"]);
        let load = |file: &Path| match kind_of(file).as_str() {
            "cuda" => Err("invalid ELF header".to_owned()),
            "hip" => Ok("no device".to_owned()),
            _ => Ok(String::new()),
        };
        let unused = first_gpu(folder.path(), load, || false);
        let reasons: Vec<&str> = unused.iter().map(|unused| unused.reason.as_str()).collect();
        assert_eq!(
            reasons,
            ["invalid ELF header", "it found no GPU: no device", "it found no GPU"]
        );
    }

    /// The sentence about a file whose library is missing, and whether that is a fault.
    fn told(missing: &str) -> (String, bool) {
        let folder = folder(&["cuda"]);
        let said = format!("{missing}: cannot open shared object file: No such file or directory");
        let mut unused = first_gpu(folder.path(), |_: &Path| Err(said.clone()), || false);
        let unused = unused.remove(0);
        (unused.reason.clone(), unused.is_a_fault())
    }

    #[test]
    fn a_missing_library_is_told_as_what_to_install() {
        let (driver, fault) = told("libcuda.so.1");
        assert_eq!(
            driver,
            "NVIDIA's driver is not installed here (libcuda.so.1 is missing)"
        );
        assert!(!fault, "most machines have no such card");
        let (toolkit, fault) = told("libcublas.so.13");
        assert!(
            toolkit.starts_with("CUDA's libraries of version 13 are not found here (libcublas.so.13 is missing)"),
            "{toolkit}"
        );
        assert!(fault, "there is a driver, so there is a card that is not used");
        let (other, fault) = told("libfoo.so.2");
        assert!(other.contains("libfoo.so.2: cannot open shared object file"), "{other}");
        assert!(fault);
    }

    #[test]
    fn a_driver_without_a_card_is_no_fault_and_one_that_is_too_old_is() {
        let folder = folder(&["cuda"]);
        for (said, fault) in [
            ("failed to initialize CUDA: no CUDA-capable device is detected", false),
            ("CUDA driver version is insufficient for CUDA runtime version", true),
        ] {
            let unused = first_gpu(folder.path(), |_: &Path| Ok(said.to_owned()), || false);
            assert_eq!(unused[0].reason, format!("it found no GPU: {said}"));
            assert_eq!(unused[0].is_a_fault(), fault, "{said}");
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_an_error_with_a_reason() {
        let folder = folder(&["vulkan"]);
        let file = folder.path().join(file_name("vulkan"));
        std::fs::write(&file, "not a library").unwrap();
        let folder = BackendFolder::of_test(folder.path());
        let error = raw::load_backend(&folder, &file).unwrap_err();
        assert!(!error.is_empty() && !error.contains("vulkan"), "{error}");
    }

    #[test]
    fn a_file_elsewhere_is_not_executed() {
        let (ours, theirs) = (folder(&["cuda"]), folder(&["cuda"]));
        let ours = BackendFolder::of_test(ours.path());
        let away = ours.path().join("../elsewhere.so");
        for file in [theirs.path().join(file_name("cuda")), away] {
            let error = raw::load_backend(&ours, &file).unwrap_err();
            assert!(error.contains("does not lie in"), "{error}");
        }
    }

    #[test]
    fn nothing_is_looked_for_in_the_working_folder() {
        let folder = BackendFolder::beside_the_program(FOLDER).unwrap();
        assert!(folder.path().is_absolute());
        assert_eq!(
            folder.path().parent().unwrap(),
            std::env::current_exe()
                .unwrap()
                .canonicalize()
                .unwrap()
                .parent()
                .unwrap()
        );
    }
}
