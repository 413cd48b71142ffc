//! Which picture counts is decided by the workflow, is told, and can be chosen.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, ImageReader, Luma, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::{LivingStudio, hires_workflow, workflow};
use crate::support::chain::with_samplers;

/// A picture of the first pass is saved beside that of the second, by a node that ComfyUI executes first.
fn two_saves() -> Value {
    let mut graph = hires_workflow(1.0);
    graph["8"]["inputs"]["seed"] = json!(7);
    graph["8"]["inputs"]["positive"] = json!(["3", 0]);
    graph["9"] = json!({"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}});
    let mut reordered = json!({"0": {"class_type": "SaveImage", "_meta": {"title": "Base"},
        "inputs": {"images": ["9", 0], "filename_prefix": "base"}}});
    reordered
        .as_object_mut()
        .unwrap()
        .extend(graph.as_object().unwrap().clone());
    reordered["7"]["_meta"] = json!({"title": "Final"});
    reordered
}

/// Two samplers beside each other, each with a picture of its own.
fn side_by_side() -> Value {
    let mut graph = workflow(1);
    let mut other = graph["5"].clone();
    other["inputs"]["negative"] = json!(["2", 0]);
    other["inputs"]["positive"] = json!(["3", 0]);
    graph["11"] = other;
    graph["12"] = json!({"class_type": "VAEDecode", "inputs": {"samples": ["11", 0], "vae": ["1", 2]}});
    graph["13"] = json!({"class_type": "SaveImage", "_meta": {"title": "Other"}, "inputs": {"images": ["12", 0], "filename_prefix": "other"}});
    graph
}

fn pixels(made: &Value) -> Vec<Vec<u8>> {
    let pictures = made["runs"][0]["pictures"].as_array().unwrap().iter();
    let read = |path: &Value| image::open(path.as_str().unwrap()).unwrap().to_rgb8().into_raw();
    pictures.map(read).collect()
}

fn said(made: &Value) -> &str {
    made["summary"].as_str().unwrap()
}

#[tokio::test]
async fn the_last_samplers_picture_counts_whatever_is_executed_first() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let workflow = bench.write("two.json", two_saves().to_string());
    let server = bench.open().await;
    let asked = json!({"workflow": workflow, "reference": bench.file("reference.png"), "place": {"positive": "2.text"},
        "positive": "a red circle"});
    let made = server.tool("queue_generation", asked.clone()).await;
    let shown = pixels(&made);
    assert_eq!(shown.len(), 2);
    assert_ne!(shown[0], shown[1]);
    assert!(
        said(&made).contains("the one that counts is that of node 7 (Final)"),
        "{made}"
    );

    let mut alone = two_saves();
    alone.as_object_mut().unwrap().remove("0");
    let mut only = asked.clone();
    only["workflow"] = json!(bench.write("one.json", alone.to_string()));
    let only = server.tool("queue_generation", only).await;
    assert_eq!(pixels(&only), [shown[0].clone()], "it is the second pass");
    assert!(
        !said(&only).contains("counts"),
        "of one picture nothing is said: {only}"
    );

    // By id or title, and for all iterations that follow.
    let session = made["session"].clone();
    let other = json!({"session": session, "positive": "a red circle", "place": {"picture": "Base"}});
    let other = server.tool("queue_generation", other).await;
    assert_eq!(pixels(&other), [shown[1].clone(), shown[0].clone()]);
    assert!(said(&other).contains("that of node 0 (Base)"), "{other}");
    let next = json!({"session": session, "positive": "a red circle", "seeds": [8]});
    assert!(said(&server.tool("queue_generation", next).await).contains("that of node 0 (Base)"));
    let wrong = json!({"session": session, "positive": "x", "place": {"picture": "5"}});
    let refused = server.refused("queue_generation", wrong).await;
    assert!(refused.contains("Name a node by its id: 7, 0."), "{refused}");
}

#[tokio::test]
async fn pictures_beside_each_other_are_a_question_when_one_is_to_be_judged() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let workflow = bench.write("beside.json", side_by_side().to_string());
    let server = bench.open().await;
    let mut asked = json!({"workflow": workflow, "reference": bench.file("reference.png"), "place": {"positive": "2.text"},
        "positive": "a red circle", "judge": true});
    let question = server.tool("queue_generation", asked.clone()).await;
    assert_eq!(
        question["question"],
        json!({"role": "picture", "candidates": {"7": "SaveImage", "13": "Other"}})
    );
    assert!(said(&question).contains("place: {\"picture\": \"NODE\"}"), "{question}");
    assert_eq!(bench.studio.submissions().await, 0);

    // Nothing is judged: nothing has to be known.
    let mut unjudged = asked.clone();
    unjudged.as_object_mut().unwrap().remove("judge");
    let made = server.tool("queue_generation", unjudged).await;
    assert!(said(&made).contains("is not clear"), "{made}");

    asked["place"]["picture"] = json!("13");
    let judged = server.tool("queue_generation", asked).await;
    assert_eq!(judged["state"], "done");
    assert!(said(&judged).contains("that of node 13 (Other)"), "{judged}");
}

/// One that makes so many small pictures at once.
fn batch_workflow(size: u32) -> Value {
    let mut graph = workflow(1);
    graph["4"]["inputs"] = json!({"width": 64, "height": 64, "batch_size": size});
    graph
}

