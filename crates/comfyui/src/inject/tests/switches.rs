//! Switches that take one of several texts, and parts of which one text is made.

use super::*;

/// The encoder takes its text out of node 8.
fn texts(switch: Value, more: Value) -> Graph {
    let text = |text: &str| json!({"class_type": "PrimitiveStringMultiline", "inputs": {"value": text}});
    let mut changes = json!({
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["8", 0], "clip": ["1", 1]}},
        "8": switch,
        "9": text("by day"),
        "10": text("by night"),
    });
    changes
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    graph(changes)
}

fn switch(class: &str, control: &str, at: Value, branches: [&str; 2]) -> Value {
    let [first, second] = branches;
    json!({"class_type": class, "inputs": {control: at, first: ["9", 0], second: ["10", 0]}, "_meta": {"title": "Day or night"}})
}

/// The definition of that switch, with bounds of the input it goes by.
fn defined(class: &str, control: &str, [min, max]: [i64; 2], branches: [&str; 2]) -> ObjectInfo {
    let [first, second] = branches;
    let mut all = info();
    all.merge(ObjectInfo::from_json(&json!({class: {
        "input": {"required": {control: ["INT", {"default": min, "min": min, "max": max}]},
            "optional": {first: ["STRING", {"forceInput": true}], second: ["STRING", {"forceInput": true}]}},
        "output": ["STRING"], "output_name": ["STRING"], "output_node": false,
    }})));
    all
}

fn positive(graph: &Graph, info: &ObjectInfo) -> String {
    keys(find(graph, info).get(Role::Positive))
}

#[test]
fn a_number_is_read_by_the_definitions_bounds_or_by_the_only_reading_that_fits() {
    let (from_one, from_nought) = (["text1", "text2"], ["text0", "text1"]);
    let both = "? 9.value 10.value";
    let found = |control: &str, at: Value, branches: [&str; 2], bounds: Option<[i64; 2]>| {
        let graph = texts(switch("Text Switch", control, at, branches), json!({}));
        let info = bounds.map_or_else(info, |bounds| defined("Text Switch", control, bounds, branches));
        positive(&graph, &info)
    };
    for (control, at, branches, bounds, right) in [
        // The definition says from where it counts.
        ("index", 1, from_one, Some([1, 2]), "9.value"),
        ("index", 2, from_one, Some([1, 2]), "10.value"),
        ("index", 0, from_one, Some([0, 1]), "9.value"),
        ("index", 1, from_one, Some([0, 1]), "10.value"),
        ("index", 1, from_one, Some([0, 9]), "10.value"),
        ("index", 1, from_nought, Some([0, 1]), "10.value"),
        ("index", 1, from_nought, Some([1, 2]), "9.value"),
        ("select", 1, from_one, Some([0, 1]), "10.value"),
        ("select", 1, from_one, Some([1, 9]), "9.value"),
        // As many and one more: nought is none of them.
        ("index", 1, from_one, Some([0, 2]), "9.value"),
        ("index", 0, from_one, Some([0, 2]), both),
        // Bounds that say nothing, and none at all.
        ("index", 1, from_one, Some([-99, 99]), both),
        ("index", 1, from_one, None, both),
        ("index", 2, from_one, None, "10.value"),
        ("index", 0, from_one, None, "9.value"),
        ("index", 1, from_nought, None, "10.value"),
        ("select", 1, from_one, None, "9.value"),
        ("select", 2, from_one, None, "10.value"),
        ("select", 0, from_one, None, "9.value"),
        ("Input", 2, from_one, None, "10.value"),
        ("index", 7, from_one, None, both),
    ] {
        let what = format!("{control} {at} of {branches:?} within {bounds:?}");
        assert_eq!(found(control, json!(at), branches, bounds), right, "{what}");
    }
    assert_eq!(
        found("select", json!("text2"), from_one, None),
        "10.value",
        "by the name of its branch"
    );
    assert_eq!(
        found("select", json!("2"), from_one, None),
        "10.value",
        "a number among choices"
    );
}

#[test]
fn a_number_from_a_constant_counts_and_one_that_is_computed_is_a_question() {
    let which = |node: Value| {
        texts(
            switch("Text Switch", "index", json!(["20", 0]), ["text1", "text2"]),
            json!({"20": node}),
        )
    };
    let constant = which(json!({"class_type": "PrimitiveInt", "inputs": {"value": 2}}));
    assert_eq!(positive(&constant, &info()), "10.value");
    let dice = which(json!({"class_type": "Dice", "inputs": {}}));
    let roles = find(&dice, &info());
    let Finding::Candidates { why, places } = roles.get(Role::Positive) else {
        panic!("{:?}", roles.get(Role::Positive))
    };
    assert_eq!(places.len(), 2);
    assert_eq!(
        why.to_string(),
        "node 8 \"Day or night\" takes only one of these, by 8.index (from node 20)"
    );
    assert!(!why.takes_several());
}

