//! Times the judge beside a llama-server on the same files and pictures, in turn, in one run (README.md).

mod server;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Parser;
use comfy_table::Table;
use imaging::Picture;
use judge::protocol::{AxisValue, Evidence};
use judge::rubric::Rubric;
use judge::{Call, Given, Judge, Pair};
use llama::spec::ModelSpec;
use llama::worker::WorkerConfig;
use prompt_calibrator::bench::{self, Pictures, Spread};
use serde::Serialize;
use server::{Manner, Server};
use tokio_util::sync::CancellationToken;
use types::progress::Teller;

#[derive(Parser)]
#[command(about = "Times the judge beside a llama-server on the same work, in turn")]
struct Options {
    /// A llama-server that runs the same two files
    #[arg(long, value_name = "URL")]
    server: String,
    /// The judge's GGUF file
    #[arg(long)]
    model: PathBuf,
    /// Its projector
    #[arg(long)]
    mmproj: PathBuf,
    /// The prompt-calibrator program [default: the one beside this program]
    #[arg(long)]
    program: Option<PathBuf>,
    /// Tokens a picture
    #[arg(long, default_value_t = 256)]
    tokens: u32,
    /// Axes
    #[arg(long, default_value_t = 20)]
    axes: usize,
    /// Rounds; medians are reported
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// CPU threads of the judge; give llama-server the same with -t
    #[arg(long)]
    threads: Option<u32>,
    /// How the server is asked
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Manner::ALL)]
    ways: Vec<Manner>,
    /// Cut the server's documents at this many tokens: those of random weights are long beyond measure
    #[arg(long)]
    length: Option<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One way of judging, timed.
#[derive(Serialize)]
struct Row {
    way: String,
    cold: Spread,
    warm: Spread,
    /// Tokens that the server printed in a judgement, both orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    printed: Option<u64>,
    /// Times as long as the judge, cold and warm.
    ratio: [f64; 2],
}

#[derive(Default)]
struct Times {
    cold: Vec<f64>,
    warm: Vec<f64>,
    printed: Option<u64>,
}

impl Times {
    fn add(&mut self, seconds: [f64; 2]) {
        self.cold.push(seconds[0]);
        self.warm.push(seconds[1]);
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let rubric = bench::rubric(options.axes)?;
    let judge = judge(&options)?;
    let server = Server::new(&options.server, options.tokens).await?;
    let pictures = Pictures::scenes();
    let mut ours = Times::default();
    let mut theirs: Vec<(Manner, Times)> = options.ways.iter().map(|&way| (way, Times::default())).collect();
    // Both sides make their contexts before anything is counted, on pictures that do not come again.
    let first = pictures.fresh()?;
    judged(&judge, &rubric, &first).await?;
    server.warm_up(&rubric, (&first[0], &first[1])).await?;
    for _ in 0..options.rounds {
        ours.add(judged(&judge, &rubric, &pictures.fresh()?).await?);
        let mut length = options.length;
        for (manner, times) in &mut theirs {
            let [reference, first, second] = pictures.fresh()?;
            let cold = server.judge(&rubric, (&reference, &first), *manner, length).await?;
            let warm = server.judge(&rubric, (&reference, &second), *manner, length).await?;
            // What is printed without a grammar is as long as what was printed with one.
            length = length.or(Some(warm.longest));
            times.add([cold.seconds, warm.seconds]);
            times.printed = Some(warm.printed);
        }
    }
    judge.unload().await;
    let rows = rows(&ours, &theirs).context("no round was counted")?;
    if options.json {
        print(&serde_json::to_string_pretty(&rows)?);
    } else {
        print(&table(&rows));
    }
    Ok(())
}

fn judge(options: &Options) -> Result<Judge> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe()?;
        Ok(own.with_file_name(format!("prompt-calibrator{}", std::env::consts::EXE_SUFFIX)))
    };
    let program = options.program.clone().map_or_else(beside, Ok)?;
    anyhow::ensure!(
        program.is_file(),
        "{} is not there: build it or give --program",
        program.display()
    );
    let spec = ModelSpec {
        model: options.model.clone(),
        mmproj: options.mmproj.clone(),
        image_tokens: options.tokens,
        threads: options.threads,
        gpu_layers: None,
        adapters: Vec::new(),
        keep: None,
    };
    Ok(bench::judge(
        &WorkerConfig::new(program, spec),
        options.tokens,
        Evidence::Values,
    ))
}

/// Seconds of a cold and a warm judgement: steps A, B and C, and B and C against the same reference.
async fn judged(judge: &Judge, rubric: &Rubric, [reference, first, second]: &[Picture; 3]) -> Result<[f64; 2]> {
    let (teller, cancel) = (Teller::silent(), CancellationToken::new());
    let call = Call {
        rubric,
        guarded: false,
        teller: &teller,
        cancel: &cancel,
    };
    let observe = async |generated, given: Given<'_>| -> Result<(f64, Vec<AxisValue>)> {
        let started = Instant::now();
        let seen = judge
            .observe(Pair { reference, generated }, Evidence::Values, given, call)
            .await?;
        Ok((started.elapsed().as_secs_f64(), seen.reference))
    };
    let (cold, values) = observe(first, Given::Own).await?;
    let (warm, _) = observe(second, Given::Reference(&values)).await?;
    Ok([cold, warm])
}

fn rows(ours: &Times, theirs: &[(Manner, Times)]) -> Option<Vec<Row>> {
    let (cold, warm) = (Spread::of(&ours.cold)?, Spread::of(&ours.warm)?);
    let mut rows = vec![Row {
        way: "prompt-calibrator".into(),
        cold,
        warm,
        printed: None,
        ratio: [1.0, 1.0],
    }];
    for (manner, times) in theirs {
        let (their_cold, their_warm) = (Spread::of(&times.cold)?, Spread::of(&times.warm)?);
        rows.push(Row {
            way: format!("llama-server, {}", manner.name()),
            cold: their_cold,
            warm: their_warm,
            printed: times.printed,
            ratio: [their_cold.median / cold.median, their_warm.median / warm.median],
        });
    }
    Some(rows)
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset("     ──            ");
    table.set_header(["", "cold s", "warm s", "printed", "cold ×", "warm ×"]);
    for row in rows {
        table.add_row([
            row.way.clone(),
            format!("{:.2}", row.cold.median),
            format!("{:.2}", row.warm.median),
            row.printed.map(|n| n.to_string()).unwrap_or_default(),
            format!("{:.1}", row.ratio[0]),
            format!("{:.1}", row.ratio[1]),
        ]);
    }
    table.to_string()
}

fn print(text: &str) {
    use std::io::Write as _;
    // A closed pipe (`| head`) is no error.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
