//! `doctor`: what is found, what is missing, what to do.

use std::process::ExitCode;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::setup::{Reach, service};
use super::show;
use crate::comfy::error::ComfyError;
use crate::config::{Config, Source, Transport};
use crate::judge::Call;
use crate::judge::engine::llama::Unused;
use crate::progress::Teller;
use crate::session::Service;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    /// Works, with a reservation.
    Warning,
    /// Does not work.
    Missing,
}

#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    health: Health,
    found: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Check {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            health: Health::Ok,
            found: found.into(),
            details: Vec::new(),
            fix: None,
        }
    }

    fn bad(what: &'static str, health: Health, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what,
            health,
            found: found.into(),
            details: Vec::new(),
            fix: Some(fix.into()),
        }
    }
}

pub async fn run(args: Args, config: Config) -> anyhow::Result<ExitCode> {
    let mut checks = vec![settings(&config)];
    match service(&config, Reach::Configured(Transport::Stdio)) {
        Ok(service) => {
            checks.push(data_folder(&service).await);
            checks.extend(judge(&service, &config).await);
            checks.extend(backends(&service).await);
            checks.extend(comfyui(&service).await);
            // What the judge holds is not free, and not needed once more.
            service.judge().unload().await;
            checks.push(sharing(&service).await);
            service.judge().unload().await;
        }
        Err(error) => checks.push(Check::bad(
            "set-up",
            Health::Missing,
            format!("{error:#}"),
            "Correct the setting named here.",
        )),
    }
    if args.json {
        show::line(&serde_json::to_string_pretty(&checks)?);
    } else {
        for check in &checks {
            let mark = match check.health {
                Health::Ok => "ok     ",
                Health::Warning => "warning",
                Health::Missing => "MISSING",
            };
            show::line(&format!("{mark}  {}: {}", check.what, check.found));
            for detail in &check.details {
                show::line(&format!("         {detail}"));
            }
            if let Some(fix) = &check.fix {
                show::line(&format!("         → {fix}"));
            }
        }
        show::line(&conclusion(&checks));
    }
    let missing = checks.iter().any(|c| c.health == Health::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn conclusion(checks: &[Check]) -> String {
    let named = |health| {
        let names: Vec<&str> = checks.iter().filter(|c| c.health == health).map(|c| c.what).collect();
        names.join(", ")
    };
    match (named(Health::Missing), named(Health::Warning)) {
        (missing, warnings) if missing.is_empty() && warnings.is_empty() => "Everything is ready.".to_owned(),
        (missing, warnings) if missing.is_empty() => format!("It runs; look at the warnings: {warnings}."),
        (missing, _) => format!("Not ready: {missing}."),
    }
}

fn settings(config: &Config) -> Check {
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
        Check::bad("settings", Health::Warning, found, config.warnings.join(" "))
    };
    Check { details, ..check }
}

async fn data_folder(service: &Service) -> Check {
    let folder = service.store().data_dir().display().to_string();
    match service.store().check().await {
        Ok(()) => Check::ok("data folder", folder),
        Err(error) => Check::bad("data folder", Health::Missing, error.to_string(), error.hint()),
    }
}

async fn judge(service: &Service, config: &Config) -> Vec<Check> {
    let ((teller, updates), cancel) = (Teller::new(), CancellationToken::new());
    let info = match service.judge().info(&cancel).await {
        Ok(info) => info,
        Err(error) => return vec![Check::bad("judge", Health::Missing, error.to_string(), error.hint())],
    };
    let found = format!(
        "{} ({}, {:.1} M parameters, {:.1} MB) on {}, {}",
        info.name.as_deref().unwrap_or("unnamed"),
        info.architecture,
        info.parameters as f64 / 1e6,
        info.bytes as f64 / 1e6,
        info.backend,
        info.engine,
    );
    let which = if config.model.is_some() { "" } else { "bundled: " };
    let mut checks = vec![if let Some(domain) = &info.domain {
        Check::bad(
            "judge",
            Health::Warning,
            format!("{which}{found}; it knows {domain} only"),
            "Good for the demo. For your own pictures download a Qwen3-VL GGUF with its mmproj file, and set --model and --mmproj (README, \"Models and memory\").",
        )
    } else if info.trained {
        Check::ok("judge", format!("{which}{found}"))
    } else {
        Check::bad(
            "judge",
            Health::Warning,
            format!("{which}{found}; its weights are random, its scores mean nothing"),
            "Download a trained Qwen3-VL GGUF with its mmproj file, and set --model and --mmproj (README, \"Models and memory\").",
        )
    }];
    let rubric = match service.rubric(None).await {
        Ok(rubric) => rubric,
        Err(error) => {
            checks.push(Check::bad("rubric", Health::Missing, error.to_string(), error.hint()));
            return checks;
        }
    };
    checks.push(Check::ok(
        "rubric",
        format!(
            "{} ({} axes{})",
            rubric.id,
            rubric.axes.len(),
            if rubric.explicit {
                "; explicit, so the guard applies"
            } else {
                ""
            }
        ),
    ));
    let call = Call {
        rubric: &rubric,
        guarded: false,
        teller: &teller,
        cancel: &cancel,
    };
    checks.push(match show::progress(updates, service.judge().self_check(call)).await {
        Ok(check) => {
            let found = format!(
                "a picture scores {:.2} against itself, {:.2} against an unrelated one, {:.2} against plain grey",
                check.identical, check.unrelated, check.grey
            );
            if check.passed {
                Check::ok("self-check", found)
            } else {
                let fix = if info.trained {
                    "This judge does not tell alike from unlike: use another model, or check that the projector belongs to it."
                } else {
                    "To be expected of random weights; a trained model scores high against itself only."
                };
                Check::bad("self-check", Health::Warning, format!("failed: {found}"), fix)
            }
        }
        Err(error) => Check::bad("self-check", Health::Missing, error.to_string(), error.hint()),
    });
    checks
}

/// Where parts of llama.cpp are files beside the program: which are used, and why others are not.
async fn backends(service: &Service) -> Option<Check> {
    // Without any, the judge's own check has said so.
    let found = service.judge().backends(&CancellationToken::new()).await.ok()?;
    if !found.dynamic {
        return None;
    }
    let mut check = Check::ok("backends", found.devices.join(", "));
    if found.unused.iter().any(Unused::is_a_fault) {
        check.health = Health::Warning;
        check.fix =
            Some("Install or update the GPU's driver, or remove the file; the judge runs without it.".to_owned());
    }
    let unused = found.unused.iter();
    check.details = unused
        .map(|unused| format!("not used: {}: {}", unused.file.display(), unused.reason))
        .collect();
    Some(check)
}

async fn sharing(service: &Service) -> Check {
    let cancel = CancellationToken::new();
    match service.gpu_sharing(&cancel).await {
        Ok(words) => Check::ok("GPU sharing", words),
        Err(error) => Check::bad("GPU sharing", Health::Warning, error.to_string(), error.hint()),
    }
}

async fn comfyui(service: &Service) -> Vec<Check> {
    let url = service.comfy().url_for_people();
    let stats = match service.comfy().system_stats().await {
        Ok(stats) => stats,
        // The error's own hint is about runs that were under way; here there are none.
        Err(ComfyError::Unreachable { .. }) => {
            return vec![Check::bad(
                "ComfyUI",
                Health::Missing,
                format!("nothing answers at {url}"),
                "Start ComfyUI, or give its address with --comfyui URL (the desktop edition commonly listens on port 8000). \
                 Judging two pictures works without it.",
            )];
        }
        Err(error) => return vec![Check::bad("ComfyUI", Health::Missing, error.to_string(), error.hint())],
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
    let mut checks = vec![Check::ok(
        "ComfyUI",
        format!("{} at {url}; {}", stats.version, devices.join(", ")),
    )];
    const RECEPTOR: &str = crate::comfy::inject::RECEPTOR_CLASS;
    checks.push(match service.comfy().object_info_for(&[RECEPTOR]).await {
        Ok(found) if found.get(RECEPTOR).is_some_and(Option::is_some) => Check::ok("companion node", "installed"),
        Ok(_) => Check::bad(
            "companion node",
            Health::Warning,
            "not installed; prompts are placed by following the workflow's wires",
            "Optional, for workflows where the place is not unique: copy tools/comfyui-nodes into ComfyUI's custom_nodes folder and restart ComfyUI.",
        ),
        Err(error) => Check::bad("companion node", Health::Warning, error.to_string(), error.hint()),
    });
    checks
}
