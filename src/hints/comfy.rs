use std::time::Duration;

use uuid::Uuid;

use super::{Sample, samples};
use comfyui::error::ComfyError;
use comfyui::graph::{GraphError, PictureKind};
use comfyui::inject::{ChoiceError, ProofError, Role};
use comfyui::knobs::InjectError;
use comfyui::tls::BadCertificate;

fn s() -> String {
    "x".to_owned()
}

pub fn samples() -> Vec<Sample> {
    let mut all = comfyui();
    all.extend(edits());
    all
}

fn comfyui() -> Vec<Sample> {
    let http = |status| ComfyError::Http {
        request: s(),
        status,
        body: s(),
    };
    let failed = |out_of_memory| ComfyError::NodeFailed {
        node_id: s(),
        class: s(),
        title: None,
        message: s(),
        exception_type: s(),
        out_of_memory,
    };
    let certificate = |why| ComfyError::Certificate { url: s(), why };
    let prompt_id = Uuid::nil();
    let problem = || comfyui::error::NodeProblem {
        node_id: None,
        class: None,
        title: None,
        input: None,
        kind: comfyui::error::ProblemKind::RequiredInputMissing,
        message: s(),
        remedy: "Give the input.".to_owned(),
    };
    samples![
        ComfyError::Config { detail: s() },
        certificate(BadCertificate::Unknown),
        certificate(BadCertificate::Authority),
        certificate(BadCertificate::Expired),
        certificate(BadCertificate::NotYet),
        certificate(BadCertificate::OtherName),
        certificate(BadCertificate::Other(s())),
        ComfyError::CertificateFile {
            path: s().into(),
            reason: s()
        },
        ComfyError::Unreachable { url: s(), detail: s() },
        ComfyError::Broken {
            request: s(),
            detail: s()
        },
        http(301),
        http(401),
        http(403),
        ComfyError::Http {
            request: "POST /prompt".to_owned(),
            status: 403,
            body: s(),
        },
        http(404),
        http(413),
        http(500),
        http(502),
        ComfyError::Validation {
            problems: vec![problem()]
        },
        failed(true),
        failed(false),
        ComfyError::Unexplained { prompt_id, said: s() },
        ComfyError::Interrupted {
            prompt_id,
            node_id: None
        },
        ComfyError::Lost {
            prompt_id,
            url: s(),
            waited: true
        },
        ComfyError::Lost {
            prompt_id,
            url: s(),
            waited: false
        },
        ComfyError::Timeout {
            what: s(),
            limit: Duration::ZERO
        },
        ComfyError::TooLarge { what: s(), limit: 1 },
        ComfyError::TooMuchJson { what: s(), limit: s() },
        ComfyError::TooMuchJson {
            what: "the answer to GET /queue".to_owned(),
            limit: s()
        },
        ComfyError::BadAnswer { what: s(), detail: s() },
        ComfyError::ImageGone {
            filename: s(),
            cached: true
        },
        ComfyError::ImageGone {
            filename: s(),
            cached: false
        },
    ]
}

fn edits() -> Vec<Sample> {
    let role = Role::Positive;
    samples![
        GraphError::TooLarge { bytes: 2, limit: 1 },
        GraphError::TooManyValues { limit: 1 },
        GraphError::OnlyUiFormat(PictureKind::Png),
        GraphError::NotText,
        GraphError::Json(serde_json::from_str::<u8>("{").unwrap_err()),
        GraphError::UiFormat,
        GraphError::Empty,
        GraphError::NotAGraph { found: s() },
        GraphError::DamagedPng("x"),
        GraphError::NoPrompt(PictureKind::WebP),
        GraphError::Several {
            count: 2,
            places: vec![]
        },
        GraphError::UnreadableChunk("x"),
        ProofError::Unreadable(GraphError::Empty),
        ProofError::Different(s()),
        ProofError::TextMissing,
        ProofError::NotReached {
            place: s(),
            switch: None
        },
        ProofError::NotKnown {
            place: s(),
            switch: s()
        },
        ChoiceError::Unknown {
            role,
            pick: s(),
            options: vec![]
        },
        ChoiceError::Ambiguous {
            role,
            pick: s(),
            options: vec![s()]
        },
        ChoiceError::WrongType { role, pick: s() },
        ChoiceError::NoPicture {
            pick: s(),
            options: vec![]
        },
        ChoiceError::NoPicture {
            pick: s(),
            options: vec![s()]
        },
        InjectError::Question {
            role,
            why: s(),
            candidates: vec![],
            several: true,
            takes: vec![]
        },
        InjectError::Question {
            role,
            why: s(),
            candidates: vec![],
            several: false,
            takes: vec![s()]
        },
        InjectError::Zeroed,
        InjectError::Absent { role },
        InjectError::UnknownNode {
            knob: s(),
            dotted: false,
            near: vec![s()]
        },
        InjectError::UnknownNode {
            knob: s(),
            dotted: true,
            near: vec![s()]
        },
        InjectError::Ambiguous {
            knob: s(),
            candidates: vec![s()]
        },
        InjectError::UnknownInput {
            node: "1".into(),
            title: s(),
            input: s(),
            near: vec![s()]
        },
        InjectError::IsLink {
            place: s(),
            from: s(),
            output: 0,
            title: s(),
            sources: vec![]
        },
        InjectError::IsLink {
            place: s(),
            from: s(),
            output: 0,
            title: s(),
            sources: vec![s()]
        },
        InjectError::BadValue {
            place: s(),
            value: s(),
            problem: s()
        },
        InjectError::Twice { place: s() },
    ]
}
