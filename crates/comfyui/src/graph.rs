//! A ComfyUI workflow in API format: parsing, a typed view, and a stable hash.
//!
//! A graph is kept as the JSON it came as: node order, titles and fields this crate knows nothing about
//! survive a read and a write. [`Node`] and [`InputValue`] are views into it.

mod error;
mod picture;
mod png;
#[cfg(test)]
mod tests;
mod wrapped;

use std::borrow::{Borrow, Cow};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use error::GraphError;
pub use picture::PictureKind;
use text::bounded::{self, Size, Unread};
use types::GraphHash;
pub use wrapped::Wrapped;

/// The largest workflow that is read as text, in bytes; few have 1 MB.
pub const MAX_WORKFLOW_BYTES: usize = 8 * 1024 * 1024;

/// The most values that a workflow holds; large ones have 15,000. In memory they take some 20 MB at worst.
pub const MAX_WORKFLOW_VALUES: usize = 50_000;

/// The largest picture in which a workflow is looked for, in bytes.
const MAX_PICTURE_BYTES: usize = 64 * 1024 * 1024;

/// The id of a node inside one graph, such as `6` or, for a flattened subgraph, `57:27`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(String);

impl NodeId {
    /// The id as it stands in the graph.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for NodeId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an input of a node holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputValue<'g> {
    /// The value comes from output number `output` of another node.
    Link {
        /// Id of the node the value comes from; it may be missing from the graph.
        node: &'g str,
        /// Index of that node's output, from 0.
        output: usize,
    },
    /// The value stands in the graph.
    Literal(&'g Value),
}

impl<'g> InputValue<'g> {
    fn of(value: &'g Value) -> Self {
        if let Value::Array(pair) = value
            && let [Value::String(node), slot] = pair.as_slice()
            && let Some(output) = slot.as_u64()
        {
            return Self::Link {
                node,
                output: usize::try_from(output).unwrap_or(usize::MAX),
            };
        }
        Self::Literal(value)
    }
}

/// One node of a [`Graph`].
#[derive(Clone, Copy, Debug)]
pub struct Node<'g> {
    id: &'g str,
    body: &'g Map<String, Value>,
}

impl<'g> Node<'g> {
    /// The node's id inside its graph.
    pub fn id(&self) -> &'g str {
        self.id
    }

    /// `class_type`, or `""` where the graph lacks it.
    pub fn class(&self) -> &'g str {
        self.body.get("class_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// The title the user sees, else the class.
    pub fn title(&self) -> &'g str {
        self.body
            .get("_meta")
            .and_then(|meta| meta.get("title"))
            .and_then(Value::as_str)
            .filter(|title| !title.is_empty())
            .unwrap_or_else(|| self.class())
    }

    /// Whether the node has an `inputs` object at all (ComfyUI dies on a node without one).
    pub fn has_inputs(&self) -> bool {
        self.body.get("inputs").is_some_and(Value::is_object)
    }

    /// All inputs in the order of the graph.
    pub fn inputs(&self) -> impl Iterator<Item = (&'g str, InputValue<'g>)> + use<'g> {
        self.body
            .get("inputs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str(), InputValue::of(value)))
    }

    /// All inputs as they stand in the graph; `None` without an `inputs` object.
    pub(crate) fn raw_inputs(&self) -> Option<&'g Map<String, Value>> {
        self.body.get("inputs")?.as_object()
    }

    /// How many inputs the node has.
    pub fn input_count(&self) -> usize {
        self.body.get("inputs").and_then(Value::as_object).map_or(0, Map::len)
    }

    /// One input by name.
    pub fn input(&self, name: &str) -> Option<InputValue<'g>> {
        self.body.get("inputs")?.get(name).map(InputValue::of)
    }

    /// One input by name where it is a literal.
    pub fn literal(&self, name: &str) -> Option<&'g Value> {
        match self.input(name)? {
            InputValue::Literal(value) => Some(value),
            InputValue::Link { .. } => None,
        }
    }
}

/// A parsed workflow in API format: `{id: {class_type, inputs, _meta?}}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    nodes: Map<String, Value>,
}

