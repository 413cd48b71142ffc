//! What the nodes at the end of a graph make: pictures that can be judged, or something else. Pure.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::graph::{Graph, InputValue, Node, NodeId};
use super::object_info::{InputKind, NodeSpec, ObjectInfo, preview};
use text::Foreign;

/// What comes out where no picture does that can be read here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// A video.
    Video,
    /// Sound.
    Audio,
    /// A shape in space.
    Shape,
    /// A picture in a format that is not read here.
    Format(String),
    /// Pictures that go over the WebSocket and are not kept.
    NotKept,
}

/// Formats by the names that files and inputs of save nodes give them.
const VIDEOS: [&str; 9] = ["mp4", "webm", "mkv", "mov", "avi", "m4v", "h264", "h265", "prores"];
const SOUNDS: [&str; 7] = ["flac", "mp3", "wav", "ogg", "opus", "m4a", "aac"];
const SHAPES: [&str; 7] = ["glb", "gltf", "obj", "stl", "ply", "fbx", "usdz"];
const UNREAD: [&str; 10] = ["avif", "exr", "jxl", "heic", "heif", "hdr", "psd", "svg", "dds", "jp2"];

/// Inputs of save nodes that choose the format.
const CHOOSERS: [&str; 7] = [
    "format",
    "file_format",
    "image_format",
    "extension",
    "file_type",
    "file_extension",
    "ext",
];

impl Media {
    /// What a format's name stands for; nothing for pictures that are read, and for what is not known.
    fn of_format(name: &str) -> Option<Self> {
        let name = name.trim_start_matches('.').to_ascii_lowercase();
        let among = |known: &[&str]| known.contains(&name.as_str());
        if among(&VIDEOS) {
            Some(Self::Video)
        } else if among(&SOUNDS) {
            Some(Self::Audio)
        } else if among(&SHAPES) {
            Some(Self::Shape)
        } else {
            among(&UNREAD).then(|| Self::Format(name.to_ascii_uppercase()))
        }
    }

    /// What a file holds by its name; nothing for pictures that are read, and for what is not known.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        Self::of_format(name.rsplit_once('.')?.1)
    }

    /// What to change so that there is a picture.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Format(_) => {
                "Set the save node's format to PNG (as a knob, where the node has an input for it), or add a Preview Image node beside it and export the workflow again."
            }
            Self::Video => {
                "Add a Save Image or Preview Image node behind the decoded frames, and export the workflow again: its pictures are judged."
            }
            Self::NotKept => "Add a Save Image or Preview Image node beside it, and export the workflow again.",
            Self::Audio | Self::Shape => {
                "Only pictures can be judged: give a workflow that makes some, or add a Save Image or Preview Image node where this one has any."
            }
        }
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Video => f.write_str("a video"),
            Self::Audio => f.write_str("sound"),
            Self::Shape => f.write_str("a 3D shape"),
            Self::Format(name) => write!(f, "{name}, which is not read here"),
            Self::NotKept => f.write_str("pictures over the WebSocket only, which ComfyUI does not keep"),
        }
    }
}

/// An output node that makes no picture which can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoPicture {
    /// The node.
    pub node: NodeId,
    /// Its title.
    pub title: String,
    /// Its class.
    pub class: String,
    /// What it makes instead.
    pub media: Media,
}

/// The output nodes of a graph, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outputs {
    /// Those that surely make no picture.
    pub without: Vec<NoPicture>,
    /// Whether another one makes a picture, or may.
    pub pictures: bool,
}

/// Looks through the output nodes. A class that is not described counts as one that may save pictures where nothing reads it.
#[must_use]
pub fn look(graph: &Graph, info: &ObjectInfo) -> Outputs {
    let mut outputs = Outputs::default();
    let read = read(graph);
    for node in graph.nodes() {
        let spec = info.get(node.class());
        if !spec.map_or_else(|| !read.contains(node.id()), |spec| spec.output_node) {
            continue;
        }
        match media(&node, spec) {
            Some(media) => outputs.without.push(NoPicture {
                node: node.id().into(),
                title: node.title().to_owned(),
                class: node.class().to_owned(),
                media,
            }),
            // It shows text, whatever it is given.
            None if node.class() == "PreviewAny" => {}
            None => outputs.pictures |= spec.is_none_or(may_take_pictures),
        }
    }
    outputs
}

