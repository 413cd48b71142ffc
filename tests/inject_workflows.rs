//! Finds the prompt in real workflows. The expectations were labelled by reading the graphs, not by running the finder.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use prompt_calibrator::comfy::graph::Graph;
use prompt_calibrator::comfy::inject::{Finding, Role, find, prove, report};
use prompt_calibrator::comfy::knobs::{Edits, InjectError, apply, with_seed};
use prompt_calibrator::comfy::lint;
use prompt_calibrator::comfy::object_info::ObjectInfo;

/// What a person finds in a graph.
#[derive(Debug, PartialEq)]
enum Label {
    At(&'static str),
    Ask(&'static [&'static str]),
    Zeroed,
    None,
}
use Label::{Ask, At, Zeroed};

/// Workflow, positive, negative, seed.
const LABELS: [(&str, Label, Label, Label); 25] = [
    ("flux_depth_lora_example", At("150:23.text"), Zeroed, At("150:3.seed")),
    (
        "flux_dev_checkpoint_example",
        At("56:51.text"),
        Zeroed,
        At("56:52.seed"),
    ),
    ("flux_fill_inpaint_example", At("47:23.text"), Zeroed, At("47:3.seed")),
    (
        "flux_redux_model_example",
        At("6.text"),
        Label::None,
        At("25.noise_seed"),
    ),
    ("flux_schnell", At("6.text"), At("33.text"), At("31.seed")),
    (
        "flux_schnell_full_text_to_image",
        Ask(&["41.clip_l", "41.t5xxl"]),
        Zeroed,
        At("31.seed"),
    ),
    ("hidream_e1_1", At("6.text"), At("7.text"), At("47.noise_seed")),
    ("hidream_i1_full", At("91.text"), At("85.text"), At("93.seed")),
    (
        "image_anima_base_v1",
        At("90:77.text"),
        At("90:75.text"),
        At("90:76.seed"),
    ),
    (
        "image_boogu_image_0_1_edit",
        At("45:36.prompt"),
        At("45:36.negative_prompt"),
        At("45:21.noise_seed"),
    ),
    (
        "image_chroma_text_to_image",
        At("748.text"),
        At("749.text"),
        At("718.noise_seed"),
    ),
    (
        "image_flux2_klein_9b_kv_image_edit",
        At("135.text"),
        Zeroed,
        At("125.noise_seed"),
    ),
    (
        "image_flux2_text_to_image",
        At("98:6.text"),
        Label::None,
        At("98:25.noise_seed"),
    ),
    (
        "image_hidream_o1",
        At("171.value"),
        At("188.text"),
        At("108.noise_seed"),
    ),
    (
        "image_krea2_turbo_int8_image_style_reference",
        At("30:19.value"),
        Zeroed,
        At("30:63.noise_seed"),
    ),
    (
        "image_mage_flow_turbo_t2i_int8",
        At("12:5.prompt"),
        At("12:5.negative_prompt"),
        At("12:6.seed"),
    ),
    (
        "image_ming_image_01_design_t2i",
        Ask(&["80:77.value", "80:45.value"]),
        Label::None,
        At("80:26.noise_seed"),
    ),
    (
        "image_omnigen2_t2i",
        At("42:6.text"),
        At("42:7.text"),
        At("42:21.noise_seed"),
    ),
    (
        "image_qwen_Image_2512_controlnet",
        At("86:81.text"),
        At("86:7.text"),
        At("86:3.seed"),
    ),
    (
        "image_qwen_image_edit_2511",
        At("170:151.prompt"),
        At("170:149.prompt"),
        At("170:169.seed"),
    ),
    ("image_sdxl_simple", At("10.text"), At("11.text"), At("12.seed")),
    ("image_z_image", At("76:67.text"), At("76:71.text"), At("76:69.seed")),
    ("image_z_image_turbo_int8", At("57:27.text"), Zeroed, At("57:3.seed")),
    ("sd3.5_large_blur", At("6.text"), Zeroed, At("3.seed")),
    (
        "template_sugar_coated_gummy_style_qwen",
        Ask(&["76:80.string_a", "76:80.string_b"]),
        At("76:7.text"),
        At("76:3.seed"),
    ),
];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn workflow(name: &str) -> Graph {
    let path = fixtures().join("workflows").join(format!("{name}.json"));
    Graph::parse(&fs::read(&path).unwrap()).unwrap()
}

fn definitions() -> ObjectInfo {
    let text = fs::read(fixtures().join("object_info.json")).unwrap();
    ObjectInfo::from_json(&serde_json::from_slice(&text).unwrap())
}

fn matches(finding: &Finding, label: &Label) -> bool {
    let keys: Vec<String> = finding.places().iter().map(|place| place.key()).collect();
    match (finding, label) {
        (Finding::Found { .. }, At(key)) => keys == [*key],
        (Finding::Candidates { .. }, Ask(wanted)) => keys == *wanted,
        (Finding::Zeroed, Zeroed) | (Finding::Absent, Label::None) => true,
        _ => false,
    }
}

