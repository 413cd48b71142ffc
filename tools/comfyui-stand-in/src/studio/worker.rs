//! The queue and its one worker: executes graphs and tells about it in the order in which ComfyUI does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use super::graph::{self, Item};
use super::paint::png;
use crate::gpu::Gpu;

/// How many finished runs are remembered.
const REMEMBERED: usize = 1000;

/// A queued graph.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) number: i64,
    pub(super) prompt_id: String,
    pub(super) client_id: String,
    pub(super) graph: Value,
    pub(super) outputs: Vec<String>,
}

impl Job {
    /// `[number, id, graph, extra_data, outputs]`.
    pub(super) fn to_json(&self) -> Value {
        json!([self.number, self.prompt_id, self.graph, {"client_id": self.client_id}, self.outputs])
    }
}

/// All that the server knows; it lives in memory only.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pending: VecDeque<Job>,
    pub(super) running: Option<Job>,
    pub(super) history: Map<String, Value>,
    /// Files by `type/subfolder/name`.
    pub(super) files: HashMap<String, Vec<u8>>,
    pub(super) sockets: HashMap<String, mpsc::UnboundedSender<String>>,
    pub(super) next_number: i64,
    interrupted: bool,
    /// Models are to be unloaded once nothing runs.
    unload: bool,
    /// What the nodes of the last run made, by signature.
    cache: HashMap<String, Made>,
}

/// What a node made: its slots, and what it showed.
#[derive(Debug, Clone)]
struct Made {
    items: Vec<Item>,
    shown: Option<Value>,
}

/// The server's state with its bells.
#[derive(Debug)]
pub(super) struct Studio {
    state: Mutex<State>,
    work: Notify,
    step_time: Duration,
    gpu: Option<(Arc<Gpu>, Duration)>,
    posted: Arc<Mutex<Vec<String>>>,
    adherence: f64,
    result: Option<Vec<u8>>,
}

enum Ending {
    Success,
    Interrupted {
        node: String,
    },
    Failed {
        node: String,
        kind: &'static str,
        message: String,
    },
}

