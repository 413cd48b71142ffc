//! Checks a value against a JSON Schema of the kind that the contracts are written in.

use serde_json::{Map, Value, json};

/// What the contracts are written in. JSON Schema ignores a keyword that it does not know: a check that never fails.
const KEYWORDS: [&str; 7] = [
    "additionalProperties",
    "description",
    "enum",
    "items",
    "properties",
    "required",
    "type",
];

/// Fails when `value` does not fit `schema`, or has what the schema does not mention.
pub fn check(schema: &Value, value: &Value) {
    if let Err(problem) = fits(schema, value) {
        panic!("{problem}\nvalue: {value}\nschema: {schema}");
    }
}

fn fits(schema: &Value, value: &Value) -> Result<(), String> {
    let schema = jsonschema::validator_for(&closed(schema)?).map_err(|error| error.to_string())?;
    schema
        .validate(value)
        .map_err(|error| format!("{}: {error}", error.instance_path()))
}

/// The schema with an end to every list of fields: an object that names some has no others.
fn closed(schema: &Value) -> Result<Value, String> {
    let keywords = schema.as_object().ok_or_else(|| format!("no schema: {schema}"))?;
    let mut all = Map::new();
    for (keyword, rule) in keywords {
        let rule = match (keyword.as_str(), rule) {
            ("properties", Value::Object(fields)) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), closed(field)?)))
                .collect::<Result<_, String>>()?,
            ("items" | "additionalProperties", rule) => closed(rule)?,
            (known, rule) if KEYWORDS.contains(&known) => rule.clone(),
            (unknown, _) => return Err(format!("`{unknown}` is not known to this check")),
        };
        all.insert(keyword.clone(), rule);
    }
    if all.contains_key("properties") {
        all.entry("additionalProperties").or_insert(json!(false));
    }
    Ok(Value::Object(all))
}

#[test]
fn what_does_not_fit_is_found() {
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"enum": ["x"]}},
        "required": ["a"],
    });
    assert_eq!(fits(&schema, &json!({"a": [1], "b": "x"})), Ok(()));
    for wrong in [
        json!({"b": "x"}),
        json!({"a": [1.5]}),
        json!({"a": [1], "b": "y"}),
        json!({"a": [], "c": 1}),
        json!([]),
    ] {
        assert!(fits(&schema, &wrong).is_err(), "{wrong}");
    }
    assert!(fits(&json!({"pattern": "x"}), &json!("x")).is_err());
    assert!(fits(&json!({"items": {"type": "no such type"}}), &json!([])).is_err());
}