/// An output node whose own choice keeps its picture from being shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// The node.
    pub node: NodeId,
    /// Its title.
    pub title: String,
    /// Its class.
    pub class: String,
    /// The input that hides the picture.
    pub input: String,
    /// What stands there, in words.
    pub value: String,
    /// What it takes instead, where that is known.
    pub options: Vec<String>,
}

impl Hidden {
    /// What is so.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("its {} is {}, so it shows no picture", self.input, self.value)
    }

    /// What to change so that there is a picture.
    #[must_use]
    pub fn remedy(&self) -> String {
        let place = format!("{}.{}", self.node, self.input);
        match &self.options[..] {
            [] => format!("Set the knob {place} to what saves or shows the picture."),
            options => format!("Set the knob {place} to {}.", options.join(" or ")),
        }
    }
}

/// The output nodes whose own choice (`image_output`, `save_image`) hides their picture; none where another node may show one. A
/// choice is read by its name only: it may be that they show it all the same.
#[must_use]
pub fn hidden(graph: &Graph, info: &ObjectInfo) -> Vec<Hidden> {
    let mut all = Vec::new();
    let read = read(graph);
    for node in graph.nodes() {
        let spec = info.get(node.class());
        if !spec.map_or_else(|| !read.contains(node.id()), |spec| spec.output_node) {
            continue;
        }
        match hidden_by(&node, spec) {
            Some(hidden) => all.push(hidden),
            None if node.class() != "PreviewAny"
                && media(&node, spec).is_none()
                && spec.is_none_or(may_take_pictures) =>
            {
                return Vec::new();
            }
            None => {}
        }
    }
    all
}

fn hidden_by(node: &Node<'_>, spec: Option<&NodeSpec>) -> Option<Hidden> {
    /// Most options that are named.
    const NAMED: usize = 6;
    let (input, value) = node.inputs().find_map(|(name, value)| match value {
        InputValue::Literal(value) if chooses_output(name) && hides(value) => Some((name, value)),
        _ => None,
    })?;
    let kind = spec.and_then(|spec| Some(&spec.input(node, input)?.kind));
    let options = match (kind, value) {
        (Some(InputKind::Choice { options, .. }), _) => options
            .iter()
            .filter(|option| !hides(option))
            .take(NAMED)
            .map(|option| Foreign(&preview(option)).to_string())
            .collect(),
        (_, Value::Bool(_)) => vec!["true".to_owned()],
        _ => Vec::new(),
    };
    Some(Hidden {
        node: node.id().into(),
        title: node.title().to_owned(),
        class: node.class().to_owned(),
        input: input.to_owned(),
        value: Foreign(&preview(value)).to_string(),
        options,
    })
}

/// Names of inputs that say whether a node saves or shows its picture.
fn chooses_output(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(
        name.as_str(),
        "image_output" | "output_image" | "output_mode" | "show_image" | "show_preview" | "image_preview"
    ) || name == "save"
        || name == "preview"
        || ["save_image", "save_output", "preview_image"]
            .iter()
            .any(|stem| name.starts_with(stem))
}

/// Whether a choice says that a picture is neither saved nor shown.
fn hides(value: &Value) -> bool {
    match value {
        Value::Bool(shown) => !shown,
        Value::String(words) => {
            let words = words.trim().to_lowercase();
            [
                "hide", "hidden", "none", "off", "no", "false", "disable", "disabled", "never", "nothing",
            ]
            .contains(&words.as_str())
        }
        _ => false,
    }
}

