//! The entries: printed, or written into the clients' files.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use super::{Answer, Args, Named, ask, say};
use crate::cli::show;
use crate::clients::{self, Client, ClientError, Entry, MOST_BYTES, Merged, NAME};
use crate::config::{Config, Environment, Source, usual_file};
use files::regular;
use files::replace::replace;

/// The entry: this program, and those of this call's settings that say where the others are.
pub fn entry(config: &Config, environment: &Environment, file: &Path) -> Result<Entry, ClientError> {
    let program = clients::program(environment)?;
    if clients::is_a_build(&program) {
        show::note(&format!(
            "{} lies where a build put it: the entry is good as long as it stays there, and `cargo clean` removes it",
            program.display()
        ));
    }
    let mut settings = Vec::new();
    if usual_file(environment).as_deref() != Some(file) {
        settings.push(("config", file));
    }
    if matches!(config.data_dir.source, Source::Flag(_) | Source::Environment(_)) {
        settings.push(("data-dir", config.data_dir.value.as_path()));
    }
    Entry::new(&program, &settings)
}

/// Prints or writes the entries that were asked for.
pub fn run(args: &Args, environment: &Environment, entry: &Entry) -> ExitCode {
    let mut asked: Vec<Client> = args
        .client
        .iter()
        .flat_map(|named| match named {
            Named::One(client) => vec![*client],
            Named::All => Client::ALL.to_vec(),
        })
        .collect();
    asked.sort();
    asked.dedup();
    let nothing_asked = asked.is_empty();
    if nothing_asked {
        asked.push(Client::ClaudeCode);
    }
    let mut code = ExitCode::SUCCESS;
    for client in asked {
        say("");
        let done = match args.write {
            true => write(client, args, environment, entry),
            false => {
                print(client, args, environment, entry);
                Ok(())
            }
        };
        if let Err(error) = done {
            let by_hand = matches!(error, ClientError::Wrong { .. } | ClientError::Unwritten { .. });
            show::error(&error.into());
            if by_hand {
                say("The entry:");
                show::line(clients::alone(client, entry).trim_end());
            }
            code = ExitCode::FAILURE;
        }
    }
    if nothing_asked {
        let others: Vec<&str> = Client::ALL.iter().skip(1).map(|client| client.id()).collect();
        say(&format!(
            "\nOther clients: prompt-calibrator init --client {} or all",
            others.join(", ")
        ));
    }
    if environment.machine.wsl {
        say(&format!(
            "\nA client that runs on Windows starts this through WSL (untested): command \"wsl.exe\", args [\"-e\", {:?}, …]",
            entry.command
        ));
    }
    code
}

fn print(client: Client, args: &Args, environment: &Environment, entry: &Entry) {
    let title = client.title();
    match client.place(environment, args.project.as_deref()) {
        None => say(&format!("{title}:")),
        Some(path) => {
            let there = read(&path).ok().map(|text| clients::merge(client, &text, entry));
            say(&match there {
                Some(Ok(Merged::Same)) => format!("{title}: {} has this entry already.", path.display()),
                _ => format!(
                    "{title}: this goes into {}; to have it written there, add{} --write.",
                    path.display(),
                    if args.client.is_empty() {
                        format!(" --client {}", client.id())
                    } else {
                        String::new()
                    }
                ),
            });
        }
    }
    show::line(clients::alone(client, entry).trim_end());
    match client {
        Client::ClaudeCode => say(&format!(
            "For all your projects: claude mcp add --scope user {NAME} -- {}",
            entry.words()
        )),
        Client::VsCode => {
            say(
                "For all your projects: the same in the file that VS Code's command \"MCP: Open User Configuration\" opens.",
            );
        }
        Client::ClaudeDesktop | Client::Cursor | Client::Codex => (),
    }
}

fn write(client: Client, args: &Args, environment: &Environment, entry: &Entry) -> Result<(), ClientError> {
    let title = client.title();
    let path = client
        .place(environment, args.project.as_deref())
        .ok_or(ClientError::Nowhere(client))?;
    let before = read(&path)?;
    let merged = clients::merge(client, &before, entry).map_err(|problem| ClientError::Wrong {
        client,
        path: path.clone(),
        problem,
    })?;
    let (text, done) = match merged {
        Merged::Same => {
            show::line(&format!("{title}: {} has this entry already.", path.display()));
            return Ok(());
        }
        Merged::Added(text) => (text, "written to"),
        Merged::Changed { text, old, new } => {
            let question = format!(
                "{title}: {} has another entry:\n{old}\nIt would become:\n{new}\nReplace it?",
                path.display()
            );
            match ask(args.yes, &question) {
                Answer::Yes => (text, "replaced in"),
                Answer::Nobody => return Err(ClientError::Different(path)),
                Answer::No => {
                    show::line(&format!("{title}: {} was left as it is.", path.display()));
                    return Ok(());
                }
            }
        }
    };
    // Clients write these files too, maybe while the user was thinking.
    if read(&path)? != before {
        return Err(ClientError::Meanwhile(path));
    }
    replace(&path, &text).map_err(|source| {
        let path = path.clone();
        ClientError::Unwritten { path, source }
    })?;
    show::line(&format!("{title}: entry {done} {}.", path.display()));
    say(client.afterwards());
    Ok(())
}

/// The text of a file; one that is not there has none.
fn read(path: &Path) -> Result<String, ClientError> {
    match regular::read_to_string(path, MOST_BYTES) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => {
            let path = path.to_owned();
            Err(ClientError::Unread { path, source })
        }
    }
}
