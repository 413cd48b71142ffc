//! From the layers to one configuration.

use std::ffi::OsString;
use std::path::PathBuf;

use super::environment::{CERTIFICATES, Environment, PREFIX, WAITING_VARIABLES};
use super::error::ConfigError;
use super::file::{self, ConfigFile, Missing};
use super::parse::{self, Places, Raw};
use super::settings::Settings;
use super::source::{Source, Sourced};
use super::{ComfyuiAuth, Config, Roots, Transport};
use types::Secret;

const DEFAULT_COMFYUI: &str = "http://127.0.0.1:8188";
const DEFAULT_LOG: &str = "info";

pub(super) const COMFYUI_TOKEN: &str = "PROMPT_CALIBRATOR_COMFYUI_TOKEN";
const COMFYUI_USER: &str = "PROMPT_CALIBRATOR_COMFYUI_USER";
pub(super) const COMFYUI_PASSWORD: &str = "PROMPT_CALIBRATOR_COMFYUI_PASSWORD";
pub(super) const HTTP_TOKEN: &str = "PROMPT_CALIBRATOR_HTTP_TOKEN";

/// The settings that have a flag, a variable and (all but `config`) a key.
const SETTINGS: &[&str] = &[
    "comfyui",
    "model",
    "mmproj",
    "data-dir",
    "root",
    "rubric",
    "config",
    "image-tokens",
    "evidence",
    "threads",
    "gpu-layers",
    "adapter",
    "unload-after",
    "gpu-sharing",
    "log",
    "log-file",
];

/// `image-tokens` → `IMAGE_TOKENS`.
fn variable(setting: &str) -> String {
    setting.replace('-', "_").to_ascii_uppercase()
}

/// The layers above the defaults.
struct Layers<'a> {
    environment: &'a Environment,
    file: Option<PathBuf>,
}

