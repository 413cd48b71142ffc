//! JSON Schemas as clients like them: inlined, without the words that say nothing.
//!
//! An agent pays for every byte of `tools/list`, and strict clients stumble over `$ref` into
//! enums, over `["string", "null"]`, over `true` for a schema and over formats such as `uint`.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// What a tool takes: every doc comment is a description.
pub fn input<T: JsonSchema>() -> Arc<JsonObject> {
    of::<T>(SchemaSettings::draft2020_12(), Words::Kept)
}

/// What a tool gives. Clients check results against it, agents do not read it: it has no
/// descriptions, and says what is always there for the result as a whole only.
pub fn output<T: JsonSchema>() -> Arc<JsonObject> {
    of::<T>(SchemaSettings::draft2020_12().for_serialize(), Words::Dropped)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Words {
    Kept,
    Dropped,
}

fn of<T: JsonSchema>(settings: SchemaSettings, words: Words) -> Arc<JsonObject> {
    let settings = settings.with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match trim(schema.to_value(), words) {
        Value::Object(mut object) => {
            // The tool's own description says it better.
            object.remove("description");
            if words == Words::Dropped {
                object.values_mut().for_each(drop_required);
            }
            Arc::new(object)
        }
        _ => Arc::new(JsonObject::new()),
    }
}

/// Takes `required` out of the schemas within one.
fn drop_required(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("type").is_some_and(|kind| kind == "object") {
                object.remove("required");
            }
            object.values_mut().for_each(drop_required);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_required),
        _ => {}
    }
}

fn trim(schema: Value, words: Words) -> Value {
    match schema {
        Value::Object(object) => Value::Object(trim_object(object, words)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| trim(item, words)).collect()),
        other => other,
    }
}

fn trim_object(object: Map<String, Value>, words: Words) -> Map<String, Value> {
    if let Some(names) = object.get("oneOf").and_then(names_of) {
        return Map::from_iter([
            ("type".to_owned(), "string".into()),
            ("enum".to_owned(), Value::Array(names)),
        ]);
    }
    let mut kept = Map::new();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("title" | "format", Value::String(_)) | ("$schema", _) => {}
            // Absent means the empty value: nobody needs to be told.
            ("default", Value::Null | Value::Bool(false)) => {}
            ("default", Value::Array(items)) if items.is_empty() => {}
            ("default", Value::Object(fields)) if fields.is_empty() => {}
            ("description", _) | ("additionalProperties", Value::Bool(true)) if words == Words::Dropped => {}
            // Numbers are read as what they are for: the answer to a negative one says so.
            ("minimum", Value::Number(least)) if least.as_f64() == Some(0.0) => {}
            ("type", Value::Array(types)) => {
                let mut types: Vec<Value> = types.into_iter().filter(|t| t != "null").collect();
                let kind = if types.len() == 1 {
                    types.remove(0)
                } else {
                    Value::Array(types)
                };
                kept.insert(key, kind);
            }
            // A property may be called like a keyword: what is below `properties` is kept whole.
            ("properties", Value::Object(properties)) => {
                let properties = properties
                    .into_iter()
                    .map(|(name, schema)| match schema {
                        Value::Bool(true) => (name, Value::Object(Map::new())),
                        schema => (name, trim(schema, words)),
                    })
                    .collect();
                kept.insert(key, Value::Object(properties));
            }
            (_, value) => {
                kept.insert(key, trim(value, words));
            }
        }
    }
    kept
}

/// The names of an enum whose variants are schemas of their own, because they have doc comments;
/// those without are together in one.
fn names_of(variants: &Value) -> Option<Vec<Value>> {
    let mut names = Vec::new();
    for variant in variants.as_array()? {
        match (variant.get("const"), variant.get("enum")) {
            (Some(name), _) => names.push(name.clone()),
            (None, Some(Value::Array(several))) => names.extend(several.iter().cloned()),
            (None, _) => return None,
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Sample {
        /// A name.
        title: Option<String>,
        count: u32,
        #[serde(default)]
        more: Vec<u64>,
    }

    #[test]
    fn inputs_hold_what_a_client_needs_and_no_more() {
        let text = serde_json::to_string(&*input::<Sample>()).unwrap();
        assert!(
            !text.contains("null") && !text.contains("format") && !text.contains("$") && !text.contains("default"),
            "{text}"
        );
        let title = input::<Sample>()["properties"]["title"].clone();
        assert_eq!(title, serde_json::json!({"type": "string", "description": "A name."}));
        assert!(text.contains(r#""required":["count"]"#), "{text}");
        assert!(text.contains(r#""additionalProperties":false"#), "{text}");
    }

    #[derive(serde::Serialize, JsonSchema)]
    struct Answer {
        /// In words.
        summary: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rows: Vec<u32>,
        kind: Kind,
        any: Value,
    }

    #[derive(serde::Serialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Kind {
        /// The first.
        One,
        Two,
        Three,
    }

    #[test]
    fn outputs_require_only_what_is_always_there() {
        let schema = Value::Object((*output::<Answer>()).clone());
        assert_eq!(schema["required"], serde_json::json!(["summary", "kind", "any"]));
        assert_eq!(
            schema["properties"]["kind"],
            serde_json::json!({"type": "string", "enum": ["two", "three", "one"]})
        );
        assert_eq!(schema["properties"]["any"], serde_json::json!({}));
        assert!(!schema.to_string().contains("description"), "{schema}");
    }
}
