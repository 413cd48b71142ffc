//! The user's own pairs: a folder of pictures and a `pairs.csv` that says how alike they are.

mod error;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, Trim};

pub use error::FolderError;
use error::Problem;

use files::regular;

/// The list's name.
pub const FILE: &str = "pairs.csv";
/// The largest list, in bytes.
const MAX_BYTES: u64 = 4 << 20;
/// The most lines of pairs.
const MAX_PAIRS: usize = 20_000;

/// Two pictures and what is known of how alike they are.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownPair {
    /// The line of `pairs.csv`, from 1.
    pub line: u64,
    /// The reference's path, from the folder.
    pub reference: PathBuf,
    /// The other picture's path, from the folder.
    pub generated: PathBuf,
    /// How alike they are on the axes that are known, 0 to 1, in the order of the columns.
    pub axes: Vec<(String, f64)>,
    /// How alike they are altogether, 0 to 1.
    pub overall: Option<f64>,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Column<'a> {
    Reference,
    Generated,
    Overall,
    Axis(&'a str),
}

/// Reads a folder's pairs. A line without any known answer is left out: there is nothing to hold the judge against.
///
/// # Errors
/// [`FolderError`], for the first thing that is wrong; nothing is read in part.
pub fn read(folder: &Path, axis_ids: &[&str]) -> Result<Vec<KnownPair>, FolderError> {
    let list = folder.join(FILE);
    let failed = |problem| FolderError::new(&list, problem);
    let text = text(&list).map_err(failed)?;
    // Links are followed, too: a list from somebody else must not reach other files of this machine.
    let root = folder.canonicalize().map_err(|e| failed(Problem::Unreadable(e)))?;
    let delimiter = delimiter(&text);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Lines::new(text.as_bytes());
    let mut columns: Option<Vec<Column<'_>>> = None;
    let mut pairs = Vec::new();
    let mut rows = 0;
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| failed(Problem::Csv(e)))? {
        let line = lines.of(&record);
        let Some(columns) = &columns else {
            columns = Some(header(&record, axis_ids).map_err(|problem| failed(problem).at(line))?);
            continue;
        };
        // What spreadsheets write for an empty row.
        if record.iter().all(str::is_empty) {
            continue;
        }
        rows += 1;
        if rows > MAX_PAIRS {
            return Err(failed(Problem::TooManyPairs { most: MAX_PAIRS }).at(line));
        }
        pairs.extend(pair(&root, line, &record, columns, delimiter).map_err(|problem| failed(problem).at(line))?);
    }
    if rows == 0 {
        return Err(failed(Problem::NoPairs));
    }
    if pairs.is_empty() {
        return Err(failed(Problem::NoAnswers { pairs: rows }));
    }
    Ok(pairs)
}

/// The list without a byte-order mark.
fn text(list: &Path) -> Result<String, Problem> {
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more; a size asked for before may change until it is read.
    regular::open(list)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(Problem::Unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Problem::TooLarge { mib: MAX_BYTES >> 20 });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Problem::NotUtf8 {
            line: 1 + good.iter().filter(|b| **b == b'\n').count() as u64,
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned())
}

/// What stands between the cells. Spreadsheets write semicolons where the comma is the decimal mark; no column's name
/// holds any of these, so the header tells.
fn delimiter(text: &str) -> u8 {
    let header = text.trim_start().lines().next().unwrap_or_default();
    if header.contains(',') {
        b','
    } else if header.contains(';') {
        b';'
    } else if header.contains('\t') {
        b'\t'
    } else {
        b','
    }
}

