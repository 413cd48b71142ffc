//! Signals of the system that would end the program where an error will do, or that should end it and do not.

/// Makes a file that may not grow (`ulimit -f`) an error of the write, and not the end of the program: by itself the system
/// ends whoever writes. For as long as the process lives.
pub(crate) fn outlive_full_files() {
    #[cfg(unix)]
    {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let heard = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .and_then(|runtime| {
                let _entered = runtime.enter();
                // Nobody listens: that there is a handler is enough, and it stays.
                signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
            });
        if let Err(error) = heard {
            tracing::warn!(%error, "a file that may not grow would end this program");
        }
    }
}

/// Ends this process when the one that started it has ended, however that was and whatever this one does then; also while it is
/// stopped. Only Linux can; elsewhere the end of the input has to do.
#[cfg(feature = "llama")]
pub(crate) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            tracing::warn!(%error, "while this process is stopped it outlives the server");
        }
    }
}
