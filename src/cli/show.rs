//! What the commands print: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::{mpsc, watch};

use super::init::InitError;
use crate::bench::BenchError;
use crate::clients::ClientError;
use crate::comfy::graph::GraphError;
use crate::config::ConfigError;
use crate::eval::EvalError;
use crate::history::{HistoryError, InvalidId};
use crate::judge::JudgeError;
use crate::mcp::transport::http::HttpError;
use crate::models::ModelsError;
use crate::models::telling::Event;
use crate::progress::Progress;
use crate::session::ServiceError;
use crate::telemetry::TelemetryError;

/// A line below the header and nothing else, so that the table can be read in any font and cut out of a terminal.
const TABLE_STYLE: &str = "     ──            ";

/// Prints a result. A closed pipe (`| head`) is no error.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line beside the result, as it is.
pub fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a remark beside the result.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "note: {text}");
}

/// A table with this header, as wide as the terminal at most.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE_STYLE);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// Prints an error with its causes and what to do.
pub fn error(error: &anyhow::Error) {
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "error: {}", causes(error));
    if let Some(hint) = error.chain().find_map(hint) {
        let _ = writeln!(out, "what to do: {hint}");
    }
}

/// The error and its causes; a cause that was just said is not said again.
fn causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What to do about one error of a chain, where it knows.
fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    error
        .downcast_ref()
        .map(ServiceError::hint)
        .or_else(|| error.downcast_ref().map(ConfigError::hint))
        .or_else(|| error.downcast_ref().map(InitError::hint))
        .or_else(|| error.downcast_ref().map(ClientError::hint))
        .or_else(|| error.downcast_ref().map(GraphError::hint))
        .or_else(|| error.downcast_ref().map(HttpError::hint))
        .or_else(|| error.downcast_ref().map(TelemetryError::hint))
        .or_else(|| error.downcast_ref().map(EvalError::hint))
        .or_else(|| error.downcast_ref().map(BenchError::hint))
        .or_else(|| error.downcast_ref().map(JudgeError::hint))
        .or_else(|| error.downcast_ref().map(ModelsError::hint))
        .or_else(|| error.downcast_ref().map(HistoryError::hint))
        .or_else(|| error.downcast_ref().map(InvalidId::hint))
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

/// Shows bytes, rate and time left on a terminal while `work` moves files; elsewhere only what is worth a sentence.
pub async fn transfers<T>(mut events: mpsc::UnboundedReceiver<Event>, work: impl Future<Output = T>) -> T {
    let bar = io::stderr().is_terminal().then(|| {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template(
            "{spinner} {msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        );
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    });
    let tell = |event: Event| match (event, &bar) {
        (Event::Note(text), Some(bar)) => bar.suspend(|| note(&text)),
        (Event::Note(text), None) => note(&text),
        (Event::Begins { what, done, total }, Some(bar)) => {
            bar.set_message(what);
            bar.set_length(total);
            bar.set_position(done);
            // What was there before says nothing of the rate.
            bar.reset_eta();
        }
        (Event::Moved(bytes), Some(bar)) => bar.inc(bytes),
        (Event::Begins { .. } | Event::Moved(_), None) => {}
    };
    let mut work = std::pin::pin!(work);
    let output = loop {
        tokio::select! {
            output = &mut work => break output,
            Some(event) = events.recv() => tell(event),
        }
    };
    // What was told last is not lost.
    while let Ok(event) = events.try_recv() {
        tell(event);
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_and_the_hint_of_any_cause_is_found() {
        let plain = anyhow::anyhow!("the disk is full").context("the history cannot be written");
        assert_eq!(causes(&plain), "the history cannot be written: the disk is full");
        assert_eq!(plain.chain().find_map(hint), None);

        let inner = ServiceError::usage("no picture", "Give one.");
        let twice = anyhow::Error::new(inner).context("judging failed: no picture");
        assert_eq!(causes(&twice), "judging failed: no picture");
        assert_eq!(twice.chain().find_map(hint).as_deref(), Some("Give one."));
    }

    #[test]
    fn the_table_style_is_a_whole_preset() {
        let mut table = table(["axis", "score"]);
        table.add_row(["hair", "0.50"]);
        assert_eq!(table.to_string(), " axis   score \n──────────────\n hair   0.50  ");
    }
}
