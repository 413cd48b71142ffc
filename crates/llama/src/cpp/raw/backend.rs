//! Loading a part of llama.cpp that is a file of its own.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use llama_cpp_sys_2 as sys;

use crate::error::LlamaError;

/// A folder of backends beside the program. Its files are part of the program: their code may be executed.
#[derive(Debug)]
pub struct BackendFolder(PathBuf);

impl BackendFolder {
    /// The folder of this name beside the program. The program's own path is followed through links, so that a link in
    /// `~/.local/bin` works.
    ///
    /// # Errors
    /// [`LlamaError::NoBackend`] when the system does not say where the program lies.
    pub fn beside_the_program(name: &str) -> Result<Self, LlamaError> {
        let program = std::env::current_exe().and_then(std::fs::canonicalize);
        let program = program.map_err(|error| LlamaError::NoBackend {
            folder: name.into(),
            reason: format!("the program's own place is not known: {error}"),
        })?;
        Ok(Self(program.with_file_name(name)))
    }

    /// A folder that a test has made.
    #[cfg(test)]
    pub fn of_test(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// What was logged at [`sys::GGML_LOG_LEVEL_ERROR`], and what goes on from such a line.
#[derive(Default)]
struct Heard {
    lines: String,
    grave: bool,
}

/// Static, so that a thread that logs late still finds it.
static HEARD: Mutex<Heard> = Mutex::new(Heard {
    lines: String::new(),
    grave: false,
});

fn heard() -> MutexGuard<'static, Heard> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn hear(level: sys::ggml_log_level, text: *const c_char, _: *mut c_void) {
    let mut heard = heard();
    if level != sys::GGML_LOG_LEVEL_CONT {
        heard.grave = level == sys::GGML_LOG_LEVEL_ERROR;
    }
    if heard.grave && !text.is_null() {
        // SAFETY: llama.cpp passes a NUL-terminated string that lives for the call.
        let text = unsafe { CStr::from_ptr(text) };
        heard.lines.push_str(&text.to_string_lossy());
    }
}

/// Loads a backend, a file below this folder, and adds its devices to llama.cpp's. What it said comes back: errors when it
/// failed, and also when it is there and found nothing to compute on.
pub fn load_backend(folder: &BackendFolder, file: &Path) -> Result<String, String> {
    // One at a time: the log is listened to meanwhile.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let below = file.strip_prefix(folder.path()).is_ok_and(|rest| {
        rest.components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
    });
    if !below {
        return Err(format!("it does not lie in {}", folder.path().display()));
    }
    let name = file.to_str().and_then(|name| CString::new(name).ok());
    let name = name.ok_or("its path is not valid UTF-8")?;
    *heard() = Heard::default();
    let (mut log, mut data) = (None, std::ptr::null_mut());
    // SAFETY: both pointers are to live variables of the types that are written.
    unsafe { sys::ggml_log_get(&raw mut log, &raw mut data) };
    // SAFETY: `hear` uses nothing but statics.
    unsafe { sys::ggml_log_set(Some(hear), std::ptr::null_mut()) };
    // SAFETY: name is NUL-terminated; the file is part of the program, so its code may run.
    let backend = unsafe { sys::ggml_backend_load(name.as_ptr()) };
    // SAFETY: puts back what was there, which is as valid as it was before.
    unsafe { sys::ggml_log_set(log, data) };
    let said = heard().lines.split_whitespace().collect::<Vec<_>>().join(" ");
    // The caller knows which file it is about.
    let file = format!("{}: ", file.display());
    let said = said
        .rsplit_once(&file)
        .map_or(said.as_str(), |(_, reason)| reason)
        .to_owned();
    if backend.is_null() { Err(said) } else { Ok(said) }
}
