//! Width and height: of the latent that is sampled, or of the picture it is made from.

use serde_json::Value;

use super::super::graph::{InputValue, Node};
use super::chain::Chain;
use super::scalars::{Names, Search};
use super::sweep::{Opened, Sweep};
use super::values::{self, Traced, computed};
use super::walk::{Walk, Wire};
use super::{Place, Role, bundle, kinds, numbers};

/// What the size of the result is computed from, in nodes that change it.
const FACTORS: [&str; 14] = [
    "megapixels",
    "resolution",
    "scale_by",
    "multiplier",
    "longer",
    "longest",
    "shorter",
    "shortest",
    "largest",
    "size",
    "side",
    "edge",
    "dimension",
    "aspect",
];

/// The size of the picture: that of its latent. Schedulers and patches that hold the same size are written with it.
pub(super) fn of<'a>(walk: &Walk<'a>, samplers: &[Node<'a>], role: Role, wanted: Names) -> Traced {
    let mut found = Traced::default();
    let mut latents = Search::new(walk, role, wanted, &["LATENT"]);
    let mut steering = Search::new(walk, role, wanted, &["SIGMAS", "MODEL", "GUIDER"]);
    let mut pictures = Sweep::default();
    let fed = Chain::of(walk, samplers).fed;
    // What is doubtful about latents without a size counts only for a sampler that has another latent with one.
    let mut doubt = None;
    for sampler in samplers {
        let mut own = Traced::default();
        let leads = latents.follow(*sampler, &mut own);
        if leads.places {
            if leads.doubt && own.doubt.is_none() {
                own.doubt = doubt.clone();
            }
            found.extend(own);
            steering.follow(*sampler, &mut found);
            continue;
        }
        doubt = doubt.or(own.doubt);
        let mut picture = Traced::default();
        let start = pictures_behind(walk, *sampler, true, role);
        let leads = pictures.follow(start, &mut picture, |id| match walk.graph.node(id) {
            Some(node) => pictures_behind(walk, node, false, role),
            None => Opened::default(),
        });
        if !leads.places {
            // One node that does it all.
            if let Some((name, value)) = side(sampler, role) {
                picture.extend(values::scalar(walk, value, (sampler.id(), name), role, wanted));
                numbers::beside_a_preset(walk, sampler, &mut picture);
            } else {
                // Its settings come in a bundle.
                for (holder, name, value) in bundle::put_in(walk, sampler, wanted) {
                    picture.extend(values::scalar(walk, value, (holder.id(), name), role, wanted));
                }
            }
        } else if let Some(own) = same_again(walk, sampler, role, &picture) {
            picture.add(Some(own));
        }
        // What enlarges another sampler's picture leaves the size to that one.
        let enlarges = fed.contains(sampler.id()) && picture.places.iter().all(is_factor);
        if !enlarges || picture.places.is_empty() {
            found.extend(picture);
        }
    }
    if found.places.is_empty() {
        found.doubt = found.doubt.or(doubt);
    }
    found
}

/// The sampler's own side, where it says the same as the picture that it works on: they are written together.
fn same_again<'a>(walk: &Walk<'a>, sampler: &Node<'a>, role: Role, picture: &Traced) -> Option<Place> {
    let (name, _) = side(sampler, role)?;
    let own = walk.place(sampler.id(), name)?;
    let same = picture.doubt.is_none() && picture.places.iter().all(|place| place.value == own.value);
    same.then_some(own)
}

/// Whether a place holds by how much a picture is enlarged.
fn is_factor(place: &Place) -> bool {
    let last = place.input.rsplit('.').next().unwrap_or(&place.input);
    FACTORS.iter().any(|factor| last.starts_with(factor))
}

/// The input of a node that is one side of what it makes; it has both sides.
pub(super) fn side<'a>(node: &Node<'a>, role: Role) -> Option<(&'a str, InputValue<'a>)> {
    ["", "empty_latent_", "latent_", "empty_", "generation_"]
        .iter()
        .find_map(|prefix| side_called(node, prefix, role))
}

/// The same of a node that makes nothing, where it has only the plain names.
pub(super) fn plain_side<'a>(node: &Node<'a>, role: Role) -> Option<(&'a str, InputValue<'a>)> {
    side_called(node, "", role)
}

fn side_called<'a>(node: &Node<'a>, prefix: &str, role: Role) -> Option<(&'a str, InputValue<'a>)> {
    let both = ["width", "height"].map(|side| node.input(&format!("{prefix}{side}")).is_some());
    let name = format!("{prefix}{role}");
    let mut own = node.inputs().filter(|(input, _)| *input == name);
    own.next().filter(|_| both == [true, true])
}

