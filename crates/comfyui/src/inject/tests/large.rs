//! Large graphs: the work grows with their size and no faster, and is counted in steps.

use super::*;

/// What nodes share, and how many times.
type Build = fn(usize) -> Graph;

/// Samplers in a row, each going on from the one before.
fn chain(samplers: usize) -> Graph {
    let mut nodes = json!({});
    for n in 0..samplers {
        let latent = if n == 0 { "4".to_owned() } else { format!("s{}", n - 1) };
        nodes[format!("s{n}")] = sampler(["2", "3"], &latent);
    }
    nodes["5"] = Value::Null;
    nodes["6"] =
        json!({"class_type": "VAEDecode", "inputs": {"samples": [format!("s{}", samplers - 1), 0], "vae": ["1", 2]}});
    graph(nodes)
}

/// Samplers in a row of one pass and a second one over it, with other seeds.
fn passes(samplers: usize) -> Graph {
    let mut nodes = chain(samplers).to_json();
    for n in 0..samplers {
        nodes[format!("s{n}")]["inputs"]["seed"] = json!(n);
        nodes[format!("s{n}")]["inputs"]["denoise"] = json!(if n == 0 { 1.0 } else { 0.5 });
    }
    Graph::from_json(nodes).unwrap()
}

/// Samplers that share a row of as many nodes before one of their inputs.
fn shared(samplers: usize, input: &str, class: &str, row: impl Fn(&str) -> Value) -> Graph {
    let mut nodes = chain(samplers).to_json();
    let mut before = nodes["s0"]["inputs"][input].clone();
    for n in 0..samplers {
        let source = before[0].as_str().unwrap();
        nodes[format!("r{n}")] = json!({"class_type": class, "inputs": row(source)});
        before = json!([format!("r{n}"), 0]);
    }
    for n in 0..samplers {
        nodes[format!("s{n}")]["inputs"][input] = before.clone();
    }
    Graph::from_json(nodes).unwrap()
}

fn loras(samplers: usize) -> Graph {
    shared(
        samplers,
        "model",
        "LoraLoaderModelOnly",
        |before| json!({"model": [before, 0], "lora_name": "a.safetensors", "strength_model": 1.0}),
    )
}

fn conditionings(samplers: usize) -> Graph {
    shared(
        samplers,
        "positive",
        "ConditioningCombine",
        |before| json!({"conditioning_1": [before, 0], "conditioning_2": ["2", 0]}),
    )
}

/// Samplers that take all they need out of a row of contexts, each of which adds to the one before.
fn contexts(samplers: usize) -> Graph {
    let mut nodes = chain(samplers).to_json();
    nodes["c0"] = json!({"class_type": "Context", "inputs": {"model": ["1", 0], "positive": ["2", 0], "negative": ["3", 0], "seed": ["n", 0]}});
    nodes["n"] = json!({"class_type": "PrimitiveInt", "inputs": {"value": 7}});
    for n in 0..samplers {
        let context = format!("c{n}");
        for (input, slot) in [("model", 1), ("positive", 4), ("negative", 5), ("seed", 8)] {
            nodes[format!("s{n}")]["inputs"][input] = json!([context, slot]);
        }
        nodes[format!("c{}", n + 1)] =
            json!({"class_type": "Context", "inputs": {"base_ctx": [context, 0], "latent": [format!("s{n}"), 0]}});
    }
    Graph::from_json(nodes).unwrap()
}

/// Each sampler has its own picture that is saved.
fn saved(samplers: usize) -> Graph {
    let mut nodes = chain(samplers).to_json();
    for n in 0..samplers {
        nodes[format!("d{n}")] =
            json!({"class_type": "VAEDecode", "inputs": {"samples": [format!("s{n}"), 0], "vae": ["1", 2]}});
        nodes[format!("o{n}")] =
            json!({"class_type": "SaveImage", "inputs": {"images": [format!("d{n}"), 0], "filename_prefix": "x"}});
    }
    Graph::from_json(nodes).unwrap()
}

fn steps(graph: &Graph, info: &ObjectInfo) -> u64 {
    let walk = walk::Walk::new(graph, info);
    trace::find_in(&walk);
    walk.steps()
}

#[test]
fn four_times_the_nodes_take_four_times_the_steps() {
    let builds: [(&str, Build); 5] = [
        ("chain", chain),
        ("passes", passes),
        ("loras", loras),
        ("conditionings", conditionings),
        ("saved", saved),
    ];
    for info in [info(), ObjectInfo::default()] {
        for (name, build) in builds {
            let counted = [60, 240].map(|samplers| steps(&build(samplers), &info));
            assert!(counted[0] > 0 && counted[1] <= 5 * counted[0], "{name}: {counted:?}");
        }
        // Beyond the samplers that are looked at, only nodes are counted.
        for (name, build) in builds {
            let counted = [1_000, 4_000].map(|samplers| steps(&build(samplers), &info));
            assert!(counted[1] <= 5 * counted[0], "{name}: {counted:?}");
        }
    }
}

