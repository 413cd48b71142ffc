//! Clients that keep their servers in JSON, some with comments.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

use super::entry::{Entry, NAME, is_ours};
use super::{Found, Merged, Unmergeable};

/// How a client writes JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    /// The key under which the servers are.
    pub servers: &'static str,
    /// Whether an entry says of what type it is.
    pub typed: bool,
    /// Whether comments and commas before a bracket are mistakes.
    pub plain: bool,
}

pub(super) fn merge(dialect: Dialect, text: &str, entry: &Entry) -> Result<Merged, Unmergeable> {
    let root = parse(dialect, text)?;
    let top = match root.value() {
        None => root.object_value_or_set(),
        Some(value) => value
            .as_object()
            .ok_or_else(|| wrong("the file", &value.to_serde_value()))?,
    };
    let servers = match once(&top, dialect.servers)? {
        None => top.object_value_or_set(dialect.servers),
        Some(servers) => servers
            .object_value()
            .ok_or_else(|| wrong(&format!("{:?}", dialect.servers), &servers.to_serde_value()))?,
    };
    let wanted = fields(dialect, entry);
    let Some(property) = once(&servers, NAME)? else {
        servers.append(NAME, CstInputValue::Object(wanted));
        return Ok(Merged::Added(root.to_string()));
    };
    let old = property.to_string();
    match property.object_value() {
        Some(object) if starts_a_program(&object) => {
            if is_same(dialect, &object, entry) {
                return Ok(Merged::Same);
            }
            // What else the user wrote there is about the same server: variables, what is switched off.
            for (at, (key, value)) in wanted.into_iter().enumerate() {
                match once(&object, &key)? {
                    Some(field) => field.set_value(value),
                    None => drop(object.insert(at.min(object.properties().len()), &key, value)),
                }
            }
        }
        _ => property.set_value(CstInputValue::Object(wanted)),
    }
    Ok(Merged::Changed {
        text: root.to_string(),
        old,
        new: property.to_string(),
    })
}

pub(super) fn find(dialect: Dialect, text: &str) -> Result<Option<Found>, Unmergeable> {
    let root = parse(dialect, text)?.to_serde_value().unwrap_or_default();
    Ok(among(&root[dialect.servers]))
}

/// The entry of ours among servers.
pub(super) fn among(servers: &Value) -> Option<Found> {
    let command = |server: &Value| Some(server.get("command")?.as_str()?.to_owned());
    let found = |server: &Value| command(server).map_or(Found::Other, Found::Program);
    let servers = servers.as_object()?;
    let ours = |server: &&Value| command(server).is_some_and(|command| is_ours(&command));
    servers.get(NAME).or_else(|| servers.values().find(ours)).map(found)
}

fn parse(dialect: Dialect, text: &str) -> Result<CstRootNode, Unmergeable> {
    let options = ParseOptions {
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
        allow_comments: true,
        allow_trailing_commas: true,
    };
    let root = CstRootNode::parse(text, &options).map_err(|error| Unmergeable::Unreadable {
        line: error.line_display(),
        problem: error.kind().to_string(),
    })?;
    if dialect.plain && !text.trim().is_empty() {
        // What only this reader stumbles over is a comment, or a comma before a bracket.
        serde_json::from_str::<Value>(text).map_err(|error| Unmergeable::Unreadable {
            line: error.line(),
            problem: "this client reads plain JSON, without comments and without a comma behind the last".to_owned(),
        })?;
    }
    Ok(root)
}

/// A property that is there at most once: of two, clients read the last, and others the first.
fn once(object: &CstObject, key: &str) -> Result<Option<CstObjectProp>, Unmergeable> {
    let mut all = object
        .properties()
        .into_iter()
        .filter(|p| p.decoded_name().as_deref() == Some(key));
    let first = all.next();
    match all.next() {
        None => Ok(first),
        Some(_) => Err(Unmergeable::NoPlace(format!("it has {key:?} twice"))),
    }
}

fn fields(dialect: Dialect, entry: &Entry) -> Vec<(String, CstInputValue)> {
    let mut fields = Vec::new();
    if dialect.typed {
        fields.push(("type".to_owned(), "stdio".into()));
    }
    fields.push(("command".to_owned(), entry.command.as_str().into()));
    fields.push(("args".to_owned(), entry.args.clone().into()));
    fields
}

fn starts_a_program(server: &CstObject) -> bool {
    let server = server.to_serde_value().unwrap_or_default();
    let stdio = server.get("type").is_none_or(|kind| kind == "stdio");
    stdio && server.get("url").is_none() && server.get("command").is_some()
}

fn is_same(dialect: Dialect, server: &CstObject, entry: &Entry) -> bool {
    let server = server.to_serde_value().unwrap_or_default();
    let typed = !dialect.typed || server["type"] == "stdio";
    let args: Vec<&str> = entry.args.iter().map(String::as_str).collect();
    typed && server["command"] == entry.command.as_str() && server["args"] == Value::from(args)
}

fn wrong(what: &str, is: &Option<Value>) -> Unmergeable {
    let is = match is {
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "true or false",
        Some(Value::Number(_)) => "a number",
        Some(Value::String(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(Value::Object(_)) | None => "something else",
    };
    Unmergeable::NoPlace(format!("{what} is {is} where an object belongs"))
}
