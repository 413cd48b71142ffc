//! From bytes to one JSON-RPC message, or to the error that answers them.

use rmcp::model::{ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use serde_json::Value;

use crate::text::shortened;

/// Longest id of a request, in bytes. It goes back with the answer, and is kept until then.
const MAX_ID: usize = 1024;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// What a client's bytes turned out to be.
pub(super) enum Decoded {
    /// A well-formed message.
    Message(Box<ClientJsonRpcMessage>),
    /// Nothing that may be answered: blank, or a notification that is not understood.
    Skip,
    /// Not a message; this error is the answer.
    Reject(Box<ServerJsonRpcMessage>),
}

/// Reads one message. A byte order mark and surrounding white space are ignored.
///
/// A malformed request is answered under its own id wherever one can be read: a client would otherwise wait for ever.
pub(super) fn decode(bytes: &[u8]) -> Decoded {
    let bytes = bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes).trim_ascii();
    if bytes.is_empty() {
        return Decoded::Skip;
    }
    if let Ok(message) = serde_json::from_slice::<ClientJsonRpcMessage>(bytes) {
        if let JsonRpcMessage::Request(request) = &message
            && let RequestId::String(id) = &request.id
            && id.len() > MAX_ID
        {
            let told = format!("the id of a request is longer than {MAX_ID} bytes, so it was not taken");
            return reject(ErrorData::invalid_request(told, None), None);
        }
        return Decoded::Message(Box::new(message));
    }
    match serde_json::from_slice::<Value>(bytes) {
        Err(error) => reject(ErrorData::parse_error(format!("this is not JSON: {error}"), None), None),
        Ok(Value::Array(_)) => reject(
            ErrorData::invalid_request("batches are not supported: send one JSON-RPC message at a time", None),
            None,
        ),
        Ok(Value::Object(fields)) => {
            // Only what names a method is the client's own request. An id without one belongs to a request of ours, and an
            // error sent back under it would be taken for the answer to another of the client's requests.
            let id = fields.get("id").filter(|_| fields.contains_key("method"));
            match (fields.get("method"), id) {
                (Some(method), None) => {
                    tracing::debug!(%method, "skipped a notification that is not understood");
                    Decoded::Skip
                }
                (_, id) => reject(
                    ErrorData::invalid_request(
                        "this is JSON but not a JSON-RPC 2.0 message: it needs \"jsonrpc\": \"2.0\", a \"method\", an \
                         \"id\" that is a string or an integer of 64 bits, and \"params\", if any, that are an object",
                        None,
                    ),
                    id.filter(|id| id.as_str().is_none_or(|id| id.len() <= MAX_ID))
                        .and_then(|id| serde_json::from_value(id.clone()).ok()),
                ),
            }
        }
        Ok(_) => reject(
            ErrorData::invalid_request("a JSON-RPC message is a JSON object", None),
            None,
        ),
    }
}

/// The answer to a message longer than `limit` bytes, whose id nobody read.
pub(super) fn too_long(limit: usize) -> ServerJsonRpcMessage {
    ServerJsonRpcMessage::error(
        ErrorData::invalid_request(
            format!("the message is longer than {limit} bytes: pass paths or URIs, not file contents"),
            None,
        ),
        None,
    )
}

/// The answer to a request whose id is that of another one in flight. It has no id: it would be taken for the other's answer.
pub(super) fn id_in_flight(id: &RequestId) -> ServerJsonRpcMessage {
    let told = format!(
        "a request with the id {} is in flight already, so this one was not taken: give every request an id of its own",
        shortened(&id.to_string(), 100)
    );
    ServerJsonRpcMessage::error(ErrorData::invalid_request(told, None), None)
}

fn reject(error: ErrorData, id: Option<RequestId>) -> Decoded {
    tracing::warn!(?id, message = %error.message, "refused what a client sent");
    Decoded::Reject(Box::new(ServerJsonRpcMessage::error(error, id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rejected(text: &str) -> Value {
        match decode(text.as_bytes()) {
            Decoded::Reject(error) => serde_json::to_value(error).unwrap(),
            Decoded::Message(message) => panic!("{text} was accepted: {message:?}"),
            Decoded::Skip => panic!("{text} was skipped"),
        }
    }

    #[test]
    fn a_request_is_read_through_a_byte_order_mark_and_white_space() {
        let text = "\u{feff} {\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"ping\"}\r";
        let Decoded::Message(message) = decode(text.as_bytes()) else {
            panic!("not accepted");
        };
        assert_eq!(
            serde_json::to_value(message).unwrap(),
            json!({"jsonrpc": "2.0", "id": "a", "method": "ping"})
        );
    }

    #[test]
    fn what_is_not_json_is_a_parse_error_without_an_id() {
        for text in ["{\"jsonrpc\":", "hello", "\u{1}", "{'id': 1}"] {
            let answer = rejected(text);
            assert_eq!(answer["error"]["code"], -32700, "{text}: {answer}");
            assert!(answer.get("id").is_none(), "{text}: {answer}");
        }
        assert!(matches!(decode(b"\xff\xfe\xfa"), Decoded::Reject(_)));
    }

    #[test]
    fn a_malformed_request_is_answered_under_its_id() {
        for (text, id) in [
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, json!(7)),
            (r#"{"id":"x","method":"ping"}"#, json!("x")),
            (r#"{"jsonrpc":"2.0","id":3,"method":5}"#, json!(3)),
            (r#"{"jsonrpc":"2.0","id":4,"method":"ping","result":{}}"#, json!(4)),
        ] {
            let answer = rejected(text);
            assert_eq!(answer["error"]["code"], -32600, "{text}: {answer}");
            assert_eq!(answer["id"], id, "{text}: {answer}");
        }
    }

    #[test]
    fn an_error_never_carries_an_id_that_is_not_the_clients_request() {
        for text in [
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            "[]",
            "17",
            "null",
        ] {
            let answer = rejected(text);
            assert_eq!(answer["error"]["code"], -32600, "{text}: {answer}");
            assert!(answer.get("id").is_none(), "{text}: {answer}");
        }
    }

    #[test]
    fn blank_lines_and_strange_notifications_are_not_answered() {
        for text in ["", "  \r", r#"{"jsonrpc":"1.0","method":"x"}"#] {
            assert!(matches!(decode(text.as_bytes()), Decoded::Skip), "{text}");
        }
    }
}
