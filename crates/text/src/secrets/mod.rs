//! Keys, tokens and passwords in what goes out of the program: masked, by the name they stand under (`names`) and by their shape
//! (`shapes`).
//!
//! What is stored stays whole, because a graph is rendered again; ComfyUI gets what the user wrote. So masking happens on the way
//! out: in results, views, resources, the report, an export, on the terminal and in the log.

mod json;
mod lines;
mod names;
mod shapes;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

pub use json::inputs_in;
pub use lines::masked_by_name;
pub use names::is_secret_name;

/// What stands for a secret.
pub const MASK: &str = "[masked]";

/// A shorter value is masked where its name says what it is, and not wherever else the same letters stand; nor is a plain word.
const LONG_ENOUGH: usize = 8;

/// A text without what looks like a secret.
pub fn masked(text: &str) -> Cow<'_, str> {
    let found = shapes::find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut at = 0;
    for secret in found {
        shown.push_str(&text[at..secret.start]);
        shown.push_str(MASK);
        at = secret.end;
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}

/// The value of an input of this name, as it may be shown.
pub fn masked_input(name: &str, value: &Value) -> Value {
    let mut shown = value.clone();
    if is_secret_name(name) {
        cover(&mut shown, &mut |_| {});
    } else {
        mask(&mut shown);
    }
    shown
}

/// Masks a graph, or any other JSON: what stands under a secret's name, and texts by their shape.
pub fn mask(value: &mut Value) {
    go_through(value, &mut |_| {});
}

/// The secrets of a graph, to find them wherever they are repeated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Those of a graph, or of any other JSON.
    pub fn of(value: &Value) -> Self {
        let mut secrets = Self::default();
        secrets.learn(value);
        secrets
    }

    /// Adds those of another one.
    pub fn learn(&mut self, value: &Value) {
        go_through(&mut value.clone(), &mut |secret| {
            if secret.len() >= LONG_ENOUGH && !secret.chars().all(char::is_alphabetic) {
                self.0.insert(secret);
            }
        });
    }

    /// Masks them in every text of a value, and what looks like one.
    pub fn mask_texts(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.masked(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_texts(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.mask_texts(field)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// A text without them, and without what looks like one.
    pub fn masked(&self, text: &str) -> String {
        let mut shown = masked(text).into_owned();
        for secret in &self.0 {
            if shown.contains(secret.as_str()) {
                shown = shown.replace(secret.as_str(), MASK);
            }
        }
        shown
    }
}

/// Masks a value, and tells what was there.
fn go_through(value: &mut Value, tell: &mut dyn FnMut(String)) {
    match value {
        Value::String(text) => {
            let secrets = shapes::find(text);
            if !secrets.is_empty() {
                secrets.into_iter().for_each(|at| tell(text[at].to_owned()));
                *text = masked(text).into_owned();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| go_through(item, tell)),
        Value::Object(fields) => {
            // A recorded change says its input's name beside its values.
            let is_change = fields.get("input").and_then(Value::as_str).is_some_and(is_secret_name);
            for (name, field) in fields {
                if is_secret_name(name) || (is_change && matches!(name.as_str(), "from" | "to")) {
                    cover(field, tell);
                } else {
                    go_through(field, tell);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Masks every text of a value that stands under a secret's name. A link to another node stays one.
fn cover(value: &mut Value, tell: &mut dyn FnMut(String)) {
    match value {
        Value::String(text) if text.trim().is_empty() || text.as_str() == MASK => {}
        Value::String(text) => tell(std::mem::replace(text, MASK.to_owned())),
        Value::Array(items) if matches!(items.as_slice(), [Value::String(_), Value::Number(_)]) => {}
        Value::Array(items) => items.iter_mut().for_each(|item| cover(item, tell)),
        Value::Object(fields) => fields.values_mut().for_each(|field| cover(field, tell)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