/// The size of a picture that a latent is made from: what the picture was brought to in this node, or else the nodes
/// before it; `first` is the sampler.
fn pictures_behind<'a>(walk: &Walk<'a>, node: Node<'a>, first: bool, role: Role) -> Opened<&'a str> {
    if !walk.enter(&node) {
        return Opened::default();
    }
    if !first {
        let found = size_set_by(walk, &node, role);
        if !found.places.is_empty() {
            return (found, Vec::new());
        }
    }
    let stem = role.name();
    let behind = walk.live_inputs(&node).into_iter().rev().filter_map(|(name, value)| {
        let InputValue::Link { node: source, output } = value else {
            return None;
        };
        let carries = match (walk.input_wire(&node, name), walk.output_wire(source, output)) {
            (_, Wire::Of(kind)) | (Wire::Of(kind), _) => match kind {
                "LATENT" => true,
                // A sampler's other wires steer it.
                _ if first => false,
                "IMAGE" | "VIDEO" => true,
                // Read off a picture.
                "INT" => name.ends_with(stem),
                // What a picture is drawn from, such as a depth map's geometry.
                kind => {
                    kinds::is_bundle(kind) || draws(walk, &node) && kinds::is_foreign(kind) && !kind.ends_with("MODEL")
                }
            },
            (Wire::Unknown, Wire::Unknown) => ["latent", "samples", "image", "pixels", "video", stem]
                .iter()
                .any(|known| name.starts_with(known)),
        };
        carries.then_some(source)
    });
    (Traced::default(), behind.collect())
}

/// Whether a node keeps a picture's proportions, so that it does not come out as wide and high as is said.
pub(super) fn keeps_shape(node: &Node<'_>) -> bool {
    let keeps = |text: &str| {
        let text = text.to_lowercase();
        text.contains("keep") && ["proportion", "ratio", "aspect"].iter().any(|word| text.contains(word))
    };
    node.inputs().any(|(name, value)| match value {
        InputValue::Literal(Value::String(chosen)) if keeps(name) => {
            let chosen = chosen.to_lowercase();
            !["", "false", "disabled", "none", "stretch", "fill", "crop"].contains(&chosen.as_str())
                && !chosen.starts_with("pad")
        }
        InputValue::Literal(Value::String(chosen)) => keeps(chosen),
        InputValue::Literal(Value::Bool(on)) => *on && keeps(name),
        _ => false,
    })
}

/// The wire that overrules a side which stands in its node.
pub(super) fn overrules<'a>(node: &Node<'a>, side: &str) -> Option<(&'a str, InputValue<'a>)> {
    let name = format!("{side}_input");
    let mut wires = node.inputs();
    wires.find(|(own, value)| *own == name && matches!(value, InputValue::Link { .. }))
}

/// Whether a node gives out a picture without taking one.
fn draws<'a>(walk: &Walk<'a>, node: &Node<'a>) -> bool {
    walk.spec(node).is_some_and(|spec| {
        spec.outputs.iter().any(|output| output.kind == "IMAGE")
            && !spec.inputs.iter().any(|input| input.is_wire("IMAGE"))
    })
}

/// The literals of one node that set the size of what it gives out.
fn size_set_by<'a>(walk: &Walk<'a>, node: &Node<'a>, role: Role) -> Traced {
    const RESIZING: [&str; 4] = ["scale", "resize", "pad", "crop"];
    let stem = role.name();
    let sides = match role {
        Role::Width => ["left", "right"],
        _ => ["top", "bottom"],
    };
    let custom = |value: InputValue<'a>| match value {
        InputValue::Literal(value) => value
            .as_str()
            .is_some_and(|chosen| chosen.to_lowercase().contains("custom")),
        InputValue::Link { .. } => false,
    };
    let chosen = node.inputs().any(|(_, value)| custom(value));
    let named = |name: &str, stem: &str| {
        // One side of a proportion or of a tile is no size, nor is a custom one that was not chosen.
        const OTHERS: [&str; 6] = ["proportion", "tile_", "seam_", "mask_", "border_", "stroke_"];
        let other = OTHERS.iter().any(|stem| name.starts_with(stem)) || name.starts_with("custom") && !chosen;
        name == stem || !other && (name.ends_with(&format!("_{stem}")) || name.ends_with(&format!(".{stem}")))
    };
    let mut traced = Traced::default();
    if let Some((name, value)) = overrules(node, stem) {
        return values::scalar(walk, value, (node.id(), name), role, &[stem]);
    }
    // Both sides, or it is the width of something else.
    if node.inputs().any(|(name, _)| named(name, "width")) && node.inputs().any(|(name, _)| named(name, "height")) {
        for (name, value) in node.inputs().filter(|(name, _)| named(name, stem)) {
            traced.extend(values::scalar(walk, value, (node.id(), name), role, &[stem]));
        }
        if keeps_shape(node) && !traced.places.is_empty() {
            traced.doubt.get_or_insert_with(|| computed(node));
        }
        return traced;
    }
    let class = node.class().to_lowercase();
    let is_source =
        class.contains("latent") && !node.inputs().any(|(_, value)| matches!(value, InputValue::Link { .. }));
    if is_source || RESIZING.iter().any(|word| class.contains(word)) {
        for (name, value) in node.inputs() {
            let last = name.rsplit('.').next().unwrap_or(name);
            let counts = FACTORS.iter().any(|factor| last.starts_with(factor)) || sides.contains(&last);
            // A source of latents may offer sizes to choose from.
            if counts && (is_source || !matches!(value, InputValue::Literal(value) if !value.is_number())) {
                traced.extend(values::scalar(walk, value, (node.id(), name), role, &[]));
            }
        }
        traced.doubt = Some(computed(node));
    }
    traced
}
