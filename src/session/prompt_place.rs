//! Where the prompt of an iteration stands, after knobs were written that may have turned a switch. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::inject::Located;
use super::question;
use comfyui::graph::Graph;
use comfyui::inject::{Place, Role, Roles, cut_off, find};
use comfyui::knobs::{Applied, Edits};
use comfyui::object_info::ObjectInfo;
use text::{Foreign, capitalised, shortened};

/// A text of the workflow that steers the sampler beside the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextBeside {
    /// Where it stands, as `node.input`.
    pub place: String,
    /// The text.
    pub text: String,
}

/// The texts that steer a graph's samplers beside the prompt, as far as the names of nodes and inputs tell.
pub(super) fn texts_beside(graph: Value, choices: &BTreeMap<String, String>) -> Vec<TextBeside> {
    let Ok(graph) = Graph::from_json(graph) else {
        return Vec::new();
    };
    let mut roles = find(&graph, &ObjectInfo::default());
    // An answer that names nothing by names alone leaves a question, beside which nothing stands.
    if question::choose_roles(&mut roles, &graph, choices).is_err() {
        return Vec::new();
    }
    let texts = roles.beside(Role::Positive).into_iter();
    texts
        .filter_map(|place| {
            Some(TextBeside {
                place: place.key(),
                text: place.value.as_str()?.to_owned(),
            })
        })
        .collect()
}

/// What became of the place of the prompt.
pub(super) struct PromptPlace {
    /// Why it does not reach the sampler, where that is known.
    pub cut_off: Option<String>,
    /// Whether that, or the place itself, is by the knobs that were written.
    pub moved: bool,
    /// Whether the texts beside it are others than before.
    pub others_beside: bool,
}

impl PromptPlace {
    /// Compares the graph that was written into with what it was before.
    pub fn of(located: &Located, applied: &Applied) -> Self {
        let role = Role::Positive;
        let keys = |places: &[Place]| places.iter().map(Place::key).collect::<Vec<_>>();
        let beside = |roles: &Roles| roles.beside(role).into_iter().map(Place::key).collect::<Vec<_>>();
        let cut = cut_off(&applied.graph, &located.info, &applied.roles, role);
        let (before, after) = (located.roles.get(role).found(), applied.roles.get(role).found());
        Self {
            moved: match &cut {
                Some(_) => cut_off(&located.graph, &located.info, &located.roles, role).is_none(),
                None => !before.is_empty() && !after.is_empty() && keys(before) != keys(after),
            },
            cut_off: cut,
            others_beside: beside(&located.roles) != beside(&applied.roles),
        }
    }

    /// That the prompt does not arrive, or is another one than before by the knobs.
    pub fn told(&self, roles: &Roles, edits: &Edits) -> Option<String> {
        if let Some(cut_off) = &self.cut_off {
            return Some(format!(
                "{}. Set that switch as a knob, or name another place with place: {{\"positive\": \"NODE.INPUT\"}}.",
                capitalised(cut_off)
            ));
        }
        let place = roles.get(Role::Positive).found().first()?;
        let text = shortened(place.value.as_str()?, 60);
        (self.moved && edits.positive.is_none()).then(|| {
            format!(
                "With these knobs the sampler takes its prompt from {} ({}); `positive` writes there.",
                place.key(),
                Foreign(&text)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use comfyui::inject::pictures;
    use comfyui::knobs::apply;

    #[test]
    fn what_the_graph_adds_to_a_part_of_a_text_is_told() {
        let graph = json!({
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
            "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "5": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 3, "steps": 4, "cfg": 7.0, "sampler_name": "euler",
                "scheduler": "normal", "denoise": 1.0, "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}},
            "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
            "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
            "8": {"class_type": "StringConcatenate", "inputs": {"string_a": "a star", "string_b": "plain, grey", "delimiter": ", "}},
        });
        let chosen = |place: &str| BTreeMap::from([("positive".to_owned(), place.to_owned())]);
        let beside = texts_beside(graph.clone(), &chosen("8.string_a"));
        let expected = TextBeside {
            place: "8.string_b".to_owned(),
            text: "plain, grey".to_owned(),
        };
        assert_eq!(beside, [expected]);
        assert_eq!(texts_beside(graph.clone(), &chosen("9.gone")), []);
        assert_eq!(texts_beside(graph, &BTreeMap::new()), []);
    }

    /// A sampler whose text comes through a switch between nodes 9 and 10, with some answer.
    fn behind_a_switch(answer: Option<&str>) -> Located {
        let graph = json!({
            "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
            "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
            "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["1", 1]}},
            "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
            "5": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": 3, "steps": 4, "cfg": 7.0, "sampler_name": "euler",
                "scheduler": "normal", "denoise": 1.0, "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0]}},
            "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
            "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "x"}},
            "8": {"class_type": "ComfySwitchNode", "inputs": {"switch": false, "on_false": ["9", 0], "on_true": ["10", 0]}},
            "9": {"class_type": "PrimitiveString", "inputs": {"value": "by day"}},
            "10": {"class_type": "PrimitiveString", "inputs": {"value": "by night"}},
        });
        let (graph, info) = (Graph::from_json(graph).unwrap(), ObjectInfo::default());
        let mut roles = find(&graph, &info);
        if let Some(place) = answer {
            roles.choose(&graph, Role::Positive, &[place]).unwrap();
        }
        Located {
            pictures: pictures(&graph, &info, &roles),
            graph: Arc::new(graph),
            roles,
            info,
            described: false,
            replaced: Vec::new(),
            instead: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn turned(located: &Located) -> (PromptPlace, Applied, Edits) {
        let edits = Edits {
            knobs: serde_json::Map::from_iter([("8.switch".to_owned(), json!(true))]),
            ..Edits::default()
        };
        let applied = apply(&located.graph, &located.roles, &located.info, &edits).unwrap();
        (PromptPlace::of(located, &applied), applied, edits)
    }

    #[test]
    fn a_knob_that_cuts_the_chosen_place_off_is_a_question() {
        let (prompt, applied, _) = turned(&behind_a_switch(Some("9.value")));
        let cut_off = prompt.cut_off.filter(|_| prompt.moved).unwrap();
        let question = question::after_cutting_off(&applied.roles, &cut_off).unwrap();
        assert_eq!(question.candidates.len(), 1);
        assert_eq!(question.candidates[0].key, "10.value");
        assert!(
            question.why.contains("9.value") && question.why.contains("by 8.switch (now true)"),
            "{}",
            question.why
        );
        assert!(!question.several);

        // Who had chosen that before turns nothing off.
        let located = behind_a_switch(Some("10.value"));
        let unchanged = apply(&located.graph, &located.roles, &located.info, &Edits::default()).unwrap();
        let prompt = PromptPlace::of(&located, &unchanged);
        assert!(prompt.cut_off.is_some() && !prompt.moved);
        let told = prompt.told(&unchanged.roles, &Edits::default()).unwrap();
        assert!(
            told.starts_with("The positive prompt at 10.value does not reach the sampler"),
            "{told}"
        );
    }

    #[test]
    fn a_knob_that_brings_another_text_in_is_told() {
        let (prompt, applied, edits) = turned(&behind_a_switch(None));
        assert!(prompt.moved && prompt.cut_off.is_none());
        let told = prompt.told(&applied.roles, &edits).unwrap();
        assert!(told.contains("takes its prompt from 10.value (\"by night\")"), "{told}");
        let written = Edits {
            positive: Some("a star".to_owned()),
            ..edits
        };
        assert_eq!(prompt.told(&applied.roles, &written), None);
    }
}
