//! The calls of ComfyUI's HTTP API that are used here, typed.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::de::{self, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::client::{Client, RECORD, web_page};
use super::error::{ComfyError, NodeProblem};
use super::graph::MAX_WORKFLOW_VALUES;
use super::images::{self, ImageRef, OutputImage};
use super::rejection;
use text::bounded;
use text::secrets::Secrets;

/// How many node definitions are asked for at a time.
const PARALLEL_DEFINITIONS: usize = 8;

/// Largest queue that is read, in bytes: of many runs with their graphs.
const QUEUE_LIMIT: u64 = 32 * 1024 * 1024;

/// Most values of a refusal that are read.
const REFUSAL_VALUES: usize = 500_000;

/// Largest refusal that is read, in bytes: it may list every file of a folder for every node.
const REFUSAL_LIMIT: u64 = 16 * 1024 * 1024;

/// What `GET /system_stats` says of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct SystemStats {
    /// Version of ComfyUI, or `stand-in`; empty if the server does not say.
    pub version: String,
    /// Version of Python; empty if the server does not say.
    pub python: String,
    /// The devices, the one that renders first.
    pub devices: Vec<Device>,
}

/// One device of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Device {
    /// Its name, such as `cuda:0 NVIDIA …`.
    pub name: String,
    /// `cuda`, `cpu`, `mps` …
    pub kind: String,
    /// Memory in bytes.
    pub vram_total: u64,
    /// Free memory in bytes, as ComfyUI itself could use it: with what its PyTorch keeps in reserve.
    pub vram_free: u64,
    /// The part of `vram_free` in PyTorch's reserve, which other programs cannot have.
    pub torch_vram_free: u64,
}

impl Device {
    /// Free memory in bytes, as another program finds it.
    #[must_use]
    pub fn free_for_others(&self) -> u64 {
        match self.kind.as_str() {
            // Main memory, of which PyTorch keeps no reserve; ComfyUI gives the same number twice.
            "cpu" | "mps" => self.vram_free,
            _ => self.vram_free.saturating_sub(self.torch_vram_free),
        }
    }
}

/// What became of a graph that the server queued.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a partly accepted graph is queued and has to be cancelled"]
pub enum Submitted {
    /// All of it will run.
    Whole,
    /// Some outputs were refused and the others will run: to be cancelled and told as a failure.
    Partly {
        /// What is wrong with the refused outputs; never empty.
        problems: Vec<NodeProblem>,
    },
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueState {
    /// Waiting; `position` 1 is next among those that wait.
    Pending {
        /// Place among the waiting runs, from 1.
        position: usize,
    },
    /// Being executed.
    Running,
    /// Not in the queue: finished, removed, lost or never there.
    Absent,
}

/// The server's queue: ids with their graphs, in the order of execution.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Queue {
    /// What is being executed.
    pub running: Vec<QueueItem>,
    /// What waits, next first.
    pub pending: Vec<QueueItem>,
}

/// One run in the queue.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueItem {
    /// Its id as the server has it; runs of other clients need not have a UUID.
    pub prompt_id: String,
    /// Its graph as the server sends it: a queue may be long, and few of its graphs are looked at.
    graph: String,
}

impl QueueItem {
    /// Its graph in API format; null where it is larger than any workflow that is read.
    #[must_use]
    pub fn graph(&self) -> Value {
        bounded::parse(self.graph.as_bytes(), MAX_WORKFLOW_VALUES).unwrap_or_default()
    }
}

impl Queue {
    /// Where a run is in this queue.
    pub fn state(&self, prompt_id: Uuid) -> QueueState {
        let id = prompt_id.to_string();
        if self.running.iter().any(|item| item.prompt_id == id) {
            return QueueState::Running;
        }
        match self.pending.iter().position(|item| item.prompt_id == id) {
            Some(ahead) => QueueState::Pending { position: ahead + 1 },
            None => QueueState::Absent,
        }
    }

    fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        let told: ToldQueue = serde_json::from_slice(body)?;
        // In the order of execution.
        let items = |mut told: Vec<ToldItem>| {
            told.sort_by(|a, b| a.number.total_cmp(&b.number));
            told.into_iter().map(|told| told.item).collect()
        };
        Ok(Self {
            running: items(told.queue_running),
            pending: items(told.queue_pending),
        })
    }
}

/// What `GET /queue` answers.
#[derive(Deserialize)]
struct ToldQueue {
    queue_running: Vec<ToldItem>,
    queue_pending: Vec<ToldItem>,
}

/// `[number, id, graph, …]`: what comes after the graph holds the page's own form of it, and is passed over. The number is
/// the place in the order of execution, and may be a fraction.
struct ToldItem {
    number: f64,
    item: QueueItem,
}

impl<'de> Deserialize<'de> for ToldItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = ToldItem;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of number, id and graph")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<ToldItem, A::Error> {
        let lacks = |index| -> A::Error { de::Error::invalid_length(index, &"a list of number, id and graph") };
        let number = list.next_element()?.ok_or_else(|| lacks(0))?;
        let prompt_id = list.next_element()?.ok_or_else(|| lacks(1))?;
        let graph: Box<RawValue> = list.next_element()?.ok_or_else(|| lacks(2))?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        let graph = graph.get().to_owned();
        Ok(ToldItem {
            number,
            item: QueueItem { prompt_id, graph },
        })
    }
}

/// The graph with a title for every node, as the page gives it: ComfyUI fails where it replaces a node that has none.
fn titled(graph: &Value) -> Cow<'_, Value> {
    let untitled = |node: &Value| node.get("class_type").is_some() && node.get("_meta").is_none();
    if !graph.as_object().is_some_and(|nodes| nodes.values().any(untitled)) {
        return Cow::Borrowed(graph);
    }
    let mut graph = graph.clone();
    let nodes = graph.as_object_mut().into_iter().flatten();
    for node in nodes.filter_map(|(_, node)| node.as_object_mut()) {
        if let Some(class) = node.get("class_type").cloned() {
            node.entry("_meta").or_insert_with(|| json!({"title": class}));
        }
    }
    Cow::Owned(graph)
}

/// What is posted to `/prompt`.
#[derive(Serialize)]
struct Posted<'a> {
    prompt: &'a Value,
    client_id: &'a str,
    prompt_id: Uuid,
}

