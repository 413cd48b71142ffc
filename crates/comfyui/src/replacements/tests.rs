use serde_json::json;

use super::*;

/// A server with these classes, that was asked for the old ones.
fn server() -> ObjectInfo {
    let node = |inputs: Value, outputs: Value| json!({"input": {"required": inputs}, "output": outputs});
    let mut info = ObjectInfo::from_json(&json!({
        "CLIPTextEncode": node(json!({"text": ["STRING", {}], "clip": ["CLIP", {}]}), json!(["CONDITIONING"])),
        "Resize": node(json!({"input": ["IMAGE", {}], "mode": [["by", "to"], {}], "mode.factor": ["FLOAT", {}]}), json!(["IMAGE"])),
        "TwoOut": node(json!({}), json!(["MASK", "IMAGE"])),
        "SaveImage": node(json!({"images": ["IMAGE", {}]}), json!([])),
        "Kept": node(json!({}), json!([])),
    }));
    for class in ["OldEncode", "OldResize", "OneOut", "OldSave", "Gone", "Renamed "] {
        info.learn(class, &json!({}));
    }
    info
}

fn replacements() -> Replacements {
    Replacements::from_json(&json!({
        "OldEncode": [{"new_node_id": "CLIPTextEncode", "old_node_id": "OldEncode", "old_widget_ids": null,
            "input_mapping": [{"new_id": "text", "old_id": "prompt"}, {"new_id": "clip", "old_id": "clip"}], "output_mapping": null},
            {"new_node_id": "Kept", "input_mapping": null, "output_mapping": null}],
        "OldResize": [{"new_node_id": "Resize", "input_mapping": [
            {"new_id": "input", "old_id": "image"}, {"new_id": "mode", "set_value": "by"},
            {"new_id": "mode.factor", "old_id": "scale"}], "output_mapping": [{"old_idx": 0, "new_idx": 0}]}],
        "OneOut": [{"new_node_id": "TwoOut", "input_mapping": null, "output_mapping": [{"old_idx": 0, "new_idx": 1}]}],
        "OldSave": [{"new_node_id": "SaveImage", "input_mapping": [{"new_id": "images", "old_id": "pics"}], "output_mapping": null}],
        "Gone": [{"new_node_id": "GoneAsWell", "input_mapping": null, "output_mapping": null}],
        "Kept": [{"new_node_id": "TwoOut", "input_mapping": null, "output_mapping": null}],
        "Renamed ": [{"new_node_id": "Kept", "input_mapping": null, "output_mapping": null}],
        "Torn": [{"old_node_id": "Torn"}], "Empty": [], "Odd": 5,
    }))
}

fn applied(graph: Value) -> (Value, Vec<Replaced>) {
    let graph = Arc::new(Graph::from_json(graph).unwrap());
    let (graph, replaced) = replacements().apply(graph, &server());
    (graph.to_json(), replaced)
}

#[test]
fn inputs_are_renamed_set_and_left_out_as_the_mapping_says() {
    let (graph, replaced) = applied(json!({
        "1": {"class_type": "OldEncode", "inputs": {"clip": ["9", 1], "prompt": "a fox", "weight": 2}, "_meta": {"title": "Prompt"}},
        "2": {"class_type": "OldResize", "inputs": {"image": ["3", 0]}},
    }));
    let expected = json!({
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "a fox", "clip": ["9", 1]}, "_meta": {"title": "Prompt"}},
        // ComfyUI fails where a mapped input is absent.
        "2": {"class_type": "Resize", "inputs": {"input": ["3", 0], "mode": "by"}},
    });
    assert_eq!(graph, expected);
    assert_eq!(
        in_words(&replaced),
        [
            "ComfyUI does not have \"OldEncode\" and runs CLIPTextEncode in its place, with that class's inputs: node 1 (Prompt).",
            "ComfyUI does not have \"OldResize\" and runs Resize in its place, with that class's inputs: node 2 (OldResize).",
        ]
    );
}

#[test]
fn wires_from_a_replaced_node_go_to_its_new_output_also_into_replaced_nodes() {
    let (graph, replaced) = applied(json!({
        "1": {"class_type": "OneOut", "inputs": {"same": 5}},
        "2": {"class_type": "OldSave", "inputs": {"pics": ["1", 0], "list": ["1", 0, 0]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "other": ["1", 7], "text": "1"}},
    }));
    let expected = json!({
        "1": {"class_type": "TwoOut", "inputs": {"same": 5}},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 1]}},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 1], "other": ["1", 7], "text": "1"}},
    });
    assert_eq!(graph, expected);
    assert_eq!(replaced.len(), 2);
}

