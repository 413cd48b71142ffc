//! An entry into a file's text and out of it, in every format.

mod machine;

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn entry() -> Entry {
    Entry::new(Path::new("/opt/my tools/prompt-calibrator"), &[]).unwrap()
}

fn other(client: Client) -> String {
    let other = Entry {
        command: "/old/prompt-calibrator".into(),
        args: vec!["--threads".into(), "2".into(), "serve".into()],
    };
    alone(client, &other)
}

fn added(client: Client, file: &str) -> String {
    match merge(client, file, &entry()) {
        Ok(Merged::Added(text)) => text,
        merged => panic!("{client:?}: {merged:?}\n{file}"),
    }
}

fn changed(client: Client, file: &str) -> String {
    match merge(client, file, &entry()) {
        Ok(Merged::Changed { text, .. }) => text,
        merged => panic!("{client:?}: {merged:?}\n{file}"),
    }
}

/// The file without what was inserted; fails unless it is one piece.
fn without(piece: &str, text: &str) -> String {
    assert_eq!(text.matches(piece).count(), 1, "{text}");
    text.replace(piece, "")
}

/// The servers of a file as a strict reader of the client's format finds them.
fn servers(client: Client, text: &str) -> Value {
    match client {
        Client::Codex => {
            let file: ::toml::Value = ::toml::from_str(text).unwrap();
            serde_json::to_value(&file["mcp_servers"]).unwrap()
        }
        Client::VsCode => serde_json::from_str::<Value>(text).unwrap()["servers"].clone(),
        _ => serde_json::from_str::<Value>(text).unwrap()["mcpServers"].clone(),
    }
}

#[test]
fn a_new_file_has_the_entry_and_a_second_time_changes_nothing() {
    for client in Client::ALL {
        let text = added(client, "");
        assert_eq!(text, alone(client, &entry()));
        let found = &servers(client, &text)[NAME];
        assert_eq!(found["command"], "/opt/my tools/prompt-calibrator", "{client:?}");
        assert_eq!(found["args"], json!(["serve"]), "{client:?}");
        assert_eq!(found.get("type").is_some(), client == Client::VsCode);
        assert_eq!(found.get("tool_timeout_sec").is_some(), client == Client::Codex);
        assert_eq!(merge(client, &text, &entry()), Ok(Merged::Same), "{client:?}");
        for broken in ["\n", "  "] {
            assert_eq!(servers(client, &added(client, broken))[NAME], *found, "{client:?}");
        }
    }
}

#[test]
fn what_is_awkward_in_a_path_survives() {
    let path = r#"C:\Program Files\"it's" ü ${x}\prompt-calibrator.exe"#;
    for client in Client::ALL {
        let entry = Entry::new(Path::new(path), &[("config", Path::new("D:\\c.toml"))]).unwrap();
        let text = alone(client, &entry);
        let found = &servers(client, &text)[NAME];
        assert_eq!(found["command"], path, "{text}");
        assert_eq!(found["args"], json!(["--config", "D:\\c.toml", "serve"]));
        assert_eq!(find(client, &text), Ok(Some(Found::Program(path.to_owned()))));
    }
}

#[test]
fn json_beside_others_stays_byte_for_byte() {
    let file = "{\n    \"theme\": \"dark\",\n    \"mcpServers\": {\n        \"other\": { \"command\":\"x\",  \"n\": 1.50 }\n    },\n    \"last\": [1,2 , 3]\n}";
    let piece = ",\n        \"calibrator\": {\n            \"command\": \"/opt/my tools/prompt-calibrator\",\n            \"args\": [\"serve\"]\n        }";
    for client in [Client::ClaudeCode, Client::ClaudeDesktop, Client::Cursor] {
        assert_eq!(without(piece, &added(client, file)), file);
        let tabs = file.replace("    ", "\t").replace('\n', "\r\n");
        let piece = piece.replace("    ", "\t").replace('\n', "\r\n");
        assert_eq!(without(&piece, &added(client, &tabs)), tabs, "tabs and CRLF");
        let marked = format!("\u{feff}{file}");
        let text = added(client, &marked);
        assert!(text.starts_with("\u{feff}{"), "the mark stays");
        assert_eq!(merge(client, &text, &entry()), Ok(Merged::Same));
    }
}

