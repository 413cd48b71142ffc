//! `get_history`: one view a file; [`call`] picks it by what was asked for.

mod advice;
mod axis;
mod iteration;
mod sessions;
mod trend;

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Promise, tool};
use crate::mcp::call::Call;
use crate::mcp::convert::{Beside, arguments, failed, success};
use crate::mcp::resources::Address;
use crate::session::{Overview, OverviewRequest, Service, ServiceError};
use history::{IterationState, RunCounts};
use text::{outgoing_json, shortened};

pub const NAME: &str = "get_history";

/// What every view but the full iteration stays below, in bytes: 600 tokens of 4.
const BUDGET: usize = 2_400;

pub fn definition() -> Tool {
    tool::<Input, Output>(&Promise {
        name: NAME,
        title: "What was tried",
        description: "Sessions; a session's trend (scores, keep or revert, best, what runs now); one `iteration` in full; one \
                      `axis` over time; `advice`: what to change next, what was tried on it, when to stop.",
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
    axis: Option<String>,
    #[serde(default)]
    advice: bool,
    /// 20 a page, 0 = newest
    #[serde(default)]
    page: u32,
    /// A judgement that goes on
    handle: Option<String>,
}

#[derive(Default, Serialize, JsonSchema)]
struct Output {
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sessions: Vec<sessions::SessionOut>,
    /// Oldest first; or the one that was asked for, in full.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    iterations: Vec<iteration::IterationOut>,
    /// One axis, an iteration each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<Map<String, Value>>")]
    axis: Vec<axis::AxisRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    advice: Option<advice::AdviceOut>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Draft,
    Running,
    /// Begun and not known to have ended: the server or ComfyUI went away.
    Open,
    #[default]
    Done,
    Failed,
    Cancelled,
}

impl State {
    fn of(counts: RunCounts, running: bool) -> Self {
        match counts.state() {
            _ if running => Self::Running,
            IterationState::Draft => Self::Draft,
            IterationState::Open => Self::Open,
            IterationState::Done => Self::Done,
            IterationState::Failed => Self::Failed,
            IterationState::Cancelled => Self::Cancelled,
        }
    }
}

pub async fn call(service: &Service, call: Call) -> CallToolResponse {
    let input: Input = match arguments(NAME, call.arguments) {
        Ok(input) => input,
        Err(answer) => return *answer,
    };
    let page = input.page;
    let request = OverviewRequest {
        session: input.session,
        iteration: input.iteration,
        axis: input.axis,
        advice: input.advice,
        page,
        handle: input.handle,
    };
    let overview = match service.overview(request).await {
        Ok(overview) => overview,
        Err(error) => return failed(&error),
    };
    let beside = Beside {
        view: for_the_page(service, &overview).await.ok().flatten(),
        ..Beside::default()
    };
    success(&output(overview, page, Texts::Cut), beside)
}

/// How much of an iteration's texts is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// As a tool's result: an agent pays for every word. What is cut says where it is whole.
    Cut,
    /// As the resource that holds them whole.
    Whole,
}

/// What the page must know of the sessions that it looks up itself.
async fn for_the_page(service: &Service, overview: &Overview) -> Result<Option<Value>, ServiceError> {
    match overview {
        Overview::Session(shown) => {
            let mut beside = super::view(service, &shown.session.id, None).await?;
            if let (Some(first), Some(last)) = (shown.rows.first(), shown.rows.last()) {
                let found = service.store().first_images(&shown.session.id, first.n, last.n).await?;
                let pictures = found
                    .into_iter()
                    .map(|(n, hash)| (n.to_string(), Address::Picture(hash).to_string().into()));
                beside["pictures"] = Value::Object(pictures.collect());
            }
            Ok(Some(beside))
        }
        Overview::Iteration(shown) => {
            let n = shown.iteration.n.get();
            super::view(service, &shown.session.id, Some(n)).await.map(Some)
        }
        Overview::Sessions(_) | Overview::Axis(_) | Overview::Advice(_) | Overview::Job { .. } => Ok(None),
    }
}

/// A view as `get_history` gives it, with its texts whole, as it may go out.
///
/// # Errors
/// [`ServiceError`] when it does not exist.
pub async fn view(service: &Service, request: OverviewRequest) -> Result<Value, ServiceError> {
    let page = request.page;
    let shown = output(service.overview(request).await?, page, Texts::Whole);
    let mut shown = serde_json::to_value(shown).map_err(|error| ServiceError::Internal(error.to_string()))?;
    outgoing_json(&mut shown);
    Ok(shown)
}

fn output(overview: Overview, page: u32, texts: Texts) -> Output {
    match overview {
        Overview::Sessions(found) => sessions::output(found, page),
        Overview::Session(view) => trend::output(&view, page),
        Overview::Iteration(view) => iteration::output(&view, texts),
        Overview::Axis(view) => axis::output(&view, page),
        Overview::Advice(view) => advice::output(&view),
        Overview::Job { handle, running } => Output {
            summary: match running {
                Some(progress) => format!("Judgement {handle} goes on ({}).", progress.message),
                None => format!("Judgement {handle} has ended: call judge_pair with this handle for its result."),
            },
            ..Output::default()
        },
    }
}

/// How a page continues, in words.
fn pages(count: u32, page: u32, shown: usize) -> String {
    if shown == 0 && count > 0 {
        return format!(" Page {page} is empty.");
    }
    let older = count.saturating_sub((page + 1).saturating_mul(crate::session::PAGE)) > 0;
    if older {
        format!(" Older ones on page {}.", page + 1)
    } else {
        String::new()
    }
}

/// The largest budget of characters for the free text of every row, from `most` down, with which an answer stays in its bytes.
fn within_budget(most: usize, make: impl Fn(usize) -> Output) -> Output {
    // As it goes out: what is not seen takes more room when it is written out.
    let size = |output: &Output| {
        serde_json::to_value(output).map_or(usize::MAX, |mut value| {
            outgoing_json(&mut value);
            value.to_string().len()
        })
    };
    let mut most = most;
    let mut output = make(most);
    while most > 0 && size(&output) > BUDGET {
        most -= most.min(4);
        output = make(most);
    }
    // Rows that are long without any text: the oldest of the page are left out, and that is said.
    let mut left_out = 0;
    while size(&output) > BUDGET && output.iterations.len() > 1 {
        let row = output.iterations.remove(0);
        left_out += 1;
        if left_out == 1 {
            output.summary.push_str(&format!(
                " Iteration {} and older ones of this page are left out for length.",
                row.iteration
            ));
        }
    }
    output
}
