//! What is installed: `models.json` in the data folder.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::catalog::Catalog;
use super::error::ModelsError;
use files::replace::replace;
use text::near;

const NAME: &str = "models.json";

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    models: Vec<Installed>,
}

/// A model with its projector, on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installed {
    /// What it is called: `8b`, `8b:Q8_0` or `owner/repo/file.gguf`.
    pub name: String,
    /// The model's repository.
    pub repo: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that this meant.
    pub commit: String,
    /// All files: the model's parts in their order, then the projector.
    pub files: Vec<InstalledFile>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstalledFile {
    /// What it is.
    pub role: Role,
    /// Its repository.
    pub repo: String,
    /// Its path there.
    pub file: String,
    /// Where it lies, an absolute path.
    pub path: PathBuf,
    /// Its size in bytes, as the hub said.
    pub size: u64,
    /// Its sha256, as the hub said; None where the hub knows none.
    pub sha256: Option<String>,
    /// How it came here.
    pub origin: Origin,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The language model, or a part of it.
    Model,
    /// The vision projector.
    Projector,
}

/// How a file came here; only what was downloaded is ever removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By us.
    Downloaded,
    /// It was there.
    Found,
}

impl Installed {
    fn first(&self, role: Role) -> Option<&Path> {
        let file = self.files.iter().find(|file| file.role == role)?;
        Some(&file.path)
    }

    /// What to load as the model: its first part.
    pub fn model(&self) -> Option<&Path> {
        self.first(Role::Model)
    }

    /// What to load as the projector.
    pub fn projector(&self) -> Option<&Path> {
        self.first(Role::Projector)
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// The record in a data folder.
#[derive(Debug, Clone)]
pub struct Record {
    folder: PathBuf,
}

impl Record {
    /// The record in this folder, which need not be there yet.
    pub fn new(data_dir: PathBuf) -> Self {
        Self { folder: data_dir }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// All installed models, in the order of their names.
    ///
    /// # Errors
    /// [`ModelsError::Io`], [`ModelsError::Record`].
    pub fn read(&self) -> Result<Vec<Installed>, ModelsError> {
        let path = self.path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(ModelsError::io("read", path)(error)),
        };
        let content: Content = serde_json::from_str(&text).map_err(|error| ModelsError::Record {
            path,
            detail: error.to_string(),
        })?;
        Ok(content.models)
    }

    /// The installed model of this name, as it is typed.
    ///
    /// # Errors
    /// [`ModelsError::NotInstalled`], [`ModelsError::UnknownName`], and those of [`Record::read`].
    pub fn find(&self, name: &str) -> Result<Installed, ModelsError> {
        let models = self.read()?;
        let typed = name.trim();
        // `8b:q4_k_m` is `8b`; what the catalogue does not know may still be installed.
        let known = Catalog::built_in()?
            .find(typed)
            .map(|(entry, quantisation)| entry.name_of(quantisation));
        let wanted = known.as_deref().unwrap_or(typed);
        if let Some(found) = models.iter().find(|model| model.name == wanted) {
            return Ok(found.clone());
        }
        let (catalog, installed) = (Catalog::built_in()?, models.iter().map(|model| model.name.as_str()));
        match known {
            Err(ModelsError::UnknownName { name, .. }) if !name.contains('/') => Err(ModelsError::UnknownName {
                near: near::nearest(
                    &name,
                    installed.chain(catalog.models.iter().map(|e| e.name.as_str())),
                    3,
                ),
                name,
            }),
            Err(error @ ModelsError::UnknownQuantisation { .. }) => Err(error),
            _ => Err(ModelsError::NotInstalled {
                name: wanted.to_owned(),
                installed: near::nearest(wanted, installed, 5),
            }),
        }
    }

    /// Adds a model, or takes its new state over. What was found and is in the record as fetched stays that.
    ///
    /// # Errors
    /// Those of [`Record::read`], and [`ModelsError::Io`]; the record is then as it was.
    pub fn add(&self, mut model: Installed) -> Result<(), ModelsError> {
        self.change(|models| {
            let old = models
                .iter()
                .flat_map(|old| &old.files)
                .filter(|old| old.origin == Origin::Downloaded);
            for file in &mut model.files {
                if old.clone().any(|old| old.path == file.path) {
                    file.origin = Origin::Downloaded;
                }
            }
            models.retain(|old| old.name != model.name);
            models.push(model);
            models.sort_by(|a, b| a.name.cmp(&b.name));
        })
    }

    /// Takes a model out.
    ///
    /// # Errors
    /// As [`Record::add`].
    pub fn remove(&self, name: &str) -> Result<(), ModelsError> {
        self.change(|models| models.retain(|model| model.name != name))
    }

    /// Reads, changes and writes while nobody else does.
    fn change(&self, act: impl FnOnce(&mut Vec<Installed>)) -> Result<(), ModelsError> {
        fs::create_dir_all(&self.folder).map_err(ModelsError::io("make the folder", &self.folder))?;
        let _locked = locked(&self.folder.join("models.lock"))?;
        let mut models = self.read()?;
        act(&mut models);
        let path = self.path();
        let write = || -> io::Result<()> {
            let mut text = serde_json::to_vec_pretty(&Content { models })?;
            text.push(b'\n');
            replace(&path, text)
        };
        write().map_err(ModelsError::io("write", &path))
    }
}

/// Waits until a file is locked by us alone. On a disk that knows no locks nobody waits for anybody.
pub(super) fn locked(path: &Path) -> Result<File, ModelsError> {
    let file = open_lock(path)?;
    match file.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(ModelsError::io("lock", path)(error)),
        _ => Ok(file),
    }
}

pub(super) fn open_lock(path: &Path) -> Result<File, ModelsError> {
    let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    opened.map_err(ModelsError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str) -> Installed {
        Installed {
            name: name.into(),
            repo: "o/r".into(),
            revision: "main".into(),
            commit: "c".into(),
            files: Vec::new(),
        }
    }

    #[test]
    fn models_are_added_found_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path().join("data"));
        assert_eq!(record.read().unwrap(), []);
        for name in ["o/r/m.gguf", "8b", "8b:Q8_0", "8b"] {
            record.add(model(name)).unwrap();
        }
        let names: Vec<_> = record.read().unwrap().into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["8b", "8b:Q8_0", "o/r/m.gguf"]);
        for (typed, name) in [
            ("8B:q4_k_m", "8b"),
            ("8b:q8_0", "8b:Q8_0"),
            ("o/r/m.gguf", "o/r/m.gguf"),
        ] {
            assert_eq!(record.find(typed).unwrap().name, name);
        }
        let not = record.find("4b").unwrap_err();
        assert!(
            matches!(&not, ModelsError::NotInstalled { .. }) && not.hint().contains("pull 4b"),
            "{not}"
        );
        let not = record.find("o/r/n.gguf").unwrap_err();
        assert!(not.hint().contains("o/r/m.gguf"), "{}", not.hint());
        assert!(matches!(
            record.find("8x").unwrap_err(),
            ModelsError::UnknownName { .. }
        ));
        record.remove("8b").unwrap();
        assert_eq!(record.read().unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_record_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path().to_owned());
        fs::write(record.path(), "{\"models\": [").unwrap();
        let error = record.add(model("8b")).unwrap_err();
        assert!(
            matches!(&error, ModelsError::Record { .. }) && error.hint().contains("models.json"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(record.path()).unwrap(), "{\"models\": [");
    }
}
