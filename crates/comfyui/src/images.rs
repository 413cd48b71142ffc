//! Names of images on a ComfyUI server.

use serde_json::Value;

/// Which folder of the server an image lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// Saved results; they survive a restart.
    Output,
    /// Previews; wiped at every start.
    Temp,
    /// Uploads.
    Input,
}

impl ImageKind {
    /// The server's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output => "output",
            Self::Temp => "temp",
            Self::Input => "input",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Output, Self::Temp, Self::Input]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// What `/view` needs to find an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// File name without folders.
    pub filename: String,
    /// Folder below the kind's own; often empty.
    pub subfolder: String,
    /// Which folder.
    pub kind: ImageKind,
}

/// In which form the server gives an image out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Its file as it is.
    File,
    /// A JPEG of the same size, which the server makes of it.
    Jpeg,
}

/// An image that a node of a finished run put out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputImage {
    /// The node.
    pub node_id: String,
    /// File name without folders.
    pub filename: String,
    /// Folder below the kind's own; often empty.
    pub subfolder: String,
    /// Which folder.
    pub kind: ImageKind,
    /// The node was served from the cache: the file was written by an earlier run.
    pub cached: bool,
}

impl OutputImage {
    /// The same as `/view` needs it.
    pub fn reference(&self) -> ImageRef {
        ImageRef {
            filename: self.filename.clone(),
            subfolder: self.subfolder.clone(),
            kind: self.kind,
        }
    }
}

/// Reads the `images` of one node's output; entries that are not images are left out.
pub(super) fn images_of(node_id: &str, output: &Value, cached: bool) -> Vec<OutputImage> {
    let list = output
        .get("images")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    list.iter()
        .filter_map(|image| {
            Some(OutputImage {
                node_id: node_id.to_owned(),
                filename: image.get("filename")?.as_str()?.to_owned(),
                subfolder: image
                    .get("subfolder")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                kind: ImageKind::parse(image.get("type")?.as_str()?)?,
                cached,
            })
        })
        .collect()
}
