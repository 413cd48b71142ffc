//! Pictures and workflows that are made to fill the memory: whatever one client names, the server's own stays below a bound.

use std::io::Write;
use std::path::Path;

use futures::future::join_all;
use png::{BitDepth, ColorType, Compression, Encoder};
use serde_json::json;

use crate::hostile::prey::{Prey, VERSION, nowhere, request};
use crate::mcp_binary::bench::{Bench, Via};
use crate::mcp_binary::studio::workflow;
use crate::support::mcp_client::Era;

/// What docs/memory-layout.md promises, in KiB.
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
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
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
            "lists.json" | "lists.png" => "more than 50000 values",
            _ => "notes.txt",
        };
        assert!(said.contains(wanted), "{file}: {said}");
    }
    assert!(prey.peak() < MOST, "{} KiB", prey.peak());
    prey.serves().await;
}

#[tokio::test]
async fn no_message_that_a_client_sends_fills_the_memory() {
    let prey = Prey::over_http().await;
    // Each is as large as a message may be, and would be a hundred times that in memory.
    let lists = |id: usize, method: &str| {
        let held = "[],".repeat(1_390_000);
        let params = format!(r#"{{"name":"inject_prompt","arguments":{{"knobs":{{"a":[{held}0]}}}}}}"#);
        format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
    };
    let (to, lists) = (&prey, &lists);
    let refused = join_all((0..32).map(|n| async move {
        let method = if n % 2 == 0 { "tools/call" } else { "initialize" };
        (n, to.post("/mcp", "", lists(n, method).as_bytes()).await)
    }));
    for (n, answer) in refused.await {
        let message = answer.message();
        assert_eq!((answer.status(), &message["id"]), (400, &json!(n)), "{}", answer.0);
        let said = message["error"]["message"].as_str().unwrap();
        assert!(said.contains("more than 10000 values"), "{said}");
    }
    // What is kept with a session is small.
    let name = "x".repeat(3 << 20);
    let opening = json!({"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": name, "version": "0"}});
    let opening = request(1, "initialize", opening).to_string();
    for answer in join_all((0..64).map(|_| prey.post("/mcp", "", opening.as_bytes()))).await {
        let said = answer.message()["error"]["message"].to_string();
        assert!(said.contains("only a call of a tool"), "{}", answer.0);
    }
    // One value each, of nearly all that a message may have. Some are told to come again.
    let client = prey.client(Era::Session(VERSION)).await;
    let calls: Vec<_> = (0..24)
        .map(|_| client.start_tool("inject_prompt", json!({"workflow": "last", "positive": name})))
        .collect();
    for call in calls {
        let result = call.answer().await.unwrap();
        assert_eq!(result["isError"], true, "too long, and there is no ComfyUI");
    }
    assert!(prey.peak() < MOST, "{} KiB", prey.peak());
    prey.serves().await;
}

#[tokio::test]
async fn no_workflow_within_the_bound_fills_the_memory() {
    let bench = Bench::new(Via::Http, Era::Session(VERSION)).await;
    // Objects of one entry each take the most.
    let deep = format!("{}1{}", r#"{"a":"#.repeat(80), "}".repeat(80));
    let held = vec![deep; 49_000 / 81].join(",");
    let mut graph = workflow(1);
    graph["5"]["_meta"]["held"] = json!("HELD");
    let large = graph.to_string().replace("\"HELD\"", &format!("[{held}]"));
    let large = bench.write("large.json", large);
    let prey = Prey::over_http_in(&bench.data(), &bench.studio.url).await;
    let client = prey.client(Era::Session(VERSION)).await;
    let drafts: Vec<_> = (0..12)
        .map(|_| client.start_tool("inject_prompt", json!({"workflow": large, "positive": "a red circle"})))
        .collect();
    let mut sessions = Vec::new();
    for draft in drafts {
        let drafted = draft.answer().await.unwrap();
        assert_ne!(drafted["isError"], true, "{drafted}");
        sessions.push(drafted["structuredContent"]["session"].clone());
    }
    let runs: Vec<_> = sessions
        .iter()
        .map(|session| client.start_tool("queue_generation", json!({"session": session, "iteration": 1})))
        .collect();
    for run in runs {
        let made = run.answer().await.unwrap();
        assert_ne!(made["isError"], true, "{made}");
    }
    assert!(prey.peak() < MOST, "{} KiB", prey.peak());
    prey.serves().await;
}

#[tokio::test]
async fn what_is_written_into_a_workflow_does_not_make_it_larger_than_any() {
    let bench = Bench::new(Via::Http, Era::Session(VERSION)).await;
    let mut graph = workflow(1);
    for n in 0..4 {
        graph[format!("n{n}")] = graph["2"].clone();
    }
    // Nearly as large as any: a text of 60 KiB has room in it, two have not.
    let held = (8 << 20) - (96 << 10) - graph.to_string().len();
    graph["n0"]["inputs"]["text"] = json!("x".repeat(held));
    let many = bench.write("many.json", graph.to_string());
    let prey = Prey::over_http_in(&bench.data(), &bench.studio.url).await;
    let client = prey.client(Era::Session(VERSION)).await;
    let text = "x".repeat(60 << 10);
    let place = json!({"positive": "2.text"});
    let opened = json!({"workflow": many, "positive": "a red circle", "place": place});
    let session = client.call_tool("inject_prompt", opened).await["structuredContent"]["session"].clone();
    for n in 1..3 {
        let edits = json!({"session": session, "parent": n, "knobs": {format!("n{n}.text"): text}});
        let written = client.call_tool("inject_prompt", edits).await;
        let said = written["content"][0]["text"].as_str().unwrap();
        let said: String = said.chars().take(300).collect();
        assert_eq!(written["isError"] == true, n == 2, "{n}: {said}");
        assert!(n < 2 || said.contains("at most 8388608"), "{said}");
    }
    assert!(prey.peak() < MOST, "{} KiB", prey.peak());
}
