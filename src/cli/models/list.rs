//! `models list`: the catalogue, and what is installed.

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::in_use;
use crate::cli::error::Result;
use crate::cli::{setup, show};
use crate::config::Config;
use crate::machine;
use hub::catalog::{Catalog, Entry, Quantisation};
use hub::error::size;
use hub::record::Installed;
use llama::memory::MARGIN;
use llama::worker::Worker;
use llama::worker::query::Gpus;

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
    /// About, with its projector and everything on a GPU.
    memory_gb: Option<f64>,
    /// Where it would lie on this machine, with nothing else running; nothing where its memory is not known.
    fits: Option<Fits>,
    licence: Option<&'a str>,
    #[serde(rename = "for")]
    for_whom: Option<&'a str>,
    installed: bool,
    in_use: bool,
    /// Of its files, where it is installed; else of the model's file, where it is known.
    bytes: Option<u64>,
    /// Whether it is the first of its model, which the list says more of.
    #[serde(skip)]
    leads: bool,
}

const HEADER: [&str; 5] = ["name", "memory, about", "fits", "installed", "for whom"];

impl<'a> Row<'a> {
    fn known(
        entry: &'a Entry,
        quantisation: &'a Quantisation,
        leads: bool,
        installed: &[Installed],
        config: &Config,
        machine: &Machine,
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
            fits: Some(machine.fits(quantisation.memory_gb * 1e9)),
            licence: Some(&entry.licence),
            for_whom: Some(&entry.for_whom),
            installed: there.is_some(),
            in_use: there.is_some_and(|model| in_use(model, config)),
            bytes: there.map(Installed::bytes).or(quantisation.bytes),
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
            fits: None,
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
        let state = match (self.in_use, self.installed) {
            (true, _) => "in use".to_owned(),
            (false, true) => self.bytes.map(size).unwrap_or_default(),
            (false, false) => String::new(),
        };
        [
            self.name.clone(),
            self.memory_gb.map(|gb| format!("{gb} GB")).unwrap_or_default(),
            self.fits.map(Fits::words).unwrap_or_default().to_owned(),
            state,
            once(self.for_whom),
        ]
    }
}

/// Where a model would lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fits {
    /// On the GPU, whole.
    Gpu,
    /// On the GPU in part, the rest with the processor: slower.
    InPart,
    /// In main memory.
    Processor,
    /// Nowhere.
    No,
}

impl Fits {
    fn words(self) -> &'static str {
        match self {
            Self::Gpu => "on the GPU",
            Self::InPart => "in part",
            Self::Processor => "on the CPU",
            Self::No => "no",
        }
    }
}

/// The memory of this machine, in bytes.
struct Machine {
    /// Of all GPUs, when nothing else is on them.
    gpus: f64,
    /// Main memory; unlimited where the system does not say.
    main: f64,
}

impl Machine {
    async fn look(config: &Config) -> Self {
        let worker = setup::worker(config).map(Worker::new);
        let gpus = match worker {
            // A build for the processor finds none; what cannot be asked has none either.
            Ok(worker) => worker.query(Gpus, &CancellationToken::new()).await.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        Self {
            gpus: gpus.iter().map(|gpu| gpu.total.saturating_sub(MARGIN) as f64).sum(),
            main: machine::main_memory().map_or(f64::INFINITY, |bytes| bytes as f64),
        }
    }

    fn fits(&self, bytes: f64) -> Fits {
        if bytes <= self.gpus {
            Fits::Gpu
        } else if bytes > self.gpus + self.main {
            Fits::No
        } else if self.gpus > 0.0 {
            Fits::InPart
        } else {
            Fits::Processor
        }
    }
}

/// Prints the list.
pub async fn run(installed: &[Installed], config: &Config, json: bool) -> Result<()> {
    let catalog = Catalog::built_in()?;
    let machine = Machine::look(config).await;
    let mut rows = Vec::new();
    for entry in &catalog.models {
        for (at, quantisation) in entry.quantisations.iter().enumerate() {
            rows.push(Row::known(entry, quantisation, at == 0, installed, config, &machine));
        }
    }
    let others = installed.iter().filter(|model| catalog.find(&model.name).is_err());
    rows.extend(others.map(|model| Row::other(model, config)));
    if json {
        show::json(&rows)?;
        return Ok(());
    }
    let mut table = show::table(HEADER);
    for row in &rows {
        table.add_row(row.cells());
    }
    show::line(&table.to_string());
    if config.model.is_none() {
        show::line("In use: the bundled judge, which knows rendered scenes only.");
    }
    show::line("Licence: Apache-2.0, of the abliterated ones that of the original; --json has it of each.");
    show::line("Any other: prompt-calibrator models pull owner/repo/path/file.gguf");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_where() {
        let machine = |gpus, main| Machine { gpus, main };
        assert_eq!(machine(24e9, 32e9).fits(21e9), Fits::Gpu);
        assert_eq!(machine(16e9, 32e9).fits(21e9), Fits::InPart);
        assert_eq!(machine(8e9, 8e9).fits(21e9), Fits::No);
        assert_eq!(machine(0.0, 32e9).fits(21e9), Fits::Processor);
        assert_eq!(machine(0.0, f64::INFINITY).fits(21e9), Fits::Processor);
        assert_eq!(machine(0.0, 8e9).fits(21e9), Fits::No);
    }
}