#[test]
fn what_a_long_row_holds_is_found() {
    let roles = find(&chain(200), &info());
    assert_eq!(roles.get(Role::Seed).found().len(), 200);
    assert_eq!(keys(roles.get(Role::Positive)), "2.text");
    assert_eq!(keys(roles.get(Role::Width)), "4.width");
    let roles = find(&passes(200), &info());
    assert_eq!(
        (keys(roles.get(Role::Seed)), roles.kept_seeds().len()),
        ("s0.seed".to_owned(), 199)
    );
    assert_eq!(keys(find(&loras(200), &info()).get(Role::Model)), "1.ckpt_name");
    assert_eq!(keys(find(&conditionings(200), &info()).get(Role::Positive)), "2.text");
    let roles = find(&contexts(50), &info());
    assert_eq!(
        [Role::Positive, Role::Seed, Role::Model].map(|role| keys(roles.get(role))),
        ["2.text", "n.value", "1.ckpt_name"]
    );
}

#[test]
fn more_samplers_than_are_looked_at_are_a_question() {
    let graph = chain(1_000);
    let roles = find(&graph, &info());
    for role in [Role::Positive, Role::Seed, Role::Steps, Role::Model] {
        let finding = roles.get(role);
        assert!(
            matches!(finding, Finding::Candidates { .. }),
            "{role}: {}",
            keys(finding)
        );
    }
    let Finding::Candidates { places, why } = roles.get(Role::Positive) else {
        panic!()
    };
    assert_eq!((places.len(), why), (1, &Why::TooManySamplers));
    assert!(roles.get(Role::Seed).places().len() <= values::MOST_PLACES);
}

#[test]
fn conditioning_is_followed_however_deep_it_is() {
    let mut nodes = json!({"2": {"class_type": "ConditioningZap", "inputs": {"conditioning": ["c0", 0]}}});
    for n in 0..20_000 {
        nodes[format!("c{n}")] =
            json!({"class_type": "ConditioningZap", "inputs": {"conditioning": [format!("c{}", n + 1), 0]}});
    }
    nodes["c20000"] = json!({"class_type": "CLIPTextEncode", "inputs": {"text": "far away", "clip": ["1", 1]}});
    assert_eq!(roles_of(nodes)[0], "c20000.text");
}

/// Encoders that each put the same long texts together in their own way.
fn woven(encoders: usize) -> Graph {
    let join = |a: String, b: String| json!({"class_type": "Join", "inputs": {"text_a": [a, 0], "text_b": [b, 0]}});
    let mut nodes = json!({"5": sampler(["e0", "3"], "4")});
    for n in 0..encoders {
        let next = format!("e{}", n + 1);
        nodes[format!("t{n}")] = json!({"class_type": "PrimitiveString", "inputs": {"value": format!("words {n}")}});
        nodes[format!("j{n}")] = join(format!("j{}", (n + 1) % encoders), format!("t{n}"));
        nodes[format!("k{n}")] = join(format!("j{n}"), format!("t{}", (n * 7) % encoders));
        nodes[format!("w{n}")] =
            json!({"class_type": "CLIPTextEncode", "inputs": {"text": [format!("k{n}"), 0], "clip": ["1", 1]}});
        nodes[format!("e{n}")] = json!({"class_type": "ConditioningCombine", "inputs": {"conditioning_1": [format!("w{n}"), 0], "conditioning_2": [next, 0]}});
    }
    nodes[format!("e{encoders}")] =
        json!({"class_type": "CLIPTextEncode", "inputs": {"text": "last", "clip": ["1", 1]}});
    graph(nodes)
}

#[test]
fn however_interwoven_the_steps_are_bounded_and_nothing_is_guessed() {
    let info = ObjectInfo::default();
    for encoders in [20, 600] {
        let graph = woven(encoders);
        let inputs: usize = graph.nodes().map(|node| 1 + node.input_count()).sum();
        let taken = steps(&graph, &info);
        let most = 200 * (inputs as u64 + 100);
        // The last look may be a large one.
        assert!(taken <= most + most / 10, "{encoders}: {taken} of {most}");
        let roles = find(&graph, &info);
        assert!(matches!(roles.get(Role::Positive), Finding::Candidates { .. }));
    }
    let many = find(&woven(600), &info);
    assert!(many.get(Role::Positive).places().len() <= values::MOST_PLACES);
}

#[test]
fn all_of_a_large_graph_is_ranked_in_its_order() {
    let graph = saved(250);
    let info = info();
    let found = pictures(&graph, &info, &find(&graph, &info));
    assert_eq!(found.ranked().len(), 251);
    // Both show what the last sampler made; each decodes it itself.
    let mut unclear: Vec<&str> = found.unclear().iter().map(|shown| shown.node.as_str()).collect();
    unclear.sort_unstable();
    assert_eq!(unclear, ["7", "o249"]);
}
