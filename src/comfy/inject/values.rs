//! From an input back to the literals its value comes from.

use std::collections::HashSet;

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::super::object_info::{InputKind, NodeSpec};
use super::names::{Side, side_of};
use super::walk::{Walk, Wire};
use super::{Place, Role, Why, names, size};

/// Literals that make up a value, and why it may not be as simple as writing to them.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) places: Vec<Place>,
    pub(super) doubt: Option<Why>,
    /// It leads to what was visited before, and adds nothing to that.
    visited: bool,
}

impl Traced {
    /// Nothing but a reason to ask.
    pub(super) fn doubtful(why: Why) -> Self {
        Self {
            doubt: Some(why),
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, place: Option<Place>) {
        let Some(place) = place else { return };
        if self.places.iter().any(|known| known.is(&place)) {
            return;
        }
        if self.places.len() == MOST_PLACES {
            self.doubt.get_or_insert(Why::TooMany);
            return;
        }
        self.places.push(place);
    }

    pub(super) fn extend(&mut self, other: Self) {
        if self.places.is_empty() {
            self.places = other.places;
        } else {
            other.places.into_iter().for_each(|place| self.add(Some(place)));
        }
        if let Some(doubt) = other.doubt {
            self.doubt.get_or_insert(doubt);
        }
        self.visited |= other.visited;
    }

    /// Whether nothing at all is known.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.doubt.is_none() && !self.visited
    }

    /// A part left blank beside a filled one does not count.
    fn drop_blanks(&mut self) {
        let blank = |place: &Place| place.value.as_str().is_some_and(|text| text.trim().is_empty());
        if !self.places.iter().all(blank) {
            self.places.retain(|place| !blank(place));
        }
    }
}

/// Places of one value that are told apart; of more, a person could not choose.
pub(super) const MOST_PLACES: usize = 256;

/// How many nodes deep a value is followed; real chains are a few nodes long, and the stack has to hold it.
const MAX_DEPTH: usize = 200;

/// One trace through a graph; it visits every output once, so cycles end.
struct Tracer<'w, 'a> {
    walk: &'w Walk<'a>,
    seen: HashSet<(&'a str, usize)>,
    depth: usize,
    /// The side of the guidance a text is for, where a node holds both.
    side: Option<Side>,
    /// The role of a value that is no text, and the names it goes by.
    role: Option<Role>,
    wanted: &'w [&'w str],
}

/// The texts behind a value that stands at `at` (node, input), for one side of the guidance.
pub(super) fn text<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str), side: Option<Side>) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side,
        role: None,
        wanted: &[],
    }
    .text(value, at)
}

/// The texts in a node that encodes them and that nobody described; a doubt where there are none.
pub(super) fn of_node<'a>(walk: &Walk<'a>, node: &Node<'a>, slot: usize, side: Side) -> Traced {
    let mut tracer = Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: Some(side),
        role: None,
        wanted: &[],
    };
    let mut traced = tracer.any_node(node, slot);
    // A node without inputs holds no text.
    if traced.is_empty() && node.inputs().next().is_some() {
        traced.doubt = Some(unresolved(node));
    }
    traced
}

/// The number or name behind a value that stands at `at`; `wanted` are the names it goes by in nodes that supply it.
pub(super) fn scalar<'a>(
    walk: &Walk<'a>,
    value: InputValue<'a>,
    at: (&'a str, &'a str),
    role: Role,
    wanted: &[&str],
) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: None,
        role: Some(role),
        wanted,
    }
    .scalar(value, at)
}

/// All literals behind a link, of whatever type: for messages.
pub(super) fn sources<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str)) -> Vec<Place> {
    let mut tracer = Tracer {
        walk,
        seen: HashSet::new(),
        depth: 0,
        side: None,
        role: None,
        wanted: &[],
    };
    let found = tracer.scalar(value, at).places;
    if found.is_empty() {
        text(walk, value, at, None).places
    } else {
        found
    }
}

