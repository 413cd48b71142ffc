//! What the server says of itself, byte for byte, against the golden files in `tools/contracts/`.
//!
//! A change of a contract is a change for every client: it has to be seen. The failing test prints the command that
//! writes the files anew.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::mcp_client::{Era, Inbox, McpClient};
use crate::support::mcp_wire::Pipes;
use serde_json::{Value, json};

const UPDATE: &str = "UPDATE_CONTRACTS=1 cargo test --release --test it contracts::";

/// What an agent is shown of the tools, in bytes: names, descriptions, input schemas.
const SHOWN_BUDGET: usize = 4_700;
/// The whole `tools/list` result, in bytes.
const LIST_BUDGET: usize = 9_000;
/// The server's instructions, in characters; clients cut them there.
const INSTRUCTIONS_BUDGET: usize = 2_048;

/// A server that has been opened, and what it said at that.
async fn opened(era: Era) -> (McpClient, Value, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let inbox = Inbox::default();
    let program = Path::new(env!("CARGO_BIN_EXE_prompt-calibrator"));
    let arguments = ["serve", "--data-dir", &data, "--comfyui", "http://127.0.0.1:1"];
    let wire = Pipes::spawn(&inbox, program, &arguments, &[("HOME", &data)]);
    let client = McpClient::new(wire, inbox, era);
    let said = client.open().await;
    (client, said, folder)
}

async fn listed() -> Value {
    let (client, _, _folder) = opened(Era::Session("2025-11-25")).await;
    client.result("tools/list", json!({})).await
}

fn tools(list: &Value) -> Vec<Value> {
    list["tools"].as_array().unwrap().clone()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/contracts")
}

/// Compares a text with a golden file, or writes it when that is asked for.
fn same(name: &str, text: &str) {
    let path = folder().join(name);
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        fs::create_dir_all(folder()).unwrap();
        return fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "tools/contracts/{name} says otherwise. If the change is wanted, write it anew with\n    {UPDATE}\nand look at the \
         difference.\nfirst line that differs: {:?}",
        golden
            .lines()
            .chain(std::iter::repeat(""))
            .zip(text.lines())
            .find(|(old, new)| old != new)
    );
}

/// Every file of a folder and of those in it.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

/// ComfyUI's page has *File → Export (API)*; it had a menu *Workflow* once.
#[test]
fn the_export_is_named_as_the_page_names_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = files_below(&root.join("src"));
    files.extend(files_below(&root.join("crates")));
    files.extend(files_below(&root.join("docs")));
    files.extend(["README.md", "ARCHITECTURE.md", "tools/comfyui-nodes/README.md"].map(|name| root.join(name)));
    let mut named = 0;
    for file in files {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for old in ["Workflow > Export", "Workflow → Export", "Workflow -> Export"] {
            assert!(!text.contains(old), "{}: {old}", file.display());
        }
        named += ["File > Export (API)", "File → Export (API)"]
            .map(|words| text.matches(words).count())
            .iter()
            .sum::<usize>();
    }
    assert!(named >= 5, "it is named {named} times");
}

#[tokio::test]
async fn the_tools_are_as_agreed() {
    let list = listed().await;
    let mut names = Vec::new();
    for tool in tools(&list) {
        let name = format!("{}.json", tool["name"].as_str().unwrap());
        same(&name, &format!("{}\n", serde_json::to_string_pretty(&tool).unwrap()));
        names.push(name);
    }
    // A file of a tool that is gone is a contract that nobody keeps.
    let kept = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().file_name());
    names.extend(["instructions.txt", "surface.json"].map(str::to_owned));
    for file in kept.map(|name| name.into_string().unwrap()) {
        assert!(names.contains(&file), "{file} is no tool's");
    }
}

#[tokio::test]
async fn the_instructions_are_as_agreed_in_both_eras() {
    for era in [Era::Session("2025-11-25"), Era::Modern] {
        let (_, said, _folder) = opened(era).await;
        let instructions = said["instructions"].as_str().unwrap();
        assert!(
            instructions.chars().count() <= INSTRUCTIONS_BUDGET,
            "{} characters of instructions, at most {INSTRUCTIONS_BUDGET}",
            instructions.chars().count()
        );
        same("instructions.txt", &format!("{instructions}\n"));
    }
}

/// Everything else that a client is offered: capabilities, resources, their templates, prompts.
#[tokio::test]
async fn the_rest_of_the_surface_is_as_agreed() {
    let (client, said, _folder) = opened(Era::Session("2025-11-25")).await;
    let list = async |method: &str, field: &str| client.result(method, json!({})).await[field].clone();
    let surface = json!({
        "capabilities": said["capabilities"],
        "resources": list("resources/list", "resources").await,
        "resourceTemplates": list("resources/templates/list", "resourceTemplates").await,
        "prompts": list("prompts/list", "prompts").await,
    });
    same(
        "surface.json",
        &format!("{}\n", serde_json::to_string_pretty(&surface).unwrap()),
    );
}

#[tokio::test]
async fn an_agent_pays_little_for_the_list() {
    let list = listed().await;
    let shown: usize = tools(&list)
        .iter()
        .map(|tool| {
            let text = |key: &str| tool[key].as_str().unwrap().len();
            text("name") + text("description") + tool["inputSchema"].to_string().len()
        })
        .sum();
    let whole = list.to_string().len();
    println!("shown to an agent: {shown} bytes; the whole list: {whole} bytes");
    assert!(shown <= SHOWN_BUDGET, "{shown} bytes are shown, at most {SHOWN_BUDGET}");
    assert!(whole <= LIST_BUDGET, "{whole} bytes are listed, at most {LIST_BUDGET}");
}

#[tokio::test]
async fn every_tool_says_what_it_takes_gives_and_does() {
    for tool in tools(&listed().await) {
        let name = &tool["name"];
        assert!(tool["title"].is_string() && tool["description"].is_string(), "{name}");
        for schema in ["inputSchema", "outputSchema"] {
            let schema = &tool[schema];
            assert_eq!(schema["type"], "object", "{name}");
            assert!(
                schema["properties"].as_object().is_some_and(|p| p.len() >= 3),
                "{name}: {schema}"
            );
            // What strict clients stumble over.
            let text = schema.to_string();
            for trap in [
                "$ref",
                "$schema",
                "\"null\"",
                "\"format\"",
                "oneOf",
                "anyOf",
                ":true}",
                ":true,",
            ] {
                let allowed = trap == ":true}" || trap == ":true,";
                assert!(
                    !text.contains(trap) || allowed && text.contains("\"additionalProperties\":true"),
                    "{name}: {trap} in {text}"
                );
            }
        }
        assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{name}");
        assert_eq!(
            tool["outputSchema"]["properties"]["summary"]["type"], "string",
            "{name}"
        );
        assert!(
            tool["outputSchema"]["required"]
                .as_array()
                .unwrap()
                .contains(&json!("summary"))
        );
        let hints = tool["annotations"].as_object().unwrap();
        assert_eq!(hints.len(), 4, "{name}: {hints:?}");
        assert_eq!(hints["readOnlyHint"] == true, name == "get_history", "{name}");
        assert_eq!(
            hints["openWorldHint"] == true,
            name == "inject_prompt" || name == "queue_generation"
        );
        assert_eq!(hints["destructiveHint"], false, "{name}");
    }
}