#[test]
fn the_question_says_which_texts_a_switch_chooses_among() {
    let why = |graph: &Graph| match find(graph, &info()).get(Role::Positive) {
        Finding::Candidates { why, .. } => why.to_string(),
        other => panic!("{other:?}"),
    };
    let graph = texts(switch("Text Switch", "index", json!(1), ["text1", "text2"]), json!({}));
    assert_eq!(
        why(&graph),
        "node 8 \"Day or night\" takes only one of these, by 8.index (now 1)"
    );
    // A part stands beside them.
    let joined = json!({
        "8": {"class_type": "StringConcatenate", "inputs": {"string_a": ["11", 0], "string_b": "sharp", "delimiter": ", "}},
        "11": switch("Text Switch", "index", json!(1), ["text1", "text2"]),
    });
    let graph = texts(json!(null), joined);
    assert_eq!(
        why(&graph),
        "the text is put together from these parts; of 9.value, 10.value node 11 \"Day or night\" takes only one, by 11.index (now 1)"
    );
    // Encoders behind a switch that nobody can know the position of.
    let encoders = super::graph(json!({
        "2": {"class_type": "ComfySwitchNode", "inputs": {"switch": ["1", 0], "on_false": ["8", 0], "on_true": ["9", 0]}},
        "8": {"class_type": "CLIPTextEncode", "inputs": {"text": "by day", "clip": ["1", 1]}},
        "9": {"class_type": "CLIPTextEncode", "inputs": {"text": "by night", "clip": ["1", 1]}},
    }));
    assert_eq!(
        why(&encoders),
        "node 2 \"ComfySwitchNode\" takes only one of these, by 2.switch (from node 1)"
    );
}

#[test]
fn the_proof_tells_what_is_cut_off_from_what_nobody_can_know() {
    let proof = |graph: &Graph, info: &ObjectInfo, place: &[&str]| {
        let mut roles = find(graph, info);
        roles.choose(graph, Role::Positive, place).unwrap();
        let text = roles.get(Role::Positive).found()[0].value.as_str().unwrap().to_owned();
        prove(graph, &graph.to_json(), &text, &roles, info, roles.outputs()).map_err(|error| error.to_string())
    };
    let by_index = |at: u8| texts(switch("Text Switch", "index", json!(at), ["text1", "text2"]), json!({}));
    let described = defined("Text Switch", "index", [1, 2], ["text1", "text2"]);
    assert!(proof(&by_index(1), &described, &["9.value"]).is_ok());
    let shut = proof(&by_index(2), &described, &["9.value"]).unwrap_err();
    assert_eq!(
        shut,
        "the prompt at 9.value reaches no sampler that feeds a picture that came, so it did not steer it: node 8 \"Day or \
         night\" takes another branch, by 8.index (now 2)"
    );
    let open = proof(&by_index(1), &info(), &["9.value"]).unwrap_err();
    assert_eq!(
        open,
        "node 8 \"Day or night\" takes one of several branches, by 8.index (now 1), and which one that was cannot be told from \
         the graph: whether the prompt at 9.value steered the picture is not known"
    );

    // A text that stands in the switch itself, in the branch that is not taken.
    let typed =
        json!({"class_type": "ComfySwitchNode", "inputs": {"switch": false, "on_false": ["9", 0], "on_true": "typed"}});
    assert!(
        proof(&texts(typed.clone(), json!({})), &info(), &["8.on_true"])
            .unwrap_err()
            .contains("takes another branch")
    );
    assert!(proof(&texts(typed, json!({})), &info(), &["9.value"]).is_ok());

    // Behind every branch it does not matter which one is taken.
    let same = json!({"9": {"class_type": "PrimitiveString", "inputs": {"value": "by night"}}});
    let graph = texts(switch("Text Switch", "index", json!(1), ["text1", "text2"]), same);
    assert_eq!(
        positive(&graph, &info()),
        "9.value 10.value",
        "the same text is written to both"
    );
    assert!(proof(&graph, &info(), &["9.value", "10.value"]).is_ok());
    assert!(proof(&graph, &info(), &["9.value"]).is_err());
}

#[test]
fn a_picture_that_a_switch_may_have_taken_from_elsewhere_is_not_proven() {
    let graph = |position: Value| {
        super::graph(json!({
            "20": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
            "21": {"class_type": "ComfySwitchNode", "inputs": {"switch": position, "on_false": ["6", 0], "on_true": ["20", 0]}},
            "7": {"class_type": "SaveImage", "inputs": {"images": ["21", 0], "filename_prefix": "cal"}},
        }))
    };
    let proof = |position: Value| {
        let graph = graph(position);
        let roles = find(&graph, &info());
        prove(&graph, &graph.to_json(), "a castle", &roles, &info(), roles.outputs())
    };
    assert!(proof(json!(false)).is_ok());
    assert!(matches!(proof(json!(["1", 0])), Err(ProofError::NotKnown { .. })));
}

