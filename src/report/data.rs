//! The page's data, as its script reads it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::session::{Notebook, Noted, NotedRun, Thumbnail};
use calibration::decided::Decided;
use calibration::stats::mean;
use history::RunState;
use judge::score::AxisVerdict;
use judge::verdict::{AxisResult, Flag};
use text::secrets::{Secrets, masked_input};
use types::{AxisId, DecisionKind, IterationNo};

/// Everything that the page shows.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// The session's name.
    pub session: String,
    /// Its title.
    pub title: Option<String>,
    /// Whether pictures and words are veiled.
    pub explicit: bool,
    created: String,
    rubric: String,
    target_score: f64,
    max_iterations: u32,
    judge: Option<String>,
    program: String,
    summary: String,
    warnings: Vec<String>,
    reference: Option<Picture>,
    axes: Vec<Axis>,
    best: Option<IterationNo>,
    iterations: Vec<Iteration>,
    /// What is not to be shown, wherever it stands.
    #[serde(skip)]
    pub(super) secrets: Secrets,
}

/// The field of a picture's pixels, which are no text.
pub(super) const PICTURE: &str = "src";

#[derive(Debug, Clone, Serialize)]
struct Axis {
    id: String,
    group: Option<String>,
    definition: String,
    weight: f64,
    target: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
struct Picture {
    /// A data URL.
    src: String,
    width: u32,
    height: u32,
}

/// A piece of a prompt: kept, taken out or put in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece(pub &'static str, pub String);

#[derive(Debug, Clone, Serialize)]
struct Iteration {
    n: IterationNo,
    parent: Option<IterationNo>,
    created: String,
    note: Option<String>,
    positive: Option<String>,
    negative: Option<String>,
    diff: Vec<Piece>,
    negative_diff: Vec<Piece>,
    /// The workflow's own texts beside the prompt.
    beside: Vec<Beside>,
    changes: Vec<Change>,
    state: &'static str,
    error: Option<String>,
    score: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    decision: Option<Decision>,
    axes: BTreeMap<AxisId, Score>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Serialize)]
struct Change {
    place: String,
    from: Value,
    to: Value,
}

#[derive(Debug, Clone, Serialize)]
struct Beside {
    place: String,
    text: String,
}

#[derive(Debug, Clone, Serialize)]
struct Decision {
    kind: DecisionKind,
    against: Option<IterationNo>,
    probability: Option<f64>,
    seeds: usize,
    words: String,
}

