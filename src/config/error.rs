//! What can be wrong with the configuration.

use std::io;
use std::path::PathBuf;

use super::source::Source;

/// Why there is no configuration. Nothing was started.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file with the hub's token cannot be read.
    #[error("cannot read the hub's token in {}: {source}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file cannot be written; it is as it was.
    #[error("cannot write the configuration file {}: {source}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The configuration file is no TOML, or holds what it should not.
    #[error("the configuration file {} is wrong: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Where and what, with the line's number.
        detail: String,
    },
    /// A value is not what it should be.
    #[error("{setting} is {value:?} ({source_of}), which is not {wanted}")]
    Value {
        /// The setting's name.
        setting: &'static str,
        /// Its value.
        value: String,
        /// Where the value came from.
        source_of: Source,
        /// What it should be.
        wanted: String,
    },
    /// A secret is not what it should be; its value is not shown.
    #[error("{variable} is not {wanted}; its value is not shown")]
    Secret {
        /// The variable.
        variable: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// There is more than one way, or half a way, to sign in to ComfyUI.
    #[error("signing in to ComfyUI is not clear: {0}")]
    SignIn(&'static str),
    /// The platform names no folder for this.
    #[error("this system names no {what}")]
    NoFolder {
        /// Which folder.
        what: &'static str,
        /// The flag that names it.
        flag: &'static str,
    },
}

impl ConfigError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Unread { .. } => "Name an existing TOML file with --config, or leave it out.".into(),
            Self::TokenFile { .. } => "Make it readable, or set HF_TOKEN.".into(),
            Self::Unwritten { .. } => "Make its folder writable, or name another file with --config.".into(),
            Self::File { .. } => {
                "Correct that line. Keys are the flags' names, such as image-tokens; secrets come from the environment \
                 only."
                    .into()
            }
            Self::Value { wanted, source_of, .. } => format!("Set it to {wanted} in {source_of}."),
            Self::Secret { variable, wanted } => format!("Set {variable} to {wanted}, or unset it."),
            Self::SignIn(_) => "Set PROMPT_CALIBRATOR_COMFYUI_TOKEN, or both PROMPT_CALIBRATOR_COMFYUI_USER and \
                 PROMPT_CALIBRATOR_COMFYUI_PASSWORD, or none of them."
                .into(),
            Self::NoFolder { flag, .. } => format!("Name it with {flag}."),
        }
    }
}

types::hints!(ConfigError);
