//! Shapes of the bundled files, arithmetic on the published shapes, and where their parts go.

use std::path::{Path, PathBuf};

use super::gguf::{Value, parts_of};
use super::*;
use crate::cells::{cells, sequences};
use judge::engine::GpuMemory;
use judge::engine::Layout;

const GB: u64 = 1 << 30;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gguf").join(name)
}

/// A judgement on 20 axes or so, as the default rubric has them.
fn layout() -> Layout {
    Layout {
        system_tokens: 1408,
        image_tokens: 1024,
        more_images: 2,
        branches: 42,
        branch_tokens: 2560,
    }
}

/// A dense model of published shape, its weights as in Q4_K_M.
fn dense(layers: usize, width: u64, feed_forward: u64, bytes: u64) -> Shape {
    let input = width * 151_936 * 9 / 16;
    Shape {
        text: TextShape {
            architecture: "qwen3vl".into(),
            layers: vec![
                Layer {
                    dense: (bytes - 2 * input) / layers as u64,
                    experts: 0,
                    cache: 2 * 2 * 8 * 128,
                    state: 0,
                };
                layers
            ],
            input,
            output: input,
            tied: false,
            width,
            inputs: 4,
            feed_forward,
            experts_used: 0,
            recurrent: 0,
            largest: width * feed_forward * 9 / 16,
            vocabulary: 151_936,
        },
        vision: VisionShape {
            weights: 1_160_000_000,
            width: 1152,
            feed_forward: 4304,
            patches_a_token: 4,
            patch: 16,
            output: Some(width),
            deepstack: 3,
        },
        adapters: 0,
    }
}

fn eight() -> Shape {
    dense(36, 4096, 12_288, 5_030_000_000)
}

/// 30B-A3B in Q4_K_M: 18.6 GB, nearly all of it experts.
fn thirty() -> Shape {
    let mut shape = dense(48, 2048, 6144, 18_560_000_000);
    shape.text.experts_used = 8;
    shape.text.largest = 128 * 768 * 2048 * 9 / 16;
    for layer in &mut shape.text.layers {
        layer.experts = layer.dense * 94 / 100;
        layer.dense -= layer.experts;
        layer.cache /= 2;
    }
    shape
}

fn card(free: u64, total: u64) -> GpuMemory {
    GpuMemory {
        name: "CUDA0".into(),
        description: "a card".into(),
        free,
        total,
    }
}

#[test]
fn the_bundled_files_are_read() {
    let head = Head::read(&file("random-qwen3vl.gguf")).unwrap();
    assert_eq!(head.text("general.architecture"), Some("qwen3vl"));
    assert_eq!(head.whole("qwen3vl.block_count"), Some(3));
    assert_eq!(head.get("prompt_calibrator.trained"), Some(&Value::Whole(0)));
    assert!(matches!(head.get("qwen3vl.rope.dimension_sections"), Some(Value::List(list)) if list.len() == 4));
    assert_eq!(head.get("tokenizer.ggml.tokens"), Some(&Value::Other));
    let shape = Shape::read(
        &file("random-qwen3vl.gguf"),
        &file("random-mmproj.gguf"),
        [file("random-lora.gguf").as_path()],
    )
    .unwrap();
    let text = &shape.text;
    assert_eq!((text.layers.len(), text.width, text.vocabulary), (3, 128, 4032));
    assert_eq!((text.inputs, text.experts_used, text.feed_forward), (3, 0, 256));
    // Two heads of 64, keys and values, two bytes each.
    assert_eq!(text.layers[0].cache, 2 * 2 * 2 * 64);
    assert_eq!(text.weights(), head.bytes());
    assert!(text.layers.iter().all(|layer| layer.dense > 0 && layer.experts == 0));
    assert!(shape.adapters > 10_000 && shape.adapters < 24_192, "{}", shape.adapters);
    assert_eq!((shape.vision.patches_a_token, shape.vision.patch), (4, 16));

    let mixture = Shape::read(&file("random-qwen3vlmoe.gguf"), &file("random-mmproj.gguf"), []).unwrap();
    assert_eq!((mixture.text.experts_used, mixture.text.feed_forward), (2, 2 * 96));
    assert!(mixture.text.layers.iter().all(|layer| layer.experts > layer.dense / 4));

    let gemma = Shape::read(&file("random-gemma3.gguf"), &file("random-gemma3-mmproj.gguf"), []).unwrap();
    assert_eq!((gemma.vision.patches_a_token, gemma.text.tied), (16, true));
    assert!(
        [&shape, &mixture, &gemma]
            .iter()
            .all(|shape| !shape.text.keeps_states())
    );
    for shape in [&shape, &mixture, &gemma] {
        assert_eq!(shape.mismatch(), None);
    }
    let text = gemma.text.clone();
    let strangers = Shape { text, ..shape.clone() };
    let words = strangers.mismatch().unwrap();
    assert!(words.contains("vectors of 128") && words.contains("64 wide"), "{words}");
}