fn check_labels(info: &ObjectInfo) {
    let mut wrong = Vec::new();
    for (name, positive, negative, seed) in &LABELS {
        let roles = find(&workflow(name), info);
        for (role, label) in [
            (Role::Positive, positive),
            (Role::Negative, negative),
            (Role::Seed, seed),
        ] {
            if !matches(roles.get(role), label) {
                wrong.push(format!("{name} {role}: wanted {label:?}, got {:?}", roles.get(role)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_label_is_met() {
    check_labels(&definitions());
}

#[test]
fn every_label_is_met_without_any_definitions() {
    check_labels(&ObjectInfo::default());
}

#[test]
fn every_workflow_file_is_labelled() {
    let mut files: Vec<String> = fs::read_dir(fixtures().join("workflows"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let labelled: Vec<&str> = LABELS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(files, labelled);
}

#[test]
fn what_is_injected_is_proven_and_nothing_else_changes() {
    let info = definitions();
    for (name, positive, negative, _) in &LABELS {
        let graph = workflow(name);
        let roles = find(&graph, &info);
        let has_negative = matches!(negative, At(_));
        let edits = Edits {
            positive: Some("a red fox".to_owned()),
            negative: has_negative.then(|| "blurry".to_owned()),
            seed: Some(u64::MAX),
            ..Edits::default()
        };
        let applied = match (positive, apply(&graph, &roles, &info, &edits)) {
            (At(_), applied) => applied.unwrap_or_else(|error| panic!("{name}: {error}")),
            (_, refused) => {
                assert!(
                    matches!(
                        refused,
                        Err(InjectError::Question {
                            role: Role::Positive,
                            ..
                        })
                    ),
                    "{name}"
                );
                continue;
            }
        };
        let changed: Vec<String> = applied
            .changes
            .iter()
            .map(|c| format!("{}.{}", c.node, c.input))
            .collect();
        assert_eq!(changed.len(), 2 + usize::from(has_negative), "{name}: {changed:?}");
        let proof = prove(&applied.graph, &applied.graph.to_json(), "a red fox", &applied.roles);
        assert!(proof.is_ok(), "{name}: {proof:?}");
        assert!(
            prove(&applied.graph, &graph.to_json(), "a red fox", &applied.roles).is_err(),
            "{name}"
        );

        let restored = Edits {
            positive: applied.changes[0].from.as_str().map(str::to_owned),
            negative: has_negative.then(|| applied.changes[1].from.as_str().unwrap().to_owned()),
            seed: applied.changes.last().unwrap().from.as_u64(),
            ..Edits::default()
        };
        let back = apply(&applied.graph, &applied.roles, &info, &restored).unwrap();
        assert_eq!(back.graph, graph, "{name}: undoing the edits gives the workflow back");
    }
}

#[test]
fn seeds_differ_only_in_the_seed() {
    let info = definitions();
    let graph = workflow("image_sdxl_simple");
    let roles = find(&graph, &info);
    let one = with_seed(&graph, &roles, 9_007_199_254_740_993).unwrap();
    assert!(
        one.to_json().to_string().contains("\"seed\":9007199254740993"),
        "not rounded to a float"
    );
    assert_ne!(one.hash(), graph.hash());
    assert_eq!(with_seed(&one, &roles, 812_045_847_300_606).unwrap(), graph);
}

#[test]
fn the_shipped_workflows_are_sound_but_for_missing_models() {
    let info = definitions();
    for (name, ..) in &LABELS {
        let others: Vec<_> = lint::check(&workflow(name), &info)
            .into_iter()
            .filter(|problem| problem.kind != lint::ProblemKind::BadValue)
            .collect();
        assert!(others.is_empty(), "{name}: {others:?}");
    }
}

#[test]
fn a_turned_switch_moves_the_question() {
    let info = definitions();
    let graph = workflow("image_ming_image_01_design_t2i");
    let roles = find(&graph, &info);
    let mut edits = Edits {
        positive: Some("a fox".to_owned()),
        ..Edits::default()
    };
    let error = apply(&graph, &roles, &info, &edits).unwrap_err();
    assert!(
        error.to_string().contains("80:43 'Generate Text' changes the text"),
        "{error}"
    );

    edits.knobs.insert("80:76.switch".to_owned(), false.into());
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    let keys: Vec<String> = applied
        .changes
        .iter()
        .map(|c| format!("{}.{}", c.node, c.input))
        .collect();
    assert_eq!(keys, ["80:76.switch", "80:77.value"]);
}

#[test]
fn a_question_is_settled_by_choosing() {
    let info = definitions();
    let graph = workflow("flux_schnell_full_text_to_image");
    let mut roles = find(&graph, &info);
    roles.choose(&graph, Role::Positive, &["41"]).unwrap();
    let edits = Edits {
        positive: Some("a fox".to_owned()),
        ..Edits::default()
    };
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    assert_eq!(applied.changes.len(), 2, "both texts of the encoder");

    roles.choose(&graph, Role::Positive, &["41.t5xxl"]).unwrap();
    let applied = apply(&graph, &roles, &info, &edits).unwrap();
    assert_eq!(applied.changes.len(), 1);
    let place = &report(&applied.graph, &applied.roles)["roles"]["positive"];
    assert_eq!(
        (&place["input"], &place["value"], &place["found_by"]),
        (&"t5xxl".into(), &"a fox".into(), &"chosen".into())
    );
}