impl Layers<'_> {
    /// The value of the highest layer that has one.
    fn pick(
        &self,
        setting: &'static str,
        flag: Option<impl Into<OsString>>,
        in_file: Option<impl Into<OsString>>,
    ) -> Option<Raw> {
        if let Some(value) = flag {
            let value = value.into();
            let source = Source::Flag(setting);
            return Some(Sourced { value, source });
        }
        if let Some((name, value)) = self.environment.var(&variable(setting)) {
            let value = value.clone();
            let source = Source::Environment(name);
            return Some(Sourced { value, source });
        }
        let (value, path) = (in_file?.into(), self.file.clone()?);
        let source = Source::File(path);
        Some(Sourced { value, source })
    }

    /// The paths of the highest layer that names any, each parsed; layers are not added up.
    fn list<T>(
        &self,
        setting: &'static str,
        flags: Vec<PathBuf>,
        in_file: Vec<PathBuf>,
        parse: impl Fn(Raw) -> Result<T, ConfigError>,
    ) -> Result<Option<Sourced<Vec<T>>>, ConfigError> {
        let (paths, source) = if !flags.is_empty() {
            (flags, Source::Flag(setting))
        } else if let Some((name, value)) = self.environment.var(&variable(setting)) {
            let paths = std::env::split_paths(value)
                .filter(|path| !path.as_os_str().is_empty())
                .collect();
            (paths, Source::Environment(name))
        } else if let (false, Some(file)) = (in_file.is_empty(), &self.file) {
            (in_file, Source::File(file.clone()))
        } else {
            return Ok(None);
        };
        let value = paths
            .into_iter()
            .map(|path| {
                let source = source.clone();
                let value = path.into_os_string();
                parse(Sourced { value, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Sourced { value, source }))
    }
}

/// A default, as a raw value.
fn default(text: impl Into<OsString>) -> Raw {
    Sourced {
        value: text.into(),
        source: Source::Default,
    }
}

impl Config {
    /// Resolves flags, environment, file and defaults, in that order of weight. Reads the configuration file and looks
    /// whether the configured roots are folders; touches nothing else.
    pub fn resolve(flags: Settings, environment: &Environment) -> Result<Self, ConfigError> {
        Self::layered(flags, environment, Missing::Refused)
    }

    /// The same for a command that writes the configuration file: one that was asked for need not be there yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn resolve_for_writing(flags: Settings, environment: &Environment) -> Result<Self, ConfigError> {
        Self::layered(flags, environment, Missing::Empty)
    }

    fn layered(flags: Settings, environment: &Environment, missing: Missing) -> Result<Self, ConfigError> {
        let places = Places {
            home: environment.home.as_deref(),
            cwd: &environment.cwd,
        };
        let (path, file) = read_file(flags.config, missing, environment, places)?;
        let layers = Layers {
            environment,
            file: path,
        };
        let pick_path = |setting, flag: Option<PathBuf>, in_file: Option<PathBuf>| {
            let raw = layers.pick(setting, flag, in_file);
            raw.map(|raw| parse::path(setting, raw, places)).transpose()
        };
        let pick_number = |setting, flag: Option<String>, in_file: Option<i64>, range| {
            let raw = layers.pick(setting, flag, in_file.map(|n| n.to_string()));
            raw.map(|raw| parse::number(setting, raw, range)).transpose()
        };

        let comfyui = layers.pick("comfyui", flags.comfyui, file.comfyui);
        let log = layers.pick("log", flags.log, file.log);
        let evidence = layers.pick("evidence", flags.evidence, file.evidence);
        let rubric = layers.pick("rubric", flags.rubric, file.rubric);
        let data_dir = match pick_path("data-dir", flags.data_dir, file.data_dir)? {
            Some(data_dir) => data_dir,
            None => default_data_dir(environment)?,
        };
        Ok(Self {
            comfyui: parse::server("comfyui", comfyui.unwrap_or_else(|| default(DEFAULT_COMFYUI)))?,
            comfyui_auth: comfyui_auth(environment)?,
            certificates: environment.vars.get(CERTIFICATES).map(PathBuf::from),
            http_token: secret(environment, HTTP_TOKEN)?,
            model: pick_path("model", flags.model, file.model)?,
            mmproj: pick_path("mmproj", flags.mmproj, file.mmproj)?,
            data_dir,
            root: layers.list("root", flags.root, file.root, |raw| parse::folder("root", raw, places))?,
            rubric: rubric.map(|raw| parse::rubric(raw, places)).transpose()?,
            image_tokens: pick_number("image-tokens", flags.image_tokens, file.image_tokens, 16..=4096)?,
            evidence: evidence.map(parse::evidence).transpose()?,
            threads: pick_number("threads", flags.threads, file.threads, 1..=1024)?,
            waiting_is_set: WAITING_VARIABLES
                .iter()
                .any(|name| environment.vars.get(*name).is_some_and(|value| !value.is_empty())),
            gpu_layers: pick_number("gpu-layers", flags.gpu_layers, file.gpu_layers, 0..=9999)?,
            adapter: layers.list("adapter", flags.adapter, file.adapter, |raw| {
                parse::adapter(raw, places)
            })?,
            unload_after: pick_number("unload-after", flags.unload_after, file.unload_after, 0..=10_080)?,
            gpu_sharing: layers
                .pick("gpu-sharing", flags.gpu_sharing, file.gpu_sharing)
                .map(parse::gpu_sharing)
                .transpose()?,
            log: parse::level(log.unwrap_or_else(|| default(DEFAULT_LOG)))?,
            log_file: pick_path("log-file", flags.log_file, file.log_file)?,
            file: layers.file.clone(),
            warnings: unknown_variables(environment),
            home: environment.home.clone(),
            cwd: environment.cwd.clone(),
        })
    }

    /// The folders below which files may be read: the configured ones, else the home folder on stdio and only the data
    /// folder over HTTP.
    pub fn roots(&self, transport: Transport) -> Result<Roots, ConfigError> {
        let folders = match (&self.root, transport) {
            (Some(root), _) => root.value.clone(),
            (None, Transport::Http) => vec![self.data_dir.value.clone()],
            (None, Transport::Stdio) => {
                let home = self.home.clone().ok_or(ConfigError::NoFolder {
                    what: "home folder",
                    flag: "--root",
                })?;
                vec![home]
            }
        };
        Ok(Roots::new(folders, self.home.clone(), self.cwd.clone()))
    }
}