#[derive(Debug, Clone, Serialize)]
struct Score {
    score: Option<f64>,
    low: Option<f64>,
    high: Option<f64>,
    #[serde(rename = "ref")]
    reference: String,
    #[serde(rename = "gen")]
    generated: String,
    verdict: AxisVerdict,
    delta: Option<f64>,
    moved: Option<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
struct Run {
    /// As text: a script's numbers end at 2⁵³.
    seed: String,
    score: Option<f64>,
    picture: Option<Picture>,
    withheld: Option<String>,
    seconds: Option<f64>,
    prompt_id: String,
    image: Option<String>,
}

/// The data of a notebook's page.
#[must_use]
pub fn page(notebook: &Notebook) -> Page {
    let opened = &notebook.session.opened;
    let mut warnings: Vec<String> = Vec::new();
    let flags = notebook
        .iterations
        .iter()
        .filter_map(|noted| noted.verdict.as_ref())
        .flat_map(|v| &v.flags);
    for warning in flags.filter_map(|flag: &Flag| flag.warning()) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    let shown: BTreeMap<&str, &str> = notebook
        .iterations
        .iter()
        .filter_map(|noted| noted.verdict.as_ref())
        .flat_map(|verdict| &verdict.axes)
        .map(|axis| (axis.id.as_str(), axis.reference.as_str()))
        .collect();
    Page {
        secrets: notebook.secrets.clone(),
        session: notebook.session.id.to_string(),
        // The tab's name is not veiled.
        title: opened.title.clone().filter(|_| !notebook.veiled),
        explicit: notebook.veiled,
        created: notebook.session.created_at.to_string(),
        rubric: opened.rubric.id.clone(),
        target_score: opened.target_score,
        max_iterations: opened.max_iterations,
        judge: notebook.judge.as_ref().map(|judge| judge.short().to_owned()),
        program: concat!("prompt-calibrator ", env!("CARGO_PKG_VERSION")).to_owned(),
        summary: notebook.summary.clone(),
        warnings,
        reference: notebook.reference.as_ref().map(picture),
        axes: notebook
            .rubric
            .axes
            .iter()
            .map(|axis| Axis {
                id: axis.id.to_string(),
                group: axis.group.as_ref().map(ToString::to_string),
                definition: axis.definition.clone(),
                weight: axis.weight,
                target: shown.get(axis.id.as_str()).map(|words| (*words).to_owned()),
            })
            .collect(),
        best: notebook.best,
        iterations: notebook
            .iterations
            .iter()
            .map(|noted| iteration(noted, notebook))
            .collect(),
    }
}

fn iteration(noted: &Noted, notebook: &Notebook) -> Iteration {
    let content = &noted.iteration.content;
    let parent = content
        .parent
        .and_then(|n| notebook.iterations.iter().find(|other| other.iteration.n == n));
    let texts = [content.positive.as_deref(), content.negative.as_deref()];
    let against = |of: fn(&Noted) -> Option<&str>| match (parent.and_then(of), of(noted)) {
        (Some(before), Some(after)) => difference(before, after),
        _ => Vec::new(),
    };
    let verdict = noted.verdict.as_ref();
    Iteration {
        n: noted.iteration.n,
        parent: content.parent,
        created: noted.iteration.created_at.to_string(),
        note: content.note.clone(),
        positive: content.positive.clone(),
        negative: content.negative.clone(),
        diff: against(|noted| noted.iteration.content.positive.as_deref()),
        negative_diff: against(|noted| noted.iteration.content.negative.as_deref()),
        beside: noted
            .beside
            .iter()
            .map(|beside| Beside {
                place: beside.place.clone(),
                text: beside.text.clone(),
            })
            .collect(),
        changes: content
            .changes
            .iter()
            .filter(|change| change.changes_something())
            // The prompts are shown by themselves.
            .filter(|change| change.to.as_str().is_none_or(|to| !texts.contains(&Some(to))))
            .map(|change| Change {
                place: format!("{}.{}", change.node, change.input),
                from: masked_input(&change.input, &change.from),
                to: masked_input(&change.input, &change.to),
            })
            .collect(),
        state: state(&noted.runs),
        error: noted.runs.iter().rev().find_map(|run| run.run.error.clone()),
        score: verdict.and_then(|v| v.overall_score),
        low: verdict.and_then(|v| v.overall_ci).map(|[low, _]| low),
        high: verdict.and_then(|v| v.overall_ci).map(|[_, high]| high),
        decision: noted.decision.as_ref().map(decision),
        axes: verdict
            .iter()
            .flat_map(|v| &v.axes)
            .map(|axis| (axis.id.clone(), score(axis, noted.decision.as_ref())))
            .collect(),
        runs: by_seed(&noted.runs).into_iter().map(run).collect(),
    }
}

/// One run a seed: the finished one, else the last that was tried.
fn by_seed(runs: &[NotedRun]) -> Vec<&NotedRun> {
    let mut chosen: Vec<&NotedRun> = Vec::new();
    for run in runs {
        match chosen.iter_mut().find(|other| other.run.seed == run.run.seed) {
            Some(other) if other.run.state == RunState::Finished => {}
            Some(other) => *other = run,
            None => chosen.push(run),
        }
    }
    chosen
}

fn state(runs: &[NotedRun]) -> &'static str {
    let any = |wanted: fn(RunState) -> bool| runs.iter().any(|run| wanted(run.run.state));
    if any(RunState::is_open) {
        "open"
    } else if any(|s| s == RunState::Finished) {
        "done"
    } else if any(|s| matches!(s, RunState::Failed | RunState::Lost)) {
        "failed"
    } else if any(|s| s == RunState::Cancelled) {
        "cancelled"
    } else {
        "draft"
    }
}

fn decision(decided: &Decided) -> Decision {
    Decision {
        kind: decided.kind,
        against: decided.against,
        probability: decided.detail.probability,
        seeds: decided.detail.comparison.seeds.len(),
        words: decided.in_words(),
    }
}

fn score(axis: &AxisResult, decided: Option<&Decided>) -> Score {
    let error = axis.position_bias.hypot(axis.std);
    let detail = decided.map(|decided| &decided.detail);
    let deltas = detail.and_then(|detail| detail.comparison.axes.get(&axis.id));
    let moved = detail.and_then(|detail| detail.moved.get(&axis.id));
    Score {
        score: axis.score,
        low: axis.score.map(|score| (score - error).clamp(0.0, 1.0)),
        high: axis.score.map(|score| (score + error).clamp(0.0, 1.0)),
        reference: axis.reference.clone(),
        generated: axis.generated.clone(),
        verdict: axis.verdict,
        delta: deltas.filter(|deltas| !deltas.is_empty()).map(|deltas| mean(deltas)),
        moved: moved.map(|by| if *by > 0.0 { "up" } else { "down" }),
    }
}

fn run(noted: &NotedRun) -> Run {
    Run {
        seed: noted.run.seed.to_string(),
        score: noted.score,
        picture: noted.picture.as_ref().map(picture),
        withheld: noted.withheld.clone(),
        seconds: noted.run.seconds,
        prompt_id: noted.run.prompt_id.to_string(),
        image: noted.image.as_ref().map(ToString::to_string),
    }
}

fn picture(thumbnail: &Thumbnail) -> Picture {
    Picture {
        src: format!("data:image/jpeg;base64,{}", STANDARD.encode(&thumbnail.jpeg)),
        width: thumbnail.width,
        height: thumbnail.height,
    }
}

/// What became of a text, word by word.
pub(super) fn difference(before: &str, after: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for change in TextDiff::from_words(before, after).iter_all_changes() {
        let mark = match change.tag() {
            ChangeTag::Equal => "=",
            ChangeTag::Delete => "-",
            ChangeTag::Insert => "+",
        };
        match pieces.last_mut() {
            Some(Piece(last, text)) if *last == mark => text.push_str(change.value()),
            _ => pieces.push(Piece(mark, change.value().to_owned())),
        }
    }
    pieces
}