#[test]
fn layers_that_keep_a_state_are_counted_by_sequences() {
    let projector = file("random-qwen35-mmproj.gguf");
    let dense = Shape::read(&file("random-qwen35.gguf"), &projector, []).unwrap();
    let mixture = Shape::read(&file("random-qwen35moe.gguf"), &projector, []).unwrap();
    // A state of 128 times 32, and three vectors of 128 and twice two times 32 that its convolution looks back at.
    let state = 4 * (128 * 32 + 3 * (128 + 2 * 2 * 32));
    for shape in [&dense, &mixture] {
        assert!(shape.text.keeps_states());
        assert_eq!(shape.mismatch(), None);
        let of = |layer: usize| (shape.text.layers[layer].cache, shape.text.layers[layer].state);
        // The last of four attends: two heads of 32, keys and values, two bytes each.
        assert_eq!(
            [of(0), of(1), of(2), of(3)],
            [(0, state), (0, state), (0, state), (2 * 2 * 2 * 32, 0)]
        );
        let layout = layout();
        let context = need(shape, &layout, &Placement::PROCESSOR, 0).processor.context;
        let sequences = u64::from(sequences(&layout, true));
        assert_eq!(context, 256 * u64::from(cells(&layout)) + 3 * state * sequences);
    }
    // A state takes many times what a question's keys and values do: only some questions are asked at once.
    assert!(sequences(&layout(), true) < sequences(&layout(), false));
    // The layer that guesses further tokens is there and takes nothing, because it is not loaded.
    let guesses = &dense.text.layers[4];
    assert_eq!(
        (dense.text.layers.len(), guesses.cache, guesses.state, guesses.dense),
        (5, 0, 0, 0)
    );
    let head = Head::read(&file("random-qwen35.gguf")).unwrap();
    assert!(dense.text.weights() < head.bytes());
    assert_eq!((mixture.text.layers.len(), mixture.text.experts_used), (4, 2));
}

#[test]
fn what_is_no_model_says_what_it_lacks() {
    let swapped = Shape::read(&file("random-mmproj.gguf"), &file("random-qwen3vl.gguf"), []);
    let words = swapped.unwrap_err().to_string();
    assert!(words.contains("random-mmproj.gguf is not a language model"), "{words}");
    let twice = Shape::read(&file("random-qwen3vl.gguf"), &file("random-qwen3vl.gguf"), []);
    let words = twice.unwrap_err().to_string();
    assert!(words.contains("is not a vision projector (mmproj)"), "{words}");
}

#[test]
fn every_cut_of_a_file_is_an_error() {
    let whole = std::fs::read(file("random-lora.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.gguf");
    // Behind the last tensor there may be padding, and nothing is lost with it.
    let end = whole.len() - 32;
    for length in (0..end).step_by(97).chain([end]) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = Head::read(&path).unwrap_err();
        match error {
            GgufError::NotGguf { .. } => {}
            GgufError::CutOff { needed, found, .. } => {
                assert_eq!((needed, found), (whole.len() as u64, length as u64));
            }
            GgufError::Unread { .. } | GgufError::SomethingElse { .. } => panic!("{length} bytes: {error}"),
        }
    }
}

#[test]
fn absurd_numbers_are_errors_and_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absurd.gguf");
    let head = |tensors: u64, keys: u64| {
        [
            b"GGUF".as_slice(),
            &3u32.to_le_bytes(),
            &tensors.to_le_bytes(),
            &keys.to_le_bytes(),
        ]
        .concat()
    };
    let far = u64::MAX.to_le_bytes();
    let key = [&1u64.to_le_bytes()[..], b"k"].concat();
    let files = [
        head(u64::MAX, 0),
        head(0, u64::MAX),
        [head(0, 1), far.to_vec()].concat(),
        [head(0, 1), key.clone(), 8u32.to_le_bytes().to_vec(), far.to_vec()].concat(),
        [
            head(0, 1),
            key.clone(),
            9u32.to_le_bytes().to_vec(),
            4u32.to_le_bytes().to_vec(),
            far.to_vec(),
        ]
        .concat(),
        [
            head(0, 1),
            key.clone(),
            9u32.to_le_bytes().to_vec(),
            8u32.to_le_bytes().to_vec(),
            far.to_vec(),
        ]
        .concat(),
        [head(0, 1), key, 77u32.to_le_bytes().to_vec()].concat(),
    ];
    for bytes in files {
        std::fs::write(&path, &bytes).unwrap();
        let error = Head::read(&path).unwrap_err();
        assert!(matches!(error, GgufError::NotGguf { .. }), "{error}");
    }
}

