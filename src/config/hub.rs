//! Where models come from and lie: the settings of Hugging Face's own programs, so that what they fetched is found here.
//!
//! They are read when a command wants them: a wrong one is no reason not to serve.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;

use hub::HubSettings;
use hub::settings::is_loopback;
use types::Secret;
use url::Url;

use super::environment::{Environment, HUB_VARIABLES};
use super::error::ConfigError;
use super::file::MAX_BYTES;
use super::parse::{self, Places};
use super::source::{Source, Sourced};
use files::regular;

/// The public hub.
const PUBLIC: &str = "https://huggingface.co";
/// A token is a line of text; what is longer is another file.
const LONGEST_TOKEN: usize = 4096;

/// Reads them from the surroundings, and the token's file where no variable has one.
///
/// # Errors
/// [`ConfigError`] for an address that is none or sends a token in the clear, and where there is no home folder.
pub fn hub_settings(environment: &Environment) -> Result<HubSettings, ConfigError> {
    let var = |name: &str| environment.vars.get(name).filter(|value| !value.is_empty());
    let text = |name: &str| Some(var(name)?.to_str()?.to_owned());
    let path = |name: &'static str| {
        let value = var(name)?.clone();
        let source = Source::Environment(name.to_owned());
        let places = Places {
            home: environment.home.as_deref(),
            cwd: &environment.cwd,
        };
        Some(parse::path(name, Sourced { value, source }, places).map(|path| path.value))
    };
    let home = || -> Result<PathBuf, ConfigError> {
        if let Some(home) = path("HF_HOME") {
            return home;
        }
        let caches = match (path("XDG_CACHE_HOME"), &environment.home) {
            (Some(caches), _) => caches?,
            (None, Some(home)) => home.join(".cache"),
            (None, None) => {
                return Err(ConfigError::NoFolder {
                    what: "home folder, where models would be kept",
                    flag: "the variable HF_HOME",
                });
            }
        };
        Ok(caches.join("huggingface"))
    };
    let cache = match path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")) {
        Some(cache) => cache?,
        None => home()?.join("hub"),
    };
    let token = match var("HF_TOKEN") {
        Some(token) => Some(token.clone()),
        None => {
            let file = match path("HF_TOKEN_PATH") {
                Some(file) => file?,
                None => home()?.join("token"),
            };
            token_in(file)?
        }
    };
    Ok(HubSettings {
        endpoint: endpoint(var("HF_ENDPOINT").cloned())?,
        token: token.map(|token| visible(&token)).transpose()?.flatten(),
        cache,
        proxy: ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
            .into_iter()
            .find_map(text)
            .map(Secret::new),
        no_proxy: text("NO_PROXY").or_else(|| text("no_proxy")),
    })
}

/// The hub's address. In the clear only on this machine: what is fetched is loaded, and a token may be sent.
fn endpoint(value: Option<OsString>) -> Result<Url, ConfigError> {
    let setting = HUB_VARIABLES[0];
    let source = match value {
        Some(_) => Source::Environment(setting.to_owned()),
        None => Source::Default,
    };
    let value = value.unwrap_or_else(|| PUBLIC.into());
    let wrong = |wanted: &str| ConfigError::Value {
        setting,
        value: value.to_string_lossy().into_owned(),
        source_of: source.clone(),
        wanted: wanted.to_owned(),
    };
    if value.to_string_lossy().contains('@') {
        return Err(ConfigError::Secret {
            variable: setting,
            wanted: "an address without a name or a password; set HF_TOKEN to sign in",
        });
    }
    let raw = Sourced {
        value: value.clone(),
        source: source.clone(),
    };
    let url = parse::server(setting, raw).map_err(|_| wrong("an address such as https://huggingface.co"))?;
    match url.value.scheme() == "https" || is_loopback(&url.value) {
        true => Ok(url.value),
        false => Err(wrong("an https:// address (http:// is for this machine only)")),
    }
}

