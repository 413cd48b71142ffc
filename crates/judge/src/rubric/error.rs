//! What can be wrong with a rubric, and where.

use std::fmt;

use super::{BUILTIN_NAMES, MAX_AXES, MAX_DEFINITION, MAX_WEIGHT};
use types::IdError;

/// A position in a rubric's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The text's name: a path, or `builtin:default`.
    pub origin: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    /// The place of byte `offset` in `text`.
    pub(super) fn of(origin: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            origin: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.origin, self.line, self.column)
    }
}

/// A rubric that cannot be used. Nothing was loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct RubricError {
    /// Where; absent if there is no text to point into.
    pub place: Option<Place>,
    /// What.
    pub problem: RubricProblem,
}

/// What is wrong with a rubric.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RubricProblem {
    /// Not TOML, an unknown or missing key, a value of the wrong type.
    #[error("{0}")]
    Syntax(String),
    /// The file is no text.
    #[error("the rubric is not UTF-8 text from here on")]
    NotText,
    /// The file is far larger than any rubric.
    #[error("the rubric has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// Nothing to score, after merging and dropping.
    #[error("the rubric has no axes")]
    NoAxes,
    /// More axes than a judge can be asked.
    #[error("the rubric has {count} axes, the limit is {MAX_AXES}")]
    TooManyAxes {
        /// How many.
        count: usize,
    },
    /// Two axes of one id in the same file.
    #[error("the axis {id} is defined twice in this file")]
    DuplicateAxis {
        /// The id.
        id: String,
    },
    /// The name of the rubric, an axis or a group is not `snake_case`.
    #[error(transparent)]
    BadId(#[from] IdError),
    /// A new axis says nothing about what it is.
    #[error("the axis {id} has no definition")]
    NoDefinition {
        /// The axis.
        id: String,
    },
    /// A text is longer than allowed.
    #[error("the {what} has {chars} characters, the limit is {limit}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        chars: usize,
        /// The limit.
        limit: usize,
    },
    /// A text that must not be empty is.
    #[error("the {what} is empty")]
    EmptyText {
        /// Which text.
        what: &'static str,
    },
    /// Control or invisible characters in a text that becomes part of a prompt.
    #[error("the {what} contains the control or invisible character U+{code:04X}")]
    ControlCharacter {
        /// Which text.
        what: &'static str,
        /// The code point.
        code: u32,
    },
    /// A text that could end the judge's turn.
    #[error("the {what} contains a chat-template marker ({marker})")]
    TemplateMarker {
        /// Which text.
        what: &'static str,
        /// The marker.
        marker: &'static str,
    },
    /// A weight out of range.
    #[error("the weight of {id} is {weight}; it must be above 0 and at most {MAX_WEIGHT}")]
    BadWeight {
        /// The axis.
        id: String,
        /// The weight as written.
        weight: String,
    },
    /// A parent that is neither built in nor found.
    #[error("there is no rubric {:?}: {reason}", brief(name))]
    UnknownParent {
        /// As written.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// A rubric extends itself, directly or through others.
    #[error("the rubric extends itself: {}", chain.join(" -> "))]
    Loop {
        /// The origins from the first to its return.
        chain: Vec<String>,
    },
    /// A chain of parents that is too long to be meant.
    #[error("rubrics extend each other more than {limit} deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More parents, in all chains together, than can be meant.
    #[error("the rubric extends more than {limit} rubrics, counting those that they extend")]
    TooManyParents {
        /// The limit.
        limit: usize,
    },
    /// `drop` names an axis that no parent has.
    #[error("drop names {:?}, which no extended rubric has", brief(id))]
    UnknownDrop {
        /// As written.
        id: String,
    },
    /// `explicit = false` in a rubric that names or extends sexual content.
    #[error("the rubric says explicit = false, but {because}")]
    NotExplicit {
        /// What makes it explicit.
        because: String,
    },
    /// An explicit rubric whose axes describe somebody under age.
    #[error("an explicit rubric must not describe anyone under 18: the axis {id} says {term:?}")]
    DescribesMinor {
        /// The axis.
        id: String,
        /// What was found.
        term: String,
    },
}

/// A name as an error shows it: of a very long one the beginning.
fn brief(name: &str) -> String {
    name.chars().take(80).collect()
}

impl RubricError {
    /// A problem without a text to point into.
    pub fn without_place(problem: RubricProblem) -> Self {
        Self { place: None, problem }
    }

    /// What to do next, in one sentence.
    pub fn hint(&self) -> String {
        match &self.problem {
            RubricProblem::Syntax(_) => {
                "Fix the TOML there; the keys are id, title, description, extends, drop, explicit and [[axis]] with id, group, definition, weight.".into()
            }
            RubricProblem::NotText => "Give a rubric's TOML file, saved as UTF-8.".into(),
            RubricProblem::TooLarge { .. } => {
                format!("Give a rubric file of at most {MAX_AXES} axes, not another kind of file.")
            }
            RubricProblem::NoAxes => {
                "Add at least one [[axis]] with id and definition, or extends = \"default\".".into()
            }
            RubricProblem::TooManyAxes { .. } => {
                format!(
                    "Keep at most {MAX_AXES} axes, since all are asked at once: put the others into a second rubric and judge with each; drop = [..] removes inherited ones."
                )
            }
            RubricProblem::DuplicateAxis { .. } => {
                "Rename one of them or merge the two; only an inherited axis can be overridden.".into()
            }
            RubricProblem::BadId(_) => "Use a name such as clothing_color.".into(),
            RubricProblem::NoDefinition { .. } => {
                "Add definition = \"...\": one line that says what to look at.".into()
            }
            RubricProblem::TooLong { .. } | RubricProblem::EmptyText { .. } => {
                format!("Write one crisp line; a definition has at most {MAX_DEFINITION} characters.")
            }
            RubricProblem::ControlCharacter { .. } | RubricProblem::TemplateMarker { .. } => {
                "Remove it: this text becomes part of the judge's prompt.".into()
            }
            RubricProblem::BadWeight { .. } => {
                "Use a weight such as 0.5, 1.0 or 2.0; drop = [..] removes an inherited axis.".into()
            }
            RubricProblem::UnknownParent { .. } => format!(
                "Extend a built-in rubric ({}) or the path of a rubric file that may be read.",
                BUILTIN_NAMES.join(", ")
            ),
            RubricProblem::Loop { .. } | RubricProblem::TooDeep { .. } | RubricProblem::TooManyParents { .. } => {
                "Break the chain: let the common axes stand in one file that extends nothing.".into()
            }
            RubricProblem::UnknownDrop { .. } => {
                "Check the spelling against the extended rubric's axes.".into()
            }
            RubricProblem::NotExplicit { .. } => {
                "Say explicit = true (the adults-only guard then applies) or remove what is explicit.".into()
            }
            RubricProblem::DescribesMinor { .. } => {
                "Rewrite the axis for adults only; there is no setting that allows this.".into()
            }
        }
    }
}

types::hints!(RubricError);