/// The nodes whose outputs another node reads.
fn read(graph: &Graph) -> HashSet<&str> {
    let inputs = graph.nodes().flat_map(|node| node.inputs());
    let links = inputs.filter_map(|(_, value)| match value {
        InputValue::Link { node, .. } => Some(node),
        _ => None,
    });
    links.collect()
}

/// What an output node makes that is no picture.
fn media(node: &Node<'_>, spec: Option<&NodeSpec>) -> Option<Media> {
    let class = node.class().to_ascii_lowercase();
    if class == "saveimagewebsocket" {
        return Some(Media::NotKept);
    }
    let takes = |kind: &str| spec.is_some_and(|spec| spec.inputs.iter().any(|input| input.is_wire(kind)));
    // An animated WebP, PNG or GIF is a picture: its first frame.
    if takes("VIDEO") || ["video", "webm", "mp4"].iter().any(|word| class.contains(word)) {
        return Some(Media::Video);
    }
    if !takes("IMAGE") && (takes("AUDIO") || class.contains("audio")) {
        return Some(Media::Audio);
    }
    if !takes("IMAGE") && (takes("MESH") || ["glb", "3d"].iter().any(|word| class.contains(word))) {
        return Some(Media::Shape);
    }
    let chosen = CHOOSERS.iter().find_map(|input| {
        let format = node.literal(input).and_then(Value::as_str)?;
        // `video/h264-mp4` and the like.
        format.split(['/', '-', ' ', '_', '(', ')']).find_map(Media::of_format)
    });
    let named = || {
        ["avif", "exr", "svg"]
            .into_iter()
            .find(|format| class.ends_with(format))
    };
    chosen.or_else(|| named().map(|format| Media::Format(format.to_ascii_uppercase())))
}

