//! What the commands print: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::progress::Progress;
use crate::session::ServiceError;

/// Prints a result. A closed pipe (`| head`) is no error.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints an error with its causes and what to do.
pub fn error(error: &anyhow::Error) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "error: {error:#}");
    if let Some(hint) = error.downcast_ref::<ServiceError>().map(ServiceError::hint) {
        let _ = writeln!(out, "what to do: {hint}");
    }
}

/// Shows progress on a terminal while `work` runs; elsewhere it is quiet.
pub async fn progress<T>(mut updates: watch::Receiver<Progress>, work: impl Future<Output = T>) -> T {
    if !io::stderr().is_terminal() {
        return work.await;
    }
    let bar = ProgressBar::new(100);
    let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos:>3}%");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(120));
    let mut work = std::pin::pin!(work);
    let output = loop {
        tokio::select! {
            output = &mut work => break output,
            Ok(()) = updates.changed() => {
                let now = updates.borrow_and_update().clone();
                bar.set_message(now.message);
                // A percentage: rounding down is right.
                bar.set_position((now.done.fraction().unwrap_or(0.0) * 100.0) as u64);
            }
        }
    };
    bar.finish_and_clear();
    output
}
