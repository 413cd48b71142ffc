//! Pictures and workflows that are made to fill the memory: whatever one client names, the server's own stays below a bound.

use std::io::Write;
use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder};
use serde_json::json;

use crate::prey::{Prey, VERSION, nowhere};
use crate::support::mcp_client::Era;

/// What ARCHITECTURE.md promises, in KiB.
const MOST: u64 = 600_000_000 / 1024;

/// A PNG of one colour, written row by row.
fn plain(width: u32, height: u32, color: ColorType, depth: BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    let mut rows = writer.stream_writer().unwrap();
    let row = vec![0; width as usize * color.samples() * if depth == BitDepth::Sixteen { 2 } else { 1 }];
    for _ in 0..height {
        rows.write_all(&row).unwrap();
    }
    rows.finish().unwrap();
    drop(writer);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
        crc
    })
}

/// A PNG with a chunk behind its header.
fn with_chunk(png: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    [&png[..33], &length, &body, &crc32(&body).to_be_bytes(), &png[33..]].concat()
}

/// A zlib stream that unpacks to as many bytes as a black picture has.
fn stream_of(png: &[u8]) -> Vec<u8> {
    let (mut rest, mut stream) = (&png[8..], Vec::new());
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        if &rest[4..8] == b"IDAT" {
            stream.extend_from_slice(&rest[8..8 + length]);
        }
        rest = &rest[12 + length..];
    }
    stream
}

/// 66 bytes that promise 8192x8192 pixels.
fn promising_gif() -> Vec<u8> {
    let side = 8192_u16.to_le_bytes();
    [
        &b"GIF89a"[..],
        &side,
        &side,
        &[0x80, 0, 0, 0, 0, 0, 255, 255, 255, 0x2c, 0, 0, 0, 0],
        &side,
        &side,
        &[0, 2, 2, 0x44, 0x01, 0, 0x3b],
    ]
    .concat()
}

fn write(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn no_file_that_a_client_names_fills_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let small = plain(64, 64, ColorType::Grayscale, BitDepth::Eight);
    // A quarter of a gigabyte of zeros.
    let zeros = stream_of(&plain((1 << 16) - 1, 4096, ColorType::Grayscale, BitDepth::Eight));
    let packed = |head: &[u8]| [head, &zeros].concat();
    let lists = format!("[{}[]]", "[],".repeat(1 << 20));
    let pictures = [
        ("deep.png", plain(8192, 8192, ColorType::Grayscale, BitDepth::Sixteen)),
        ("large.png", plain(8192, 8192, ColorType::Rgb, BitDepth::Eight)),
        ("profile.png", with_chunk(&small, b"iCCP", &packed(b"icc\0\0"))),
        ("text.png", with_chunk(&small, b"zTXt", &packed(b"Comment\0\0"))),
        ("promising.gif", promising_gif()),
        // As large as a file may be, and no pixels in most of it.
        ("stuffed.png", with_chunk(&small, b"prVt", &vec![0; (64 << 20) - 4096])),
    ]
    .map(|(name, bytes)| write(folder.path(), name, bytes));
    let workflows = [
        ("lists.json", lists.clone().into_bytes()),
        (
            "lists.png",
            with_chunk(&small, b"tEXt", &[&b"prompt\0"[..], lists.as_bytes()].concat()),
        ),
    ]
    .map(|(name, bytes)| write(folder.path(), name, bytes));
    // The judge is never asked: what is compared with is no picture.
    let notes = write(folder.path(), "notes.txt", "no picture");

    let prey = Prey::over_http_in(folder.path(), &nowhere()).await;
    let client = prey.client(Era::Session(VERSION)).await;
    let mut calls = Vec::new();
    for _ in 0..4 {
        for picture in &pictures {
            let pair = json!({"reference": picture, "generated": notes});
            calls.push((picture, client.start_tool("judge_pair", pair)));
        }
        for workflow in &workflows {
            let edits = json!({"workflow": workflow, "positive": "a"});
            calls.push((workflow, client.start_tool("inject_prompt", edits)));
        }
    }
    for (file, call) in calls {
        let result = call
            .answer()
            .await
            .unwrap_or_else(|failure| panic!("{file}: {failure:?}"));
        assert_eq!(result["isError"], true, "{file}: {result}");
        let said = result["content"][0]["text"].as_str().unwrap();
        let wanted = match Path::new(file).file_name().unwrap().to_str().unwrap() {
            "promising.gif" => "MiB to decode",
            "lists.json" | "lists.png" => "more than 100000 values",
            _ => "notes.txt",
        };
        assert!(said.contains(wanted), "{file}: {said}");
    }
    assert!(prey.peak() < MOST, "{} KiB", prey.peak());
    prey.serves().await;
}