impl Graph {
    /// Reads a workflow from the bytes of a file, as [`Graph::read`] does.
    ///
    /// # Errors
    /// As [`Graph::read`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GraphError> {
        Self::read(bytes).map(|(graph, _)| graph)
    }

    /// Reads a workflow from the bytes of a file, and says where in it the workflow stood if something lay around it.
    ///
    /// Accepts API-format JSON, the same wrapped in up to three objects (`{"prompt": {…}}`, `{"input": {"workflow": {…}}}`),
    /// and a picture that ComfyUI saved: a PNG's `prompt` text, or the `prompt:` text in the EXIF of a WebP.
    ///
    /// # Errors
    /// [`GraphError`] for anything else; a UI-format workflow is recognised and named as such.
    pub fn read(bytes: &[u8]) -> Result<(Self, Option<Wrapped>), GraphError> {
        let limit = Self::most_bytes(bytes);
        if bytes.len() > limit {
            let bytes = bytes.len();
            return Err(GraphError::TooLarge { bytes, limit });
        }
        let text = match PictureKind::of(bytes) {
            Some(picture) => picture.prompt(bytes)?,
            None => {
                let text = std::str::from_utf8(bytes).map_err(|_| GraphError::NotText)?;
                Cow::Borrowed(text.trim_start_matches('\u{feff}'))
            }
        };
        parse_json(&text).and_then(Self::unwrapped)
    }

    /// How many bytes of a file tell [`Graph::most_bytes`] what it is.
    pub const BEGINNING: usize = 12;

    /// How large a file may be that begins like this: a picture may be larger than a text.
    pub fn most_bytes(beginning: &[u8]) -> usize {
        match PictureKind::of(beginning) {
            Some(_) => MAX_PICTURE_BYTES,
            None => MAX_WORKFLOW_BYTES,
        }
    }

    /// Takes a graph that is JSON already, with the same rules as [`Graph::read`].
    ///
    /// # Errors
    /// [`GraphError`] when the value is not an API-format graph.
    pub fn from_json(value: Value) -> Result<Self, GraphError> {
        Self::unwrapped(value).map(|(graph, _)| graph)
    }

    fn unwrapped(value: Value) -> Result<(Self, Option<Wrapped>), GraphError> {
        let Value::Object(object) = value else {
            return Err(GraphError::NotAGraph {
                found: json_kind(&value).to_owned(),
            });
        };
        if is_ui_format(&object) {
            return Err(GraphError::UiFormat);
        }
        if object.is_empty() {
            return Err(GraphError::Empty);
        }
        if holds_nodes(&object) {
            return Ok((Self::of_nodes(object)?, None));
        }
        let found = match not_a_node(&object) {
            Some(found) => found,
            None => "an object in which no entry has a class_type".to_owned(),
        };
        let (nodes, place) = wrapped::find(object)?.ok_or(GraphError::NotAGraph { found })?;
        Ok((Self::of_nodes(nodes)?, Some(place)))
    }

    fn of_nodes(nodes: Map<String, Value>) -> Result<Self, GraphError> {
        match not_a_node(&nodes) {
            Some(found) => Err(GraphError::NotAGraph { found }),
            None => Ok(Self { nodes }),
        }
    }

    /// The graph as JSON, ready for `POST /prompt`.
    pub fn to_json(&self) -> Value {
        Value::Object(self.nodes.clone())
    }

    /// The same, where the graph is not needed any more.
    #[must_use]
    pub fn into_json(self) -> Value {
        Value::Object(self.nodes)
    }

    /// Whether the graph, which was written into, is still one that would be read.
    ///
    /// # Errors
    /// [`GraphError::TooLarge`] or [`GraphError::TooManyValues`].
    pub fn check_size(&self) -> Result<(), GraphError> {
        let size = Size::of(&self.nodes);
        if size.bytes > MAX_WORKFLOW_BYTES {
            return Err(GraphError::TooLarge {
                bytes: size.bytes,
                limit: MAX_WORKFLOW_BYTES,
            });
        }
        if size.values > MAX_WORKFLOW_VALUES {
            return Err(GraphError::TooManyValues {
                limit: MAX_WORKFLOW_VALUES,
            });
        }
        Ok(())
    }

    /// How many nodes the graph has.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether the graph has no nodes (a parsed graph never is empty).
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// One node by id.
    pub fn node(&self, id: &str) -> Option<Node<'_>> {
        let (id, body) = self.nodes.get_key_value(id)?;
        Some(Node {
            id,
            body: body.as_object()?,
        })
    }

    /// All nodes in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.nodes.iter().filter_map(|(id, body)| {
            Some(Node {
                id,
                body: body.as_object()?,
            })
        })
    }

    /// SHA-256 over the canonical form: sorted keys, no titles, numbers by value.
    ///
    /// The server rewrites `4` as `4.0` where an input is a FLOAT and hands that back in its history, so numbers
    /// of equal value hash alike. Titles (`_meta`) and the `is_changed` marks that ComfyUI leaves in saved
    /// pictures do not count.
    pub fn hash(&self) -> GraphHash {
        let mut canonical = String::new();
        canonical_object(&self.nodes, &mut canonical, 0);
        GraphHash::of(canonical.as_bytes())
    }

    /// Sets one input and returns what stood there. `None` where the node does not exist or the input was absent.
    pub(crate) fn set_input(&mut self, node: &str, input: &str, value: Value) -> Option<Value> {
        self.nodes
            .get_mut(node)?
            .get_mut("inputs")?
            .as_object_mut()?
            .insert(input.to_owned(), value)
    }

    /// Gives a node another class with inputs of its own; its title stays.
    pub(crate) fn replace_node(&mut self, node: &str, class: &str, inputs: Map<String, Value>) {
        if let Some(body) = self.nodes.get_mut(node).and_then(Value::as_object_mut) {
            body.insert("class_type".to_owned(), class.into());
            body.insert("inputs".to_owned(), inputs.into());
        }
    }

    /// Leads wires to another output of the node that they come from: `to` gets that node and the output, and gives the new one.
    pub(crate) fn move_wires(&mut self, to: impl Fn(&str, usize) -> Option<usize>) {
        let inputs = self
            .nodes
            .values_mut()
            .filter_map(|node| node.get_mut("inputs")?.as_object_mut());
        for value in inputs.flat_map(Map::values_mut) {
            let InputValue::Link { node, output } = InputValue::of(value) else {
                continue;
            };
            if let Some(output) = to(node, output) {
                value[1] = output.into();
            }
        }
    }
}

