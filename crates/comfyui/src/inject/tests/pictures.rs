//! Which of several pictures is the result, whatever the order of the nodes.

use super::*;

fn save(picture: &str) -> Value {
    json!({"class_type": "SaveImage", "inputs": {"images": [picture, 0], "filename_prefix": "x"}})
}

fn preview(picture: &str) -> Value {
    json!({"class_type": "PreviewImage", "inputs": {"images": [picture, 0]}})
}

fn decoded(from: &str) -> Value {
    json!({"class_type": "VAEDecode", "inputs": {"samples": [from, 0], "vae": ["1", 2]}})
}

fn backwards(graph: &Graph) -> Graph {
    let Value::Object(nodes) = graph.to_json() else {
        panic!()
    };
    Graph::from_json(Value::Object(nodes.into_iter().rev().collect())).unwrap()
}

/// The nodes by rank, and those that nobody can choose among; alike in any order of the nodes and without definitions.
fn ranked(changes: Value) -> (Vec<String>, Vec<String>) {
    let graph = graph(changes);
    let ids = |shown: &[ShownBy]| shown.iter().map(|shown| shown.node.to_string()).collect::<Vec<_>>();
    let of = |graph: &Graph, info: &ObjectInfo| {
        let pictures = pictures(graph, info, &find(graph, info));
        let mut unclear = ids(pictures.unclear());
        unclear.sort();
        (ids(pictures.ranked()), unclear)
    };
    let found = of(&graph, &info());
    assert_eq!(
        of(&graph, &ObjectInfo::default()),
        found,
        "the same without definitions"
    );
    if found.1.is_empty() {
        assert_eq!(of(&backwards(&graph), &info()).0[0], found.0[0], "in any order");
    } else {
        assert_eq!(of(&backwards(&graph), &info()).1, found.1, "in any order");
    }
    found
}

fn clear(changes: Value) -> Vec<String> {
    let (ranked, unclear) = ranked(changes);
    assert_eq!(unclear, Vec::<String>::new());
    ranked
}

#[test]
fn the_picture_goes_before_a_map_of_it() {
    let map = json!({"image": ["6", 0], "low_threshold": 0.4, "high_threshold": 0.8});
    let canny = json!({"class_type": "Canny", "inputs": map});
    assert_eq!(clear(json!({"0": save("8"), "8": canny})), ["7", "0"]);
    assert_eq!(
        clear(json!({"0": preview("8"), "8": canny, "7": preview("6")})),
        ["7", "0"]
    );
    assert_eq!(clear(json!({"0": preview("8"), "8": canny})), ["7", "0"]);
}

#[test]
fn the_last_sampler_goes_before_the_first() {
    let second = json!({"0": save("20"), "20": decoded("5"), "9": sampler(["2", "3"], "5"), "6": decoded("9")});
    assert_eq!(clear(second.clone()), ["7", "0"]);
    let mut later = second;
    later["30"] = json!({"class_type": "ImageScaleBy", "inputs": {"image": ["6", 0], "upscale_method": "lanczos", "scale_by": 2.0}});
    later["7"] = save("30");
    assert_eq!(clear(later), ["7", "0"], "however far behind it the picture is");
}

#[test]
fn of_one_sampler_the_nearest_picture_counts() {
    let scaled = json!({"class_type": "ImageScaleBy", "inputs": {"image": ["6", 0], "upscale_method": "lanczos", "scale_by": 2.0}});
    assert_eq!(clear(json!({"0": save("8"), "8": scaled})), ["7", "0"]);
    assert_eq!(
        clear(json!({"0": preview("6"), "8": scaled, "7": save("8")})),
        ["7", "0"],
        "a saved one before a preview"
    );
}

#[test]
fn what_no_sampler_made_comes_last() {
    let loaded = json!({"class_type": "LoadImage", "inputs": {"image": "a.png"}});
    assert_eq!(clear(json!({"0": save("20"), "20": loaded})), ["7", "0"]);
    assert_eq!(
        clear(json!({"0": save("20"), "20": loaded, "7": preview("6")})),
        ["7", "0"]
    );
}

#[test]
fn the_same_picture_twice_is_one() {
    let graph = graph(json!({"0": save("6")}));
    for graph in [&graph, &backwards(&graph)] {
        // Which of the two nodes is named hangs on the file: the picture is the same.
        let pictures = pictures(graph, &info(), &find(graph, &info()));
        assert_eq!((pictures.ranked().len(), pictures.unclear().len()), (2, 0));
        assert!(pictures.result().is_some());
    }
}

#[test]
fn samplers_beside_each_other_are_a_question() {
    let mut other = save("20");
    other["_meta"] = json!({"title": "Other"});
    let changes = json!({"9": sampler(["2", "3"], "4"), "20": decoded("9"), "21": other});
    assert_eq!(ranked(changes.clone()).1, ["21", "7"]);

    let graph = graph(changes);
    let found = pictures(&graph, &info(), &find(&graph, &info()));
    assert!(found.result().is_none());
    for pick in ["21", "Other"] {
        let mut chosen = found.clone();
        chosen.choose(pick).unwrap();
        assert_eq!(chosen.result().unwrap().node.as_str(), "21");
        assert!(chosen.unclear().is_empty());
    }
    for wrong in ["5", "6", "SaveImage, Other", ""] {
        let error = found.clone().choose(wrong).unwrap_err();
        assert_eq!(error.hint(), "Name a node by its id: 7, 21.");
    }
    // Other decoders make other pictures of the same latent.
    let decoders = json!({"20": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["30", 0]}}, "21": save("20"),
        "30": {"class_type": "VAELoader", "inputs": {"vae_name": "b.safetensors"}}});
    assert_eq!(ranked(decoders).1, ["21", "7"]);
}

#[test]
fn a_workflow_without_a_picture_has_none() {
    let graph = graph(json!({"7": null}));
    let found = pictures(&graph, &info(), &find(&graph, &info()));
    assert_eq!(
        (found.ranked().len(), found.result(), found.unclear().len()),
        (0, None, 0)
    );
}
