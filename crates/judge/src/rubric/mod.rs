//! Rubrics: which axes a judge scores, as checked data.
//!
//! A rubric is a TOML file (or one of the built-in ones). [`parse`] turns its text into a
//! [`Rubric`] or an error that names file, line and column. Nothing here opens a file: a rubric that
//! extends another asks the caller's resolver for the text, which is where roots are enforced.
//!
//! ```toml
//! id = "product"
//! title = "Product shots"
//! extends = "default"          # or a list; later parents win
//! drop = ["hair", "expression"]
//!
//! [[axis]]
//! id = "label_text"            # a new axis, or overrides the parent's axis of this id
//! group = "identity"           # optional
//! definition = "the words on the label and their typeface"
//! weight = 2.0                 # optional, 1 unless given
//! ```

mod builtin;
mod error;
mod merge;
mod parse;

use serde::{Deserialize, Serialize};
use types::{AxisId, Group, RubricHash};

pub use builtin::{BUILTIN_GROUPS, BUILTIN_NAMES, builtin};
pub use error::{Place, RubricError, RubricProblem};
pub use merge::{Extends, RubricText};

/// The most axes of a rubric. One question to the judge holds two branches an axis, of which the engine takes
/// [`MAX_BRANCHES`](super::engine::MAX_BRANCHES).
pub const MAX_AXES: usize = 60;
/// The most characters of an axis's definition.
pub const MAX_DEFINITION: usize = 200;
/// The largest weight; the smallest is anything above 0.
pub const MAX_WEIGHT: f64 = 100.0;

/// A checked rubric, with everything it extends already merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rubric {
    /// Its own name, `snake_case`.
    pub id: String,
    /// One line for people.
    pub title: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether it names sexual content, so that the adults-only guard applies. Set by the file, by
    /// anything it extends, or because an axis uses an explicit term; never unset again.
    pub explicit: bool,
    /// 1 to [`MAX_AXES`] axes with distinct ids, in the order in which they are asked.
    pub axes: Vec<Axis>,
}

/// One aspect that is scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// Its name in results.
    pub id: AxisId,
    /// Axes of one group are compared together against the incumbent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
    /// What the judge is told to look at: one line, at most [`MAX_DEFINITION`] characters, free of
    /// control characters and of chat-template markers.
    pub definition: String,
    /// Share in the overall score: above 0, at most [`MAX_WEIGHT`].
    pub weight: f64,
}

/// Checks the text of a rubric and merges what it extends.
///
/// `origin` names the text in errors (a path, say). `resolve` is asked for every parent that is not
/// built in; the names `default` and `explicit` never reach it.
///
/// # Errors
/// The first problem found, with its place; or what `resolve` returned.
pub fn parse(
    text: &str,
    origin: &str,
    resolve: &mut dyn FnMut(Extends<'_>) -> Result<RubricText, RubricError>,
) -> Result<Rubric, RubricError> {
    merge::load(text, origin, resolve)
}

/// Where a rubric comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RubricSource<'a> {
    /// One of [`BUILTIN_NAMES`].
    Builtin(&'a str),
    /// A text, and what to call it in errors.
    Text {
        /// The TOML text.
        text: &'a str,
        /// Usually the path it was read from.
        origin: &'a str,
    },
}

impl Rubric {
    /// Loads a built-in rubric or a text; see [`parse`] for `resolve`.
    ///
    /// # Errors
    /// As [`parse`]; [`RubricProblem::UnknownParent`] for a name that is not built in.
    pub fn load(
        source: RubricSource<'_>,
        resolve: &mut dyn FnMut(Extends<'_>) -> Result<RubricText, RubricError>,
    ) -> Result<Self, RubricError> {
        match source {
            RubricSource::Builtin(name) => match builtin(name) {
                Some(parent) => parse(&parent.text, &parent.origin, resolve),
                None => Err(RubricError::without_place(RubricProblem::UnknownParent {
                    name: name.to_owned(),
                    reason: format!("the built-in rubrics are {}", BUILTIN_NAMES.join(", ")),
                })),
            },
            RubricSource::Text { text, origin } => parse(text, origin, resolve),
        }
    }

    /// A built-in rubric, which extends built-in ones at most.
    ///
    /// # Errors
    /// [`RubricProblem::UnknownParent`] for a name that is not built in.
    pub fn builtin(name: &str) -> Result<Self, RubricError> {
        Self::load(RubricSource::Builtin(name), &mut |parent| {
            Err(RubricError::without_place(RubricProblem::UnknownParent {
                name: format!("{parent:?}"),
                reason: "it is not built in".into(),
            }))
        })
    }

    /// The axis of this id.
    pub fn axis(&self, id: &str) -> Option<&Axis> {
        self.axes.iter().find(|axis| axis.id.as_str() == id)
    }

    /// The groups that occur, in order of first use.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups = Vec::new();
        for group in self.axes.iter().filter_map(|axis| axis.group.as_ref()) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// The hash of what it makes a judge do, under which scores may be compared: over the resolved axes, in order, and the
    /// explicit flag. Names and descriptions for people do not enter: they change no score.
    pub fn hash(&self) -> RubricHash {
        let weights: Vec<String> = self
            .axes
            .iter()
            .map(|axis| format!("{:016x}", axis.weight.to_bits()))
            .collect();
        let mut texts = vec!["rubric v1", if self.explicit { "explicit" } else { "general" }];
        for (axis, weight) in self.axes.iter().zip(&weights) {
            let group = axis.group.as_ref().map_or("", Group::as_str);
            texts.extend([axis.id.as_str(), group, &axis.definition, weight]);
        }
        RubricHash::of_texts(&texts)
    }
}

#[cfg(test)]
mod tests;
