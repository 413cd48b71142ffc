//! `queue_generation`.

use std::collections::BTreeMap;
use std::time::Instant;

use rmcp::model::{CallToolResponse, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::inject_prompt::{QuestionOut, asking};
use super::scores::{ScoresOut, decided, in_words, warnings};
use super::{Promise, shown, tool, view};
use crate::mcp::asking::{Asker, Reply, Silence};
use crate::mcp::call::Call;
use crate::mcp::convert::{Beside, arguments, rounded, success};
use crate::session::{
    CancelledDuring, InjectRequest, Judgement, QueueAnswer, QueueRequest, Queued, RunReport, Service, ServiceError,
};
use calibration::decided::Decided;
use history::RunState;
use judge::average::averaged;
use judge::verdict::Verdict;
use text::capitalised;
use types::progress::Teller;
use types::{Seed, SessionId};

pub const NAME: &str = "queue_generation";

pub fn definition() -> Tool {
    shown(tool::<Input, Output>(&Promise {
        name: NAME,
        title: "Generate",
        description: "Run an iteration in ComfyUI: a draft, or a prompt written in the same call. With `judge` it also scores \
                      the result: one call, one iteration. Long runs go on after `wait_s`: call again with session and iteration. \
                      Nothing is run twice.",
        read_only: false,
        idempotent: false,
        open_world: true,
    }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    session: Option<String>,
    /// Default newest
    iteration: Option<u32>,
    /// As in inject_prompt, for a new session
    workflow: Option<String>,
    reference: Option<String>,
    /// A new prompt makes a new iteration
    positive: Option<String>,
    negative: Option<String>,
    #[serde(default)]
    knobs: Map<String, Value>,
    parent: Option<u32>,
    note: Option<String>,
    #[serde(default)]
    place: BTreeMap<String, String>,
    /// One run each; default the workflow's seed. Two or more make a verdict
    #[serde(default)]
    seeds: Vec<u64>,
    /// Score each picture against the reference
    #[serde(default)]
    judge: bool,
    /// Attach a preview of each picture
    #[serde(default)]
    images: bool,
    /// Seconds before answering while it goes on; default 50
    wait_s: Option<u32>,
    /// Stop the iteration's run
    #[serde(default)]
    cancel: bool,
}

#[derive(Serialize, JsonSchema)]
struct RunOut {
    seed: u64,
    /// Served from ComfyUI's cache: the picture of an earlier run
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overall_score: Option<f64>,
    /// Files
    pictures: Vec<String>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum State {
    Done,
    Running,
    Stopping,
    Question,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    summary: String,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iteration: Option<u32>,
    /// keep, revert, more_seeds; tentative_ after one seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
    /// Over all seeds.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    scores: Option<ScoresOut>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<RunOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<QuestionOut>,
}

impl Output {
    fn new(state: State, summary: String, at: Option<(&SessionId, u32)>) -> Self {
        Self {
            summary,
            state,
            session: at.map(|(session, _)| session.to_string()),
            iteration: at.map(|(_, n)| n),
            decision: None,
            scores: None,
            runs: Vec::new(),
            question: None,
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
    let images = input.images;
    let mut request = request(input, &call);
    let until = Instant::now() + request.wait;
    let mut asker = Asker::new(&call);
    let mut silence = Silence::NobodyAsked;
    // Progress goes on while the user is asked.
    let work = async |teller: Teller, cancel: CancellationToken| {
        loop {
            asker.fill(&mut request.edits.place);
            request.wait = until.saturating_duration_since(Instant::now());
            let question = match service.queue(request.clone(), &teller, &cancel).await {
                Ok(QueueAnswer::Question(question)) => question,
                answered => return Ok(answered),
            };
            match asker.ask(&question, request.wait).await {
                Reply::Answered => {}
                Reply::CallAgain(result) => return Err(result),
                Reply::Unanswered(why) => {
                    silence = why;
                    return Ok(Ok(QueueAnswer::Question(question)));
                }
                Reply::Cancelled => return Ok(Err(ServiceError::Cancelled(CancelledDuring::Preparing))),
            }
        }
    };
    let answer = match call.with_progress(work).await {
        Ok(answer) => answer,
        Err(call_again) => return (*call_again).into(),
    };
    match answer {
        Ok(QueueAnswer::Done { queued, notes }) => finished(service, &queued, &notes, images, call.is_task()).await,
        Ok(QueueAnswer::GoesOn {
            session,
            n,
            progress,
            rendered,
            notes,
        }) => {
            let message = if progress.message.is_empty() {
                "starting"
            } else {
                &progress.message
            };
            let summary = format!(
                "Iteration {n} of session {session} goes on ({message}). Call queue_generation with only session and iteration for its result.{}",
                noted(&notes)
            );
            let mut output = Output::new(State::Running, summary, Some((&session, n.get())));
            output.runs = rendered.iter().map(run).collect();
            success(&output, Beside::default())
        }
        Ok(QueueAnswer::Question(question)) => {
            let mut output = Output::new(State::Question, asking(&question, silence), None);
            output.question = Some(question.into());
            success(&output, Beside::default())
        }
        Ok(QueueAnswer::Stopped {
            session,
            n,
            was_running,
        }) => {
            let summary = if was_running {
                format!("Iteration {n} of session {session} is being stopped in ComfyUI.")
            } else {
                format!("Iteration {n} of session {session} was not running; nothing was stopped.")
            };
            let state = if was_running { State::Stopping } else { State::Done };
            success(
                &Output::new(state, summary, Some((&session, n.get()))),
                Beside::default(),
            )
        }
        Err(error) => call.failed(&error),
    }
}

/// What is to be known of what was written, behind a summary.
fn noted(notes: &[String]) -> String {
    notes.iter().map(|note| format!(" {}", capitalised(note))).collect()
}

async fn finished(
    service: &Service,
    queued: &Queued,
    notes: &[String],
    images: bool,
    is_task: bool,
) -> CallToolResponse {
    let mut output = done(queued);
    output.summary.push_str(&noted(notes));
    let mut beside = Beside::default();
    // Some clients lose a task's pictures; addresses get through.
    if images && !is_task {
        let previews = service.previews(queued).await;
        if !previews.pictures.is_empty() {
            output.summary.push_str(PREVIEWS);
        }
        for sentence in previews.missing {
            output.summary.push_str(&format!(" {sentence}"));
        }
        beside.pictures = previews.pictures;
    }
    if images {
        for report in &queued.runs {
            let name = format!("iteration {}, seed {}", queued.n, report.run.seed);
            let files = report.images.iter().filter_map(|kept| kept.file.path());
            beside
                .files
                .extend(files.map(|path| (name.clone(), path.display().to_string())));
        }
    }
    beside.view = view(service, &queued.session, Some(queued.n.get())).await.ok();
    success(&output, beside)
}

/// What is said of attached pictures.
const PREVIEWS: &str = " Attached are previews of at most 768 px; `pictures` are the full files.";

fn request(input: Input, call: &Call) -> QueueRequest {
    QueueRequest {
        iteration: input.iteration,
        seeds: input.seeds.into_iter().map(Seed).collect(),
        judge: input.judge,
        wait: call.wait(input.wait_s),
        stop: input.cancel,
        caller: call.caller,
        edits: InjectRequest {
            session: input.session,
            workflow: input.workflow,
            reference: input.reference,
            positive: input.positive,
            negative: input.negative,
            knobs: input.knobs,
            parent: input.parent,
            note: input.note,
            place: input.place,
            ..InjectRequest::default()
        },
    }
}

fn done(queued: &Queued) -> Output {
    let mut sentences = vec![format!(
        "Iteration {} of session {}{}: {} picture(s).",
        queued.n,
        queued.session,
        queued
            .parent
            .map(|parent| format!(", from {parent}"))
            .unwrap_or_default(),
        queued.runs.iter().map(|report| report.images.len()).sum::<usize>()
    )];
    for report in &queued.runs {
        if report.run.cached {
            let seed = report.run.seed;
            sentences.push(format!(
                "Seed {seed} came from ComfyUI's cache: nothing in the graph differs from an earlier run."
            ));
        }
        sentences.extend(report.remark.clone());
    }
    sentences.extend(queued.notes.iter().cloned());
    sentences.extend(queued.hand_overs.iter().map(ToString::to_string));
    let mut summary = sentences.join(" ");
    let judgements: Vec<&Judgement> = queued
        .runs
        .iter()
        .filter_map(|report| report.judgement.as_ref())
        .collect();
    let verdicts: Vec<&Verdict> = judgements.iter().map(|j| &j.verdict).collect();
    let best = judgements.first().and_then(|j| j.best);
    let verdict = averaged(&verdicts);
    if let Some(verdict) = &verdict {
        let seeds: Vec<String> = judgements
            .iter()
            .filter_map(|j| j.of.seed())
            .map(|seed| seed.to_string())
            .collect();
        let of = match seeds.as_slice() {
            _ if queued.seedless => String::new(),
            [seed] => format!("Seed {seed}: "),
            seeds => format!("Seeds {}: ", seeds.join(", ")),
        };
        summary.push_str(&format!(" {of}{}", in_words(verdict, best)));
        summary.push_str(&decided(&queued.outcome));
        summary.push_str(&warnings(&verdict.flags));
    }
    let mut output = Output::new(State::Done, summary, Some((&queued.session, queued.n.get())));
    let own = |d: &&Decided| d.iteration == queued.n;
    output.decision = queued.outcome.decisions.iter().rev().find(own).map(|d| d.kind.as_str());
    output.scores = verdict.map(|verdict| ScoresOut::of(&verdict, best, false));
    output.runs = queued.runs.iter().map(run).collect();
    output
}

fn run(report: &RunReport) -> RunOut {
    debug_assert_eq!(report.run.state, RunState::Finished);
    RunOut {
        seed: report.run.seed.0,
        cached: report.run.cached,
        seconds: report.run.seconds.map(rounded),
        pictures: report.images.iter().map(|kept| kept.file.to_string()).collect(),
        overall_score: report
            .judgement
            .as_ref()
            .and_then(|j| j.verdict.overall_score)
            .map(rounded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{BestSoFar, JudgementOf, KeptPicture, Outcome, PictureFile};
    use calibration::decided::Detail;
    use calibration::stats::Fall;
    use history::{Run, RunImage, Timestamp};
    use types::{AxisId, ImageHash, IterationNo, PromptId};

    /// As wordy as a large judge is: sixteen tokens a value.
    const SHOWN: [&str; 2] = [
        "a dark green wool coat with a high collar, buttoned to the top",
        "a light green rain coat, open collar, a belt and two pockets",
    ];

    fn verdict(score: f64) -> Verdict {
        let axes: Vec<Value> = (0..20)
            .map(|i| {
                serde_json::json!({
                    "id": format!("clothing_axis_{i}"), "group": "clothing", "weight": 1.0, "score": score, "raw": score,
                    "position_bias": 0.0213, "std": 0.1107, "ref": SHOWN[0], "gen": SHOWN[1], "verdict": "mismatch",
                })
            })
            .collect();
        let whole = serde_json::json!({
            "overall_score": score, "overall_ci": [score - 0.04, score + 0.04], "overall_raw": score, "axes": axes,
            "signals": {"palette": 12.3456, "brightness": -3.2109, "sharpness": 0.4567, "hog": 0.3456, "ssim": 0.4567, "phash": 23},
            "flags": [], "judge": "a".repeat(64),
            "cost": {"encode_s": 1.1, "prefill_s": 2.2, "branch_s": 3.3, "decode_s": 0.4, "images_encoded": 1, "images_kept": 1,
                     "prefill_tokens": 4000, "reused_tokens": 1000, "branch_tokens": 1500},
            "seconds": 7.5,
        });
        serde_json::from_value(whole).unwrap()
    }

    fn report(session: &SessionId, n: IterationNo, seed: u64) -> RunReport {
        let hash = ImageHash::of(&seed.to_le_bytes());
        let path = format!(
            "/home/somebody/.local/share/prompt-calibrator/images/{}/{hash}.png",
            &hash.to_string()[..2]
        );
        let at = Timestamp::from_millis(0);
        RunReport {
            run: Run {
                prompt_id: PromptId::random(),
                session: session.clone(),
                iteration: n,
                seed: Seed(seed),
                server: String::new(),
                state: RunState::Finished,
                error: None,
                cached: false,
                seconds: Some(12.345),
                prepared_at: at,
                submitted_at: None,
                finished_at: Some(at),
            },
            images: vec![KeptPicture {
                image: RunImage {
                    ordinal: 0,
                    hash,
                    filename: String::new(),
                    subfolder: String::new(),
                    folder_type: String::new(),
                    width: 1024,
                    height: 1024,
                },
                file: PictureFile::At(path.clone().into()),
            }],
            remark: None,
            same_as: None,
            judgement: Some(Judgement {
                of: JudgementOf::Run {
                    session: session.clone(),
                    n,
                    seed: Seed(seed),
                },
                verdict: verdict(0.31),
                best: Some(BestSoFar { n, overall: 0.42 }),
                versus: None,
                pictures: [path.clone(), path],
            }),
        }
    }

    /// Request and result of a call that makes an iteration, with all that a wordy judge says of 20 axes: 1,000 tokens of four bytes.
    #[test]
    fn an_iteration_in_one_call_costs_at_most_a_thousand_tokens() {
        let (session, n) = (SessionId::random(), IterationNo::new(9).unwrap());
        let (earlier, since) = (IterationNo::new(7).unwrap(), IterationNo::new(3).unwrap());
        let axis = |id: &str| AxisId::new(id).unwrap();
        let moved = [
            "clothing_axis_1",
            "clothing_axis_2",
            "clothing_axis_3",
            "clothing_axis_4",
        ];
        let queued = Queued {
            session: session.clone(),
            n,
            parent: None,
            seeds: vec![Seed(1), Seed(2)],
            runs: vec![report(&session, n, 1), report(&session, n, 2)],
            seedless: false,
            notes: Vec::new(),
            hand_overs: Vec::new(),
            lost: false,
            outcome: Outcome {
                decisions: vec![Decided {
                    iteration: n,
                    against: Some(earlier),
                    kind: types::DecisionKind::Keep,
                    detail: Detail {
                        probability: Some(0.93),
                        moved: moved
                            .iter()
                            .zip([0.4, 0.3, -0.2, -0.3])
                            .map(|(id, by)| (axis(id), by))
                            .collect(),
                        fell: [(axis("clothing_axis_4"), Fall { since, by: 0.4 })].into(),
                        ..Detail::default()
                    },
                    awaits_direct_comparison: false,
                }],
                ..Outcome::default()
            },
        };
        let prompt = "a portrait of a woman of forty in a dark green wool coat, half turned to the left, dusk, warm lamp light from \
                      the lower right, cool sky behind, shallow depth of field, 85 mm, film grain, muted palette of green and ochre, \
                      magazine cover of the seventies, hands folded in front of her";
        let asked = serde_json::json!({
            "session": session, "positive": prompt, "note": "collar and light were off: say both", "seeds": [1, 2], "judge": true,
        });
        let answer = serde_json::to_string(&done(&queued)).unwrap();
        let bytes = asked.to_string().len() + answer.len();
        assert!(bytes <= 4_000, "{bytes} bytes: {answer}");
        assert!(done(&queued).scores.is_some());
    }
}
