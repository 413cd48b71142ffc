use serde_json::json;

use super::super::graph::Graph;
use super::*;
use text::near::nearest;

fn info() -> ObjectInfo {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/object_info.json");
    ObjectInfo::from_json(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn input(info: &ObjectInfo, class: &str, name: &str) -> InputSpec {
    info.get(class)
        .unwrap()
        .inputs
        .iter()
        .find(|input| input.name == name)
        .unwrap()
        .clone()
}

#[test]
fn old_and_new_choices_read_alike() {
    let old = json!({"A": {"input": {"required": {"x": [["a", "b"], {"default": "a"}]}}, "output": [["a", "b"]]}});
    let new = json!({"A": {"input": {"required": {"x": ["COMBO", {"options": ["a", "b"], "default": "a"}]}}, "output": ["COMBO"]}});
    let (old, new) = (ObjectInfo::from_json(&old), ObjectInfo::from_json(&new));
    assert_eq!(old.get("A"), new.get("A"));
    assert!(input(&old, "A", "x").check(&json!("b")).is_ok());
}

#[test]
fn values_are_held_against_range_type_and_options() {
    let info = info();
    let fault = |class, name, value| input(&info, class, name).check(&value).unwrap_err().to_string();
    assert_eq!(fault("KSampler", "steps", json!(0)), "the minimum is 1");
    assert_eq!(fault("KSampler", "steps", json!(10_001)), "the maximum is 10000");
    assert_eq!(fault("KSampler", "steps", json!("20")), "it takes a whole number");
    assert_eq!(fault("KSampler", "steps", json!(20.5)), "it takes a whole number");
    assert_eq!(fault("KSampler", "cfg", json!(-0.1)), "the minimum is 0");
    assert_eq!(fault("KSampler", "seed", json!(-1)), "the minimum is 0");
    assert_eq!(fault("CLIPTextEncode", "text", json!(5)), "it takes text");
    let sampler = fault("KSampler", "sampler_name", json!("euler_a"));
    assert!(
        sampler.contains("closest: euler,") || sampler.contains("euler_ancestral"),
        "{sampler}"
    );
    assert!(input(&info, "KSampler", "seed").check(&json!(u64::MAX)).is_ok());
    assert!(input(&info, "KSampler", "cfg").check(&json!(7)).is_ok());
    assert!(
        input(&info, "LoadImage", "image")
            .check(&json!("uploaded later.png"))
            .is_ok()
    );
}

#[test]
fn inputs_behind_other_inputs_are_known() {
    let info = info();
    let spec = info.get("ResizeImageMaskNode").unwrap();
    let graph = |mode: &str| {
        let inputs = json!({"resize_type": mode, "resize_type.width": 512});
        Graph::from_json(json!({"1": {"class_type": "ResizeImageMaskNode", "inputs": inputs}})).unwrap()
    };
    let scale = graph("scale dimensions");
    let node = scale.node("1").unwrap();
    assert!(
        spec.input(&node, "resize_type.width")
            .unwrap()
            .check(&json!(20_000))
            .is_err()
    );
    assert!(spec.input(&node, "resize_type.multiplier").is_none());
    assert!(spec.required(&node).iter().any(|(name, _)| name == "resize_type.crop"));
    let multiply = graph("scale by multiplier");
    assert!(
        spec.input(&multiply.node("1").unwrap(), "resize_type.multiplier")
            .is_some()
    );
}

#[test]
fn missing_is_told_from_not_asked() {
    let mut info = ObjectInfo::default();
    assert_eq!(info.lookup("KSampler"), Lookup::NotAsked);
    info.learn("KSampler", &json!({}));
    assert_eq!(info.lookup("KSampler"), Lookup::Missing);
    info.learn(
        "KSampler",
        &json!({"KSampler": {"input": {"required": {}}, "output": [], "output_node": false}}),
    );
    assert!(matches!(info.lookup("KSampler"), Lookup::Known(_)));
    assert_eq!(ObjectInfo::default().complete().lookup("X"), Lookup::Missing);
}

#[test]
fn near_names_come_first() {
    let models = [
        "SD1.5/v1-5-pruned.safetensors",
        "sdxl/sd_xl_base_1.0.safetensors",
        "flux1-dev.safetensors",
    ];
    assert_eq!(nearest("sd_xl_base_1.0", models.into_iter(), 1), [models[1]]);
    assert_eq!(nearest("stesp", ["seed", "steps", "cfg"].into_iter(), 1), ["steps"]);
}
