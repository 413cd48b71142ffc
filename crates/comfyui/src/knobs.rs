//! Writes prompts, a seed and other node inputs ("knobs") into a graph, checked against the nodes' definitions.

mod error;
mod target;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use super::graph::{Graph, InputValue, Node, NodeId};
use super::inject::{Finding, Place, Role, Roles};
use super::object_info::{InputKind, ObjectInfo};
pub use error::InjectError;
use target::{Target, check};
use text::{Foreign, shortened};

/// What to write into a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// The prompt.
    pub positive: Option<String>,
    /// The negative prompt.
    pub negative: Option<String>,
    /// The noise seed, 0 to 2^64-1.
    pub seed: Option<u64>,
    /// Other values by `node.input`, where the node is an id, a title or a class that only one node has; a role's
    /// name (`steps`, `cfg`, `width` …) stands for wherever that role was found, and the name of an input that one node
    /// has (`denoise`) for that input.
    pub knobs: Map<String, Value>,
}

/// One input that was written.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Change {
    /// The node.
    pub node: NodeId,
    /// Its title.
    pub title: String,
    /// The input.
    pub input: String,
    /// What stood there; null where the input was left to its default.
    pub from: Value,
    /// What stands there now.
    pub to: Value,
}

/// A graph with edits written into it.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The new graph.
    pub graph: Graph,
    /// The roles in the new graph; a knob that turns a switch may have moved them.
    pub roles: Roles,
    /// Every input written, in order. Writing what stood there already counts too.
    pub changes: Vec<Change>,
    /// What the user should know about it.
    pub notes: Vec<String>,
}

/// Writes `edits` into a copy of `graph`.
///
/// Knobs go first, and the roles are found again in the result, so that a knob may settle where the prompt goes.
///
/// # Errors
/// [`InjectError`], and nothing is written, when a role is a question, a knob names nothing or a link, or a value
/// does not fit its input.
pub fn apply(graph: &Graph, roles: &Roles, info: &ObjectInfo, edits: &Edits) -> Result<Applied, InjectError> {
    let mut writer = Writer {
        graph: graph.clone(),
        info,
        changes: Vec::new(),
    };
    let mut notes = Vec::new();
    for (knob, value) in &edits.knobs {
        for target in target::resolve(graph, roles, info, knob)? {
            writer.write(&target, value)?;
            if target::is_bare(graph, knob) {
                let node = graph.node(target.node.as_str());
                let title = shortened(node.map(|node| node.title()).unwrap_or_default(), 60);
                let title = Foreign(&title);
                notes.push(format!(
                    "`{knob}` is an input of {} ({title:#}): it was written to {}.",
                    target.node,
                    target.key()
                ));
            }
        }
    }
    let roles = if edits.knobs.is_empty() {
        roles.clone()
    } else {
        roles.refind(&writer.graph, info)
    };

    for (role, text) in [(Role::Positive, &edits.positive), (Role::Negative, &edits.negative)] {
        let Some(text) = text else { continue };
        writer.write_role(&roles, role, &Value::from(text.as_str()))?;
        notes.extend(literal_note(role, text));
    }
    if let Some(seed) = edits.seed {
        writer.write_role(&roles, Role::Seed, &Value::from(seed))?;
    }
    if edits.negative.as_deref().is_some_and(|text| !text.is_empty()) && guidance_is_off(&writer.graph, &roles) {
        notes.push("cfg is 1, so the sampler ignores the negative prompt.".to_owned());
    }
    notes.extend(
        writer
            .changes
            .iter()
            .filter_map(|change| size_note(&writer.graph, info, change)),
    );
    let roles = roles.refind(&writer.graph, info);
    Ok(Applied {
        graph: writer.graph,
        roles,
        changes: writer.changes,
        notes,
    })
}

/// A knob that names a picture: an input whose options are pictures on the server.
#[derive(Clone, Debug, PartialEq)]
pub struct PictureKnob {
    /// The knob, as it was given.
    pub knob: String,
    /// The input, as `node.input`.
    pub place: String,
    /// The node's class.
    pub class: String,
    /// The value, as it was given.
    pub value: String,
    /// The pictures that the server had when its definitions were read.
    pub options: Vec<String>,
}