impl Client {
    /// Version and devices of the server.
    ///
    /// # Errors
    /// Any transport error; [`ComfyError::BadAnswer`] when this is not a ComfyUI server.
    pub async fn system_stats(&self) -> Result<SystemStats, ComfyError> {
        let answer = self.json(self.request(Method::GET, &["system_stats"], &[])).await?;
        let system = answer
            .get("system")
            .and_then(Value::as_object)
            .ok_or_else(|| ComfyError::BadAnswer {
                what: "the answer to GET /system_stats".into(),
                detail: "it has no `system`".into(),
            })?;
        let text =
            |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let bytes = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_u64).unwrap_or_default();
        let devices = answer
            .get("devices")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(SystemStats {
            version: text(system, "comfyui_version"),
            python: text(system, "python_version"),
            devices: devices
                .iter()
                .filter_map(Value::as_object)
                .map(|device| Device {
                    name: text(device, "name"),
                    kind: text(device, "type"),
                    vram_total: bytes(device, "vram_total"),
                    vram_free: bytes(device, "vram_free"),
                    torch_vram_free: bytes(device, "torch_vram_free"),
                })
                .collect(),
        })
    }

    /// The definitions of node classes (`input`, `output`, `output_node` …); `None` for a class the server lacks.
    ///
    /// Each class is asked for once and then served from the client's cache; classes that were not found are asked
    /// for again, since a node may be installed meanwhile.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn object_info_for(&self, classes: &[&str]) -> Result<BTreeMap<String, Option<Arc<Value>>>, ComfyError> {
        // Owned before the stream begins: a stream over borrowed names would not be `Send` for every lifetime.
        let classes: Vec<String> = classes.iter().map(|class| (*class).to_owned()).collect();
        stream::iter(classes)
            .map(|class| async move { self.definition(&class).await.map(|found| (class, found)) })
            .buffer_unordered(PARALLEL_DEFINITIONS)
            .try_collect()
            .await
    }

    /// Takes a class out of the cache of node definitions, so that new models and files are seen.
    pub fn forget_definition(&self, class: &str) {
        self.with_definitions(|kept| kept.forget(class));
    }

    async fn definition(&self, class: &str) -> Result<Option<Arc<Value>>, ComfyError> {
        if let Some(known) = self.with_definitions(|kept| kept.get(class)) {
            return Ok(Some(known));
        }
        // Of a class that it does not have ComfyUI answers `{}`: a 404 is an error of the address.
        let answer = self
            .json(self.request(Method::GET, &["object_info", class], &[]))
            .await?;
        let unlike = |detail: String| ComfyError::BadAnswer {
            what: format!("the answer to GET /object_info/{class}"),
            detail,
        };
        let Value::Object(mut told) = answer else {
            return Err(unlike("it is not an object".to_owned()));
        };
        let found = match told.remove(class) {
            Some(definition @ Value::Object(_)) => Arc::new(definition),
            None if told.is_empty() => return Ok(None),
            _ => return Err(unlike("it does not describe this class".to_owned())),
        };
        self.with_definitions(|kept| kept.keep(class, Arc::clone(&found)));
        Ok(Some(found))
    }

    /// Submits a graph under an id of the caller's choice. Never repeats the request.
    ///
    /// # Errors
    /// [`ComfyError::Validation`] when the graph is refused. When [`ComfyError::is_uncertain`], the job may be queued:
    /// look the id up before anything else.
    pub async fn submit(&self, prompt_id: Uuid, graph: &Value, client_id: &str) -> Result<Submitted, ComfyError> {
        // Borrowed: a graph may be large.
        let prompt = titled(graph);
        let body = Posted {
            prompt: &prompt,
            client_id,
            prompt_id,
        };
        let answer = self
            .send(self.request(Method::POST, &["prompt"], &[]).with_json(&body))
            .await?;
        let status = answer.status();
        if status == 400 {
            let body = answer.bytes(REFUSAL_LIMIT).await?;
            let told = bounded::parse(&body, REFUSAL_VALUES).unwrap_or_default();
            let problems = rejection::problems(&told, graph);
            return Err(if problems.is_empty() {
                let body = Secrets::of(graph).masked(&rejection::said(&body));
                ComfyError::Http {
                    request: "POST /prompt".into(),
                    status,
                    body,
                }
            } else {
                ComfyError::Validation { problems }
            });
        }
        let told = answer.success().await?.json().await?;
        let problems = rejection::problems(&told, graph);
        if !problems.is_empty() {
            return Ok(Submitted::Partly { problems });
        }
        match told.get("prompt_id").and_then(Value::as_str) {
            Some(given) if given == prompt_id.to_string() => Ok(Submitted::Whole),
            other => Err(ComfyError::BadAnswer {
                what: "the answer to POST /prompt".into(),
                detail: format!("it names the id {other:?} instead of {prompt_id}"),
            }),
        }
    }

    /// The server's record of a finished run, `None` while there is none: `{prompt, outputs, status, meta}`.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn history(&self, prompt_id: Uuid) -> Result<Option<Value>, ComfyError> {
        let id = prompt_id.to_string();
        let request = self.request(Method::GET, &["history", &id], &[]);
        let mut answer = self.json_within(request, RECORD).await?;
        match answer.as_object_mut() {
            Some(records) => Ok(records.remove(&id)),
            None => Err(ComfyError::BadAnswer {
                what: format!("the answer to GET /history/{id}"),
                detail: "it is not an object".into(),
            }),
        }
    }

    /// The graph that the server finished last, in API format; `None` when its history is empty.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn last_graph(&self) -> Result<Option<Value>, ComfyError> {
        let mut answer = self
            .json_within(self.request(Method::GET, &["history"], &[("max_items", "1")]), RECORD)
            .await?;
        let newest = answer
            .as_object_mut()
            .and_then(|records| records.values_mut().next_back());
        Ok(newest
            .and_then(|record| record.pointer_mut("/prompt/2"))
            .map(Value::take))
    }

    /// What runs and what waits.
    ///
    /// # Errors
    /// Any transport error; [`ComfyError::BadAnswer`].
    pub async fn queue(&self) -> Result<Queue, ComfyError> {
        let answer = self.send(self.request(Method::GET, &["queue"], &[])).await?;
        let body = answer.success().await?.text(QUEUE_LIMIT).await?;
        Queue::parse(&body).map_err(|error| ComfyError::BadAnswer {
            what: "the answer to GET /queue".into(),
            detail: web_page(&body).unwrap_or_else(|| {
                format!("it lacks the lists queue_running and queue_pending of [number, id, graph, …] ({error})")
            }),
        })
    }

    /// Where one run is.
    ///
    /// # Errors
    /// As [`Client::queue`].
    pub async fn queue_state(&self, prompt_id: Uuid) -> Result<QueueState, ComfyError> {
        Ok(self.queue().await?.state(prompt_id))
    }

    /// Removes a waiting run; a run that is not waiting is left as it is. The server does not say which it was.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn delete_pending(&self, prompt_id: Uuid) -> Result<(), ComfyError> {
        let body = json!({"delete": [prompt_id.to_string()]});
        self.accepted(self.request(Method::POST, &["queue"], &[]).with_json(&body))
            .await
    }

    /// Interrupts this run if it is the one being executed; other runs are never touched.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn interrupt(&self, prompt_id: Uuid) -> Result<(), ComfyError> {
        let body = json!({"prompt_id": prompt_id.to_string()});
        self.accepted(self.request(Method::POST, &["interrupt"], &[]).with_json(&body))
            .await
    }

    /// Asks the server to give memory back before its next run; it does so when idle, without saying when.
    ///
    /// # Errors
    /// Any transport error.
    pub async fn free(&self, unload_models: bool, free_memory: bool) -> Result<(), ComfyError> {
        let body = json!({"unload_models": unload_models, "free_memory": free_memory});
        self.accepted(self.request(Method::POST, &["free"], &[]).with_json(&body))
            .await
    }

    /// The bytes of an image as the server has them on disk, at most `limit_bytes`.
    ///
    /// # Errors
    /// [`ComfyError::ImageGone`], [`ComfyError::TooLarge`], [`ComfyError::BadAnswer`] for an empty or cut answer, or any
    /// transport error.
    pub async fn view(&self, image: &ImageRef, limit_bytes: u64) -> Result<Vec<u8>, ComfyError> {
        let mut bytes = Vec::new();
        self.view_into(image, images::Form::File, limit_bytes, &mut bytes)
            .await?;
        Ok(bytes)
    }

    /// The same into `sink`, in this form; how many bytes they were.
    ///
    /// # Errors
    /// As [`Client::view`].
    pub async fn view_into(
        &self,
        image: &ImageRef,
        form: images::Form,
        limit_bytes: u64,
        sink: &mut (impl Write + Send),
    ) -> Result<u64, ComfyError> {
        let mut query = vec![
            ("filename", image.filename.as_str()),
            ("subfolder", image.subfolder.as_str()),
            ("type", image.kind.as_str()),
        ];
        if form == images::Form::Jpeg {
            query.push(("preview", "jpeg;90"));
        }
        let answer = self.send(self.request(Method::GET, &["view"], &query)).await?;
        if answer.status() == 404 {
            return Err(ComfyError::ImageGone {
                filename: image.filename.clone(),
                cached: false,
            });
        }
        let bytes = answer.success().await?.bytes_into(limit_bytes, sink).await?;
        if bytes == 0 {
            return Err(ComfyError::BadAnswer {
                what: format!("the image {}", image.filename),
                detail: "it is empty".into(),
            });
        }
        Ok(bytes)
    }

    /// The bytes of an image of a finished run; says so when the file of a cached result is gone.
    ///
    /// # Errors
    /// As [`Client::view`].
    pub async fn output_image(&self, image: &OutputImage, limit_bytes: u64) -> Result<Vec<u8>, ComfyError> {
        let mut bytes = Vec::new();
        self.output_image_into(image, images::Form::File, limit_bytes, &mut bytes)
            .await?;
        Ok(bytes)
    }

    /// The same into `sink`, in this form; how many bytes they were.
    ///
    /// # Errors
    /// As [`Client::view`].
    pub async fn output_image_into(
        &self,
        image: &OutputImage,
        form: images::Form,
        limit_bytes: u64,
        sink: &mut (impl Write + Send),
    ) -> Result<u64, ComfyError> {
        self.view_into(&image.reference(), form, limit_bytes, sink)
            .await
            .map_err(|error| match error {
                ComfyError::ImageGone { filename, .. } => ComfyError::ImageGone {
                    filename,
                    cached: image.cached,
                },
                other => other,
            })
    }

    /// Uploads an image into the server's input folder and returns the name to use in `LoadImage`.
    ///
    /// The server picks another name when `name` is taken by other content.
    ///
    /// # Errors
    /// Any transport error; [`ComfyError::BadAnswer`].
    pub async fn upload_image(&self, name: &str, bytes: Vec<u8>) -> Result<String, ComfyError> {
        let form = Form::new()
            .part("image", Part::bytes(bytes).file_name(name.to_owned()))
            .text("type", "input");
        let mut request = self.request(Method::POST, &["upload", "image"], &[]);
        request.builder = request.builder.multipart(form);
        let answer = self.json(request).await?;
        let part = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
        match (part("name"), part("subfolder")) {
            ("", _) => Err(ComfyError::BadAnswer {
                what: "the answer to POST /upload/image".into(),
                detail: "it does not name the file".into(),
            }),
            (name, "") => Ok(name.to_owned()),
            (name, folder) => Ok(format!("{folder}/{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_without_a_title_get_one() {
        let graph = json!({
            "1": {"class_type": "KSampler", "inputs": {"seed": 1}},
            "2": {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": "Final"}},
            "3": {"inputs": {}},
        });
        let expected = json!({
            "1": {"class_type": "KSampler", "inputs": {"seed": 1}, "_meta": {"title": "KSampler"}},
            "2": {"class_type": "SaveImage", "inputs": {}, "_meta": {"title": "Final"}},
            "3": {"inputs": {}},
        });
        assert_eq!(*titled(&graph), expected);
        assert!(matches!(titled(&expected), Cow::Borrowed(_)));
    }

    #[test]
    fn a_queue_is_read_without_what_stands_behind_its_graphs() {
        let page = format!("[{}]", "[],".repeat(100_000) + "0");
        let body = format!(
            r#"{{"queue_running": [[3, "c", {{"1": {{"class_type": "A"}}}}, {{"extra_pnginfo": {page}}}, ["9"]]],
                "queue_pending": [[5.5, "e", {{}}], [4, "d", {page}, {{}}, []]]}}"#
        );
        let queue = Queue::parse(body.as_bytes()).unwrap();
        assert_eq!(queue.running[0].graph(), json!({"1": {"class_type": "A"}}));
        let pending: Vec<&str> = queue.pending.iter().map(|item| item.prompt_id.as_str()).collect();
        assert_eq!(pending, ["d", "e"]);
        assert_eq!(
            queue.pending[0].graph(),
            Value::Null,
            "more values than a workflow holds"
        );
        for body in ["[]", "{}", r#"{"queue_running": [[1, "a"]], "queue_pending": []}"#] {
            assert!(Queue::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