/// What the token's file holds; nothing where there is none.
fn token_in(path: PathBuf) -> Result<Option<OsString>, ConfigError> {
    match regular::read_to_string(&path, MAX_BYTES) {
        Ok(text) => Ok(Some(text.trim().into())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(source) => Err(ConfigError::TokenFile { path, source }),
    }
}

/// A token that can go into a header.
fn visible(token: &OsStr) -> Result<Option<Secret>, ConfigError> {
    let text = token.to_str().map(str::trim).unwrap_or("\n");
    if text.is_empty() {
        return Ok(None);
    }
    match text.len() <= LONGEST_TOKEN && text.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(Some(Secret::new(text))),
        false => Err(ConfigError::Secret {
            variable: "HF_TOKEN",
            wanted: "a line of visible ASCII characters without spaces",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn resolve(variables: &[(&str, &str)], home: Option<&Path>) -> Result<HubSettings, ConfigError> {
        let vars = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)));
        hub_settings(&Environment {
            vars: vars.collect(),
            home: home.map(Path::to_owned),
            cwd: "/here".into(),
            ..Environment::default()
        })
    }

    #[test]
    fn folders_and_token_are_those_of_the_hubs_own_programs() {
        let folder = tempfile::tempdir().unwrap();
        let home = Some(folder.path());
        let usual = resolve(&[], home).unwrap();
        assert_eq!(usual.endpoint.as_str(), "https://huggingface.co/");
        assert_eq!(usual.cache, folder.path().join(".cache/huggingface/hub"));
        assert_eq!((usual.token, usual.proxy), (None, None));

        for (variables, cache) in [
            (&[("HF_HOME", "~/hf")][..], folder.path().join("hf/hub")),
            (&[("XDG_CACHE_HOME", "/c")], "/c/huggingface/hub".into()),
            (&[("HF_HUB_CACHE", "models"), ("HF_HOME", "/h")], "/here/models".into()),
        ] {
            assert_eq!(resolve(variables, home).unwrap().cache, cache);
        }

        let hf = folder.path().join("hf");
        std::fs::create_dir(&hf).unwrap();
        std::fs::write(hf.join("token"), "hf_file\n").unwrap();
        let token = |variables: &[(&str, &str)]| {
            let token = resolve(variables, home).unwrap().token;
            token.map(|token| token.expose().to_owned())
        };
        assert_eq!(token(&[("HF_HOME", "~/hf")]).as_deref(), Some("hf_file"));
        let both = [("HF_HOME", "~/hf"), ("HF_TOKEN", " hf_variable ")];
        assert_eq!(token(&both).as_deref(), Some("hf_variable"));
        assert_eq!(token(&[("HF_TOKEN", " "), ("HF_HOME", "/none")]), None);
    }

    #[test]
    fn an_address_in_the_clear_is_for_this_machine_only() {
        let home = Some(Path::new("/home"));
        for good in [
            "http://127.0.0.1:80",
            "http://localhost:1/hub",
            "http://[::1]:9",
            "https://mirror.example",
        ] {
            resolve(&[("HF_ENDPOINT", good)], home).unwrap();
        }
        for bad in ["http://mirror.example", "ftp://x", "mirror", "http://127.0.0.1.example"] {
            let error = resolve(&[("HF_ENDPOINT", bad)], home).unwrap_err();
            assert!(
                error.to_string().contains(bad) && error.hint().contains("HF_ENDPOINT"),
                "{error}"
            );
        }
        let error = resolve(&[("HF_ENDPOINT", "https://me:secret@mirror.example")], home).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        let error = resolve(&[("HF_TOKEN", "two words")], home).unwrap_err();
        assert!(!error.to_string().contains("two words"), "{error}");
        let error = resolve(&[], None).unwrap_err();
        assert!(error.hint().contains("HF_HOME"), "{error}");
    }
}
