//! Signals to processes.

use std::process::Command;

/// Sends a signal, such as `-KILL`. After `-STOP` the process has stopped: a thread that waits for its input still takes what
/// comes before that.
pub fn signal(which: &str, pid: u32) {
    let sent = Command::new("kill").args([which, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
    #[cfg(target_os = "linux")]
    while which == "-STOP" && !is_stopped(pid) {
        std::thread::yield_now();
    }
}

/// Whether all threads of a process stand still.
#[cfg(target_os = "linux")]
fn is_stopped(pid: u32) -> bool {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().all(|thread| {
        let about = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap_or_default();
        // The state stands behind the name, which is in brackets.
        let state = about.rsplit_once(')').map(|(_, rest)| rest.trim_start());
        state.is_some_and(|state| state.starts_with('T'))
    })
}
