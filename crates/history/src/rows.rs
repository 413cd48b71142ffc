//! What the history holds, row by row.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::RunState;
use super::time::Timestamp;
use types::{GraphHash, ImageHash, IterationNo, JudgeHash, JudgementId, PromptId, RubricHash, Seed, SessionId};

/// Where a session's workflow came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "from", content = "path")]
pub enum WorkflowSource {
    /// A file on this machine.
    File(PathBuf),
    /// The last workflow that ComfyUI ran.
    Last,
    /// Handed over by the caller as JSON.
    Inline,
}

/// The rubric of a session, as it was resolved when the session was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionRubric {
    /// The rubric's own id.
    pub id: String,
    /// The hash of the resolved rubric.
    pub hash: RubricHash,
    /// The resolved rubric itself, so that editing the file later does not change what was asked.
    pub resolved: Value,
    /// Whether the rubric is flagged explicit.
    pub explicit: bool,
}

/// A session to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSession {
    /// A name for people.
    pub title: Option<String>,
    /// The workflow in ComfyUI's API form, before anything was written into it.
    pub workflow: Value,
    /// The hash of `workflow`.
    pub workflow_hash: GraphHash,
    /// Where `workflow` came from.
    pub workflow_source: WorkflowSource,
    /// The reference picture, if there is one yet.
    pub reference: Option<ImageHash>,
    /// What is judged.
    pub rubric: SessionRubric,
    /// The overall score at which the session is done, 0 to 1.
    pub target_score: f64,
    /// The number of iterations after which the agent should stop.
    pub max_iterations: u32,
    /// Which inputs play which role: role → `node.input`.
    pub choices: BTreeMap<String, String>,
}

/// A session as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: Timestamp,
    /// What it was opened with; title, choices, target and maximum may have been changed since.
    pub opened: NewSession,
}

/// What may change in a session after it was opened. The reference, workflow and rubric stay: scores on either side of
/// such a change could not be compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SessionChange {
    /// A new title.
    pub title: Option<String>,
    /// A new target score, 0 to 1.
    pub target_score: Option<f64>,
    /// A new maximum.
    pub max_iterations: Option<u32>,
    /// New choices, replacing all of the old ones.
    pub choices: Option<BTreeMap<String, String>>,
    /// A reference for a session that was opened without one. Ignored where there is one.
    pub reference: Option<ImageHash>,
}

/// A line in the list of sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Its name.
    pub id: SessionId,
    /// A name for people.
    pub title: Option<String>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// The last time an iteration, a run or a judgement was added.
    pub last_activity: Timestamp,
    /// The reference picture.
    pub reference: Option<ImageHash>,
    /// The rubric's id.
    pub rubric_id: String,
    /// How many iterations it has, drafts included.
    pub iterations: u32,
    /// Runs that are prepared or submitted and not yet over.
    pub open_runs: u32,
    /// How many judgements were recorded.
    pub judgements: u32,
}

/// One input of one node that was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The node's id in the graph.
    pub node: String,
    /// The input's name.
    pub input: String,
    /// What stood there; `null` when nothing did.
    pub from: Value,
    /// What stands there now.
    pub to: Value,
}

impl Change {
    /// Whether something else stands there now: writing what was there already changes nothing, and `1.0` is `1`.
    #[must_use]
    pub fn changes_something(&self) -> bool {
        match (self.from.as_f64(), self.to.as_f64()) {
            // Large seeds differ by less than a float can tell.
            (Some(from), Some(to)) if self.from.is_f64() || self.to.is_f64() => from != to,
            _ => self.from != self.to,
        }
    }
}

/// An iteration to be added. One without runs is a draft.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIteration {
    /// The session it belongs to.
    pub session: SessionId,
    /// The iteration it was made from.
    pub parent: Option<IterationNo>,
    /// The positive prompt in force, where the workflow has one.
    pub positive: Option<String>,
    /// The negative prompt in force, where the workflow has one.
    pub negative: Option<String>,
    /// The other inputs that were set: `node.input` → value.
    pub knobs: serde_json::Map<String, Value>,
    /// The whole graph to be submitted.
    pub graph: Value,
    /// The hash of `graph`.
    pub graph_hash: GraphHash,
    /// What differs from the parent, or from the session's workflow.
    pub changes: Vec<Change>,
    /// Why the agent made it, in its words.
    pub note: Option<String>,
}

