//! `get_history`.

use std::collections::BTreeMap;

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::scores::RecordOut;
use super::{Promise, tool};
use crate::history::{Change, Judgement, Run, RunCounts, RunImage, RunState, SessionSummary, TrendRow, TrendScore};
use crate::mcp::convert::{Summarised, arguments, failed, rounded, success};
use crate::session::{IterationView, Overview, OverviewRequest, PAGE, Service, SessionView};

pub const NAME: &str = "get_history";

pub fn definition() -> Tool {
    tool::<Input, Output>(&Promise {
        name: NAME,
        title: "What was tried",
        description: "Sessions; one session's iterations with scores, the best, and what runs now; one `iteration` in full \
                      (prompt, changes, runs, pictures, scores).",
        read_only: true,
        idempotent: true,
        open_world: false,
    })
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Leave out to list sessions
    session: Option<String>,
    iteration: Option<u32>,
    /// 20 a page, 0 = newest
    #[serde(default)]
    page: u32,
    /// A judgement that goes on
    handle: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct SessionOut {
    session: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    created: String,
    iterations: u32,
}

/// An iteration: in brief as one of a session's, or in full.
#[derive(Serialize, JsonSchema)]
struct IterationOut {
    iteration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    best: bool,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    full: Option<FullOut>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Draft,
    Running,
    /// Begun and not known to have ended: the server or ComfyUI went away.
    Open,
    Done,
    Failed,
    Cancelled,
}

#[derive(Serialize, JsonSchema)]
struct FullOut {
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative: Option<String>,
    /// By place.
    changes: BTreeMap<String, ChangeOut>,
    runs: Vec<RunOut>,
    /// The newest of every picture and judge.
    judgements: Vec<RecordOut>,
}

#[derive(Serialize, JsonSchema)]
struct ChangeOut {
    from: Value,
    to: Value,
}

#[derive(Serialize, JsonSchema)]
struct RunOut {
    seed: u64,
    prompt_id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<String>,
}

#[derive(Default, Serialize, JsonSchema)]
struct Output {
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<SessionOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    iterations: Vec<IterationOut>,
}

impl Summarised for Output {}

pub async fn call(service: &Service, given: Option<Map<String, Value>>) -> CallToolResponse {
    let input: Input = match arguments(NAME, given) {
        Ok(input) => input,
        Err(answer) => return *answer,
    };
    let page = input.page;
    let request = OverviewRequest {
        session: input.session,
        iteration: input.iteration,
        page,
        handle: input.handle,
    };
    match service.overview(request).await {
        Ok(overview) => success(&output(overview, page), Vec::new()),
        Err(error) => failed(&error),
    }
}

fn output(overview: Overview, page: u32) -> Output {
    match overview {
        Overview::Sessions(found) => sessions(found, page),
        Overview::Session(view) => trend(&view, page),
        Overview::Iteration(view) => iteration(&view),
        Overview::Job { handle, running } => Output {
            summary: match running {
                Some(progress) => format!("Judgement {handle} goes on ({}).", progress.message),
                None => format!("Judgement {handle} has ended: call judge_pair with this handle for its result."),
            },
            ..Output::default()
        },
    }
}

fn sessions(found: Vec<SessionSummary>, page: u32) -> Output {
    let summary = match (found.len(), page) {
        (0, 0) => "No session yet: open one with inject_prompt.".to_owned(),
        (0, _) => format!("Page {page} is empty: there are no older sessions."),
        (n, _) if n == PAGE as usize => format!("{n} sessions, the newest first; older ones on page {}.", page + 1),
        (n, _) => format!("{n} session(s), the newest first."),
    };
    let sessions = found
        .into_iter()
        .map(|s| SessionOut {
            session: s.id.to_string(),
            title: s.title,
            created: s.created_at.to_string(),
            iterations: s.iterations,
        })
        .collect();
    Output {
        summary,
        sessions,
        ..Output::default()
    }
}

fn iteration(view: &IterationView) -> Output {
    let IterationView {
        session,
        iteration,
        runs,
        judgements,
        running,
    } = view;
    let mut newest: Vec<&Judgement> = Vec::new();
    for judgement in judgements {
        // Judging again gives the same numbers; the older record says nothing more.
        newest.retain(|kept| {
            let (kept, new) = (&kept.content, &judgement.content);
            (&kept.image, &kept.judge) != (&new.image, &new.judge)
        });
        newest.push(judgement);
    }
    let seed_of = |judgement: &Judgement| {
        let of = |(run, _): &&(Run, _)| Some(run.prompt_id) == judgement.content.run;
        runs.iter().find(of).map(|(run, _)| run.seed)
    };
    let content = &iteration.content;
    Output {
        summary: format!(
            "Iteration {} of session {}: {} run(s), {} judgement(s){}.",
            iteration.n,
            session.id,
            runs.len(),
            newest.len(),
            running
                .as_ref()
                .map(|progress| format!("; running now ({})", progress.message))
                .unwrap_or_default(),
        ),
        iterations: vec![IterationOut {
            iteration: iteration.n.get(),
            parent: content.parent.map(|p| p.get()),
            overall_score: None,
            best: false,
            state: state(counted(runs), running.is_some()),
            positive: content.positive.clone(),
            note: content.note.clone(),
            full: Some(FullOut {
                created: iteration.created_at.to_string(),
                negative: content.negative.clone(),
                changes: content.changes.iter().map(change).collect(),
                runs: runs.iter().map(run).collect(),
                judgements: newest.into_iter().map(|j| RecordOut::of(j, seed_of(j))).collect(),
            }),
        }],
        ..Output::default()
    }
}

fn change(change: &Change) -> (String, ChangeOut) {
    let written = ChangeOut {
        from: change.from.clone(),
        to: change.to.clone(),
    };
    (format!("{}.{}", change.node, change.input), written)
}

fn run((run, pictures): &(Run, Vec<(RunImage, String)>)) -> RunOut {
    RunOut {
        seed: run.seed,
        prompt_id: run.prompt_id.to_string(),
        state: run.state.as_str(),
        error: run.error.clone(),
        cached: run.cached,
        pictures: pictures.iter().map(|(_, path)| path.clone()).collect(),
    }
}

fn trend(view: &SessionView, page: u32) -> Output {
    let opened = &view.session.opened;
    // Scores of different judges are never compared: only the newest judge's are shown.
    let judge = view
        .rows
        .iter()
        .rev()
        .find_map(|row| row.scores.last())
        .map(|s| &s.judge);
    let score = |row: &'_ TrendRow| row.scores.iter().find(|s| Some(&s.judge) == judge).cloned();
    let best = view.rows.iter().find_map(|row| {
        let score = score(row).filter(|s| s.best)?;
        score.overall.map(|overall| (row.n, overall))
    });
    let mut summary = format!(
        "Session {}: {} of at most {} iterations, target {:.2}",
        view.session.id,
        view.rows.len(),
        opened.max_iterations,
        opened.target_score
    );
    if let Some((n, overall)) = best {
        summary.push_str(&format!("; best {overall:.2} (iteration {n})"));
        if overall >= opened.target_score {
            summary.push_str(", the target is reached");
        }
    }
    summary.push('.');
    let size = PAGE as usize;
    let end = view.rows.len().saturating_sub(page as usize * size);
    let start = end.saturating_sub(size);
    if start > 0 {
        summary.push_str(&format!(" Older iterations on page {}.", page + 1));
    } else if end == 0 && !view.rows.is_empty() {
        summary.push_str(&format!(" Page {page} is empty."));
    }
    for (n, progress) in &view.running {
        let message = if progress.message.is_empty() {
            "starting"
        } else {
            &progress.message
        };
        summary.push_str(&format!(" Iteration {n} runs now ({message})."));
    }
    let rows: Vec<IterationOut> = view.rows[start..end]
        .iter()
        .map(|row| {
            let running = view.running.iter().any(|(n, _)| *n == row.n.get());
            in_brief(row, state(row.runs, running), score(row))
        })
        .collect();
    for row in rows.iter().filter(|row| row.state == State::Open) {
        summary.push_str(&format!(
            " Iteration {} was begun and its end is not known: queue_generation with session and iteration finds it.",
            row.iteration
        ));
    }
    if view
        .rows
        .iter()
        .any(|row| !row.scores.is_empty() && score(row).is_none())
    {
        summary.push_str(" Scores by earlier judges are left out: they cannot be compared.");
    }
    Output {
        summary,
        iterations: rows,
        ..Output::default()
    }
}

fn counted(runs: &[(Run, Vec<(RunImage, String)>)]) -> RunCounts {
    let mut counts = RunCounts::default();
    for (run, _) in runs {
        match run.state {
            RunState::Prepared | RunState::Submitted => counts.open += 1,
            RunState::Finished => counts.finished += 1,
            RunState::Failed | RunState::Lost => counts.failed += 1,
            RunState::Cancelled => counts.cancelled += 1,
        }
    }
    counts
}

fn state(counts: RunCounts, running: bool) -> State {
    if running {
        State::Running
    } else if counts.open > 0 {
        State::Open
    } else if counts.finished > 0 {
        State::Done
    } else if counts.failed > 0 {
        State::Failed
    } else if counts.cancelled > 0 {
        State::Cancelled
    } else {
        State::Draft
    }
}

fn in_brief(row: &TrendRow, state: State, score: Option<TrendScore>) -> IterationOut {
    IterationOut {
        iteration: row.n.get(),
        parent: row.parent.map(|p| p.get()),
        overall_score: score.as_ref().and_then(|s| s.overall).map(rounded),
        best: score.is_some_and(|s| s.best),
        state,
        positive: row.positive.clone(),
        note: row.note.clone(),
        full: None,
    }
}
