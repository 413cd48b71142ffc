//! Files that a person names for a result: what is there already is replaced only where it is such a result.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::error::{CliError, Context, Result};
use files::replace::replace;

/// How much of a file is looked at.
const BEGINNING: u64 = 1024;

/// What a result is told by, near its beginning.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A page for a browser.
    Page,
    /// The numbers of an evaluation.
    Numbers,
}

impl Kind {
    fn mark(self) -> &'static str {
        match self {
            // What our pages forbid themselves.
            Self::Page => "content=\"default-src 'none'; img-src data:",
            Self::Numbers => "\"judge\": ",
        }
    }
}

/// Writes a result whole or not at all.
pub fn write(path: &Path, content: &str, kind: Kind) -> Result<()> {
    let failed = || format!("{} cannot be written", path.display());
    match fs::metadata(path) {
        // Such as a pipe, or a terminal.
        Ok(there) if !there.is_file() => fs::write(path, content).with_context(failed),
        Ok(there) if there.len() > 0 && !is_one(path, kind).with_context(failed)? => Err(CliError::new(
            format!(
                "{} is there already and was not written by this command; it was left as it is",
                path.display()
            ),
            "Name another file, or move that one away.",
        )),
        _ => replace(path, content).with_context(failed),
    }
}

fn is_one(path: &Path, kind: Kind) -> std::io::Result<bool> {
    let mut begins = Vec::new();
    File::open(path)?.take(BEGINNING).read_to_end(&mut begins)?;
    Ok(String::from_utf8_lossy(&begins).contains(kind.mark()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result");
        let page = "<meta http-equiv=\"CSP\" content=\"default-src 'none'; img-src data:\">";
        write(&path, page, Kind::Page).unwrap();
        write(&path, &format!("{page} again"), Kind::Page).unwrap();
        assert!(fs::read_to_string(&path).unwrap().ends_with("again"));
        for (others, kind) in [
            (page, Kind::Numbers),
            ("a novel", Kind::Page),
            ("{\"a\": 1}", Kind::Numbers),
        ] {
            fs::write(&path, others).unwrap();
            let error = write(&path, page, kind).unwrap_err();
            assert!(
                error.to_string().contains("left as it is") && error.hint().is_some(),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), others);
        }
        fs::write(&path, "").unwrap();
        write(&path, "{\"judge\": 1}", Kind::Numbers).unwrap();
        write(&path, "{\"judge\": 2}", Kind::Numbers).unwrap();
    }

    #[test]
    fn the_marks_stand_in_what_is_written() {
        assert!(include_str!("../report/page.html").contains("content=\"{{policy}}\""));
        assert!(include_str!("../report/mod.rs").contains("\"default-src 'none'; img-src data:"));
        assert!(include_str!("../../crates/eval/src/page.rs").contains("default-src 'none'; img-src data:"));
    }
}
