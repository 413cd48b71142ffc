//! A tool, and bytes that may be its arguments. Whatever they are, the call is answered, and a refusal says what to do.
//! A panic, also one that the server caught, ends the run.
//!
//! The first byte names the tool.

// The handler's futures are nested deeply, and this crate lays them out itself.
#![recursion_limit = "256"]
#![no_main]

mod server;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use prompt_calibrator::mcp::transport::stdio::{self, StdioOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::runtime::Runtime;

/// A session over a pipe that lasts for the whole run.
struct Session {
    runtime: Runtime,
    input: WriteHalf<DuplexStream>,
    output: BufReader<ReadHalf<DuplexStream>>,
    tools: Vec<String>,
    asked: u64,
    _folder: TempDir,
}

impl Session {
    fn open() -> Self {
        let runtime = server::runtime();
        let (near, far) = tokio::io::duplex(1 << 20);
        let folder = runtime.block_on(async {
            let (handler, folder) = server::server();
            let (reader, writer) = split(far);
            tokio::spawn(stdio::serve_on(handler, reader, writer, StdioOptions::default()));
            folder
        });
        let (output, input) = split(near);
        let mut session = Self {
            runtime,
            input,
            output: BufReader::new(output),
            tools: Vec::new(),
            asked: 0,
            _folder: folder,
        };
        let client = json!({"name": "fuzz", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        session.ask("initialize", params);
        let listed = session.ask("tools/list", json!({}));
        let tools = listed["result"]["tools"].as_array().expect("tools");
        session.tools = tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect();
        session
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        let asked = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let (input, output) = (&mut self.input, &mut self.output);
        self.runtime.block_on(async {
            input
                .write_all(format!("{asked}\n").as_bytes())
                .await
                .expect("it reads");
            loop {
                let mut line = String::new();
                assert!(output.read_line(&mut line).await.expect("it writes") > 0, "it ended");
                let answer: Value = serde_json::from_str(&line).expect("JSON");
                if answer["id"] == id {
                    return answer;
                }
            }
        })
    }
}

thread_local! {
    static SESSION: RefCell<Session> = RefCell::new(Session::open());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, rest)) = bytes.split_first() else {
        return;
    };
    let Ok(mut arguments) = serde_json::from_slice::<Value>(rest) else {
        return;
    };
    if arguments.get("wait_s").is_some_and(Value::is_u64) {
        // Nobody has time to wait.
        arguments["wait_s"] = json!(0);
    }
    SESSION.with_borrow_mut(|session| {
        let name = session.tools[usize::from(*which) % session.tools.len()].clone();
        let answer = session.ask("tools/call", json!({"name": name, "arguments": arguments}));
        if let Some(error) = answer.get("error") {
            assert!(
                !arguments.is_object() && error["code"] == -32602,
                "{name} {arguments}: {answer}"
            );
        } else if answer["result"]["isError"] == true {
            let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
            assert!(
                text.contains("\nWhat to do: ") && text.len() < 9_000,
                "{name} {arguments}: {text}"
            );
        } else {
            assert!(answer["result"]["content"].is_array(), "{name} {arguments}: {answer}");
        }
    });
});
