use super::{Sample, samples};
use crate::config::RootError;
use crate::session::{JudgementRecord, ServiceError};
use comfyui::error::ComfyError;
use comfyui::graph::GraphError;
use comfyui::inject::{ChoiceError, Role};
use comfyui::knobs::InjectError;
use comfyui::lint::{Problem, ProblemKind, Severity};
use history::HistoryError;
use imaging::PictureError;
use judge::JudgeError;
use judge::rubric::{RubricError, RubricProblem};
use safety::Refusal;
use types::{ImageHash, IterationNo, Seed, SessionId};

fn s() -> String {
    "x".to_owned()
}

pub fn samples() -> Vec<Sample> {
    // One session for all edges, which are compared with one another.
    let session = SessionId::random();
    let lost = |error: fn() -> ComfyError| ServiceError::from(error());
    let choice = || ChoiceError::WrongType {
        role: Role::Positive,
        pick: s(),
    };
    let problem = || Problem {
        node: None,
        title: s(),
        class: s(),
        input: None,
        kind: ProblemKind::NoOutput,
        severity: Severity::Fatal,
        message: s(),
        remedy: "Add a SaveImage node.".into(),
    };
    samples![
        ServiceError::from(HistoryError::NoImage { length: 0 }),
        lost(|| ComfyError::Config { detail: s() }),
        lost(|| ComfyError::Unreachable { url: s(), detail: s() }),
        lost(|| ComfyError::Broken {
            request: s(),
            detail: s()
        }),
        ServiceError::from(JudgeError::Busy { waiting: 1 }),
        ServiceError::from(PictureError::Empty),
        ServiceError::PictureFile {
            path: s(),
            error: PictureError::Empty.into()
        },
        ServiceError::from(RootError::Uri { uri: s() }),
        ServiceError::from(GraphError::Empty),
        ServiceError::from(InjectError::Zeroed),
        ServiceError::from(choice()),
        ServiceError::from(RubricError::without_place(RubricProblem::NoAxes)),
        ServiceError::from(Refusal::JudgeUntrusted),
        ServiceError::Lint(vec![problem()]),
        ServiceError::StoppedInComfyui {
            run: types::PromptId::random(),
            node: Some(s()),
            left: vec![Seed(2), Seed(3)]
        },
        ServiceError::NothingShown {
            message: s(),
            hint: "Set the knob 5.image_output to \"Save\".".to_owned(),
            left: vec![Seed(2)]
        },
        ServiceError::File { path: s(), reason: s() },
        ServiceError::Unreadable {
            session: session.clone(),
            error: JudgementRecord::read(&serde_json::json!([])).unwrap_err()
        },
        ServiceError::usage("no picture", "Give a picture."),
        ServiceError::usage("no picture", "Give a picture.").at(&SessionId::random(), IterationNo::FIRST),
        ServiceError::left(true),
        ServiceError::left(false).stopped_by_a_call(true),
        ServiceError::PictureGone {
            what: "the reference".to_owned(),
            hash: ImageHash::of(b"x"),
            folder: "images".into(),
            what_to_do: "Give it again.".to_owned()
        },
        ServiceError::Busy {
            what: "judgements",
            running: 32
        },
        ServiceError::Internal(s()),
    ]
}