/// Stands for the session's reference picture in a knob that names a picture.
pub const REFERENCE: &str = "@reference";

/// The knobs that name pictures.
///
/// # Errors
/// [`InjectError`] when a knob names nothing, or when [`REFERENCE`] stands where no picture is chosen.
pub fn pictures(
    graph: &Graph,
    roles: &Roles,
    info: &ObjectInfo,
    knobs: &Map<String, Value>,
) -> Result<Vec<PictureKnob>, InjectError> {
    let mut found = Vec::new();
    for (knob, value) in knobs {
        let Some(value) = value.as_str() else { continue };
        for target in target::resolve(graph, roles, info, knob)? {
            let node = graph.node(target.node.as_str());
            let spec = node.and_then(|node| info.get(node.class())?.input(&node, &target.input));
            match spec.map(|spec| &spec.kind) {
                Some(InputKind::Choice {
                    pictures: true,
                    options,
                    ..
                }) => found.push(PictureKnob {
                    knob: knob.clone(),
                    place: target.key(),
                    class: node.map(|node| node.class().to_owned()).unwrap_or_default(),
                    value: value.to_owned(),
                    options: options.iter().filter_map(|o| Some(o.as_str()?.to_owned())).collect(),
                }),
                _ if value == REFERENCE => {
                    return Err(InjectError::BadValue {
                        place: target.key(),
                        value: value.to_owned(),
                        problem: match spec {
                            Some(_) => {
                                "only an input that takes a picture from the server's folder, such as LoadImage's \
                                        `image`, can be the reference"
                                    .to_owned()
                            }
                            None => "whether it takes a picture is not known without the node's definition".to_owned(),
                        },
                    });
                }
                _ => {}
            }
        }
    }
    Ok(found)
}

/// The same graph with another seed.
///
/// # Errors
/// [`InjectError`] when it is not settled where the seed goes, or the seed is larger than its input takes.
pub fn with_seed(graph: &Graph, roles: &Roles, seed: u64) -> Result<Graph, InjectError> {
    let places = check_seed(roles, seed)?;
    let mut graph = graph.clone();
    for place in places {
        graph.set_input(place.node.as_str(), &place.input, Value::from(seed));
    }
    Ok(graph)
}

/// Where a seed goes, if it fits there.
///
/// # Errors
/// [`InjectError`] when it is not settled where the seed goes, or the seed is larger than its input takes.
pub fn check_seed(roles: &Roles, seed: u64) -> Result<&[Place], InjectError> {
    let places = settled(roles, Role::Seed)?;
    if seed > roles.seed_limit() {
        let place = places.first().map(Place::key).unwrap_or_default();
        let problem = format!("the maximum is {}", roles.seed_limit());
        return Err(InjectError::BadValue {
            place,
            value: seed.to_string(),
            problem,
        });
    }
    Ok(places)
}

/// The places of a role that is found; anything else is an error that explains.
fn settled(roles: &Roles, role: Role) -> Result<&[Place], InjectError> {
    match roles.get(role) {
        Finding::Found { places, .. } => Ok(places),
        Finding::Candidates { places, why } => Err(InjectError::Question {
            role,
            why: why.to_string(),
            candidates: places.clone(),
            several: why.takes_several(),
            takes: Vec::new(),
        }),
        Finding::Zeroed => Err(InjectError::Zeroed),
        Finding::Absent => Err(InjectError::Absent { role }),
    }
}

struct Writer<'i> {
    graph: Graph,
    info: &'i ObjectInfo,
    changes: Vec<Change>,
}

