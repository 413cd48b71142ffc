//! JSON Schemas as clients like them: inlined, without the words that say nothing.
//!
//! An agent pays for every byte of `tools/list`, and strict clients stumble over `$ref` into
//! enums, over `["string", "null"]` and over formats such as `uint`.

use std::sync::Arc;

use rmcp::model::JsonObject;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of a type, trimmed.
pub fn of<T: JsonSchema>() -> Arc<JsonObject> {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<T>();
    match trim(schema.to_value()) {
        Value::Object(mut object) => {
            // The tool's own description says it better.
            object.remove("description");
            Arc::new(object)
        }
        _ => Arc::new(JsonObject::new()),
    }
}

fn trim(schema: Value) -> Value {
    match schema {
        Value::Object(object) => Value::Object(trim_object(object)),
        Value::Array(items) => Value::Array(items.into_iter().map(trim).collect()),
        other => other,
    }
}

fn trim_object(object: Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("title" | "format", Value::String(_)) | ("default", Value::Null) => {}
            ("$schema", _) => {}
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
                    .map(|(name, schema)| (name, trim(schema)))
                    .collect();
                kept.insert(key, Value::Object(properties));
            }
            (_, value) => {
                kept.insert(key, trim(value));
            }
        }
    }
    kept
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
    fn schemas_hold_what_a_client_needs_and_no_more() {
        let text = serde_json::to_string(&*of::<Sample>()).unwrap();
        assert!(
            !text.contains("null") && !text.contains("format") && !text.contains("$"),
            "{text}"
        );
        assert!(
            text.contains(r#""title":{"description":"A name.","type":"string"}"#),
            "{text}"
        );
        assert!(text.contains(r#""required":["count"]"#), "{text}");
        assert!(text.contains(r#""additionalProperties":false"#), "{text}");
    }
}