fn parse_json(text: &str) -> Result<Value, GraphError> {
    let error = match bounded::parse(text.as_bytes(), MAX_WORKFLOW_VALUES) {
        Ok(value) => return Ok(value),
        Err(Unread::TooMany { limit }) => return Err(GraphError::TooManyValues { limit }),
        Err(Unread::Syntax(error)) => error,
    };
    // Python writes NaN and Infinity, which JSON has not; ComfyUI leaves them in saved pictures.
    serde_json::from_str(&without_python_numbers(text)).map_err(|_| GraphError::Json(error))
}

/// Replaces bare `NaN`, `Infinity` and `-Infinity` outside of strings by `null`.
fn without_python_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped, mut rest) = (false, false, text);
    while let Some(c) = rest.chars().next() {
        if !in_string
            && let Some(word) = ["NaN", "-Infinity", "Infinity"]
                .iter()
                .find(|word| rest.starts_with(**word))
        {
            out.push_str("null");
            rest = &rest[word.len()..];
            continue;
        }
        match c {
            '"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && c == '\\' && !escaped;
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn is_ui_format(object: &Map<String, Value>) -> bool {
    object.get("nodes").is_some_and(Value::is_array) && (object.contains_key("links") || object.contains_key("version"))
}

/// Whether this is a graph, as far as one entry tells.
fn holds_nodes(object: &Map<String, Value>) -> bool {
    object.values().any(|node| node.get("class_type").is_some())
}

/// The first entry that is no node, in words.
fn not_a_node(object: &Map<String, Value>) -> Option<String> {
    let (key, value) = object.iter().find(|(_, value)| !value.is_object())?;
    let key: String = key.chars().take(60).collect();
    Some(format!("the key {key:?} holds {} instead of a node", json_kind(value)))
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Writes an object with sorted keys; depth 0 is the graph, depth 1 a node.
fn canonical_object(object: &Map<String, Value>, out: &mut String, depth: usize) {
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort();
    out.push('{');
    for key in keys {
        if depth == 1 && (key == "_meta" || key == "is_changed") {
            continue;
        }
        out.push_str(&Value::from(key.as_str()).to_string());
        out.push(':');
        canonical(&object[key], out, depth + 1);
        out.push(',');
    }
    out.push('}');
}

fn canonical(value: &Value, out: &mut String, depth: usize) {
    match value {
        Value::Object(object) => canonical_object(object, out, depth),
        Value::Array(items) => {
            out.push('[');
            for item in items {
                canonical(item, out, depth + 1);
                out.push(',');
            }
            out.push(']');
        }
        Value::Number(number) => out.push_str(&canonical_number(number)),
        other => out.push_str(&other.to_string()),
    }
}

/// Integers by their digits, floats that are whole numbers as integers, other floats shortest.
pub(crate) fn canonical_number(number: &serde_json::Number) -> String {
    /// Up to here every whole `f64` is exactly one integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => format!("{float:.0}"),
        _ => number.to_string(),
    }
}