impl Writer<'_> {
    fn write_role(&mut self, roles: &Roles, role: Role, value: &Value) -> Result<(), InjectError> {
        for place in settled(roles, role)? {
            self.write(
                &Target {
                    node: place.node.clone(),
                    input: place.input.clone(),
                },
                value,
            )?;
        }
        Ok(())
    }

    fn write(&mut self, target: &Target, value: &Value) -> Result<(), InjectError> {
        check(&self.graph, self.info, target, value)?;
        let earlier = self
            .changes
            .iter()
            .find(|change| change.node == target.node && change.input == target.input);
        if let Some(earlier) = earlier {
            if earlier.to == self.fitted(target, value) {
                return Ok(());
            }
            return Err(InjectError::Twice { place: target.key() });
        }
        let title = self
            .graph
            .node(target.node.as_str())
            .map(|node| node.title().to_owned())
            .unwrap_or_default();
        let value = self.fitted(target, value);
        let from = self
            .graph
            .set_input(target.node.as_str(), &target.input, value.clone())
            .unwrap_or(Value::Null);
        self.changes.push(Change {
            node: target.node.clone(),
            title,
            input: target.input.clone(),
            from,
            to: value,
        });
        Ok(())
    }

    /// A whole number written as `20.0` becomes `20` where the input is an INT.
    fn fitted(&self, target: &Target, value: &Value) -> Value {
        let node = self.graph.node(target.node.as_str());
        let spec = node.and_then(|node| self.info.get(node.class())?.input(&node, &target.input));
        match (spec.map(|spec| &spec.kind), value) {
            (Some(InputKind::Int { .. }), Value::Number(number)) if number.is_f64() => {
                super::graph::canonical_number(number)
                    .parse::<i64>()
                    .map_or_else(|_| value.clone(), Value::from)
            }
            _ => value.clone(),
        }
    }
}

fn guidance_is_off(graph: &Graph, roles: &Roles) -> bool {
    let places = roles.get(Role::Cfg).found();
    let value = |place: &Place| graph.node(place.node.as_str())?.literal(&place.input)?.as_f64();
    !places.is_empty()
        && places
            .iter()
            .all(|place| value(place).is_some_and(|cfg| (cfg - 1.0).abs() < 1e-9))
}

/// Latents are made of squares of so many pixels a side.
const LATENT_SIDE: u64 = 8;

/// The inputs that say how large a latent is.
const SIDES: [&str; 2] = ["width", "height"];

/// A note where a latent cannot be as large as was written: the server rounds such sizes down without a word.
fn size_note(graph: &Graph, info: &ObjectInfo, change: &Change) -> Option<String> {
    let size = change.to.as_u64().filter(|size| !size.is_multiple_of(LATENT_SIDE))?;
    let node = graph.node(change.node.as_str())?;
    let InputKind::Int { .. } = info.get(node.class())?.input(&node, &change.input)?.kind else {
        return None;
    };
    let makes_latents = |node: &Node<'_>| {
        let spec = info.get(node.class());
        spec.is_some_and(|spec| spec.outputs.iter().any(|output| output.kind == "LATENT"))
    };
    // A constant that is the side of a latent.
    let leads_to = |other: &Node<'_>| {
        SIDES
            .iter()
            .any(|side| matches!(other.input(side), Some(InputValue::Link { node: from, .. }) if from == node.id()))
    };
    let is_side = match SIDES.contains(&change.input.as_str()) {
        true => makes_latents(&node),
        false => node.input_count() == 1 && graph.nodes().any(|other| leads_to(&other) && makes_latents(&other)),
    };
    is_side.then(|| {
        format!(
            "{}.{} is {size}, which is no multiple of {LATENT_SIDE}: ComfyUI rounds it down to {}.",
            change.node,
            change.input,
            size - size % LATENT_SIDE
        )
    })
}

/// A note where text holds what the web page would expand but the server takes literally.
fn literal_note(role: Role, text: &str) -> Option<String> {
    let choice = text
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .any(|(inside, _)| inside.contains('|'));
    let comment = text.match_indices("//").any(|(at, _)| !text[..at].ends_with(':')) || text.contains("/*");
    let what = match (choice, comment) {
        (true, true) => "`{a|b}` and comments",
        (true, false) => "`{a|b}`",
        (false, true) => "comments (`//`, `/* */`)",
        (false, false) => return None,
    };
    Some(format!(
        "The {role} prompt holds {what}: the ComfyUI page would expand that, but through the API the model reads it literally."
    ))
}
