//! `report [SESSION]`: a session as one page for a browser.

use std::path::PathBuf;
use std::process::ExitCode;

use super::error::Result;
use super::output;
use super::sessions::named;
use super::setup::{Reach, service};
use super::show;
use crate::config::Config;
use crate::report;
use types::progress::Teller;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session; the newest unless given
    session: Option<String>,
    /// The file to write; SESSION.html unless given
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub async fn run(args: Args, config: Config) -> Result<ExitCode> {
    let service = service(&config, Reach::Everything)?;
    let session = named(service.store(), args.session).await?.to_string();
    let to = args.to.unwrap_or_else(|| PathBuf::from(format!("{session}.html")));
    let (teller, updates) = Teller::new();
    let notebook = show::progress(updates, service.notebook(&session, &teller)).await?;
    let page = report::html(&report::page(&notebook))?;
    output::write(&to, &page, output::Kind::Page)?;
    show::line(&format!(
        "{}: {} iterations, {:.1} MB",
        to.display(),
        notebook.iterations.len(),
        page.len() as f64 / 1e6
    ));
    Ok(ExitCode::SUCCESS)
}
