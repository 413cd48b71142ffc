//! A server with an empty history, no ComfyUI and no judge, and clients of it within this process.

use std::path::PathBuf;
use std::sync::Arc;

use comfyui::client::{Client as Comfy, ClientConfig};
use comfyui::runs::RunConfig;
use history::Store;
use llama::Llama;
use llama::spec::ModelSpec;
use llama::worker::WorkerConfig;
use prompt_calibrator::config::Roots;
use prompt_calibrator::mcp::server::CalibratorServer;
use prompt_calibrator::session::{Parts, Policy, Service};
use tempfile::TempDir;

/// A server on a folder that lives as long as the returned guard. Made within a runtime.
pub fn server() -> (CalibratorServer, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_owned();
    // Nothing listens there.
    let comfyui = "http://127.0.0.1:1".parse().expect("a URL");
    let model = ModelSpec {
        model: PathBuf::new(),
        mmproj: PathBuf::new(),
        image_tokens: 64,
        threads: None,
        gpu_layers: None,
        adapters: Vec::new(),
        keep: None,
    };
    let service = Service::new(Parts {
        store: Store::open(data.clone()),
        comfy: Comfy::new(ClientConfig::new(comfyui)).expect("a client"),
        runs: RunConfig::default(),
        engine: Arc::new(Llama::new(WorkerConfig::new(PathBuf::from("no-judge"), model))),
        evidence: None,
        roots: Roots::new(vec![data.clone()], None, data),
        rubric: prompt_calibrator::config::RubricChoice::Name("scenes".into()),
        gpu_sharing: Policy::Shared,
    });
    (CalibratorServer::new(service), folder)
}

/// One thread, so that the same input does the same each time.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}
