//! From an input that takes text back to the literals that the text is made of.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::{InputKind, NodeSpec};
use super::names::{Side, side_of};
use super::values::{MAX_DEPTH, Traced, Tracer, unresolved};
use super::walk::Wire;
use super::{Place, Why, bundle, classes, names, switched, words};

impl<'a> Tracer<'_, 'a> {
    pub(super) fn text(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
        let mut traced = Traced::default();
        match value {
            InputValue::Literal(literal) if literal.is_string() => {
                traced.add(self.walk.place(at.0, at.1));
            }
            InputValue::Literal(_) => {}
            InputValue::Link { node, output } => {
                let Some(node) = self.walk.graph.node(node) else {
                    traced.doubt = Some(Why::Unresolved {
                        by: node.into(),
                        title: "missing".to_owned(),
                    });
                    return traced;
                };
                if !self.seen.insert((node.id(), output)) {
                    traced.visited = true;
                } else if self.depth < MAX_DEPTH && self.walk.enter(&node) {
                    self.depth += 1;
                    traced = self.string_node(&node, output);
                    self.depth -= 1;
                }
                if traced.is_empty() {
                    traced.doubt = Some(unresolved(&node));
                }
            }
        }
        traced
    }

    fn string_node(&mut self, node: &Node<'a>, slot: usize) -> Traced {
        if classes::is_receptor(node.class()) {
            return names::receptor_input(slot)
                .map(|input| self.text_at(node, input))
                .unwrap_or_default();
        }
        if self.walk.taken_branch(node).is_some() || classes::branches(node).is_some() {
            let mut traced = self.texts_at(node, |name| !names::is_selector(name));
            beside_unknown(&mut traced);
            return traced;
        }
        match node.class() {
            "StringConcatenate" => self.parts(node, &["string_a", "string_b"]),
            "StringReplace" => self.replaced(node),
            _ if classes::is_primitive(node) => self.text_at(node, "value"),
            _ => self.any_node(node, slot),
        }
    }

    /// A node that gives out text, and of which no more is known than its inputs.
    pub(super) fn any_node(&mut self, node: &Node<'a>, slot: usize) -> Traced {
        let described = self.walk.spec(node);
        let output = described.and_then(|spec| spec.outputs.get(slot));
        let speaks_of = |side: Side| node.inputs().any(|(name, _)| side_of(name) == Some(side));
        // A node with both sides gives out both; the output's name says which, or else what the text is wanted for.
        let neutral = |name: &str| names::is_text(name) && side_of(name).is_none();
        let has_both =
            speaks_of(Side::Negative) && (speaks_of(Side::Positive) || node.inputs().any(|(name, _)| neutral(name)));
        let side = output
            .and_then(|output| side_of(&output.name))
            .or(self.side.filter(|_| has_both));
        let marks = marks_a_place(node);
        let candidate = |name: &str| {
            let other_side = side.is_some() && side_of(name).is_some_and(|own| Some(own) != side)
                // Beside a negative text, a neutral one is the positive.
                || side == Some(Side::Negative) && has_both && neutral(name);
            // What is put in place of something, or before or behind it, is a part of the text.
            let put_in = (name.starts_with("replace") && marks || matches!(name, "prefix" | "suffix"))
                && node
                    .literal(name)
                    .is_none_or(|text| text.as_str().is_some_and(|text| !text.is_empty()));
            (!names::is_string_control(name) || put_in) && !other_side
        };
        // What a node shows of a text that is wired in is no text of its own.
        let shows = classes::shows(node);
        let sees_pictures = node.inputs().any(|(name, value)| match value {
            InputValue::Link { node: source, output } => {
                self.walk.output_wire(source, output) == Wire::Of("IMAGE") || name.starts_with("image")
            }
            InputValue::Literal(_) => false,
        });
        // What tells what a picture shows keeps what it told last.
        let retells = shows || sees_pictures && classes::describes(node);
        let literal = |name: &str| matches!(node.input(name), Some(InputValue::Literal(_)));
        let mut traced = match described {
            Some(spec) => self.texts_at(node, |name| {
                candidate(name) && (!retells || !literal(name)) && takes_text(spec, node, name)
            }),
            None => self.texts_at(node, |name| {
                candidate(name)
                    && (!retells || !literal(name))
                    && match node.input(name) {
                        Some(InputValue::Link { .. }) => {
                            !names::is_other_wire(name) && (!names::is_conditioning(name) || names::is_text(name))
                        }
                        Some(InputValue::Literal(Value::String(text))) => {
                            let setting = words::is_setting(text) && !names::is_text(name) || words::is_yes_or_no(text);
                            !(setting || name.contains("system"))
                                && (names::is_string_part(name)
                                    || words::is_prose(text) && !names::is_about_text(&name.to_lowercase()))
                        }
                        _ => false,
                    }
            }),
        };
        let linked = node.inputs().any(|(_, value)| matches!(value, InputValue::Link { .. }));
        if traced.is_empty() && described.is_none() && !linked {
            // The one value of a node without wires is what it gives out, whatever it is called.
            let mut inputs = node.inputs();
            if let (Some((name, InputValue::Literal(Value::String(text)))), None) = (inputs.next(), inputs.next())
                && !words::is_setting(text)
                && !names::is_string_control(name)
            {
                traced.add(self.walk.place(node.id(), name));
            }
        }
        if let Some(output) = output.filter(|_| traced.is_empty()) {
            // Out of a bundle it comes by the name under which it was put in.
            for (holder, name, value) in bundle::put_in(self.walk, node, &[&output.name.to_lowercase()]) {
                let part = self.text(value, (holder.id(), name));
                self.join(&mut traced, part);
            }
        }
        drop_blanks(&mut traced.places, node.id());
        // Where words are chosen by chance in one text, a prompt without such a choice passes as it is.
        let by_chance =
            classes::is_random(node) && !matches!(&traced.places[..], [place] if names::is_text(&place.input));
        let changes = classes::rewrites(node) || classes::cuts(node) || by_chance || sees_pictures;
        if !traced.is_empty() && changes || retells && sees_pictures {
            traced.doubt = Some(Why::Rewritten {
                by: node.id().into(),
                title: node.title().to_owned(),
            });
        } else if traced.places.len() > 1 && !mirrored(&traced.places) && !switched::is_open(self.walk, node) {
            traced.doubt.get_or_insert(Why::Composed);
            self.walk.note_joined(&traced.places);
        }
        beside_unknown(&mut traced);
        traced
    }

    /// The parts of a concatenation. A part left blank in the node itself does not count beside a linked one.
    fn parts(&mut self, node: &Node<'a>, inputs: &[&str]) -> Traced {
        let linked = inputs
            .iter()
            .any(|input| matches!(node.input(input), Some(InputValue::Link { .. })));
        let mut traced = Traced::default();
        for input in inputs {
            let blank = node
                .literal(input)
                .and_then(|value| value.as_str())
                .is_some_and(str::is_empty);
            if !(linked && blank) {
                let part = self.text_at(node, input);
                self.join(&mut traced, part);
            }
        }
        if traced.places.len() > 1 {
            traced.doubt = Some(Why::Composed);
            self.walk.note_joined(&traced.places);
        }
        beside_unknown(&mut traced);
        traced
    }

    /// `StringReplace`: what is put in counts as a part unless it is known that nothing is replaced.
    fn replaced(&mut self, node: &Node<'a>) -> Traced {
        let fixed = |input: &str| node.input(input).and_then(|value| self.walk.constant(value)?.as_str());
        match (fixed("string"), fixed("find")) {
            (Some(string), Some(find)) if !find.is_empty() && !string.contains(find) => self.text_at(node, "string"),
            _ => self.parts(node, &["string", "replace"]),
        }
    }

    fn text_at(&mut self, node: &Node<'a>, input: &str) -> Traced {
        self.texts_at(node, |name| name == input)
    }

    fn texts_at(&mut self, node: &Node<'a>, wanted: impl Fn(&str) -> bool) -> Traced {
        let mut traced = Traced::default();
        for (name, value) in self.walk.live_inputs(node) {
            let carries_text = match value {
                InputValue::Link { node, output } => self.walk.output_wire(node, output).may_be("STRING"),
                InputValue::Literal(_) => true,
            };
            if wanted(name) && carries_text {
                let part = self.text(value, (node.id(), name));
                self.join(&mut traced, part);
            }
        }
        traced
    }
}

