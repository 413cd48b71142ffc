//! `doctor`: what is found, what is missing, what to do. In the order in which things depend on each other.

mod around;
mod check;
mod judge;
mod machine;

use std::process::ExitCode;

use super::setup::{Reach, service};
use super::show;
use crate::config::{Config, Environment, Transport};
use check::{Check, Health};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, config: Config, environment: Environment) -> crate::cli::error::Result<ExitCode> {
    let mut told = Told {
        json: args.json,
        checks: Vec::new(),
    };
    told.tell(around::settings(&config));
    match service(&config, Reach::Configured(Transport::Stdio)) {
        Ok(service) => {
            let machine = machine::look(&service).await;
            told.tell(machine.build());
            told.tell(machine.device());
            let judged = judge::check(&service, &config, |check| told.tell(check)).await;
            for check in around::comfyui(&service).await {
                told.tell(check);
            }
            let held = service.judge().buffers(&Default::default()).await.unwrap_or_default();
            // What the judge holds is not free, and not needed once more.
            service.judge().unload().await;
            if let Some(check) = machine.memory(&service, judged.as_ref(), &held) {
                told.tell(check);
            }
            // Of a judge whose files cannot be read all is said.
            if service.judge().shape().is_ok() {
                told.tell(machine::sharing(&service).await);
                service.judge().unload().await;
            }
            told.tell(around::data_folder(&service).await);
        }
        Err(error) => told.tell(Check::missing(
            "set-up",
            error.to_string(),
            error.hint().unwrap_or("Correct the setting named here."),
        )),
    }
    told.tell(around::clients(&environment));
    let checks = told.checks;
    if args.json {
        show::line(&serde_json::to_string_pretty(&checks)?);
    } else {
        show::line(&conclusion(&checks));
    }
    let missing = checks.iter().any(|c| c.health == Health::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What was checked so far. A person reads each as soon as it is known.
struct Told {
    json: bool,
    checks: Vec<Check>,
}

impl Told {
    fn tell(&mut self, check: Check) {
        if !self.json {
            print(&check);
        }
        self.checks.push(check);
    }
}

fn print(check: &Check) {
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
