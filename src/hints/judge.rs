use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Sample, io, samples};
use crate::bench::BenchError;
use eval::folder::FolderError;
use eval::{self, EvalError};
use imaging::PictureError;
use judge::cache::MemoryError;
use judge::engine::EngineError;
use judge::rubric::{RubricError, RubricProblem};
use judge::{JudgeError, SelfCheck, Stored};
use llama::error::LlamaError;
use llama::worker::{Cause, WorkerError};
use safety::{Refusal, Side};
use types::{IdError, PictureFormat};

fn s() -> String {
    "x".to_owned()
}

fn path() -> PathBuf {
    "x".into()
}

pub fn samples() -> Vec<Sample> {
    let rooms = [judges(), engines(), rubrics(), pictures(), measuring()];
    rooms.into_iter().flatten().collect()
}

fn judges() -> Vec<Sample> {
    let memory = || MemoryError {
        message: s(),
        hint: "Try again.".into(),
    };
    let unreadable = || SelfCheck::unreadable("it is damaged");
    let died = |cause| WorkerError::Died {
        status: s(),
        cause,
        log: s(),
    };
    let side = Side::Reference;
    samples![
        memory(),
        JudgeError::Engine(WorkerError::Closed.into()),
        JudgeError::Picture(PictureError::Empty),
        JudgeError::Refused(Refusal::JudgeUntrusted),
        JudgeError::Memory(memory()),
        JudgeError::Unreadable(unreadable()),
        unreadable(),
        JudgeError::Incapable(s()),
        JudgeError::Busy { waiting: 1 },
        WorkerError::Engine(LlamaError::Cancelled),
        WorkerError::NotBuilt,
        WorkerError::Spawn(s()),
        died(Cause::OutOfMemory),
        died(Cause::Killed),
        died(Cause::Crashed),
        WorkerError::Hung {
            silent: Duration::ZERO,
            log: s()
        },
        WorkerError::Lied(s()),
        WorkerError::Refused { times: 1, last: s() },
        WorkerError::Moved { before: s(), now: s() },
        WorkerError::Files(s()),
        WorkerError::Closed,
        Refusal::TextDescribesMinor { term: s() },
        Refusal::MaybeUnder18 { side },
        Refusal::Unreadable { side },
        Refusal::JudgeUntrusted,
    ]
}

fn engines() -> Vec<Sample> {
    let load = |what: &str| LlamaError::Load {
        what: what.into(),
        path: path(),
        reason: s(),
    };
    samples![
        LlamaError::File {
            what: s(),
            path: path(),
            reason: s()
        },
        load("model"),
        load("projector"),
        load("adapter"),
        LlamaError::NoBackend {
            folder: path(),
            reason: s()
        },
        LlamaError::Unsuitable(s()),
        LlamaError::Context { cells: 1 },
        LlamaError::TooLong {
            what: s(),
            tokens: 2,
            limit: 1
        },
        LlamaError::NeedPixels(vec![]),
        LlamaError::Encode(1),
        LlamaError::Decode(1),
        LlamaError::NotFinite(s()),
        LlamaError::Leaks {
            difference: 1.0,
            range: 9.0,
        },
        LlamaError::Cancelled,
        LlamaError::Protocol(s()),
        EngineError::Cancelled,
        EngineError::Protocol(s()),
        EngineError::from(WorkerError::Closed),
    ]
}

fn rubrics() -> Vec<Sample> {
    let of = |problem: &RubricProblem| RubricError::without_place(problem.clone());
    let what = "definition";
    let problems = [
        RubricProblem::Syntax(s()),
        RubricProblem::NotText,
        RubricProblem::TooLarge { bytes: 2, limit: 1 },
        RubricProblem::NoAxes,
        RubricProblem::TooManyAxes { count: 100 },
        RubricProblem::DuplicateAxis { id: s() },
        RubricProblem::BadId(IdError { text: s() }),
        RubricProblem::NoDefinition { id: s() },
        RubricProblem::TooLong {
            what,
            chars: 2,
            limit: 1,
        },
        RubricProblem::EmptyText { what },
        RubricProblem::ControlCharacter { what, code: 7 },
        RubricProblem::TemplateMarker { what, marker: "x" },
        RubricProblem::BadWeight { id: s(), weight: s() },
        RubricProblem::UnknownParent { name: s(), reason: s() },
        RubricProblem::Loop { chain: vec![s()] },
        RubricProblem::TooDeep { limit: 1 },
        RubricProblem::TooManyParents { limit: 1 },
        RubricProblem::UnknownDrop { id: s() },
        RubricProblem::NotExplicit { because: s() },
        RubricProblem::DescribesMinor { id: s(), term: s() },
    ];
    problems.iter().map(|problem| super::sample(|| of(problem))).collect()
}

fn pictures() -> Vec<Sample> {
    let format = PictureFormat::Png;
    samples![
        PictureError::Empty,
        PictureError::TooManyBytes { bytes: 2, limit: 1 },
        PictureError::TooManyPixels {
            width: 2,
            height: 2,
            limit: 1
        },
        PictureError::TooLong {
            width: 2,
            height: 1,
            limit: 1
        },
        PictureError::TooMuchMemory {
            format,
            width: 2,
            height: 1,
            needs: 2,
            limit: 1
        },
        PictureError::NotAPicture { looks_like: "a text" },
        PictureError::Unsupported { looks_like: "a HEIC" },
        PictureError::Truncated { format },
        PictureError::Broken { format, reason: s() },
        PictureError::NoPixels {
            format,
            width: 0,
            height: 0
        },
        PictureError::PixelBuffer {
            width: 1,
            height: 1,
            bytes: 0
        },
        PictureError::Budget { tokens: 0, max: 1 },
        PictureError::SheetSize { cells: 0, max: 1 },
        PictureError::Internal {
            step: "resizing",
            reason: s()
        },
    ]
}

fn measuring() -> Vec<Sample> {
    let judge = || JudgeError::from(EngineError::from(WorkerError::Files(s())));
    let folder = || -> FolderError {
        let nowhere = Path::new(env!("CARGO_MANIFEST_DIR")).join("no such folder");
        eval::folder::read(&nowhere, &[]).unwrap_err()
    };
    samples![
        folder(),
        EvalError::Judge(judge()),
        EvalError::Judge(EngineError::Cancelled.into()),
        EvalError::Picture(PictureError::Empty),
        EvalError::Folder(folder()),
        EvalError::File {
            path: path(),
            source: io()
        },
        EvalError::NoPicture {
            path: path(),
            source: PictureError::Empty
        },
        EvalError::Journal(io()),
        EvalError::Internal(s()),
        BenchError::Judge(judge()),
        BenchError::Picture(PictureError::Empty),
        BenchError::File {
            path: path(),
            source: io()
        },
        BenchError::NoPicture {
            path: path(),
            source: PictureError::Empty
        },
        BenchError::Rubric(RubricError::without_place(RubricProblem::NoAxes)),
        BenchError::Nothing,
    ]
}