#[test]
fn json_with_comments_keeps_them_where_the_client_allows_them() {
    let file = "// mine\n{\n  \"servers\": {\n    // a server\n    \"other\": { \"url\": \"http://x\" }, // there\n  },\n  /* secrets */ \"inputs\": [],\n}\n";
    let piece = "    \"calibrator\": {\n      \"type\": \"stdio\",\n      \"command\": \"/opt/my tools/prompt-calibrator\",\n      \"args\": [\"serve\"],\n    },\n";
    assert_eq!(without(piece, &added(Client::VsCode, file)), file);
    let cursors = file.replace("\"servers\"", "\"mcpServers\"");
    let text = added(Client::Cursor, &cursors);
    assert_eq!(
        without(&piece.replace("      \"type\": \"stdio\",\n", ""), &text),
        cursors
    );
    // A client that would not read this file is not given an entry in it.
    for client in [Client::ClaudeCode, Client::ClaudeDesktop] {
        let problem = merge(client, &cursors, &entry()).unwrap_err();
        assert!(matches!(problem, Unmergeable::Unreadable { line: 1, .. }), "{problem}");
        let comma = "{\n  \"mcpServers\": {},\n}\n";
        let problem = merge(client, comma, &entry()).unwrap_err();
        assert!(matches!(problem, Unmergeable::Unreadable { line: 3, .. }), "{problem}");
        assert!(problem.to_string().contains("without comments"), "{problem}");
    }
}

#[test]
fn toml_beside_others_stays_byte_for_byte() {
    let file = "# mine\r\nmodel   = \"gpt\"\r\n\r\n[mcp_servers.other] # a server\r\ncommand = 'x'\r\n[mcp_servers.other.env]\r\nA = \"\"\"1\n2\"\"\"\r\n\r\n[tui]\r\nnotifications = true # yes";
    for file in [file.to_owned(), file.replace("\r\n", "\n"), format!("\u{feff}{file}")] {
        let text = added(Client::Codex, &file);
        let entry = text.strip_prefix(&file).expect("it is put behind the rest");
        assert_eq!(entry.contains("\r\n"), file.contains("\r\n"));
        let read = text.trim_start_matches('\u{feff}');
        assert_eq!(servers(Client::Codex, read)[NAME]["args"], json!(["serve"]));
        assert_eq!(servers(Client::Codex, read)["other"]["command"], "x");
        assert_eq!(merge(Client::Codex, &text, &super::tests::entry()), Ok(Merged::Same));
    }
    let inline = "mcp_servers = { other = { command = 'x' } } # few\n[tui]\n";
    let text = added(Client::Codex, inline);
    assert!(text.ends_with(" # few\n[tui]\n"), "{text}");
    assert_eq!(servers(Client::Codex, &text)["other"]["command"], "x");
    assert_eq!(servers(Client::Codex, &text)[NAME]["tool_timeout_sec"], 120);
    let dotted = "mcp_servers.other.command = 'x'\n";
    let text = added(Client::Codex, dotted);
    assert!(text.starts_with(dotted));
    assert_eq!(servers(Client::Codex, &text).as_object().unwrap().len(), 2);
}

#[test]
fn another_entry_of_the_name_is_replaced_and_its_neighbours_stay() {
    for client in Client::ALL {
        let file = other(client);
        let Merged::Changed { text, old, new } = merge(client, &file, &entry()).unwrap() else {
            panic!("{client:?}");
        };
        assert!(file.contains(&old), "{old}");
        assert!(text.contains(&new), "{new}");
        assert!(old.contains("--threads") && !new.contains("--threads"));
        assert_eq!(
            servers(client, &text)[NAME],
            servers(client, &alone(client, &entry()))[NAME]
        );
    }
    let file = "{\r\n  \"mcpServers\": {\r\n    \"a\": {\"command\": \"x\"},\r\n    \"calibrator\": {\r\n      \"args\": [],\r\n      \"env\": {\"A\":  \"1\"},\r\n      \"command\": \"/old\"\r\n    },\r\n    \"z\": null\r\n  }\r\n}\r\n";
    let expected = file
        .replace("\"/old\"", "\"/opt/my tools/prompt-calibrator\"")
        .replace("[]", "[\"serve\"]");
    assert_eq!(changed(Client::Cursor, file), expected, "variables stay");

    let file = "a = 1 # one\r\n\r\n[mcp_servers.calibrator] # ours\r\ncommand = '/old' # old\r\nargs = []\r\ntool_timeout_sec = 600\r\nenv = { A = '1' }\r\n\r\n[z]\r\ntext = '''1\r\n2'''\r\n";
    let expected = file
        .replace("'/old'", "\"/opt/my tools/prompt-calibrator\"")
        .replace("[]", "[\"serve\"]");
    assert_eq!(changed(Client::Codex, file), expected, "variables and limits stay");
    let mixed = file.replacen("\r\n", "\n", 1);
    let problem = merge(Client::Codex, &mixed, &entry()).unwrap_err();
    assert!(problem.to_string().contains("two ways"), "{problem}");
}

