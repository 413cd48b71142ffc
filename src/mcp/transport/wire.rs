//! From bytes to one JSON-RPC message, or to the error that answers them.

use rmcp::model::{ClientJsonRpcMessage, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{MAX_BODY_BYTES, SMALL_MESSAGE};
use text::bounded::{JsonLimit, Size};
use text::shortened;

/// Longest id of a request, in bytes. It goes back with the answer, and is kept until then.
const MAX_ID: usize = 1024;

/// The largest call of a tool. Its largest part is a prompt, and of values it has at most 256 knobs; in memory these are 4 MB beside
/// its text. How much of such calls lies in memory at once is up to `connections` and `panic_guard`.
const CALL: JsonLimit = JsonLimit {
    bytes: MAX_BODY_BYTES,
    values: 10_000,
};

/// The largest of all other messages. Some are kept for long: a session's opening for as long as the session, of which there are
/// hundreds.
const OTHER: JsonLimit = JsonLimit {
    bytes: SMALL_MESSAGE,
    values: 500,
};

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
    let size = Size::of_text(bytes);
    if size.values > CALL.values {
        return too_many(bytes);
    }
    if let Ok(message) = serde_json::from_slice::<ClientJsonRpcMessage>(bytes) {
        if let JsonRpcMessage::Request(request) = &message
            && let RequestId::String(id) = &request.id
            && id.len() > MAX_ID
        {
            let told = format!("the id of a request is longer than {MAX_ID} bytes, so it was not taken");
            return reject(ErrorData::invalid_request(told, None), None);
        }
        if (size.bytes > OTHER.bytes || size.values > OTHER.values) && !calls_a_tool(&message) {
            return too_large(message);
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

fn calls_a_tool(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request) if request.request.method() == "tools/call")
}

/// Refuses a message that is no call of a tool and as large as only those may be.
fn too_large(message: ClientJsonRpcMessage) -> Decoded {
    let JsonRpcMessage::Request(request) = message else {
        tracing::warn!("skipped a message that is larger than any of its kind");
        return Decoded::Skip;
    };
    let told = format!(
        "the request was not taken: only a call of a tool may be longer than {} bytes or hold more than {} values",
        OTHER.bytes, OTHER.values
    );
    reject(ErrorData::invalid_request(told, None), Some(request.id))
}

/// As much of a message as its refusal needs; what else stands in it is passed over, and nothing is built for it.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<IgnoredAny>,
}

/// Refuses what would take much memory once it is read.
fn too_many(bytes: &[u8]) -> Decoded {
    let told = format!(
        "the message holds more than {} values, so it was not taken: pass the path of a file instead of what is in it",
        CALL.values
    );
    let refusal = ErrorData::invalid_request(told, None);
    if !bytes.starts_with(b"{") {
        return reject(refusal, None);
    }
    match serde_json::from_slice::<Head<'_>>(bytes) {
        Ok(Head {
            id: None,
            method: Some(_),
        }) => {
            tracing::warn!("skipped a notification that holds more values than are read");
            Decoded::Skip
        }
        Ok(Head { id, method }) => {
            let id = id.filter(|id| method.is_some() && id.get().len() <= MAX_ID);
            reject(refusal, id.and_then(|id| serde_json::from_str(id.get()).ok()))
        }
        Err(error) if error.is_data() => reject(refusal, None),
        Err(error) => reject(ErrorData::parse_error(format!("this is not JSON: {error}"), None), None),
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
    fn what_would_fill_the_memory_is_refused_under_its_id() {
        let lists = |count: usize| format!("[{}0]", "[],".repeat(count));
        let call = |id: &str, held: &str| {
            format!(
                r#"{{"params":{{"name":"x","arguments":{{"a":{held}}}}},"jsonrpc":"2.0","id":{id},"method":"tools/call"}}"#
            )
        };
        let (few, many) = (lists(CALL.values / 2 - 10), lists(CALL.values));
        assert!(matches!(decode(call("1", &few).as_bytes()), Decoded::Message(_)));
        for (id, wanted) in [
            ("7", Some(json!(7))),
            (r#""x""#, Some(json!("x"))),
            (few.as_str(), None),
        ] {
            let answer = rejected(&call(id, &many));
            assert_eq!(answer["error"]["code"], -32600, "{answer}");
            assert!(
                answer["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("more than 10000 values"),
                "{answer}"
            );
            assert_eq!(answer.get("id"), wanted.as_ref(), "{answer}");
        }
        // However deep it goes.
        let deep = "[".repeat(CALL.values) + &"]".repeat(CALL.values);
        assert_eq!(rejected(&call("8", &deep))["id"], 8);
        let answer = rejected(&format!(r#"{{"jsonrpc":"2.0","id":9,"result":{many}}}"#));
        assert!(answer.get("id").is_none(), "it is no request of the client: {answer}");
        assert!(rejected(&many).get("id").is_none());
        assert_eq!(rejected(&many[..many.len() - 1])["error"]["code"], -32600);
        assert_eq!(rejected(&call("1", &many[1..]))["error"]["code"], -32700);
        let notification = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{{"a":{many}}}}}"#);
        assert!(matches!(decode(notification.as_bytes()), Decoded::Skip));
    }

    #[test]
    fn only_a_call_of_a_tool_may_be_large() {
        let text = "x".repeat(OTHER.bytes);
        let values = format!("[{}0]", "0,".repeat(OTHER.values));
        for large in [json!(text).to_string(), values] {
            let sent = |method: &str, id: &str| {
                format!(
                    r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{{"name":"x","arguments":{{"a":{large}}}}}}}"#
                )
            };
            assert!(matches!(
                decode(sent("tools/call", r#""id":1,"#).as_bytes()),
                Decoded::Message(_)
            ));
            for method in ["initialize", "completion/complete", "no/such/method"] {
                let answer = rejected(&sent(method, r#""id":2,"#));
                assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(2), &json!(-32600)));
            }
            assert!(matches!(decode(sent("notifications/x", "").as_bytes()), Decoded::Skip));
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
