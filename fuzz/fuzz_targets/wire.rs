//! Bytes that come over a pipe in chunks of any size. Each message is decoded or refused, the session serves what it can,
//! all that it writes is JSON-RPC, and it ends when its input does.
//!
//! The first byte says how large the chunks are.

// The handler's futures are nested deeply, and this crate lays them out itself.
#![recursion_limit = "256"]
#![no_main]

mod server;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use prompt_calibrator::mcp::server::CalibratorServer;
use prompt_calibrator::mcp::transport::fuzzing;
use prompt_calibrator::mcp::transport::stdio::{self, StdioOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::runtime::Runtime;

/// Short, so that lines that are too long are found.
const MAX_LINE: usize = 4096;

struct Served {
    runtime: Runtime,
    handler: CalibratorServer,
    _folder: TempDir,
}

thread_local! {
    static SERVED: OnceCell<Served> = const { OnceCell::new() };
}

fn served() -> Served {
    let runtime = server::runtime();
    let (handler, folder) = runtime.block_on(async { server::server() });
    Served {
        runtime,
        handler,
        _folder: folder,
    }
}

fn is_message(message: &Value) -> bool {
    let kinds = ["method", "result", "error"]
        .iter()
        .filter(|kind| message.get(**kind).is_some());
    message["jsonrpc"] == "2.0" && kinds.count() == 1
}

/// All that a server writes on this input.
async fn session(handler: CalibratorServer, input: &[u8], chunk: usize) -> Vec<u8> {
    let (near, far) = tokio::io::duplex(256);
    let (reader, writer) = split(far);
    let options = StdioOptions {
        max_line: MAX_LINE,
        grace: Duration::from_secs(5),
        ..StdioOptions::default()
    };
    let serving = tokio::spawn(stdio::serve_on(handler, reader, writer, options));
    let (mut output, mut to_server) = split(near);
    let writing = async move {
        for part in input.chunks(chunk) {
            if to_server.write_all(part).await.is_err() {
                return;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let mut written = Vec::new();
    let (read, ()) = tokio::join!(output.read_to_end(&mut written), writing);
    read.expect("the output ends");
    // An opening that was refused is an error, and told.
    let _ = serving.await.expect("the session does not panic");
    written
}

fuzz_target!(|bytes: &[u8]| {
    let Some((chunk, input)) = bytes.split_first() else {
        return;
    };
    let mut asked: HashMap<String, usize> = HashMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        match fuzzing::decode(line) {
            fuzzing::Seen::Request(id) => *asked.entry(id.to_string()).or_default() += 1,
            fuzzing::Seen::Rejected(answer) => {
                assert!(is_message(&answer) && answer.get("error").is_some(), "{answer}");
                if let Some(id) = answer.get("id") {
                    *asked.entry(id.to_string()).or_default() += 1;
                }
            }
            fuzzing::Seen::Other => {}
        }
    }
    let written = SERVED.with(|served_once| {
        let served = served_once.get_or_init(served);
        let session = session(served.handler.clone(), input, usize::from(*chunk).max(1));
        served.runtime.block_on(session)
    });
    for line in written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let message: Value = serde_json::from_slice(line).expect("JSON lines");
        assert!(is_message(&message), "{message}");
        if let (Some(id), None) = (message.get("id"), message.get("method")) {
            let left = asked
                .get_mut(&id.to_string())
                .unwrap_or_else(|| panic!("never asked: {message}"));
            *left = left
                .checked_sub(1)
                .unwrap_or_else(|| panic!("answered twice: {message}"));
        }
    }
});
