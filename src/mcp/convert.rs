//! Between the domain and the wire: results, errors, numbers, pictures.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, JsonObject, MetaObject, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::resources::Address;
use crate::session::hash_of;
use text::{outgoing, outgoing_json, shortened};
use types::hint::Hint;

/// Longer results become a file and a few lines of it in some clients. In characters.
const MAX_RESULT: usize = 48_000;

/// No object of ours has more fields that are not a list by name.
const FIELDS: usize = 40;

/// Bytes of a field that stays in any case.
const FIELD: usize = 400;

/// What a summary says of a result that was cut.
const CUT: &str = " This is cut for length; what is recorded is whole in calibrator://sessions/SESSION/iterations/N.";

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

/// A result with structured content and, for clients that show text only, the same as text. It carries its own `summary`, because
/// some clients drop text beside structured content.
pub fn success(result: &impl Serialize, beside: Beside) -> CallToolResponse {
    let value = match serde_json::to_value(result) {
        Ok(mut value) => {
            outgoing_json(&mut value);
            fitting(value)
        }
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
fn address(path: &str) -> Option<Address> {
    hash_of(path).map(Address::Picture)
}

fn file(name: &str, path: &str) -> Option<Resource> {
    let kind = match Path::new(path).extension()?.to_str()? {
        "jpg" => "jpeg",
        other => other,
    };
    let listed = Resource::new(address(path)?.to_string(), name);
    Some(listed.with_mime_type(format!("image/{kind}")))
}

/// Cuts what is too long in a result: the summary first, then its other texts, then its lists; what is short, such as names,
/// numbers and states, stays. Should that not do, only what is short is left.
fn fitting(mut value: Value) -> Value {
    let fits = |value: &Value| value.to_string().chars().count() <= MAX_RESULT;
    if fits(&value) {
        return value;
    }
    if let Some(Value::String(summary)) = value.get_mut("summary") {
        *summary = shortened(summary, MAX_RESULT / 4) + CUT;
    }
    let steps = [(8_000, 500), (2_000, 500), (500, 500), (250, 200), (250, 50), (100, 10)];
    for (texts, items) in steps {
        if fits(&value) {
            return value;
        }
        for (name, field) in value.as_object_mut().into_iter().flatten() {
            if name != "summary" {
                trim(field, texts, items);
            }
        }
    }
    if let (false, Value::Object(fields)) = (fits(&value), &mut value) {
        fields.retain(|name, field| name == "summary" || field.to_string().len() <= FIELD);
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
            let mut left = items.max(FIELDS);
            fields.retain(|_, field| {
                trim(field, texts, items);
                left = left.saturating_sub(1);
                left > 0
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An error that an agent can act on: what failed and what to do.
pub fn failure(what: &str, hint: &str) -> CallToolResponse {
    let (mut text, hint) = (outgoing(what), outgoing(hint));
    // What failed may repeat what the client sent; what to do must stay.
    let most = MAX_ERROR.saturating_sub(hint.len());
    if text.len() > most {
        let cut = (0..=most).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        text.truncate(cut);
        text.push_str(" …");
    }
    if !hint.is_empty() {
        text.push_str("\nWhat to do: ");
        text.push_str(&hint);
    }
    CallToolResult::error(vec![ContentBlock::text(text)]).into()
}

/// [`failure`] of an error that says what to do.
pub fn failed(error: &impl Hint) -> CallToolResponse {
    failure(&error.to_string(), &error.what_to_do().unwrap_or_default())
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
        let error = plain(&error.into_inner().to_string());
        Box::new(failure(
            &format!("the arguments of {tool} are not right{place}: {error}. Nothing was done"),
            "Correct the arguments; the tool's input schema lists them.",
        ))
    })
}

/// What the library says of types, in words that are known outside of Rust.
fn plain(error: &str) -> String {
    const WORDS: [(&str, &str); 5] = [
        ("expected u64", "expected a whole number from 0 to 18446744073709551615"),
        ("expected u32", "expected a whole number from 0 to 4294967295"),
        ("expected f64", "expected a number"),
        ("expected a boolean", "expected true or false"),
        ("expected a map", "expected an object"),
    ];
    let plain = WORDS
        .iter()
        .fold(error.to_owned(), |text, (word, plain)| text.replace(word, plain));
    match error.contains("integer `-1`, expected u64") {
        true => format!("{plain} (no number stands for a random seed: name one)"),
        false => plain,
    }
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
        let keys: Map<String, Value> = (0..30).map(|i| (format!("{i}{long}"), json!(1))).collect();
        for value in [
            json!({"iterations": [{"positive": long, "negative": "short"}]}),
            json!({"question": {"role": "positive", "candidates": names}}),
            json!({"notes": vec!["a note of some length"; 5_000]}),
            json!({"changes": keys}),
            json!({"summary": long, "notes": [long]}),
        ] {
            let mut value = value;
            value["session"] = json!("7k3m9qx2");
            value["state"] = json!("question");
            if value.get("summary").is_none() {
                value["summary"] = json!("As asked.");
            }
            let cut = fitting(value);
            let text = cut.to_string();
            assert!(text.chars().count() <= 50_000, "{} characters", text.len());
            assert!(cut["summary"].as_str().unwrap().ends_with(CUT));
            assert_eq!(
                (&cut["session"], &cut["state"]),
                (&json!("7k3m9qx2"), &json!("question"))
            );
        }
        let short = json!({"summary": "As asked.", "runs": [1, 2]});
        assert_eq!(fitting(short.clone()), short);
    }

    #[test]
    fn what_strangers_wrote_goes_out_clean_and_without_secrets() {
        let CallToolResponse::Complete(error) =
            failure("it said \u{1b}[2J hf_0123456789abcdefABCD", "look at \u{202e}it")
        else {
            panic!("not an answer");
        };
        let text = error.content[0].as_text().unwrap().text.clone();
        assert_eq!(text, "it said \\u{1b}[2J [masked]\nWhat to do: look at \\u{202e}it");
        #[derive(Serialize)]
        struct Shown {
            summary: &'static str,
        }
        let CallToolResponse::Complete(result) = success(&Shown { summary: "a\u{2028}b" }, Beside::default()) else {
            panic!("not an answer");
        };
        assert_eq!(result.structured_content, Some(json!({"summary": "a\\u{2028}b"})));
        assert!(!result.content[0].as_text().unwrap().text.contains('\u{2028}'));
    }

    #[test]
    fn a_number_out_of_range_is_told_without_the_names_of_types() {
        let said = plain("invalid value: integer `-1`, expected u64");
        assert!(
            said.contains("from 0 to 18446744073709551615") && said.contains("random"),
            "{said}"
        );
        assert!(!said.contains("u64"), "{said}");
        assert_eq!(plain("missing field `seed`"), "missing field `seed`");
    }

    #[test]
    fn only_files_of_the_image_store_have_an_address() {
        let hash = types::ImageHash::of(b"a picture");
        let path = format!("/data/images/ab/{hash}.png");
        assert_eq!(address(&path), Some(Address::Picture(hash)));
        assert_eq!(address("/home/somebody/picture.png"), None);
    }
}
