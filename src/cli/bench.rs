//! `bench`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::ArgPredicate;
use tokio_util::sync::CancellationToken;

use super::setup;
use super::show;
use crate::bench::{self, BenchError, Model, Pictures, Plan, Protocol, Races, Row, Timings};
use crate::config::Config;
use files::regular;
use imaging::{Limits, Picture, decode};
use judge::protocol::Evidence;
use types::progress::Teller;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The reference; with GENERATED, instead of rendered scenes
    #[arg(value_name = "REFERENCE", requires = "generated")]
    reference: Option<PathBuf>,
    /// The picture to compare with it
    #[arg(value_name = "GENERATED")]
    generated: Option<PathBuf>,
    /// Numbers of axes; 20 with --busy
    #[arg(long, value_delimiter = ',', default_values_t = [5, 20, 40], default_value_if("busy", ArgPredicate::IsPresent, "20"), value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=120))]
    axes: Vec<usize>,
    /// Tokens a picture; 256 with --busy
    #[arg(long, value_delimiter = ',', default_values_t = [256, 1024], default_value_if("busy", ArgPredicate::IsPresent, "256"), value_parser = clap::value_parser!(u32).range(16..=4096))]
    tokens: Vec<u32>,
    /// How the judge answers
    #[arg(long, value_delimiter = ',', default_values = ["digit", "json"])]
    protocol: Vec<Protocol>,
    /// Rounds; the median is shown
    #[arg(long, default_value_t = 3, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1000))]
    rounds: usize,
    /// Instead of stages, show what threads cost: ratios alone and beside this many busy loops, in turn
    #[arg(long, value_name = "LOOPS", conflicts_with = "protocol", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=1024))]
    busy: Option<usize>,
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
    if let Some(busy) = args.busy {
        let races = show::progress(updates, show::until_stopped(bench::races(&plan, busy), &cancel)).await?;
        if args.json {
            show::json(&races)?;
        } else {
            print_races(&races);
        }
    } else {
        let timings = show::progress(updates, show::until_stopped(bench::run(&plan), &cancel)).await?;
        if args.json {
            show::json(&timings)?;
        } else {
            print(&timings);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Picture, BenchError> {
    let limits = Limits::default();
    let bytes = regular::read(path, limits.max_bytes).map_err(|source| BenchError::File {
        path: path.into(),
        source,
    })?;
    decode(&bytes, &limits).map_err(|source| BenchError::NoPicture {
        path: path.into(),
        source,
    })
}

fn headline(model: &Model) -> String {
    format!(
        "{} ({:.1} billion parameters, {:.1} GB) on {}, {}; loaded in {:.1} s",
        model.name,
        model.parameters as f64 / 1e9,
        model.bytes as f64 / 1e9,
        model.backend,
        model.engine,
        model.load_s
    )
}

fn print_races(races: &Races) {
    show::line(&headline(&races.model));
    let mut table = show::table([
        "tokens", "axes", "beside", "against", "seconds", "its", "ratio", "least", "most",
    ]);
    for race in &races.rows {
        table.add_row([
            race.image_tokens.to_string(),
            race.axes.to_string(),
            match race.busy {
                0 => "nothing".to_owned(),
                busy => format!("{busy} loops"),
            },
            race.against.as_str().into(),
            format!("{:.2}", race.seconds.median),
            format!("{:.2}", race.their_seconds.median),
            format!("{:.2}", race.ratio.median),
            format!("{:.2}", race.ratio.min),
            format!("{:.2}", race.ratio.max),
        ]);
    }
    show::line(&table.to_string());
    let threads = match races.model.threads {
        Some(threads) => format!("{threads} threads"),
        None => format!("a thread for each of {} cores", races.cores),
    };
    show::line(&format!(
        "Medians of whole cold judgements with {threads}, and of the same judgement otherwise; the ratio is taken within a round: \
         below 1 the first is faster."
    ));
}

fn print(timings: &Timings) {
    show::line(&headline(&timings.model));
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
