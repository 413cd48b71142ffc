//! Sessions as lines of JSON: taken out whole, and put in whole or not at all.
//!
//! Every line is a row of a table with the table's name; a row is kept as it is stored, so that what goes out and comes in
//! again is the same to the last bit, but for secrets, which do not go out. Judgements get new numbers where they come in, and
//! decisions follow them. The format is that of the schema: [`Line::Head`] says which, and how many rows follow, so that a file
//! that was cut is not taken for a session.

use std::collections::BTreeMap;

use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Transaction, params_from_iter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::{HistoryError, Result};
use super::read_back::{self, Payload};
use super::schema::VERSION;
use super::sessions;
use super::store::Store;
use super::time::Timestamp;
use text::secrets::{self, Secrets};
use types::DecisionKind;
use types::{ImageHash, SessionId};

/// What an exported file calls itself.
const FORMAT: &str = "prompt-calibrator session";
/// The tables of a session in the order in which their rows depend on each other, with how a session's rows are found.
const TABLES: [(&str, &str); 10] = [
    ("sessions", "SELECT * FROM sessions WHERE id = ?1"),
    (
        "iterations",
        "SELECT * FROM iterations WHERE session_id = ?1 ORDER BY n",
    ),
    (
        "asked_seeds",
        "SELECT * FROM asked_seeds WHERE session_id = ?1 ORDER BY id",
    ),
    ("runs", "SELECT * FROM runs WHERE session_id = ?1 ORDER BY rowid"),
    (
        "images",
        "SELECT i.* FROM images i JOIN runs r USING (prompt_id) WHERE r.session_id = ?1 ORDER BY r.rowid, i.ordinal",
    ),
    (
        "judgements",
        "SELECT * FROM judgements WHERE session_id = ?1 ORDER BY id",
    ),
    ("decisions", "SELECT * FROM decisions WHERE session_id = ?1 ORDER BY id"),
    (
        "comparisons",
        "SELECT * FROM comparisons WHERE session_id = ?1 ORDER BY id",
    ),
    ("refusals", "SELECT * FROM refusals WHERE session_id = ?1 ORDER BY id"),
    (
        "reference_values",
        "SELECT v.* FROM reference_values v JOIN sessions s
             ON v.reference_hash = s.reference_hash AND v.rubric_hash = s.rubric_hash
         WHERE s.id = ?1 ORDER BY v.id",
    ),
];
/// Rows that other sessions may have brought already: they come in only where nothing of their key is there.
const SHARED: &str = "reference_values";
/// The schema version in which kinds of decisions got their present names.
const RENAMED_KINDS: i64 = 4;
/// Tables whose own number is given anew.
const NUMBERED: [&str; 6] = [
    "asked_seeds",
    "judgements",
    "decisions",
    "comparisons",
    "refusals",
    "reference_values",
];

/// One line of an exported session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Line {
    /// The first line.
    Head {
        /// Says what the file is.
        format: String,
        /// The schema version of the rows.
        version: i64,
        /// The session.
        session: SessionId,
        /// How many rows follow; exports of earlier programs do not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<usize>,
    },
    /// A row.
    Row {
        /// Its table.
        table: String,
        /// Its columns.
        row: Map<String, Value>,
    },
}

impl Line {
    /// Reads a line of a file; the error says in words why it is none of an export.
    ///
    /// # Errors
    /// The reason.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| match error.is_eof() {
            true => "it ends in the middle".to_owned(),
            false => "it is not JSON".to_owned(),
        })?;
        serde_json::from_value(value)
            .map_err(|_| "it is neither the head of an exported session nor a row of one of its tables".to_owned())
    }
}

/// Makes sure that all rows are there that the head promises.
///
/// # Errors
/// [`HistoryError::ImportCut`], [`HistoryError::Import`] for more rows than those.
pub fn check_whole(lines: &[Line]) -> Result<()> {
    let Some(Line::Head { rows: Some(rows), .. }) = lines.first() else {
        return Ok(());
    };
    let (rows, found) = (*rows, lines.len() - 1);
    match rows.checked_sub(found) {
        Some(0) => Ok(()),
        Some(missing) => Err(HistoryError::ImportCut { rows, missing }),
        None => Err(bad(rows + 1, format!("its head says that it has only {rows} rows"))),
    }
}

impl Store {
    /// A whole session, row by row, with the pictures that it names (the reference among them).
    pub async fn export_session(&self, session: &SessionId) -> Result<(Vec<Line>, Vec<ImageHash>)> {
        let session = session.clone();
        self.read_of(&session.clone(), move |transaction| {
            sessions::require(transaction, &session)?;
            let mut lines = vec![Line::Head {
                format: FORMAT.into(),
                version: VERSION,
                session: session.clone(),
                rows: None,
            }];
            for (table, query) in TABLES {
                for row in rows(transaction, query, &session)? {
                    lines.push(Line::Row {
                        table: table.into(),
                        row,
                    });
                }
            }
            let count = lines.len() - 1;
            if let Some(Line::Head { rows, .. }) = lines.first_mut() {
                *rows = Some(count);
            }
            without_secrets(&mut lines);
            let images = images_of(&lines);
            Ok((lines, images))
        })
        .await
    }

