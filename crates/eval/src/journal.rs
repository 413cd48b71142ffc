//! What makes an evaluation resumable: answers by key, kept as they come, one JSON line each.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How every line of a journal begins: [`Line`] is written in the order of its fields.
const BEGINS: &[u8] = br#"{"key":"#;

/// Answers by key, in memory and, if it was opened on a file, there.
#[derive(Debug)]
pub struct Journal {
    answers: HashMap<String, Value>,
    skipped: usize,
    file: Option<Open>,
}

/// The file, locked for as long as it is open.
#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    /// Where the next line goes: behind the last whole one.
    end: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    key: String,
    value: Value,
}

#[derive(Serialize)]
struct LineRef<'a> {
    key: &'a str,
    value: &'a Value,
}

impl Journal {
    /// A journal that ends with the process.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            answers: HashMap::new(),
            skipped: 0,
            file: None,
        }
    }

    /// The journal in a file, which is made, with its folders, where it does not exist. What a killed evaluation left
    /// half-written at the end is dropped; other lines that cannot be read are skipped ([`Self::skipped`]).
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] while another evaluation has it open, [`ErrorKind::InvalidData`] if the file is
    /// something else (it is left as it is), and what the system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| told("make the folder of", path, &e))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|e| told("open", path, &e))?;
        // Before anything is read: another evaluation may be in the middle of a line.
        file.try_lock().map_err(|refused| match refused {
            TryLockError::WouldBlock => io::Error::new(
                ErrorKind::WouldBlock,
                format!(
                    "another evaluation is running on {}; nothing was changed; wait for it to end, or stop it: what \
                     it has answered is kept",
                    path.display()
                ),
            ),
            TryLockError::Error(e) => told("lock", path, &e),
        })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|e| told("read", path, &e))?;
        // A line counts once its end is there: without it the rest may be missing too.
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |last| last + 1);
        let (lines, torn) = bytes.split_at(whole);
        let mut journal = Self::in_memory();
        for line in lines.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Line>(line) {
                Ok(Line { key, value }) => {
                    journal.answers.insert(key, value);
                }
                Err(_) => journal.skipped += 1,
            }
        }
        // A file that somebody named by mistake must not lose its last line.
        let begun = &bytes[..bytes.len().min(BEGINS.len())];
        if journal.answers.is_empty() && !BEGINS.starts_with(begun) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!(
                    "{} holds something other than an evaluation's answers; it was left as it is; move it away, or \
                     name another file",
                    path.display()
                ),
            ));
        }
        if !torn.is_empty() {
            file.set_len(whole as u64).map_err(|e| told("shorten", path, &e))?;
        }
        journal.file = Some(Open {
            file,
            path: path.to_owned(),
            end: whole as u64,
        });
        Ok(journal)
    }

    /// The answer to a key; the last, where it was put more than once.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.answers.get(key)
    }

    /// Keeps an answer: first in the file, then here, so that whatever is used can be found again.
    ///
    /// # Errors
    /// What the system says. Then the answer is not kept and the journal is as it was before.
    pub fn put(&mut self, key: String, value: Value) -> io::Result<()> {
        if let Some(open) = &mut self.file {
            let mut line = serde_json::to_vec(&LineRef {
                key: &key,
                value: &value,
            })?;
            line.push(b'\n');
            open.append(&line).map_err(|e| told("write to", &open.path, &e))?;
        }
        self.answers.insert(key, value);
        Ok(())
    }

    /// How many keys have an answer.
    #[must_use]
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether no key has an answer.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }

    /// How many lines of the file could not be read when it was opened. They stay in it; their keys are asked again.
    #[must_use]
    pub fn skipped(&self) -> usize {
        self.skipped
    }
}

impl Open {
    /// One write a line. It is not forced to the disk: a kill loses nothing that was written, and after a power cut
    /// the answers that are missing are asked again.
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        // A line that failed halfway (a full disk) is written over by the next.
        self.file.seek(SeekFrom::Start(self.end))?;
        let written = self.file.write_all(line).and_then(|()| self.file.flush());
        if let Err(error) = written {
            // If this fails too, the torn line is dropped when the journal is opened again.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += line.len() as u64;
        Ok(())
    }
}

/// An error that names the file.
fn told(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("cannot {doing} the evaluation's journal {}: {error}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(journal: &mut Journal, key: &str, value: Value) {
        journal.put(key.to_owned(), value).unwrap();
    }

    #[test]
    fn answers_are_found_again_and_the_last_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/journal.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        assert!(journal.is_empty());
        put(&mut journal, "one", json!({"scores": [0.1, null]}));
        put(&mut journal, "two\nlines \"quoted\" é", json!(1));
        put(&mut journal, "one", json!(0.30000000000000004));
        assert_eq!(journal.len(), 2);
        drop(journal);

        let journal = Journal::open(&path).unwrap();
        assert_eq!((journal.len(), journal.skipped()), (2, 0));
        assert_eq!(journal.get("one"), Some(&json!(0.30000000000000004)));
        assert_eq!(journal.get("two\nlines \"quoted\" é"), Some(&json!(1)));
        assert_eq!(journal.get("three"), None);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn in_memory_leaves_nothing() {
        let mut journal = Journal::in_memory();
        put(&mut journal, "one", json!(1));
        assert_eq!((journal.get("one"), journal.len()), (Some(&json!(1)), 1));
    }

    #[test]
    fn a_torn_last_line_is_dropped_wherever_it_was_torn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let first = "{\"key\":\"one\",\"value\":1}\n";
        let second = "{\"key\":\"two é\",\"value\":2}\n";
        for kept in 0..second.len() {
            let torn = [first.as_bytes(), &second.as_bytes()[..kept]].concat();
            std::fs::write(&path, torn).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            assert_eq!((journal.len(), journal.skipped()), (1, 0), "{kept} bytes");
            put(&mut journal, "3", json!(3));
            drop(journal);
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(text, format!("{first}{{\"key\":\"3\",\"value\":3}}\n"));
        }
        // The very first line, too.
        for kept in 0..first.len() {
            std::fs::write(&path, &first[..kept]).unwrap();
            assert!(Journal::open(&path).unwrap().is_empty());
            assert_eq!(std::fs::read(&path).unwrap(), b"");
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let text = b"nonsense\n{\"key\":\"one\",\"value\":1}\n{\"key\":2,\"value\":1}\n\xff\xfe\n\n{\"key\":\"two\",\"value\":2}\r\n";
        std::fs::write(&path, text).unwrap();
        let journal = Journal::open(&path).unwrap();
        assert_eq!((journal.len(), journal.skipped()), (2, 3));
        assert_eq!(journal.get("two"), Some(&json!(2)));
        assert_eq!(std::fs::read(&path).unwrap(), text);
    }

    #[test]
    fn another_programs_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "first line\nno end").unwrap();
        let error = Journal::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("notes.txt"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first line\nno end");
    }

    #[test]
    fn only_one_evaluation_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut first = Journal::open(&path).unwrap();
        put(&mut first, "one", json!(1));
        let error = Journal::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(
            error.to_string().contains("another evaluation is running on"),
            "{error}"
        );
        put(&mut first, "two", json!(2));
        drop(first);
        assert_eq!(Journal::open(&path).unwrap().len(), 2);
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Journal::open(folder.path()).unwrap_err();
        assert!(
            error.to_string().contains(&folder.path().display().to_string()),
            "{error}"
        );
    }
}
