//! From an input that takes a number or a name back to the literals that it is made of.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::values::{MAX_DEPTH, Traced, Tracer, computed, unresolved};
use super::walk::{Walk, Wire};
use super::{Place, Role, bundle, classes, kinds, names, size, words};

impl<'a> Tracer<'_, 'a> {
    pub(super) fn scalar(&mut self, value: InputValue<'a>, at: (&'a str, &'a str)) -> Traced {
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
        let is_switch = self.walk.taken_branch(node).is_some() || classes::branches(node).is_some();
        // A value goes by its own name, or by that of its type; never by another role's.
        let supplied = ["value", "int", "number", "default", "default_value"];
        let called = |wanted: &str| {
            node.inputs()
                .map(|(name, _)| name)
                .find(|name| name.eq_ignore_ascii_case(wanted))
        };
        // Where the output is called like an input, it is that one which is given out.
        let output = self.walk.spec(node).and_then(|spec| spec.outputs.get(slot));
        let named = output
            .and_then(|output| called(&output.name))
            .or_else(|| self.wanted.iter().chain(&supplied).find_map(|wanted| called(wanted)));
        if let Some((name, _)) = named.and_then(|named| size::overrules(node, named)) {
            return self.scalars_at(node, |own| own == name);
        }
        let computes = self.computes(node);
        if named.is_none() && !is_switch {
            let packed = self.out_of_bundle(node);
            if !packed.is_empty() {
                return packed;
            }
        }
        match named {
            _ if is_switch => self.scalars_at(node, |name| !names::is_selector(name)),
            _ if classes::is_receptor(node.class()) => {
                let input = names::receptor_input(slot);
                self.scalars_at(node, |name| Some(name) == input)
            }
            _ if classes::is_primitive(node) => self.scalars_at(node, |name| name == "value"),
            Some(named) if !computes => {
                let mut traced = self.scalars_at(node, |name| name == named);
                if matches!(self.role, Some(Role::Width | Role::Height)) {
                    beside_a_preset(self.walk, node, &mut traced);
                }
                self.times_a_factor(node, &mut traced);
                self.beside_its_like(node, named, &mut traced);
                traced
            }
            _ => {
                if let Some(kept) = slider(node, slot) {
                    return self.scalars_at(node, |name| name == kept);
                }
                let shown = |name: &str| classes::shows(node) && node.literal(name).is_some();
                let counts = |name: &str| {
                    !names::is_formula(name)
                        && !names::is_selector(name)
                        && !matches!(name, "min" | "max")
                        && !shown(name)
                };
                let mut traced = self.scalars_at(node, counts);
                traced.places.retain(|place| self.may_be(place));
                let passes = node
                    .inputs()
                    .all(|(name, value)| names::passes_anything(name) && matches!(value, InputValue::Link { .. }))
                    || classes::converts(node);
                if passes {
                    return traced;
                }
                let own_name = |place: &Place| {
                    let name = place.input.to_lowercase();
                    // One side of a proportion is no size, and a preset is more than a sampler.
                    let proportion = ["ratio", "aspect", "proportion", "preset"]
                        .iter()
                        .any(|word| name.contains(word));
                    place.node.as_str() == node.id()
                        && !proportion
                        && self.role.is_some_and(|role| {
                            name.contains(role.name()) || role == Role::Cfg && name.contains("guidance")
                        })
                };
                // A node that holds many settings: the one that is called by the role's name.
                if !computes && traced.places.iter().filter(|place| own_name(place)).count() == 1 {
                    traced.places.retain(own_name);
                    self.times_a_factor(node, &mut traced);
                    return traced;
                }
                if !traced.places.is_empty() {
                    traced.doubt = Some(computed(node));
                }
                traced
            }
        }
    }

    /// The value that was put into the bundle which a node takes things out of.
    fn out_of_bundle(&mut self, node: &Node<'a>) -> Traced {
        let mut traced = Traced::default();
        for (holder, name, value) in bundle::put_in(self.walk, node, self.wanted) {
            let part = self.scalar(value, (holder.id(), name));
            self.join(&mut traced, part);
        }
        traced
    }

    /// Whether what stands at a place can be the role's value, or a part of it.
    fn may_be(&self, place: &Place) -> bool {
        match (self.role, &place.value) {
            (Some(Role::Sampler), Value::String(text)) => {
                let other =
                    place.input.contains("preset") || matches!(&*place.input, "name" | "title" | "label" | "key");
                !text.trim().is_empty() && !words::is_prose(text) && !other
            }
            (Some(Role::Model), Value::String(text)) => words::is_weights(text),
            (Some(Role::Sampler | Role::Model), _) => false,
            // Sizes are also chosen by words, such as an aspect ratio.
            (Some(Role::Width | Role::Height), Value::String(text)) => {
                is_number(&place.value)
                    || names::is_size_choice(&place.input)
                    || text.contains(|c: char| c.is_ascii_digit()) && !place.input.ends_with("model")
            }
            (Some(Role::Width | Role::Height), _) | (None, _) => true,
            (Some(_), value) => is_number(value),
        }
    }

    /// Makes a question of a value beside which stands another of its kind, such as `steps` beside `refiner_steps`, in a node
    /// of which nobody said what comes out where.
    fn beside_its_like(&self, node: &Node<'a>, named: &str, traced: &mut Traced) {
        let place_of = |name: &str| {
            traced
                .places
                .iter()
                .any(|place| place.node.as_str() == node.id() && place.input == name)
        };
        if self.walk.spec(node).is_some() || !place_of(named) {
            return;
        }
        let ending = format!("_{named}");
        for (name, value) in node.inputs() {
            if name.ends_with(&ending) && matches!(value, InputValue::Literal(value) if is_number(value)) {
                traced.add(self.walk.place(node.id(), name));
                traced.doubt = Some(computed(node));
            }
        }
    }

    /// Makes a question of a value that is multiplied in its own node before it is given out.
    fn times_a_factor(&self, node: &Node<'a>, traced: &mut Traced) {
        const FACTORS: [&str; 5] = ["factor", "multiplier", "multiply", "percent", "divisor"];
        let counted = matches!(self.role, Some(Role::Width | Role::Height | Role::Steps | Role::Cfg));
        if !counted || traced.places.is_empty() {
            return;
        }
        for (name, value) in node.inputs() {
            let lower = name.to_lowercase();
            // How much a picture is enlarged later is given out beside its size.
            let later = ["upscale", "hires"].iter().any(|word| lower.contains(word));
            let factor = FACTORS.iter().any(|word| lower.contains(word)) && !later;
            let changes = match value {
                InputValue::Literal(value) => value.as_f64().is_some_and(|factor| factor != 1.0),
                InputValue::Link { .. } => true,
            };
            if factor && changes {
                traced.add(self.walk.place(node.id(), name));
                traced.doubt = Some(computed(node));
            }
        }
    }

    /// Whether a node makes its output from more than one input, or in a way we cannot know.
    fn computes(&self, node: &Node<'a>) -> bool {
        node.inputs()
            .any(|(name, _)| names::is_formula(name) || name.contains('.'))
            || node.class().contains("Math")
            || node.class().contains("Convert") && !classes::converts(node)
    }

    fn scalars_at(&mut self, node: &Node<'a>, wanted: impl Fn(&str) -> bool) -> Traced {
        let mut traced = Traced::default();
        for (name, value) in self.walk.live_inputs(node) {
            let carries = match value {
                InputValue::Link { node, output } => match self.walk.output_wire(node, output) {
                    Wire::Of(kind) => kinds::is_scalar(kind),
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

/// The input of a slider that counts: sliders keep a whole number and a fraction (`Xi`, `Xf`), and `isfloatX` says which.
fn slider<'a>(node: &Node<'a>, slot: usize) -> Option<&'a str> {
    let mut axes: Vec<(&str, bool)> = node
        .inputs()
        .filter_map(|(name, value)| {
            let axis = name.strip_prefix("isfloat")?;
            let InputValue::Literal(flag) = value else { return None };
            let fraction = flag
                .as_bool()
                .unwrap_or_else(|| flag.as_f64().is_some_and(|flag| flag != 0.0));
            Some((axis, fraction))
        })
        .collect();
    axes.sort_unstable();
    let (axis, fraction) = *axes.get(slot)?;
    let kept = format!("{axis}{}", if fraction { 'f' } else { 'i' });
    node.inputs().map(|(name, _)| name).find(|name| *name == kept)
}

/// A size beside a choice of sizes may be overruled by it, so the choice is a candidate too.
pub(super) fn beside_a_preset<'a>(walk: &Walk<'a>, node: &Node<'a>, traced: &mut Traced) {
    let overruled = computed(node);
    if size::keeps_shape(node) && !traced.places.is_empty() {
        traced.doubt = Some(overruled.clone());
    }
    let presets = node.inputs().filter(
        |(name, value)| matches!(value, InputValue::Literal(Value::String(chosen)) if words::is_preset(name, chosen)),
    );
    for (name, _) in presets {
        traced.add(walk.place(node.id(), name));
        traced.doubt = Some(overruled.clone());
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
