//! Files that may not grow.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::hostile::prey::{Prey, opening, request, within};

/// More than any file of the data folder has at first, and less than the picture: 100 or 200 KB, as the shell counts.
const BLOCKS: u32 = 200;
const SIDE: u32 = 400;

/// By itself the system ends a program that writes beyond the limit.
#[tokio::test]
async fn a_file_that_may_not_grow_is_an_error_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    // The bundled judge is put there without a limit.
    let (prey, mut input, mut output) = Prey::over_pipes_in(folder.path(), "http://127.0.0.1:9", &[]);
    input.write_all(&opening()).await.unwrap();
    let mut line = String::new();
    within("the opening", output.read_line(&mut line)).await.unwrap();
    drop(input);
    assert_eq!(prey.ended().await, Some(0));

    let mut png = Cursor::new(Vec::new());
    // Noise, which no format makes smaller.
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    RgbImage::from_fn(SIDE, SIDE, |_, _| Rgb([noise(), noise(), noise()]))
        .write_to(&mut png, ImageFormat::Png)
        .unwrap();
    let picture = folder.path().join("noise.png");
    std::fs::write(&picture, png.into_inner()).unwrap();

    let (prey, mut input, mut output) = Prey::over_pipes_with_small_files(folder.path(), BLOCKS);
    let picture = picture.display().to_string();
    let judge = json!({"name": "judge_pair", "arguments": {"reference": picture, "generated": picture}});
    input.write_all(&opening()).await.unwrap();
    for (id, method, params) in [("judge", "tools/call", judge), ("list", "tools/list", json!({}))] {
        input
            .write_all(format!("{}\n", request(id, method, params)).as_bytes())
            .await
            .unwrap();
    }
    let mut told = None;
    let mut listed = false;
    while told.is_none() || !listed {
        line.clear();
        let came = within("an answer", output.read_line(&mut line)).await.unwrap();
        assert!(came > 0, "it ended");
        let message: Value = serde_json::from_str(&line).unwrap();
        match message["id"].as_str() {
            Some("judge") => told = Some(message),
            Some("list") => listed = message["result"]["tools"].is_array(),
            _ => {}
        }
    }
    let told = told.unwrap();
    let text = told["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(told["result"]["isError"], true, "{told}");
    assert!(
        text.contains("cannot write the image") && text.contains("ulimit -f"),
        "{text}"
    );
    drop(input);
    assert_eq!(prey.ended().await, Some(0));
}
