//! The history against real SQLite files and real image files.

mod chain;
mod fixture;
mod images;
mod killed;
mod shared;
mod shown;
mod transfer;
mod trend;
mod trouble;
mod watch;

use serde_json::json;
use types::{
    DecisionKind, GraphHash, ImageHash, IterationNo, JudgeHash, JudgementId, PromptId, RubricHash, Seed, SessionId,
    TookOver,
};

use super::frozen::frozen_row;
use super::*;

/// A PNG of 2 × 2 pixels, from another tool than ours.
const PNG: &[u8] = &[
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
    0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0xfd, 0xd4, 0x9a, 0x73, 0x00, 0x00, 0x00, 0x10, 0x49,
    0x44, 0x41, 0x54, 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0xc0, 0x00, 0xc2, 0x0c, 0x10, 0x0a, 0x00, 0x1d, 0xf0, 0x03,
    0xfd, 0x45, 0x1c, 0x8a, 0x87, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// What only tests look at.
impl Store {
    /// All the reference values there ever were, oldest first.
    async fn reference_values_history(&self, key: &ReferenceKey) -> Result<Vec<Frozen>> {
        let key = key.clone();
        self.read(move |transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT value, edited, created_at FROM reference_values
                 WHERE reference_hash = ?1 AND judge_hash = ?2 AND rubric_hash = ?3 ORDER BY id",
            )?;
            let rows = statement.query_map((&key.reference, &key.judge, &key.rubric), frozen_row)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// What the guard refused in a session before anything was rendered, oldest first.
    async fn refusals_of(&self, session: &SessionId) -> Result<Vec<(Timestamp, String)>> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            let mut statement = transaction
                .prepare_cached("SELECT created_at, reason FROM refusals WHERE session_id = ?1 ORDER BY id")?;
            let rows = statement.query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

/// A temporary data folder and a handle on it.
fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path());
    (folder, store)
}

fn image(name: &str) -> ImageHash {
    ImageHash::of(name.as_bytes())
}

fn judge(name: &str) -> JudgeHash {
    JudgeHash::of(name.as_bytes())
}

fn rubric() -> RubricHash {
    RubricHash::of(b"rubric")
}

fn new_session() -> NewSession {
    NewSession {
        title: Some("Red barn, evening".into()),
        workflow: json!({"9": {"class_type": "KSampler", "inputs": {"seed": u64::MAX, "cfg": 7.3}}, "3": {}}),
        workflow_hash: GraphHash::of(b"workflow"),
        workflow_source: WorkflowSource::File("flows/barn.json".into()),
        reference: Some(image("reference")),
        rubric: SessionRubric {
            id: "look".into(),
            hash: rubric(),
            resolved: json!({"axes": [{"id": "palette", "weight": 1.0}]}),
            explicit: false,
        },
        target_score: 0.9,
        max_iterations: 12,
        choices: [("positive".to_owned(), "6.text".to_owned())].into(),
    }
}

fn new_iteration(session: &SessionId, positive: &str) -> NewIteration {
    NewIteration {
        session: session.clone(),
        parent: None,
        positive: Some(positive.into()),
        negative: Some("blurry".into()),
        knobs: json!({"9.cfg": 7.3, "9.steps": 20}).as_object().unwrap().clone(),
        graph: json!({"9": {"inputs": {"seed": u64::MAX}}, "3": {"inputs": {"text": positive}}}),
        graph_hash: GraphHash::of(positive.as_bytes()),
        changes: vec![Change {
            node: "6".into(),
            input: "text".into(),
            from: json!(null),
            to: json!(positive),
        }],
        note: Some("the light was too cold".into()),
    }
}

fn new_run(session: &SessionId, n: IterationNo) -> NewRun {
    NewRun {
        prompt_id: PromptId::random(),
        session: session.clone(),
        iteration: n,
        seed: Seed(u64::MAX),
        server: "http://127.0.0.1:8188/".into(),
    }
}

fn run_image(ordinal: u32, name: &str) -> RunImage {
    RunImage {
        ordinal,
        hash: image(name),
        filename: format!("{name}.png"),
        subfolder: "calibrate".into(),
        folder_type: "output".into(),
        width: 1024,
        height: 768,
    }
}

fn new_judgement(session: &SessionId, n: IterationNo, picture: &str, score: f64) -> NewJudgement {
    NewJudgement {
        session: Some(session.clone()),
        iteration: Some(n),
        run: None,
        reference: image("reference"),
        image: image(picture),
        judge: judge("judge"),
        rubric: rubric(),
        overall_score: Some(score),
        overall_raw: Some(score / 2.0),
        verdict: json!({"axes": [{"id": "palette", "score": score}]}),
    }
}

fn number(n: u32) -> IterationNo {
    IterationNo::new(n).unwrap()
}
