//! From text to checked values.

use std::ffi::{OsStr, OsString};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use url::Url;

use super::error::ConfigError;
use super::source::{Source, Sourced};
use super::{AdapterChoice, EvidenceSetting, GpuSharing, LogLevel, RubricChoice};

/// A raw value, from whichever layer it came.
pub(super) type Raw = Sourced<OsString>;

/// What relative paths and `~` mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub home: Option<&'a Path>,
    pub cwd: &'a Path,
}

fn wrong(setting: &'static str, value: &OsStr, source: &Source, wanted: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        setting,
        value: value.to_string_lossy().into_owned(),
        source_of: source.clone(),
        wanted: wanted.into(),
    }
}

/// A whole number within a range.
pub(super) fn number(setting: &'static str, raw: Raw, range: RangeInclusive<u32>) -> Result<Sourced<u32>, ConfigError> {
    raw.try_map(|value, source| {
        value
            .to_str()
            .and_then(|text| text.trim().parse().ok())
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let wanted = format!("a whole number from {} to {}", range.start(), range.end());
                wrong(setting, &value, source, wanted)
            })
    })
}

/// One of a few words.
fn word<T: Copy>(setting: &'static str, raw: Raw, words: &[(&str, T)]) -> Result<Sourced<T>, ConfigError> {
    raw.try_map(|value, source| {
        let text = value.to_str().map(str::trim).unwrap_or_default();
        let found = words.iter().find(|(word, _)| text.eq_ignore_ascii_case(word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            wrong(setting, &value, source, format!("one of {}", words.join(", ")))
        })
    })
}

const LEVELS: &[(&str, LogLevel)] = &[
    ("off", LogLevel::Off),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const EVIDENCE: &[(&str, EvidenceSetting)] = &[
    ("none", EvidenceSetting::None),
    ("values", EvidenceSetting::Values),
    ("difference", EvidenceSetting::Difference),
];

const SHARING: &[(&str, GpuSharing)] = &[
    ("auto", GpuSharing::Auto),
    ("exclusive", GpuSharing::Exclusive),
    ("shared", GpuSharing::Shared),
];

pub(super) fn gpu_sharing(raw: Raw) -> Result<Sourced<GpuSharing>, ConfigError> {
    word("gpu-sharing", raw, SHARING)
}

pub(super) fn level(raw: Raw) -> Result<Sourced<LogLevel>, ConfigError> {
    word("log", raw, LEVELS)
}

pub(super) fn evidence(raw: Raw) -> Result<Sourced<EvidenceSetting>, ConfigError> {
    word("evidence", raw, EVIDENCE)
}

/// The word for a value of one of the lists above.
fn name<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words
        .iter()
        .find(|(_, meaning)| meaning == value)
        .map_or("", |(word, _)| word)
}

impl LogLevel {
    /// The word by which it is set.
    pub fn as_str(self) -> &'static str {
        name(LEVELS, &self)
    }
}

impl GpuSharing {
    /// The word by which it is set.
    pub fn as_str(self) -> &'static str {
        name(SHARING, &self)
    }
}

impl EvidenceSetting {
    /// The word by which it is set.
    pub fn as_str(self) -> &'static str {
        name(EVIDENCE, &self)
    }
}

/// A server's address. Credentials in it would be shown in logs and errors, so they are refused.
pub(super) fn server(setting: &'static str, raw: Raw) -> Result<Sourced<Url>, ConfigError> {
    raw.try_map(|value, source| {
        let wanted = "an address such as http://127.0.0.1:8188";
        let refused = || wrong(setting, &value, source, wanted);
        let text = value.to_str().ok_or_else(refused)?;
        if text.contains('@') {
            return Err(ConfigError::SignIn(
                "the address of --comfyui holds a name or a password (an @), so it is not shown here",
            ));
        }
        let mut url = Url::parse(text.trim()).map_err(|_| refused())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(refused());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused());
        }
        // So that joining a path to it does not cut off its last part.
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(url)
    })
}

/// `~` and `~/…` with the home folder in the place of `~`. None where there is no home.
pub(super) fn expand_home(path: &Path, home: Option<&Path>) -> Option<PathBuf> {
    match path.strip_prefix("~") {
        Ok(rest) if rest.as_os_str().is_empty() => home.map(Path::to_owned),
        Ok(rest) => home.map(|home| home.join(rest)),
        Err(_) => Some(path.to_owned()),
    }
}

/// An absolute path. In the file, relative means relative to the file.
pub(super) fn path(setting: &'static str, raw: Raw, places: Places<'_>) -> Result<Sourced<PathBuf>, ConfigError> {
    raw.try_map(|value, source| {
        if value.is_empty() {
            return Err(wrong(setting, &value, source, "a path"));
        }
        let expanded = expand_home(Path::new(&value), places.home).ok_or(ConfigError::NoFolder {
            what: "home folder",
            flag: "a path that does not begin with ~",
        })?;
        let base = match source {
            Source::File(file) => file.parent().unwrap_or(places.cwd),
            _ => places.cwd,
        };
        Ok(base.join(expanded))
    })
}

/// A file, and behind a last `=` the weight, when that is a number.
pub(super) fn adapter(raw: Raw, places: Places<'_>) -> Result<AdapterChoice, ConfigError> {
    let shown = raw.value.clone();
    let (file, scale) = match shown.to_str().and_then(|text| text.rsplit_once('=')) {
        Some((file, number)) if number.trim().parse::<f32>().is_ok() => (OsString::from(file), number.trim().parse()),
        _ => (shown.clone(), Ok(1.0)),
    };
    let scale: f32 = scale.unwrap_or(f32::NAN);
    if !scale.is_finite() {
        return Err(wrong(
            "adapter",
            &shown,
            &raw.source,
            "a file, or a file, = and a number",
        ));
    }
    let source = raw.source;
    let path = path("adapter", Sourced { value: file, source }, places)?.value;
    Ok(AdapterChoice { path, scale })
}

/// A folder that exists.
pub(super) fn folder(setting: &'static str, raw: Raw, places: Places<'_>) -> Result<PathBuf, ConfigError> {
    let shown = raw.value.clone();
    let folder = path(setting, raw, places)?;
    if folder.value.is_dir() {
        Ok(folder.value)
    } else {
        let wanted = "a folder that exists";
        Err(wrong(setting, &shown, &folder.source, wanted))
    }
}

/// A rubric: a file if it looks like a path (a separator, a leading `~` or `.`, or the ending `.toml` or `.json`),
/// otherwise a name.
pub(super) fn rubric(raw: Raw, places: Places<'_>) -> Result<Sourced<RubricChoice>, ConfigError> {
    let as_path = Path::new(&raw.value);
    let looks_like_path = as_path.components().count() > 1
        || as_path.starts_with("~")
        || as_path.is_absolute()
        || as_path.extension().is_some_and(|ext| ext == "toml" || ext == "json");
    if looks_like_path {
        let found = path("rubric", raw, places)?;
        return found.try_map(|path, _| Ok(RubricChoice::File(path)));
    }
    raw.try_map(|value, source| match value.to_str().map(str::trim) {
        Some(name) if !name.is_empty() => Ok(RubricChoice::Name(name.to_owned())),
        _ => Err(wrong("rubric", &value, source, "the name of a rubric, or a file")),
    })
}
