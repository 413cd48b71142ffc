//! The messages of ComfyUI's WebSocket. Pure: bytes in, typed events out; what cannot be understood is `None`.

use serde_json::{Value, json};

use super::record::NodeFailure;
use text::bounded;

/// Most values of one message; one that holds more is not understood.
const MOST_VALUES: usize = 100_000;

/// Largest preview that is kept, in bytes.
const PREVIEW_LIMIT: usize = 4 * 1024 * 1024;
/// Binary message: a preview without metadata.
const BINARY_PREVIEW: u32 = 1;
/// Binary message: a preview with metadata.
const BINARY_PREVIEW_WITH_METADATA: u32 = 4;

/// One message, and the run it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The run's id; `None` for messages about the server, and for previews without metadata.
    pub prompt_id: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The run left the queue.
    Started,
    /// These nodes come from the cache.
    Cached {
        /// Their ids.
        nodes: Vec<String>,
    },
    /// A node begins.
    Executing {
        /// Its id.
        node: String,
    },
    /// The run is over, well or not, and its history is there.
    Over,
    /// A node made a step.
    Step {
        /// The node; older servers leave it out.
        node: Option<String>,
        /// Steps done.
        value: f64,
        /// Steps in all, above 0.
        max: f64,
    },
    /// These nodes are finished.
    NodesFinished {
        /// Their ids.
        nodes: Vec<String>,
    },
    /// A node put something out.
    Executed {
        /// Its id.
        node: String,
    },
    /// All nodes are done. The history is **not** always there yet.
    Success,
    /// A node raised, or blocked what follows it.
    Failed {
        /// The node.
        node: String,
        /// Its class.
        class: String,
        /// What it said.
        message: String,
        /// The run goes on: a branch was blocked on purpose.
        blocked: bool,
    },
    /// The run was interrupted.
    Interrupted,
    /// How many runs the queue holds, the running one included.
    Queue {
        /// Their number.
        remaining: u64,
    },
    /// A picture of a step.
    Preview(Preview),
}

/// A small picture of how far the sampler is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The node, if the message has metadata.
    pub node: Option<String>,
    /// How the picture is encoded.
    pub format: PreviewFormat,
    /// The encoded picture.
    pub bytes: Vec<u8>,
}

/// How a preview is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewFormat {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

/// The client's first frame: asks for previews with metadata, which name their run.
pub fn feature_flags() -> String {
    json!({"type": "feature_flags", "data": {"supports_preview_metadata": true}}).to_string()
}

/// Reads a text frame; `None` for messages of other kinds and for anything malformed.
pub fn parse_text(frame: &str) -> Option<Message> {
    let message = bounded::parse(frame.as_bytes(), MOST_VALUES).ok()?;
    let data = message.get("data")?;
    let event = match message.get("type")?.as_str()? {
        "execution_start" => Event::Started,
        "execution_cached" => Event::Cached {
            nodes: strings(data.get("nodes")?)?,
        },
        "executing" => match data.get("node")? {
            Value::Null => Event::Over,
            node => Event::Executing {
                node: node.as_str()?.to_owned(),
            },
        },
        "progress" => {
            let (value, max) = (data.get("value")?.as_f64()?, data.get("max")?.as_f64()?);
            let node = text(data, "node");
            (max > 0.0).then(|| Event::Step {
                node,
                value: value.clamp(0.0, max),
                max,
            })?
        }
        "progress_state" => Event::NodesFinished {
            nodes: data
                .get("nodes")?
                .as_object()?
                .iter()
                .filter(|(_, node)| node.get("state").and_then(Value::as_str) == Some("finished"))
                .map(|(id, _)| id.clone())
                .collect(),
        },
        "executed" => Event::Executed {
            node: text(data, "node")?,
        },
        "execution_success" => Event::Success,
        "execution_error" => {
            let failure = NodeFailure::from_json(data);
            let blocked = failure.is_block();
            Event::Failed {
                node: failure.node_id,
                class: failure.class,
                message: failure.message,
                blocked,
            }
        }
        "execution_interrupted" => Event::Interrupted,
        "status" => Event::Queue {
            remaining: data.pointer("/status/exec_info/queue_remaining")?.as_u64()?,
        },
        _ => return None,
    };
    Some(Message {
        prompt_id: text(data, "prompt_id"),
        event,
    })
}

