//! `eval`.

use std::path::PathBuf;
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::error::Result;
use super::output;
use super::setup::{Reach, service};
use super::show;
use crate::config::Config;
use eval::{self, Evaluated, Plan, Scope, table};
use types::progress::Teller;

/// Cases a test unless asked otherwise.
const CASES: usize = 100;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of your own pairs with known answers (a pairs.csv: reference,generated,<axis>...,overall) instead of rendered scenes
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Cases a test (pairs, with a folder)
    #[arg(long, default_value_t = CASES, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=100_000))]
    cases: usize,
    /// What the cases follow from; another seed, other scenes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run only these tests, T1 to T11, and no comparison with other ways of asking
    #[arg(long, value_name = "TEST", value_delimiter = ',', value_parser = test_name, conflicts_with = "folder")]
    tests: Vec<String>,
    /// Write the numbers to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with the worst cases as pictures to a file
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
    /// Keep what suits this judge best on these pairs: the evidence mode, and per axis a map from raw values to scores
    #[arg(long, conflicts_with = "tests")]
    fit: bool,
    /// Fail when a target of the bundled judge is missed
    #[arg(long)]
    check: bool,
}

fn test_name(text: &str) -> Result<String, String> {
    let number = text.strip_prefix(['T', 't']).and_then(|n| n.parse::<u32>().ok());
    match number {
        Some(n @ 1..=11) => Ok(format!("T{n}")),
        _ => Err("a test is one of T1 to T11".into()),
    }
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let service = service(&config, Reach::Everything)?;
    let judge = service.judge();
    let (teller, updates) = Teller::new();
    let cancel = CancellationToken::new();
    let rubric = match &args.folder {
        Some(_) => service.default_rubric().await?,
        None => eval::rubric()?,
    };
    let evidence = judge.evidence_for(&rubric, &cancel).await?;
    let plan = Plan {
        judge,
        evidence,
        journal: Some(config.data_dir.value.join("eval")),
        seed: args.seed,
        cases: args.cases,
        scope: if args.tests.is_empty() {
            Scope::Everything
        } else {
            Scope::Tests(args.tests.clone())
        },
        teller: &teller,
        cancel: &cancel,
    };
    let work = async {
        match &args.folder {
            Some(folder) => eval::run_folder(&plan, &rubric, folder).await,
            None => eval::run(&plan).await,
        }
    };
    let result = show::progress(updates, show::until_stopped(work, &cancel)).await;
    let done = match result {
        Ok(done) => done,
        Err(error) => {
            judge.unload().await;
            return Err(error.into());
        }
    };
    write_files(&args, &done)?;
    if args.markdown {
        show::line(&table::markdown(&done.report));
    } else {
        show::line(&table::text(&done.report));
    }
    if args.fit
        && let Some(fit) = &done.fit
    {
        judge.keep_fit(&rubric, fit, &cancel).await?;
        show::note(&format!(
            "kept: evidence {:?} and {} maps, fitted on {} pairs; this judge's scores are not compared with those from before",
            fit.evidence,
            fit.maps.len(),
            fit.cases
        ));
    }
    judge.unload().await;
    let missed = done
        .report
        .tests
        .iter()
        .flat_map(|t| &t.measures)
        .any(|m| m.passed() == Some(false));
    Ok(if args.check && missed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn write_files(args: &Args, done: &Evaluated) -> Result<()> {
    if let Some(path) = &args.json {
        output::write(
            path,
            &serde_json::to_string_pretty(&done.report)?,
            output::Kind::Numbers,
        )?;
    }
    if let Some(path) = &args.page {
        output::write(path, &eval::page::html(&done.report, &done.worst), output::Kind::Page)?;
    }
    Ok(())
}
