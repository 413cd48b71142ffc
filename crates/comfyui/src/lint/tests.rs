use serde_json::{Value, json};

use super::*;

fn info() -> ObjectInfo {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/object_info.json");
    ObjectInfo::from_json(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).complete()
}

/// The good graph of transcript 05, with further nodes.
fn good_and(extra: &Value) -> Graph {
    let mut graph = json!({
        "1": {"class_type": "EmptyImage", "inputs": {"width": 32, "height": 32, "batch_size": 1, "color": 8_160_205}},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    });
    graph
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    Graph::from_json(graph).unwrap()
}

fn found(graph: &Graph) -> Vec<(ProblemKind, Severity)> {
    check(graph, &info())
        .into_iter()
        .map(|problem| (problem.kind, problem.severity))
        .collect()
}

#[test]
fn the_good_graph_is_good() {
    assert_eq!(found(&good_and(&json!({}))), []);
    assert!(check(&good_and(&json!({})), &ObjectInfo::default()).is_empty());
}

#[test]
fn what_stands_for_a_secret_is_not_posted_for_one() {
    let masked =
        json!({"3": {"class_type": "Llm", "inputs": {"api_key": text::secrets::MASK, "text": "[masked], a mask"}}});
    let problems = check(&good_and(&masked), &ObjectInfo::default());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        (problems[0].input.as_deref(), problems[0].severity),
        (Some("api_key"), Severity::Fatal)
    );
}

#[test]
fn a_node_without_inputs_is_fatal_even_beside_the_output() {
    let graph = good_and(&json!({"3": {"class_type": "ImageInvert"}}));
    let problems = check(&graph, &info());
    assert_eq!(
        (problems[0].kind, problems[0].severity),
        (ProblemKind::NoInputs, Severity::Fatal)
    );
    assert!(
        problems[0].to_string().contains("kills ComfyUI's worker"),
        "{}",
        problems[0]
    );
    assert!(
        is_fatal(&check(&graph, &ObjectInfo::default())),
        "known without any definitions"
    );
}

#[test]
fn faults_the_server_ignores_are_warnings() {
    let dangling = json!({"3": {"class_type": "ImageInvert", "inputs": {"image": ["99", 0]}}});
    assert_eq!(
        found(&good_and(&dangling)),
        [(ProblemKind::DanglingLink, Severity::Warning)]
    );
    let cycle = json!({
        "3": {"class_type": "ImageInvert", "inputs": {"image": ["4", 0]}},
        "4": {"class_type": "ImageInvert", "inputs": {"image": ["3", 0]}},
    });
    assert_eq!(found(&good_and(&cycle)), [(ProblemKind::Cycle, Severity::Warning)]);
}

#[test]
fn faults_in_front_of_an_output_are_fatal() {
    let with = |input: Value| {
        good_and(&json!({
            "3": {"class_type": "ImageInvert", "inputs": {"image": input}},
            "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
        }))
    };
    assert_eq!(
        found(&with(json!(["99", 0]))),
        [(ProblemKind::DanglingLink, Severity::Fatal)]
    );
    assert_eq!(
        found(&with(json!(["1", 7]))),
        [(ProblemKind::NoSuchOutput, Severity::Fatal)]
    );
    assert_eq!(
        found(&with(json!(["1", 0, 5]))),
        [(ProblemKind::BadLink, Severity::Fatal)]
    );
    assert_eq!(found(&with(json!([1, 0]))), [(ProblemKind::BadLink, Severity::Fatal)]);
    assert_eq!(found(&with(json!(["3", 0]))), [(ProblemKind::Cycle, Severity::Fatal)]);
    let mask = good_and(&json!({
        "3": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 1]}},
    }));
    assert_eq!(found(&mask), [(ProblemKind::TypeMismatch, Severity::Fatal)]);
}

#[test]
fn values_and_classes_are_held_against_the_definitions() {
    let change = |key: &str, value: Value| {
        let mut graph = good_and(&json!({}));
        graph.set_input("1", key, value);
        found(&graph)
    };
    assert_eq!(change("width", json!(0)), [(ProblemKind::BadValue, Severity::Fatal)]);
    assert_eq!(
        change("width", json!("wide")),
        [(ProblemKind::BadValue, Severity::Fatal)]
    );
    assert_eq!(
        change("width", json!("64")),
        [(ProblemKind::BadValue, Severity::Warning)],
        "the server converts it"
    );
    assert_eq!(
        change("unheard_of", json!(1)),
        [],
        "the server ignores inputs it does not know"
    );
    let unknown = json!({"9": {"class_type": "NoSuchNode", "inputs": {}}});
    assert_eq!(
        found(&good_and(&unknown)),
        [(ProblemKind::UnknownClass, Severity::Fatal)]
    );
    let classless = json!({"9": {"inputs": {}}});
    assert_eq!(found(&good_and(&classless)), [(ProblemKind::NoClass, Severity::Fatal)]);
}

