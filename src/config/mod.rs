//! The configuration: defaults, then the file, then the environment, then flags; resolved once, into checked values.
//!
//! Nothing else in the library reads the environment or asks for the home folder. [`Config::resolve`] itself reads only
//! the configuration file; all else is handed to it.
//!
//! | flag | variable | key in the file |
//! | --- | --- | --- |
//! | `--image-tokens 1024` | `PROMPT_CALIBRATOR_IMAGE_TOKENS=1024` | `image-tokens = 1024` |
//! | `--root a --root b` | `PROMPT_CALIBRATOR_ROOT=a:b` (`;` on Windows) | `root = ["a", "b"]` |
//!
//! and so on for every flag. Paths may begin with `~`; relative ones are taken from the working folder, in the file
//! from the file's folder. Secrets come from the environment only: `PROMPT_CALIBRATOR_COMFYUI_TOKEN`, or
//! `PROMPT_CALIBRATOR_COMFYUI_USER` and `PROMPT_CALIBRATOR_COMFYUI_PASSWORD`; `PROMPT_CALIBRATOR_HTTP_TOKEN`. The hub that
//! models come from has Hugging Face's own variables ([`hub_settings`]).

mod edit;
mod environment;
mod error;
mod explain;
mod file;
mod hub;
mod parse;
mod resolve;
mod roots;
mod settings;
mod source;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use types::Secret;
use url::Url;

pub use self::hub::hub_settings;
pub use edit::{Change, edit, usual_file};
pub use environment::{Environment, Machine, PREFIX};
pub use error::ConfigError;
pub use explain::Explained;
pub use roots::{Opened, RootError, Roots};
pub use settings::Settings;
pub use source::{Source, Sourced};

/// What stands before the judge's score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceSetting {
    /// Nothing.
    None,
    /// What was seen in each image.
    Values,
    /// A difference that the judge writes first.
    Difference,
}

/// How the judge and ComfyUI share a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuSharing {
    /// Both at once where both fit.
    Auto,
    /// Never both at once.
    Exclusive,
    /// Each as it likes.
    Shared,
}

/// What is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Errors.
    Error,
    /// And warnings.
    Warn,
    /// And what is being done.
    Info,
    /// And how.
    Debug,
    /// And everything, of libraries too.
    Trace,
}

/// Which rubric is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RubricChoice {
    /// One by its name.
    Name(String),
    /// One in a file.
    File(PathBuf),
}

/// A LoRA adapter and its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterChoice {
    /// The file, an absolute path.
    pub path: PathBuf,
    /// Its weight: 1 is as it was trained.
    pub scale: f32,
}

/// How to sign in to ComfyUI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComfyuiAuth {
    /// Not at all.
    None,
    /// With a bearer token.
    Token(Secret),
    /// With a name and a password (HTTP basic authentication).
    Basic {
        /// The name.
        user: Secret,
        /// The password.
        password: Secret,
    },
}

/// How the server is reached; decides which folders may be read when none are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// By the user's own agent, over stdin and stdout.
    Stdio,
    /// Over HTTP.
    Http,
}

/// The configuration, checked. What is `None` was not set, and whoever uses it has the default.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The ComfyUI server: http or https, without credentials, its path ending in `/`.
    pub comfyui: Sourced<Url>,
    /// How to sign in there.
    pub comfyui_auth: ComfyuiAuth,
    /// The file of certificates to trust, if the environment names one: of the TLS library, for the ComfyUI server.
    pub certificates: Option<PathBuf>,
    /// What HTTP clients of ours must present, if anything.
    pub http_token: Option<Secret>,
    /// The judge's model, an absolute path.
    pub model: Option<Sourced<PathBuf>>,
    /// The judge's vision projector, an absolute path.
    pub mmproj: Option<Sourced<PathBuf>>,
    /// Where history and images are kept, an absolute path; need not exist yet.
    pub data_dir: Sourced<PathBuf>,
    /// The folders that were configured as readable, absolute; see [`Config::roots`].
    pub root: Option<Sourced<Vec<PathBuf>>>,
    /// The rubric.
    pub rubric: Option<Sourced<RubricChoice>>,
    /// Tokens an image, 16 to 4096.
    pub image_tokens: Option<Sourced<u32>>,
    /// What stands before the score.
    pub evidence: Option<Sourced<EvidenceSetting>>,
    /// CPU threads, 1 to 1024.
    pub threads: Option<Sourced<u32>>,
    /// Whether the user's own variables say how threads wait for one another.
    pub waiting_is_set: bool,
    /// Layers on the GPU, 0 to 9999.
    pub gpu_layers: Option<Sourced<u32>>,
    /// The judge's LoRA adapters.
    pub adapter: Option<Sourced<Vec<AdapterChoice>>>,
    /// Minutes without work after which the judge's process is ended, 0 to 10,080 (a week); 0 is never.
    pub unload_after: Option<Sourced<u32>>,
    /// How the judge and ComfyUI share a GPU.
    pub gpu_sharing: Option<Sourced<GpuSharing>>,
    /// What is logged.
    pub log: Sourced<LogLevel>,
    /// Where to, instead of stderr.
    pub log_file: Option<Sourced<PathBuf>>,
    /// The configuration file that was read, or that [`Config::resolve_for_writing`] was told to make.
    pub file: Option<PathBuf>,
    /// What looked odd, one sentence each: to be logged and shown by `doctor`.
    pub warnings: Vec<String>,
    pub(in crate::config) home: Option<PathBuf>,
    pub(in crate::config) cwd: PathBuf,
}
