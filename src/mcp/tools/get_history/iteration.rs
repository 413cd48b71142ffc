//! An iteration: in brief as one of a session's, or in full.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Output, State, Texts};
use crate::mcp::resources::Address;
use crate::mcp::tools::scores::RecordOut;
use crate::session::{IterationView, KeptPicture};
use history::{Change, Judgement, Run, RunCounts, RunState};
use text::secrets::{Secrets, masked_input};
use text::shortened;
use types::{DecisionKind, Seed};

/// Most characters of a prompt or a note in a tool's result.
const PROMPT: usize = 1_200;

/// Most characters of what an input was changed from and to, which is often the prompt again.
const CHANGED: usize = 200;

#[derive(Serialize, JsonSchema)]
pub struct IterationOut {
    pub iteration: u32,
    /// Absent where it is the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overall_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub decision: Option<DecisionKind>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub best: bool,
    #[serde(skip_serializing_if = "is_done")]
    #[schemars(with = "String")]
    pub state: State,
    /// Why, in the agent's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub full: Option<FullOut>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_done(state: &State) -> bool {
    *state == State::Done
}

#[derive(Serialize, JsonSchema)]
pub struct FullOut {
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    positive: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    negative: Option<String>,
    /// By place.
    #[schemars(with = "BTreeMap<String, Value>")]
    changes: BTreeMap<String, ChangeOut>,
    // Whoever asks for an iteration reads it; every client would pay for these schemas with every list of tools.
    #[schemars(with = "Vec<Map<String, Value>>")]
    runs: Vec<RunOut>,
    /// The newest of every picture and judge.
    #[schemars(with = "Vec<Map<String, Value>>")]
    judgements: Vec<RecordOut>,
    /// Each time it was decided on, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decisions: Vec<String>,
}

#[derive(Serialize)]
struct ChangeOut {
    from: Value,
    to: Value,
}

#[derive(Serialize)]
struct RunOut {
    seed: Seed,
    prompt_id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<String>,
}

/// Shows texts, and remembers whether one of them was cut.
struct Shown {
    texts: Texts,
    cut: bool,
}

impl Shown {
    fn text(&mut self, text: &str, most: usize) -> String {
        match self.texts {
            Texts::Whole => text.to_owned(),
            Texts::Cut => {
                let shown = shortened(text, most);
                self.cut |= shown != text;
                shown
            }
        }
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text, CHANGED).into(),
            other => other.clone(),
        }
    }

    fn change(&mut self, change: &Change) -> (String, ChangeOut) {
        let written = ChangeOut {
            from: self.value(&masked_input(&change.input, &change.from)),
            to: self.value(&masked_input(&change.input, &change.to)),
        };
        (format!("{}.{}", change.node, change.input), written)
    }
}

pub fn output(view: &IterationView, texts: Texts) -> Output {
    let IterationView {
        session,
        iteration,
        runs,
        judgements,
        decisions,
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
    let secrets = Secrets::of(&content.graph);
    let mut shown = Shown { texts, cut: false };
    let note = shown.text(content.note.as_deref().unwrap_or_default(), PROMPT);
    let positive = content.positive.as_deref().map(|text| shown.text(text, PROMPT));
    let negative = content.negative.as_deref().map(|text| shown.text(text, PROMPT));
    let changes = content
        .changes
        .iter()
        .filter(|change| change.changes_something())
        .map(|change| shown.change(change))
        .collect();
    let cut = match shown.cut {
        true => format!(
            " Texts are cut; whole they are in {}.",
            Address::Iteration(session.id.clone(), iteration.n)
        ),
        false => String::new(),
    };
    Output {
        summary: format!(
            "Iteration {} of session {}: {} run(s), {} judgement(s){}.{}{}{cut}",
            iteration.n,
            session.id,
            runs.len(),
            newest.len(),
            running
                .as_ref()
                .map(|progress| format!("; running now ({})", progress.message))
                .unwrap_or_default(),
            without_picture(runs),
            decisions
                .last()
                .map(|decided| format!(" {}", decided.in_words()))
                .unwrap_or_default(),
        ),
        iterations: vec![IterationOut {
            iteration: iteration.n.get(),
            parent: content.parent.map(|p| p.get()),
            overall_score: None,
            decision: decisions.last().map(|decided| decided.kind),
            best: false,
            state: State::of(counted(runs), running.is_some()),
            note,
            full: Some(FullOut {
                created: iteration.created_at.to_string(),
                positive,
                negative,
                changes,
                runs: runs.iter().map(|ran| run(ran, &secrets)).collect(),
                judgements: newest.into_iter().map(|j| RecordOut::of(j, seed_of(j))).collect(),
                decisions: decisions.iter().map(|decided| decided.in_words()).collect(),
            }),
        }],
        ..Output::default()
    }
}

fn run((run, pictures): &(Run, Vec<KeptPicture>), secrets: &Secrets) -> RunOut {
    RunOut {
        seed: run.seed,
        prompt_id: run.prompt_id.to_string(),
        state: run.state.as_str(),
        error: run.error.as_deref().map(|error| secrets.masked(error)),
        cached: run.cached,
        pictures: pictures.iter().map(|kept| kept.file.to_string()).collect(),
    }
}

/// The seeds whose last run ended without a picture.
fn without_picture(runs: &[(Run, Vec<KeptPicture>)]) -> String {
    let mut last: BTreeMap<Seed, RunState> = BTreeMap::new();
    for (run, _) in runs {
        let state = last.entry(run.seed).or_insert(run.state);
        if *state != RunState::Finished {
            *state = run.state;
        }
    }
    let without = last
        .iter()
        .filter(|(_, state)| !state.is_open() && **state != RunState::Finished);
    without
        .map(|(seed, state)| format!(" Seed {seed} has no picture: {state}."))
        .collect()
}

fn counted(runs: &[(Run, Vec<KeptPicture>)]) -> RunCounts {
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
