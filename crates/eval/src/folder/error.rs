//! What can be wrong with a folder of pairs, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use text::near::nearest;

/// A folder's list of pairs cannot be used. Nothing was judged.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {problem}", list.display(), line.map(|n| format!(", line {n}")).unwrap_or_default())]
pub struct FolderError {
    list: PathBuf,
    line: Option<u64>,
    problem: Box<Problem>,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("cannot read the list of pairs: {0}")]
    Unreadable(io::Error),
    #[error("the list is larger than {mib} MiB")]
    TooLarge { mib: u64 },
    #[error("line {line} is not UTF-8 text")]
    NotUtf8 { line: u64 },
    #[error("not a list of comma-separated values: {0}")]
    Csv(csv::Error),
    #[error("there are more than {most} pairs")]
    TooManyPairs { most: usize },
    #[error("column {column} is called {name:?}, which is none of the rubric's axes")]
    UnknownColumn {
        column: usize,
        name: String,
        near: Vec<String>,
    },
    #[error("columns {first} and {second} are both called {name:?}")]
    TwiceAColumn { name: String, first: usize, second: usize },
    #[error("there is no column {name:?}")]
    NoColumn { name: &'static str },
    #[error("no column says how alike the pictures are")]
    NoAnswerColumn { axes: String },
    #[error("the list holds no pairs")]
    NoPairs,
    #[error("none of the {pairs} pairs says how alike its pictures are")]
    NoAnswers { pairs: usize },
    #[error("{found} cells, but there are {columns} columns")]
    Cells { found: usize, columns: usize },
    #[error("column {column:?} names no picture")]
    NoPath { column: &'static str },
    #[error("column {column:?}: {path:?} does not lie below the folder")]
    Outside { column: &'static str, path: String },
    #[error("column {column:?}: cannot find {path:?}: {source}")]
    Missing {
        column: &'static str,
        path: String,
        source: io::Error,
    },
    #[error("column {column:?}: {path:?} is not a regular file")]
    NotAFile { column: &'static str, path: String },
    #[error("column {column:?} holds {cell:?}, which is not a number from 0 to 1")]
    Value { column: String, cell: String },
}

impl Problem {
    pub fn unknown_column(column: usize, name: &str, axis_ids: &[&str]) -> Self {
        let names = ["reference", "generated", "overall"]
            .into_iter()
            .chain(axis_ids.iter().copied());
        Self::UnknownColumn {
            column,
            name: name.chars().take(40).collect(),
            near: nearest(name, names, 4),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Unreadable(_) => "Put a file pairs.csv into the folder that this user may read. Its first line is \
                reference,generated,overall; each further line holds two paths below the folder and how alike the \
                pictures are, 0 to 1."
                .into(),
            Self::TooLarge { .. } | Self::TooManyPairs { .. } => {
                "Split the pairs over several folders and evaluate each.".into()
            }
            Self::NotUtf8 { .. } => "Save the list as \"CSV UTF-8\".".into(),
            Self::Csv(_) => "Save the list as comma-separated values.".into(),
            Self::UnknownColumn { name, near, .. } => {
                let nameless = if name.is_empty() {
                    "Remove the column, or a comma too many at the end of the first line"
                } else {
                    "Rename the column, or remove it"
                };
                format!(
                    "{nameless}. The nearest names: {}. Lower and upper case differ.",
                    near.join(", ")
                )
            }
            Self::TwiceAColumn { .. } => "Remove one of them.".into(),
            Self::NoColumn { .. } => "The first line must name the columns: reference, generated, and at least one of \
                overall and the rubric's axes."
                .into(),
            Self::NoAnswerColumn { axes } => {
                format!("Add a column overall, or one of the rubric's axes: {axes}.")
            }
            Self::NoPairs => {
                "Add a line for each pair below the names of the columns: two paths and how alike, 0 to 1.".into()
            }
            Self::NoAnswers { .. } => {
                "Fill in at least one cell with a number from 0 (unrelated) to 1 (the same).".into()
            }
            Self::Cells { .. } => "Give every line a cell for every column; leave it empty where nothing is known. A \
                path with a comma or quotation mark needs quotation marks around it."
                .into(),
            Self::NoPath { .. } => "Write the picture's path from the folder, or remove the line.".into(),
            Self::Outside { .. } => "Copy the picture into the folder and write its path from there, without a \
                leading / and without ..; links out of the folder are not followed."
                .into(),
            Self::Missing { path, .. } if path.contains('\\') && !cfg!(windows) => {
                "Write / between folders, not \\.".into()
            }
            Self::Missing { .. } => {
                "Check the path's spelling: it is taken from the folder that pairs.csv lies in.".into()
            }
            Self::NotAFile { .. } => "Write the path of a picture.".into(),
            Self::Value { .. } => "Write how alike the pictures are as a number from 0 (unrelated) to 1 (the same), \
                such as 0.5, or leave the cell empty where it is not known."
                .into(),
        }
    }
}

impl FolderError {
    pub(super) fn new(list: &Path, problem: Problem) -> Self {
        Self {
            list: list.to_owned(),
            line: None,
            problem: Box::new(problem),
        }
    }

    pub(super) fn at(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The line of the list, from 1, where the error belongs to one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.line
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        self.problem.hint()
    }
}

types::hints!(FolderError);
