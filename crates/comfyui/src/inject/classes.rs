//! What the class and the settings of a node tell: what it does to a text, whether it ends the graph. The names of classes are
//! judged by their words, since most were described by nobody.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::names::{Side, side_of};

/// Whether a node has settings of a sampler beside its steps.
pub(super) fn samples_itself(node: &Node<'_>) -> bool {
    [
        "seed",
        "noise_seed",
        "cfg",
        "sampler_name",
        "sampler",
        "scheduler",
        "denoise",
    ]
    .iter()
    .any(|name| node.input(name).is_some())
}

/// Whether a node of a class nobody described looks like one that encodes text.
pub(super) fn encodes(node: &Node<'_>) -> bool {
    const WORDS: [&str; 4] = ["encode", "prompt", "text", "conditioning"];
    speaks_of(node, &WORDS) || node.input("clip").is_some()
}

/// Whether a node gives out only a part of its text, or none of it as it was.
pub(super) fn cuts(node: &Node<'_>) -> bool {
    const WORDS: [&str; 5] = ["extract", "substring", "regex", "truncate", "split"];
    speaks_of(node, &WORDS)
}

/// Whether a node only makes a number of a text, or the like: its one input is what it gives out.
pub(super) fn converts(node: &Node<'_>) -> bool {
    const TO: [&str; 8] = [
        "to int",
        "to integer",
        "to float",
        "to number",
        "to string",
        "toint",
        "tofloat",
        "tostring",
    ];
    const VALUES: [&str; 8] = ["value", "int", "float", "number", "text", "string", "any", "anything"];
    let class = node.class().to_lowercase();
    node.inputs().all(|(name, _)| VALUES.contains(&name))
        && node.input_count() == 1
        && TO.iter().any(|ending| class.ends_with(ending))
}

/// Whether a node tells what is in a picture, and hands the picture on beside that.
pub(super) fn describes(node: &Node<'_>) -> bool {
    const WORDS: [&str; 7] = [
        "caption",
        "interrogat",
        "tagger",
        "florence",
        "detect",
        "segment",
        "describe",
    ];
    speaks_of(node, &WORDS)
}

/// Whether a node shows what is wired into it: a text that stands beside that is what it showed last.
pub(super) fn shows(node: &Node<'_>) -> bool {
    let wired = node.inputs().any(|(_, value)| matches!(value, InputValue::Link { .. }));
    wired
        && words(node.class()).any(|word| {
            ["show", "display", "preview"]
                .iter()
                .any(|shows| word.eq_ignore_ascii_case(shows))
        })
}

/// Whether a node has the settings of a language model. An encoder may limit its tokens as well, but takes a negative text.
pub(super) fn is_language_model(node: &Node<'_>) -> bool {
    let negative = node.inputs().any(|(name, _)| side_of(name) == Some(Side::Negative));
    !negative && LANGUAGE_MODEL.iter().any(|name| node.input(name).is_some())
}

/// Whether a node chooses words by chance.
pub(super) fn is_random(node: &Node<'_>) -> bool {
    node.class().to_lowercase().contains("random")
}

/// Whether a node makes new text of what it is given, as a language model does.
pub(super) fn rewrites(node: &Node<'_>) -> bool {
    const WORDS: [&str; 17] = [
        "llm",
        "gpt",
        "ollama",
        "gemini",
        "claude",
        "chat",
        "generate",
        "enhance",
        "rewrite",
        "upsampl",
        "expan",
        "caption",
        "interrogat",
        "tagger",
        "florence",
        "vlm",
        "qwenvl",
    ];
    speaks_of(node, &WORDS)
        || is_language_model(node)
        || ["api_key", "api_url", "api_base", "base_url"]
            .iter()
            .any(|name| node.input(name).is_some())
        // What it is asked is the name of a model.
        || ["model", "model_name"].iter().any(|name| node.literal(name).is_some_and(Value::is_string))
}

/// Whether a node is one of ComfyUI's constants.
pub(super) fn is_primitive(node: &Node<'_>) -> bool {
    node.class().starts_with("Primitive") && node.input("value").is_some()
}

/// Whether a class zeroes the conditioning that passes through it.
pub(super) fn is_zero_out(class: &str) -> bool {
    class.contains("ZeroOut")
}

/// Whether a class saves or shows something, judged by its name.
pub(super) fn is_output(class: &str) -> bool {
    ["Save", "Preview"].iter().any(|stem| class.starts_with(stem)) || class == "VHS_VideoCombine"
}

/// Whether a class only turns what it is given into something else, judged by its name: it ends nothing.
pub(super) fn only_converts(class: &str) -> bool {
    let class = class.to_lowercase();
    ["decode", "encode", "createvideo"]
        .iter()
        .any(|word| class.contains(word))
}

/// Whether a class shows a picture without keeping it, judged by its name.
pub(super) fn only_shows(class: &str) -> bool {
    let class = class.to_lowercase();
    ["preview", "compare"].iter().any(|word| class.contains(word))
}

/// Whether a class is the receptor, in either style.
pub(super) fn is_receptor(class: &str) -> bool {
    class.starts_with(super::RECEPTOR_CLASS)
}

/// The branches of a node that takes one of two, by name: the one for yes, then the one for no.
pub(super) fn branches(node: &Node<'_>) -> Option<(&'static str, &'static str)> {
    const PAIRS: [(&str, &str); 5] = [
        ("on_true", "on_false"),
        ("if_true", "if_false"),
        ("true_value", "false_value"),
        ("value_true", "value_false"),
        ("tt_value", "ff_value"),
    ];
    PAIRS
        .into_iter()
        .find(|(yes, no)| node.input(yes).is_some() || node.input(no).is_some())
}

/// Whether a node may be a switch by its name, though it is not called one.
pub(super) fn chooses(node: &Node<'_>) -> bool {
    const WORDS: [&str; 5] = ["select", "choose", "choice", "picker", "multiplex"];
    speaks_of(node, &WORDS)
}

/// Settings of a language model.
const LANGUAGE_MODEL: [&str; 7] = [
    "temperature",
    "top_p",
    "max_tokens",
    "max_new_tokens",
    "max_length",
    "sampling_mode",
    "llm_model",
];

/// Names of the condition that such a node goes by.
pub(super) const CONDITIONS: [&str; 4] = ["switch", "boolean", "condition", "cond"];

/// Whether one of these words is a part of the name of a node's class.
fn speaks_of(node: &Node<'_>, parts: &[&str]) -> bool {
    let class = node.class().to_lowercase();
    parts.iter().any(|part| class.contains(part))
}

/// The words of a class's name: `ShowText|pysssss` has three.
fn words(class: &str) -> impl Iterator<Item = &str> {
    let mut rest = class;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        let mut before = None;
        let end = rest.char_indices().find(|&(_, c)| {
            let starts = !c.is_alphanumeric() || c.is_uppercase() && before.is_some_and(char::is_lowercase);
            before = Some(c);
            starts
        });
        let (word, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = behind;
        (!word.is_empty()).then_some(word)
    })
}
