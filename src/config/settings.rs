//! The flags as they are typed, before anything is checked.

use std::ffi::OsString;
use std::path::PathBuf;

/// Flags that every command takes. What is not given comes from the environment, the file, or the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The ComfyUI server [default: http://127.0.0.1:8188]
    #[arg(long, global = true, value_name = "URL")]
    pub comfyui: Option<String>,
    /// The judge's GGUF file [default: the bundled judge]
    #[arg(long, global = true, value_name = "FILE")]
    pub model: Option<PathBuf>,
    /// The GGUF file of the judge's vision projector [default: the bundled one]
    #[arg(long, global = true, value_name = "FILE")]
    pub mmproj: Option<PathBuf>,
    /// Where history and images are kept [default: the platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// A folder below which images may be read; may be repeated [default: home on stdio, the data folder over HTTP]
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Vec<PathBuf>,
    /// What is judged: default, scenes, explicit, or a TOML file [default: default; scenes for the bundled judge]
    #[arg(long, global = true, value_name = "NAME|FILE")]
    pub rubric: Option<OsString>,
    /// The configuration file [default: config.toml in the platform's configuration folder, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How many tokens the judge spends on an image, 16 to 4096 [default: 1024; 16 for the bundled judge]
    #[arg(long, global = true, value_name = "N")]
    pub image_tokens: Option<String>,
    /// What stands before the judge's score: none, values or difference [default: what eval --fit found, else values]
    #[arg(long, global = true, value_name = "MODE")]
    pub evidence: Option<String>,
    /// How many CPU threads the judge uses [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<String>,
    /// How many of the judge's layers lie on the GPU, the output counted as one more [default: as many as fit]
    #[arg(long, global = true, value_name = "N")]
    pub gpu_layers: Option<String>,
    /// A LoRA adapter (GGUF) for the judge, with its weight if it is not 1; may be repeated [default: none]
    #[arg(long, global = true, value_name = "FILE[=SCALE]")]
    pub adapter: Vec<PathBuf>,
    /// Minutes without work after which the judge's memory is freed, 0 to 10080; 0 keeps it [default: 10]
    #[arg(long, global = true, value_name = "MINUTES")]
    pub unload_after: Option<String>,
    /// How judge and ComfyUI share a GPU: auto, exclusive (never both in memory) or shared [default: auto]
    #[arg(long, global = true, value_name = "POLICY")]
    pub gpu_sharing: Option<String>,
    /// What is logged: off, error, warn, info, debug or trace [default: info]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log: Option<String>,
    /// Log to this file [default: stderr]
    #[arg(long, global = true, value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}
