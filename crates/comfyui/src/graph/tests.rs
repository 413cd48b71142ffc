use serde_json::json;

use super::*;

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in kind.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&length[..], kind, data, &(!crc).to_be_bytes()].concat()
}

/// A real PNG of two grey pixels with further chunks before its end.
fn picture(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut png = Vec::new();
    let grey = image::GrayImage::from_raw(2, 1, vec![1, 2]).unwrap();
    grey.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png)
        .unwrap();
    let end = png.split_off(png.len() - 12);
    [png, chunks.concat(), end].concat()
}

/// The chunk as ComfyUI 0.33 wrote it (transcript 11).
const PROMPT: &str = r#"{"1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 2, "color": 5}, "_meta": {"title": "My Image \u00fc"}}, "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "meta/%width%x%height%_%year%-%month%-%day%"}}}"#;

fn text(keyword: &str, text: &str) -> Vec<u8> {
    chunk(b"tEXt", &[keyword.as_bytes(), b"\0", text.as_bytes()].concat())
}

#[test]
fn a_saved_picture_gives_its_workflow() {
    let png = picture(&[
        text("prompt", PROMPT),
        text("workflow", r#"{"nodes": [], "links": []}"#),
    ]);
    assert!(
        image::load_from_memory(&png).is_ok(),
        "the test's picture is a real one"
    );
    let graph = Graph::parse(&png).unwrap();
    assert_eq!(graph.node("1").unwrap().title(), "My Image ü");
    assert_eq!(
        graph.node("2").unwrap().input("images"),
        Some(InputValue::Link { node: "1", output: 0 })
    );
}

#[test]
fn international_text_is_read_and_compressed_text_is_refused() {
    let body = |flag: u8| [b"prompt\0", &[flag, 0][..], b"\0\0", PROMPT.as_bytes()].concat();
    let graph = Graph::parse(&picture(&[chunk(b"iTXt", &body(0))])).unwrap();
    assert_eq!(graph.len(), 2);
    let error = Graph::parse(&picture(&[chunk(b"iTXt", &body(1))])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the `prompt` chunk of the PNG cannot be read: it is compressed"
    );
}

#[test]
fn a_picture_without_a_workflow_says_so() {
    let error = Graph::parse(&picture(&[text("Software", "GIMP")])).unwrap_err();
    assert!(matches!(error, GraphError::NoPrompt(PictureKind::Png)));
    assert!(error.hint().contains("output folder"));
}

#[test]
fn damaged_pictures_are_errors() {
    let png = picture(&[text("prompt", PROMPT)]);
    for cut in [8, 20, 60, png.len() / 2] {
        assert!(
            matches!(Graph::parse(&png[..cut]), Err(GraphError::DamagedPng(_))),
            "cut at {cut}"
        );
    }
    let mut huge = png[..33].to_vec();
    huge.extend_from_slice(&[0xFF; 12]);
    assert!(matches!(Graph::parse(&huge), Err(GraphError::DamagedPng(_))));
}

#[test]
fn ui_format_is_named_and_explained() {
    let ui =
        json!({"id": "x", "last_node_id": 2, "nodes": [{"id": 1, "type": "KSampler"}], "links": [], "version": 0.4});
    for workflow in [ui.clone(), json!({ "prompt": ui })] {
        let error = Graph::from_json(workflow).unwrap_err();
        assert!(error.to_string().contains("UI format"), "{error}");
        assert!(error.hint().contains("File > Export (API)"), "{}", error.hint());
    }
}

#[test]
fn other_json_is_refused_by_what_was_found() {
    let message = |text: &str| Graph::parse(text.as_bytes()).unwrap_err().to_string();
    assert!(message("[1]").ends_with("found a list"));
    assert!(message("{}").ends_with("no nodes"));
    assert!(message(r#"{"prompt": null}"#).contains("\"prompt\" holds null"));
    assert!(message(r#"{"a": {"b": 1}}"#).contains("class_type"));
    assert!(message(r#"{"1": {"class_type": "X"}, "version": 1}"#).contains("\"version\" holds a number"));
    assert!(message(r#"{"1": {"#).contains("not valid JSON"));
    assert!(matches!(Graph::parse(b"\xff\xfe\0"), Err(GraphError::NotText)));
}

#[test]
fn order_and_unknown_fields_survive() {
    let text = r#"{"9":{"class_type":"B","inputs":{"z":1,"a":[]},"_meta":{"title":"t","color":3},"extra":{"k":null}},"1":{"class_type":"A","inputs":{}}}"#;
    let graph = Graph::parse(text.as_bytes()).unwrap();
    assert_eq!(graph.to_json().to_string(), text);
    let wrapped = format!("{{\"prompt\":{text},\"client_id\":\"x\"}}");
    assert_eq!(Graph::parse(wrapped.as_bytes()).unwrap(), graph);
}

#[test]
fn a_workflow_is_taken_out_of_a_request_around_it() {
    let nodes = json!({"1": {"class_type": "A", "inputs": {}}, "prompt": {"class_type": "B", "inputs": {}}});
    let written = nodes.to_string();
    let ui = json!({"nodes": [], "links": [], "version": 0.4});
    let taken = |request: Value| {
        let (graph, place) = Graph::read(request.to_string().as_bytes()).unwrap();
        assert_eq!(graph.to_json(), nodes, "{request}");
        place.map(|place| place.to_string())
    };
    for (request, place) in [
        (nodes.clone(), None),
        (json!({"prompt": nodes, "client_id": "x"}), Some("prompt")),
        (json!({"workflow": nodes}), Some("workflow")),
        (
            json!({"input": {"workflow": nodes, "images": [{"name": "a.png"}]}}),
            Some("input.workflow"),
        ),
        (
            json!({"input": {"prompt": nodes}, "webhook": "x"}),
            Some("input.prompt"),
        ),
        (
            json!({"body": {"input": {"workflow": nodes}}}),
            Some("body.input.workflow"),
        ),
        // As the page posts it, as services take it, and beside an older one that lies deeper.
        (
            json!({"prompt": nodes, "extra_data": {"extra_pnginfo": {"workflow": ui}}}),
            Some("prompt"),
        ),
        (
            json!({"input": {"workflow_json": written, "seed": 1}}),
            Some("input.workflow_json"),
        ),
        (
            json!({"prompt": nodes, "before": {"prompt": {"1": {"class_type": "C", "inputs": {}}}}}),
            Some("prompt"),
        ),
    ] {
        assert_eq!(taken(request).as_deref(), place);
    }
    let refused = |request: Value| Graph::from_json(request).unwrap_err();
    let two = refused(json!({"input": {"first": nodes, "second": nodes}, "n": 2}));
    assert_eq!(two.to_string(), "the file holds 2 workflows: input.first, input.second");
    assert!(two.hint().contains("file of its own"));
    let deep = json!({"a": {"b": {"c": {"d": nodes}}}});
    assert!(matches!(refused(deep), GraphError::NotAGraph { .. }));
    let editor = json!({"input": {"workflow": ui}});
    assert!(matches!(refused(editor), GraphError::UiFormat));
    // What lies around one that is damaged does not hide what is wrong with it.
    let damaged = json!({"input": {"workflow": {"1": {"class_type": "A"}, "version": 1}}});
    assert!(refused(damaged).to_string().contains("\"version\" holds a number"));
}

#[test]
fn texts_around_a_workflow_do_not_fill_the_memory() {
    let list = format!("{{\"a\": [{}0]}}", "0,".repeat(40_000));
    let request: Map<String, Value> = (0..50).map(|n| (n.to_string(), json!(list))).collect();
    assert!(matches!(
        Graph::from_json(Value::Object(request)),
        Err(GraphError::NotAGraph { .. })
    ));
}

/// A WebP with an EXIF of these texts, the fields in the order of their numbers as Pillow writes them.
fn webp(texts: &[(u16, &str)]) -> Vec<u8> {
    let mut file = Vec::new();
    let grey = image::RgbImage::from_pixel(2, 1, image::Rgb([9, 9, 9]));
    grey.write_to(&mut std::io::Cursor::new(&mut file), image::ImageFormat::WebP)
        .unwrap();
    let number = |n: usize| u32::try_from(n).unwrap().to_be_bytes();
    let mut exif = b"MM\0*\0\0\0\x08".to_vec();
    exif.extend(u16::try_from(texts.len()).unwrap().to_be_bytes());
    let (mut at, mut behind) = (8 + 2 + 12 * texts.len() + 4, Vec::new());
    for (tag, text) in texts {
        exif.extend([&tag.to_be_bytes()[..], b"\0\x02", &number(text.len() + 1), &number(at)].concat());
        behind.extend([text.as_bytes(), b"\0"].concat());
        at += text.len() + 1;
    }
    exif.extend([&[0; 4][..], &behind].concat());
    exif.resize(exif.len().next_multiple_of(2), 0);
    file.extend(b"EXIF");
    file.extend(u32::try_from(exif.len()).unwrap().to_le_bytes());
    file.extend(exif);
    let riff = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
    file[4..8].copy_from_slice(&riff);
    file
}

#[test]
fn a_saved_webp_gives_its_workflow() {
    let editor = r#"workflow:{"nodes": [], "links": []}"#;
    let (make, model) = (0x010f, 0x0110);
    let saved = webp(&[(make, editor), (model, &format!("prompt:{PROMPT}"))]);
    assert!(
        image::load_from_memory(&saved).is_ok(),
        "the test's picture is a real one"
    );
    let (graph, place) = Graph::read(&saved).unwrap();
    assert_eq!((graph.len(), place), (2, None));
    assert_eq!(graph.node("1").unwrap().title(), "My Image ü");
    // As other nodes write it.
    let other = webp(&[(0x010e, &format!("Prompt: {PROMPT}"))]);
    assert_eq!(Graph::parse(&other).unwrap(), graph);

    let error = Graph::parse(&webp(&[(make, editor)])).unwrap_err();
    assert!(
        matches!(error, GraphError::OnlyUiFormat(PictureKind::WebP)),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with("the WebP carries its workflow in ComfyUI's UI format")
    );
    assert!(error.hint().contains("Drop the WebP onto"), "{}", error.hint());
    let camera = webp(&[(make, "A camera"), (model, "prompt: none")]);
    for (bytes, kind) in [
        (camera, PictureKind::WebP),
        (saved[..40].to_vec(), PictureKind::WebP),
        (
            b"RIFF\xff\xff\xff\xffWEBPEXIF\xff\xff\xff\xff".to_vec(),
            PictureKind::WebP,
        ),
        (b"\xff\xd8\xff\xe1\xff\xff".to_vec(), PictureKind::Jpeg),
    ] {
        let error = Graph::parse(&bytes).unwrap_err();
        assert!(
            matches!(error, GraphError::NoPrompt(found) if found == kind),
            "{error:?}"
        );
        assert!(error.hint().contains("output folder"));
    }
    assert_eq!(
        Graph::most_bytes(&saved[..Graph::BEGINNING]),
        Graph::most_bytes(&picture(&[]))
    );
}

#[test]
fn a_saved_animation_gives_its_workflow() {
    let body = [b"prompt\0", PROMPT.as_bytes()].concat();
    let graph = Graph::parse(&picture(&[chunk(b"comf", &body)])).unwrap();
    assert_eq!(graph.len(), 2);
}

#[test]
fn python_numbers_in_saved_pictures_are_read() {
    let text = r#"{"1":{"class_type":"A","inputs":{"t":"NaN \" -Infinity"},"is_changed":[NaN, -Infinity]}}"#;
    let graph = Graph::parse(text.as_bytes()).unwrap();
    assert_eq!(graph.node("1").unwrap().literal("t"), Some(&json!("NaN \" -Infinity")));
}

#[test]
fn the_hash_sees_values_and_nothing_else() {
    let hash = |text: &str| Graph::parse(text.as_bytes()).unwrap().hash();
    let base = hash(r#"{"1":{"class_type":"A","inputs":{"x":4,"s":"a"}},"2":{"class_type":"B","inputs":{}}}"#);
    assert_eq!(base.as_str().len(), 64);
    let same = r#"{"2":{"inputs":{},"class_type":"B","_meta":{"title":"T"}},"1":{"class_type":"A","is_changed":["q"],"inputs":{"s":"a","x":4.0}}}"#;
    assert_eq!(base, hash(same), "order, titles and 4 as 4.0 do not count");
    for other in [
        r#"{"1":{"class_type":"A","inputs":{"x":5,"s":"a"}},"2":{"class_type":"B","inputs":{}}}"#,
        r#"{"1":{"class_type":"A","inputs":{"x":4,"s":"a "}},"2":{"class_type":"B","inputs":{}}}"#,
        r#"{"1":{"class_type":"A","inputs":{"x":"4","s":"a"}},"2":{"class_type":"B","inputs":{}}}"#,
        r#"{"1":{"class_type":"A","inputs":{"x":4,"s":"a","_meta":1}},"2":{"class_type":"B","inputs":{}}}"#,
    ] {
        assert_ne!(base, hash(other), "{other}");
    }
}

#[test]
fn the_largest_seed_stays_exact() {
    let text = r#"{"1":{"class_type":"A","inputs":{"seed":18446744073709551615}}}"#;
    let graph = Graph::parse(text.as_bytes()).unwrap();
    assert_eq!(graph.to_json().to_string(), text);
    let near = text.replace("615", "614");
    assert_ne!(graph.hash(), Graph::parse(near.as_bytes()).unwrap().hash());
}

#[test]
fn a_picture_with_the_editors_form_alone_says_what_it_carries() {
    let png = picture(&[text("workflow", r#"{"nodes": [], "links": [], "version": 0.4}"#)]);
    let error = Graph::parse(&png).unwrap_err();
    assert!(matches!(error, GraphError::OnlyUiFormat(PictureKind::Png)), "{error:?}");
    assert!(error.to_string().contains("UI format only"), "{error}");
    let hint = error.hint();
    assert!(
        hint.contains("Drop the PNG onto ComfyUI's page") && hint.contains("API format"),
        "{hint}"
    );
}

#[test]
fn what_grows_in_memory_is_not_read() {
    // Each of these is valid JSON, and was gigabytes once.
    let lists = format!("[{}[]]", "[],".repeat(2_000_000));
    let nodes: Vec<String> = (0..60_000).map(|n| format!(r#""{n}":{{"class_type":"A"}}"#)).collect();
    let nodes = format!("{{{}}}", nodes.join(","));
    for json in [&lists, &nodes] {
        assert!(json.len() < MAX_WORKFLOW_BYTES);
        for bytes in [
            json.clone().into_bytes(),
            picture(&[text("prompt", &json[..json.len().min(4 << 20)])]),
        ] {
            let error = Graph::parse(&bytes).unwrap_err();
            assert!(
                matches!(
                    error,
                    GraphError::TooManyValues {
                        limit: MAX_WORKFLOW_VALUES
                    } | GraphError::UnreadableChunk(_)
                ),
                "{error}"
            );
        }
    }
    let error = Graph::parse(&picture(&[text("prompt", &lists[..3 << 20])])).unwrap_err();
    assert!(error.to_string().contains("more than 50000 values"), "{error}");
    assert!(error.hint().contains("rarely over 1 MB"), "{}", error.hint());
    let error = Graph::parse(&picture(&[text("prompt", &"x".repeat((4 << 20) + 1))])).unwrap_err();
    assert!(error.to_string().contains("longer than 4 MiB"), "{error}");
    let error = Graph::parse(" ".repeat(MAX_WORKFLOW_BYTES + 1).as_bytes()).unwrap_err();
    assert!(
        error.to_string().contains("8388609 bytes; at most 8388608 are read"),
        "{error}"
    );
}

#[test]
fn what_is_written_into_a_graph_counts() {
    let mut graph = Graph::parse(br#"{"1":{"class_type":"A","inputs":{"a":1}}}"#).unwrap();
    let mut size_with = |value| {
        graph.set_input("1", "a", value);
        graph.check_size()
    };
    assert!(size_with(json!(vec![0; MAX_WORKFLOW_VALUES - 10])).is_ok());
    assert!(matches!(
        size_with(json!(vec![0; MAX_WORKFLOW_VALUES])),
        Err(GraphError::TooManyValues { .. })
    ));
    assert!(size_with(json!("x".repeat(MAX_WORKFLOW_BYTES - 100))).is_ok());
    assert!(matches!(
        size_with(json!("x".repeat(MAX_WORKFLOW_BYTES))),
        Err(GraphError::TooLarge { .. })
    ));
}

#[test]
fn a_large_workflow_is_read() {
    let nodes: Vec<String> = (0..5_000)
        .map(|n| format!(r#""{n}":{{"class_type":"A","inputs":{{"a":1,"b":["{n}",0],"c":"text, [with] {{marks}}"}}}}"#))
        .collect();
    let graph = Graph::parse(format!("{{{}}}", nodes.join(",")).as_bytes()).unwrap();
    assert_eq!(graph.len(), 5_000);
}
