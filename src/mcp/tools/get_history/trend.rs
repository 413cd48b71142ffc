//! A session's iterations in brief: a page of at most twenty lines.

use super::iteration::IterationOut;
use super::{Output, State, pages, shortened, within_budget};
use crate::mcp::convert::rounded;
use crate::session::{Best, SessionView};
use history::{TrendRow, TrendScore};

/// Most characters of a note in a line.
const NOTE: usize = 80;
/// Iterations at work that are told of one by one.
const TOLD: usize = 3;

pub fn output(view: &SessionView, page: u32) -> Output {
    let summary = summary(view, page);
    within_budget(NOTE, |most| Output {
        summary: summary.clone(),
        iterations: view.rows.iter().map(|row| line(view, row, most)).collect(),
        ..Output::default()
    })
}

fn score<'a>(view: &SessionView, row: &'a TrendRow) -> Option<&'a TrendScore> {
    row.scores.iter().find(|s| Some(&s.judge) == view.judge.as_ref())
}

fn state(view: &SessionView, row: &TrendRow) -> State {
    State::of(row.runs, view.running.contains_key(&row.n))
}

fn line(view: &SessionView, row: &TrendRow, most: usize) -> IterationOut {
    let n = row.n;
    // Without a note the prompt's beginning says best what an iteration is.
    let told = row.note.as_deref().or(row.positive.as_deref()).unwrap_or_default();
    IterationOut {
        iteration: n.get(),
        // The one before goes without saying.
        parent: row.parent.map(|p| p.get()).filter(|p| p + 1 != n.get()),
        overall_score: score(view, row).and_then(|s| s.overall).map(rounded),
        decision: view.decisions.get(&n).map(|d| d.kind),
        best: view.best.is_some_and(|best| best.n == n),
        state: state(view, row),
        note: shortened(told, most),
        full: None,
    }
}

fn summary(view: &SessionView, page: u32) -> String {
    let opened = &view.session.opened;
    let mut summary = format!(
        "Session {}: {}, target {:.2}",
        view.session.id,
        view.used_in_words(),
        opened.target_score
    );
    if let Some(Best { n, overall }) = view.best {
        let score = overall.map(|score| format!("{score:.2} ")).unwrap_or_default();
        summary.push_str(&format!("; best {score}(iteration {n})"));
    }
    summary.push('.');
    summary.push_str(&pages(view.count, page, view.rows.len()));
    for sentence in [&view.next, &view.unreadable].into_iter().flatten() {
        summary.push_str(&format!(" {sentence}"));
    }
    for (n, progress) in view.running.iter().take(TOLD) {
        let message = if progress.message.is_empty() {
            "starting"
        } else {
            &progress.message
        };
        summary.push_str(&format!(" Iteration {n} runs now ({}).", shortened(message, 60)));
    }
    if view.running.len() > TOLD {
        summary.push_str(&format!(" {} more run.", view.running.len() - TOLD));
    }
    let open: Vec<String> = view
        .rows
        .iter()
        .rev()
        .filter(|row| state(view, row) == State::Open)
        .map(|row| row.n.to_string())
        .collect();
    if !open.is_empty() {
        let more = if open.len() > TOLD { " and others" } else { "" };
        summary.push_str(&format!(
            " Open (begun, and the end is not known): iteration {}{more}; queue_generation with session and iteration finds it.",
            open[..open.len().min(TOLD)].join(", ")
        ));
    }
    if view
        .rows
        .iter()
        .any(|row| !row.scores.is_empty() && score(view, row).is_none())
    {
        summary.push_str(" Scores by earlier judges are left out: they cannot be compared.");
    }
    summary
}
