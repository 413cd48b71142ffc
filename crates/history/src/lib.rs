//! The history: what was tried, what came of it, and how it was judged.
//!
//! An SQLite database, `history.sqlite`, and beside it a folder of images named by their content. A row holds its part
//! of the causal chain: reference hash → prompt → graph hash → seed → prompt id → image hash → judge hash → verdict.
//! What was recorded does not change, except that a run goes forward in its states and a session's title, choices and limits
//! may be set anew. Nothing is deleted but whole sessions, and those only by [`Store::prune`], which a person calls.
//!
//! When a call returns, what it wrote is on the disk. Several processes may use one data folder at once.
//!
//! `schema` holds the tables and their migrations; `sessions`, `iterations`, `runs`, `judgements`, `comparisons` and `decisions` read and
//! write rows; `images` keeps image files. `transfer` exports and imports sessions as lines of JSON, `read_back` reads an import again before
//! it is kept, `prune` removes sessions, `watch` notices changes.

mod comparisons;
mod db;
mod decisions;
mod error;
mod frozen;
mod images;
mod iterations;
mod judgements;
mod prune;
mod read_back;
mod rows;
mod runs;
mod schema;
mod sessions;
mod state;
mod store;
mod time;
mod transfer;
mod trend;
mod watch;

#[cfg(test)]
mod tests;

pub use comparisons::{DirectComparison, NewComparison};
pub use decisions::{Decision, JudgedRun, NewDecision, Standing};
pub use error::{HistoryError, Result, Trouble};
pub use frozen::JudgeStateKind;
pub use images::{ImageStore, StoredImage, Verify};
pub use prune::Pruned;
pub use read_back::Payload;
pub use rows::{
    Change, Frozen, Iteration, Judgement, NewIteration, NewJudgement, NewRun, NewSession, ReferenceKey, Run, RunImage,
    Session, SessionChange, SessionRubric, SessionSummary, Span, WorkflowSource,
};
pub use sessions::Stamp;
pub use state::{RunState, RunUpdate};
pub use store::Store;
pub use time::Timestamp;
pub use transfer::{Line, check_whole, rename_images};
pub use trend::{IterationState, RunCounts, TrendRow, TrendScore};
