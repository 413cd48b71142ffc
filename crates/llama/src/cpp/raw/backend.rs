//! Loading a part of llama.cpp that is a file of its own.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::sync::Mutex;

use llama_cpp_sys_2 as sys;

/// What was logged at [`sys::GGML_LOG_LEVEL_ERROR`], and what goes on from such a line.
#[derive(Default)]
struct Heard {
    lines: String,
    grave: bool,
}

unsafe extern "C" fn hear(level: sys::ggml_log_level, text: *const c_char, data: *mut c_void) {
    // SAFETY: `data` points to the Mutex on the stack of `load_backend`, which takes this callback away before it returns.
    let heard = unsafe { &*data.cast::<Mutex<Heard>>() };
    let mut heard = heard.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if level != sys::GGML_LOG_LEVEL_CONT {
        heard.grave = level == sys::GGML_LOG_LEVEL_ERROR;
    }
    if heard.grave && !text.is_null() {
        // SAFETY: llama.cpp passes a NUL-terminated string that lives for the call.
        let text = unsafe { CStr::from_ptr(text) };
        heard.lines.push_str(&text.to_string_lossy());
    }
}

/// Loads a backend from a file and adds its devices to llama.cpp's. What it said comes back: errors when it failed, and
/// also when it is there and found nothing to compute on.
///
/// A file's code is executed by this; the caller answers for where it lies.
pub fn load_backend(file: &Path) -> Result<String, String> {
    let name = file.to_str().and_then(|name| CString::new(name).ok());
    let name = name.ok_or("its path is not valid UTF-8")?;
    let heard = Mutex::new(Heard::default());
    let (mut log, mut data) = (None, std::ptr::null_mut());
    // SAFETY: both pointers are to live variables of the types that are written.
    unsafe { sys::ggml_log_get(&raw mut log, &raw mut data) };
    // SAFETY: `heard` outlives the callback, which is replaced below before anything can return or unwind: the call
    // between is C.
    unsafe { sys::ggml_log_set(Some(hear), std::ptr::from_ref(&heard).cast_mut().cast()) };
    // SAFETY: name is NUL-terminated. The judge process calls this from one thread, while llama.cpp computes nothing.
    let backend = unsafe { sys::ggml_backend_load(name.as_ptr()) };
    // SAFETY: puts back what was there, which is as valid as it was before.
    unsafe { sys::ggml_log_set(log, data) };
    let heard = heard.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let said = heard.lines.split_whitespace().collect::<Vec<_>>().join(" ");
    // The caller knows which file it is about.
    let file = format!("{}: ", file.display());
    let said = said
        .rsplit_once(&file)
        .map_or(said.as_str(), |(_, reason)| reason)
        .to_owned();
    if backend.is_null() { Err(said) } else { Ok(said) }
}
