//! The configuration in words.

use std::path::Path;

use super::resolve::{COMFYUI_PASSWORD, COMFYUI_TOKEN, HTTP_TOKEN};
use super::source::Source;
use super::{ComfyuiAuth, Config, RubricChoice};

/// One setting in words, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The flag's name without dashes, or the variable's name for secrets.
    pub setting: &'static str,
    /// Its value; of a secret only that it is set.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

impl Config {
    /// Every setting that has a value, in words, with its source. Secrets are not shown.
    pub fn explain(&self) -> Vec<Explained> {
        let mut lines = Vec::new();
        let mut say = |setting, value: String, source: &Source| {
            let source = source.clone();
            lines.push(Explained { setting, value, source });
        };
        let shown = |path: &Path| path.display().to_string();
        say("comfyui", self.comfyui.value.to_string(), &self.comfyui.source);
        say("data-dir", shown(&self.data_dir.value), &self.data_dir.source);
        if let Some(root) = &self.root {
            let folders: Vec<_> = root.value.iter().map(|path| shown(path)).collect();
            say("root", folders.join(", "), &root.source);
        }
        for (setting, path) in [
            ("model", &self.model),
            ("mmproj", &self.mmproj),
            ("log-file", &self.log_file),
        ] {
            if let Some(path) = path {
                say(setting, shown(&path.value), &path.source);
            }
        }
        if let Some(rubric) = &self.rubric {
            let value = match &rubric.value {
                RubricChoice::Name(name) => name.clone(),
                RubricChoice::File(path) => shown(path),
            };
            say("rubric", value, &rubric.source);
        }
        for (setting, number) in [
            ("image-tokens", &self.image_tokens),
            ("threads", &self.threads),
            ("gpu-layers", &self.gpu_layers),
            ("unload-after", &self.unload_after),
        ] {
            if let Some(number) = number {
                say(setting, number.value.to_string(), &number.source);
            }
        }
        if let Some(adapter) = &self.adapter {
            let shown: Vec<_> = adapter
                .value
                .iter()
                .map(|a| format!("{}={}", a.path.display(), a.scale))
                .collect();
            say("adapter", shown.join(", "), &adapter.source);
        }
        if let Some(evidence) = &self.evidence {
            say("evidence", evidence.value.as_str().to_owned(), &evidence.source);
        }
        if let Some(sharing) = &self.gpu_sharing {
            say("gpu-sharing", sharing.value.as_str().to_owned(), &sharing.source);
        }
        say("log", self.log.value.as_str().to_owned(), &self.log.source);
        let mut hidden = |name: &'static str| say(name, "(hidden)".into(), &Source::Environment(name.into()));
        match &self.comfyui_auth {
            ComfyuiAuth::None => {}
            ComfyuiAuth::Token(_) => hidden(COMFYUI_TOKEN),
            ComfyuiAuth::Basic { .. } => hidden(COMFYUI_PASSWORD),
        }
        if self.http_token.is_some() {
            hidden(HTTP_TOKEN);
        }
        lines
    }
}
