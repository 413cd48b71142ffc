//! A living ComfyUI stand-in, and what its own API says of it.

use std::net::SocketAddr;
use std::time::Duration;

use comfyui_stand_in::studio::Studio;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::support::mcp_client::LIMIT;

/// A studio that serves until this is dropped.
pub struct LivingStudio {
    pub url: String,
    http: reqwest::Client,
    serving: JoinHandle<()>,
}

impl LivingStudio {
    /// On a free port; `step` is how long a step of its sampler takes.
    pub async fn new(step: Duration) -> Self {
        Self::at(([127, 0, 0, 1], 0).into(), step).await
    }

    pub async fn at(address: SocketAddr, step: Duration) -> Self {
        Self::serving(Studio::bind(address, step).await.unwrap())
    }

    /// One that saves this file in place of every picture.
    pub async fn with_result(file: Vec<u8>) -> Self {
        let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
        Self::serving(studio.with_result(file))
    }

    fn serving(studio: Studio) -> Self {
        Self {
            url: studio.url(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            serving: tokio::spawn(async move {
                studio.serve().await.unwrap();
            }),
        }
    }

    async fn get(&self, path: &str) -> Value {
        let asked = self.http.get(format!("{}{path}", self.url)).timeout(LIMIT);
        let answer = asked.send().await.unwrap().text().await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Puts a picture into the input folder, as somebody at the page does; what it is called there.
    pub async fn upload(&self, name: &str, bytes: Vec<u8>) -> Value {
        let part = Part::bytes(bytes).file_name(name.to_owned());
        let asked = self.http.post(format!("{}/upload/image", self.url));
        let asked = asked.multipart(Form::new().part("image", part)).timeout(LIMIT);
        let answer: Value = asked.send().await.unwrap().json().await.unwrap();
        answer["name"].clone()
    }

    /// Interrupts what runs, as somebody at the page does.
    pub async fn interrupt(&self) {
        let asked = self.http.post(format!("{}/interrupt", self.url)).body("{}");
        assert!(asked.timeout(LIMIT).send().await.unwrap().status().is_success());
    }

    /// How many runs were ever submitted.
    pub async fn submissions(&self) -> usize {
        let queue = self.get("/queue").await;
        let waiting = ["queue_running", "queue_pending"].map(|part| queue[part].as_array().unwrap().len());
        let ended = self.get("/history").await.as_object().unwrap().len();
        waiting.iter().sum::<usize>() + ended
    }

    /// The graphs of the runs that ended, in order.
    pub async fn graphs(&self) -> Vec<Value> {
        let history = self.get("/history").await;
        let runs = history.as_object().unwrap().values();
        runs.map(|run| run["prompt"][2].clone()).collect()
    }

    /// Waits until a run is executing.
    pub async fn busy(&self) {
        self.until("a run", async || {
            let queue = self.get("/queue").await;
            (queue["queue_running"] != json!([])).then_some(())
        })
        .await;
    }

    /// Waits until nothing runs or waits, and returns the kinds of the messages of all runs that ended.
    pub async fn idle(&self) -> Vec<String> {
        self.until("the end of all runs", async || {
            let queue = self.get("/queue").await;
            (queue["queue_running"] == json!([]) && queue["queue_pending"] == json!([])).then_some(())
        })
        .await;
        let history = self.get("/history").await;
        let messages = history.as_object().unwrap().values();
        messages
            .flat_map(|run| run["status"]["messages"].as_array().unwrap())
            .map(|message| message[0].as_str().unwrap().to_owned())
            .collect()
    }

    /// A moment of the stand-in's time: it answers a request.
    pub async fn tick(&self) {
        self.get("/queue").await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    /// Looks again and again: the stand-in has no bell for a test to hear.
    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let found = tokio::time::timeout(LIMIT, looking).await;
        found.unwrap_or_else(|_| panic!("waited too long for {what} in the stand-in"))
    }
}

impl Drop for LivingStudio {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A studio on threads of its own, so that it can be ended with all its connections.
pub struct Apart {
    pub studio: LivingStudio,
    runtime: Option<Runtime>,
}

impl Apart {
    pub async fn at(address: SocketAddr, step: Duration) -> Self {
        let runtime = Runtime::new().unwrap();
        let studio = runtime.spawn(LivingStudio::at(address, step)).await.unwrap();
        Self {
            studio,
            runtime: Some(runtime),
        }
    }

    /// Ends it; nobody is connected and its port is free then.
    pub async fn end(mut self) {
        let runtime = self.runtime.take().unwrap();
        let ending = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LIMIT));
        ending.await.unwrap();
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A workflow as the stand-in knows it, in API format.
pub fn workflow(steps: u32) -> Value {
    json!({
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "stand-in.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "_meta": {"title": "Prompt"}, "inputs": {"text": "a red circle", "clip": ["1", 1]}},
        "3": {"class_type": "CLIPTextEncode", "_meta": {"title": "Negative"}, "inputs": {"text": "blurry", "clip": ["1", 1]}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "5": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "seed": 7, "steps": steps, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal",
            "positive": ["2", 0], "negative": ["3", 0], "latent_image": ["4", 0], "denoise": 1.0}},
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "calibration"}},
    })
}

/// One with a second pass over what its sampler made, as a hires fix has it; the seeds are 7 and 99.
pub fn hires_workflow(denoise: f64) -> Value {
    let mut graph = workflow(1);
    let mut second = graph["5"].clone();
    second["inputs"]["latent_image"] = json!(["5", 0]);
    second["inputs"]["seed"] = json!(99);
    second["inputs"]["denoise"] = json!(denoise);
    graph["8"] = second;
    graph["6"]["inputs"]["samples"] = json!(["8", 0]);
    graph
}

/// One whose prompt is made of two texts, so that nobody can tell where a prompt belongs.
pub fn ambiguous_workflow() -> Value {
    let mut graph = workflow(2);
    graph["8"] = json!({"class_type": "PrimitiveStringMultiline", "_meta": {"title": "Style"}, "inputs": {"value": "oil paint"}});
    graph["9"] = json!({"class_type": "PrimitiveStringMultiline", "_meta": {"title": "Subject"}, "inputs": {"value": "a red circle"}});
    graph["10"] = json!({"class_type": "StringConcatenate", "inputs": {"string_a": ["8", 0], "string_b": ["9", 0], "delimiter": ", "}});
    graph["2"]["inputs"]["text"] = json!(["10", 0]);
    graph
}