#[test]
fn a_place_behind_a_branch_that_is_not_taken_is_told_before_the_run() {
    let by_index = |at: u8| texts(switch("Text Switch", "index", json!(at), ["text1", "text2"]), json!({}));
    let described = defined("Text Switch", "index", [1, 2], ["text1", "text2"]);
    let mut roles = find(&by_index(1), &described);
    roles.choose(&by_index(1), Role::Positive, &["9.value"]).unwrap();
    assert_eq!(cut_off(&by_index(1), &described, &roles, Role::Positive), None);
    let moved = by_index(2);
    let roles = roles.refind(&moved, &described);
    assert_eq!(keys(roles.get(Role::Positive)), "9.value", "the answer is kept");
    assert_eq!(keys(roles.traced(Role::Positive)), "10.value");
    assert_eq!(
        cut_off(&moved, &described, &roles, Role::Positive).unwrap(),
        "the positive prompt at 9.value does not reach the sampler: node 8 \"Day or night\" takes another branch, by 8.index (now 2)"
    );
    assert_eq!(
        cut_off(
            &moved,
            &ObjectInfo::default(),
            &find(&moved, &described),
            Role::Positive
        ),
        None
    );
}

fn joined() -> Graph {
    texts(
        json!({"class_type": "Text Concatenate", "inputs": {"separator": ", ", "text_a": ["9", 0], "text_b": ["10", 0], "text_c": "plain, grey background"}}),
        json!({}),
    )
}

#[test]
fn parts_of_a_text_that_stay_are_told() {
    let graph = joined();
    let mut roles = find(&graph, &info());
    let Finding::Candidates { why, .. } = roles.get(Role::Positive) else {
        panic!("{:?}", roles.get(Role::Positive))
    };
    assert!(!why.takes_several(), "{why}");
    assert_eq!(
        told_beside(&roles, Role::Positive),
        Vec::<String>::new(),
        "nothing is chosen yet"
    );
    roles.choose(&graph, Role::Positive, &["9.value"]).unwrap();
    assert_eq!(
        told_beside(&roles, Role::Positive),
        [
            "Beside the positive prompt the workflow's own text stays: 10.value (\"by night\"), 8.text_c (\"plain, grey \
             background\"). A knob changes it (\"\" takes it out)."
        ]
    );
    roles
        .choose(&graph, Role::Positive, &["9.value", "10.value", "8.text_c"])
        .unwrap();
    let told = told_beside(&roles, Role::Positive);
    assert!(
        told[0].contains("are parts of one text") && told[0].contains("3 times"),
        "{told:?}"
    );
}

#[test]
fn what_stands_beside_a_receptor_is_told_and_what_a_switch_leaves_out_is_not() {
    let receptor = graph(json!({
        "10": {"class_type": "CalibratorPromptReceptor", "inputs": {"positive": "x", "negative": "y", "seed": 3}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": ["11", 0], "clip": ["1", 1]}},
        "11": {"class_type": "StringConcatenate", "inputs": {"string_a": "masterpiece", "string_b": ["10", 0], "delimiter": ", "}},
    }));
    let roles = find(&receptor, &info());
    let told = told_beside(&roles, Role::Positive);
    assert!(told[0].contains("11.string_a (\"masterpiece\")"), "{told:?}");
    assert_eq!(told_beside(&roles, Role::Negative), Vec::<String>::new());

    let open = texts(switch("Text Switch", "index", json!(1), ["text1", "text2"]), json!({}));
    let mut roles = find(&open, &info());
    roles.choose(&open, Role::Positive, &["9.value"]).unwrap();
    assert_eq!(told_beside(&roles, Role::Positive), Vec::<String>::new());
    roles.choose(&open, Role::Positive, &["9.value", "10.value"]).unwrap();
    assert_eq!(
        told_beside(&roles, Role::Positive),
        Vec::<String>::new(),
        "only one of them is taken"
    );
    assert_eq!(
        told_beside(&find(&graph(json!({})), &info()), Role::Positive),
        Vec::<String>::new()
    );
}

#[test]
fn a_name_alone_makes_no_switch() {
    let selector = json!({"class_type": "Font Selector", "inputs": {"text": "a castle", "select": 2}});
    assert_eq!(positive(&texts(selector, json!({})), &ObjectInfo::default()), "8.text");
    let chooser = switch("Prompt Selector", "select", json!(2), ["prompt_1", "prompt_2"]);
    assert_eq!(positive(&texts(chooser, json!({})), &ObjectInfo::default()), "10.value");
}
