//! Messages that are none, ids of every kind, and nesting without end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::hostile::prey::{Prey, VERSION, head, initialize, opening, read_all, request, tell, within};

/// What has to come back.
enum Due {
    /// An error without an id, of this code, that says this.
    Rejected(i64, &'static str),
    /// One answer under this id.
    Answer(Value),
    Nothing,
}

use Due::{Answer, Nothing, Rejected};

/// Deeper than anything is read, and fewer values than a message may hold.
const DEPTH: usize = 3_000;
/// More values than a message may hold.
const MANY: usize = 100_000;
const NOT_JSON: &str = "this is not JSON";
const NO_MESSAGE: &str = "not a JSON-RPC 2.0 message";

fn nested(before: &str, open: &str, close: &str, after: &str) -> Vec<u8> {
    let (open, close) = (open.repeat(DEPTH), close.repeat(DEPTH));
    format!("{before}{open}1{close}{after}").into_bytes()
}

fn cases() -> Vec<(Vec<u8>, Due)> {
    let mut cases: Vec<(Vec<u8>, Due)> = Vec::new();
    for bytes in [
        &br#"{"jsonrpc":"2.0","id":1,"method":"ping""#[..],
        br#"{"jsonrpc":"2.0","id":1,"method":"pi"#,
        br#"{"jsonrpc":"2.0",,"id":1,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"}}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"} {"jsonrpc":"2.0","id":2,"method":"ping"}"#,
        br#"{jsonrpc:"2.0",id:1,method:"ping"}"#,
        br#"{"jsonrpc":"2.0","id":NaN,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":0x10,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1e400,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"\udc00\ud800"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"judge_pair","arguments":{"session":"\ud800"}}}"#,
        b"{\"jsonrpc\":\"2.0\",\"id\":\"a\x00b\",\"method\":\"ping\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\xff\xfeng\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xed\xa0\x80\"}",
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xc0\xaf\"}",
        b"\xff\xfe{\x00}\x00",
        b"\x00",
        b"\x1b[31m",
        b"// {}",
        b"GET / HTTP/1.1",
        b"Content-Length: 5",
        b"<?xml version=\"1.0\"?>",
    ] {
        cases.push((bytes.to_vec(), Rejected(-32700, NOT_JSON)));
    }
    let (call, end) = (
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_history","arguments":"#,
        "}}",
    );
    for bytes in [
        nested("", "[", "]", ""),
        "[".repeat(DEPTH).into_bytes(),
        nested(call, r#"{"a":"#, "}", end),
        nested(call, r#"{"knobs":["#, "]}", end),
        nested(
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":"#,
            r#"{"_meta":"#,
            "}",
            "}",
        ),
        nested(r#"{"jsonrpc":"2.0","id":"#, "[", "]", r#","method":"ping"}"#),
        nested(
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":"#,
            "[",
            "]",
            "}",
        ),
    ] {
        cases.push((bytes, Rejected(-32700, "recursion limit")));
    }
    let lists = format!("[{}0]", "[],".repeat(MANY));
    for bytes in [
        lists.clone(),
        "[".repeat(MANY),
        format!(r#"{{"jsonrpc":"2.0","id":{lists},"method":"ping"}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":5,"result":{lists}}}"#),
    ] {
        cases.push((bytes.into_bytes(), Rejected(-32600, "more than 10000 values")));
    }
    // The id is found wherever it stands, however deep the rest goes.
    for (id, held) in [
        (2001, lists.clone()),
        (2002, "[".repeat(MANY) + &"]".repeat(MANY)),
        (2003, r#"{"a":"#.repeat(MANY) + "1" + &"}".repeat(MANY)),
    ] {
        let text = format!(
            r#"{{"params":{{"name":"x","arguments":{{"a":{held}}}}},"id":{id},"jsonrpc":"2.0","method":"tools/call"}}"#
        );
        cases.push((text.into_bytes(), Answer(json!(id))));
    }
    let large = "x".repeat(100_000);
    cases.push((
        request(2004, "initialize", json!({"clientInfo": {"name": large}}))
            .to_string()
            .into_bytes(),
        Answer(json!(2004)),
    ));
    for params in [format!(r#"{{"a":{lists}}}"#), format!(r#"{{"a":"{large}"}}"#)] {
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{params}}}"#);
        cases.push((text.into_bytes(), Nothing));
    }
    for id in [
        "null",
        "true",
        "1.5",
        "-0.1",
        "1e30",
        "9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        "{}",
        "[]",
        "[1]",
        r#"{"id":1}"#,
    ] {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
        cases.push((text.into_bytes(), Rejected(-32600, NO_MESSAGE)));
    }
    for bytes in [&b"17"[..], b"null", b"\"ping\"", b"true"] {
        cases.push((bytes.to_vec(), Rejected(-32600, "a JSON-RPC message is a JSON object")));
    }
    for bytes in [&b"[]"[..], br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#] {
        cases.push((bytes.to_vec(), Rejected(-32600, "batches are not supported")));
    }
    for bytes in [&b"{}"[..], br#"{"jsonrpc":"2.0"}"#, br#"{"jsonrpc":"2.0","id":5}"#] {
        cases.push((bytes.to_vec(), Rejected(-32600, NO_MESSAGE)));
    }
    let enormous = "x".repeat(1_000_000);
    let long_id = request(enormous.as_str(), "ping", json!({})).to_string();
    cases.push((long_id.into_bytes(), Rejected(-32600, "longer than 1024 bytes")));
    for id in [
        json!(i64::MAX),
        json!(i64::MIN),
        json!(-1),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("x".repeat(1024)),
    ] {
        cases.push((
            request(id.clone(), "tools/list", json!({})).to_string().into_bytes(),
            Answer(id),
        ));
    }
    for (id, text) in [
        (1001, r#"{"jsonrpc":"1.0","id":1001,"method":"ping"}"#),
        (1002, r#"{"id":1002,"method":"ping"}"#),
        (1003, r#"{"jsonrpc":2.0,"id":1003,"method":"ping"}"#),
        (1004, r#"{"jsonrpc":"2.0","id":1004,"method":5}"#),
        (1005, r#"{"jsonrpc":"2.0","id":1005,"method":null}"#),
        (1006, r#"{"jsonrpc":"2.0","id":1006,"method":"tools/list","result":{}}"#),
        (1007, r#"{"jsonrpc":"2.0","id":9,"id":1007,"method":"tools/list"}"#),
    ] {
        cases.push((text.as_bytes().to_vec(), Answer(json!(id))));
    }
    for text in [
        "",
        "   \t\r",
        r#"{"jsonrpc":"2.0","method":"notifications/unheard/of","params":{"a":[1]}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"never sent"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":7}"#,
        r#"{"jsonrpc":"1.0","method":"notifications/initialized"}"#,
    ] {
        cases.push((text.as_bytes().to_vec(), Nothing));
    }
    cases
}

#[tokio::test]
async fn over_pipes_each_malformed_message_gets_the_error_that_it_is_due_and_no_other() {
    let cases = cases();
    let mut lines = vec![opening().trim_ascii_end().to_vec()];
    lines.extend(cases.iter().map(|(bytes, _)| bytes.clone()));
    let messages = tell(lines).await;

    let (rejected, answered): (Vec<_>, Vec<_>) = messages.iter().partition(|message| message.get("id").is_none());
    // Refusals are written before the next line is read.
    let mut rejected = rejected.into_iter();
    let mut answers = 2;
    for (bytes, due) in &cases {
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(150)]);
        match due {
            Nothing => {}
            Rejected(code, says) => {
                let error = &rejected.next().unwrap_or_else(|| panic!("no answer to {sent}"))["error"];
                let message = error["message"].as_str().unwrap();
                assert!(error["code"] == *code && message.contains(says), "{sent}: {error}");
                assert!(message.len() < 400, "{sent}: {error}");
            }
            Answer(id) => {
                let found = answered.iter().filter(|message| message["id"] == *id).count();
                assert_eq!(found, 1, "{sent}");
                answers += 1;
            }
        }
    }
    assert_eq!(rejected.next(), None, "more than was due");
    assert_eq!(answered.len(), answers, "the opening, the good call and what was due");
}

#[tokio::test]
async fn over_http_malformed_messages_get_the_same_errors() {
    let prey = Prey::over_http().await;
    for (bytes, due) in cases() {
        let sent = String::from_utf8_lossy(&bytes[..bytes.len().min(150)]);
        let answer = prey.post("/mcp", "", &bytes).await;
        match due {
            Nothing => {}
            Rejected(code, says) => {
                let message = answer.message();
                assert_eq!(answer.status(), 400, "{sent}: {}", answer.0);
                assert_eq!(message["error"]["code"], code, "{sent}: {message}");
                assert!(
                    message["error"]["message"].as_str().unwrap().contains(says),
                    "{sent}: {message}"
                );
                assert!(message.get("id").is_none(), "{sent}: {message}");
            }
            // What is a message has no session here, but is no harm either.
            Answer(_) => assert!(matches!(answer.status(), 400 | 422), "{sent}: {}", answer.0),
        }
    }
    prey.serves().await;
}

/// A call that stays in flight for as long as the ComfyUI that it asks is silent.
fn stuck(id: &str) -> Value {
    let arguments = json!({"workflow": "last", "positive": "x"});
    request(
        id,
        "tools/call",
        json!({"name": "inject_prompt", "arguments": arguments}),
    )
}

async fn silent_comfyui() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn says_in_flight(message: &Value) {
    let error = &message["error"];
    let says = error["message"].as_str().unwrap_or_default();
    assert!(
        error["code"] == -32600 && says.contains("the id twice is in flight already"),
        "{message}"
    );
    assert!(message.get("id").is_none(), "{message}");
}

#[tokio::test]
async fn over_pipes_an_id_in_flight_is_not_taken_for_another_request() {
    let (comfyui, url) = silent_comfyui().await;
    let folder = tempfile::tempdir().unwrap();
    let (prey, mut input, output) = Prey::over_pipes_in(folder.path(), &url, &[]);
    input.write_all(&opening()).await.unwrap();
    input
        .write_all(format!("{}\n", stuck("twice")).as_bytes())
        .await
        .unwrap();
    let _asked = within("the call to ask ComfyUI", comfyui.accept()).await.unwrap();
    let again = request("twice", "tools/list", json!({}));
    let other = request("once", "tools/list", json!({}));
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "twice"}});
    input
        .write_all(format!("{again}\n{other}\n{cancel}\n").as_bytes())
        .await
        .unwrap();
    drop(input);
    let messages = read_all(output).await;
    assert_eq!(prey.ended().await, Some(0));
    let refused: Vec<_> = messages.iter().filter(|message| message.get("id").is_none()).collect();
    assert_eq!(refused.len(), 1, "{messages:?}");
    says_in_flight(refused[0]);
    assert!(messages.iter().any(|message| message["id"] == "once"));
    assert!(
        messages.iter().all(|message| message["id"] != "twice"),
        "it was cancelled"
    );
}

#[tokio::test]
async fn over_http_an_id_in_flight_is_not_taken_for_another_request() {
    let (comfyui, url) = silent_comfyui().await;
    let folder = tempfile::tempdir().unwrap();
    let prey = Prey::over_http_in(folder.path(), &url).await;
    let opened = prey.post("/mcp", "", initialize().to_string().as_bytes()).await;
    let session = opened.header("mcp-session-id").unwrap();
    let headers = format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: {VERSION}\r\n");
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let taken = prey.post("/mcp", &headers, initialized.to_string().as_bytes()).await;
    assert_eq!(taken.status(), 202);

    let first = stuck("twice").to_string();
    let mut waiting = prey.connect().await;
    let length = format!("{headers}Content-Length: {}\r\n", first.len());
    waiting.write_all(&head("/mcp", &length)).await.unwrap();
    waiting.write_all(first.as_bytes()).await.unwrap();
    let _asked = within("the call to ask ComfyUI", comfyui.accept()).await.unwrap();
    let again = request("twice", "tools/list", json!({})).to_string();
    says_in_flight(&prey.post("/mcp", &headers, again.as_bytes()).await.message());
    // The first one still has its stream; once that is closed, the id is free.
    drop(waiting);
    within("the id to be free", async {
        while prey
            .post("/mcp", &headers, again.as_bytes())
            .await
            .message()
            .get("result")
            .is_none()
        {}
    })
    .await;
    prey.serves().await;
}

#[tokio::test]
async fn names_of_enormous_length_are_refused_in_few_words() {
    let enormous = "m".repeat(1_000_000);
    let call = |params: Value| request("tool", "tools/call", params);
    let lines = vec![
        opening().trim_ascii_end().to_vec(),
        request("method", &enormous, json!({})).to_string().into_bytes(),
        call(json!({"name": enormous, "arguments": {}}))
            .to_string()
            .into_bytes(),
        request(
            "arguments",
            "tools/call",
            json!({"name": "get_history", "arguments": enormous}),
        )
        .to_string()
        .into_bytes(),
        request(
            "field",
            "tools/call",
            json!({"name": "get_history", "arguments": {(enormous.as_str()): 1}}),
        )
        .to_string()
        .into_bytes(),
        request(
            "value",
            "tools/call",
            json!({"name": "get_history", "arguments": {"session": enormous}}),
        )
        .to_string()
        .into_bytes(),
        request("uri", "resources/read", json!({"uri": enormous}))
            .to_string()
            .into_bytes(),
        request("prompt", "prompts/get", json!({"name": enormous}))
            .to_string()
            .into_bytes(),
    ];
    let messages = tell(lines).await;
    for id in ["method", "tool", "arguments", "field", "value", "uri", "prompt"] {
        let answers: Vec<_> = messages.iter().filter(|message| message["id"] == id).collect();
        assert_eq!(answers.len(), 1, "{id}");
        let answer = answers[0];
        assert!(
            answer.get("error").is_some() || answer["result"]["isError"] == true,
            "{id}"
        );
        let length = answer.to_string().len();
        assert!(length < 9_000, "{id}: {length} bytes");
    }
}
