//! Pictures that cannot be used, or only after a change: each is refused in words an agent can act on, or said to be
//! changed; and the server goes on.

use std::fs::File;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use serde_json::json;

use crate::mcp_binary::ERA;
use crate::mcp_binary::bench::{Bench, Via};

/// What is given for a picture, words of the refusal, words of the advice.
type Case = (String, &'static str, &'static str);

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A picture whose file is cut in its pixels, wherever it is cut.
fn noise() -> RgbImage {
    let sample = |x: u32, y: u32| u8::try_from((x * 7919 + y * 104_729 + x * y * 31) % 251).unwrap();
    RgbImage::from_fn(64, 64, |x, y| Rgb([sample(x, y), sample(y, x), sample(x + y, x)]))
}

/// A PNG with a wrong byte in its pixels.
fn damaged() -> Vec<u8> {
    let slopes = RgbImage::from_fn(40, 30, |x, y| {
        let slope = u8::try_from(x * 100 / 40).unwrap();
        Rgb(if y < 15 { [220, slope, 30] } else { [30, slope, 220] })
    });
    let mut png = encoded(slopes, ImageFormat::Png);
    let middle = png.len() / 2;
    png[middle] ^= 0xff;
    png
}

/// A small PNG whose header promises 60000×60000 pixels.
fn boastful() -> Vec<u8> {
    let mut png = encoded(noise(), ImageFormat::Png);
    for start in [16, 20] {
        png[start..start + 4].copy_from_slice(&60_000_u32.to_be_bytes());
    }
    let checksum = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&checksum.to_be_bytes());
    png
}

/// The checksum of a PNG chunk.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Files that are there and are no pictures to judge.
fn bad_files(bench: &Bench) -> Vec<Case> {
    let mut cases = Vec::new();
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
        ImageFormat::Bmp,
        ImageFormat::Tiff,
    ] {
        let whole = encoded(noise(), format);
        let name = format!("cut.{}", format.extensions_str()[0]);
        let path = bench.write(&name, &whole[..whole.len() / 2]);
        cases.push((path, "file is cut off", "save the file again"));
    }
    let huge = bench.file("huge.png");
    // Sparse: it takes no space, and must not be read.
    File::create(&huge).unwrap().set_len((64 << 20) + 1).unwrap();
    let page = "<!DOCTYPE html><html><body>404 Not Found</body></html>";
    cases.extend([
        (bench.write("empty.png", b""), "is empty (0 bytes)", "download it again"),
        (
            bench.write("damaged.png", damaged()),
            "PNG file is damaged",
            "export it",
        ),
        (
            bench.write("boastful.png", boastful()),
            "60000x60000 pixels, the limit is 67108864",
            "Scale it down",
        ),
        (huge, "67108865 bytes, the limit is 67108864", "Save it smaller"),
        (
            bench.write("notes.png", "to do: buy milk\n"),
            "plain text",
            "Check the path",
        ),
        (bench.write("page.jpg", page), "an HTML page", "Check the path"),
        (
            bench.write("inline.png", "data:image/png;base64,iVBORw0KGgo="),
            "a data URL",
            "Check the path",
        ),
        (
            bench.write("model.png", b"GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0"),
            "a GGUF model file",
            "Check the path",
        ),
        (
            bench.write("photo.png", b"\0\0\0\x1cftypavif\0\0\0\0"),
            "an AVIF picture",
            "Convert it to PNG",
        ),
        (
            bench.write("drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
            "an SVG drawing",
            "Convert it to PNG",
        ),
    ]);
    cases
}