#[test]
fn what_is_no_model_is_told_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 5\n";
    for (content, said) in [
        ("<!DOCTYPE html><title>Sign in</title>", "it is an HTML page"),
        (pointer, "it is a Git LFS pointer (the real file was not downloaded)"),
        ("{\"error\": \"not found\"}", "it is JSON text"),
        ("GG", "it ends within its head"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Head::read(&path).unwrap_err().to_string();
        assert!(error.contains("model.gguf is no ") && error.contains(said), "{error}");
    }
}

#[test]
fn absurd_shapes_do_not_overflow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absurd.gguf");
    let text = |text: &str| [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
    let number = |key: &str| [text(key), 10u32.to_le_bytes().to_vec(), u64::MAX.to_le_bytes().to_vec()].concat();
    let keys = [
        "block_count",
        "embedding_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
        "attention.value_length",
        "n_deepstack_layers",
        "expert_used_count",
        "expert_feed_forward_length",
    ];
    let mut bytes = [
        b"GGUF".as_slice(),
        &3u32.to_le_bytes(),
        &2u64.to_le_bytes(),
        &(keys.len() as u64 + 1).to_le_bytes(),
    ]
    .concat();
    bytes.extend([text("general.architecture"), 8u32.to_le_bytes().to_vec(), text("x")].concat());
    bytes.extend(keys.iter().flat_map(|key| number(&format!("x.{key}"))));
    for (name, rows) in [("token_embd.weight", 4096u64), ("blk.0.attn_q.weight", 1)] {
        bytes.extend([text(name), 2u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()].concat());
        bytes.extend(
            [
                rows.to_le_bytes().to_vec(),
                0u32.to_le_bytes().to_vec(),
                0u64.to_le_bytes().to_vec(),
            ]
            .concat(),
        );
    }
    bytes.resize(bytes.len() + 64 * 1024, 0);
    std::fs::write(&path, &bytes).unwrap();
    let shape = Shape::read(&path, &file("random-mmproj.gguf"), []).unwrap();
    let need = need(&shape, &layout(), &Placement::whole(&shape.text), 1).gpu.total();
    assert!(need > 1 << 49, "{need}");
    assert!(shape.mismatch().is_some());
}

#[test]
fn a_split_model_is_all_its_parts() {
    let parts = parts_of(Path::new("m/big-00001-of-00002.gguf"));
    let expected = ["m/big-00001-of-00002.gguf", "m/big-00002-of-00002.gguf"];
    assert_eq!(parts, expected.map(PathBuf::from));
    assert_eq!(parts_of(Path::new("m/big.gguf")), [Path::new("m/big.gguf")]);
}

#[test]
fn published_shapes_take_what_is_said_of_them() {
    let whole = |shape: &Shape| need(shape, &layout(), &Placement::whole(&shape.text), 1).gpu;
    let eight = whole(&eight());
    // 36 layers of 4 KiB a token (each of keys and values: 8 heads of 128, 2 bytes).
    assert_eq!(eight.context, 36 * 4096 * u64::from(cells(&layout())));
    assert!(eight.total() > 7 * GB && eight.total() < 9 * GB, "{eight:?}");
    let thirty = whole(&thirty());
    assert!(thirty.total() > 19 * GB && thirty.total() < 21 * GB, "{thirty:?}");
}

#[test]
fn the_catalogue_says_what_its_models_take() {
    use hub::catalog::Catalog;

    // Layers, width, feed-forward width at work, heads of keys and values, whether input is output, the projector's width,
    // its bytes in F16: as published. The mixture's weights are taken for dense ones: on a GPU that makes no difference.
    let shapes = [
        ("2b", (28, 2048, 6144, 8, true, 1024, 0.82e9), [1.1e9, 1.83e9, 3.45e9]),
        ("4b", (36, 2560, 9728, 8, true, 1024, 0.84e9), [2.5e9, 4.28e9, 8.05e9]),
        (
            "8b",
            (36, 4096, 12_288, 8, false, 1152, 1.16e9),
            [5.03e9, 8.71e9, 16.4e9],
        ),
        ("30b-a3b", (48, 2048, 6144, 4, false, 1152, 1.08e9), [18.56e9, 0.0, 0.0]),
    ];
    let plan = judge::protocol::plan(1024);
    for (name, (layers, width, feed_forward, heads, tied, seeing, projector), weights) in shapes {
        let entry = Catalog::built_in().unwrap().find(name).unwrap().0;
        for (quantisation, bytes) in entry.quantisations.iter().zip(weights) {
            let mut shape = dense(layers, width, feed_forward, bytes as u64);
            shape.text.tied = tied;
            if tied {
                shape.text.output = 0;
            }
            for layer in &mut shape.text.layers {
                layer.cache = 2 * 2 * heads * 128;
                if tied {
                    layer.dense += shape.text.input / layers as u64;
                }
            }
            (shape.vision.width, shape.vision.weights) = (seeing, projector as u64);
            let need = need(&shape, &plan, &Placement::whole(&shape.text), 1).gpu.total() as f64 / 1e9;
            let said = quantisation.memory_gb;
            assert!(
                (said / need - 1.0).abs() < 0.07,
                "{name} {}: {said} GB said, {need:.2} needed",
                quantisation.name
            );
        }
    }
}

