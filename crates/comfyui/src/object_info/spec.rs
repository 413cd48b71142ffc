//! One input of a node class: its type, and whether a value fits it.

use std::fmt;

use serde_json::{Number, Value};

use super::{Node, options_of};
use text::near::nearest;

/// The type of an input, with what bounds its values.
#[derive(Clone, Debug, PartialEq)]
pub enum InputKind {
    /// A whole number; the bounds are inclusive.
    Int {
        /// Smallest value.
        min: Option<i128>,
        /// Largest value.
        max: Option<i128>,
        /// What the page's arrows add; the server does not enforce it.
        step: Option<f64>,
    },
    /// A number; the bounds are inclusive.
    Float {
        /// Smallest value.
        min: Option<f64>,
        /// Largest value.
        max: Option<f64>,
        /// What the page's arrows add; the server does not enforce it.
        step: Option<f64>,
    },
    /// `true` or `false`.
    Bool,
    /// Text.
    Text {
        /// Shown as a box of several lines.
        multiline: bool,
        /// Prompt text, in which the web page (not the server) expands `{a|b}`.
        dynamic_prompts: bool,
    },
    /// One of a list.
    Choice {
        /// The allowed values; empty where the page fills them in.
        options: Vec<Value>,
        /// Files can be added by uploading, so the list is not the last word.
        open: bool,
        /// The options are pictures, and uploading one adds it.
        pictures: bool,
        /// Several may be chosen.
        many: bool,
    },
    /// One of a list, each with inputs of its own.
    Dynamic {
        /// Options with the inputs each brings.
        options: Vec<(String, Vec<InputSpec>)>,
    },
    /// A list of inputs that grows: `images.image_1`, `images.image_2`, …
    Growing {
        /// The definition of each element.
        element: Box<InputSpec>,
    },
    /// A type that only another node's output can supply, such as `MODEL` or `CONDITIONING`.
    Wire(String),
}

/// One input of a node class.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// Its name, without the name of a dynamic input around it.
    pub name: String,
    /// Whether the node cannot run without it.
    pub required: bool,
    /// Its type.
    pub kind: InputKind,
    /// What the page starts with.
    pub default: Option<Value>,
}

/// Why a value does not fit an input.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueFault {
    /// Another type.
    WrongType {
        /// What fits.
        expected: String,
    },
    /// Below the minimum.
    TooSmall {
        /// The minimum.
        min: String,
    },
    /// Above the maximum.
    TooBig {
        /// The maximum.
        max: String,
    },
    /// Not one of the options.
    NotAnOption {
        /// How many options there are.
        count: usize,
        /// The closest ones, best first.
        near: Vec<String>,
    },
}

impl fmt::Display for ValueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected } => write!(f, "it takes {expected}"),
            Self::TooSmall { min } => write!(f, "the minimum is {min}"),
            Self::TooBig { max } => write!(f, "the maximum is {max}"),
            Self::NotAnOption { count: 0, .. } => write!(f, "the server has nothing to choose from"),
            Self::NotAnOption { count, near } => {
                write!(f, "it is none of the {count} options; closest: {}", near.join(", "))
            }
        }
    }
}

impl InputSpec {
    /// Reads `{"required": {…}, "optional": {…}}`.
    pub(super) fn read_groups(groups: &Value) -> Vec<Self> {
        [("required", true), ("optional", false)]
            .into_iter()
            .filter_map(|(group, required)| Some((groups.get(group)?.as_object()?, required)))
            .flat_map(|(group, required)| group.iter().map(move |(name, entry)| Self::read(name, required, entry)))
            .collect()
    }

    fn read(name: &str, required: bool, entry: &Value) -> Self {
        let options = options_of(entry);
        let option = |key: &str| options.and_then(|options| options.get(key));
        let flag = |key: &str| option(key).and_then(Value::as_bool).unwrap_or(false);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let choice = |values: Vec<Value>| InputKind::Choice {
            options: values,
            open: ["image_upload", "video_upload", "audio_upload", "file_upload", "remote"]
                .iter()
                .any(|key| option(key).is_some_and(|value| !value.is_null() && *value != Value::Bool(false))),
            pictures: option("image_upload").is_some_and(|value| *value == Value::Bool(true)),
            many: flag("multiselect"),
        };
        let kind = match entry.get(0) {
            Some(Value::Array(values)) => choice(values.clone()),
            Some(Value::String(kind)) => match kind.as_str() {
                "INT" => InputKind::Int {
                    min: option("min").and_then(whole),
                    max: option("max").and_then(whole),
                    step: option("step").and_then(Value::as_f64),
                },
                "FLOAT" => InputKind::Float {
                    min: option("min").and_then(Value::as_f64),
                    max: option("max").and_then(Value::as_f64),
                    step: option("step").and_then(Value::as_f64),
                },
                "BOOLEAN" => InputKind::Bool,
                "STRING" => InputKind::Text {
                    multiline: flag("multiline"),
                    dynamic_prompts: flag("dynamicPrompts"),
                },
                "COMBO" => choice(option("options").map(list).unwrap_or_default()),
                "COMFY_DYNAMICCOMBO_V3" => InputKind::Dynamic {
                    options: option("options")
                        .map(list)
                        .unwrap_or_default()
                        .iter()
                        .filter_map(dynamic_option)
                        .collect(),
                },
                "COMFY_AUTOGROW_V3" => growing(option("template")),
                other => InputKind::Wire(other.to_owned()),
            },
            _ => InputKind::Wire("*".to_owned()),
        };
        Self {
            name: name.to_owned(),
            required,
            kind,
            default: option("default").cloned(),
        }
    }

