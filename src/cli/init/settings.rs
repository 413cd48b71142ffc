//! The configuration: what is found and what was given go into the file, what is there stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::{Answer, InitError, ask, say};
use crate::cli::error::Result;
use crate::cli::{setup, show};
use crate::config::{Change, Config, Environment, Settings, Source, Sourced, edit};
use comfyui::calls::SystemStats;
use comfyui::discover::{Discovered, LIKELY_PORTS, discover};
use comfyui::error::ComfyError;
use types::hint::Hint;

/// Settings that go into the file when they are given; two more go into the entry's arguments.
const STORED: [&str; 3] = ["comfyui", "model", "mmproj"];
const PASSED_ON: [&str; 2] = ["config", "data-dir"];
/// How this command itself is to be logged is nobody else's business.
const OF_THIS_CALL: [&str; 2] = ["log", "log-file"];

/// How long the configured ComfyUI may take to answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Writes what is missing. Returns the file.
pub async fn run(config: &Config, environment: &Environment, yes: bool) -> Result<PathBuf> {
    let file = config.file_to_write(environment)?;
    let stored = of_the_file(config, environment, &file)?;
    let comfyui = Comfyui::look(config).await;
    let mut changes = Vec::new();
    for wish in wishes(config, &comfyui) {
        if let Some(change) = settled(wish, &stored, &file, yes)? {
            changes.push(change);
        }
    }
    let made = !file.exists();
    if made || !changes.is_empty() {
        edit(&file, &changes)?;
    }
    say(&told(&file, made, &changes));
    say(&format!("ComfyUI:   {}", comfyui.told(config)));
    say(&format!("Judge:     {}", judge(config)));
    for note in notes(config, &file) {
        show::note(&note);
    }
    Ok(file)
}

/// What the server will find: the file, and neither this call's flags nor this shell's variables.
fn of_the_file(config: &Config, environment: &Environment, file: &Path) -> Result<Config> {
    let flags = Settings {
        config: Some(file.to_owned()),
        data_dir: Some(config.data_dir.value.clone()),
        ..Settings::default()
    };
    let bare = Environment {
        vars: Default::default(),
        ..environment.clone()
    };
    Ok(Config::resolve_for_writing(flags, &bare)?)
}

/// A value that should be in the file.
struct Wish {
    key: &'static str,
    value: String,
    source: Source,
}

fn wishes(config: &Config, comfyui: &Comfyui) -> Vec<Wish> {
    let given = |source: &Source| matches!(source, Source::Flag(_) | Source::Environment(_));
    let mut wishes = Vec::new();
    match comfyui {
        Comfyui::Elsewhere { found, .. } if config.comfyui.source == Source::Default => wishes.push(Wish {
            key: "comfyui",
            value: address(&found.url),
            source: Source::Default,
        }),
        _ if given(&config.comfyui.source) => wishes.push(Wish {
            key: "comfyui",
            value: address(&config.comfyui.value),
            source: config.comfyui.source.clone(),
        }),
        _ => (),
    }
    for (key, path) in [("model", &config.model), ("mmproj", &config.mmproj)] {
        if let Some(Sourced { value, source }) = path
            && given(source)
        {
            let (value, source) = (value.display().to_string(), source.clone());
            wishes.push(Wish { key, value, source });
        }
    }
    wishes
}

/// The change that a wish asks for, if any is needed and allowed.
fn settled(wish: Wish, stored: &Config, file: &Path, yes: bool) -> Result<Option<Change>> {
    let path = |path: &Option<Sourced<PathBuf>>| path.as_ref().map(|path| path.value.display().to_string());
    let old = match wish.key {
        "model" => path(&stored.model),
        "mmproj" => path(&stored.mmproj),
        _ => {
            let set = stored.comfyui.source != Source::Default || wish.value == address(&stored.comfyui.value);
            set.then(|| address(&stored.comfyui.value))
        }
    };
    let Wish { key, value, source } = wish;
    match old {
        None => Ok(Some(Change::set(key, value))),
        Some(old) if old == value => Ok(None),
        // A variable outranks the file on purpose.
        Some(_) if !matches!(source, Source::Flag(_)) => Ok(None),
        Some(old) => {
            let question = format!("{} has {key} = {old:?}. Replace it by {value:?}?", file.display());
            match ask(yes, &question) {
                Answer::Yes => Ok(Some(Change::set(key, value))),
                Answer::No => Ok(None),
                Answer::Nobody => {
                    let file = file.to_owned();
                    Err(InitError::Set { file, key, old }.into())
                }
            }
        }
    }
}

/// What answers, and why the configured one does not.
enum Comfyui {
    /// The configured one.
    There(SystemStats),
    /// Another one.
    Elsewhere { found: Discovered, problem: Problem },
    /// None.
    Nowhere { problem: Problem },
}

/// Why the configured one does not answer.
struct Problem {
    told: String,
    /// What the error says that is to be done; nothing where only nobody answers.
    hint: Option<String>,
    /// Something answers there, so that starting ComfyUI is no help.
    answers: bool,
}

impl Problem {
    fn silent(told: String) -> Self {
        Self {
            told,
            hint: None,
            answers: false,
        }
    }

    /// What to do, behind a sentence.
    fn fix(&self) -> String {
        self.hint.as_ref().map(|hint| format!(". {hint}")).unwrap_or_default()
    }
}

