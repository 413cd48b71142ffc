//! From conditioning back to the texts it is made of.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::Why;
use super::encoder::{of_side, text_inputs};
use super::names::{self, Side, side_of};
use super::sampler::guider;
use super::values::{self, Traced};
use super::walk::{Walk, Wire};

/// What was found for one side of the guidance.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) traced: Traced,
    pub(super) zeroed: bool,
}

/// Follows conditioning back to text for one side.
pub(super) struct Conditioning<'w, 'a> {
    walk: &'w Walk<'a>,
    side: Side,
    seen: HashSet<(&'a str, usize)>,
    depth: usize,
    texts: &'w mut Texts,
}

impl<'w, 'a> Conditioning<'w, 'a> {
    pub(super) fn new(walk: &'w Walk<'a>, side: Side, texts: &'w mut Texts) -> Self {
        Self {
            walk,
            side,
            seen: HashSet::new(),
            depth: 0,
            texts,
        }
    }

    pub(super) fn follow(&mut self, value: InputValue<'a>) {
        let InputValue::Link { node, output } = value else {
            return;
        };
        let Some(node) = self.walk.graph.node(node) else {
            self.texts.traced.doubt = Some(Why::Unresolved {
                by: node.into(),
                title: "missing".to_owned(),
            });
            return;
        };
        if self.depth >= values::MAX_DEPTH {
            self.texts.traced.doubt = Some(values::unresolved(&node));
            return;
        }
        if !self.seen.insert((node.id(), output)) {
            return;
        }
        if names::is_zero_out(node.class()) {
            self.texts.zeroed = true;
            return;
        }
        // Where the outputs are named by side, the slot says which inputs matter; else the side asked for does.
        let slot = self.walk.spec(&node).and_then(|spec| spec.outputs.get(output));
        let side = slot.and_then(|slot| side_of(&slot.name)).unwrap_or(self.side);

        let texts = of_side(text_inputs(self.walk, &node), side);
        let holds_text = !texts.is_empty();
        let undescribed = self.walk.spec(&node).is_none();
        let blank = texts.iter().all(|(_, value)| is_blank(value));
        let mut found = encoder(self.walk, side, &node, texts);
        if undescribed && holds_text && blank {
            // Its own text is blank: perhaps the prompt comes in by a wire of another name.
            let wired = values::of_node(self.walk, &node, output, side);
            if wired.places.iter().any(|place| place.node.as_str() != node.id()) {
                found.doubt = wired.doubt.clone().or(Some(Why::Composed));
                found.extend(wired);
            }
        }
        self.texts.traced.extend(found);

        // Of a class nobody described, wires that are called conditioning are; without any such, whatever is nothing else.
        let called = node
            .inputs()
            .any(|(name, value)| names::is_conditioning(name) && matches!(value, InputValue::Link { .. }));
        let by_name: fn(&str) -> bool = if called || holds_text {
            |name| names::is_conditioning(name) || names::is_bundle(name)
        } else {
            |name| !names::is_other_wire(name) && !names::is_text(name) || names::is_conditioning(name)
        };
        let wires: Vec<(&str, InputValue<'_>)> = self
            .walk
            .live_inputs(&node)
            .into_iter()
            .filter(|(name, value)| match value {
                InputValue::Link { node: source, output } => {
                    self.walk
                        .carries(&node, name, (source, *output), "CONDITIONING", by_name)
                }
                InputValue::Literal(_) => false,
            })
            .collect();
        let wires = of_side(wires, side);
        if undescribed && !holds_text && wires.is_empty() && names::encodes(&node) {
            // An encoder of a class nobody described, whose text goes by another name.
            self.texts
                .traced
                .extend(values::of_node(self.walk, &node, output, side));
        }
        // Out of a bundle, such as a pipe: what is in it was put in before.
        let bundled = wires.is_empty() && !holds_text;
        let wires = if bundled { self.bundles(&node, side) } else { wires };
        self.depth += 1;
        for (_, value) in wires {
            self.follow(value);
        }
        self.depth -= 1;
    }

    /// The conditioning that was put into the bundle a node takes things out of.
    fn bundles(&self, node: &Node<'a>, side: Side) -> Vec<(&'a str, InputValue<'a>)> {
        let named = |name: &str, value: &InputValue<'a>| match value {
            InputValue::Link { node: source, output } => {
                names::is_bundle(name)
                    || matches!(self.walk.output_wire(source, *output), Wire::Of(kind) if names::is_bundle(kind))
            }
            InputValue::Literal(_) => false,
        };
        let inputs = self.walk.live_inputs(node).into_iter();
        inputs
            .filter(|(name, value)| named(name, value))
            .flat_map(|(name, value)| {
                guider(self.walk, value, &[side])
                    .into_iter()
                    .map(move |(_, value)| (name, value))
            })
            .collect()
    }
}

pub(super) fn is_blank(value: &InputValue<'_>) -> bool {
    matches!(value, InputValue::Literal(value) if value.as_str().is_some_and(|text| text.trim().is_empty()))
}

/// The texts of one encoder. A slot left blank beside a filled one (SDXL, SD3, Flux) stays blank.
pub(super) fn encoder<'a>(
    walk: &Walk<'a>,
    side: Side,
    node: &Node<'a>,
    inputs: Vec<(&'a str, InputValue<'a>)>,
) -> Traced {
    let all_blank = inputs.iter().all(|(_, value)| is_blank(value));
    let mut traced = Traced::default();
    for (name, value) in inputs {
        if all_blank || !is_blank(&value) {
            traced.extend(values::text(walk, value, (node.id(), name), Some(side)));
        }
    }
    traced
}
