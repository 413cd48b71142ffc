//! What all crates share: ids and hashes ([`ids`]), what to do about an error ([`hint`]), how far long work is ([`progress`]),
//! values that are not shown ([`Secret`]).

pub mod decision;
pub mod digest;
pub mod hint;
pub mod ids;
pub mod names;
mod picture_format;
pub mod progress;
mod secret;
#[cfg(feature = "sqlite")]
mod sqlite;
mod unreadable;

pub use decision::{DecisionKind, TookOver};
pub use ids::{
    ComparisonId, DecisionId, GraphHash, ImageHash, InvalidId, IterationNo, JudgeHash, JudgementId, PromptId,
    RubricHash, Seed, SessionId,
};
pub use names::{AxisId, Group, IdError};
pub use picture_format::PictureFormat;
pub use secret::Secret;
pub use unreadable::Unreadable;