/// The line a record begins on. The reader's own count is that of the line before, where lines end in `\r\n` or blank
/// lines were skipped.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1 }
    }

    fn of(&mut self, record: &StringRecord) -> u64 {
        let start = record.position().map_or(0, csv::Position::byte);
        let mut start = usize::try_from(start)
            .unwrap_or(usize::MAX)
            .clamp(self.at, self.text.len());
        start += self.text[start..]
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        self.line += self.text[self.at..start].iter().filter(|b| **b == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}

fn header<'a>(record: &StringRecord, axis_ids: &[&'a str]) -> Result<Vec<Column<'a>>, Problem> {
    let mut columns = Vec::new();
    let mut seen: HashMap<Column<'_>, usize> = HashMap::new();
    for (i, name) in record.iter().enumerate() {
        let column = match name {
            "reference" => Column::Reference,
            "generated" => Column::Generated,
            "overall" => Column::Overall,
            other => match axis_ids.iter().find(|id| **id == other) {
                Some(id) => Column::Axis(id),
                None => return Err(Problem::unknown_column(i + 1, name, axis_ids)),
            },
        };
        if let Some(first) = seen.insert(column, i + 1) {
            return Err(Problem::TwiceAColumn {
                name: name.to_owned(),
                first,
                second: i + 1,
            });
        }
        columns.push(column);
    }
    for (column, name) in [(Column::Reference, "reference"), (Column::Generated, "generated")] {
        if !seen.contains_key(&column) {
            return Err(Problem::NoColumn { name });
        }
    }
    // The two paths alone.
    if columns.len() == 2 {
        return Err(Problem::NoAnswerColumn {
            axes: axis_ids.join(", "),
        });
    }
    Ok(columns)
}

/// A line's pair, if anything is known of it.
fn pair(
    root: &Path,
    line: u64,
    record: &StringRecord,
    columns: &[Column<'_>],
    delimiter: u8,
) -> Result<Option<KnownPair>, Problem> {
    if record.len() != columns.len() {
        return Err(Problem::Cells {
            found: record.len(),
            columns: columns.len(),
        });
    }
    let mut pair = KnownPair {
        line,
        reference: PathBuf::new(),
        generated: PathBuf::new(),
        axes: Vec::new(),
        overall: None,
    };
    for (column, cell) in columns.iter().zip(record) {
        match *column {
            Column::Reference => pair.reference = picture(root, "reference", cell)?,
            Column::Generated => pair.generated = picture(root, "generated", cell)?,
            Column::Overall => pair.overall = known("overall", cell, delimiter)?,
            Column::Axis(id) => {
                if let Some(alike) = known(id, cell, delimiter)? {
                    pair.axes.push((id.to_owned(), alike));
                }
            }
        }
    }
    Ok((pair.overall.is_some() || !pair.axes.is_empty()).then_some(pair))
}

/// The path of a picture below the folder.
fn picture(root: &Path, column: &'static str, cell: &str) -> Result<PathBuf, Problem> {
    if cell.is_empty() {
        return Err(Problem::NoPath { column });
    }
    let path = cell.to_owned();
    let below = |c: Component<'_>| matches!(c, Component::Normal(_) | Component::CurDir);
    if !Path::new(cell).components().all(below) {
        return Err(Problem::Outside { column, path });
    }
    match root.join(cell).canonicalize() {
        Ok(real) if !real.starts_with(root) => Err(Problem::Outside { column, path }),
        Ok(real) if real.is_file() => Ok(path.into()),
        Ok(_) => Err(Problem::NotAFile { column, path }),
        Err(source) => Err(Problem::Missing { column, path, source }),
    }
}

/// How alike, if it is known.
fn known(column: &str, cell: &str, delimiter: u8) -> Result<Option<f64>, Problem> {
    if cell.is_empty() {
        return Ok(None);
    }
    let text = match delimiter {
        // There the comma may be the decimal mark.
        b',' => cell.to_owned(),
        _ => cell.replace(',', "."),
    };
    match text.parse::<f64>() {
        Ok(alike) if (0.0..=1.0).contains(&alike) => Ok(Some(alike)),
        _ => Err(Problem::Value {
            column: column.to_owned(),
            cell: cell.chars().take(40).collect(),
        }),
    }
}
