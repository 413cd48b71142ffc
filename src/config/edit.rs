//! Changing the configuration file: single keys, with everything else in it left as it is, comments too.

use std::io;
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, RawString, value};

use super::error::ConfigError;
use super::file::{self, ConfigFile, MAX_BYTES};
use super::{Config, Environment};
use files::regular;
use files::replace::{replace, with_ends_of};

/// What stands at the head of a file that was not there.
const HEAD: &str = "# Settings of prompt-calibrator. Keys are the flags' names: prompt-calibrator --help\n";

/// A key of the file and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key, which is a flag's name without dashes in front.
    pub key: &'static str,
    /// Its text; `None` takes the key out.
    pub value: Option<String>,
}

impl Change {
    /// Sets a key to a text.
    #[must_use]
    pub fn set(key: &'static str, value: impl Into<String>) -> Self {
        let value = Some(value.into());
        Self { key, value }
    }
}

/// Where the configuration file is unless one is named.
#[must_use]
pub fn usual_file(environment: &Environment) -> Option<PathBuf> {
    environment.config_dir.as_deref().map(file::usual)
}

impl Config {
    /// The configuration file to write to: the one that was read, else the one that would be read.
    ///
    /// # Errors
    /// [`ConfigError::NoFolder`] where the platform names no folder and none was given.
    pub fn file_to_write(&self, environment: &Environment) -> Result<PathBuf, ConfigError> {
        self.file
            .clone()
            .or_else(|| usual_file(environment))
            .ok_or(ConfigError::NoFolder {
                what: "folder for settings",
                flag: "--config",
            })
    }
}

/// Makes the changes in the file, which is made where it is missing. Either all are there afterwards or the file is as it
/// was; what a reader would refuse is not written.
///
/// # Errors
/// [`ConfigError`].
pub fn edit(path: &Path, changes: &[Change]) -> Result<(), ConfigError> {
    let unwritten = |source: io::Error| ConfigError::Unwritten {
        path: path.to_owned(),
        source,
    };
    let wrong = |detail: String| ConfigError::File {
        path: path.to_owned(),
        detail,
    };
    let text = match regular::read_to_string(path, MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(source) => {
            let path = path.to_owned();
            return Err(ConfigError::Unread { path, source });
        }
    };
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| wrong(e.to_string()))?;
    // Of a file of comments alone they are the head; keys would be put in front of them.
    let mut head = String::new();
    if document.is_empty() {
        document = DocumentMut::new();
        head.push_str(&text);
        if !head.is_empty() && !head.ends_with('\n') {
            head.push('\n');
        }
    }
    for change in changes {
        match (&change.value, document.get_mut(change.key)) {
            // The line's own comment stays behind it.
            (Some(text), Some(item)) if item.is_value() => {
                let decor = item.as_value().map(|old| old.decor().clone());
                *item = value(text);
                if let (Some(new), Some(decor)) = (item.as_value_mut(), decor) {
                    *new.decor_mut() = decor;
                }
            }
            (Some(text), _) => {
                document.insert(change.key, value(text));
            }
            (None, _) => {
                remove(&mut document, change.key);
            }
        }
    }
    let changed = format!("{head}{document}");
    let text = with_ends_of(&text, changed.clone()).unwrap_or(changed);
    toml::from_str::<ConfigFile>(&text).map_err(|e| wrong(e.to_string()))?;
    replace(path, &text).map_err(unwritten)
}

/// Takes a key out. The comments above it stay: they may be about more than this key.
fn remove(document: &mut DocumentMut, key: &str) {
    let next = document
        .iter()
        .map(|(name, _)| name.to_owned())
        .skip_while(|name| name != key)
        .nth(1);
    let Some((removed, _)) = document.remove_entry(key) else {
        return;
    };
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let above = text(removed.leaf_decor().prefix());
    let next = next.as_deref().and_then(|next| document.key_mut(next));
    match next {
        Some(mut next) => {
            let decor = next.leaf_decor_mut();
            let own = text(decor.prefix());
            decor.set_prefix(above + &own);
        }
        None => {
            let own = text(Some(document.trailing()));
            document.set_trailing(above + &own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_change_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.toml");
        edit(&path, &[Change::set("model", "/m/a.gguf")]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("{HEAD}model = \"/m/a.gguf\"\n"));

        edit(&path, &[]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "nothing changes nothing");

        let before = "# mine\nimage-tokens = 256 # few\nmodel = \"x\" # the old one\nmmproj = \"y\"\n";
        std::fs::write(&path, before).unwrap();
        let mmproj = Change {
            key: "mmproj",
            value: None,
        };
        edit(&path, &[Change::set("model", "C:\\m\\\"b\".gguf"), mmproj]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# mine\nimage-tokens = 256 # few\nmodel = "), "{text}");
        assert!(text.contains(" # the old one\n") && !text.contains("mmproj"), "{text}");
        let read: ConfigFile = toml::from_str(&text).unwrap();
        assert_eq!(read.model.unwrap(), Path::new("C:\\m\\\"b\".gguf"));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn comments_above_a_key_stay_when_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(
            &path,
            "# head\nmodel = \"m\"\n\n# below\nthreads = 2\n# last\nmmproj = \"p\" # gone\n# end\n",
        )
        .unwrap();
        let out = ["model", "mmproj"].map(|key| Change { key, value: None });
        edit(&path, &out).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "# head\n\n# below\nthreads = 2\n# last\n# end\n");
        std::fs::write(&path, format!("{HEAD}model = \"m\"\n")).unwrap();
        edit(&path, &out).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), HEAD);
    }

    #[test]
    fn ends_of_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for (before, after) in [
            ("# mine\r\n", "# mine\r\nmodel = \"m\"\r\n"),
            (
                "threads = 2\r\nlog = 'off' # quiet\r\n",
                "threads = 2\r\nlog = 'off' # quiet\r\nmodel = \"m\"\r\n",
            ),
            ("# mine", "# mine\nmodel = \"m\"\n"),
        ] {
            std::fs::write(&path, before).unwrap();
            edit(&path, &[Change::set("model", "m")]).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[test]
    fn a_file_that_is_wrong_or_would_be_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        for before in ["model = ", "no-such-key = 1\n"] {
            std::fs::write(&path, before).unwrap();
            let error = edit(&path, &[Change::set("model", "m")]).unwrap_err();
            assert!(matches!(error, ConfigError::File { .. }), "{error}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        }
    }
}
