//! From an input back to the literals its value comes from.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::super::object_info::InputKind;
use super::walk::{Walk, Wire};
use super::{Place, Why, names};

/// Literals that make up a value, and why it may not be as simple as writing to them.
#[derive(Debug, Default)]
pub(super) struct Traced {
    pub(super) places: Vec<Place>,
    pub(super) doubt: Option<Why>,
}

impl Traced {
    pub(super) fn add(&mut self, place: Option<Place>) {
        if let Some(place) = place
            && !self.places.iter().any(|known| known.is(&place))
        {
            self.places.push(place);
        }
    }

    pub(super) fn extend(&mut self, other: Self) {
        other.places.into_iter().for_each(|place| self.add(Some(place)));
        if let Some(doubt) = other.doubt {
            self.doubt.get_or_insert(doubt);
        }
    }
}

/// One trace through a graph; it visits every output once, so cycles end.
struct Tracer<'w, 'a> {
    walk: &'w Walk<'a>,
    seen: HashSet<(&'a str, usize)>,
    wanted: &'w [&'w str],
}

/// The texts behind a value that stands at `at` (node, input).
pub(super) fn text<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        wanted: &[],
    }
    .text(value, at)
}

/// The number or name behind a value that stands at `at`; `wanted` are the names it goes by in nodes that supply it.
pub(super) fn scalar<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str), wanted: &[&str]) -> Traced {
    Tracer {
        walk,
        seen: HashSet::new(),
        wanted,
    }
    .scalar(value, at)
}

/// All literals behind a link, of whatever type: for messages.
pub(super) fn sources<'a>(walk: &Walk<'a>, value: InputValue<'a>, at: (&'a str, &'a str)) -> Vec<Place> {
    let found = scalar(walk, value, at, &[]).places;
    if found.is_empty() {
        text(walk, value, at).places
    } else {
        found
    }
}

impl<'a> Tracer<'_, 'a> {
    fn text(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
        let mut traced = Traced::default();
        match value {
            InputValue::Literal(literal) if literal.is_string() => {
                traced.add(Place::at(self.walk.graph, at.0, at.1));
            }
            InputValue::Literal(_) => {}
            InputValue::Link { node, output } => {
                if let Some(node) = self.walk.graph.node(node)
                    && self.seen.insert((node.id(), output))
                {
                    traced = self.string_node(&node, output);
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
            return self.texts_at(node, |name| {
                !matches!(name, "switch" | "boolean" | "condition" | "select")
            });
        }
        match node.class() {
            "StringConcatenate" => self.parts(node, &["string_a", "string_b"]),
            "StringReplace" => self.replaced(node),
            class if names::is_primitive(class) => self.text_at(node, "value"),
            class => {
                let described = self.walk.spec(node);
                let output = described.and_then(|spec| spec.outputs.get(slot));
                let side = output.and_then(|output| names::side_of(&output.name));
                let mut traced = self.texts_at(node, |name| {
                    let other_side = side.is_some() && names::side_of(name).is_some_and(|own| Some(own) != side);
                    if names::is_string_control(name) || other_side {
                        return false;
                    }
                    match described
                        .and_then(|spec| spec.input(node, name))
                        .map(|input| &input.kind)
                    {
                        Some(InputKind::Text {
                            multiline,
                            dynamic_prompts,
                        }) => *multiline || *dynamic_prompts || names::is_string_part(name),
                        Some(InputKind::Wire(kind)) => matches!(kind.as_str(), "*" | "STRING"),
                        Some(InputKind::Growing { .. }) => true,
                        Some(_) => false,
                        None => names::is_string_part(name),
                    }
                });
                if !names::passes_text_on(class) {
                    traced.doubt = Some(Why::Rewritten {
                        by: node.id().into(),
                        title: node.title().to_owned(),
                    });
                } else if traced.places.len() > 1 {
                    traced.doubt.get_or_insert(Why::Composed);
                }
                traced
            }
        }
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
                traced.extend(self.text_at(node, input));
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
            (Some(string), Some(find)) if find.is_empty() || !string.contains(find) => self.text_at(node, "string"),
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
                traced.extend(self.text(value, (node.id(), name)));
            }
        }
        traced
    }

    fn scalar(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
        let mut traced = Traced::default();
        match value {
            InputValue::Literal(literal) if literal.is_number() || literal.is_string() => {
                traced.add(Place::at(self.walk.graph, at.0, at.1));
            }
            InputValue::Literal(_) => {}
            InputValue::Link { node, output } => {
                if let Some(node) = self.walk.graph.node(node)
                    && self.seen.insert((node.id(), output))
                {
                    traced = self.scalar_node(&node, output);
                }
            }
        }
        traced
    }

    fn scalar_node(&mut self, node: &Node<'a>, slot: usize) -> Traced {
        let branch = |name: &str| !matches!(name, "switch" | "boolean" | "condition" | "select");
        let is_switch = self.walk.taken_branch(node).is_some() || node.input("on_true").is_some();
        let supplied = ["value", "int", "number", "seed"];
        let named = self
            .wanted
            .iter()
            .chain(&supplied)
            .find(|name| node.input(name).is_some())
            .copied();
        let computed = self.computes(node);
        match named {
            _ if is_switch => self.scalars_at(node, branch),
            _ if names::is_receptor(node.class()) => {
                let input = names::receptor_input(slot);
                self.scalars_at(node, |name| Some(name) == input)
            }
            _ if names::is_primitive(node.class()) => self.scalars_at(node, |name| name == "value"),
            Some(named) if !computed => self.scalars_at(node, |name| name == named),
            _ => {
                let mut traced = self.scalars_at(node, |name| !names::is_string_control(name));
                traced.doubt = Some(Why::Computed {
                    by: node.id().into(),
                    title: node.title().to_owned(),
                });
                traced
            }
        }
    }

    /// Whether a node makes its output from more than one input, or in a way we cannot know.
    fn computes(&self, node: &Node<'a>) -> bool {
        node.inputs()
            .any(|(name, _)| names::is_string_control(name) || name.contains('.'))
            || node.class().contains("Math")
            || node.class().contains("Convert")
    }

    fn scalars_at(&mut self, node: &Node<'a>, wanted: impl Fn(&str) -> bool) -> Traced {
        let mut traced = Traced::default();
        for (name, value) in self.walk.live_inputs(node) {
            let carries = match value {
                InputValue::Link { node, output } => match self.walk.output_wire(node, output) {
                    Wire::Of(kind) => matches!(kind, "INT" | "FLOAT" | "STRING" | "COMBO"),
                    Wire::Unknown => !names::is_other_wire(name) && name != "input",
                },
                InputValue::Literal(_) => true,
            };
            if wanted(name) && carries {
                traced.extend(self.scalar(value, (node.id(), name)));
            }
        }
        traced
    }
}
