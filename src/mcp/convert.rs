//! Between the domain and the wire: results, errors, numbers, pictures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::session::ServiceError;

/// Error text is cut here: clients cut it near 10,000 characters themselves, without saying so.
const MAX_ERROR: usize = 7_900;

/// A result with structured content and, for clients that show text only, its summary.
pub fn success(result: &(impl Serialize + Summarised), pictures: Vec<Vec<u8>>) -> CallToolResponse {
    let value = match serde_json::to_value(result) {
        Ok(value) => value,
        Err(error) => return failure(&format!("the result cannot be written down: {error}"), "Call again."),
    };
    let mut content = vec![ContentBlock::text(value.to_string())];
    for jpeg in pictures {
        content.push(ContentBlock::image(STANDARD.encode(jpeg), "image/jpeg"));
    }
    let mut answer = CallToolResult::structured(value);
    answer.content = content;
    answer.into()
}

/// A result that carries its own summary, because some clients drop text beside structured
/// content.
pub trait Summarised {}

/// An error that an agent can act on: what failed and what to do.
pub fn failure(what: &str, hint: &str) -> CallToolResponse {
    let mut text = what.to_owned();
    // What failed may repeat what the client sent; what to do must stay.
    let most = MAX_ERROR.saturating_sub(hint.len());
    if text.len() > most {
        let cut = (0..=most).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(cut);
        text.push_str(" …");
    }
    if !hint.is_empty() {
        text.push_str("\nWhat to do: ");
        text.push_str(hint);
    }
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

/// [`failure`] of a service's error.
pub fn failed(error: &ServiceError) -> CallToolResponse {
    failure(&error.to_string(), &error.hint())
}

/// Reads a tool's arguments; the error names the argument.
pub fn arguments<T: DeserializeOwned>(
    tool: &str,
    arguments: Option<Map<String, Value>>,
) -> Result<T, Box<CallToolResponse>> {
    let given = Value::Object(arguments.unwrap_or_default());
    serde_path_to_error::deserialize(given).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!(" at `{path}`")
        };
        let error = error.into_inner();
        Box::new(failure(
            &format!("the arguments of {tool} are not right{place}: {error}. Nothing was done"),
            "Correct the arguments; the tool's input schema lists them.",
        ))
    })
}

/// Three decimals: more are noise, and every digit costs tokens.
pub fn rounded(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}
