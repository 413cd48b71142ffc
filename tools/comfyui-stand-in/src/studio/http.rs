//! The studio's routes, each as ComfyUI has it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use axum::{Router, extract::Request, middleware};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::graph;
use super::paint::jpeg;
use super::worker::{Job, Studio};

/// Largest body, in bytes, as with ComfyUI.
const BODY_LIMIT: usize = 100 * 1024 * 1024;

type Shared = State<Arc<Studio>>;

/// Every route, bare and under `/api`.
pub(super) fn routes(studio: Arc<Studio>) -> Router {
    let bare = Router::new()
        .route("/system_stats", get(system_stats))
        .route("/object_info", get(async || Json(graph::classes())))
        .route("/object_info/{class}", get(object_info))
        .route("/node_replacements", get(async || Json(graph::replacements())))
        .route("/prompt", post(prompt))
        .route("/queue", get(queue).post(edit_queue))
        .route("/history", get(history))
        .route("/history/{id}", get(history_of))
        .route("/interrupt", post(interrupt))
        .route("/free", post(free))
        .route("/view", get(view))
        .route("/upload/image", post(upload))
        .route("/ws", get(listen));
    Router::new()
        .merge(bare.clone())
        .nest("/api", bare)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(refuse_pages))
        .with_state(studio)
}

