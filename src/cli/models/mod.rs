//! `models`: which there are, fetching, choosing, checking and removing them.

mod list;

use std::io::{self, BufRead, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::error::Result;
use super::{setup, show};
use crate::config::{self, Change, Config, Environment, Settings, Source, Sourced};
use comfyui::client::{Client, ClientConfig};
use hub::catalog::Catalog;
use hub::error::{ModelsError, size};
use hub::hub::{Cache, Hub};
use hub::pull::{Pull, Pulled};
use hub::record::{Installed, Record};
use hub::telling::Telling;
use hub::{name, remove, verify};
use llama::memory::Shape;

/// What names the judge in the program.
const BUNDLED: &str = "bundled";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Fetch a model and its projector; what is on this machine already is used where it lies
    #[command(
        after_help = "--mmproj names the projector here: a file of the model's repository, or owner/repo/path/file.gguf."
    )]
    Pull {
        /// 8b, 8b:Q8_0 (see `models list`), or any owner/repo/path/file.gguf
        name: String,
        /// The branch, tag or commit
        #[arg(long, default_value = "main")]
        revision: String,
        /// A folder in which files may lie already; may be repeated. ComfyUI's folders are looked through anyway
        #[arg(long, value_name = "DIR")]
        look_in: Vec<PathBuf>,
        /// The projector, taken out of the settings.
        #[arg(skip)]
        mmproj: Option<String>,
    },
    /// The models that are known by a short name, and those that are installed
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Make an installed model the judge, in the configuration file
    Use {
        /// Its name; "bundled" for the judge in the program
        name: String,
    },
    /// Read installed files whole and compare them with the hub's sums
    Verify {
        /// All unless given
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a model: the files that were fetched for it and that nothing else uses
    Rm {
        /// Its name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl Args {
    /// `--mmproj` is a setting of every command, and a file here; `pull` means one on the hub by it.
    pub fn take(&mut self, settings: &mut Settings) {
        if let What::Pull { mmproj, .. } = &mut self.what {
            *mmproj = settings.mmproj.take().map(|path| path.to_string_lossy().into_owned());
        }
    }
}

pub async fn run(args: Args, config: Config, environment: &Environment) -> Result<ExitCode> {
    let record = Record::new(config.data_dir.value.clone());
    match args.what {
        What::Pull {
            name,
            revision,
            look_in,
            mmproj,
        } => {
            let wanted = name::read(&name, mmproj.as_deref(), Catalog::built_in()?)?;
            let hub = config::hub_settings(environment)?;
            let cache = Cache::new(hub.cache.clone());
            let hub = Hub::new(hub).map_err(ModelsError::from)?;
            for folder in look_in.iter().filter(|folder| !folder.is_dir()) {
                show::note(&format!(
                    "{} is no folder; nothing is looked for there.",
                    folder.display()
                ));
            }
            let mut folders = look_in;
            folders.extend(comfyui_folders(&config).await);
            let (telling, events) = Telling::new();
            let pull = Pull {
                hub: &hub,
                cache: &cache,
                record: &record,
                look_in: folders,
                telling: &telling,
            };
            let pulled = show::transfers(events, pull.run(&wanted, &revision)).await?;
            tell(&pulled);
            settle(&pulled.model, &config, environment)?;
        }
        What::List { json } => list::run(&record.read()?, &config, json).await?,
        What::Use { name } if name == BUNDLED => {
            let keys = ["model", "mmproj"].map(|key| Change { key, value: None });
            let path = config.file_to_write(environment)?;
            if path.exists() {
                config::edit(&path, &keys)?;
            }
            show::line(&format!(
                "The judge is the bundled one (no model in {}).",
                path.display()
            ));
            overridden(&config);
        }
        What::Use { name } => {
            let model = record.find(&name)?;
            choose(&model, &config, environment)?;
            if let Some(problem) = problem(&model) {
                show::note(&problem);
            }
        }
        What::Verify { name, json } => return check(&record, name.as_deref(), json).await,
        What::Rm { name, yes } => rm(&record, &record.find(&name)?, yes, &config, environment)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a ComfyUI on this machine keeps its models; nothing where none answers at once.
async fn comfyui_folders(config: &Config) -> Vec<PathBuf> {
    let quick = ClientConfig {
        connect_timeout: Duration::from_millis(500),
        request_timeout: Duration::from_secs(2),
        ..setup::comfy_config(config)
    };
    match Client::new(quick) {
        Ok(client) if client.is_local() => client.model_folders().await.unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn tell(pulled: &Pulled) {
    let (name, bytes) = (&pulled.model.name, size(pulled.model.bytes()));
    let checked = if pulled.model.files.iter().all(|file| file.sha256.is_some()) {
        "checked"
    } else {
        "of which the hub gave no sum: only sizes were checked"
    };
    match pulled.fetched {
        0 => show::line(&format!(
            "{name} is here: {bytes}, {checked}; nothing had to be fetched."
        )),
        fetched => show::line(&format!(
            "{name} is here: {bytes}, {checked}; {} were fetched.",
            size(fetched)
        )),
    }
    for path in &pulled.elsewhere {
        show::line(&format!("Used where it lies: {}", path.display()));
    }
}

/// Why a model is no judge that is known here, as far as its files' heads tell.
fn problem(model: &Installed) -> Option<String> {
    let problem = match Shape::read(model.model()?, model.projector()?, []) {
        Ok(shape) => shape.mismatch(),
        Err(error) => Some(error.to_string()),
    };
    problem.map(|problem| format!("this is no judge that is known here: {problem}"))
}

/// After a pull: the first model becomes the judge, if it can be one; any other is for the user to choose.
fn settle(model: &Installed, config: &Config, environment: &Environment) -> Result<()> {
    let problem = problem(model);
    let first = config.model.is_none() && config.mmproj.is_none();
    if first && problem.is_none() {
        return choose(model, config, environment);
    }
    if let Some(problem) = problem {
        show::note(&problem);
    }
    if first {
        show::line(&format!(
            "It did not become the judge. To use it all the same: prompt-calibrator models use {}",
            model.name
        ));
    } else if !in_use(model, config) {
        show::line(&format!("To use it: prompt-calibrator models use {}", model.name));
    }
    Ok(())
}

/// Writes a model into the configuration file.
fn choose(model: &Installed, config: &Config, environment: &Environment) -> Result<()> {
    let (Some(file), Some(projector)) = (model.model(), model.projector()) else {
        let (name, installed) = (model.name.clone(), Vec::new());
        return Err(ModelsError::NotInstalled { name, installed }.into());
    };
    // Every part: llama.cpp would tell of a missing one only when it loads.
    if let Some(gone) = model.files.iter().find(|file| !file.path.is_file()) {
        let (name, path) = (model.name.clone(), gone.path.clone());
        return Err(ModelsError::Gone { name, path }.into());
    }
    let path = config.file_to_write(environment)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    config::edit(
        &path,
        &[Change::set("model", text(file)), Change::set("mmproj", text(projector))],
    )?;
    show::line(&format!(
        "The judge is {} now (model and mmproj in {}). To try it: prompt-calibrator doctor",
        model.name,
        path.display()
    ));
    overridden(config);
    Ok(())
}

/// Says so where a flag or a variable outweighs the configuration file.
fn overridden(config: &Config) {
    for (setting, value) in [("model", &config.model), ("mmproj", &config.mmproj)] {
        if let Some(value) = value
            && matches!(value.source, Source::Flag(_) | Source::Environment(_))
        {
            show::note(&format!(
                "{} outweighs {setting} in the configuration file; take it away.",
                value.source
            ));
        }
    }
}

/// Whether it is the judge.
fn in_use(model: &Installed, config: &Config) -> bool {
    is_same(model.model(), &config.model)
}

/// Whether the judge sees with its projector, which would go with it.
fn lends_its_projector(model: &Installed, others: &[Installed], config: &Config) -> bool {
    let shared = others
        .iter()
        .any(|other| other.name != model.name && other.projector() == model.projector());
    !shared && is_same(model.projector(), &config.mmproj)
}

fn is_same(path: Option<&Path>, used: &Option<Sourced<PathBuf>>) -> bool {
    let (Some(path), Some(used)) = (path, used) else {
        return false;
    };
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    real(path) == real(&used.value)
}

async fn check(record: &Record, name: Option<&str>, json: bool) -> Result<ExitCode> {
    let models = match name {
        Some(name) => vec![record.find(name)?],
        None => record.read()?,
    };
    let (telling, events) = Telling::new();
    let work = async {
        let mut checked = Vec::new();
        for model in &models {
            checked.extend(verify::verify(model, &telling).await);
        }
        checked
    };
    let checked = show::transfers(events, work).await;
    let wrong: Vec<_> = checked.iter().filter(|checked| !checked.state.is_fine()).collect();
    if json {
        show::json(&checked)?;
    } else if checked.is_empty() {
        show::line("No model is installed: prompt-calibrator models pull NAME fetches one.");
    } else {
        for checked in &checked {
            show::line(&format!(
                "{}: {} {}",
                checked.model,
                checked.path.display(),
                checked.state.told()
            ));
        }
    }
    let mut again: Vec<&str> = wrong.iter().map(|checked| checked.model.as_str()).collect();
    again.dedup();
    for name in again {
        show::remark(&format!(
            "what to do: prompt-calibrator models pull {name} (fetches what is missing or damaged)"
        ));
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rm(record: &Record, model: &Installed, yes: bool, config: &Config, environment: &Environment) -> Result<()> {
    let used = in_use(model, config) || lends_its_projector(model, &record.read()?, config);
    if used && !yes {
        return Err(ModelsError::InUse(model.name.clone()).into());
    }
    if !yes && !confirmed(model)? {
        return Err(ModelsError::Unconfirmed(model.name.clone()).into());
    }
    if used {
        // First of all, so that no failure leaves a judge whose files are gone.
        leave(config, environment)?;
    }
    let removed = remove::remove(model, record)?;
    let freed = size(removed.bytes);
    show::line(&format!(
        "{} is removed: {} file(s), {freed} are free again.",
        model.name,
        removed.files.len()
    ));
    for (path, why) in &removed.stay {
        show::line(&format!("{} stays: {}.", path.display(), why.told()));
    }
    Ok(())
}

/// Takes the judge out of the configuration file, as far as it is there.
fn leave(config: &Config, environment: &Environment) -> Result<()> {
    let in_file: Vec<Change> = [("model", &config.model), ("mmproj", &config.mmproj)]
        .into_iter()
        .filter(|(_, used)| used.as_ref().is_some_and(|used| matches!(used.source, Source::File(_))))
        .map(|(key, _)| Change { key, value: None })
        .collect();
    if !in_file.is_empty() {
        let path = config.file_to_write(environment)?;
        config::edit(&path, &in_file)?;
        show::line(&format!(
            "The judge is the bundled one now (no model in {}).",
            path.display()
        ));
    }
    overridden(config);
    Ok(())
}

/// Asks on a terminal; elsewhere nobody has agreed.
fn confirmed(model: &Installed) -> io::Result<bool> {
    if !io::stdin().is_terminal() {
        return Ok(false);
    }
    show::remark(&format!("Remove {} ({})? [y/N]", model.name, size(model.bytes())));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
