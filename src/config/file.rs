//! The configuration file: the flags' names as keys, in TOML.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::ConfigError;
use files::regular;

/// The file's name within the configuration folder.
const NAME: &str = "config.toml";

/// A larger file is none of settings, and is not read.
pub(super) const MAX_BYTES: u64 = 1 << 20;

/// The file's keys, written like the flags (`image-tokens`). Unknown keys are errors; secrets have no keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub comfyui: Option<String>,
    pub model: Option<PathBuf>,
    pub mmproj: Option<PathBuf>,
    pub data_dir: Option<PathBuf>,
    #[serde(default)]
    pub root: Vec<PathBuf>,
    pub rubric: Option<OsStringText>,
    pub image_tokens: Option<i64>,
    pub evidence: Option<String>,
    pub threads: Option<i64>,
    pub gpu_layers: Option<i64>,
    #[serde(default)]
    pub adapter: Vec<PathBuf>,
    pub unload_after: Option<i64>,
    pub gpu_sharing: Option<String>,
    pub log: Option<String>,
    pub log_file: Option<PathBuf>,
}

/// Text that is used as a name or a path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct OsStringText(String);

impl From<OsStringText> for OsString {
    fn from(text: OsStringText) -> Self {
        text.0.into()
    }
}

/// Where the file is unless one is named.
pub(super) fn usual(config_dir: &Path) -> PathBuf {
    config_dir.join(NAME)
}

/// What a file is that was asked for and is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// A mistake.
    Refused,
    /// One that is about to be made.
    Empty,
}

/// Reads the file that was asked for, or else the one in the configuration folder if it is there.
pub(super) fn read(
    wanted: Option<&Path>,
    missing: Missing,
    config_dir: Option<&Path>,
) -> Result<Option<(PathBuf, ConfigFile)>, ConfigError> {
    let path = match (wanted, config_dir) {
        (Some(wanted), _) => wanted.to_owned(),
        (None, Some(folder)) => usual(folder),
        (None, None) => return Ok(None),
    };
    match regular::read_to_string(&path, MAX_BYTES) {
        Ok(text) => {
            let file = toml::from_str(&text).map_err(|e| ConfigError::File {
                path: path.clone(),
                detail: e.to_string().trim_end().to_owned(),
            })?;
            Ok(Some((path, file)))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && wanted.is_none() => Ok(None),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && missing == Missing::Empty => {
            Ok(Some((path, ConfigFile::default())))
        }
        Err(source) => Err(ConfigError::Unread { path, source }),
    }
}