/// A page of another origin must not drive the server.
async fn refuse_pages(request: Request, next: middleware::Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

async fn system_stats(State(studio): Shared) -> Json<Value> {
    let device = match studio.gpu() {
        Some(gpu) => {
            let (total, free) = (gpu.total(), gpu.free());
            json!({"name": "stand-in (a pretended GPU)", "type": "cuda", "index": 0, "vram_total": total, "vram_free": free, "torch_vram_total": 0, "torch_vram_free": 0})
        }
        None => {
            let memory = 8_u64 << 30;
            json!({"name": "stand-in (draws on the CPU)", "type": "cpu", "index": null, "vram_total": memory, "vram_free": memory, "torch_vram_total": memory, "torch_vram_free": memory})
        }
    };
    Json(json!({
        "system": {
            "os": std::env::consts::OS,
            "comfyui_version": "stand-in",
            "python_version": "none: a stand-in for ComfyUI that draws simple shapes and runs no model",
            "argv": [],
        },
        "devices": [device],
    }))
}

async fn object_info(State(studio): Shared, Path(class): Path<String>) -> Json<Value> {
    let Some(definition) = graph::classes().get(&class) else {
        return Json(json!({}));
    };
    let mut definition = definition.clone();
    if class == "LoadImage" {
        let state = studio.state();
        let names = state.files.keys().filter_map(|path| path.strip_prefix("input//"));
        definition["input"]["required"]["image"][0] = names.collect();
    }
    Json(json!({ class: definition }))
}

async fn prompt(State(studio): Shared, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let outputs = match graph::check(&body["prompt"]) {
        Ok(outputs) => outputs,
        Err(refusal) => return (StatusCode::BAD_REQUEST, Json(refusal)).into_response(),
    };
    let prompt_id = match body.get("prompt_id").and_then(Value::as_str) {
        None => uuid::Uuid::new_v4().to_string(),
        Some(id) if uuid::Uuid::parse_str(id).is_ok_and(|parsed| parsed.to_string() == id) => id.to_owned(),
        Some(_) => {
            let error = json!({"type": "invalid_prompt_id", "message": "prompt_id has to be a lowercase UUID", "details": "", "extra_info": {}});
            return (
                StatusCode::BAD_REQUEST,
                Json(json!({"error": error, "node_errors": {}})),
            )
                .into_response();
        }
    };
    let client_id = body["client_id"].as_str().unwrap_or_default().to_owned();
    let job = Job {
        number: 0,
        prompt_id: prompt_id.clone(),
        client_id,
        graph: body["prompt"].clone(),
        outputs,
    };
    let number = studio.enqueue(job);
    Json(json!({"prompt_id": prompt_id, "number": number, "node_errors": {}})).into_response()
}

async fn queue(State(studio): Shared) -> Json<Value> {
    let state = studio.state();
    let running: Vec<Value> = state.running.iter().map(Job::to_json).collect();
    let pending: Vec<Value> = state.pending.iter().map(Job::to_json).collect();
    Json(json!({"queue_running": running, "queue_pending": pending}))
}

async fn edit_queue(State(studio): Shared, Json(body): Json<Value>) -> StatusCode {
    {
        let mut state = studio.state();
        if body["clear"] == true {
            state.pending.clear();
        }
        let unwanted = body["delete"].as_array().map(Vec::as_slice).unwrap_or_default();
        state
            .pending
            .retain(|job| !unwanted.iter().any(|id| *id == job.prompt_id));
    }
    studio.tell_queue();
    StatusCode::OK
}

async fn history(State(studio): Shared, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let most = query
        .get("max_items")
        .and_then(|most| most.parse().ok())
        .unwrap_or(usize::MAX);
    let state = studio.state();
    let skipped = state.history.len().saturating_sub(most);
    let newest: Map<String, Value> = state
        .history
        .iter()
        .skip(skipped)
        .map(|(id, record)| (id.clone(), record.clone()))
        .collect();
    Json(Value::Object(newest))
}

async fn history_of(State(studio): Shared, Path(id): Path<String>) -> Json<Value> {
    Json(
        studio
            .state()
            .history
            .get(&id)
            .map_or_else(|| json!({}), |record| json!({ id: record })),
    )
}

async fn interrupt(State(studio): Shared, body: Bytes) -> StatusCode {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    studio.interrupt(body["prompt_id"].as_str());
    StatusCode::OK
}

async fn free(State(studio): Shared, Json(body): Json<Value>) -> StatusCode {
    if body["free_memory"] == true {
        studio.empty_cache();
    }
    if body["unload_models"] == true || body["free_memory"] == true {
        studio.unload();
    }
    StatusCode::OK
}

async fn view(State(studio): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    let part = |name: &str| query.get(name).map_or("", String::as_str);
    let kind = if part("type").is_empty() {
        "output"
    } else {
        part("type")
    };
    let path = format!("{kind}/{}/{}", part("subfolder"), part("filename"));
    let Some(bytes) = studio.state().files.get(&path).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !part("preview").starts_with("jpeg") {
        return ([(header::CONTENT_TYPE, "image/png")], bytes).into_response();
    }
    match jpeg(&bytes) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn upload(State(studio): Shared, mut form: Multipart) -> Response {
    while let Ok(Some(field)) = form.next_field().await {
        if field.name() != Some("image") {
            continue;
        }
        let Some(wanted) = field.file_name().map(str::to_owned) else {
            break;
        };
        let Ok(bytes) = field.bytes().await else { break };
        let mut state = studio.state();
        let (stem, ending) = wanted.rsplit_once('.').unwrap_or((&wanted, ""));
        let names = std::iter::once(wanted.clone()).chain((1..).map(|count| format!("{stem} ({count}).{ending}")));
        let usable = |name: &String| {
            state
                .files
                .get(&format!("input//{name}"))
                .is_none_or(|known| *known == bytes)
        };
        let Some(name) = names.into_iter().find(usable) else {
            break;
        };
        state.files.insert(format!("input//{name}"), bytes.to_vec());
        return Json(json!({"name": name, "subfolder": "", "type": "input"})).into_response();
    }
    StatusCode::BAD_REQUEST.into_response()
}

async fn listen(
    State(studio): Shared,
    Query(query): Query<HashMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let client_id = query
        .get("clientId")
        .cloned()
        .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let (messages, queue) = mpsc::unbounded_channel();
    let status = {
        let mut state = studio.state();
        state.sockets.insert(client_id.clone(), messages.clone());
        state.queue_status()
    };
    let hello = json!({"type": "status", "data": {"status": status, "sid": client_id}});
    // The receiver is right here, so this cannot fail.
    let _ = messages.send(hello.to_string());
    upgrade.on_upgrade(move |socket| talk(studio, client_id, messages, queue, socket))
}

async fn talk(
    studio: Arc<Studio>,
    client_id: String,
    messages: mpsc::UnboundedSender<String>,
    mut queue: mpsc::UnboundedReceiver<String>,
    mut socket: WebSocket,
) {
    loop {
        let alive = tokio::select! {
            message = queue.recv() => match message {
                Some(message) => socket.send(Message::Text(message.into())).await.is_ok(),
                None => false,
            },
            heard = socket.recv() => !matches!(heard, None | Some(Err(_) | Ok(Message::Close(_)))),
        };
        if !alive {
            break;
        }
    }
    let mut state = studio.state();
    // A newer socket of the same client stays.
    if state
        .sockets
        .get(&client_id)
        .is_some_and(|open| open.same_channel(&messages))
    {
        state.sockets.remove(&client_id);
    }
}
