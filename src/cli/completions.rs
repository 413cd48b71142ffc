//! `completions`: a script that completes the command line in a shell.

use clap::{Command, CommandFactory as _};
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
    generate(shell, &mut for_people(), "prompt-calibrator", &mut script);
    show::line(String::from_utf8_lossy(&script).trim_end());
}

/// The command line without what nobody types: the generator would offer that too.
fn for_people() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set());
    Command::new("prompt-calibrator")
        .version(env!("CARGO_PKG_VERSION"))
        .args(all.get_arguments().cloned())
        .subcommands(shown.cloned())
}
