//! Why a file is not a workflow that can be run.

use thiserror::Error;

use super::PictureKind;

/// Why a file is not a workflow that can be run.
#[derive(Debug, Error)]
pub enum GraphError {
    /// The file is larger than is read.
    #[error("the workflow is {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
        /// The limit for a file of its kind.
        limit: usize,
    },
    /// The JSON holds more values than [`super::MAX_WORKFLOW_VALUES`].
    #[error("the workflow holds more than {limit} values (nodes, inputs and what stands in them); it was not read")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// Neither a picture that may hold a workflow nor UTF-8 text.
    #[error("the workflow is neither JSON text nor a PNG, WebP or JPEG")]
    NotText,
    /// Text, but not JSON.
    #[error("the workflow is not valid JSON: {0}")]
    Json(serde_json::Error),
    /// The file of ComfyUI's editor, which the server cannot run.
    #[error("this is a workflow in ComfyUI's UI format (`nodes` and `links`), which the server cannot run")]
    UiFormat,
    /// An empty object.
    #[error("the workflow has no nodes")]
    Empty,
    /// JSON of another shape.
    #[error("the JSON is not a workflow in API format: found {found}")]
    NotAGraph {
        /// What was found instead.
        found: String,
    },
    /// Several workflows in one file.
    #[error("the file holds {count} workflows: {}{}", places.join(", "), if *count > places.len() { ", …" } else { "" })]
    Several {
        /// How many.
        count: usize,
        /// Where the first ones stand.
        places: Vec<String>,
    },
    /// A PNG whose chunks do not add up.
    #[error("the PNG is damaged: {0}")]
    DamagedPng(&'static str),
    /// A picture without a `prompt` text.
    #[error("the {0} carries no ComfyUI workflow (no `prompt` text)")]
    NoPrompt(PictureKind),
    /// A picture with a `workflow` text alone, which holds the format of ComfyUI's editor.
    #[error(
        "the {0} carries its workflow in ComfyUI's UI format only (a `workflow` text, no `prompt`), which the server cannot run"
    )]
    OnlyUiFormat(PictureKind),
    /// A PNG whose `prompt` chunk is compressed or too long.
    #[error("the `prompt` chunk of the PNG cannot be read: {0}")]
    UnreadableChunk(&'static str),
}

impl GraphError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::UiFormat => "Open the workflow in ComfyUI, choose File > Export (API) (or Export (API) in the arrow menu \
                               beside \"Graph\"), and use that file; a PNG that ComfyUI saved from this workflow works as well."
                .to_owned(),
            Self::OnlyUiFormat(picture) => format!(
                "Drop the {picture} onto ComfyUI's page, which opens its workflow; export it there in API format and use that file."
            ),
            Self::Several { .. } => "Save the one that is meant in a file of its own.".to_owned(),
            Self::NoPrompt(_) | Self::UnreadableChunk(_) | Self::DamagedPng(_) => {
                "Use a PNG straight from ComfyUI's output folder (editors and chat programs strip the workflow), or a \
                 file from File > Export (API)."
                    .to_owned()
            }
            Self::TooLarge { .. } | Self::TooManyValues { .. } => {
                "Check that this is the right file: workflows are rarely over 1 MB and 15,000 values. Data inside a node \
                 (a picture, a list) belongs in a file that the node loads."
                    .to_owned()
            }
            _ => "Export the workflow from ComfyUI with File > Export (API), or Export (API) in the arrow menu beside \
                  \"Graph\": a JSON object that maps each node id to {\"class_type\", \"inputs\"}."
                .to_owned(),
        }
    }
}

types::hints!(GraphError);