#[test]
fn an_address_is_replaced_whole() {
    for file in [
        r#"{"mcpServers": {"calibrator": {"type": "http", "url": "http://127.0.0.1:8765/mcp", "command": "x"}}}"#,
        r#"{"mcpServers": {"calibrator": {"url": "http://127.0.0.1:8765/mcp"}}}"#,
        r#"{"mcpServers": {"calibrator": "/old"}}"#,
    ] {
        let text = changed(Client::ClaudeCode, file);
        let whole = servers(Client::ClaudeCode, &alone(Client::ClaudeCode, &entry()));
        assert_eq!(servers(Client::ClaudeCode, &text), whole, "{text}");
        assert!(find(Client::ClaudeCode, file).unwrap().is_some());
    }
    let text = changed(
        Client::Codex,
        "[mcp_servers.calibrator]\nurl = 'http://x'\n\n[z]\na = 1\n",
    );
    assert!(text.ends_with("\n\n[z]\na = 1\n") && !text.contains("http"), "{text}");
    assert_eq!(servers(Client::Codex, &text)[NAME]["tool_timeout_sec"], 120);
}

#[test]
fn what_else_the_user_wrote_does_not_make_an_entry_another_one() {
    let env = r#"{"mcpServers": {"calibrator": {"command": "/opt/my tools/prompt-calibrator", "args": ["serve"], "type": "stdio", "env": {"A": "1"}}}}"#;
    assert_eq!(merge(Client::ClaudeCode, env, &entry()), Ok(Merged::Same));
    let codex = alone(Client::Codex, &entry()).replace("120", "300");
    assert_eq!(merge(Client::Codex, &codex, &entry()), Ok(Merged::Same));
    // VS Code wants to be told the type.
    let untyped = alone(Client::VsCode, &entry()).replace("\"type\": \"stdio\",", "");
    assert_eq!(
        servers(Client::VsCode, &changed(Client::VsCode, &untyped))[NAME]["type"],
        "stdio"
    );
}

#[test]
fn what_the_client_cannot_read_is_named_by_line() {
    let json = [
        ("{\n  \"mcpServers\": {\n", 2..=3),
        ("{\n  \"mcpServers\" {}\n}", 2..=2),
        ("{\n \"a\": 1\n \"b\": 2\n}", 2..=3),
        ("{\"a\": 1} x", 1..=1),
        ("{'a': 1}", 1..=1),
        ("mcpServers:\n  a: 1\n", 1..=1),
    ];
    for (client, (file, lines)) in Client::ALL[..4].iter().flat_map(|c| json.iter().map(move |j| (*c, j))) {
        match merge(client, file, &entry()) {
            Err(Unmergeable::Unreadable { line, .. }) if lines.contains(&line) || line == 1 => (),
            merged => panic!("{client:?}: {merged:?}\n{file}"),
        }
        assert!(find(client, file).is_err(), "{file}");
    }
    for (file, wanted) in [("a = 1\n[x\n", 2), ("a = 1\na = 2\n", 2), ("\n\n{}\n", 3)] {
        match merge(Client::Codex, file, &entry()) {
            Err(Unmergeable::Unreadable { line, .. }) => assert_eq!(line, wanted, "{file}"),
            merged => panic!("{merged:?}\n{file}"),
        }
    }
}

#[test]
fn what_leaves_no_place_is_named_and_left() {
    for (file, said) in [
        ("[]", "a list"),
        ("\"x\"", "a text"),
        ("null", "null"),
        ("{\"mcpServers\": []}", "\"mcpServers\" is a list"),
        ("{\"mcpServers\": null}", "\"mcpServers\" is null"),
        ("{\"mcpServers\": {}, \"mcpServers\": {}}", "twice"),
        ("{\"mcpServers\": {\"calibrator\": {}, \"calibrator\": {}}}", "twice"),
    ] {
        for client in [Client::ClaudeCode, Client::ClaudeDesktop, Client::Cursor] {
            let problem = merge(client, file, &entry()).unwrap_err().to_string();
            assert!(problem.contains(said), "{problem}");
        }
    }
    for (file, said) in [
        ("mcp_servers = 1\n", "integer"),
        ("[[mcp_servers]]\n", "array"),
        ("[mcp_servers]\ncalibrator = 'x'\n", "string"),
    ] {
        let problem = merge(Client::Codex, file, &entry()).unwrap_err().to_string();
        assert!(problem.contains(said), "{problem}");
    }
}
