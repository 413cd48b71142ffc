//! What an evaluation found: numbers with intervals, held against targets.

use serde::{Deserialize, Serialize};
use types::JudgeHash;

/// A number with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// The lower end of its interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Over how many cases.
    pub cases: usize,
}

/// What a number should be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

impl Target {
    /// Whether a value meets it.
    #[must_use]
    pub fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

/// One line of a test: what was measured, and what it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// What, in a few words, unique within its test.
    pub name: String,
    /// How much.
    pub estimate: Estimate,
    /// What the bundled judge should reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// What the best judges should reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world_class: Option<Target>,
}

impl Measure {
    /// Whether the target is met; `None` without one.
    #[must_use]
    pub fn passed(&self) -> Option<bool> {
        self.target.map(|t| t.met_by(self.estimate.value))
    }
}

/// One test of the suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestReport {
    /// `T1` to `T11`.
    pub id: String,
    /// What it tests.
    pub title: String,
    /// Its numbers.
    pub measures: Vec<Measure>,
}

/// A way of asking or a signal, beside the others on the same cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// Such as `values`, `json`, `ssim`.
    pub name: String,
    /// Its numbers by name; a way that cannot give one leaves it out.
    pub numbers: Vec<(String, Estimate)>,
}

/// A case that went wrong, for the page. Pictures are shown in order.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstCase {
    /// The test it belongs to.
    pub test: String,
    /// How wrong, for the order: larger is worse.
    pub error: f64,
    /// What was expected and what came, in one line.
    pub note: String,
    /// Labels and PNG files.
    pub pictures: Vec<(String, Vec<u8>)>,
}

/// A whole evaluation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The judge's hash, for the rubric it was evaluated on.
    pub judge: JudgeHash,
    /// The model's name and size, for people.
    pub model: String,
    /// What the cases follow from.
    pub seed: u64,
    /// Cases a test.
    pub cases: usize,
    /// The evidence mode of the tests.
    pub evidence: judge::protocol::Evidence,
    /// The tests.
    pub tests: Vec<TestReport>,
    /// Other ways of asking, and signals without a model.
    pub rivals: Vec<Rival>,
    /// Pairs that the judge read for this run (not taken from an earlier one).
    pub pairs_read: u64,
    /// Seconds this run took.
    pub seconds: f64,
}

impl Report {
    /// A measure by its test and name.
    #[must_use]
    pub fn measure(&self, test: &str, name: &str) -> Option<&Measure> {
        self.tests
            .iter()
            .find(|t| t.id == test)?
            .measures
            .iter()
            .find(|m| m.name == name)
    }
}