    /// Puts an exported session in, all of it or nothing. Every row is read back before it is committed, and what the history keeps
    /// for others is shown to `check`, which says what is wrong with it.
    ///
    /// # Errors
    /// [`HistoryError::Import`] for what is no export, [`HistoryError::ImportCut`] for a part of one, [`HistoryError::ImportUnreadable`] for a row that could not be read
    /// afterwards, [`HistoryError::SessionExists`] where it is there already.
    pub async fn import_session<C>(&self, lines: Vec<Line>, check: C) -> Result<SessionId>
    where
        C: Fn(Payload<'_>) -> std::result::Result<(), String> + Send + 'static,
    {
        self.write(move |transaction| {
            let session = import(transaction, lines)?;
            read_back::session(transaction, &session, &check)?;
            Ok(session)
        })
        .await
    }
}

/// The columns that hold inputs of nodes by their names, as JSON.
const INPUTS: [&str; 4] = ["workflow", "graph", "knobs", "changes"];

/// Masks the secrets of graphs, and wherever rows repeat them. A row without any stays as it is stored.
fn without_secrets(lines: &mut [Line]) {
    let mut known = Secrets::default();
    each_text(lines, |column, text| {
        if INPUTS.contains(&column)
            && let Ok(value) = serde_json::from_str(text)
        {
            known.learn(&value);
        }
    });
    each_text(lines, |column, text| {
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            *text = known.masked(text);
            return;
        };
        let mut shown = value.clone();
        if INPUTS.contains(&column) {
            secrets::mask(&mut shown);
        }
        known.mask_texts(&mut shown);
        if shown != value {
            *text = shown.to_string();
        }
    });
}

fn each_text(lines: &mut [Line], mut work: impl FnMut(&str, &mut String)) {
    for line in lines {
        let Line::Row { row, .. } = line else { continue };
        for (column, cell) in row {
            if let Value::String(text) = cell {
                work(column, text);
            }
        }
    }
}

/// Names pictures anew, wherever a row names them.
pub fn rename_images(lines: &mut [Line], names: &BTreeMap<ImageHash, ImageHash>) {
    let names: Vec<_> = names
        .iter()
        .map(|(old, new)| (old.to_string(), new.to_string()))
        .collect();
    each_text(lines, |_, text| {
        for (old, new) in &names {
            if text.contains(old) {
                *text = text.replace(old, new);
            }
        }
    });
}

