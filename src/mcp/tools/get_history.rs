//! `get_history`.

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Promise, tool};
use crate::history::{RunState, TrendRow};
use crate::mcp::convert::{Summarised, arguments, failed, rounded, success};
use crate::session::{Overview, OverviewRequest, PAGE, Service, SessionView};

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
    judgements: u32,
}

#[derive(Serialize, JsonSchema)]
struct RowOut {
    iteration: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    best: bool,
    /// draft, running, done, failed or cancelled
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<SessionOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trend: Vec<RowOut>,
    /// One iteration in full
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<Value>,
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
        Overview::Sessions(sessions) => {
            let summary = match (sessions.len(), page) {
                (0, 0) => "No session yet: open one with inject_prompt.".to_owned(),
                (n, _) => format!("{n} session(s), the newest first."),
            };
            let sessions = sessions
                .into_iter()
                .map(|s| SessionOut {
                    session: s.id.to_string(),
                    title: s.title,
                    created: s.created_at.to_string(),
                    iterations: s.iterations,
                    judgements: s.judgements,
                })
                .collect();
            Output {
                summary,
                sessions,
                trend: Vec::new(),
                iteration: None,
            }
        }
        Overview::Session(view) => trend(&view, page),
        Overview::Iteration {
            session,
            iteration,
            runs,
            judgements,
            running,
        } => {
            let summary = format!(
                "Iteration {} of session {}: {} run(s), {} judgement(s){}.",
                iteration.n,
                session.id,
                runs.len(),
                judgements.len(),
                running
                    .map(|p| format!("; running now ({})", p.message))
                    .unwrap_or_default(),
            );
            let content = iteration.content;
            let full = serde_json::json!({
                "n": iteration.n.get(),
                "parent": content.parent.map(|p| p.get()),
                "created": iteration.created_at.to_string(),
                "positive": content.positive,
                "negative": content.negative,
                "knobs": content.knobs,
                "changes": content.changes,
                "note": content.note,
                "graph_hash": content.graph_hash.to_string(),
                "runs": runs.iter().map(|(run, pictures)| serde_json::json!({
                    "prompt_id": run.prompt_id.to_string(),
                    "seed": run.seed,
                    "state": run.state.as_str(),
                    "error": run.error,
                    "cached": run.cached,
                    "seconds": run.seconds,
                    "pictures": pictures.iter().map(|(_, path)| path).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
                "judgements": judgements.iter().map(|j| j.content.verdict.clone()).collect::<Vec<_>>(),
            });
            Output {
                summary,
                sessions: Vec::new(),
                trend: Vec::new(),
                iteration: Some(full),
            }
        }
        Overview::Job { handle, running } => {
            let summary = match running {
                Some(progress) => format!("Judgement {handle} goes on ({}).", progress.message),
                None => format!("Judgement {handle} has ended: call judge_pair with this handle for its result."),
            };
            Output {
                summary,
                sessions: Vec::new(),
                trend: Vec::new(),
                iteration: None,
            }
        }
    }
}

fn trend(view: &SessionView, page: u32) -> Output {
    let opened = &view.session.opened;
    let best = view.rows.iter().find_map(|row| {
        let score = row.scores.last().filter(|s| s.best)?;
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
    for (n, progress) in &view.running {
        summary.push_str(&format!(" Iteration {n} runs now ({}).", progress.message));
    }
    let size = PAGE as usize;
    let end = view.rows.len().saturating_sub(page as usize * size);
    let start = end.saturating_sub(size);
    let running: Vec<u32> = view.running.iter().map(|(n, _)| *n).collect();
    Output {
        summary,
        sessions: Vec::new(),
        trend: view.rows[start..end]
            .iter()
            .map(|row| row_out(row, running.contains(&row.n.get())))
            .collect(),
        iteration: None,
    }
}

fn row_out(row: &TrendRow, running: bool) -> RowOut {
    let counts = row.runs;
    let state = if running || counts.open > 0 {
        "running"
    } else if counts.finished > 0 {
        "done"
    } else if counts.failed > 0 {
        RunState::Failed.as_str()
    } else if counts.cancelled > 0 {
        RunState::Cancelled.as_str()
    } else {
        "draft"
    };
    // The newest judge's score: scores of different judges are never compared.
    let score = row.scores.last();
    RowOut {
        iteration: row.n.get(),
        parent: row.parent.map(|p| p.get()),
        overall_score: score.and_then(|s| s.overall).map(rounded),
        best: score.is_some_and(|s| s.best),
        state: state.to_owned(),
        positive: row.positive.clone(),
        note: row.note.clone(),
    }
}