/// An iteration as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Iteration {
    /// Its number within the session.
    pub n: IterationNo,
    /// When it was added.
    pub created_at: Timestamp,
    /// Its content.
    pub content: NewIteration,
}

/// Which iterations of a session are wanted. Answers are in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// All of them.
    All,
    /// The newest few.
    Last(u32),
    /// From one to another, both included.
    Between(IterationNo, IterationNo),
}

/// A run to be written down before its request is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// Chosen by the caller.
    pub prompt_id: PromptId,
    /// The session.
    pub session: SessionId,
    /// The iteration whose graph is run.
    pub iteration: IterationNo,
    /// The seed, exact over all of `u64`.
    pub seed: Seed,
    /// The ComfyUI server it goes to.
    pub server: String,
}

/// A run as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// The id by which ComfyUI knows it.
    pub prompt_id: PromptId,
    /// The session.
    pub session: SessionId,
    /// The iteration.
    pub iteration: IterationNo,
    /// The seed.
    pub seed: Seed,
    /// The ComfyUI server.
    pub server: String,
    /// Where it stands.
    pub state: RunState,
    /// Why it failed or was lost, or who stopped it where that was not this program.
    pub error: Option<String>,
    /// Whether every node came from ComfyUI's cache.
    pub cached: bool,
    /// How long it took, in seconds.
    pub seconds: Option<f64>,
    /// When it was written down.
    pub prepared_at: Timestamp,
    /// When ComfyUI accepted it.
    pub submitted_at: Option<Timestamp>,
    /// When it ended, in whichever way.
    pub finished_at: Option<Timestamp>,
}

/// One picture that a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunImage {
    /// Its place among the run's pictures, from 0.
    pub ordinal: u32,
    /// Its content.
    pub hash: ImageHash,
    /// Its file name on the server.
    pub filename: String,
    /// Its folder on the server.
    pub subfolder: String,
    /// The server's kind of folder: `output`, `temp` or `input`.
    pub folder_type: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

/// A judgement to be recorded. Session, iteration and run are absent when two loose images were judged.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJudgement {
    /// The session.
    pub session: Option<SessionId>,
    /// The iteration; needs the session.
    pub iteration: Option<IterationNo>,
    /// The run that made the image.
    pub run: Option<PromptId>,
    /// The reference picture.
    pub reference: ImageHash,
    /// The picture that was judged.
    pub image: ImageHash,
    /// Who judged.
    pub judge: JudgeHash,
    /// By which rubric.
    pub rubric: RubricHash,
    /// The overall score, 0 to 1; none when the judge refused.
    pub overall_score: Option<f64>,
    /// The overall score before the scale was applied, 0 to 1.
    pub overall_raw: Option<f64>,
    /// The whole verdict.
    pub verdict: Value,
}

/// A judgement as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Its number.
    pub id: JudgementId,
    /// When it was recorded.
    pub created_at: Timestamp,
    /// Its content.
    pub content: NewJudgement,
}

/// What a frozen value belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReferenceKey {
    /// The reference picture.
    pub reference: ImageHash,
    /// The judge.
    pub judge: JudgeHash,
    /// The rubric.
    pub rubric: RubricHash,
}

/// A frozen value: what the judge saw in the reference, or the scale of its scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    /// The value as it was put.
    pub value: Value,
    /// Whether the agent wrote it, rather than the judge.
    pub edited: bool,
    /// When it was put.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writing_what_was_there_changes_nothing() {
        const LARGE: u64 = 1 << 63;
        for (from, to, changes) in [
            (json!(1), json!(1), false),
            (json!(1), json!(1.0), false),
            (json!(1.0), json!(1), false),
            (json!(1), json!(1.5), true),
            // Large seeds differ by less than a float can tell.
            (json!(LARGE), json!(LARGE + 1), true),
            (json!(LARGE), json!(LARGE), false),
            (json!(null), json!(1), true),
            (json!("1"), json!(1), true),
            (json!("a fox"), json!("a fox"), false),
            (json!(["4", 0]), json!(["5", 0]), true),
        ] {
            let told = format!("{from} to {to}");
            let change = Change {
                node: "3".to_owned(),
                input: "cfg".to_owned(),
                from,
                to,
            };
            assert_eq!(change.changes_something(), changes, "{told}");
        }
    }
}