/// The pictures that rows name.
pub(super) fn images_of(lines: &[Line]) -> Vec<ImageHash> {
    let mut found: Vec<ImageHash> = Vec::new();
    for line in lines {
        let Line::Row { row, .. } = line else { continue };
        for column in ["reference_hash", "image_hash"] {
            let hash = row
                .get(column)
                .and_then(Value::as_str)
                .and_then(|text| ImageHash::parse(text).ok());
            found.extend(hash);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn rows(transaction: &Transaction<'_>, query: &str, session: &SessionId) -> Result<Vec<Map<String, Value>>> {
    let mut statement = transaction.prepare(query)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement.query_map([session], |row| {
        let mut object = Map::new();
        for (at, name) in names.iter().enumerate() {
            object.insert(name.clone(), from_cell(row.get_ref(at)?));
        }
        Ok(object)
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn from_cell(cell: ValueRef<'_>) -> Value {
    match cell {
        ValueRef::Null | ValueRef::Blob(_) => Value::Null,
        ValueRef::Integer(n) => n.into(),
        ValueRef::Real(x) => x.into(),
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
    }
}

fn to_cell(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Null => Cell::Null,
        Value::Number(n) => match n.as_i64() {
            Some(n) => Cell::Integer(n),
            None => Cell::Real(n.as_f64()?),
        },
        Value::String(text) => Cell::Text(text.clone()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    })
}

fn bad(line: usize, reason: impl Into<String>) -> HistoryError {
    HistoryError::Import {
        line: line + 1,
        reason: reason.into(),
    }
}

fn import(transaction: &Transaction<'_>, lines: Vec<Line>) -> Result<SessionId> {
    check_whole(&lines)?;
    let mut lines = lines.into_iter().enumerate();
    let Some((
        0,
        Line::Head {
            format,
            version,
            session,
            rows: _,
        },
    )) = lines.next()
    else {
        return Err(bad(0, "it does not begin with the head of an exported session"));
    };
    if format != FORMAT {
        return Err(bad(0, format!("it calls itself \"{format}\", not \"{FORMAT}\"")));
    }
    if !(1..=VERSION).contains(&version) {
        return Err(bad(
            0,
            format!("it has schema version {version}; this program knows versions up to {VERSION}"),
        ));
    }
    if sessions::require(transaction, &session).is_ok() {
        return Err(HistoryError::SessionExists(session));
    }
    let mut judgements: BTreeMap<i64, i64> = BTreeMap::new();
    let mut sessions_seen = 0;
    // By judge: whether this history knew its values before.
    let mut known_values: BTreeMap<String, bool> = BTreeMap::new();
    for (at, line) in lines {
        let Line::Row { table, mut row } = line else {
            return Err(bad(at, "a second head"));
        };
        let Some((table, _)) = TABLES.iter().find(|(name, _)| *name == table) else {
            return Err(bad(at, format!("there is no table \"{table}\"")));
        };
        let own = match *table {
            "sessions" => row.get("id"),
            "images" | SHARED => None,
            _ => row.get("session_id"),
        };
        if own.is_some_and(|own| own.as_str() != Some(session.as_str()))
            || (*table == "images" && !of_session(transaction, &row, &session)?)
        {
            return Err(bad(at, "a row of another session"));
        }
        if *table == "sessions" {
            sessions_seen += 1;
            // Whoever brings it in wants to work with it.
            row.insert("last_activity".into(), Timestamp::now().millis().into());
        }
        let number = NUMBERED
            .contains(table)
            .then(|| row.shift_remove("id"))
            .flatten()
            .and_then(|id| id.as_i64());
        if *table == SHARED {
            // All of a judge's or none: what this history knows of a reference is not mixed with what another one knew.
            let judge = row
                .get("judge_hash")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned();
            let known = match known_values.get(&judge) {
                Some(known) => *known,
                None => *known_values.entry(judge).or_insert(knows_values(transaction, &row)?),
            };
            if known {
                continue;
            }
        }
        if version < RENAMED_KINDS && *table == "decisions" {
            rename_kind(&mut row);
        }
        if *table == "decisions" {
            let old = row.get("judgement").and_then(Value::as_i64).unwrap_or_default();
            let new = judgements
                .get(&old)
                .ok_or_else(|| bad(at, "a decision on a judgement that is missing"))?;
            row.insert("judgement".into(), (*new).into());
        }
        let new = insert(transaction, table, &row, at)?;
        if let ("judgements", Some(old)) = (*table, number) {
            judgements.insert(old, new);
        }
    }
    if sessions_seen != 1 {
        return Err(bad(0, "it holds no session"));
    }
    Ok(session)
}

/// The name that a kind of decision has had since [`RENAMED_KINDS`].
fn rename_kind(row: &mut Map<String, Value>) {
    let new = match row.get("kind").and_then(Value::as_str) {
        Some("leaning_keep") => DecisionKind::TentativeKeep,
        Some("leaning_revert") => DecisionKind::TentativeRevert,
        _ => return,
    };
    row.insert("kind".into(), new.as_str().into());
}

fn of_session(transaction: &Transaction<'_>, image: &Map<String, Value>, session: &SessionId) -> Result<bool> {
    let id = image.get("prompt_id").and_then(Value::as_str).unwrap_or_default();
    Ok(transaction
        .prepare_cached("SELECT 1 FROM runs WHERE prompt_id = ?1 AND session_id = ?2")?
        .exists((id, session))?)
}

fn knows_values(transaction: &Transaction<'_>, row: &Map<String, Value>) -> Result<bool> {
    let text = |column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(transaction
        .prepare_cached(
            "SELECT 1 FROM reference_values WHERE reference_hash = ?1 AND judge_hash = ?2 AND rubric_hash = ?3",
        )?
        .exists((text("reference_hash"), text("judge_hash"), text("rubric_hash")))?)
}

/// Inserts a row whose columns are those of the table; gives its rowid.
fn insert(transaction: &Transaction<'_>, table: &str, row: &Map<String, Value>, at: usize) -> Result<i64> {
    let mut known = transaction.prepare_cached("SELECT name FROM pragma_table_info(?1)")?;
    let known: Vec<String> = known
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if let Some(odd) = row.keys().find(|name| !known.contains(name)) {
        return Err(bad(at, format!("{table} has no column \"{odd}\"")));
    }
    let cells: Option<Vec<Cell>> = row.values().map(to_cell).collect();
    let cells = cells.ok_or_else(|| bad(at, "a value that is neither text nor a number"))?;
    // The names are those of the schema, as was just checked.
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let places: Vec<String> = (1..=columns.len()).map(|i| format!("?{i}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({})",
        columns.join(", "),
        places.join(", ")
    );
    transaction
        .prepare_cached(&sql)?
        .execute(params_from_iter(cells))
        .map_err(|error| bad(at, format!("a row that the table {table} does not take: {error}")))?;
    Ok(transaction.last_insert_rowid())
}