#[test]
fn missing_inputs_and_outputs_are_found() {
    let graph = Graph::from_json(json!({"1": {"class_type": "EmptyImage", "inputs": {"width": 32}}})).unwrap();
    let kinds: Vec<ProblemKind> = check(&graph, &info()).into_iter().map(|problem| problem.kind).collect();
    assert!(
        kinds.contains(&ProblemKind::NoOutput) && kinds.contains(&ProblemKind::MissingInput),
        "{kinds:?}"
    );
    assert!(
        check(&graph, &ObjectInfo::default()).is_empty(),
        "without definitions nobody can tell"
    );
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    let mut nodes = serde_json::Map::new();
    for id in 0..50_000 {
        nodes.insert(
            id.to_string(),
            json!({"class_type": "X", "inputs": {"a": [(id + 1).to_string(), 0]}}),
        );
    }
    let graph = Graph::from_json(Value::Object(nodes)).unwrap();
    let problems = check(&graph, &ObjectInfo::default());
    assert_eq!(problems.len(), 1, "only the last link dangles");
}

#[test]
fn of_many_problems_some_are_told_and_none_that_is_fatal_is_missed() {
    let mut many = json!({});
    for n in 0..5_000 {
        many[format!("d{n}")] =
            json!({"class_type": "LoadImage", "inputs": {"image": format!("missing {n}.png"), "other": [1, 2]}});
        many[format!("u{n}")] = json!({"class_type": "ImageInvert", "inputs": {"image": ["99", 0]}});
    }
    let warned = check(&good_and(&many), &info());
    assert!(
        !is_fatal(&warned) && warned.len() >= MOST_PROBLEMS && warned.len() < 2 * MOST_PROBLEMS,
        "{}",
        warned.len()
    );
    many["last"] = json!({"class_type": "ImageInvert"});
    assert_eq!(check(&good_and(&many), &info())[0].kind, ProblemKind::NoInputs);

    let mut fatal = json!({});
    for n in 0..5_000 {
        fatal[format!("p{n}")] = json!({"class_type": "PreviewImage", "inputs": {"images": ["99", 0]}});
    }
    let told = check(&good_and(&fatal), &info());
    assert!(is_fatal(&told) && told.len() < 2 * MOST_PROBLEMS, "{}", told.len());
}

#[test]
fn many_long_circles_are_told_in_short() {
    let mut nodes = json!({});
    for n in 0..3_000 {
        // On along the row, and back to its beginning.
        nodes[format!("c{n}")] = json!({"class_type": "ImageBlend",
            "inputs": {"image1": [format!("c{}", (n + 1) % 3_000), 0], "image2": ["c0", 0], "blend_factor": 0.5, "blend_mode": "normal"}});
    }
    nodes["2"] = json!({"class_type": "PreviewImage", "inputs": {"images": ["c0", 0]}});
    let problems = check(&good_and(&nodes), &info());
    let circles: Vec<&Problem> = problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::Cycle)
        .collect();
    assert!((1..=16).contains(&circles.len()), "{}", circles.len());
    assert!(
        circles.iter().all(|circle| circle.message.len() < 200),
        "{:?}",
        circles[0]
    );
}

#[test]
fn missing_classes_are_told_together_with_their_nodes_and_each_advice_once() {
    let graph = good_and(&json!({
        "3": {"class_type": "Nowhere", "inputs": {}, "_meta": {"title": "First"}},
        "4": {"class_type": "Nowhere", "inputs": {}},
        "5": {"class_type": "Neither", "inputs": {}, "_meta": {"title": "Second"}},
        "6": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "gone.safetensors"}, "_meta": {"title": "Model"}},
        "7": {"class_type": "PreviewAny", "inputs": {"source": ["6", 0]}},
    }));
    let problems: Vec<Problem> = check(&graph, &info())
        .into_iter()
        .filter(|problem| problem.node.as_ref().is_none_or(|node| node.as_str() != "7"))
        .collect();
    let told = in_words(&problems);
    assert!(
        told.starts_with(
            r#"the server has no node classes "Nowhere" (node 3 "First", node 4), "Neither" (node 5 "Second")"#
        ),
        "{told}"
    );
    assert!(
        told.contains("node 6 \"Model\": ckpt_name is \"gone.safetensors\""),
        "{told}"
    );
    let advice = remedies(&problems);
    assert_eq!(advice.matches("Install the custom node").count(), 1, "{advice}");
}

