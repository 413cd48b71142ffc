//! `models list`: the catalogue, and what is installed.

use serde::Serialize;

use super::in_use;
use crate::cli::show;
use crate::config::Config;
use crate::models::catalog::{Catalog, Entry, Quantisation};
use crate::models::error::size;
use crate::models::record::Installed;

/// A line of the list: a quantisation of the catalogue, or a model of another repository that is installed. What more is to
/// be said of each goes here, and into `HEADER` and `cells`.
#[derive(Debug, Serialize)]
struct Row<'a> {
    /// What to call it.
    name: String,
    /// Its name in full; its repository where it has none.
    title: &'a str,
    repository: &'a str,
    /// Billions.
    parameters: Option<u32>,
    quantisation: Option<&'a str>,
    /// About, with its projector.
    memory_gb: Option<f64>,
    licence: Option<&'a str>,
    #[serde(rename = "for")]
    for_whom: Option<&'a str>,
    installed: bool,
    in_use: bool,
    /// Of its files, where it is installed.
    bytes: Option<u64>,
    /// Whether it is the first of its model, which the list says more of.
    #[serde(skip)]
    leads: bool,
}

const HEADER: [&str; 7] = [
    "name",
    "parameters",
    "quantisation",
    "memory, about",
    "licence",
    "installed",
    "for whom",
];

impl<'a> Row<'a> {
    fn known(
        entry: &'a Entry,
        quantisation: &'a Quantisation,
        leads: bool,
        installed: &[Installed],
        config: &Config,
    ) -> Self {
        let name = entry.name_of(quantisation);
        let there = installed.iter().find(|model| model.name == name);
        Self {
            name,
            title: &entry.title,
            repository: &entry.repository,
            parameters: Some(entry.parameters),
            quantisation: Some(&quantisation.name),
            memory_gb: Some(quantisation.memory_gb),
            licence: Some(&entry.licence),
            for_whom: Some(&entry.for_whom),
            installed: there.is_some(),
            in_use: there.is_some_and(|model| in_use(model, config)),
            bytes: there.map(Installed::bytes),
            leads,
        }
    }

    fn other(model: &'a Installed, config: &Config) -> Self {
        Self {
            name: model.name.clone(),
            title: &model.repo,
            repository: &model.repo,
            parameters: None,
            quantisation: None,
            memory_gb: None,
            licence: None,
            for_whom: None,
            installed: true,
            in_use: in_use(model, config),
            bytes: Some(model.bytes()),
            leads: true,
        }
    }

    fn cells(&self) -> [String; HEADER.len()] {
        let once = |text: Option<&str>| text.filter(|_| self.leads).unwrap_or_default().to_owned();
        let state = match (self.in_use, self.bytes) {
            (true, _) => "in use".to_owned(),
            (false, Some(bytes)) => size(bytes),
            (false, None) => String::new(),
        };
        [
            self.name.clone(),
            self.parameters.map(|n| format!("{n} billion")).unwrap_or_default(),
            self.quantisation.unwrap_or_default().to_owned(),
            self.memory_gb.map(|gb| format!("{gb} GB")).unwrap_or_default(),
            once(self.licence),
            state,
            once(self.for_whom),
        ]
    }
}

/// Prints the list.
pub fn run(installed: &[Installed], config: &Config, json: bool) -> anyhow::Result<()> {
    let catalog = Catalog::built_in()?;
    let mut rows = Vec::new();
    for entry in &catalog.models {
        for (at, quantisation) in entry.quantisations.iter().enumerate() {
            rows.push(Row::known(entry, quantisation, at == 0, installed, config));
        }
    }
    let others = installed.iter().filter(|model| catalog.find(&model.name).is_err());
    rows.extend(others.map(|model| Row::other(model, config)));
    if json {
        show::line(&serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    let mut table = show::table(HEADER);
    for row in &rows {
        table.add_row(row.cells());
    }
    show::line(&table.to_string());
    show::line("Any other: prompt-calibrator models pull owner/repo/path/file.gguf");
    Ok(())
}