impl Comfyui {
    async fn look(config: &Config) -> Self {
        let problem = match configured(config).await {
            Ok(stats) => return Self::There(stats),
            Err(problem) => problem,
        };
        match discover(&LIKELY_PORTS).await {
            Some(found) => Self::Elsewhere { found, problem },
            None => Self::Nowhere { problem },
        }
    }

    fn told(&self, config: &Config) -> String {
        let given = match &config.comfyui.source {
            Source::Default => String::new(),
            source => format!(" ({source})"),
        };
        match self {
            Self::There(stats) => format!("{} at {}{given}", version(stats), address(&config.comfyui.value)),
            Self::Elsewhere { found, problem } => {
                let (other, version) = (address(&found.url), version(&found.stats));
                match config.comfyui.source {
                    Source::Default => format!("{version} at {other}"),
                    _ => format!(
                        "{}{given}, but {version} is at {other}. To use that one: prompt-calibrator init --comfyui {other}{}",
                        problem.told,
                        problem.fix()
                    ),
                }
            }
            Self::Nowhere { problem } if problem.answers => format!("{}{given}{}", problem.told, problem.fix()),
            Self::Nowhere { problem } => format!(
                "{}{given}, nor does a ComfyUI on the ports {} of this machine. Start it and repeat this, or give its \
                 address: prompt-calibrator init --comfyui URL{}",
                problem.told,
                LIKELY_PORTS.map(|port| port.to_string()).join(", "),
                problem.fix()
            ),
        }
    }
}

/// What the configured ComfyUI says, or why it says nothing.
async fn configured(config: &Config) -> Result<SystemStats, Problem> {
    let url = address(&config.comfyui.value);
    let client = setup::comfy(config).map_err(|error| Problem {
        told: error.to_string(),
        hint: error.hint().map(str::to_owned),
        answers: true,
    })?;
    match timeout(LIMIT, client.system_stats()).await {
        Ok(Ok(stats)) => Ok(stats),
        Ok(Err(ComfyError::Unreachable { .. })) => Err(Problem::silent(format!("nothing answers at {url}"))),
        Ok(Err(error)) => Err(Problem {
            told: format!("{url} does not answer as ComfyUI does ({error})"),
            hint: error.what_to_do(),
            answers: true,
        }),
        Err(_) => {
            let seconds = LIMIT.as_secs();
            Err(Problem::silent(format!(
                "{url} does not answer within {seconds} seconds"
            )))
        }
    }
}

fn version(stats: &SystemStats) -> String {
    match stats.version.as_str() {
        "" => "one".to_owned(),
        version => version.to_owned(),
    }
}

/// An address as people write it.
fn address(url: &url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

fn told(file: &Path, made: bool, changes: &[Change]) -> String {
    let set: Vec<String> = changes
        .iter()
        .map(|change| format!("{} = {:?}", change.key, change.value.as_deref().unwrap_or_default()))
        .collect();
    let what = match (made, set.is_empty()) {
        (true, true) => "new; the defaults do".to_owned(),
        (true, false) => format!("new, with {}", set.join(", ")),
        (false, true) => "left as it is".to_owned(),
        (false, false) => format!("now with {}", set.join(", ")),
    };
    format!("Settings:  {} ({what})", file.display())
}

fn judge(config: &Config) -> String {
    let (model, mmproj) = match (&config.model, &config.mmproj) {
        (None, None) => {
            return "the bundled one, which knows rendered scenes only. For pictures of your own: prompt-calibrator models \
                    pull 8b"
                .to_owned();
        }
        (Some(model), Some(mmproj)) => (&model.value, &mmproj.value),
        (Some(_), None) => return "incomplete: a vision model is two files, and mmproj is not set".to_owned(),
        (None, Some(_)) => return "incomplete: a vision model is two files, and model is not set".to_owned(),
    };
    let lost: Vec<String> = [model, mmproj]
        .into_iter()
        .filter(|path| !path.is_file())
        .map(|path| path.display().to_string())
        .collect();
    match lost.is_empty() {
        true => format!("{} (prompt-calibrator doctor tries it)", model.display()),
        false => format!("MISSING: {}", lost.join(" and ")),
    }
}

/// What this call knows and the server will not.
fn notes(config: &Config, file: &Path) -> Vec<String> {
    let (mut lost, mut secrets) = (Vec::new(), Vec::new());
    for explained in config.explain() {
        let name = match explained.source {
            _ if [&STORED[..], &PASSED_ON, &OF_THIS_CALL]
                .concat()
                .contains(&explained.setting) =>
            {
                continue;
            }
            Source::Flag(flag) => format!("--{flag}"),
            Source::Environment(variable) if variable == explained.setting => {
                secrets.push(variable);
                continue;
            }
            Source::Environment(variable) => variable,
            Source::Default | Source::File(_) => continue,
        };
        lost.push(name);
    }
    let mut notes = config.warnings.clone();
    for (setting, file) in [("model", &config.model), ("mmproj", &config.mmproj)] {
        if let Some(missing) = file.as_ref().filter(|file| !file.value.is_file()) {
            notes.push(format!("{setting} is {}, which is not there", missing.value.display()));
        }
    }
    if !lost.is_empty() {
        notes.push(format!(
            "{} counted for this call only; to keep it, write it into {}",
            lost.join(", "),
            file.display()
        ));
    }
    if !secrets.is_empty() {
        notes.push(format!(
            "{} was written nowhere, being secret: give it to the client's environment, or as `env` in its entry",
            secrets.join(", ")
        ));
    }
    notes
}