#[test]
fn a_missing_file_is_told_once_with_all_its_nodes() {
    let lora = |model: &str, name: &str| {
        json!({"class_type": "LoraLoaderModelOnly", "inputs": {"model": [model, 0],
        "lora_name": name, "strength_model": 1.0}})
    };
    let mut nodes = json!({"10": lora("9", "style.safetensors"), "11": lora("10", "style.safetensors"),
        "12": lora("11", "other.safetensors")});
    nodes["10"]["_meta"] = json!({"title": "Style"});
    let problems: Vec<Problem> = check(&good_and(&nodes), &info())
        .into_iter()
        .filter(|problem| problem.kind == ProblemKind::BadValue)
        .collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    let told = in_words(&problems);
    assert!(
        told.starts_with(r#"node 10 "Style", node 11 "LoraLoaderModelOnly": lora_name is "style.safetensors", but"#),
        "{told}"
    );
    assert_eq!(told.matches("style.safetensors").count(), 1, "{told}");
    let notes = notes(&problems);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[1].starts_with("node 12 ") && notes[1].ends_with("install the file it names."),
        "{notes:?}"
    );
    let many: Vec<Problem> = (0..40).map(|_| problems[0].clone()).collect();
    let told = in_words(&many);
    assert!(told.contains("28 more: lora_name is") && told.len() < 600, "{told}");
}

#[test]
fn a_workflow_without_pictures_is_told_before_it_is_posted() {
    let video = ObjectInfo::from_json(&json!({
        "SaveVideo": {"input": {"required": {"video": ["VIDEO", {}]}}, "output": [], "output_node": true},
        "SaveImage": {"input": {"required": {"images": ["IMAGE", {}]}}, "output": [], "output_node": true},
    }));
    let mut nodes =
        json!({"3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0]}, "_meta": {"title": "Clip"}}});
    let alone = pictures(&Graph::from_json(nodes.clone()).unwrap(), &video);
    assert!(is_fatal(&alone));
    assert_eq!(
        in_words(&alone),
        "node 3 \"Clip\": it makes a video, and no other node makes a picture"
    );
    assert!(remedies(&alone).contains("Preview Image"), "{}", remedies(&alone));

    nodes["4"] = json!({"class_type": "SaveImage", "inputs": {"images": ["2", 1]}});
    let beside = pictures(&Graph::from_json(nodes).unwrap(), &video);
    assert_eq!((beside.len(), is_fatal(&beside)), (1, false));
}

#[test]
fn a_choice_of_inputs_that_an_older_export_lacks_is_no_problem() {
    let saved = |inputs: Value| {
        let mut node = json!({"class_type": "SaveVideo", "inputs": {"video": ["4", 0], "filename_prefix": "clip"}});
        node["inputs"]
            .as_object_mut()
            .unwrap()
            .extend(inputs.as_object().unwrap().clone());
        found(&good_and(&json!({
            "4": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 24.0}},
            "5": node,
        })))
    };
    // As ComfyUI wrote it before `codec` hung on `format`; it runs.
    assert_eq!(saved(json!({"format": "auto", "codec": "auto"})), []);
    assert_eq!(saved(json!({"format": "auto", "format.codec": "auto"})), []);
    assert_eq!(saved(json!({})), []);
    // What a choice that was made needs is still asked for.
    let resized = json!({"6": {"class_type": "ResizeImageMaskNode",
        "inputs": {"input": ["1", 0], "resize_type": "scale dimensions", "scale_method": "area"}}});
    let missing: Vec<String> = check(&good_and(&resized), &info())
        .into_iter()
        .filter(|problem| problem.kind == ProblemKind::MissingInput)
        .filter_map(|problem| problem.input)
        .collect();
    assert!(missing.contains(&"resize_type.crop".to_owned()), "{missing:?}");
}

#[test]
fn unknown_classes_are_told_of_alone() {
    let graph = good_and(
        &json!({"3": {"class_type": "Nowhere", "inputs": {}}, "4": {"class_type": "EmptyImage", "inputs": {"width": -1}}}),
    );
    let told = notes(&unknown_classes(&graph, &info()));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("the server has no node class \"Nowhere\" (node 3)"),
        "{told:?}"
    );
    assert!(
        unknown_classes(&graph, &ObjectInfo::default()).is_empty(),
        "nobody was asked"
    );
}
