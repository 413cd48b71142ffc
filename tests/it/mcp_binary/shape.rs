//! Checks a value against a JSON Schema of the kind that the contracts are written in.

use serde_json::{Map, Value};

/// Fails when `value` does not fit `schema`, or has what the schema does not mention.
pub fn check(schema: &Value, value: &Value) {
    if let Err(problem) = fits(schema, value, "result") {
        panic!("{problem}\nvalue: {value}\nschema: {schema}");
    }
}

fn fits(schema: &Value, value: &Value, place: &str) -> Result<(), String> {
    let schema = schema
        .as_object()
        .ok_or_else(|| format!("{place}: the schema is no object"))?;
    for (keyword, rule) in schema {
        let holds = match keyword.as_str() {
            "type" => is_a(rule.as_str().unwrap_or_default(), value),
            "enum" => rule.as_array().is_some_and(|names| names.contains(value)),
            "required" => rule
                .as_array()
                .is_some_and(|names| names.iter().all(|name| value.get(name.as_str().unwrap()).is_some())),
            "properties" | "items" | "additionalProperties" | "description" => true,
            // A keyword that this does not know would be a check that never fails.
            unknown => return Err(format!("{place}: `{unknown}` is not known to this check")),
        };
        if !holds {
            return Err(format!("{place}: not {keyword} {rule}: {value}"));
        }
    }
    match value {
        Value::Object(fields) => fields
            .iter()
            .try_for_each(|(name, field)| fits(within(schema, name, place)?, field, &format!("{place}.{name}"))),
        Value::Array(items) => match schema.get("items") {
            Some(each) => items
                .iter()
                .try_for_each(|item| fits(each, item, &format!("{place}[]"))),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The schema of a field. An object without named fields may have any.
fn within<'a>(schema: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a Value, String> {
    static ANY: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| Value::Object(Map::new()));
    let named = schema.get("properties").and_then(|properties| properties.get(name));
    let other = schema.get("additionalProperties");
    match (named.or(other), schema.contains_key("properties")) {
        (Some(schema), _) => Ok(schema),
        (None, false) => Ok(&ANY),
        (None, true) => Err(format!("{place}: `{name}` is not in the contract")),
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        _ => false,
    }
}

#[test]
fn what_does_not_fit_is_found() {
    use serde_json::json;

    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"enum": ["x"]}},
        "required": ["a"],
    });
    assert_eq!(fits(&schema, &json!({"a": [1], "b": "x"}), "it"), Ok(()));
    for wrong in [
        json!({"b": "x"}),
        json!({"a": [1.5]}),
        json!({"a": [1], "b": "y"}),
        json!({"a": [], "c": 1}),
        json!([]),
    ] {
        assert!(fits(&schema, &wrong, "it").is_err(), "{wrong}");
    }
    assert!(fits(&json!({"pattern": "x"}), &json!("x"), "it").is_err());
}
