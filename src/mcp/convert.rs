//! Between the domain and the wire: results, errors, numbers, pictures.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject, MetaObject, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::resources::Address;
use crate::session::ServiceError;
use crate::text::shortened;

/// Longer results become a file and a few lines of it in some clients. In characters.
const MAX_RESULT: usize = 48_000;

/// No object of ours has more fields that are not a list by name.
const FIELDS: usize = 40;

/// Error text is cut here: clients cut it near 10,000 characters themselves, without saying so.
const MAX_ERROR: usize = 7_900;

/// What goes with a result beside its structured content.
#[derive(Default)]
pub struct Beside {
    /// Small copies or a contact sheet, as JPEG.
    pub pictures: Vec<Vec<u8>>,
    /// The files themselves, to be read as resources: a name for each.
    pub files: Vec<(String, String)>,
    /// What the page that shows the result must know; agents do not see it.
    pub view: Option<Value>,
}

/// Where [`Beside::view`] stands in a result's `_meta`.
const VIEW: &str = "prompt-calibrator/view";

/// A result with structured content and, for clients that show text only, the same as text.
pub fn success(result: &(impl Serialize + Summarised), beside: Beside) -> CallToolResponse {
    let value = match serde_json::to_value(result) {
        Ok(value) => fitting(value),
        Err(error) => return failure(&format!("the result cannot be written down: {error}"), "Call again."),
    };
    let mut content = vec![ContentBlock::text(value.to_string())];
    for jpeg in beside.pictures {
        content.push(ContentBlock::image(STANDARD.encode(jpeg), "image/jpeg"));
    }
    for (name, path) in beside.files {
        if let Some(file) = file(&name, &path) {
            content.push(ContentBlock::resource_link(file));
        }
    }
    let mut answer = CallToolResult::structured(value);
    answer.content = content;
    answer.meta = beside
        .view
        .map(|view| MetaObject(JsonObject::from_iter([(VIEW.to_owned(), view)])));
    answer.into()
}

/// The address of a picture in the image store, whose file is named by its hash.
pub fn address(path: &str) -> Option<Address> {
    let hash = Path::new(path).file_stem()?.to_str()?.parse().ok()?;
    Some(Address::Picture(hash))
}

fn file(name: &str, path: &str) -> Option<Resource> {
    let kind = match Path::new(path).extension()?.to_str()? {
        "jpg" => "jpeg",
        other => other,
    };
    let listed = Resource::new(address(path)?.to_string(), name);
    Some(listed.with_mime_type(format!("image/{kind}")))
}

/// Cuts what is too long in a result: first its texts, then its lists. The summary stays, and says so.
fn fitting(mut value: Value) -> Value {
    let mut texts = 8_000;
    let mut items = 500;
    let mut cut = false;
    while value.to_string().chars().count() > MAX_RESULT && items > 1 {
        cut = true;
        trim(&mut value, texts, items);
        texts /= 2;
        if texts < 500 {
            items /= 2;
        }
    }
    if cut && let Some(Value::String(summary)) = value.get_mut("summary") {
        *summary = format!(
            "{} This is cut for length; an iteration's whole workflow is the resource \
             calibrator://sessions/SESSION/iterations/N/workflow.",
            shortened(summary, MAX_RESULT / 4)
        );
    }
    value
}

fn trim(value: &mut Value, texts: usize, items: usize) {
    match value {
        Value::String(text) => *text = shortened(text, texts),
        Value::Array(list) => {
            list.truncate(items);
            list.iter_mut().for_each(|item| trim(item, texts, items));
        }
        Value::Object(fields) => {
            let over: Vec<String> = fields.keys().skip(items.max(FIELDS)).cloned().collect();
            for name in over {
                fields.shift_remove(&name);
            }
            for (_, field) in fields.iter_mut().filter(|(name, _)| *name != "summary") {
                trim(field, texts, items);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_result_that_is_too_long_is_cut_and_says_so() {
        let long = "x".repeat(70_000);
        let names: Map<String, Value> = (0..4_000).map(|i| (format!("{i}.text"), json!("a place"))).collect();
        for value in [
            json!({"summary": "As asked.", "iterations": [{"positive": long, "negative": "short"}]}),
            json!({"summary": "As asked.", "question": {"role": "positive", "candidates": names}}),
            json!({"summary": "As asked.", "notes": vec!["a note of some length"; 5_000]}),
            json!({"summary": long, "notes": []}),
        ] {
            let cut = fitting(value);
            let text = cut.to_string();
            assert!(text.chars().count() <= 50_000, "{} characters", text.len());
            assert!(text.contains("cut for length"), "{}", &text[..200]);
        }
        let short = json!({"summary": "As asked.", "runs": [1, 2]});
        assert_eq!(fitting(short.clone()), short);
    }

    #[test]
    fn only_files_of_the_image_store_have_an_address() {
        let hash = crate::history::ImageHash::of(b"a picture");
        let path = format!("/data/images/ab/{hash}.png");
        assert_eq!(address(&path), Some(Address::Picture(hash)));
        assert_eq!(address("/home/somebody/picture.png"), None);
        assert_eq!(address("missing: nothing"), None);
    }
}