#[test]
fn what_the_server_has_and_what_it_lacks_in_both_forms_stays() {
    let graph = json!({
        "1": {"class_type": "Kept", "inputs": {}},
        "2": {"class_type": "Gone", "inputs": {"a": 1}},
        "3": {"class_type": "Torn", "inputs": {}},
        "4": {"class_type": "NeverAskedFor", "inputs": {}},
        "5": {"class_type": "OldSave"},
    });
    let (after, replaced) = applied(graph.clone());
    assert_eq!((after, replaced), (graph, vec![]));
    assert_eq!(replacements().of("Torn"), None);
    assert_eq!(replacements().of("Gone"), Some("GoneAsWell"));
    for odd in [json!([]), json!(null), json!({"A": {"0": {}}})] {
        assert_eq!(Replacements::from_json(&odd).of("A"), None);
    }
}

#[test]
fn a_class_that_was_only_renamed_keeps_its_inputs() {
    let (graph, replaced) =
        applied(json!({"1": {"class_type": "Renamed ", "inputs": {"strength": 0.9, "to": ["2", 0]}}}));
    assert_eq!(
        graph["1"],
        json!({"class_type": "Kept", "inputs": {"strength": 0.9, "to": ["2", 0]}})
    );
    assert_eq!(
        (replaced[0].class.as_str(), replaced[0].by.as_str()),
        ("Renamed ", "Kept")
    );
}

#[test]
fn many_replaced_nodes_are_told_in_short() {
    let nodes: Map<String, Value> = (0..5_000)
        .map(|n| {
            (
                n.to_string(),
                json!({"class_type": "OldSave", "inputs": {"pics": ["0", 0]}}),
            )
        })
        .collect();
    let (_, replaced) = applied(Value::Object(nodes));
    assert_eq!(replaced.len(), 5_000);
    let [sentence] = &in_words(&replaced)[..] else {
        panic!("one class, one sentence")
    };
    assert!(sentence.contains("nodes 0 (OldSave), 1 (OldSave)"), "{sentence}");
    assert!(sentence.ends_with("7 (OldSave), 4992 more."), "{sentence}");
}

#[test]
fn old_names_of_inputs_and_classes_are_understood() {
    let graph = json!({
        "1": {"class_type": "OldEncode", "inputs": {"clip": ["9", 1], "prompt": "a fox"}, "_meta": {"title": "Old encoder"}},
        "2": {"class_type": "OldResize", "inputs": {"image": ["3", 0], "scale": 2.0}},
        "3": {"class_type": "OldSave", "inputs": {"pics": ["2", 0]}, "_meta": {"title": "First"}},
        "4": {"class_type": "OldSave", "inputs": {"pics": ["2", 0]}, "_meta": {"title": "Second"}},
        "5": {"class_type": "Renamed ", "inputs": {"strength": 0.9}},
        "6": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["9", 1], "text": "x"}},
    });
    let graph = Arc::new(Graph::from_json(graph).unwrap());
    let info = server();
    let (graph, replaced) = replacements().apply(graph, &info);
    let meant = |name: &str| renamed(&graph, &info, &replaced, name).map(|renamed| renamed.key);
    for (name, right) in [
        ("1.prompt", Some("1.text")),
        ("OldEncode.prompt", Some("1.text")),
        ("Old encoder.prompt", Some("1.text")),
        ("OldEncode.text", Some("1.text")),
        ("prompt", Some("1.text")),
        ("2.scale", Some("2.mode.factor")),
        ("First.pics", Some("3.images")),
        ("Renamed .strength", Some("5.strength")),
        // The new names are known as they are.
        ("1.text", None),
        ("text", None),
        ("CLIPTextEncode.text", None),
        // Two are meant, or nothing.
        ("OldSave.pics", None),
        ("pics", None),
        ("1.weight", None),
        ("6.prompt", None),
        ("7.prompt", None),
    ] {
        assert_eq!(meant(name).as_deref(), right, "{name}");
    }
    assert_eq!(
        renamed(&graph, &info, &replaced, "1.prompt").unwrap().told,
        "1.prompt was written to 1.text: ComfyUI runs CLIPTextEncode in place of \"OldEncode\"."
    );
}
