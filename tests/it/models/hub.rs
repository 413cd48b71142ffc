//! A hub as huggingface.co is one: it answers what it knows of a file, and sends on to another host for the content.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use futures::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// At the host of the contents instead of the hub.
    pub content: bool,
    pub method: Method,
    /// The path; at the host of the contents `/` and the file's path in its repository.
    pub path: String,
    /// The first and the last byte.
    pub range: Option<(u64, u64)>,
    pub token: Option<String>,
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Act {
    /// As a hub does.
    Serve,
    /// Once so many requests have come that are held.
    Hold(usize),
    /// With this status and these headers.
    Status(u16, Vec<(&'static str, String)>),
    /// With all headers, and so many bytes of the body; then the connection breaks.
    Cut(usize),
    /// Whatever was asked for, with everything.
    Whole,
    /// With this, of a known length, whatever was asked for.
    Other(Vec<u8>),
    /// With this, of a length that is not told.
    Endless(Vec<u8>),
    /// With so many bytes announced as the file's size, and this as its content.
    Announce(u64),
}

type Rule = Box<dyn Fn(&Asked) -> Act + Send + Sync>;

struct Inner {
    files: Mutex<BTreeMap<(String, String), Bytes>>,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    /// Requests that are held or were.
    held: watch::Sender<usize>,
    content_host: String,
}

#[derive(Clone)]
pub struct Hub {
    pub url: String,
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Side {
    content: bool,
    inner: Arc<Inner>,
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Something that looks like a model: its head, then bytes that differ from piece to piece.
pub fn gguf(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

impl Hub {
    pub async fn new() -> Self {
        let (hub, contents) = (listener().await, listener().await);
        let url = format!("http://{}", hub.local_addr().unwrap());
        let inner = Arc::new(Inner {
            files: Mutex::default(),
            rule: Mutex::new(Box::new(|_| Act::Serve)),
            asked: Mutex::default(),
            held: watch::channel(0).0,
            content_host: format!("http://{}", contents.local_addr().unwrap()),
        });
        for (listener, content) in [(hub, false), (contents, true)] {
            let side = Side {
                content,
                inner: inner.clone(),
            };
            let router = Router::new().fallback(answer).with_state(side);
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        Self { url, inner }
    }

    pub fn with(self, repo: &str, file: &str, content: Vec<u8>) -> Self {
        let key = (repo.to_owned(), file.to_owned());
        self.inner.files.lock().unwrap().insert(key, content.into());
        self
    }

    pub fn rule(&self, rule: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Box::new(rule);
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inner.asked.lock().unwrap())
    }

    /// The contents that were asked for since the last time.
    pub fn contents(&self) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.content);
        asked
    }

    /// Waits until so many requests are held, or were.
    pub async fn held(&self, count: usize) {
        let mut held = self.inner.held.subscribe();
        held.wait_for(|held| *held >= count).await.unwrap();
    }

    /// Lets go of what is held.
    pub fn release(&self) {
        self.inner.held.send_replace(usize::MAX / 2);
    }
}

pub async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn answer(State(side): State<Side>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let text = |name| Some(headers.get(name)?.to_str().unwrap().to_owned());
    let range = text(header::RANGE).map(|range| {
        let (first, last) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        (first.parse().unwrap(), last.parse().unwrap())
    });
    let asked = Asked {
        content: side.content,
        method,
        path: uri.path().to_owned(),
        range,
        token: text(header::AUTHORIZATION),
    };
    side.inner.asked.lock().unwrap().push(asked.clone());
    let mut act = (side.inner.rule.lock().unwrap())(&asked);
    if let Act::Hold(count) = act {
        side.inner.held.send_modify(|held| *held += 1);
        let mut held = side.inner.held.subscribe();
        held.wait_for(|held| *held >= count).await.unwrap();
        act = Act::Serve;
    }
    if let Act::Status(status, more) = &act {
        let mut response = StatusCode::from_u16(*status).unwrap().into_response();
        for (name, value) in more {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        return response;
    }
    match side.content {
        true => content(&side.inner, &asked, act),
        false => hub(&side.inner, &asked, act),
    }
}

/// What the hub itself says.
fn hub(inner: &Inner, asked: &Asked, act: Act) -> Response {
    let segments: Vec<&str> = asked.path.trim_start_matches('/').split('/').collect();
    let files = inner.files.lock().unwrap();
    if let ["api", "models", owner, name, "tree", _] = segments[..] {
        let repo = format!("{owner}/{name}");
        let of_it = files.iter().filter(|((of, _), _)| *of == repo);
        let list: Vec<_> = of_it
            .map(|((_, path), bytes)| json!({"type": "file", "path": path, "size": bytes.len(), "lfs": {"oid": sha256(bytes)}}))
            .collect();
        return match list.is_empty() {
            true => (StatusCode::NOT_FOUND, [("x-error-code", "RepoNotFound")]).into_response(),
            false => Json(list).into_response(),
        };
    }
    let [owner, name, "resolve", _, ref path @ ..] = segments[..] else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Act::Other(bytes) = act {
        return bytes.into_response();
    }
    let path = path.join("/");
    let Some(bytes) = files.get(&(format!("{owner}/{name}"), path.clone())) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let size = match act {
        Act::Announce(size) => size,
        _ => bytes.len() as u64,
    };
    let headers = [
        (
            "location",
            format!("{}/{owner}/{name}/{path}?signature=secret", inner.content_host),
        ),
        ("x-repo-commit", COMMIT.to_owned()),
        ("x-linked-size", size.to_string()),
        ("x-linked-etag", format!("\"{}\"", sha256(bytes))),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// What the host of the contents says.
fn content(inner: &Inner, asked: &Asked, act: Act) -> Response {
    let mut segments = asked.path.trim_start_matches('/').splitn(3, '/');
    let repo = format!("{}/{}", segments.next().unwrap(), segments.next().unwrap());
    let bytes = inner.files.lock().unwrap()[&(repo, segments.next().unwrap().to_owned())].clone();
    let total = bytes.len() as u64;
    match (act, asked.range) {
        (Act::Whole, _) | (_, None) => bytes.into_response(),
        (Act::Other(bytes), _) => bytes.into_response(),
        (Act::Endless(bytes), _) => {
            let chunks: Vec<_> = bytes
                .chunks(10_000)
                .map(Bytes::copy_from_slice)
                .map(Ok::<_, Infallible>)
                .collect();
            Body::from_stream(stream::iter(chunks)).into_response()
        }
        (act, Some((first, last))) => {
            let part = bytes.slice(first as usize..=last as usize);
            let headers = [
                ("content-range", format!("bytes {first}-{last}/{total}")),
                ("content-length", part.len().to_string()),
            ];
            let body = match act {
                Act::Cut(at) => {
                    let start = stream::iter([Ok(part.slice(..at.min(part.len())))]);
                    // Later, so that what came before it is sent.
                    let cut = stream::once(async {
                        tokio::task::yield_now().await;
                        Err(std::io::Error::other("cut"))
                    });
                    Body::from_stream(start.chain(cut))
                }
                _ => part.into(),
            };
            (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
        }
    }
}