/// The configuration file: named by the flag or the variable, else the one in its usual place, if it is there.
fn read_file(
    flag: Option<PathBuf>,
    missing: Missing,
    environment: &Environment,
    places: Places<'_>,
) -> Result<(Option<PathBuf>, ConfigFile), ConfigError> {
    let layers = Layers {
        environment,
        file: None,
    };
    let named = layers.pick("config", flag, None::<OsString>);
    let named = named.map(|raw| parse::path("config", raw, places)).transpose()?;
    let wanted = named.as_ref().map(|named| named.value.as_path());
    let found = file::read(wanted, missing, environment.config_dir.as_deref())?;
    Ok(found.map_or((None, ConfigFile::default()), |(path, file)| (Some(path), file)))
}

fn default_data_dir(environment: &Environment) -> Result<Sourced<PathBuf>, ConfigError> {
    let value = environment.data_dir.clone().ok_or(ConfigError::NoFolder {
        what: "folder for data",
        flag: "--data-dir",
    })?;
    let source = Source::Default;
    Ok(Sourced { value, source })
}

/// A secret of the environment. It goes into a header, so it must be visible ASCII.
fn secret(environment: &Environment, variable: &'static str) -> Result<Option<Secret>, ConfigError> {
    let Some(value) = environment.vars.get(variable).filter(|v| !v.is_empty()) else {
        return Ok(None);
    };
    let text = value.to_str().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    let wanted = "text of visible ASCII characters without spaces";
    text.map(|text| Some(Secret::new(text)))
        .ok_or(ConfigError::Secret { variable, wanted })
}

fn comfyui_auth(environment: &Environment) -> Result<ComfyuiAuth, ConfigError> {
    let token = secret(environment, COMFYUI_TOKEN)?;
    let text = |variable: &'static str| match environment.vars.get(variable) {
        Some(value) if !value.is_empty() => {
            let text = value.to_str().map(|text| Some(text.to_owned()));
            let wanted = "valid Unicode";
            text.ok_or(ConfigError::Secret { variable, wanted })
        }
        _ => Ok(None),
    };
    match (token, text(COMFYUI_USER)?, text(COMFYUI_PASSWORD)?) {
        (None, None, None) => Ok(ComfyuiAuth::None),
        (Some(token), None, None) => Ok(ComfyuiAuth::Token(token)),
        (None, Some(user), Some(password)) => {
            let (user, password) = (Secret::new(user), Secret::new(password));
            Ok(ComfyuiAuth::Basic { user, password })
        }
        (Some(_), _, _) => Err(ConfigError::SignIn(
            "there is a token, and a name or a password as well",
        )),
        (None, Some(_), None) => Err(ConfigError::SignIn("there is a name without a password")),
        (None, None, Some(_)) => Err(ConfigError::SignIn("there is a password without a name")),
    }
}

/// A mistyped variable does nothing; that should not go unseen.
fn unknown_variables(environment: &Environment) -> Vec<String> {
    let secrets = [COMFYUI_TOKEN, COMFYUI_USER, COMFYUI_PASSWORD, HTTP_TOKEN];
    let known = |name: &str| {
        secrets.contains(&name)
            || SETTINGS
                .iter()
                .any(|setting| name.strip_prefix(PREFIX) == Some(variable(setting).as_str()))
    };
    environment
        .vars
        .keys()
        .filter(|name| name.starts_with(PREFIX) && !known(name))
        .map(|name| format!("The variable {name} means nothing here and was ignored."))
        .collect()
}
