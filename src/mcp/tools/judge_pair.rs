//! `judge_pair`.

use std::collections::BTreeMap;

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::scores::{ScoresOut, closer, compared, decided, in_words, warnings};
use super::{Promise, shown, tool, view};
use crate::mcp::call::Call;
use crate::mcp::convert::{Beside, arguments, rounded, success};
use crate::session::{JudgeAnswer, JudgeRequest, Judged, Judgement, JudgementOf, Service, TargetTable};
use calibration::advice::Blind;
use judge::average::averaged;
use judge::verdict::{Flag, Verdict};
use text::capitalised;
use types::hint;

pub const NAME: &str = "judge_pair";

pub fn definition() -> Tool {
    shown(tool::<Input, Output>(&Promise {
        name: NAME,
        title: "Compare with the reference",
        description: "Score a picture against the reference, axis by axis: a session's `iteration`, or two files. \
                      With a reference alone (or a session alone) it returns what the reference shows, to write the first prompt from.",
        read_only: false,
        idempotent: true,
        open_world: false,
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    session: Option<String>,
    iteration: Option<u32>,
    /// Path
    reference: Option<String>,
    /// Path
    generated: Option<String>,
    /// "default", "explicit" or a TOML path
    rubric: Option<String>,
    /// Iteration or path: also asks which is closer
    #[serde(default, deserialize_with = "iteration_or_path")]
    #[schemars(with = "String")]
    against: Option<String>,
    /// Axis: words, to correct what the reference shows
    #[serde(default)]
    reference_values: BTreeMap<String, String>,
    /// All axes in full, not the six worst
    #[serde(default)]
    full: bool,
    /// Attach a contact sheet
    #[serde(default)]
    images: bool,
    /// Seconds before answering with a handle; default 50
    wait_s: Option<u32>,
    /// Go on waiting for a judgement
    handle: Option<String>,
    /// Free the judge's memory afterwards
    #[serde(default)]
    unload: bool,
}

/// An iteration may come as a number too.
fn iteration_or_path<'de, D: Deserializer<'de>>(given: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        Iteration(u32),
        Text(String),
    }
    let given = Option::<Given>::deserialize(given)?;
    Ok(given.map(|given| match given {
        Given::Iteration(n) => n.to_string(),
        Given::Text(text) => text,
    }))
}

#[derive(Serialize, JsonSchema)]
struct Output {
    summary: String,
    /// Still running: call again with it
    #[serde(skip_serializing_if = "Option::is_none")]
    handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    scores: Option<ScoresOut>,
    /// Log-odds that this picture is closer than `against`, over all and per group.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    closer: BTreeMap<String, f64>,
    /// Of several seeds, each one's overall score; the others are over all of them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    seeds: BTreeMap<String, f64>,
    /// Of a reference alone, what it shows on each axis.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    reference_values: BTreeMap<String, String>,
    /// Files of reference and generated picture
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pictures: Vec<String>,
}

impl Output {
    fn empty(summary: String) -> Self {
        Self {
            summary,
            handle: None,
            seed: None,
            scores: None,
            closer: BTreeMap::new(),
            seeds: BTreeMap::new(),
            reference_values: BTreeMap::new(),
            pictures: Vec::new(),
        }
    }
}

/// Whether these can be arguments; else the answer.
pub fn check(given: Option<Map<String, Value>>) -> Result<(), Box<CallToolResponse>> {
    arguments::<Input>(NAME, given).map(|_| ())
}

pub async fn call(service: &Service, call: Call) -> CallToolResponse {
    let input: Input = match arguments(NAME, call.arguments.clone()) {
        Ok(input) => input,
        Err(answer) => return *answer,
    };
    let request = JudgeRequest {
        session: input.session,
        iteration: input.iteration,
        reference: input.reference,
        generated: input.generated,
        rubric: input.rubric,
        against: input.against,
        reference_values: input.reference_values,
        unload: input.unload,
        wait: call.wait(input.wait_s),
        handle: input.handle,
        caller: call.caller,
    };
    let answer = call
        .with_progress(|teller, cancel| async move { service.judge_pair(request, &teller, &cancel).await })
        .await;
    let judging = match answer {
        Ok(JudgeAnswer::Done(judging)) => judging,
        Ok(JudgeAnswer::GoesOn { handle, progress }) => {
            let message = if progress.message.is_empty() {
                "working"
            } else {
                &progress.message
            };
            let mut output = Output::empty(format!(
                "Not done yet ({message}). It goes on; call judge_pair with handle \"{handle}\" to wait for it."
            ));
            output.handle = Some(handle);
            return success(&output, Beside::default());
        }
        Err(error) => return call.failed(&error),
    };
    let taking = |mut output: Output| {
        if let Some(hand_over) = &judging.hand_over {
            output.summary.push_str(&format!(" {hand_over}"));
        }
        output.summary.push_str(&decided(&judging.outcome));
        output
    };
    let wanted = Wanted {
        images: input.images,
        is_task: call.is_task(),
    };
    match &judging.judged {
        Judged::Target(table) => {
            let mut output = taking(target(table));
            let beside = reference(service, table, wanted, &mut output.summary).await;
            success(&output, beside)
        }
        Judged::Unloaded => {
            let summary = "The judge's process is ended and its memory free; the next judgement loads it again.";
            success(&Output::empty(summary.into()), Beside::default())
        }
        Judged::Verdicts(verdicts) => {
            let mut output = taking(verdicts_out(verdicts, input.full));
            let beside = beside(service, verdicts, wanted, &mut output.summary).await;
            success(&output, beside)
        }
    }
}

/// What is said of an attached sheet.
const SHEET: &str = " Attached is a contact sheet, the reference first; `pictures` are the full files.";

/// What a caller wants of the pictures.
#[derive(Clone, Copy)]
struct Wanted {
    images: bool,
    is_task: bool,
}

impl Wanted {
    /// Whether pictures are attached. Some clients lose a task's pictures; addresses get through.
    fn shown(self) -> bool {
        self.images && !self.is_task
    }
}

/// What goes beside a judgement, which is as good without it: what cannot be shown is said in `summary`.
async fn beside(service: &Service, verdicts: &[Judgement], wanted: Wanted, summary: &mut String) -> Beside {
    let mut beside = Beside::default();
    let Some(first) = verdicts.first() else {
        return beside;
    };
    if wanted.shown() {
        match service.contact_sheet(verdicts).await {
            Ok(sheet) => {
                beside.pictures.push(sheet);
                summary.push_str(SHEET);
            }
            Err(error) => summary.push_str(&format!(" There is no contact sheet: {}", hint::in_words(&error))),
        }
    }
    if wanted.images {
        let names = ["reference", "generated"].map(str::to_owned);
        beside.files.extend(names.into_iter().zip(first.pictures.clone()));
    }
    if let JudgementOf::Run { session, n, .. } = &first.of {
        beside.view = view(service, session, Some(n.get())).await.ok();
    }
    beside
}

/// What goes beside what a reference shows.
async fn reference(service: &Service, table: &TargetTable, wanted: Wanted, summary: &mut String) -> Beside {
    let mut beside = Beside::default();
    if wanted.shown() {
        match service.shown(&table.reference, "reference, a preview").await {
            Ok(preview) => beside.pictures.push(preview),
            Err(error) => summary.push_str(&format!(" The reference is not shown: {}", hint::in_words(&error))),
        }
    }
    beside
}

fn verdicts_out(verdicts: &[Judgement], full: bool) -> Output {
    let [first, others @ ..] = verdicts else {
        return Output::empty("Nothing was judged.".to_owned());
    };
    let seed = |judgement: &Judgement| judgement.of.seed().map(|seed| seed.to_string());
    let all: Vec<&Verdict> = verdicts.iter().map(|judgement| &judgement.verdict).collect();
    let averaged = averaged(&all).unwrap_or_else(|| first.verdict.clone());
    let words = in_words(&averaged, first.best);
    let mut summary = if others.is_empty() {
        capitalised(&words)
    } else {
        let seeds: Vec<String> = verdicts.iter().filter_map(seed).collect();
        format!("Seeds {}: {words}", seeds.join(", "))
    };
    for judgement in verdicts {
        if let Some(versus) = &judgement.versus {
            let which = seed(judgement).filter(|_| !others.is_empty());
            summary.push_str(&which.map(|seed| format!(" Seed {seed}:")).unwrap_or_default());
            summary.push_str(&compared(versus));
        }
    }
    summary.push_str(&warnings(&averaged.flags));
    // Of a session's iteration the outcome says it.
    if let (JudgementOf::Files { .. }, Some(blind)) = (&first.of, Blind::of(&averaged)) {
        summary.push_str(&format!(" Stop: {}", blind.in_words()));
    }
    let mut output = Output::empty(summary);
    output.scores = Some(ScoresOut::of(&averaged, first.best, full));
    output.closer = first.versus.as_ref().map(closer).unwrap_or_default();
    if others.is_empty() {
        output.seed = first.of.seed().map(|seed| seed.0);
    } else {
        output.seeds = verdicts
            .iter()
            .filter_map(|j| Some((seed(j)?, rounded(j.verdict.overall_score?))))
            .collect();
    }
    output.pictures = first.pictures.to_vec();
    output
}

fn target(table: &TargetTable) -> Output {
    let values = &table.target.values;
    let visible = values.iter().filter(|value| value.is_visible()).count();
    let mut summary = format!("The reference shows {visible} of {} axes", values.len());
    if visible < values.len() {
        summary.push_str("; the others do not count");
    }
    if table.target.edited {
        summary.push_str(" (some written by hand, for this reference in every session: scores from before that are not compared with later ones)");
    }
    summary.push('.');
    summary.push_str(&warnings(&table.target.flags));
    if visible == 0 {
        let blind = Blind {
            axes: values.len(),
            not_visible: values.len(),
            narrow: table.target.flags.contains(&Flag::NarrowModel),
        };
        summary.push_str(&format!(" Stop: {}", blind.in_words()));
    }
    let mut output = Output::empty(summary);
    output.reference_values = table
        .rubric
        .axes
        .iter()
        .zip(values)
        .map(|(axis, value)| (axis.id.to_string(), value.words().to_owned()))
        .collect();
    output
}