    /// Whether links of type `wire` are what this input takes.
    pub fn is_wire(&self, wire: &str) -> bool {
        matches!(&self.kind, InputKind::Wire(kind) if kind.split(',').any(|kind| kind == wire))
    }

    /// The inputs that the chosen option of a dynamic input brings; `full` is the input's full name.
    pub(super) fn selected(&self, node: &Node<'_>, full: &str) -> Option<&[InputSpec]> {
        let InputKind::Dynamic { options } = &self.kind else {
            return None;
        };
        let chosen = node.literal(full)?.as_str()?;
        options
            .iter()
            .find(|(key, _)| key == chosen)
            .map(|(_, inputs)| inputs.as_slice())
    }

    /// Whether `value` can stand here.
    ///
    /// # Errors
    /// The [`ValueFault`]. Stricter than the server, which also takes a number given as text.
    pub fn check(&self, value: &Value) -> Result<(), ValueFault> {
        let wrong = |expected: &str| {
            Err(ValueFault::WrongType {
                expected: expected.to_owned(),
            })
        };
        match &self.kind {
            InputKind::Int { min, max, .. } => match value.as_number().and_then(number_whole) {
                Some(number) => in_range(number, *min, *max),
                None => wrong("a whole number"),
            },
            InputKind::Float { min, max, .. } => match value.as_f64() {
                Some(number) => in_range(number, *min, *max),
                None => wrong("a number"),
            },
            InputKind::Bool if value.is_boolean() => Ok(()),
            InputKind::Bool => wrong("true or false"),
            InputKind::Text { .. } if value.is_string() => Ok(()),
            InputKind::Text { .. } => wrong("text"),
            InputKind::Choice {
                options, open, many, ..
            } => match value {
                _ if *open || options.is_empty() && !self.lists_files() => Ok(()),
                Value::Array(chosen) if *many => chosen.iter().try_for_each(|one| one_of(one, options.iter())),
                one => one_of(one, options.iter()),
            },
            InputKind::Dynamic { options } => {
                let keys: Vec<Value> = options.iter().map(|(key, _)| Value::from(key.as_str())).collect();
                one_of(value, keys.iter())
            }
            // What a wire or a custom widget takes as a literal only its node knows.
            InputKind::Growing { .. } | InputKind::Wire(_) => Ok(()),
        }
    }

    /// Whether an empty list of options means that a folder is empty rather than that the page fills it in.
    fn lists_files(&self) -> bool {
        self.name.ends_with("_name") || self.name.ends_with("_name1") || self.name.ends_with("_name2")
    }
}

fn dynamic_option(option: &Value) -> Option<(String, Vec<InputSpec>)> {
    let inputs = option.get("inputs").map(InputSpec::read_groups).unwrap_or_default();
    Some((option.get("key")?.as_str()?.to_owned(), inputs))
}

fn growing(template: Option<&Value>) -> InputKind {
    let element = template
        .and_then(|template| template.get("input"))
        .map(InputSpec::read_groups);
    match element.and_then(|inputs| inputs.into_iter().next()) {
        Some(element) => InputKind::Growing {
            element: Box::new(element),
        },
        None => InputKind::Wire("*".to_owned()),
    }
}

fn whole(value: &Value) -> Option<i128> {
    number_whole(value.as_number()?)
}

/// The number as an integer, exactly; `None` for fractions and for floats beyond what `i128` holds.
fn number_whole(number: &Number) -> Option<i128> {
    if let Some(number) = number.as_u64() {
        return Some(i128::from(number));
    }
    if let Some(number) = number.as_i64() {
        return Some(i128::from(number));
    }
    let float = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±1e30, checked here")]
    (float.fract() == 0.0 && float.abs() < 1e30).then_some(float as i128)
}

fn in_range<T: PartialOrd + fmt::Display>(value: T, min: Option<T>, max: Option<T>) -> Result<(), ValueFault> {
    match (min, max) {
        (Some(min), _) if value < min => Err(ValueFault::TooSmall { min: min.to_string() }),
        (_, Some(max)) if value > max => Err(ValueFault::TooBig { max: max.to_string() }),
        _ => Ok(()),
    }
}

fn one_of<'v>(value: &Value, options: impl ExactSizeIterator<Item = &'v Value> + Clone) -> Result<(), ValueFault> {
    if options.clone().any(|option| same_option(option, value)) {
        return Ok(());
    }
    let count = options.len();
    let names: Vec<String> = options.map(preview).collect();
    let near = nearest(&preview(value), names.iter().map(String::as_str), 3);
    Err(ValueFault::NotAnOption { count, near })
}

fn same_option(option: &Value, value: &Value) -> bool {
    option == value || matches!((option.as_f64(), value.as_f64()), (Some(a), Some(b)) if a == b)
}

/// A value as a person reads it, without quotes around text.
pub(crate) fn preview(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
