//! What surrounds the judge: settings, folders, ComfyUI, clients.

use super::check::{Check, Health};
use super::limit::{QUICK, quick};
use crate::clients::{self, Standing};
use crate::config::{Config, Environment, Source};
use crate::session::Service;
use comfyui::discover::{LIKELY_PORTS, discover};
use comfyui::error::ComfyError;
use comfyui::inject::RECEPTOR_CLASS;

pub fn settings(config: &Config) -> Check {
    let set = config.explain().into_iter().filter(|e| e.source != Source::Default);
    let details: Vec<String> = set
        .map(|e| match e.source {
            // The file is named in the line above.
            Source::File(_) => format!("{} = {}", e.setting, e.value),
            source => format!("{} = {} ({source})", e.setting, e.value),
        })
        .collect();
    let mut found = config
        .file
        .as_ref()
        .map_or_else(|| "no configuration file".to_owned(), |f| f.display().to_string());
    if details.is_empty() {
        found.push_str(", all defaults");
    }
    let check = if config.warnings.is_empty() {
        Check::ok("settings", found)
    } else {
        Check::warning("settings", found, config.warnings.join(" "))
    };
    check.with(details)
}

pub async fn data_folder(service: &Service) -> Check {
    let folder = service.store().data_dir().display().to_string();
    match quick(service.store().check()).await {
        Some(Ok(())) => Check::ok("data folder", folder),
        Some(Err(error)) => Check::failed("data folder", Health::Missing, error),
        None => Check::missing(
            "data folder",
            format!("{folder} could not be read within {} s", QUICK.as_secs()),
            "Look at the disk, or at the network drive that it lies on; --data-dir names another folder.",
        ),
    }
}

pub async fn comfyui(service: &Service) -> Vec<Check> {
    if let Some(checks) = quick(ask_comfyui(service)).await {
        return checks;
    }
    vec![Check::missing(
        "ComfyUI",
        format!(
            "{} did not answer within {} s",
            service.comfy().url_for_people(),
            QUICK.as_secs()
        ),
        "Look at its terminal: it may be loading a model or its nodes. Run doctor again when it is done.",
    )]
}

async fn ask_comfyui(service: &Service) -> Vec<Check> {
    let url = service.comfy().url_for_people();
    let stats = match service.comfy().system_stats().await {
        Ok(stats) => stats,
        // The error's own hint is about runs that were under way; here there are none.
        Err(ComfyError::Unreachable { .. }) => return vec![nobody_at(&url).await],
        Err(error) => return vec![Check::failed("ComfyUI", Health::Missing, error)],
    };
    let devices: Vec<String> = stats
        .devices
        .iter()
        .map(|d| {
            format!(
                "{} with {:.1} of {:.1} GB free",
                d.name,
                d.vram_free as f64 / 1e9,
                d.vram_total as f64 / 1e9
            )
        })
        .collect();
    let found = format!("{} at {url}; {}", stats.version, devices.join(", "));
    let node = match service.comfy().object_info_for(&[RECEPTOR_CLASS]).await {
        Ok(found) if found.get(RECEPTOR_CLASS).is_some_and(Option::is_some) => Check::ok("companion node", "installed"),
        Ok(_) => Check::warning(
            "companion node",
            "not installed; prompts are placed by following the workflow's wires",
            "Optional, for workflows where the place is not unique: copy tools/comfyui-nodes into ComfyUI's custom_nodes folder and restart ComfyUI.",
        ),
        Err(error) => Check::failed("companion node", Health::Warning, error),
    };
    vec![Check::ok("ComfyUI", found), node]
}

/// Nothing answers at the configured address: perhaps at another port of this machine.
async fn nobody_at(url: &str) -> Check {
    let found = format!("nothing answers at {url}");
    match discover(&LIKELY_PORTS).await {
        Some(other) => Check::missing(
            "ComfyUI",
            format!("{found}, but ComfyUI {} does at {}", other.stats.version, other.url),
            format!("prompt-calibrator init --comfyui {}", other.url),
        ),
        None => {
            let ports = LIKELY_PORTS.map(|port| port.to_string()).join(", ");
            Check::missing(
                "ComfyUI",
                format!("{found}, nor at the ports {ports} of this machine"),
                "Start ComfyUI, or give its address with --comfyui URL. Judging two pictures works without it.",
            )
        }
    }
}

/// Which clients would start this server.
pub fn clients(environment: &Environment) -> Check {
    let mut ready = Vec::new();
    let mut details = Vec::new();
    let mut wrong = false;
    for state in clients::state(environment) {
        let title = state.client.title();
        match state.standing {
            Standing::Absent => {}
            Standing::Ready { file, .. } | Standing::Address { file } => {
                ready.push(title);
                details.push(format!("{title}: {}", file.display()));
            }
            Standing::Dangling { file, command } => {
                wrong = true;
                details.push(format!(
                    "{title}: {} starts {command}, which is not there",
                    file.display()
                ));
            }
            Standing::Unreadable { file, problem } => {
                wrong = true;
                details.push(format!("{title}: {} cannot be read: {problem}", file.display()));
            }
        }
    }
    const FIX: &str = "prompt-calibrator init --client claude-code --write (or claude-desktop, cursor, vscode, codex; without --write it only shows the entry)";
    let check = match (ready.is_empty(), wrong) {
        (false, false) => Check::ok("clients", ready.join(", ")),
        (false, true) => Check::warning(
            "clients",
            ready.join(", "),
            "Correct the others, or write their entries anew with prompt-calibrator init.",
        ),
        (true, true) => Check::warning("clients", "no entry that works", FIX),
        (true, false) => Check::warning(
            "clients",
            "none of the known ones has an entry for this server, as seen from this folder",
            FIX,
        ),
    };
    check.with(details)
}
