//! `doctor`: what is found, what is missing, what to do. What is known at once comes first, the judge's own work last.

mod around;
mod check;
mod judge;
mod limit;
mod machine;

use std::process::ExitCode;
use std::time::Duration;

use super::setup::{Reach, service_and_engine};
use super::show;
use crate::config::{Config, Environment, Transport};
use crate::session::Service;
use check::{Check, Health};
use limit::{Limit, busy};
use llama::Llama;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds that the judge may take to load, to judge two pictures and to be checked
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit: u64,
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
    let clients = around::clients(&environment);
    match service_and_engine(&config, Reach::Configured(Transport::Stdio)) {
        Ok((service, engine)) => {
            told.tell(around::data_folder(&service).await);
            told.tell(clients);
            let limit = Duration::from_secs(args.limit);
            machine_and_judge(&service, &engine, &config, limit, &mut told).await;
        }
        Err(error) => {
            told.tell(Check::missing(
                "set-up",
                error.to_string(),
                error.hint().unwrap_or("Correct the setting named here."),
            ));
            told.tell(clients);
        }
    }
    let checks = told.checks;
    if args.json {
        show::json(&checks)?;
    } else {
        show::line(&conclusion(&checks));
    }
    let missing = checks.iter().any(|c| c.health == Health::Missing);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn machine_and_judge(service: &Service, engine: &Llama, config: &Config, limit: Duration, told: &mut Told) {
    let machine = machine::look(engine).await;
    told.tell(machine.build());
    told.tell(machine.device());
    let usable = judge::files(engine, |check| told.tell(check));
    for check in around::comfyui(service).await {
        told.tell(check);
    }
    // Of a judge whose files cannot be read all is said.
    let known = engine.shape().is_ok();
    if known {
        told.tell(machine::sharing(service).await);
    }
    let judged = if usable && !machine.is_late() {
        show::remark(&coming(limit));
        let limit = Limit::new(limit);
        limit
            .over(judge::check(service, engine, config, &limit, |check| told.tell(check)))
            .await
    } else {
        None
    };
    let held = engine.buffers(&Default::default()).await.unwrap_or_default();
    service.judge().unload().await;
    if let Some(check) = machine.memory(engine, judged.as_ref(), &held) {
        told.tell(check);
    }
}

/// What is waited for next.
fn coming(limit: Duration) -> String {
    let busy = busy(crate::machine::load(), crate::machine::cores());
    format!(
        "Now the judge is loaded, compares two pictures and is checked: seconds with a small model, minutes with a large one \
         without a GPU, at most {} s (--limit).{}",
        limit.as_secs(),
        busy.map_or_else(String::new, |busy| format!(" It takes longer than usual; {busy}."))
    )
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
