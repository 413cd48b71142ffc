//! The few node classes of the studio: what is refused, the order of execution, and what each node does. Pure.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result, bail};
use image::RgbImage;
use scenes::Scene;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::paint::{imagined, paint};

/// The definitions of the known classes, as ComfyUI gives them; the choices of models are this server's own.
static CLASSES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../data/object_info.json")).unwrap_or_default());

/// Largest side of a picture, in pixels.
const LARGEST_SIDE: u64 = 2048;
/// Most pictures of a batch.
const LARGEST_BATCH: u64 = 100;
/// Longest chain of links.
const DEEPEST: usize = 200;

/// What an output slot of a node holds.
#[derive(Debug, Clone)]
pub enum Item {
    /// A model, a text encoder or a decoder: there is none.
    Nothing,
    Text(String),
    Number(Value),
    Latent {
        width: u32,
        height: u32,
        /// How many pictures it is of.
        batch: u64,
        /// One a picture; none before anything was sampled.
        scenes: Vec<Scene>,
    },
    /// A batch of them.
    Pictures(Arc<[RgbImage]>),
}

/// Definitions of all known classes.
pub fn classes() -> &'static Map<String, Value> {
    &CLASSES
}

/// What would run in place of classes that older workflows have. ComfyUI also puts it into what is posted; here such a graph is
/// refused.
pub fn replacements() -> Value {
    let all = [
        (
            "OldTextEncode",
            "CLIPTextEncode",
            [("text", "prompt"), ("clip", "clip")],
        ),
        (
            "OldSaver",
            "SaveImage",
            [("images", "pics"), ("filename_prefix", "prefix")],
        ),
    ];
    let one = |(old, new, inputs): (&str, &str, [(&str, &str); 2])| {
        let inputs = inputs.map(|(new, old)| json!({"new_id": new, "old_id": old}));
        let replacement = json!({"new_node_id": new, "old_node_id": old, "old_widget_ids": null,
            "input_mapping": inputs, "output_mapping": null});
        (old.to_owned(), json!([replacement]))
    };
    Value::Object(all.into_iter().map(one).collect())
}

/// Checks a graph as ComfyUI does; gives the output nodes, or the body of the 400.
pub fn check(graph: &Value) -> Result<Vec<String>, Value> {
    let nodes = graph
        .as_object()
        .ok_or_else(|| refusal("invalid_prompt", "The graph is not an object", json!({}), json!({})))?;
    let mut outputs = Vec::new();
    for (id, node) in nodes {
        let class = node["class_type"].as_str().unwrap_or_default();
        let Some(definition) = CLASSES.get(class) else {
            let info = json!({"node_id": id, "class_type": class, "node_title": node["_meta"]["title"]});
            return Err(refusal(
                "missing_node_type",
                &format!("Node '{class}' not found. This stand-in knows few nodes."),
                info,
                json!({}),
            ));
        };
        if definition["output_node"] == true {
            outputs.push(id.clone());
        }
    }
    if outputs.is_empty() {
        return Err(refusal(
            "prompt_no_outputs",
            "Prompt has no outputs",
            json!({}),
            json!({}),
        ));
    }
    let errors: Map<String, Value> = nodes
        .iter()
        .filter_map(|(id, node)| {
            let found = node_errors(nodes, node);
            let told = json!({"errors": found, "dependent_outputs": outputs, "class_type": node["class_type"]});
            (!found.is_empty()).then(|| (id.clone(), told))
        })
        .collect();
    if !errors.is_empty() {
        let message = "Prompt outputs failed validation";
        return Err(refusal(
            "prompt_outputs_failed_validation",
            message,
            json!({}),
            Value::Object(errors),
        ));
    }
    if order(graph, &outputs).is_none() {
        return Err(refusal(
            "dependency_cycle",
            "Dependency cycle detected",
            json!({}),
            json!({}),
        ));
    }
    Ok(outputs)
}

fn refusal(kind: &str, message: &str, extra_info: Value, node_errors: Value) -> Value {
    json!({"error": {"type": kind, "message": message, "details": "", "extra_info": extra_info}, "node_errors": node_errors})
}

