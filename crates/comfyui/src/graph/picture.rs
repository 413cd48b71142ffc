//! The workflow that ComfyUI writes into the pictures it saves.

use std::borrow::Cow;
use std::fmt;

use super::{GraphError, MAX_WORKFLOW_BYTES, png};
use imaging::metadata::exif_texts;

/// The text that holds the graph as it ran.
const PROMPT: &str = "prompt";

/// The text that holds the format of the editor.
const WORKFLOW: &str = "workflow";

/// A kind of picture in which a workflow is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureKind {
    /// A PNG: its texts have keywords.
    Png,
    /// A WebP: texts of its EXIF begin with `prompt:` and `workflow:`.
    WebP,
    /// A JPEG, into which some nodes write as into a WebP.
    Jpeg,
}

impl fmt::Display for PictureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::WebP => "WebP",
            Self::Jpeg => "JPEG",
        })
    }
}

impl PictureKind {
    /// The kind of a file, by its first bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        if png::is_png(bytes) {
            Some(Self::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::WebP)
        } else {
            bytes.starts_with(b"\xff\xd8\xff").then_some(Self::Jpeg)
        }
    }

    /// The graph as it ran, in JSON.
    ///
    /// # Errors
    /// [`GraphError`] that says what there is instead.
    pub(super) fn prompt(self, bytes: &[u8]) -> Result<Cow<'_, str>, GraphError> {
        let prompt = match self {
            Self::Png => png::text_chunk(bytes, PROMPT)?.map(Cow::Owned),
            Self::WebP | Self::Jpeg => match named(bytes, PROMPT) {
                Some(json) if json.len() > MAX_WORKFLOW_BYTES => {
                    let (bytes, limit) = (json.len(), MAX_WORKFLOW_BYTES);
                    return Err(GraphError::TooLarge { bytes, limit });
                }
                found => found.map(String::from_utf8_lossy),
            },
        };
        prompt.ok_or_else(|| {
            let has_workflow = match self {
                Self::Png => png::has_text_chunk(bytes, WORKFLOW),
                Self::WebP | Self::Jpeg => named(bytes, WORKFLOW).is_some(),
            };
            match has_workflow {
                true => GraphError::OnlyUiFormat(self),
                false => GraphError::NoPrompt(self),
            }
        })
    }
}

/// The JSON in the EXIF that stands behind `name:`. Writers differ in the field that they put it in, and in its case.
fn named<'b>(bytes: &'b [u8], name: &str) -> Option<&'b [u8]> {
    exif_texts(bytes).find_map(|text| {
        let (before, after) = text.split_at_checked(name.len())?;
        let json = after.strip_prefix(b":")?.trim_ascii_start();
        (before.eq_ignore_ascii_case(name.as_bytes()) && json.starts_with(b"{")).then_some(json)
    })
}