/// Reads a binary frame; `None` for other kinds, and for anything malformed or too large.
pub fn parse_binary(frame: &[u8]) -> Option<Message> {
    let (kind, rest) = number(frame)?;
    let (prompt_id, preview) = match kind {
        BINARY_PREVIEW => {
            let (format, image) = number(rest)?;
            let format = match format {
                1 => PreviewFormat::Jpeg,
                2 => PreviewFormat::Png,
                _ => return None,
            };
            (
                None,
                Preview {
                    node: None,
                    format,
                    bytes: image.to_vec(),
                },
            )
        }
        BINARY_PREVIEW_WITH_METADATA => {
            let (length, rest) = number(rest)?;
            let (metadata, image) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            let metadata: Value = serde_json::from_slice(metadata).ok()?;
            let format = match metadata.get("image_type")?.as_str()? {
                "image/jpeg" => PreviewFormat::Jpeg,
                "image/png" => PreviewFormat::Png,
                _ => return None,
            };
            (
                text(&metadata, "prompt_id"),
                Preview {
                    node: text(&metadata, "node_id"),
                    format,
                    bytes: image.to_vec(),
                },
            )
        }
        _ => return None,
    };
    let fits = !preview.bytes.is_empty() && preview.bytes.len() <= PREVIEW_LIMIT;
    fits.then_some(Message {
        prompt_id,
        event: Event::Preview(preview),
    })
}

/// A big-endian number and what follows it.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*head), rest))
}

fn text(data: &Value, key: &str) -> Option<String> {
    data.get(key)?.as_str().map(str::to_owned)
}

fn strings(list: &Value) -> Option<Vec<String>> {
    Some(
        list.as_array()?
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview_frame(kind: u32, second: u32, rest: &[u8]) -> Vec<u8> {
        [&kind.to_be_bytes()[..], &second.to_be_bytes()[..], rest].concat()
    }

    #[test]
    fn the_end_of_a_run_is_executing_nothing() {
        let over = parse_text(r#"{"type":"executing","data":{"node":null,"prompt_id":"p"}}"#);
        assert_eq!(
            over,
            Some(Message {
                prompt_id: Some("p".into()),
                event: Event::Over
            })
        );
        assert_eq!(parse_text(r#"{"type":"executing","data":{"prompt_id":"p"}}"#), None);
    }

    #[test]
    fn malformed_and_unknown_text_is_nothing() {
        for frame in [
            "",
            "{",
            "[]",
            "null",
            "1e999",
            r#"{"type":"progress"}"#,
            r#"{"type":"progress","data":{"value":"x","max":3}}"#,
            r#"{"type":"progress","data":{"value":1,"max":0}}"#,
            r#"{"type":"progress_state","data":{"nodes":[1,2]}}"#,
            r#"{"type":"status","data":{"status":{"exec_info":{"queue_remaining":-1}}}}"#,
            r#"{"type":"crystools.monitor","data":{"cpu":1}}"#,
            r#"{"type":7,"data":{}}"#,
        ] {
            assert_eq!(parse_text(frame), None, "{frame}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse_text(&deep), None);
    }

    #[test]
    fn a_step_beyond_its_end_is_clamped() {
        let message = parse_text(r#"{"type":"progress","data":{"value":9,"max":3,"node":"5","prompt_id":"p"}}"#);
        let event = message.map(|message| message.event);
        assert_eq!(
            event,
            Some(Event::Step {
                node: Some("5".into()),
                value: 3.0,
                max: 3.0
            })
        );
    }

    #[test]
    fn both_kinds_of_preview_are_read() {
        let plain = parse_binary(&preview_frame(1, 2, b"picture")).map(|message| message.event);
        let expected = Preview {
            node: None,
            format: PreviewFormat::Png,
            bytes: b"picture".to_vec(),
        };
        assert_eq!(plain, Some(Event::Preview(expected)));

        let metadata = br#"{"node_id":"5","prompt_id":"p","image_type":"image/jpeg"}"#;
        let frame = preview_frame(4, metadata.len() as u32, &[&metadata[..], b"picture"].concat());
        let expected = Preview {
            node: Some("5".into()),
            format: PreviewFormat::Jpeg,
            bytes: b"picture".to_vec(),
        };
        assert_eq!(
            parse_binary(&frame),
            Some(Message {
                prompt_id: Some("p".into()),
                event: Event::Preview(expected)
            })
        );
    }

    #[test]
    fn malformed_binary_is_nothing() {
        let metadata = br#"{"image_type":"image/jpeg"}"#;
        let too_large = [&preview_frame(1, 1, b"")[..], &vec![0; PREVIEW_LIMIT + 1]].concat();
        for frame in [
            &b""[..],
            b"\0\0\0",
            &preview_frame(1, 1, b""),
            &preview_frame(1, 9, b"x"),
            &preview_frame(3, 1, b"x"),
            &preview_frame(4, u32::MAX, metadata),
            &preview_frame(4, 2, b"{]x"),
            &preview_frame(4, metadata.len() as u32, metadata),
            &too_large,
        ] {
            assert_eq!(parse_binary(frame), None, "{} bytes", frame.len());
        }
    }
}