#[test]
fn what_does_not_fit_leaves_the_gpu_in_the_right_order() {
    let on = |shape: &Shape, gb: u64| place(shape, &layout(), gb * GB, 1);
    let (eight, thirty) = (eight(), thirty());
    assert_eq!(on(&eight, 24), Placement::whole(&eight.text));
    let some = on(&eight, 6);
    assert!(some.projector && some.layers > 10 && some.layers < 36, "{some}");
    assert!(on(&eight, 5).layers < some.layers);

    assert_eq!(on(&thirty, 24), Placement::whole(&thirty.text));
    let sixteen = on(&thirty, 16);
    assert!(
        sixteen.layers == 49 && sixteen.experts_away > 5 && sixteen.experts_away < 30,
        "{sixteen}"
    );
    assert!(on(&thirty, 12).experts_away > sixteen.experts_away);
    assert_eq!(
        on(&thirty, 2),
        Placement {
            layers: 0,
            experts_away: 0,
            projector: true
        }
    );
    assert_eq!(on(&thirty, 1), Placement::PROCESSOR);

    // Whatever is chosen fits, and more memory never takes anything off the GPU.
    for shape in [&eight, &thirty] {
        let mut last = 0;
        for free in (0..30 * GB).step_by(GB as usize / 3) {
            let placement = place(shape, &layout(), free, 1);
            let need = need(shape, &layout(), &placement, 1);
            assert!(need.gpu.total() <= free, "{placement} in {free}");
            let weights = need.gpu.weights + need.gpu.projector;
            assert!(weights >= last, "{placement} in {free}");
            last = weights;
        }
    }
}

#[test]
fn nothing_is_lost_between_gpu_and_processor() {
    for shape in [eight(), thirty()] {
        let all = shape.text.weights();
        for layers in 0..=49 {
            for experts_away in [0, 3, 48] {
                let placement = Placement {
                    layers,
                    experts_away,
                    projector: false,
                };
                let need = need(&shape, &layout(), &placement, 1);
                assert_eq!(need.gpu.weights + need.processor.weights, all, "{placement}");
                assert_eq!(need.processor.projector, shape.vision.weights);
            }
        }
    }
}

#[test]
fn the_same_placement_is_taken_while_it_fits() {
    let shape = eight();
    let (usual, needed) = choose(&shape, &layout(), &[card(23 * GB, 24 * GB)]);
    assert_eq!(usual, Placement::whole(&shape.text));
    let (same, _) = choose(&shape, &layout(), &[card(needed.gpu.total() + GB, 24 * GB)]);
    assert_eq!(same, usual);
    let (less, needed) = choose(&shape, &layout(), &[card(6 * GB, 24 * GB)]);
    assert!(less.layers < usual.layers && needed.gpu.total() < 6 * GB, "{less}");
    // Where not all fits, whatever else is on the card in the usual way makes no difference.
    let (small, _) = choose(&shape, &layout(), &[card(6 * GB, 6 * GB)]);
    assert!(small.projector && small.layers > 0 && small.layers < 37, "{small}");
    for taken in [GB / 3, GB / 2, GB] {
        assert_eq!(
            choose(&shape, &layout(), &[card(6 * GB - taken, 6 * GB)]).0,
            small,
            "{taken} are taken"
        );
    }
    // And where it does, small changes do not matter.
    let scarce = choose(&shape, &layout(), &[card(4 * GB + GB / 8, 6 * GB)]).0;
    assert!(scarce.layers < small.layers, "{scarce}");
    assert_eq!(choose(&shape, &layout(), &[card(4 * GB + GB / 4, 6 * GB)]).0, scarce);
    assert_eq!(choose(&shape, &layout(), &[]).0, Placement::PROCESSOR);
    let (two, _) = choose(&thirty(), &layout(), &[card(11 * GB, 11 * GB), card(11 * GB, 11 * GB)]);
    assert!(
        two.layers == 49 && two.experts_away > 0 && two.experts_away < 20,
        "{two}"
    );
}
