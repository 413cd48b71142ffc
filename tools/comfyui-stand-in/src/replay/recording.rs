//! A run as it was recorded from a real server.

use anyhow::{Context, Result};
use serde_json::Value;

/// Begin of a JPEG: enough for a preview that nobody looks at.
const PREVIEW_BYTES: &[u8] = &[0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, b'J', b'F', b'I', b'F'];

/// One recorded run: the graph, the answer to its submission, the WebSocket frames and the history.
///
/// The document is `{prompt_id, client_id, graph, post: {status, answer}, frames: [...], history}`; a frame is a JSON
/// message or `{binary: {event_type, metadata}}`.
#[derive(Debug, Clone)]
pub struct Recording {
    document: Value,
}

/// A WebSocket frame to send.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A text frame; not always valid JSON when a test wants it so.
    Text(String),
    /// A binary frame.
    Binary(Vec<u8>),
}

impl Recording {
    /// Reads a recorded document.
    ///
    /// # Errors
    /// When it is not JSON or lacks a part.
    pub fn parse(text: &str) -> Result<Self> {
        let document: Value = serde_json::from_str(text).context("a recording has to be JSON")?;
        for part in ["graph", "post", "frames"] {
            document
                .get(part)
                .with_context(|| format!("a recording has to have `{part}`"))?;
        }
        Ok(Self { document })
    }

    /// The same run under other ids.
    ///
    /// # Errors
    /// When an id breaks the document.
    pub fn under(&self, prompt_id: &str, client_id: &str) -> Result<Self> {
        let mut text = self.document.to_string();
        for (key, id) in [("prompt_id", prompt_id), ("client_id", client_id)] {
            if let Some(recorded) = self.document.get(key).and_then(Value::as_str) {
                text = text.replace(recorded, id);
            }
        }
        Self::parse(&text)
    }

    /// The graph that was submitted.
    pub fn graph(&self) -> &Value {
        &self.document["graph"]
    }

    /// Status and body of the answer to the submission.
    pub fn post(&self) -> (u16, &Value) {
        let post = &self.document["post"];
        let status = post["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        (status.unwrap_or(500), &post["answer"])
    }

    /// The record of the finished run.
    pub fn history(&self) -> &Value {
        &self.document["history"]
    }

    /// The frames that were sent about this run.
    pub fn frames(&self) -> Vec<Frame> {
        self.messages().iter().map(frame).collect()
    }

    /// The index of the first frame of a kind, such as `execution_success`.
    pub fn index_of(&self, kind: &str) -> Option<usize> {
        self.messages().iter().position(|message| message["type"] == kind)
    }

    fn messages(&self) -> &[Value] {
        self.document["frames"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }
}

impl Frame {
    /// The frame that says that a run is over and that its history is there.
    pub(super) fn is_over(&self) -> bool {
        let Self::Text(text) = self else { return false };
        let message: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        message["type"] == "executing" && message["data"].get("node").is_some_and(Value::is_null)
    }
}

fn frame(message: &Value) -> Frame {
    let Some(binary) = message.get("binary") else {
        return Frame::Text(message.to_string());
    };
    let kind = binary["event_type"].as_u64().unwrap_or_default() as u32;
    let metadata = binary["metadata"].to_string();
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend((metadata.len() as u32).to_be_bytes());
    bytes.extend(metadata.as_bytes());
    bytes.extend(PREVIEW_BYTES);
    Frame::Binary(bytes)
}
