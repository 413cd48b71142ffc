//! What ARCHITECTURE.md and `docs/` name exists: files between backticks, and files that they link to.

use std::fs;
use std::path::{Path, PathBuf};

/// Beginnings of paths from the repository's root.
const ROOTS: [&str; 10] = [
    ".cargo/",
    ".ci/",
    "crates/",
    "docs/",
    "examples/",
    "fuzz/",
    "gguf/",
    "src/",
    "tests/",
    "tools/",
];

/// Three printed pages.
const ARCHITECTURE_BYTES: usize = 14 * 1024;

fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.join("ARCHITECTURE.md")];
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expanded(path: &str) -> Vec<String> {
    let (Some(open), Some(close)) = (path.find('{'), path.find('}')) else {
        return vec![path.to_owned()];
    };
    path[open + 1..close]
        .split(',')
        .flat_map(|part| expanded(&format!("{}{part}{}", &path[..open], &path[close + 1..])))
        .collect()
}

/// The pieces of a line between backticks that look like a path from the root.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-{},".contains(c);
    line.split('`')
        .skip(1)
        .step_by(2)
        .filter(move |piece| ROOTS.iter().any(|root| piece.starts_with(root)) && piece.chars().all(plain))
}

/// The files that a line links to.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
}

#[test]
fn what_the_documents_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut missing, mut seen) = (Vec::new(), 0);
    for document in documents(root) {
        let text = fs::read_to_string(&document).unwrap();
        for (n, line) in text.lines().enumerate() {
            let named = paths(line).flat_map(expanded).map(|path| root.join(path));
            let linked = links(line).map(|link| document.parent().unwrap().join(link));
            for path in named.chain(linked) {
                seen += 1;
                if !path.exists() {
                    missing.push(format!("{}:{}: {}", document.display(), n + 1, path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "these do not exist:\n{}", missing.join("\n"));
    assert!(seen > 200, "only {seen} paths were found");
}

#[test]
fn every_decision_is_in_the_index() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/decisions");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()) {
        let name = file.into_string().unwrap();
        assert!(
            name == "README.md" || index.contains(&format!("({name})")),
            "docs/decisions/README.md lacks {name}"
        );
    }
}

#[test]
fn the_architecture_stays_short() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    assert!(
        text.len() <= ARCHITECTURE_BYTES,
        "ARCHITECTURE.md has {} bytes, at most {ARCHITECTURE_BYTES}: decisions go to docs/decisions, details to the modules",
        text.len()
    );
}
