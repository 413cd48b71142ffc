//! `completions`: a script that completes the command line in a shell.

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use super::{Cli, show};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: For,
}

/// The shells that were looked at; the generator knows others.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum For {
    Bash,
    Zsh,
    Fish,
}

pub fn run(args: &Args) {
    let shell = match args.shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "prompt-calibrator", &mut script);
    show::line(String::from_utf8_lossy(&script).trim_end());
}