fn may_take_pictures(spec: &NodeSpec) -> bool {
    ["IMAGE", "*"]
        .iter()
        .any(|kind| spec.inputs.iter().any(|input| input.is_wire(kind)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Definitions of output nodes that take one wire of a type each.
    fn info(classes: &[(&str, &str)]) -> ObjectInfo {
        let all: serde_json::Map<String, Value> = classes
            .iter()
            .map(|(class, kind)| {
                let input = json!({"required": {"it": [kind, {}]}});
                (
                    (*class).to_owned(),
                    json!({"input": input, "output": [], "output_node": true}),
                )
            })
            .collect();
        ObjectInfo::from_json(&Value::Object(all))
    }

    fn graph(nodes: Value) -> Graph {
        Graph::from_json(nodes).unwrap()
    }

    #[test]
    fn what_output_nodes_make_is_known_by_their_classes_and_their_format() {
        let info = info(&[
            ("SaveVideo", "VIDEO"),
            ("VHS_VideoCombine", "IMAGE"),
            ("SaveWEBM", "IMAGE"),
            ("SaveAudioMP3", "AUDIO"),
            ("SaveGLB", "MESH"),
            ("ImageSavePlus", "IMAGE"),
            ("SaveEXR", "IMAGE"),
            ("SaveImageWebsocket", "IMAGE"),
            ("SaveImage", "IMAGE"),
            ("SaveAnimatedWEBP", "IMAGE"),
        ]);
        let made = |class: &str, format: &str| {
            let nodes = json!({"9": {"class_type": class, "inputs": {"it": ["1", 0], "format": format}, "_meta": {"title": "End"}}});
            let outputs = look(&graph(nodes), &info);
            assert_ne!(outputs.pictures, !outputs.without.is_empty(), "{class}");
            outputs.without.into_iter().next().map(|other| other.media)
        };
        for (class, format, expected) in [
            ("SaveVideo", "auto", Some(Media::Video)),
            ("VHS_VideoCombine", "image/gif", Some(Media::Video)),
            ("SaveWEBM", "", Some(Media::Video)),
            ("SaveAudioMP3", "", Some(Media::Audio)),
            ("SaveGLB", "", Some(Media::Shape)),
            ("ImageSavePlus", "avif", Some(Media::Format("AVIF".to_owned()))),
            ("ImageSavePlus", "video/h264-mp4", Some(Media::Video)),
            ("ImageSavePlus", "png", None),
            ("SaveEXR", "", Some(Media::Format("EXR".to_owned()))),
            ("SaveImageWebsocket", "", Some(Media::NotKept)),
            ("SaveImage", "", None),
            ("SaveAnimatedWEBP", "", None),
        ] {
            assert_eq!(made(class, format), expected, "{class} {format}");
        }
    }

    #[test]
    fn a_class_that_nobody_described_may_save_pictures() {
        let outputs = look(
            &graph(
                json!({"1": {"class_type": "Mine", "inputs": {}}, "2": {"class_type": "MySaver", "inputs": {"images": ["1", 0]}}}),
            ),
            &ObjectInfo::default(),
        );
        assert!(outputs.pictures && outputs.without.is_empty(), "{outputs:?}");
    }

    #[test]
    fn a_node_that_hides_its_own_picture_is_told_with_the_choice_that_shows_it() {
        let sampler = json!({"Pipe Sampler": {"output": ["PIPE", "IMAGE"], "output_node": true, "input": {"required": {
            "pipe": ["PIPE"], "image_output": [["Hide", "Preview", "Save"]], "save_prefix": ["STRING", {}]}}}});
        let with = |class: &str, inputs: Value, info: &ObjectInfo| {
            let nodes = json!({"5": {"class_type": class, "inputs": inputs, "_meta": {"title": "Sampler (pipe)"}}});
            let found = hidden(&graph(nodes), info);
            found.first().map(|hidden| (hidden.in_words(), hidden.remedy()))
        };
        let described = ObjectInfo::from_json(&sampler);
        let pipe = |output: &str| json!({"pipe": ["4", 0], "image_output": output, "save_prefix": "none"});
        let (told, remedy) = with("Pipe Sampler", pipe("Hide"), &described).unwrap();
        assert_eq!(told, "its image_output is \"Hide\", so it shows no picture");
        assert_eq!(remedy, "Set the knob 5.image_output to \"Preview\" or \"Save\".");
        assert_eq!(with("Pipe Sampler", pipe("Save"), &described), None);
        let (_, remedy) = with("Pipe Sampler", pipe("hide"), &ObjectInfo::default()).unwrap();
        assert_eq!(
            remedy,
            "Set the knob 5.image_output to what saves or shows the picture."
        );
        let (told, remedy) = with(
            "Mine",
            json!({"images": ["4", 0], "save_output": false}),
            &ObjectInfo::default(),
        )
        .unwrap();
        assert!(
            told.contains("save_output") && remedy.ends_with("to true."),
            "{told} {remedy}"
        );
        assert_eq!(
            with(
                "Mine",
                json!({"images": ["4", 0], "preview_method": "none"}),
                &ObjectInfo::default()
            ),
            None
        );

        // Another node shows the picture: nothing is said.
        let pipe = |more: Value| {
            let mut nodes = json!({"5": {"class_type": "Pipe Sampler", "inputs": pipe("Hide")}});
            nodes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            crate::lint::endings(&graph(nodes), &described)
        };
        let told = pipe(json!({}));
        assert!(told.len() == 1 && told[0].message.contains("image_output"), "{told:?}");
        assert!(!crate::lint::is_fatal(&told));
        assert_eq!(
            pipe(json!({"9": {"class_type": "My Saver", "inputs": {"images": ["5", 1]}}})),
            vec![]
        );
    }

    #[test]
    fn files_are_known_by_their_names() {
        for (name, expected) in [
            ("a.MP4", Some(Media::Video)),
            ("a.b.flac", Some(Media::Audio)),
            ("a.avif", Some(Media::Format("AVIF".to_owned()))),
            ("a_00001_.png", None),
            ("noname", None),
        ] {
            assert_eq!(Media::of_file(name), expected, "{name}");
        }
    }
}
