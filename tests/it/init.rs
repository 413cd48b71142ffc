//! `init`: what it writes is what each client reads, and the entry that the client then has starts the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::support::answering::Answering;
use crate::support::mcp_client::{Era, Inbox, LIMIT, McpClient};
use crate::support::mcp_wire::Pipes;
use comfyui_stand_in::studio::Studio;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::AbortHandle;
use tokio::time::timeout;

const BINARY: &str = env!("CARGO_BIN_EXE_prompt-calibrator");
/// The discard port: nothing answers there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A home with a project in it, and a ComfyUI that answers.
struct Person {
    folder: TempDir,
    comfyui: String,
    serving: AbortHandle,
}

impl Drop for Person {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Person {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        let studio = Studio::bind(([127, 0, 0, 1], 0).into(), Duration::ZERO).await.unwrap();
        Self {
            folder,
            comfyui: studio.url().trim_end_matches('/').to_owned(),
            serving: tokio::spawn(studio.serve()).abort_handle(),
        }
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

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn settings(&self) -> String {
        self.read(".config/prompt-calibrator/config.toml")
    }

    async fn runs(&self, program: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
        let mut command = Command::new(program);
        command
            .arg("init")
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied());
        command.env("HOME", self.at("")).current_dir(self.at("project"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        timeout(LIMIT, command.output())
            .await
            .expect("it has to end")
            .unwrap()
            .into()
    }

    /// `init` with these arguments, in the project, with a ComfyUI that a variable names.
    async fn types(&self, arguments: &[&str]) -> Said {
        let variables = [("PROMPT_CALIBRATOR_COMFYUI", self.comfyui.as_str())];
        self.runs(Path::new(BINARY), &variables, arguments).await
    }

    /// Starts what an entry says as a client does, and asks it for something.
    async fn starts(&self, entry: &Value) {
        let command = entry["command"].as_str().unwrap();
        let args: Vec<&str> = entry["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|a| a.as_str().unwrap())
            .collect();
        let home = self.at("").display().to_string();
        let inbox = Inbox::default();
        let wire = Pipes::spawn(&inbox, Path::new(command), &args, &[("HOME", &home)]);
        let client = McpClient::new(wire, inbox, Era::Session("2025-11-25"));
        let opened = client.open().await;
        assert_eq!(opened["serverInfo"]["name"], "prompt-calibrator", "{opened}");
        let history = client.call_tool("get_history", json!({})).await;
        assert_ne!(history["isError"], true, "{history}");
    }
}

/// A client as its own documentation describes it.
struct Client {
    id: &'static str,
    /// Its file, below the home.
    file: &'static str,
    /// The key of its servers.
    servers: &'static str,
    /// A file with another entry of our name, and a neighbour.
    other: &'static str,
}

impl Client {
    /// The servers in a file, as a strict reader of its format finds them.
    fn servers(&self, text: &str) -> Value {
        let file: Value = match self.file.ends_with(".toml") {
            true => toml::from_str(text).unwrap(),
            false => serde_json::from_str(text).unwrap(),
        };
        file[self.servers].clone()
    }
}

const OTHER_JSON: &str = r#"{
  "mcpServers": {"neighbour": {"command": "n", "args": []}, "calibrator": {"command": "/old", "args": ["serve"]}},
  "theme": "dark"
}"#;

const CLAUDE_CODE: Client = Client {
    id: "claude-code",
    file: "project/.mcp.json",
    servers: "mcpServers",
    other: OTHER_JSON,
};
const CLAUDE_DESKTOP: Client = Client {
    id: "claude-desktop",
    file: if cfg!(target_os = "macos") {
        "Library/Application Support/Claude/claude_desktop_config.json"
    } else {
        ".config/Claude/claude_desktop_config.json"
    },
    servers: "mcpServers",
    other: OTHER_JSON,
};
const CURSOR: Client = Client {
    id: "cursor",
    file: ".cursor/mcp.json",
    servers: "mcpServers",
    other: OTHER_JSON,
};
const VSCODE: Client = Client {
    id: "vscode",
    file: "project/.vscode/mcp.json",
    servers: "servers",
    other: r#"{
  "servers": {"neighbour": {"type": "http", "url": "http://n"}, "calibrator": {"type": "stdio", "command": "/old"}},
  "inputs": []
}"#,
};
const CODEX: Client = Client {
    id: "codex",
    file: ".codex/config.toml",
    servers: "mcp_servers",
    other: "model = \"m\"\n[mcp_servers.neighbour]\ncommand = 'n'\n[mcp_servers.calibrator]\ncommand = '/old'\n[tui]\n",
};
const CLIENTS: [&Client; 5] = [&CLAUDE_CODE, &CLAUDE_DESKTOP, &CURSOR, &VSCODE, &CODEX];

/// The whole life of an entry in one client's file.
async fn lives(client: &Client) {
    let person = Person::new().await;
    let write = ["--client", client.id, "--write"];
    let said = person.types(&write).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("written to") && said.out.lines().count() == 1,
        "{}",
        said.out
    );
    let text = person.read(client.file);
    let entry = client.servers(&text)["calibrator"].clone();
    person.starts(&entry).await;

