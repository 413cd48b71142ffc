//! What a judge computes once, computed once for all tests: its self-check, and the scale of the bundled reference. It
//! would take most of their time. Every server still loads the model itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::mcp_binary::bench::BINARY;

/// The tests run at once, on few cores.
pub const THREADS: (&str, &str) = ("PROMPT_CALIBRATOR_THREADS", "1");

/// One of the bundled pictures.
pub fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("examples/pictures")
        .join(name)
}

/// Makes a data folder in which the judge is known already.
pub fn fill(data: &Path) {
    static KNOWN: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    for (name, bytes) in KNOWN.get_or_init(judged_once) {
        let path = data.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The data folder that a judgement on the command line leaves, without the model's files.
fn judged_once() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = tempfile::tempdir().unwrap();
    let judged = Command::new(BINARY)
        .arg("judge")
        .args([picture("reference.png"), picture("generated.png")])
        .arg("--data-dir")
        .arg(folder.path())
        .env_clear()
        .envs([("HOME", folder.path().to_str().unwrap()), THREADS])
        .output()
        .unwrap();
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    let mut files = Vec::new();
    gather(folder.path(), folder.path(), &mut files);
    files
}

fn gather(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_name() == "bundled" {
            continue;
        }
        if path.is_dir() {
            gather(root, &path, files);
        } else {
            files.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap()));
        }
    }
}
