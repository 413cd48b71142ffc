//! Codex, which keeps its servers in TOML.

use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value, value};

use super::entry::{CODEX_WAITS_S, Entry, NAME, is_ours};
use super::{Found, Merged, Unmergeable};
use files::replace::with_ends_of;

/// The table of the servers.
const SERVERS: &str = "mcp_servers";
/// How long a call may take.
const WAITS: &str = "tool_timeout_sec";

pub(super) fn merge(text: &str, entry: &Entry) -> Result<Merged, Unmergeable> {
    let mut document = parse(text)?;
    let Some(servers) = document.get_mut(SERVERS) else {
        return Ok(Merged::Added(appended(text, entry)));
    };
    let inline = servers.is_inline_table();
    let is = servers.type_name();
    let servers = servers
        .as_table_like_mut()
        .ok_or_else(|| wrong(&format!("{SERVERS:?}"), is))?;
    let Some(old) = servers.get_mut(NAME) else {
        if !inline {
            return Ok(Merged::Added(appended(text, entry)));
        }
        servers.insert(NAME, value(inline_entry(entry)));
        return Ok(Merged::Added(as_it_was(text, &document)?));
    };
    let was = shown(old);
    let is = old.type_name();
    let table = old
        .as_table_like_mut()
        .ok_or_else(|| wrong(&format!("{SERVERS}.{NAME}"), is))?;
    if table.contains_key("command") && !table.contains_key("url") {
        if is_same(table, entry) {
            return Ok(Merged::Same);
        }
        // What else the user wrote there is about the same server: variables, approvals, a time limit.
        set(table, "command", entry.command.as_str().into());
        set(table, "args", args(entry));
    } else {
        table.clear();
        set(table, "command", entry.command.as_str().into());
        set(table, "args", args(entry));
        set(table, WAITS, CODEX_WAITS_S.into());
    }
    let new = shown(old);
    Ok(Merged::Changed {
        text: as_it_was(text, &document)?,
        old: was,
        new,
    })
}

pub(super) fn find(text: &str) -> Result<Option<Found>, Unmergeable> {
    let document = parse(text)?;
    let Some(servers) = document.get(SERVERS).and_then(Item::as_table_like) else {
        return Ok(None);
    };
    let command = |server: &Item| Some(server.as_table_like()?.get("command")?.as_str()?.to_owned());
    let found = |server: &Item| command(server).map_or(Found::Other, Found::Program);
    let ours = |server: &&Item| command(server).is_some_and(|command| is_ours(&command));
    let mut all = servers.iter().map(|(_, server)| server);
    Ok(servers.get(NAME).or_else(|| all.find(ours)).map(found))
}

fn parse(text: &str) -> Result<DocumentMut, Unmergeable> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        Unmergeable::Unreadable {
            line: before.matches('\n').count() + 1,
            problem: error.message().to_owned(),
        }
    })
}

/// The file with the entry behind it, and not a byte of it changed.
fn appended(text: &str, entry: &Entry) -> String {
    let mut added = format!(
        "[{SERVERS}.{NAME}]\ncommand = {}\nargs = {}\n\
         # A call answers after 50 seconds at the latest and goes on under a handle; an agent may ask for longer with wait_s.\n\
         {WAITS} = {CODEX_WAITS_S}\n",
        Value::from(entry.command.as_str()),
        args(entry)
    );
    if !text.is_empty() {
        added.insert(0, '\n');
    }
    if !text.is_empty() && !text.ends_with('\n') {
        added.insert(0, '\n');
    }
    if text.contains("\r\n") {
        added = added.replace('\n', "\r\n");
    }
    format!("{text}{added}")
}

fn inline_entry(entry: &Entry) -> InlineTable {
    let mut table = InlineTable::new();
    table.insert("command", entry.command.as_str().into());
    table.insert("args", args(entry));
    table.insert(WAITS, CODEX_WAITS_S.into());
    table
}

fn args(entry: &Entry) -> Value {
    Value::Array(entry.args.iter().collect::<Array>())
}

/// Sets a key; the line's own comment stays behind it.
fn set(table: &mut dyn TableLike, key: &str, to: Value) {
    let Some(old) = table.get_mut(key).and_then(Item::as_value_mut) else {
        table.insert(key, value(to));
        return;
    };
    let decor = old.decor().clone();
    *old = to;
    *old.decor_mut() = decor;
}

fn is_same(table: &dyn TableLike, entry: &Entry) -> bool {
    let command = table.get("command").and_then(Item::as_str);
    let listed = table.get("args").and_then(Item::as_array);
    let listed: Option<Vec<&str>> = listed.map(|list| list.iter().filter_map(Value::as_str).collect());
    command == Some(&entry.command) && listed.is_some_and(|listed| listed == entry.args)
}

/// A table as it stands in the file, below its name.
fn shown(item: &Item) -> String {
    match item {
        Item::Table(table) => format!("[{SERVERS}.{NAME}]\n{}", table.to_string().trim()),
        other => format!("{SERVERS}.{NAME} = {}", other.to_string().trim()),
    }
}

fn as_it_was(text: &str, document: &DocumentMut) -> Result<String, Unmergeable> {
    with_ends_of(text, document.to_string()).ok_or_else(|| {
        let problem = "its lines end in two ways, so that a change would touch others as well";
        Unmergeable::NoPlace(problem.to_owned())
    })
}

fn wrong(what: &str, is: &str) -> Unmergeable {
    Unmergeable::NoPlace(format!("{what} is of type {is} where a table belongs"))
}