    let said = person.types(&write).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("has this entry already"), "{}", said.out);
    assert_eq!(person.read(client.file), text);

    person.file(client.file, client.other);
    let said = person.types(&write).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert!(
        said.err.contains("error: ") && said.err.contains("--yes"),
        "{}",
        said.err
    );
    assert_eq!(person.read(client.file), client.other, "nobody was asked");

    let said = person.types(&[&write[..], &["--yes"]].concat()).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("replaced in"), "{}", said.out);
    let text = person.read(client.file);
    let (servers, before) = (client.servers(&text), client.servers(client.other));
    assert_eq!(servers["neighbour"], before["neighbour"], "{text}");
    for part in ["command", "args", "type"] {
        assert_eq!(servers["calibrator"].get(part), entry.get(part), "{text}");
    }
    for part in ["\"theme\": \"dark\"", "\"inputs\": []", "model = \"m\"", "[tui]"] {
        assert_eq!(text.contains(part), client.other.contains(part), "{text}");
    }

    let broken = format!("{}\n]]", client.other);
    person.file(client.file, &broken);
    let said = person.types(&[&write[..], &["--yes"]].concat()).await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains(": line ") && said.err.contains("by hand"),
        "{}",
        said.err
    );
    assert_eq!(person.read(client.file), broken);
    assert_eq!(
        client.servers(&said.out)["calibrator"],
        entry,
        "it is there to be copied"
    );
}

#[tokio::test]
async fn claude_code_starts_what_was_written() {
    lives(&CLAUDE_CODE).await;
}

#[tokio::test]
async fn claude_desktop_starts_what_was_written() {
    lives(&CLAUDE_DESKTOP).await;
}

#[tokio::test]
async fn cursor_starts_what_was_written() {
    lives(&CURSOR).await;
}

#[tokio::test]
async fn vscode_starts_what_was_written() {
    lives(&VSCODE).await;
}

#[tokio::test]
async fn codex_starts_what_was_written() {
    lives(&CODEX).await;
}