/// Whether a described input of a string node takes text that becomes part of what it gives out.
fn takes_text(spec: &NodeSpec, node: &Node<'_>, name: &str) -> bool {
    let named = names::is_string_part(name) || name.starts_with("replace") || matches!(name, "prefix" | "suffix");
    match spec.input(node, name).map(|input| &input.kind) {
        Some(InputKind::Text {
            multiline,
            dynamic_prompts,
        }) => *multiline || *dynamic_prompts || named,
        Some(InputKind::Wire(kind)) => matches!(kind.as_str(), "*" | "STRING"),
        Some(InputKind::Growing { .. }) => true,
        Some(_) => false,
        None => named,
    }
}

/// Makes a question of a text that is put together with one that cannot be looked into, or chosen instead of it.
fn beside_unknown(traced: &mut Traced) {
    if let (false, Some(Why::Unresolved { by, title })) = (traced.places.is_empty(), &traced.doubt) {
        let (by, title) = (by.clone(), title.clone());
        traced.doubt = Some(Why::Rewritten { by, title });
    }
}

/// Whether what a node replaces is a mark in the text that something is to be put in for, rather than words.
fn marks_a_place(node: &Node<'_>) -> bool {
    let marks = node.inputs().filter(|(name, _)| {
        let name = name.to_lowercase();
        name.starts_with("find") || name.starts_with("search") || name == "old"
    });
    let mut marks = marks.peekable();
    marks.peek().is_none()
        || marks.any(|(_, value)| match value {
            InputValue::Literal(Value::String(mark)) => {
                let words = mark.chars().all(|c| c.is_alphanumeric() || c.is_whitespace());
                !words || mark.is_empty() || mark.len() > 1 && !mark.contains(char::is_lowercase)
            }
            _ => true,
        })
}

/// Whether the places are inputs of one node that hold the same: it keeps a copy of its text.
fn mirrored(places: &[Place]) -> bool {
    places
        .iter()
        .all(|place| place.node == places[0].node && place.value == places[0].value)
}

/// A part left blank beside a filled one does not count; but where the node's own blank text is the one that has the right
/// name, what is filled is something else.
fn drop_blanks(places: &mut Vec<Place>, node: &str) {
    let blank = |place: &Place| place.value.as_str().is_some_and(|text| text.trim().is_empty());
    let own = |place: &Place| place.node.as_str() == node;
    let rank = |place: &Place| match &place.input {
        name if names::is_text(name) => 0,
        name if names::is_string_part(name) => 1,
        _ => 2,
    };
    let best = places.iter().filter(|place| own(place)).map(rank).min();
    let filled = |place: &Place| !blank(place) && (!own(place) || Some(rank(place)) == best);
    if places.iter().any(filled) {
        // A blank place of its own with a better name than all that is filled may be where the prompt goes.
        let named = places.iter().filter(|place| !blank(place)).map(rank).min();
        places.retain(|place| !blank(place) || !own(place) && Some(rank(place)) < named);
    } else if best.is_some() {
        places.retain(|place| blank(place) && (!own(place) || Some(rank(place)) == best));
    }
}
