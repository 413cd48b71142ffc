//! The models that have a short name.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::error::ModelsError;
use text::near;

/// What ships in the program.
const TEXT: &str = include_str!("../../../gguf/catalog.toml");

static BUILT_IN: LazyLock<Result<Catalog, String>> =
    LazyLock::new(|| toml::from_str(TEXT).map_err(|error| error.to_string()));

/// The models that are known by name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// In the order in which they are shown.
    #[serde(rename = "model")]
    pub models: Vec<Entry>,
}

/// A model in its quantisations.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Its short name, in lower case.
    pub name: String,
    /// Its name in full.
    pub title: String,
    /// `owner/name` on the hub.
    pub repository: String,
    /// Billions of parameters.
    pub parameters: u32,
    /// Its licence, an SPDX identifier first.
    pub licence: String,
    /// For whom it is, in a sentence.
    #[serde(rename = "for")]
    pub for_whom: String,
    /// What there is of it; never empty, the first is the usual one.
    #[serde(rename = "quantisation")]
    pub quantisations: Vec<Quantisation>,
}

/// A model's files in one precision.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Quantisation {
    /// `Q4_K_M` and so on.
    pub name: String,
    /// The model's file in the repository.
    pub file: String,
    /// The projector's file in the repository.
    pub projector: String,
    /// About how much memory it needs with its projector, in GB.
    pub memory_gb: f64,
    /// The model file's size in bytes, where it is known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Catalog {
    /// The one that ships in the program.
    ///
    /// # Errors
    /// [`ModelsError::Catalog`], which a test rules out.
    pub fn built_in() -> Result<&'static Self, ModelsError> {
        BUILT_IN.as_ref().map_err(|detail| ModelsError::Catalog(detail.clone()))
    }

    /// The entry and quantisation that `8b` or `8b:Q8_0` name.
    ///
    /// # Errors
    /// [`ModelsError::UnknownName`], [`ModelsError::UnknownQuantisation`]: with what there is.
    pub fn find(&self, name: &str) -> Result<(&Entry, &Quantisation), ModelsError> {
        let (short, quantisation) = match name.split_once(':') {
            Some((short, quantisation)) => (short.trim(), Some(quantisation.trim())),
            None => (name.trim(), None),
        };
        let entry = self.models.iter().find(|entry| entry.name.eq_ignore_ascii_case(short));
        let Some(entry) = entry else {
            let names = self.models.iter().map(|entry| entry.name.as_str());
            return Err(ModelsError::UnknownName {
                name: name.to_owned(),
                near: near::nearest(short, names, 3),
            });
        };
        let found = match quantisation {
            None => entry.quantisations.first(),
            Some(wanted) => entry.quantisations.iter().find(|q| q.name.eq_ignore_ascii_case(wanted)),
        };
        found
            .map(|found| (entry, found))
            .ok_or_else(|| ModelsError::UnknownQuantisation {
                name: entry.name.clone(),
                wanted: quantisation.unwrap_or_default().to_owned(),
                there: entry.quantisations.iter().map(|q| q.name.clone()).collect(),
            })
    }
}

impl Entry {
    /// The name that means this quantisation: short for the usual one.
    pub fn name_of(&self, quantisation: &Quantisation) -> String {
        match self.quantisations.first() {
            Some(first) if first.name == quantisation.name => self.name.clone(),
            _ => format!("{}:{}", self.name, quantisation.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::name::{RepoId, is_gguf};

    #[test]
    fn every_entry_is_whole_and_found_by_its_name() {
        let catalog = Catalog::built_in().unwrap();
        let names: BTreeSet<_> = catalog.models.iter().map(|entry| &entry.name).collect();
        assert_eq!(names.len(), catalog.models.len(), "names are unique");
        for wanted in [
            "2b",
            "4b",
            "8b",
            "30b-a3b",
            "4b-abliterated",
            "8b-abliterated",
            "30b-a3b-abliterated",
        ] {
            assert!(names.contains(&wanted.to_owned()), "{wanted}");
        }
        for entry in &catalog.models {
            assert_eq!(entry.name, entry.name.to_lowercase());
            RepoId::parse(&entry.repository).unwrap();
            assert!(
                entry.licence.starts_with("Apache-2.0") && entry.for_whom.ends_with('.'),
                "{}",
                entry.name
            );
            assert_eq!(entry.quantisations[0].name, "Q4_K_M", "what the name alone means");
            for q in &entry.quantisations {
                assert!(
                    is_gguf(&q.file) && is_gguf(&q.projector) && q.projector.contains("mmproj"),
                    "{q:?}"
                );
                assert!(
                    q.file.contains(&q.name) && q.memory_gb > f64::from(entry.parameters) / 2.0,
                    "{q:?}"
                );
                let name = entry.name_of(q);
                assert_eq!(catalog.find(&name.to_uppercase()).unwrap(), (entry, q));
            }
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_near_it() {
        let catalog = Catalog::built_in().unwrap();
        let (entry, q) = catalog.find("8b:q8_0").unwrap();
        assert_eq!(
            (entry.name_of(q).as_str(), q.file.as_str()),
            ("8b:Q8_0", "Qwen3VL-8B-Instruct-Q8_0.gguf")
        );
        let error = catalog.find("8b-ablitrated").unwrap_err();
        assert!(error.hint().contains("8b-abliterated"), "{}", error.hint());
        let error = catalog.find("8b:Q5_K_M").unwrap_err();
        assert!(
            error.to_string().contains("Q5_K_M") && error.hint().contains("Q8_0"),
            "{error}"
        );
    }
}