#[tokio::test]
async fn alone_it_writes_the_configuration_and_prints_an_entry() {
    let person = Person::new().await;
    let said = person.types(&[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(CLAUDE_CODE.servers(&said.out)["calibrator"]["args"], json!(["serve"]));
    for part in [
        "ComfyUI:   stand-in at ",
        "rendered scenes only",
        "--client claude-code --write",
        "claude-desktop, cursor, vscode, codex or all",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    let settings: toml::Table = toml::from_str(&person.settings()).unwrap();
    assert_eq!(settings["comfyui"].as_str(), Some(person.comfyui.as_str()));
    assert_eq!(settings.len(), 1);
    for client in CLIENTS {
        assert!(!person.at(client.file).exists(), "{}", client.id);
    }
}

#[tokio::test]
async fn what_the_configuration_has_is_not_replaced_unasked() {
    let person = Person::new().await;
    let name = ".config/prompt-calibrator/config.toml";
    let before = format!("# mine\nthreads = 2 # few\ncomfyui = \"{NOBODY}\" # there\n");
    person.file(name, &before);
    let said = person.types(&[]).await;
    assert_eq!(
        (said.code, person.settings()),
        (Some(0), before.clone()),
        "{}",
        said.err
    );

    let given = [
        "--comfyui",
        person.comfyui.as_str(),
        "--model",
        "m.gguf",
        "--mmproj",
        "e.gguf",
    ];
    let said = person.types(&given).await;
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{}", said.err);
    assert!(
        said.err.contains("comfyui = \"http://127.0.0.1:9\" already"),
        "{}",
        said.err
    );
    assert!(said.err.contains("--yes"), "{}", said.err);
    assert_eq!(person.settings(), before);

    let said = person.types(&[&given[..], &["--yes"]].concat()).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("MISSING: "), "{}", said.err);
    let changed = before.replace(NOBODY, &person.comfyui);
    assert!(person.settings().starts_with(&changed), "{}", person.settings());
    let settings: toml::Table = toml::from_str(&person.settings()).unwrap();
    assert_eq!(settings["model"].as_str(), person.at("project/m.gguf").to_str());
    assert_eq!(settings.len(), 4);
    let again = person.settings();
    assert_eq!(person.types(&given).await.code, Some(0));
    assert_eq!(person.settings(), again);
}

#[tokio::test]
async fn what_the_server_would_not_know_is_passed_on_or_said() {
    let person = Person::new().await;
    let (config, data) = (person.at("deep/my.toml"), person.at("data"));
    let arguments = ["--config", "../deep/my.toml", "--data-dir", "../data", "--threads", "1"];
    let variables = [
        ("PROMPT_CALIBRATOR_COMFYUI", person.comfyui.as_str()),
        ("PROMPT_CALIBRATOR_COMFYUI_TOKEN", "hush-hush"),
    ];
    let said = person.runs(Path::new(BINARY), &variables, &arguments).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    let entry = CLAUDE_CODE.servers(&said.out)["calibrator"].clone();
    let args: Vec<&str> = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a.as_str().unwrap())
        .collect();
    let [config_flag, config_given, data_flag, data_given, "serve"] = args[..] else {
        panic!("{entry}");
    };
    assert_eq!((config_flag, data_flag), ("--config", "--data-dir"));
    assert_eq!(Path::new(config_given).canonicalize().unwrap(), config);
    assert!(
        person.at(".config").read_dir().is_err(),
        "the usual place is left alone"
    );
    for part in [
        "--threads counted for this call only",
        "PROMPT_CALIBRATOR_COMFYUI_TOKEN was written nowhere",
    ] {
        assert!(said.err.contains(part), "{part}: {}", said.err);
    }
    for text in [&said.err, &said.out, &fs::read_to_string(&config).unwrap()] {
        assert!(!text.contains("hush-hush"));
    }
    person.starts(&entry).await;
    assert_eq!(Path::new(data_given).canonicalize().unwrap(), data);
}

#[tokio::test]
async fn where_nothing_answers_it_says_what_to_do_and_goes_on() {
    let person = Person::new().await;
    let said = person.runs(Path::new(BINARY), &[], &["--comfyui", NOBODY]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    // A ComfyUI of this machine may be found instead.
    assert!(said.err.contains("prompt-calibrator init --comfyui"), "{}", said.err);
    assert!(person.settings().contains(NOBODY), "it was said so");
}

#[tokio::test]
async fn all_clients_and_a_project_at_a_time() {
    let person = Person::new().await;
    fs::create_dir(person.at("elsewhere")).unwrap();
    let said = person
        .types(&["--client", "all", "--write", "--in", "../elsewhere"])
        .await;
    assert_eq!((said.code, said.out.lines().count()), (Some(0), 5), "{}", said.err);
    for name in [
        ".mcp.json",
        ".cursor/mcp.json",
        ".vscode/mcp.json",
        ".codex/config.toml",
    ] {
        assert!(person.at("elsewhere").join(name).is_file(), "{name}");
    }
    assert!(person.at(CLAUDE_DESKTOP.file).is_file(), "it knows no projects");
    for client in [&CLAUDE_CODE, &CURSOR, &VSCODE, &CODEX] {
        assert!(!person.at(client.file).exists(), "{}", client.id);
    }
    // One that fails does not keep the others from theirs.
    person.file("project/.vscode", "a file where a folder belongs");
    let said = person.types(&["--client", "all", "--write"]).await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("cannot read ") && said.err.contains(".vscode"),
        "{}",
        said.err
    );
    for client in [&CLAUDE_CODE, &CURSOR, &CODEX] {
        assert!(person.at(client.file).is_file(), "{}", client.id);
    }
    let said = person.types(&["--in", "nowhere"]).await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("nowhere is no folder"), "{}", said.err);
    let said = person.types(&["--write"]).await;
    assert!(said.code == Some(2) && said.err.contains("--client"), "{}", said.err);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let person = Person::new().await;
    // Nobody, not even root, makes files there.
    let said = person
        .types(&["--client", "claude-code", "--write", "--in", "/proc/self/fdinfo"])
        .await;
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err.contains("error: cannot write /proc/self/fdinfo/.mcp.json"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("what to do: ") && said.err.contains("by hand"),
        "{}",
        said.err
    );
    assert!(CLAUDE_CODE.servers(&said.out)["calibrator"].is_object(), "{}", said.out);
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_is_found_by_its_name_is_named_by_the_link_that_an_upgrade_moves() {
    let person = Person::new().await;
    let link = person.at("bin/prompt-calibrator");
    fs::create_dir(person.at("bin")).unwrap();
    std::os::unix::fs::symlink(BINARY, &link).unwrap();
    let bin = person.at("bin").display().to_string();
    let variables = [("PROMPT_CALIBRATOR_COMFYUI", person.comfyui.as_str()), ("PATH", &bin)];
    let said = person.runs(Path::new("prompt-calibrator"), &variables, &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(
        CLAUDE_CODE.servers(&said.out)["calibrator"]["command"].as_str(),
        link.to_str()
    );
    assert!(!said.err.contains("cargo clean"), "{}", said.err);
    assert!(person.types(&[]).await.err.contains("cargo clean"));
}

/// The files in examples/clients are what is printed, with another path.
#[tokio::test]
async fn the_examples_are_what_is_printed() {
    let person = Person::new().await;
    for (client, example) in CLIENTS.iter().zip([
        "claude-code.mcp.json",
        "claude_desktop_config.json",
        "cursor.mcp.json",
        "vscode.mcp.json",
        "codex.config.toml",
    ]) {
        let said = person.types(&["--client", client.id]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        assert!(said.err.contains("--write"), "{}", said.err);
        let printed = said.out.replace(BINARY, "/path/to/prompt-calibrator");
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("examples/clients")
            .join(example);
        assert_eq!(printed, fs::read_to_string(&file).unwrap(), "{example}");
        assert!(
            !person.at(client.file).exists(),
            "{} was printed, not written",
            client.id
        );
    }
}

/// A proxy that asks for credentials answers: starting ComfyUI is no help.
#[tokio::test]
async fn a_comfyui_that_asks_for_credentials_is_not_to_be_started() {
    let person = Person::new().await;
    let gate = Answering::new(|_| ("401 Unauthorized", String::new())).await;
    let variables = [("PROMPT_CALIBRATOR_COMFYUI", gate.url.as_str())];
    let said = person.runs(Path::new(BINARY), &variables, &[]).await;
    let all = format!("{}{}", said.out, said.err);
    assert!(
        all.contains("status 401") && all.contains("PROMPT_CALIBRATOR_COMFYUI_TOKEN"),
        "{all}"
    );
    assert!(!all.contains("Start it"), "{all}");
}