fn node_errors(nodes: &Map<String, Value>, node: &Value) -> Vec<Value> {
    let definition = &CLASSES[node["class_type"].as_str().unwrap_or_default()];
    let wanted = definition["input"]["required"].as_object().into_iter().flatten();
    wanted
        .filter_map(|(name, spec)| {
            let (kind, message, details) = input_error(nodes, name, node["inputs"].get(name), spec)?;
            Some(json!({"type": kind, "message": message, "details": details, "extra_info": {"input_name": name}}))
        })
        .collect()
}

fn input_error(
    nodes: &Map<String, Value>,
    name: &str,
    value: Option<&Value>,
    spec: &Value,
) -> Option<(&'static str, String, String)> {
    let Some(value) = value else {
        return Some((
            "required_input_missing",
            "Required input is missing".into(),
            name.into(),
        ));
    };
    if let Some(link) = value.as_array() {
        let to = link.first().and_then(Value::as_str).and_then(|id| nodes.get(id));
        let slots = to.and_then(|node| CLASSES.get(node["class_type"].as_str()?)?["output"].as_array());
        let slot = link
            .get(1)
            .and_then(Value::as_u64)
            .and_then(|slot| slots?.get(slot as usize));
        return match slot {
            None => Some(("bad_linked_input", "Bad linked input".into(), name.into())),
            Some(given) if spec[0].is_string() && *given != spec[0] => {
                let details = format!("{name}, received_type({given}) mismatch input_type({})", spec[0]);
                Some((
                    "return_type_mismatch",
                    "Return type mismatch between linked nodes".into(),
                    details,
                ))
            }
            Some(_) => None,
        };
    }
    // Which pictures there are only the running server knows.
    if spec[1]["image_upload"] == true && value.is_string() {
        return None;
    }
    if let Some(choices) = spec[0].as_array() {
        let offered = choices.contains(value);
        return (!offered).then(|| {
            (
                "value_not_in_list",
                "Value not in list".into(),
                format!("{name}: {value} not in {}", spec[0]),
            )
        });
    }
    let wrong = |kind: &str| {
        Some((
            "invalid_input_type",
            format!("Failed to convert an input value to a {kind} value"),
            format!("{name}, {value}"),
        ))
    };
    match spec[0].as_str() {
        Some("INT" | "FLOAT") => {
            let Some(number) = value.as_f64() else {
                return wrong("number");
            };
            let bound = |key: &str| spec[1][key].as_f64();
            if bound("min").is_some_and(|min| number < min) {
                let min = &spec[1]["min"];
                return Some((
                    "value_smaller_than_min",
                    format!("Value {value} smaller than min of {min}"),
                    name.into(),
                ));
            }
            let max = &spec[1]["max"];
            bound("max").is_some_and(|max| number > max).then(|| {
                (
                    "value_bigger_than_max",
                    format!("Value {value} bigger than max of {max}"),
                    name.into(),
                )
            })
        }
        Some("STRING") if value.is_string() => None,
        Some(kind) => wrong(kind),
        None => None,
    }
}

/// The nodes that the outputs need, each after those it depends on; `None` for a circle.
pub fn order(graph: &Value, outputs: &[String]) -> Option<Vec<String>> {
    let (mut done, mut order) = (HashSet::new(), Vec::new());
    for id in outputs {
        visit(graph, id, &mut done, &mut order, DEEPEST)?;
    }
    Some(order)
}

fn visit(graph: &Value, id: &str, done: &mut HashSet<String>, order: &mut Vec<String>, depth: usize) -> Option<()> {
    if done.contains(id) {
        return Some(());
    }
    let depth = depth.checked_sub(1)?;
    for (above, _) in graph[id]["inputs"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, value)| link(value))
    {
        visit(graph, above, done, order, depth)?;
    }
    done.insert(id.to_owned());
    order.push(id.to_owned());
    Some(())
}

fn link(value: &Value) -> Option<(&str, usize)> {
    let parts = value.as_array()?;
    Some((parts.first()?.as_str()?, parts.get(1)?.as_u64()? as usize))
}

