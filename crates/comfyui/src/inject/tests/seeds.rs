//! Where samplers in a row take their seed.

use super::*;

/// A second pass over what sampler 5 made, with a seed of its own.
fn second_pass(changes: Value) -> Value {
    let mut second = sampler(["2", "3"], "5");
    second["inputs"]["seed"] = json!(99);
    let inputs = second["inputs"].as_object_mut().unwrap();
    inputs.extend(changes.as_object().unwrap().clone());
    inputs.retain(|_, value| !value.is_null());
    second
}

fn decoded(from: &str) -> Value {
    json!({"class_type": "VAEDecode", "inputs": {"samples": [from, 0], "vae": ["1", 2]}})
}

/// The seed and the seeds that are kept, alike with and without definitions.
fn seeds(changes: Value) -> (String, Vec<String>) {
    let graph = graph(changes);
    let of = |info: &ObjectInfo| {
        let roles = find(&graph, info);
        let kept = roles.kept_seeds().iter().map(Place::key).collect();
        (keys(roles.get(Role::Seed)), kept)
    };
    assert_eq!(of(&info()), of(&ObjectInfo::default()), "the same without definitions");
    of(&info())
}

#[test]
fn the_first_sampler_of_a_hires_fix_takes_the_seed() {
    let base = ("5.seed".to_owned(), vec!["9.seed".to_owned()]);
    let latent = json!({"9": second_pass(json!({"denoise": 0.5})), "6": decoded("9")});
    assert_eq!(seeds(latent), base);
    let enlarged = json!({
        "8": {"class_type": "LatentUpscaleBy", "inputs": {"samples": ["5", 0], "upscale_method": "bislerp", "scale_by": 1.5}},
        "9": second_pass(json!({"denoise": ["30", 0], "latent_image": ["8", 0]})),
        "30": {"class_type": "PrimitiveFloat", "inputs": {"value": 0.4}},
        "6": decoded("9"),
    });
    assert_eq!(seeds(enlarged), base);
    let as_picture = json!({
        "20": decoded("5"),
        "21": {"class_type": "VAEEncode", "inputs": {"pixels": ["20", 0], "vae": ["1", 2]}},
        "9": second_pass(json!({"denoise": 0.3, "latent_image": ["21", 0]})),
        "6": decoded("9"),
    });
    assert_eq!(seeds(as_picture), base);
    let mut later = second_pass(
        json!({"seed": null, "denoise": null, "noise_seed": 99, "add_noise": "enable", "start_at_step": 12,
        "end_at_step": 20, "return_with_leftover_noise": "disable"}),
    );
    later["class_type"] = json!("KSamplerAdvanced");
    let advanced = json!({"9": later, "6": decoded("9")});
    assert_eq!(seeds(advanced), ("5.seed".to_owned(), vec!["9.noise_seed".to_owned()]));
}

#[test]
fn the_same_seed_in_both_is_written_to_both() {
    let both = json!({"9": second_pass(json!({"denoise": 0.5, "seed": 9})), "6": decoded("9")});
    assert_eq!(seeds(both), ("5.seed 9.seed".to_owned(), vec![]));
}

#[test]
fn samplers_that_both_decide_are_a_question() {
    let nothing_kept = Vec::<String>::new();
    let anew = json!({"9": second_pass(json!({"denoise": 1.0})), "6": decoded("9")});
    assert_eq!(seeds(anew), ("? 5.seed 9.seed".to_owned(), nothing_kept.clone()));
    // Beside each other, a low denoise says nothing of the other's picture.
    let beside = json!({
        "9": second_pass(json!({"denoise": 0.5, "latent_image": ["4", 0]})),
        "20": decoded("9"),
        "21": {"class_type": "SaveImage", "inputs": {"images": ["20", 0], "filename_prefix": "other"}},
    });
    assert_eq!(seeds(beside), ("? 5.seed 9.seed".to_owned(), nothing_kept));
}

#[test]
fn what_was_chosen_goes_before_the_rule() {
    let graph = graph(json!({"9": second_pass(json!({"denoise": 0.5})), "6": decoded("9")}));
    let mut roles = find(&graph, &info());
    assert!(kept_seeds(&roles).unwrap().contains("9.seed (KSampler, now 99)"));
    roles.choose(&graph, Role::Seed, &["5.seed", "9.seed"]).unwrap();
    assert_eq!(keys(roles.get(Role::Seed)), "5.seed 9.seed");
    assert_eq!((roles.kept_seeds(), kept_seeds(&roles)), (&[][..], None));
    roles.leave_out(Role::Seed);
    let again = roles.refind(&graph, &info());
    assert_eq!(keys(again.get(Role::Seed)), "absent", "seeds are written nowhere");
}
