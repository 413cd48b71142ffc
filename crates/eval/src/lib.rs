//! Measures the judge without a human label: rendered scenes with known answers (tests T1 to T11),
//! or a folder of the user's own pairs.
//!
//! Everything that the judge reads goes through `asker`, which keeps it in a journal, so
//! that an evaluation that was stopped goes on where it was.
//!
//! `suite` holds the tests, `rivals` the other ways of asking and the signals, `json` the naive protocol for comparison, `user` and `folder`
//! the user's own pairs, `fit` the calibration of raw values, `journal` the stored answers, `numbers` the statistics, `table` and `page`
//! the output.

mod asker;
mod cases;
pub mod fit;
pub mod folder;
pub mod journal;
pub mod json;
pub mod looping;
pub mod numbers;
pub mod page;
pub mod report;
mod rivals;
mod suite;
pub mod table;
mod user;

use std::path::PathBuf;
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use asker::Asker;
use folder::FolderError;
use imaging::PictureError;
use journal::Journal;
use judge::Judge;
pub use judge::calibration::Fit;
use judge::protocol::Evidence;
use judge::rubric::Rubric;
use report::{Report, WorstCase};
use types::progress::Teller;

pub use judge::JudgeError;

/// Which tests to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All, and the rivals.
    Everything,
    /// These tests (`T1` to `T11`), without the rivals.
    Tests(Vec<String>),
}

impl Scope {
    fn holds(&self, test: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Tests(tests) => tests.iter().any(|t| t.eq_ignore_ascii_case(test)),
        }
    }
}

/// What an evaluation is made of.
pub struct Plan<'a> {
    /// The judge.
    pub judge: &'a Judge,
    /// The evidence mode of the tests: the judge's own.
    pub evidence: Evidence,
    /// Where answers are kept; nothing for an evaluation that cannot be resumed.
    pub journal: Option<PathBuf>,
    /// What the cases follow from.
    pub seed: u64,
    /// Cases a test; tests that take many pictures a case take fewer.
    pub cases: usize,
    /// Which tests.
    pub scope: Scope,
    /// Where progress is told.
    pub teller: &'a Teller,
    /// Stops the evaluation; what was answered is kept.
    pub cancel: &'a CancellationToken,
}

/// An evaluation did not come to its end. What was answered is in the journal.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The judge.
    #[error(transparent)]
    Judge(#[from] JudgeError),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The user's folder of pairs.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture of the user's folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The picture.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the user's folder is no picture.
    #[error("{}: {source}", path.display())]
    NoPicture {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PictureError,
    },
    /// The journal.
    #[error("the evaluation's journal cannot be used: {0}")]
    Journal(#[from] std::io::Error),
    /// A defect.
    #[error("the evaluation failed: {0}")]
    Internal(String),
}

impl EvalError {
    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Judge(error) if error.is_cancelled() => {
                "What was answered is kept: the same command goes on from there.".into()
            }
            Self::Judge(error) => error.hint(),
            Self::Picture(error) | Self::NoPicture { source: error, .. } => error.hint(),
            Self::Folder(error) => error.hint(),
            Self::File { .. } => "Check the path and its permissions; what was answered is kept.".into(),
            Self::Journal(_) => {
                "Check the data folder; if another evaluation of this judge is running, wait for it.".into()
            }
            Self::Internal(_) => "Report the message.".into(),
        }
    }
}

types::hints!(EvalError);

/// What came of an evaluation.
pub struct Evaluated {
    /// The numbers.
    pub report: Report,
    /// What went most wrong, for the page.
    pub worst: Vec<WorstCase>,
    /// What suits this judge best on these cases.
    pub fit: Option<Fit>,
}

/// The rubric of the rendered scenes.
///
/// # Errors
/// [`EvalError::Internal`] if it cannot be read, which is a defect.
pub fn rubric() -> Result<Rubric, EvalError> {
    Rubric::builtin("scenes").map_err(|error| EvalError::Internal(error.to_string()))
}

/// Runs the tests on rendered scenes.
///
/// # Errors
/// [`EvalError`]; what was answered until then is in the journal.
pub async fn run(plan: &Plan<'_>) -> Result<Evaluated, EvalError> {
    let started = Instant::now();
    let rubric = rubric()?;
    let asker = asker(plan, &rubric).await?;
    let mut bench = suite::Bench::new(plan, &asker);
    let tests = bench.tests().await?;
    let rivals = match plan.scope {
        Scope::Everything => rivals::run(plan, &asker).await?,
        Scope::Tests(_) => Vec::new(),
    };
    let worst = bench.worst();
    let fit = match plan.scope {
        Scope::Everything => Some(fit::on_scenes(plan, &asker, &rivals).await?),
        Scope::Tests(_) => None,
    };
    let report = finished(plan, &asker, tests, rivals, started).await?;
    Ok(Evaluated { report, worst, fit })
}

/// Measures the judge on a folder of pairs with known answers.
///
/// # Errors
/// [`EvalError`].
pub async fn run_folder(plan: &Plan<'_>, rubric: &Rubric, folder: &std::path::Path) -> Result<Evaluated, EvalError> {
    let started = Instant::now();
    let asker = asker(plan, rubric).await?;
    let user::Measured {
        test,
        rivals,
        worst,
        fit,
    } = user::run(plan, &asker, folder).await?;
    let report = finished(plan, &asker, vec![test], rivals, started).await?;
    Ok(Evaluated { report, worst, fit })
}

async fn asker<'a>(plan: &'a Plan<'a>, rubric: &'a Rubric) -> Result<Asker<'a>, EvalError> {
    let judge = plan.judge.identity(rubric, plan.cancel).await?.hash();
    let journal = match &plan.journal {
        // Answers of different judges are never mixed.
        Some(folder) => Journal::open(folder.join(format!("{}.jsonl", judge.short())))?,
        None => Journal::in_memory(),
    };
    Ok(Asker::new(plan, rubric, judge, journal))
}

async fn finished(
    plan: &Plan<'_>,
    asker: &Asker<'_>,
    tests: Vec<report::TestReport>,
    rivals: Vec<report::Rival>,
    started: Instant,
) -> Result<Report, EvalError> {
    let info = plan.judge.load(plan.teller, plan.cancel).await?;
    let name = info.name.unwrap_or_else(|| "a model without a name".into());
    Ok(Report {
        judge: asker.judge_hash().clone(),
        model: format!("{name}, {:.1} M parameters", info.parameters as f64 / 1e6),
        seed: plan.seed,
        cases: plan.cases,
        evidence: plan.evidence,
        tests,
        rivals,
        pairs_read: asker.pairs_read(),
        seconds: started.elapsed().as_secs_f64(),
    })
}
