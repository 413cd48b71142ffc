//! Writes training batches for the bundled judge to standard output, without end.
//!
//! The prompts are the product's own, turned into tokens by the product's own engine, and the
//! pictures pass through the product's own fitting, so that training and serving cannot drift.
//! `../frames.py` reads the stream.

mod frame;
mod pictures;
mod questions;
mod tree;

use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use llama::cpp::Prompter;

#[derive(Parser)]
struct Options {
    /// A GGUF file with the vocabulary.
    #[arg(long)]
    vocabulary: PathBuf,
    /// What to write.
    #[arg(long, value_enum, default_value = "judge")]
    mode: Mode,
    /// Samples in a batch (pictures, in the mode `see`).
    #[arg(long, default_value_t = 48)]
    batch: usize,
    /// Tokens of a sample behind the system prompt.
    #[arg(long, default_value_t = 320)]
    tokens: usize,
    /// Seeds everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stop after this many batches.
    #[arg(long)]
    batches: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Pictures and their attributes alone.
    See,
    /// Pictures and prompts.
    Judge,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let prompter = Prompter::load(&options.vocabulary)?;
    let mut rng = scenes::rng(options.seed);
    let mut source = pictures::Source::new()?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut written = 0;
    while options.batches.is_none_or(|most| written < most) {
        let batch = match options.mode {
            Mode::See => frame::see(&mut source, options.batch, &mut rng)?,
            Mode::Judge => {
                let asked = questions::Asked::batch(&prompter, &mut source, options.batch, options.tokens, &mut rng)?;
                frame::judge(&asked)
            }
        };
        // The reader ends the stream by closing it.
        if batch.write(&mut out).and_then(|()| out.flush()).is_err() {
            break;
        }
        written += 1;
    }
    Ok(())
}
