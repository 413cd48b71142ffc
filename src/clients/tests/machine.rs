//! Where clients keep their files, what is found there, and how this program is named.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::*;
use super::entry;
use crate::config::{Environment, Machine};

/// A machine in a temporary folder.
struct Place {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        let environment = Environment {
            home: Some(at("home")),
            cwd: at("work"),
            machine: Machine {
                settings_dir: Some(at("home/.config")),
                local_dir: Some(at("home/.local/share")),
                ..Machine::default()
            },
            ..Environment::default()
        };
        Self { folder, environment }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn standing(&self, client: Client) -> Standing {
        let all = state(&self.environment);
        assert_eq!(all.len(), Client::ALL.len());
        all.into_iter().find(|state| state.client == client).unwrap().standing
    }
}

#[test]
fn each_client_has_its_place() {
    let mut place = Place::new();
    let of = |place: &Place, client: Client, project: Option<&str>| {
        client.place(&place.environment, project.map(Path::new)).unwrap()
    };
    for (client, usual, in_project) in [
        (Client::ClaudeCode, "work/.mcp.json", "work/p/.mcp.json"),
        (Client::VsCode, "work/.vscode/mcp.json", "work/p/.vscode/mcp.json"),
        (Client::Cursor, "home/.cursor/mcp.json", "work/p/.cursor/mcp.json"),
        (Client::Codex, "home/.codex/config.toml", "work/p/.codex/config.toml"),
        (
            Client::ClaudeDesktop,
            "home/.config/Claude/claude_desktop_config.json",
            "home/.config/Claude/claude_desktop_config.json",
        ),
    ] {
        assert_eq!(of(&place, client, None), place.at(usual));
        assert_eq!(of(&place, client, Some("p")), place.at(in_project));
    }
    place.environment.machine.codex_home = Some(place.at("codex"));
    assert_eq!(of(&place, Client::Codex, None), place.at("codex/config.toml"));
    let packaged = "home/.local/share/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude";
    fs::create_dir_all(place.at(packaged)).unwrap();
    let file = place.at(packaged).join("claude_desktop_config.json");
    assert_eq!(
        of(&place, Client::ClaudeDesktop, None),
        file,
        "a packaged one on Windows"
    );
    assert_eq!(Client::Cursor.place(&Environment::default(), None), None);
}

#[test]
fn the_state_of_every_client_is_found() {
    let place = Place::new();
    let program = place.file("bin/prompt-calibrator", "");
    let ours = Entry::new(&program, &[]).unwrap();
    for client in Client::ALL {
        assert_eq!(place.standing(client), Standing::Absent);
        let file = client.place(&place.environment, None).unwrap();
        let write = |text: &str| {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, text).unwrap();
        };
        let file = file.clone();
        write(&alone(client, &ours));
        let ready = Standing::Ready {
            file: file.clone(),
            program: program.clone(),
        };
        assert_eq!(place.standing(client), ready);
        write(&alone(client, &ours).replace("calibrator\": {", "mine\": {"));
        assert_eq!(place.standing(client), ready, "by its program");
        write(&alone(client, &entry()));
        let command = entry().command;
        assert_eq!(
            place.standing(client),
            Standing::Dangling {
                file: file.clone(),
                command
            }
        );
        write("[");
        assert!(matches!(place.standing(client), Standing::Unreadable { .. }));
    }
}

#[test]
fn what_claude_mcp_add_wrote_is_found() {
    let mut place = Place::new();
    place.file("bin/prompt-calibrator", "");
    place.environment.machine.search_path = place.at("bin").into();
    let server = json!({"type": "stdio", "command": "prompt-calibrator", "args": ["serve"], "env": {}});
    let here = place.environment.cwd.to_str().unwrap();
    for all in [
        json!({"mcpServers": {"cal": server}}),
        json!({"projects": {here: {"mcpServers": {"calibrator": server}}}}),
    ] {
        let file = place.file("home/.claude.json", &all.to_string());
        let program = place.at("bin/prompt-calibrator");
        assert_eq!(place.standing(Client::ClaudeCode), Standing::Ready { file, program });
    }
    let elsewhere = json!({"projects": {"/elsewhere": {"mcpServers": {"calibrator": server}}}});
    place.file("home/.claude.json", &elsewhere.to_string());
    assert_eq!(place.standing(Client::ClaudeCode), Standing::Absent);
    let http = json!({"mcpServers": {"calibrator": {"type": "http", "url": "http://127.0.0.1:8765/mcp"}}});
    let file = place.file("home/.claude.json", &http.to_string());
    assert_eq!(place.standing(Client::ClaudeCode), Standing::Address { file });
}

#[cfg(unix)]
#[test]
fn the_program_is_named_as_it_was_found() {
    let mut place = Place::new();
    let real = place.file("cellar/1.0/prompt-calibrator", "");
    fs::create_dir_all(place.at("bin")).unwrap();
    let link = place.at("bin/prompt-calibrator");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    place.environment.machine.program = Some(real.clone());
    place.environment.machine.search_path = std::env::join_paths([place.at("empty"), place.at("bin")]).unwrap();
    fs::create_dir_all(place.at("work")).unwrap();
    let beside = place.file("work/prompt-calibrator", "another one");
    for (typed, named) in [
        ("prompt-calibrator", &link),
        (link.to_str().unwrap(), &link),
        (real.to_str().unwrap(), &real),
        // What does not lead here, or cannot be told, counts for nothing.
        ("./prompt-calibrator", &real),
        ("../bin/prompt-calibrator", &real),
        ("something", &real),
        (beside.to_str().unwrap(), &real),
    ] {
        place.environment.machine.started_as = Some(typed.into());
        assert_eq!(&program(&place.environment).unwrap(), named, "{typed}");
    }
    place.environment.machine.program = None;
    assert!(matches!(program(&place.environment), Err(ClientError::NoProgram)));
}

#[test]
fn a_build_is_told_from_what_is_installed() {
    for (path, built) in [
        ("/src/target/release/prompt-calibrator", true),
        ("/src/target/x86_64-unknown-linux-gnu/debug/prompt-calibrator", true),
        ("/usr/local/bin/prompt-calibrator", false),
        ("/home/target/bin/prompt-calibrator", false),
        ("/releases/release/prompt-calibrator", false),
    ] {
        assert_eq!(is_a_build(Path::new(path)), built, "{path}");
    }
}

#[test]
fn words_for_a_shell_are_quoted_where_they_must_be() {
    let entry = Entry::new(Path::new("/opt/it's here/p"), &[("config", Path::new("/c.toml"))]).unwrap();
    if cfg!(unix) {
        assert_eq!(entry.words(), r"'/opt/it'\''s here/p' --config /c.toml serve");
    }
}