impl Studio {
    pub(super) fn new(
        step_time: Duration,
        gpu: Option<(Arc<Gpu>, Duration)>,
        posted: Arc<Mutex<Vec<String>>>,
        adherence: f64,
        result: Option<Vec<u8>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            work: Notify::new(),
            step_time,
            gpu,
            posted,
            adherence,
            result,
        })
    }

    /// The GPU that is pretended, if one is.
    pub(super) fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref().map(|(gpu, _)| &**gpu)
    }

    /// Models are unloaded as soon as nothing runs.
    pub(super) fn unload(&self) {
        if let Some(gpu) = self.gpu() {
            gpu.asked();
        }
        self.state().unload = true;
        self.work.notify_one();
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a job.
    pub(super) fn enqueue(&self, mut job: Job) -> i64 {
        let mut posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.push(job.prompt_id.clone());
        drop(posted);
        let mut state = self.state();
        job.number = state.next_number;
        state.next_number += 1;
        let number = job.number;
        state.pending.push_back(job);
        drop(state);
        self.tell_queue();
        self.work.notify_one();
        number
    }

    /// Interrupts what runs: only this run if one is named.
    pub(super) fn interrupt(&self, prompt_id: Option<&str>) {
        let mut state = self.state();
        if state
            .running
            .as_ref()
            .is_some_and(|job| prompt_id.is_none_or(|id| id == job.prompt_id))
        {
            state.interrupted = true;
        }
    }

    /// Forgets what was made, so that the next run renders afresh.
    pub(super) fn empty_cache(&self) {
        self.state().cache.clear();
    }

    /// Works through the queue for ever.
    pub(super) async fn work(&self) {
        loop {
            let next = {
                let mut state = self.state();
                state.running = state.pending.pop_front();
                state.interrupted = false;
                state.running.clone()
            };
            match next {
                Some(job) => self.run(&job).await,
                None => {
                    self.work.notified().await;
                    let unload = std::mem::take(&mut self.state().unload);
                    if let (true, Some((gpu, after))) = (unload, &self.gpu) {
                        sleep(*after).await;
                        gpu.give_back();
                    }
                }
            }
        }
    }

    async fn run(&self, job: &Job) {
        self.tell_queue();
        let mut messages = Vec::new();
        self.log(job, &mut messages, "execution_start", json!({}));
        let order = graph::order(&job.graph, &job.outputs).unwrap_or_default();
        let mut signatures = HashMap::new();
        for id in &order {
            signatures.insert(id.clone(), graph::signature(&job.graph, id, &signatures));
        }
        let cached: HashMap<String, Made> = {
            let state = self.state();
            order
                .iter()
                .filter_map(|id| Some((id.clone(), state.cache.get(&signatures[id])?.clone())))
                .collect()
        };
        let cached_ids: Vec<&String> = order.iter().filter(|id| cached.contains_key(*id)).collect();
        self.log(job, &mut messages, "execution_cached", json!({"nodes": cached_ids}));

        let (made, ending) = self.execute(job, &order, &cached).await;
        if let Some(gpu) = self.gpu() {
            gpu.end();
        }
        match &ending {
            Ending::Success => self.log(job, &mut messages, "execution_success", json!({})),
            Ending::Interrupted { node } => {
                let class = &job.graph[node]["class_type"];
                self.log(
                    job,
                    &mut messages,
                    "execution_interrupted",
                    json!({"node_id": node, "node_type": class, "executed": []}),
                );
            }
            Ending::Failed { node, kind, message } => {
                let class = &job.graph[node]["class_type"];
                let data = json!({"node_id": node, "node_type": class, "executed": [], "exception_message": message, "exception_type": kind, "traceback": []});
                self.log(job, &mut messages, "execution_error", data);
            }
        }
        self.finish(job, &made, matches!(ending, Ending::Success), messages);
        let by_signature = made
            .into_iter()
            .filter_map(|(id, made)| Some((signatures.remove(&id)?, made)));
        self.state().cache = by_signature.collect();
        self.tell_queue();
        self.tell(
            &job.client_id,
            "executing",
            json!({"node": null, "prompt_id": job.prompt_id}),
        );
    }

    async fn execute(
        &self,
        job: &Job,
        order: &[String],
        cached: &HashMap<String, Made>,
    ) -> (HashMap<String, Made>, Ending) {
        let mut made: HashMap<String, Made> = HashMap::new();
        let mut items: HashMap<String, Vec<Item>> = HashMap::new();
        let mut states = Map::new();
        for id in order {
            let done = if let Some(known) = cached.get(id) {
                known.clone()
            } else {
                self.tell_node(job, &mut states, id, "running", (0, 1));
                self.tell(
                    &job.client_id,
                    "executing",
                    json!({"node": id, "display_node": id, "prompt_id": job.prompt_id}),
                );
                if graph::steps(&job.graph, id) > 0 && !self.gpu().is_none_or(Gpu::begin) {
                    let ending = Ending::Failed {
                        node: id.clone(),
                        kind: "torch.OutOfMemoryError",
                        message: "Allocation on device 0 would exceed allowed memory. (out of memory)".to_owned(),
                    };
                    return (made, ending);
                }
                if !self.sample(job, &mut states, id).await {
                    return (made, Ending::Interrupted { node: id.clone() });
                }
                let computed = match job.graph[id]["class_type"].as_str() {
                    Some("LoadImage") => self.load(&job.graph[id]["inputs"]["image"]),
                    _ => graph::compute(&job.graph, id, &items, self.adherence),
                };
                match computed {
                    Ok(items) => Made {
                        shown: self.show(job, id, &items),
                        items,
                    },
                    Err(error) => {
                        return (
                            made,
                            Ending::Failed {
                                node: id.clone(),
                                kind: "ValueError",
                                message: error.to_string(),
                            },
                        );
                    }
                }
            };
            if let Some(shown) = &done.shown {
                self.tell(
                    &job.client_id,
                    "executed",
                    json!({"node": id, "display_node": id, "output": shown, "prompt_id": job.prompt_id}),
                );
            }
            self.tell_node(job, &mut states, id, "finished", (1, 1));
            items.insert(id.clone(), done.items.clone());
            made.insert(id.clone(), done);
        }
        (made, Ending::Success)
    }

    /// A picture from the input folder.
    fn load(&self, name: &Value) -> Result<Vec<Item>> {
        let name = name.as_str().unwrap_or_default();
        let bytes = self.state().files.get(&format!("input//{name}")).cloned();
        let bytes = bytes.with_context(|| format!("Invalid image file: {name}"))?;
        let picture = image::load_from_memory(&bytes)?.to_rgb8();
        Ok(vec![Item::Pictures(vec![picture].into()), Item::Nothing])
    }

    /// Counts the steps of a sampler; false when interrupted.
    async fn sample(&self, job: &Job, states: &mut Map<String, Value>, id: &str) -> bool {
        let steps = graph::steps(&job.graph, id);
        for step in 1..=steps {
            sleep(self.step_time).await;
            if self.state().interrupted {
                return false;
            }
            self.tell_node(job, states, id, "running", (step, steps));
            self.tell(
                &job.client_id,
                "progress",
                json!({"value": step, "max": steps, "prompt_id": job.prompt_id, "node": id}),
            );
        }
        !self.state().interrupted
    }

    /// Writes the pictures of an output node.
    fn show(&self, job: &Job, id: &str, items: &[Item]) -> Option<Value> {
        let class = job.graph[id]["class_type"].as_str()?;
        let (kind, prefix) = match class {
            "SaveImage" => (
                "output",
                job.graph[id]["inputs"]["filename_prefix"].as_str().unwrap_or("ComfyUI"),
            ),
            "PreviewImage" => ("temp", "ComfyUI_temp"),
            _ => return None,
        };
        let Item::Pictures(pictures) = items.first()? else {
            return None;
        };
        let (subfolder, stem) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let mut images = Vec::new();
        for picture in pictures.iter() {
            let drawn = || png(picture, &job.graph);
            let bytes = self
                .result
                .clone()
                .map_or_else(drawn, Ok)
                .inspect_err(|error| tracing::warn!(%error, "a picture could not be encoded"))
                .ok()?;
            let mut state = self.state();
            let free = (1..)
                .map(|count| format!("{stem}_{count:05}_.png"))
                .find(|name| !state.files.contains_key(&format!("{kind}/{subfolder}/{name}")))?;
            state.files.insert(format!("{kind}/{subfolder}/{free}"), bytes);
            images.push(json!({"filename": free, "subfolder": subfolder, "type": kind}));
        }
        Some(json!({"images": images}))
    }

    fn finish(&self, job: &Job, made: &HashMap<String, Made>, success: bool, messages: Vec<Value>) {
        let outputs: Map<String, Value> = job
            .outputs
            .iter()
            .filter_map(|id| Some((id.clone(), made.get(id)?.shown.clone()?)))
            .collect();
        let word = if success { "success" } else { "error" };
        let status = json!({"status_str": word, "completed": success, "messages": messages});
        let record = json!({"prompt": job.to_json(), "outputs": outputs, "status": status, "meta": {}});
        let mut state = self.state();
        state.running = None;
        state.history.insert(job.prompt_id.clone(), record);
        while state.history.len() > REMEMBERED {
            let Some(oldest) = state.history.keys().next().cloned() else {
                break;
            };
            state.history.shift_remove(&oldest);
        }
    }

    /// Tells the client and notes it for the history.
    fn log(&self, job: &Job, messages: &mut Vec<Value>, kind: &str, mut data: Value) {
        data["prompt_id"] = json!(job.prompt_id);
        data["timestamp"] = json!(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis() as u64)
        );
        messages.push(json!([kind, data]));
        self.tell(&job.client_id, kind, data);
    }

    fn tell_node(&self, job: &Job, states: &mut Map<String, Value>, id: &str, state: &str, (value, max): (u64, u64)) {
        let told = json!({"value": value, "max": max, "state": state, "node_id": id, "prompt_id": job.prompt_id, "display_node_id": id, "real_node_id": id});
        states.insert(id.to_owned(), told);
        self.tell(
            &job.client_id,
            "progress_state",
            json!({"prompt_id": job.prompt_id, "nodes": states}),
        );
    }

    pub(super) fn tell_queue(&self) {
        let (status, clients) = {
            let state = self.state();
            (state.queue_status(), state.sockets.keys().cloned().collect::<Vec<_>>())
        };
        for client in clients {
            self.tell(&client, "status", json!({"status": status}));
        }
    }

    fn tell(&self, client: &str, kind: &str, data: Value) {
        if let Some(socket) = self.state().sockets.get(client) {
            // Nobody hears it when the client has just gone.
            let _ = socket.send(json!({"type": kind, "data": data}).to_string());
        }
    }
}

impl State {
    /// `{exec_info: {queue_remaining}}`.
    pub(super) fn queue_status(&self) -> Value {
        json!({"exec_info": {"queue_remaining": self.pending.len() + usize::from(self.running.is_some())}})
    }
}