/// What names no file that can be read.
fn bad_paths(bench: &Bench) -> Vec<Case> {
    let base64 = STANDARD.encode(encoded(noise(), ImageFormat::Png));
    // Opening it would wait for somebody who writes into it.
    let pipe = bench.file("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    vec![
        (pipe, "not a regular file", "not of a folder"),
        (bench.file("none.png"), "cannot reach", "spelling"),
        (bench.file(""), "not a regular file", "not of a folder"),
        (
            format!("data:image/png;base64,{base64}"),
            "data: URIs are not read",
            "Decode it into a file",
        ),
        // Large ones are not echoed.
        (
            format!("data:image/png;base64,{}", "A".repeat(1 << 20)),
            "data: URIs are not read",
            "Decode it into a file",
        ),
        ("data:,".into(), "data: URIs are not read", "Decode it into a file"),
        // The bytes without their scheme: this is no name of a file either.
        (base64, "where the path of a file belongs", "Save it as a file"),
        (
            "https://example.org/a.png".into(),
            "https: URIs are not read",
            "Save it as a file",
        ),
    ]
}

#[tokio::test]
async fn a_bad_picture_is_refused_on_either_side_and_a_good_pair_is_judged_afterwards() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let good = bench.file("reference.png");
    let cases = bad_files(&bench).into_iter().chain(bad_paths(&bench));
    for (given, what, advice) in cases {
        for arguments in [
            json!({"reference": given}),
            json!({"reference": good, "generated": given}),
        ] {
            let said = server.refused("judge_pair", arguments).await;
            let (failed, hint) = said.split_once("\nWhat to do: ").unwrap();
            assert!(failed.contains(what), "{what}: {said}");
            assert!(hint.contains(advice), "{advice}: {said}");
            // Of two files, which one; of a picture's bytes, not all of them.
            if Path::new(&given).is_absolute() {
                assert!(failed.contains(&given), "{given} is not named: {said}");
            }
            assert!(said.len() < 600, "too long: {said}");
        }
    }
    let none = server.tool("get_history", json!({})).await;
    assert!(none.get("sessions").is_none(), "{none}");
    let pair = json!({"reference": good, "generated": bench.file("generated.png")});
    let judged = server.tool("judge_pair", pair).await;
    assert!(judged["overall_score"].is_number(), "{judged}");
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures");
    std::fs::read(folder.join(name)).unwrap()
}

#[tokio::test]
async fn what_decoding_changed_is_said_of_the_picture_it_was_done_to() {
    let bench = Bench::new(Via::Stdio, ERA).await;
    let server = bench.open().await;
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(32, 32, |x, _| Rgb([if x < 16 { 0xffff } else { 0x1234 }, 0x8080, 0]));
    let glass = RgbaImage::from_fn(32, 32, |x, _| Rgba([200, 0, 0, if x < 16 { 255 } else { 40 }]));
    for (name, bytes, words) in [
        (
            "animated.webp",
            fixture("animated.webp"),
            "The reference is animated and only its first frame counts",
        ),
        (
            "cmyk.jpg",
            fixture("cmyk.jpg"),
            "The reference is CMYK, so its colours are approximate",
        ),
        (
            "turned.jpg",
            fixture("turned.jpg"),
            "The reference was turned upright by its orientation tag",
        ),
        (
            "deep.png",
            encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png),
            "The reference has more than 8 bits a sample",
        ),
        (
            "glass.png",
            encoded(glass, ImageFormat::Png),
            "Transparent parts of the reference were laid on white",
        ),
    ] {
        let alone = json!({"reference": bench.write(name, bytes)});
        let seen = server.tool("judge_pair", alone).await;
        let summary = seen["summary"].as_str().unwrap();
        assert!(summary.contains(words), "{name}: {summary}");
        assert!(!seen["reference_values"].as_object().unwrap().is_empty(), "{seen}");
    }
    let pair = json!({
        "reference": bench.file("reference.png"),
        "generated": bench.write("animated.gif", fixture("animated.gif")),
    });
    let judged = server.tool("judge_pair", pair).await;
    let summary = judged["summary"].as_str().unwrap();
    assert!(summary.contains("The generated picture is animated"), "{summary}");
    assert!(!summary.contains("The reference"), "{summary}");
    let flags = judged["flags"].as_array().unwrap();
    assert!(flags.contains(&json!("generated_animated")), "{flags:?}");
}