impl<'a> Tracer<'_, 'a> {
    /// Adds a part; comparing places with places takes steps too.
    fn join(&self, traced: &mut Traced, part: Traced) {
        let (known, new) = (traced.places.len(), part.places.len());
        self.walk.step(((known + new + known * new) / 16) as u64);
        traced.extend(part);
    }

    fn text(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
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
        if names::is_receptor(node.class()) {
            return names::receptor_input(slot)
                .map(|input| self.text_at(node, input))
                .unwrap_or_default();
        }
        if self.walk.taken_branch(node).is_some() || node.input("on_true").is_some() {
            return self.texts_at(node, |name| !names::is_selector(name));
        }
        match node.class() {
            "StringConcatenate" => self.parts(node, &["string_a", "string_b"]),
            "StringReplace" => self.replaced(node),
            _ if names::is_primitive(node) => self.text_at(node, "value"),
            _ => self.any_node(node, slot),
        }
    }

    /// A node that gives out text, and of which no more is known than its inputs.
    fn any_node(&mut self, node: &Node<'a>, slot: usize) -> Traced {
        let described = self.walk.spec(node);
        let output = described.and_then(|spec| spec.outputs.get(slot));
        let speaks_of = |side: Side| node.inputs().any(|(name, _)| side_of(name) == Some(side));
        // A node with both sides gives out both; the output's name says which, or else what the text is wanted for.
        let side = output.and_then(|output| side_of(&output.name)).or(self
            .side
            .filter(|_| speaks_of(Side::Positive) && speaks_of(Side::Negative)));
        let candidate = |name: &str| {
            let other_side = side.is_some() && side_of(name).is_some_and(|own| Some(own) != side);
            // What is put in place of something, or before or behind it, is a part of the text.
            let put_in = (name.starts_with("replace") || matches!(name, "prefix" | "suffix"))
                && node
                    .literal(name)
                    .is_none_or(|text| text.as_str().is_some_and(|text| !text.is_empty()));
            (!names::is_string_control(name) || put_in) && !other_side
        };
        // What a node shows of a text that is wired in is no text of its own.
        let shows = node
            .inputs()
            .any(|(name, value)| names::is_text(name) && matches!(value, InputValue::Link { .. }));
        let mut traced = match described {
            Some(spec) => self.texts_at(node, |name| candidate(name) && takes_text(spec, node, name)),
            None => self.texts_at(node, |name| {
                candidate(name)
                    && match node.input(name) {
                        Some(InputValue::Link { .. }) => {
                            !names::is_other_wire(name) && (!names::is_conditioning(name) || names::is_text(name))
                        }
                        Some(InputValue::Literal(Value::String(text))) => {
                            !(names::is_yes_or_no(text) || name.contains("system") || shows && name.starts_with("text"))
                                && (names::is_string_part(name) || names::is_prose(text))
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
                && !names::is_weights(text)
            {
                traced.add(self.walk.place(node.id(), name));
            }
        }
        traced.drop_blanks();
        let sees_pictures = node.inputs().any(|(name, value)| match value {
            InputValue::Link { node: source, output } => {
                self.walk.output_wire(source, output) == Wire::Of("IMAGE") || name.starts_with("image")
            }
            InputValue::Literal(_) => false,
        });
        if !traced.is_empty() && (names::rewrites(node) || names::cuts(node) || sees_pictures) {
            traced.doubt = Some(Why::Rewritten {
                by: node.id().into(),
                title: node.title().to_owned(),
            });
        } else if traced.places.len() > 1 && !mirrored(&traced.places) {
            traced.doubt.get_or_insert(Why::Composed);
        }
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
        }
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

    fn scalar(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
        let mut traced = Traced::default();
        match value {
            InputValue::Literal(literal) if literal.is_number() || literal.is_string() => {
                traced.add(self.walk.place(at.0, at.1));
            }
            InputValue::Literal(_) => {}
            InputValue::Link { node, output } => {
                let Some(node) = self.walk.graph.node(node) else {
                    return traced;
                };
                if !self.seen.insert((node.id(), output)) {
                    traced.visited = true;
                } else if self.depth < MAX_DEPTH && self.walk.enter(&node) {
                    self.depth += 1;
                    traced = self.scalar_node(&node, output);
                    self.depth -= 1;
                }
                if traced.is_empty() {
                    traced.doubt = Some(unresolved(&node));
                }
            }
        }
        traced
    }

    fn scalar_node(&mut self, node: &Node<'a>, slot: usize) -> Traced {
        let is_switch = self.walk.taken_branch(node).is_some() || node.input("on_true").is_some();
        // A value goes by its own name, or by that of its type; never by another role's.
        let supplied = ["value", "int", "number"];
        let named = self
            .wanted
            .iter()
            .chain(&supplied)
            .find(|name| node.input(name).is_some())
            .copied();
        let computes = self.computes(node);
        match named {
            _ if is_switch => self.scalars_at(node, |name| !names::is_selector(name)),
            _ if names::is_receptor(node.class()) => {
                let input = names::receptor_input(slot);
                self.scalars_at(node, |name| Some(name) == input)
            }
            _ if names::is_primitive(node) => self.scalars_at(node, |name| name == "value"),
            Some(named) if !computes => {
                let mut traced = self.scalars_at(node, |name| name == named);
                if matches!(self.role, Some(Role::Width | Role::Height)) {
                    self.beside_a_preset(node, &mut traced);
                }
                traced
            }
            _ => {
                let mut traced = self.scalars_at(node, |name| !names::is_formula(name) && !names::is_selector(name));
                traced.places.retain(|place| self.may_be(place));
                let own_name = |place: &Place| {
                    self.role.is_some_and(|role| {
                        place.node.as_str() == node.id() && place.input.to_lowercase().contains(role.name())
                    })
                };
                // A node that holds many settings: the one that is called by the role's name.
                if !computes && traced.places.iter().filter(|place| own_name(place)).count() == 1 {
                    traced.places.retain(own_name);
                    return traced;
                }
                if !traced.places.is_empty() {
                    traced.doubt = Some(computed(node));
                }
                traced
            }
        }
    }

    /// A size beside a choice of sizes may be overruled by it, so the choice is a candidate too.
    fn beside_a_preset(&self, node: &Node<'a>, traced: &mut Traced) {
        let overruled = computed(node);
        if size::keeps_shape(node) && !traced.places.is_empty() {
            traced.doubt = Some(overruled.clone());
        }
        let presets = node.inputs().filter(
            |(name, value)| matches!(value, InputValue::Literal(Value::String(chosen)) if names::is_preset(name, chosen)),
        );
        for (name, _) in presets {
            traced.add(self.walk.place(node.id(), name));
            traced.doubt = Some(overruled.clone());
        }
    }

    /// Whether what stands at a place can be the role's value, or a part of it.
    fn may_be(&self, place: &Place) -> bool {
        match (self.role, &place.value) {
            (Some(Role::Sampler), Value::String(text)) => !text.trim().is_empty() && !names::is_prose(text),
            (Some(Role::Model), Value::String(text)) => names::is_weights(text),
            (Some(Role::Sampler | Role::Model), _) => false,
            // Sizes are also chosen by words, such as an aspect ratio.
            (Some(Role::Width | Role::Height), _) | (None, _) => true,
            (Some(_), value) => is_number(value),
        }
    }

    /// Whether a node makes its output from more than one input, or in a way we cannot know.
    fn computes(&self, node: &Node<'a>) -> bool {
        node.inputs()
            .any(|(name, _)| names::is_formula(name) || name.contains('.'))
            || node.class().contains("Math")
            || node.class().contains("Convert")
    }

    fn scalars_at(&mut self, node: &Node<'a>, wanted: impl Fn(&str) -> bool) -> Traced {
        let mut traced = Traced::default();
        for (name, value) in self.walk.live_inputs(node) {
            let carries = match value {
                InputValue::Link { node, output } => match self.walk.output_wire(node, output) {
                    Wire::Of(kind) => matches!(kind, "INT" | "FLOAT" | "STRING" | "COMBO"),
                    Wire::Unknown => self.wanted.contains(&name) || !names::is_other_wire(name) && name != "input",
                },
                InputValue::Literal(_) => true,
            };
            if wanted(name) && carries {
                let part = self.scalar(value, (node.id(), name));
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

/// Whether the places are inputs of one node that hold the same: it keeps a copy of its text.
fn mirrored(places: &[Place]) -> bool {
    places
        .iter()
        .all(|place| place.node == places[0].node && place.value == places[0].value)
}

pub(super) fn computed(node: &Node<'_>) -> Why {
    Why::Computed {
        by: node.id().into(),
        title: node.title().to_owned(),
    }
}

pub(super) fn unresolved(node: &Node<'_>) -> Why {
    Why::Unresolved {
        by: node.id().into(),
        title: node.title().to_owned(),
    }
}

/// A number, also one that a node keeps as text.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::String(text) => text.trim().parse::<f64>().is_ok(),
        _ => false,
    }
}
