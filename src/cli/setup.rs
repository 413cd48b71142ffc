//! From the configuration to a service.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::error::{CliError, Context, Result};
use crate::bundled;
use crate::config::{ComfyuiAuth, Config, EvidenceSetting, GpuSharing, Roots, RubricChoice, Transport};
use crate::session::{Parts, Policy, Service};
use comfyui::client::{Auth, Client, ClientConfig};
use comfyui::runs::RunConfig;
use history::Store;
use judge::protocol::Evidence;
use llama::Llama;
use llama::spec::{Adapter, KeepSpec, ModelSpec};
use llama::worker::{Waiting, WorkerConfig};

/// Tokens a picture gets unless configured: what Qwen's own staff recommend as the least for
/// detail.
const IMAGE_TOKENS: u32 = 1024;

/// Bytes that embeddings of references may take on disk: about 25 pictures of 1,024 tokens for an 8B judge,
/// and of the smaller ones more.
const KEPT_EMBEDDINGS: u64 = 2 << 30;

/// Which files a command may read.
pub enum Reach {
    /// What the configuration allows over a transport.
    Configured(Transport),
    /// Everything: a person typed the paths.
    Everything,
}

/// Puts a service together. Opens no port and loads no model.
pub fn service(config: &Config, reach: Reach) -> Result<Service> {
    Ok(service_and_engine(config, reach)?.0)
}

/// A service, and the judge's engine within it.
pub fn service_and_engine(config: &Config, reach: Reach) -> Result<(Service, Arc<Llama>)> {
    let roots = match reach {
        Reach::Configured(transport) => config.roots(transport)?,
        Reach::Everything => Roots::new(
            vec![PathBuf::from(std::path::MAIN_SEPARATOR_STR)],
            None,
            std::env::current_dir().context("the working folder is gone")?,
        ),
    };
    let engine = Arc::new(Llama::new(worker(config)?));
    let service = Service::new(Parts {
        store: Store::open(config.data_dir.value.clone()),
        comfy: comfy(config)?,
        runs: RunConfig::default(),
        engine: engine.clone(),
        evidence: evidence(config),
        roots,
        gpu_sharing: match config.gpu_sharing.as_ref().map(|sharing| sharing.value) {
            None | Some(GpuSharing::Auto) => Policy::Auto,
            Some(GpuSharing::Exclusive) => Policy::Exclusive,
            Some(GpuSharing::Shared) => Policy::Shared,
        },
        rubric: match config.rubric.as_ref().map(|r| &r.value) {
            // The bundled judge knows one rubric.
            None if config.model.is_none() => RubricChoice::Name(bundled::RUBRIC.into()),
            None => RubricChoice::Name("default".into()),
            Some(chosen) => chosen.clone(),
        },
    });
    Ok((service, engine))
}

/// The evidence mode, where one is configured.
pub fn evidence(config: &Config) -> Option<Evidence> {
    let chosen = config.evidence.as_ref().map(|e| e.value)?;
    Some(match chosen {
        EvidenceSetting::Values => Evidence::Values,
        EvidenceSetting::None => Evidence::None,
        EvidenceSetting::Difference => Evidence::Difference,
    })
}

/// How the judge process is started.
pub fn worker(config: &Config) -> Result<WorkerConfig> {
    let program = std::env::current_exe().context("this program's own file cannot be found")?;
    let mut worker = WorkerConfig::new(program, spec(config)?);
    if let Some(minutes) = config.unload_after.as_ref().map(|m| u64::from(m.value)) {
        worker.idle = (minutes > 0).then(|| Duration::from_secs(60 * minutes));
    }
    if config.waiting_is_set {
        worker.waiting = Waiting::Library;
    }
    Ok(worker)
}

/// The ComfyUI client.
pub fn comfy(config: &Config) -> Result<Client> {
    Ok(Client::new(comfy_config(config))?)
}

/// How ComfyUI is reached.
pub fn comfy_config(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new(config.comfyui.value.clone());
    client.certificates.clone_from(&config.certificates);
    client.auth = match &config.comfyui_auth {
        ComfyuiAuth::None => Auth::None,
        ComfyuiAuth::Token(token) => Auth::Bearer(token.expose().to_owned()),
        ComfyuiAuth::Basic { user, password } => Auth::Basic {
            user: user.expose().to_owned(),
            password: password.expose().to_owned(),
        },
    };
    client
}

/// The model to load: the configured one, else the bundled one.
pub fn spec(config: &Config) -> Result<ModelSpec> {
    let (model, mmproj, tokens) = match (&config.model, &config.mmproj) {
        (Some(model), Some(mmproj)) => (model.value.clone(), mmproj.value.clone(), IMAGE_TOKENS),
        (None, None) => {
            let folder = config.data_dir.value.join("bundled");
            let (model, mmproj) = bundled::install(&folder)
                .with_context(|| format!("the bundled judge cannot be written to {}", folder.display()))?;
            (model, mmproj, bundled::IMAGE_TOKENS)
        }
        (Some(_), None) => return Err(half("model", "mmproj", "Give the mmproj file of the same model.")),
        (None, Some(_)) => return Err(half("mmproj", "model", "Give both.")),
    };
    Ok(ModelSpec {
        model,
        mmproj,
        image_tokens: config.image_tokens.as_ref().map_or(tokens, |t| t.value),
        threads: config.threads.as_ref().map(|t| t.value),
        gpu_layers: config.gpu_layers.as_ref().map(|l| l.value),
        adapters: adapters(config),
        keep: Some(KeepSpec {
            folder: config.data_dir.value.join("embeddings"),
            limit: KEPT_EMBEDDINGS,
        }),
    })
}

/// A vision model is two files, and one is given.
fn half(given: &str, missing: &str, hint: &str) -> CliError {
    let failed = format!("--{given} is set and --{missing} is not: a vision model is two files");
    CliError::new(failed, hint)
}

fn adapters(config: &Config) -> Vec<Adapter> {
    let chosen = config.adapter.iter().flat_map(|a| &a.value);
    chosen
        .map(|a| Adapter {
            path: a.path.clone(),
            scale: a.scale,
        })
        .collect()
}
