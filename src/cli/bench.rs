//! `bench`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::setup;
use super::show;
use crate::bench::{self, BenchError, Pictures, Plan, Protocol, Row, Timings};
use crate::config::Config;
use crate::judge::protocol::Evidence;
use crate::picture::{Limits, Picture, decode};
use crate::progress::Teller;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The reference; with GENERATED, instead of rendered scenes
    #[arg(value_name = "REFERENCE", requires = "generated")]
    reference: Option<PathBuf>,
    /// The picture to compare with it
    #[arg(value_name = "GENERATED")]
    generated: Option<PathBuf>,
    /// Numbers of axes
    #[arg(long, value_delimiter = ',', default_values_t = [5, 20, 40], value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=120))]
    axes: Vec<usize>,
    /// Tokens a picture
    #[arg(long, value_delimiter = ',', default_values_t = [256, 1024], value_parser = clap::value_parser!(u32).range(16..=4096))]
    tokens: Vec<u32>,
    /// How the judge answers
    #[arg(long, value_delimiter = ',', default_values = ["digit", "json"])]
    protocol: Vec<Protocol>,
    /// Rounds; the median is shown
    #[arg(long, default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    rounds: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, config: Config) -> super::error::Result<ExitCode> {
    let pictures = match (&args.reference, &args.generated) {
        (Some(reference), Some(generated)) => Pictures::pair(read(reference)?, read(generated)?),
        _ => Pictures::scenes(),
    };
    let (teller, updates) = Teller::new();
    let cancel = CancellationToken::new();
    let plan = Plan {
        worker: setup::worker(&config)?,
        evidence: setup::evidence(&config).unwrap_or(Evidence::Values),
        axes: args.axes,
        image_tokens: args.tokens,
        protocols: args.protocol,
        rounds: args.rounds,
        pictures,
        teller: &teller,
        cancel: &cancel,
    };
    let work = async {
        let work = bench::run(&plan);
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            Ok(()) = tokio::signal::ctrl_c() => {
                cancel.cancel();
                work.await
            }
        }
    };
    let timings = show::progress(updates, work).await?;
    if args.json {
        show::line(&serde_json::to_string_pretty(&timings)?);
    } else {
        print(&timings);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Picture, BenchError> {
    let bytes = std::fs::read(path).map_err(|source| BenchError::File {
        path: path.into(),
        source,
    })?;
    decode(&bytes, &Limits::default()).map_err(|source| BenchError::NoPicture {
        path: path.into(),
        source,
    })
}

fn print(timings: &Timings) {
    let model = &timings.model;
    show::line(&format!(
        "{} ({:.1} billion parameters, {:.1} GB) on {}, {}; loaded in {:.1} s",
        model.name,
        model.parameters as f64 / 1e9,
        model.bytes as f64 / 1e9,
        model.backend,
        model.engine,
        model.load_s
    ));
    let mut table = show::table([
        "protocol",
        "tokens",
        "axes",
        "state",
        "seconds",
        "encode",
        "prefill",
        "questions",
        "decode",
        "fed",
        "reused",
    ]);
    for row in &timings.rows {
        table.add_row(line(row));
    }
    show::line(&table.to_string());
    show::line(
        "Seconds are medians of whole judgements, both orders; the stages are those of that round. Tokens: a picture, \
         fed to the model in a judgement, and reused from memory.",
    );
}

fn line(row: &Row) -> [String; 11] {
    let cost = &row.cost;
    let seconds = |s: f64| format!("{s:.2}");
    [
        row.protocol.as_str().into(),
        row.image_tokens.to_string(),
        row.axes.to_string(),
        row.state.as_str().into(),
        seconds(row.seconds.median),
        seconds(cost.encode_s),
        seconds(cost.prefill_s),
        seconds(cost.branch_s),
        seconds(cost.decode_s),
        (cost.prefill_tokens + cost.branch_tokens).to_string(),
        cost.reused_tokens.to_string(),
    ]
}
