//! `init`: the configuration, and the entry with which a client starts this program.

mod entries;
mod settings;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::show;
use crate::clients::Client;
use crate::config::{Config, Environment};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose entry; may be repeated [default: claude-code, printed]
    #[arg(long, value_enum, value_name = "CLIENT")]
    client: Vec<Named>,
    /// Write the entry into the client's file, instead of printing it
    #[arg(long, requires = "client")]
    write: bool,
    /// The project whose file is meant [default: the working folder for claude-code and vscode, the user's file for others]
    #[arg(long = "in", value_name = "DIR")]
    project: Option<PathBuf>,
    /// Replace what is there already, without asking
    #[arg(long)]
    yes: bool,
}

/// A client on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    One(Client),
    All,
}

impl clap::ValueEnum for Named {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [Named; 6] = {
            let [a, b, c, d, e] = Client::ALL;
            [
                Named::One(a),
                Named::One(b),
                Named::One(c),
                Named::One(d),
                Named::One(e),
                Named::All,
            ]
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::One(client) => client.id(),
            Self::All => "all",
        }))
    }
}

/// Why `init` stopped. What it says nothing of is done.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The configuration file has another value.
    #[error("{} has {key} = {old:?} already; it was left as it is, and nothing else was written", file.display())]
    Set {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        old: String,
    },
    /// The project's folder is not there.
    #[error("{} is no folder", .0.display())]
    NoProject(PathBuf),
}

impl InitError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Set { key, .. } => format!("Repeat it with --yes to replace that, or without --{key}."),
            Self::NoProject(_) => "Give --in the folder of a project, or leave it out.".into(),
        }
    }
}

types::hints!(InitError);

pub async fn run(args: Args, config: Config, environment: Environment) -> super::error::Result<ExitCode> {
    if let Some(project) = args.project.as_ref().filter(|project| !project.is_dir()) {
        return Err(InitError::NoProject(project.clone()).into());
    }
    let file = settings::run(&config, &environment, args.yes).await?;
    let entry = entries::entry(&config, &environment, &file)?;
    Ok(entries::run(&args, &environment, &entry))
}

/// What somebody said to replacing something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    /// There was nobody to ask.
    Nobody,
}

/// Asks on a terminal, unless the answer was given beforehand.
fn ask(yes: bool, question: &str) -> Answer {
    if yes {
        return Answer::Yes;
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Answer::Nobody;
    }
    let mut screen = io::stderr().lock();
    let _ = write!(screen, "{question} [y/N] ");
    let _ = screen.flush();
    let mut typed = String::new();
    match io::stdin().read_line(&mut typed) {
        Ok(_) if ["y", "yes"].contains(&typed.trim().to_ascii_lowercase().as_str()) => Answer::Yes,
        _ => Answer::No,
    }
}

/// What is said to a person; results are on standard output.
fn say(text: &str) {
    show::remark(text);
}
