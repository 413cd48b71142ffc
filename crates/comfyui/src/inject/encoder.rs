//! Which inputs of a node hold prompt text, and for which side.

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::classes;
use super::names::{self, Side, side_of};
use super::walk::{Walk, Wire};

/// Of inputs that speak of sides, those of one side; beside a negative one, a neutral one is the positive.
pub(super) fn of_side<'a>(inputs: Vec<(&'a str, InputValue<'a>)>, side: Side) -> Vec<(&'a str, InputValue<'a>)> {
    let has = |wanted: Side| inputs.iter().any(|(name, _)| side_of(name) == Some(wanted));
    let (positive, negative) = (has(Side::Positive), has(Side::Negative));
    inputs
        .into_iter()
        .filter(|(name, _)| match side_of(name) {
            Some(own) => own == side || side == Side::Negative && !negative,
            None => match side {
                Side::Positive => true,
                Side::Negative => !positive && !negative,
            },
        })
        .collect()
}

/// The inputs in which a node takes prompt text, linked or not.
pub(super) fn text_inputs<'a>(walk: &Walk<'a>, node: &Node<'a>) -> Vec<(&'a str, InputValue<'a>)> {
    let Some(spec) = walk.spec(node) else {
        if classes::describes(node) && node.inputs().any(|(name, _)| name.starts_with("image")) {
            return Vec::new();
        }
        return node
            .inputs()
            .filter(|(name, value)| names::is_text(name) && may_be_text(walk, name, *value))
            .collect();
    };
    let kinds: Vec<(&str, InputValue<'_>, bool, bool)> = node
        .inputs()
        .filter_map(|(name, value)| match spec.input(node, name)?.kind {
            InputKind::Text {
                multiline,
                dynamic_prompts,
            } => Some((name, value, multiline, dynamic_prompts)),
            _ => None,
        })
        .collect();
    let passes_on = spec.inputs.iter().any(|input| input.is_wire("CONDITIONING"));
    let pick = |wanted: &dyn Fn(&str, bool, bool) -> bool| -> Vec<(&'a str, InputValue<'a>)> {
        kinds
            .iter()
            .filter(|(name, _, multiline, dynamic)| wanted(name, *multiline, *dynamic))
            .map(|(name, value, _, _)| (*name, *value))
            .collect()
    };
    let marked = pick(&|_, _, dynamic| dynamic);
    if !marked.is_empty() {
        return marked;
    }
    // A node that passes conditioning on may hold other long texts, such as motion tracks.
    pick(&|name, multiline, _| names::is_text(name) || multiline && !passes_on)
}

/// Whether an input of a class nobody described holds text. `positive` may be text or conditioning: a link there
/// counts as conditioning.
fn may_be_text(walk: &Walk<'_>, name: &str, value: InputValue<'_>) -> bool {
    match value {
        InputValue::Literal(value) => value.is_string(),
        InputValue::Link { node, output } => match walk.output_wire(node, output) {
            Wire::Of(kind) => kind == "STRING",
            Wire::Unknown => !matches!(name, "positive" | "negative"),
        },
    }
}