#[tokio::test]
async fn of_a_batch_the_first_picture_counts_and_that_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let mut all = Vec::new();
    for size in [1, 4] {
        let workflow = bench.write("batch.json", batch_workflow(size).to_string());
        let asked = json!({"workflow": workflow, "positive": "a red circle", "seeds": [7]});
        all.push(server.tool("queue_generation", asked).await);
    }
    let [alone, batch] = &all[..] else { unreachable!() };
    let shown = pixels(batch);
    assert_eq!((shown.len(), &shown[0]), (4, &pixels(alone)[0]), "in ComfyUI's order");
    assert_ne!(shown[0], shown[1]);
    assert!(
        said(batch).contains("the one that counts is that of node 7 (SaveImage), the first of a batch of 4."),
        "{batch}"
    );
    assert!(!said(alone).contains("counts"), "{alone}");
}

#[tokio::test]
async fn of_a_run_with_many_pictures_64_are_fetched_and_that_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let workflow = bench.write("batch.json", batch_workflow(70).to_string());
    let server = bench.open().await;
    let asked = json!({"workflow": workflow, "positive": "a red circle"});
    let made = server.tool("queue_generation", asked).await;
    assert_eq!(made["state"], "done");
    assert_eq!(pixels(&made).len(), 64);
    assert!(
        said(&made).contains("The run made 70 pictures: the first 64 were fetched"),
        "{made}"
    );
    let again = json!({"session": made["session"], "iteration": made["iteration"]});
    let again = server.tool("queue_generation", again).await;
    assert_eq!(pixels(&again), pixels(&made), "the run is finished with them");
    assert_eq!(bench.studio.submissions().await, 1);
}

#[tokio::test]
async fn a_result_above_the_limits_is_taken_smaller_and_that_is_said() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    // 81 million pixels in a small file.
    let mut large = Cursor::new(Vec::new());
    let picture = GrayImage::from_pixel(9_000, 9_000, Luma([77]));
    picture.write_to(&mut large, ImageFormat::Png).unwrap();
    let name = bench.studio.upload("large.png", large.into_inner()).await;
    let mut graph = workflow(1);
    graph["20"] = json!({"class_type": "LoadImage", "inputs": {"image": name}});
    graph["21"] = json!({"class_type": "SaveImage", "_meta": {"title": "Large"},
        "inputs": {"images": ["20", 0], "filename_prefix": "large"}});
    let workflow = bench.write("large.json", graph.to_string());
    let server = bench.open().await;
    let asked = json!({"workflow": workflow, "reference": bench.file("reference.png"), "positive": "a red circle",
        "place": {"picture": "21"}, "judge": true, "wait_s": 600});
    let made = server.tool("queue_generation", asked).await;
    assert_eq!(made["state"], "done", "{made}");
    for words in [
        "larger than pictures are kept",
        "9000x9000 pixels",
        "taken at 3000x3000",
    ] {
        assert!(said(&made).contains(words), "{words}: {made}");
    }
    let kept = &made["runs"][0]["pictures"][0];
    let kept = image::open(kept.as_str().unwrap()).unwrap().to_rgb8();
    assert_eq!(kept.dimensions(), (3_000, 3_000));
    assert!(kept.pixels().all(|pixel| pixel.0 == [77; 3]));
}

#[tokio::test]
async fn a_result_that_takes_too_much_memory_is_taken_as_a_jpeg_and_that_is_said() {
    // 36 million pixels in a small WebP file, of which no single rows can be read.
    let mut large = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(6_000, 6_000, Rgb([77; 3]));
    picture.write_to(&mut large, ImageFormat::WebP).unwrap();
    let studio = LivingStudio::with_result(large.into_inner()).await;
    let bench = Bench::with_studio(Via::Stdio, ERA, studio);
    let server = bench.open().await;
    let asked = json!({"workflow": bench.file("workflow.json"), "positive": "a red circle", "wait_s": 600});
    let made = server.tool("queue_generation", asked).await;
    assert_eq!(made["state"], "done", "{made}");
    for words in ["WebP file of 6000x6000 pixels", "ComfyUI made a JPEG of the same size"] {
        assert!(said(&made).contains(words), "{words}: {made}");
    }
    let path = made["runs"][0]["pictures"][0].as_str().unwrap().to_owned();
    let kept = ImageReader::open(path).unwrap().with_guessed_format().unwrap();
    assert_eq!(kept.format(), Some(ImageFormat::Jpeg));
    assert_eq!(kept.into_dimensions().unwrap(), (6_000, 6_000));
}

#[tokio::test]
async fn a_workflow_of_thousands_of_samplers_is_a_question_and_holds_nobody_up() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let graph = with_samplers(workflow(1), 2_000);
    let workflow = bench.write("many.json", graph.to_string());
    let server = bench.open().await;
    let call = server.start_tool(
        "inject_prompt",
        json!({"workflow": workflow, "positive": "a red circle"}),
    );
    server.result("ping", json!({})).await;
    let question = server.answer("inject_prompt", &call).await;
    assert!(said(&question).contains("more than 256 samplers"), "{question}");
    assert_eq!(
        question["question"]["candidates"],
        json!({"2.text": "Prompt: \"a red circle\""})
    );
    // What a person says is taken.
    let placed = json!({"workflow": workflow, "positive": "a blue circle", "place": {"positive": "2.text"}});
    assert_eq!(
        server.tool("inject_prompt", placed).await["changes"][0]["place"],
        "2.text"
    );
}
