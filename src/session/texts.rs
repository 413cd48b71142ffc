//! How long the texts of a call may be: they are kept in the history, and shown again and again.

use serde_json::Value;

use super::{InjectRequest, ServiceError};
use text::bounded::Size;

/// Most bytes of a prompt, of the value of one knob, and of the answer to a question.
const LONGEST_TEXT: usize = 64 * 1024;

/// Most bytes of a note or a title.
const LONGEST_NOTE: usize = 4 * 1024;

/// Makes sure that no text of a call is longer than is kept.
///
/// # Errors
/// [`ServiceError::Usage`]; nothing was written.
pub(super) fn check(request: &InjectRequest) -> Result<(), ServiceError> {
    for (name, text) in [("note", &request.note), ("title", &request.title)] {
        within(name, text.as_ref().map_or(0, String::len), LONGEST_NOTE)?;
    }
    for (name, text) in [("positive", &request.positive), ("negative", &request.negative)] {
        within(name, text.as_ref().map_or(0, String::len), LONGEST_TEXT)?;
    }
    for (name, value) in &request.knobs {
        let length = match value {
            Value::String(text) => text.len(),
            other => Size::of(other).bytes,
        };
        within("a name in `knobs`", name.len(), LONGEST_NOTE)?;
        within(&format!("knobs.{name}"), length, LONGEST_TEXT)?;
    }
    for (name, answer) in &request.place {
        within("a name in `place`", name.len(), LONGEST_NOTE)?;
        within(&format!("place.{name}"), answer.len(), LONGEST_TEXT)?;
    }
    Ok(())
}

fn within(name: &str, length: usize, limit: usize) -> Result<(), ServiceError> {
    if length <= limit {
        return Ok(());
    }
    let name = match name.contains('`') {
        true => name.to_owned(),
        false => format!("`{name}`"),
    };
    Err(ServiceError::usage(
        format!("{name} has {length} bytes, more than the limit of {limit}; nothing was written"),
        "Shorten it. What belongs to the workflow itself can stand in its file.",
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_has_a_limit_which_its_refusal_names() {
        type Set = fn(&mut InjectRequest, String);
        let fields: [(&str, usize, Set); 8] = [
            ("`positive`", LONGEST_TEXT, |r, text| r.positive = Some(text)),
            ("`negative`", LONGEST_TEXT, |r, text| r.negative = Some(text)),
            ("`note`", LONGEST_NOTE, |r, text| r.note = Some(text)),
            ("`title`", LONGEST_NOTE, |r, text| r.title = Some(text)),
            ("`knobs.9.text`", LONGEST_TEXT, |r, text| {
                r.knobs.insert("9.text".to_owned(), text.into());
            }),
            ("`place.positive`", LONGEST_TEXT, |r, text| {
                r.place.insert("positive".to_owned(), text);
            }),
            ("a name in `knobs`", LONGEST_NOTE, |r, text| {
                r.knobs.insert(text, 1.into());
            }),
            ("a name in `place`", LONGEST_NOTE, |r, text| {
                r.place.insert(text, String::new());
            }),
        ];
        for (name, limit, set) in fields {
            let mut request = InjectRequest::default();
            set(&mut request, "x".repeat(limit));
            assert!(check(&request).is_ok(), "{name}");
            let mut request = InjectRequest::default();
            set(&mut request, "x".repeat(limit + 1));
            let told = check(&request).unwrap_err().to_string();
            for word in [name, &limit.to_string(), "nothing was written"] {
                assert!(told.contains(word), "{word}: {told}");
            }
        }
        let mut request = InjectRequest::default();
        request
            .knobs
            .insert("9.list".to_owned(), json!(["x".repeat(LONGEST_TEXT)]));
        let told = check(&request).unwrap_err().to_string();
        assert!(told.contains("knobs.9.list"), "wherever it stands: {told}");
    }
}
