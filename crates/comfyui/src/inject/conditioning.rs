//! From conditioning back to the texts it is made of.

use std::collections::HashSet;

use super::super::graph::{InputValue, Node};
use super::Why;
use super::classes;
use super::encoder::{of_side, text_inputs};
use super::kinds;
use super::names::{self, Side, side_of};
use super::sampler::guider;
use super::sweep::{Leads, Opened, Sweep};
use super::values::{self, Traced};
use super::walk::{Walk, Wire};

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
    if classes::is_zero_out(node.class()) {
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
        |name| {
            let other = names::is_other_wire(name) || names::is_text(name) || names::is_selector(name);
            !other || names::is_conditioning(name)
        }
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
    let wires = match node.class().contains("Concat") {
        true => beside_blanks(walk, wires),
        false => wires,
    };
    if !holds_text && wires.is_empty() {
        if undescribed && (classes::encodes(&node) || classes::is_primitive(&node)) {
            // An encoder of a class nobody described, whose text goes by another name.
            found.extend(values::of_node(walk, &node, output, side));
        } else if !undescribed {
            // One that is described, and takes its text by a wire of another name.
            let strings = walk.live_inputs(&node).into_iter().filter(|(name, value)| {
                let linked = matches!(value, InputValue::Link { .. });
                linked && walk.input_wire(&node, name) == Wire::Of("STRING") && !names::is_string_control(name)
            });
            for (name, value) in of_side(strings.collect(), side) {
                found.extend(values::text(walk, value, (node.id(), name), Some(side)));
            }
        }
    }
    // Out of a bundle, such as a pipe: what is in it was put in before.
    let bundled = wires.is_empty() && !holds_text;
    let mut wires = if bundled { bundles(walk, &node, side) } else { wires };
    if holds_text {
        wires.extend(earlier_of_its_class(walk, &node, &wires));
    }
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
    let packed = walk
        .live_inputs(node)
        .into_iter()
        .filter(|(name, value)| named(name, value));
    let packed: Vec<(&str, InputValue<'a>)> = packed.collect();
    let Some((name, _)) = packed.first().copied() else {
        return Vec::new();
    };
    let found = guider(walk, packed.into_iter().map(|(_, value)| value), &[side]);
    found.into_iter().map(|(_, value)| (name, value)).collect()
}

/// Of the parts of a concatenation, those that are not the encoding of a blank text; all of them where they all are.
fn beside_blanks<'a>(walk: &Walk<'a>, wires: Vec<(&'a str, InputValue<'a>)>) -> Vec<(&'a str, InputValue<'a>)> {
    let blank = |value: &InputValue<'a>| {
        let InputValue::Link { node, .. } = value else {
            return false;
        };
        let texts = walk.graph.node(node).map(|node| text_inputs(walk, &node));
        texts.is_some_and(|texts| !texts.is_empty() && texts.iter().all(|(_, value)| is_blank(value)))
    };
    // What the others are put behind may be where the prompt goes.
    let counts = |(name, value): &(&str, InputValue<'a>)| name.ends_with("_to") || !blank(value);
    let filled: Vec<_> = wires.iter().copied().filter(counts).collect();
    if filled.is_empty() { wires } else { filled }
}

/// What a node is given by another one of its class: in a chain of keyframes or of regions each adds its text.
fn earlier_of_its_class<'a>(
    walk: &Walk<'a>,
    node: &Node<'a>,
    known: &[(&'a str, InputValue<'a>)],
) -> Vec<(&'a str, InputValue<'a>)> {
    let known: HashSet<&str> = known.iter().map(|(name, _)| *name).collect();
    let adds = |name: &str, value: &InputValue<'a>| {
        let InputValue::Link { node: source, output } = value else {
            return false;
        };
        let carried = match walk.link_kind(node, name, (*source, *output)) {
            Wire::Of(kind) => kind == "CONDITIONING" || kinds::carries_more(kind),
            Wire::Unknown => !names::is_other_wire(name.strip_prefix("opt_").unwrap_or(name)),
        };
        carried
            && walk
                .graph
                .node(source)
                .is_some_and(|source| source.class() == node.class())
    };
    let inputs = walk.live_inputs(node).into_iter();
    inputs
        .filter(|(name, value)| !known.contains(name) && adds(name, value))
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
            let mut text = values::text(walk, value, (node.id(), name), Some(side));
            // A text that a model writes alone, such as a caption, changes nothing about those beside it.
            if let (Some(Why::Rewritten { by, title }), true) = (&text.doubt, text.places.is_empty()) {
                let (by, title) = (by.clone(), title.clone());
                text.doubt = Some(Why::Unresolved { by, title });
            }
            traced.extend(text);
        }
    }
    traced
}
