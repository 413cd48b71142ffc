//! The requests of a replaying server: one handler, so that nothing goes past the script.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Json, Response};
use futures::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::player::{Job, Server, Submitted};
use super::recording::Frame;
use super::script::{Answer, Post, Start};

/// Largest request body, in bytes, as with the real server.
const BODY_LIMIT: usize = 100 * 1024 * 1024;

/// Answers every request of every path.
pub(super) async fn answer(State(server): State<Arc<Server>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let full = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let line = format!(
        "{} {}",
        parts.method,
        full.strip_prefix(&server.script().prefix)
            .unwrap_or("(outside the prefix)")
    );
    if parts.headers.contains_key(header::ORIGIN) {
        return unexpected(&server, format!("{line}: it has an Origin"));
    }
    if !authorized(&server, &parts.headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if let Some(answer) = server.script().answers.get(&line) {
        server.saw(|seen| seen.answered.push((line, body.to_vec())));
        return scripted(answer.clone());
    }
    let run = server.submitted().map(|submitted| submitted.prompt_id);
    if let Some(client_id) = line.strip_prefix("GET /ws?clientId=") {
        return open_socket(server, &mut parts, client_id.to_owned()).await;
    }
    match (line.as_str(), run) {
        ("POST /prompt", _) => submit(&server, &body).await,
        ("GET /queue", _) => {
            server.saw(|seen| seen.queue_looks += 1);
            Json(queue(&server)).into_response()
        }
        // After our own restart a client may ask for a run that this server never had.
        (line, None) if line.starts_with("GET /history/") => {
            server.saw(|seen| seen.history_looks += 1);
            Json(json!({})).into_response()
        }
        (line, Some(id)) if line == format!("GET /history/{id}") => {
            server.saw(|seen| seen.history_looks += 1);
            let record = server.record();
            Json(record.map_or_else(|| json!({}), |record| json!({ id: record }))).into_response()
        }
        ("POST /queue", Some(id))
            if server.script().start != Start::Running && json_of(&body) == json!({"delete": [id]}) =>
        {
            server.delete();
            StatusCode::OK.into_response()
        }
        ("POST /interrupt", Some(id))
            if server.script().interrupted.is_some() && json_of(&body) == json!({"prompt_id": id}) =>
        {
            server.interrupt();
            StatusCode::OK.into_response()
        }
        _ => unexpected(&server, format!("{line} {}", String::from_utf8_lossy(&body))),
    }
}

fn unexpected(server: &Server, what: String) -> Response {
    server.saw(|seen| seen.unexpected.push(what));
    StatusCode::NOT_IMPLEMENTED.into_response()
}

fn authorized(server: &Server, headers: &HeaderMap) -> bool {
    let Some(wanted) = &server.script().authorization else {
        return true;
    };
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == wanted.as_bytes())
}

async fn submit(server: &Arc<Server>, body: &[u8]) -> Response {
    server.saw(|seen| seen.posts += 1);
    let body = json_of(body);
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let submitted = Submitted {
        prompt_id: text("prompt_id"),
        client_id: text("client_id"),
        graph: body["prompt"].clone(),
    };
    if server.submitted().is_some() {
        return unexpected(server, "POST /prompt: a second submission".into());
    }
    let canonical = uuid::Uuid::parse_str(&submitted.prompt_id).is_ok_and(|id| id.to_string() == submitted.prompt_id);
    if !canonical || submitted.client_id.is_empty() || !is_recorded(&submitted.graph, server.script().recording.graph())
    {
        return unexpected(server, format!("POST /prompt with {body}"));
    }
    let recorded = server
        .script()
        .recording
        .under(&submitted.prompt_id, &submitted.client_id);
    let (status, answer) = match &recorded {
        Ok(recording) => recording.post(),
        Err(error) => return unexpected(server, format!("POST /prompt: {error}")),
    };
    let silent = server.script().post;
    if status == 200 && silent != Post::Silence {
        server.enqueue(submitted);
    }
    if silent != Post::Recorded {
        return std::future::pending().await;
    }
    (status_of(status), Json(answer.clone())).into_response()
}

/// Whether a graph is the recorded one, titles aside; every node has to have one.
fn is_recorded(graph: &Value, recorded: &Value) -> bool {
    let nodes = |graph: &Value| {
        let mut nodes = graph.as_object().cloned().unwrap_or_default();
        let titles: Vec<Option<Value>> = nodes
            .values_mut()
            .map(|node| node.as_object_mut()?.remove("_meta"))
            .collect();
        (nodes, titles)
    };
    let (nodes_of_it, titles) = nodes(graph);
    nodes_of_it == nodes(recorded).0
        && titles
            .iter()
            .all(|meta| meta.as_ref().is_some_and(|meta| meta["title"].is_string()))
}

fn queue(server: &Server) -> Value {
    let other = |number: i64| json!([number, format!("another-run-{number}"), {}, {}, []]);
    let ours = |number: i64| {
        server
            .submitted()
            .map(|s| json!([number, s.prompt_id, s.graph, {"client_id": s.client_id}, []]))
    };
    let (running, pending) = match (server.job(), server.script().start) {
        (Job::Running, _) => (ours(1).into_iter().collect(), Vec::new()),
        (Job::Pending, Start::Pending { ahead }) => {
            let ahead = ahead as i64;
            // In the order of a heap, not of the numbers, as the real server lists them.
            let waiting = ours(2 + ahead).into_iter().chain((2..2 + ahead).rev().map(other));
            (vec![other(1)], waiting.collect())
        }
        _ => (Vec::new(), Vec::new()),
    };
    json!({"queue_running": running, "queue_pending": pending})
}

fn scripted(answer: Answer) -> Response {
    match answer {
        Answer::Json(status, body) => (status_of(status), Json(body)).into_response(),
        Answer::Bytes(status, body) => (status_of(status), body).into_response(),
        Answer::Cut { bytes, announced } => {
            let begin = stream::once(async { Ok(Bytes::from(bytes)) });
            // The pause between the two lets the beginning out before the connection is cut.
            let end = stream::once(async {
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut by the script"))
            });
            let part = begin.chain(end);
            (
                [(header::CONTENT_LENGTH, announced.to_string())],
                Body::from_stream(part),
            )
                .into_response()
        }
        Answer::Endless => {
            let chunk = Bytes::from_static(&[0; 4096]);
            Body::from_stream(stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()))).into_response()
        }
    }
}

async fn open_socket(server: Arc<Server>, parts: &mut Parts, client_id: String) -> Response {
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade,
        Err(refused) => return refused.into_response(),
    };
    let (frames, queue) = mpsc::unbounded_channel();
    if !server.open_socket(&client_id, frames) {
        return unexpected(&server, "GET /ws: a second socket before the first was closed".into());
    }
    upgrade.on_upgrade(move |socket| talk(server, client_id, socket, queue))
}

async fn talk(
    server: Arc<Server>,
    client_id: String,
    mut socket: WebSocket,
    mut frames: mpsc::UnboundedReceiver<Frame>,
) {
    loop {
        let sent = tokio::select! {
            frame = frames.recv() => match frame {
                Some(Frame::Text(text)) => socket.send(Message::Text(text.into())).await,
                Some(Frame::Binary(bytes)) => socket.send(Message::Binary(bytes.into())).await,
                // Cut by the script, which has forgotten this socket already.
                None => return,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => Ok(()),
            },
        };
        if sent.is_err() {
            break;
        }
    }
    server.close_socket(&client_id);
    // Answers the closing handshake after the socket is let go of.
    let _ = socket.send(Message::Close(None)).await;
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
