//! From conditioning back to the texts it is made of.

use super::super::graph::{InputValue, Node};
use super::Why;
use super::encoder::{of_side, text_inputs};
use super::names::{self, Side, side_of};
use super::sampler::guider;
use super::sweep::{Leads, Opened, Sweep};
use super::values::{self, Traced};
use super::walk::Walk;

/// An output of a node, and the side that it is followed for.
type Stop<'a> = (&'a str, usize, Side);

/// Follows the conditioning of all samplers back to text.
pub(super) struct Conditionings<'w, 'a> {
    pub(super) walk: &'w Walk<'a>,
    sweep: Sweep<Stop<'a>>,
    /// Whether a negative conditioning is zeroed.
    pub(super) zeroed: bool,
}

impl<'w, 'a> Conditionings<'w, 'a> {
    pub(super) fn new(walk: &'w Walk<'a>) -> Self {
        Self {
            walk,
            sweep: Sweep::default(),
            zeroed: false,
        }
    }

    /// Adds the texts behind a conditioning to `found`, as far as no sampler before led to them, and says what it leads to.
    pub(super) fn follow(&mut self, value: InputValue<'a>, side: Side, found: &mut Traced) -> Leads {
        let InputValue::Link { node, output } = value else {
            return Leads::default();
        };
        let (walk, zeroed) = (self.walk, &mut self.zeroed);
        let start = (Traced::default(), vec![(node, output, side)]);
        self.sweep.follow(start, found, |stop| opened(walk, stop, zeroed))
    }
}

/// The texts in one node, and the conditioning that it is made from.
fn opened<'a>(walk: &Walk<'a>, (id, output, wanted): Stop<'a>, zeroed: &mut bool) -> Opened<Stop<'a>> {
    let Some(node) = walk.graph.node(id) else {
        let missing = Why::Unresolved {
            by: id.into(),
            title: "missing".to_owned(),
        };
        return (Traced::doubtful(missing), Vec::new());
    };
    if !walk.enter(&node) {
        return (Traced::doubtful(values::unresolved(&node)), Vec::new());
    }
    if names::is_zero_out(node.class()) {
        *zeroed |= wanted == Side::Negative;
        return (Traced::default(), Vec::new());
    }
    // Where the outputs are named by side, the slot says which inputs matter; else the side asked for does.
    let slot = walk.spec(&node).and_then(|spec| spec.outputs.get(output));
    let side = slot.and_then(|slot| side_of(&slot.name)).unwrap_or(wanted);

    let texts = of_side(text_inputs(walk, &node), side);
    let holds_text = !texts.is_empty();
    let undescribed = walk.spec(&node).is_none();
    let blank = texts.iter().all(|(_, value)| is_blank(value));
    let mut found = encoder(walk, side, &node, texts);
    if undescribed && holds_text && blank {
        // Its own text is blank: perhaps the prompt comes in by a wire of another name.
        let wired = values::of_node(walk, &node, output, side);
        if wired.places.iter().any(|place| place.node.as_str() != node.id()) {
            found.doubt = wired.doubt.clone().or(Some(Why::Composed));
            found.extend(wired);
        }
    }

    // Of a class nobody described, wires that are called conditioning are; without any such, whatever is nothing else.
    let called = node
        .inputs()
        .any(|(name, value)| names::is_conditioning(name) && matches!(value, InputValue::Link { .. }));
    let by_name: fn(&str) -> bool = if called || holds_text {
        |name| names::is_conditioning(name) || names::is_bundle(name)
    } else {
        |name| !names::is_other_wire(name) && !names::is_text(name) || names::is_conditioning(name)
    };
    let wires: Vec<(&str, InputValue<'_>)> = walk
        .live_inputs(&node)
        .into_iter()
        .filter(|(name, value)| match value {
            InputValue::Link { node: source, output } => {
                let from = (*source, *output);
                walk.carries(&node, name, from, "CONDITIONING", by_name)
                    || names::is_conditioning(name) && walk.carries_more(&node, name, from)
            }
            InputValue::Literal(_) => false,
        })
        .collect();
    let wires = of_side(beside_bundles(wires, side), side);
    if undescribed && !holds_text && wires.is_empty() && names::encodes(&node) {
        // An encoder of a class nobody described, whose text goes by another name.
        found.extend(values::of_node(walk, &node, output, side));
    }
    // Out of a bundle, such as a pipe: what is in it was put in before.
    let bundled = wires.is_empty() && !holds_text;
    let wires = if bundled { bundles(walk, &node, side) } else { wires };
    let behind = wires.into_iter().filter_map(|(_, value)| match value {
        InputValue::Link { node, output } => Some((node, output, wanted)),
        InputValue::Literal(_) => None,
    });
    (found, behind.collect())
}

/// Of conditioning and the bundles beside it, what is of the wanted side: what a bundle holds is replaced by what comes
/// by a wire of its own.
fn beside_bundles<'a>(wires: Vec<(&'a str, InputValue<'a>)>, side: Side) -> Vec<(&'a str, InputValue<'a>)> {
    let (packed, own): (Vec<_>, Vec<_>) = wires
        .into_iter()
        .partition(|(name, _)| names::is_bundle(name) && !names::is_conditioning(name));
    let other_side = |name: &str| side_of(name).is_some_and(|own| own != side);
    match own.iter().all(|(name, _)| other_side(name)) && !packed.is_empty() {
        true => packed,
        false => own,
    }
}

/// The conditioning that was put into the bundle a node takes things out of.
fn bundles<'a>(walk: &Walk<'a>, node: &Node<'a>, side: Side) -> Vec<(&'a str, InputValue<'a>)> {
    let named = |name: &str, value: &InputValue<'a>| match value {
        InputValue::Link { node: source, output } => walk.carries_more(node, name, (source, *output)),
        InputValue::Literal(_) => false,
    };
    let inputs = walk.live_inputs(node).into_iter();
    inputs
        .filter(|(name, value)| named(name, value))
        .flat_map(|(name, value)| {
            guider(walk, value, &[side])
                .into_iter()
                .map(move |(_, value)| (name, value))
        })
        .collect()
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