/// A name for what a node computes: its class and inputs, links replaced by the names above them.
pub fn signature(graph: &Value, id: &str, above: &HashMap<String, String>) -> String {
    let mut hash = Sha256::new();
    hash.update(graph[id]["class_type"].to_string());
    for (name, value) in graph[id]["inputs"].as_object().into_iter().flatten() {
        let part = match link(value) {
            Some((node, slot)) => format!("{}:{slot}", above.get(node).map_or("", String::as_str)),
            None => value.to_string(),
        };
        hash.update(format!("\0{name}\0{part}"));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The steps that a node counts; 0 for those that do not.
pub fn steps(graph: &Value, id: &str) -> u64 {
    if graph[id]["class_type"] == "KSampler" {
        graph[id]["inputs"]["steps"].as_u64().unwrap_or(1)
    } else {
        0
    }
}

/// Computes a node from the outputs of those above it.
///
/// # Errors
/// When an input is not what the node needs, which `check` lets through only for linked values.
pub fn compute(graph: &Value, id: &str, made: &HashMap<String, Vec<Item>>, adherence: f64) -> Result<Vec<Item>> {
    let input = |name: &str| -> Result<Item> {
        let value = &graph[id]["inputs"][name];
        match link(value) {
            Some((node, slot)) => made
                .get(node)
                .and_then(|items| items.get(slot))
                .cloned()
                .with_context(|| format!("{name}: nothing at its link")),
            None if value.is_string() => Ok(Item::Text(value.as_str().unwrap_or_default().to_owned())),
            None => Ok(Item::Number(value.clone())),
        }
    };
    let text = |name: &str| match input(name)? {
        Item::Text(text) => Ok(text),
        other => bail!("{name}: {other:?} is not text"),
    };
    let whole = |name: &str| match input(name)? {
        Item::Number(number) => number
            .as_u64()
            .with_context(|| format!("{name}: {number} is not a whole number from 0")),
        other => bail!("{name}: {other:?} is not a number"),
    };
    Ok(match graph[id]["class_type"].as_str().unwrap_or_default() {
        "CheckpointLoaderSimple" => vec![Item::Nothing; 3],
        "CLIPTextEncode" => vec![Item::Text(text("text")?)],
        "PrimitiveStringMultiline" => vec![Item::Text(text("value")?)],
        "StringConcatenate" => vec![Item::Text(
            [text("string_a")?, text("string_b")?].join(&text("delimiter")?),
        )],
        "CalibratorPromptReceptor" => vec![
            Item::Text(text("positive")?),
            Item::Text(text("negative")?),
            Item::Number(json!(whole("seed")?)),
        ],
        "EmptyLatentImage" => {
            let side = |name: &str| whole(name).map(|side| side.min(LARGEST_SIDE) as u32);
            vec![Item::Latent {
                width: side("width")?,
                height: side("height")?,
                batch: whole("batch_size")?.clamp(1, LARGEST_BATCH),
                scenes: Vec::new(),
            }]
        }
        "KSampler" => {
            let Item::Latent {
                width,
                height,
                batch,
                scenes,
            } = input("latent_image")?
            else {
                bail!("latent_image: not a latent")
            };
            let whole_picture = graph[id]["inputs"]["denoise"].as_f64().is_none_or(|part| part >= 1.0);
            // A second pass that denoises a part changes what is there too little to see.
            let scenes = if whole_picture || scenes.is_empty() {
                let (positive, negative, seed) = (text("positive")?, text("negative")?, whole("seed")?);
                let one = |n: u64| imagined(&positive, &negative, seed.wrapping_add(n), adherence);
                (0..batch).map(one).collect()
            } else {
                scenes
            };
            vec![Item::Latent {
                width,
                height,
                batch,
                scenes,
            }]
        }
        "VAEDecode" => {
            let Item::Latent {
                width, height, scenes, ..
            } = input("samples")?
            else {
                bail!("samples: not a latent")
            };
            if scenes.is_empty() {
                bail!("samples: nothing was sampled")
            }
            let pictures: Vec<RgbImage> = scenes.iter().map(|scene| paint(scene, width, height)).collect();
            vec![Item::Pictures(pictures.into())]
        }
        "SaveImage" | "PreviewImage" => vec![input("images")?],
        other => bail!("{other} is not known here"),
    })
}
