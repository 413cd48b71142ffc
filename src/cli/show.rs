//! What the commands print: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use hub::telling::Event;
use text::secrets;
use text::{outgoing, shown_json};
use types::progress::Progress;

/// A line below the header and nothing else, so that the table can be read in any font and cut out of a terminal.
const TABLE_STYLE: &str = "     ──            ";

/// Prints a result. A closed pipe (`| head`) is no error.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{}", outgoing(text));
}

/// Prints a result as JSON, for programs: what is not seen is written out as JSON does it.
pub fn json(result: &impl Serialize) -> serde_json::Result<()> {
    let text = serde_json::to_string_pretty(result)?;
    let _ = writeln!(io::stdout().lock(), "{}", shown_json(&secrets::masked(&text)));
    Ok(())
}

/// Prints a line beside the result.
pub fn remark(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", outgoing(text));
}

/// Prints a remark beside the result.
pub fn note(text: &str) {
    remark(&format!("note: {text}"));
}

/// A table with this header, as wide as the terminal at most.
pub fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(TABLE_STYLE);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

/// Prints an error and what to do about it.
pub fn error(error: &CliError) {
    remark(&in_lines(error));
}

/// An error as it is printed: what failed, and what to do on a line of its own.
pub fn in_lines(error: &CliError) -> String {
    match error.hint() {
        Some(hint) => format!("error: {error}\nwhat to do: {hint}"),
        None => format!("error: {error}"),
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
                bar.set_message(outgoing(&now.message));
                // A percentage: rounding down is right.
                bar.set_position((now.done.fraction().unwrap_or(0.0) * 100.0) as u64);
            }
        }
    };
    bar.finish_and_clear();
    output
}

/// Ctrl-C cancels the work, which then ends by itself.
pub async fn until_stopped<T>(work: impl Future<Output = T>, cancel: &CancellationToken) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => done,
        Ok(()) = tokio::signal::ctrl_c() => {
            cancel.cancel();
            work.await
        }
    }
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
            bar.set_message(outgoing(&what));
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
    fn the_table_style_is_a_whole_preset() {
        let mut table = table(["axis", "score"]);
        table.add_row(["hair", "0.50"]);
        assert_eq!(table.to_string(), " axis   score \n──────────────\n hair   0.50  ");
    }
}
