//! Every error type of the program, every variant of each: what to do about it reaches the edges.

mod apart;
mod comfy;
mod history;
mod judge;
mod models;
mod session;
mod setup;
mod transport;

use std::any::type_name;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use rmcp::model::CallToolResponse;

use types::hint::{Hint, in_words};

use crate::cli::error::{CliError, Context};
use crate::cli::show;
use crate::mcp::convert;

/// An error as each edge shows it.
struct Sample {
    /// Its type, by its full path.
    of: &'static str,
    /// Its variant; of a struct its name.
    variant: String,
    hint: Option<String>,
    command_line: String,
    command_line_with_context: String,
    tool: String,
    sentence: String,
}

/// What the edges show of an error of some type.
fn sample<E: Hint>(make: impl Fn() -> E) -> Sample {
    let debug = format!("{:?}", make());
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let (hint, sentence, tool) = (make().what_to_do(), in_words(&make()), convert::failed(&make()));
    let CallToolResponse::Complete(tool) = tool else {
        panic!("an error is a result")
    };
    let context: Result<(), _> = Err(make()).context("it was tried");
    Sample {
        of: type_name::<E>(),
        variant: debug.chars().take_while(|c| name(*c)).collect(),
        hint,
        command_line: show::in_lines(&CliError::from(make())),
        command_line_with_context: show::in_lines(&context.unwrap_err()),
        tool: tool.content[0].as_text().unwrap().text.clone(),
        sentence,
    }
}

/// Makes a sample of each expression, which is evaluated once for each edge.
macro_rules! samples {
    ($($error:expr),+ $(,)?) => { vec![$(super::sample(|| $error)),+] };
}
use samples;

/// What a system says.
fn io() -> std::io::Error {
    std::io::ErrorKind::PermissionDenied.into()
}

fn all() -> Vec<Sample> {
    let rooms = [
        comfy::samples(),
        history::samples(),
        judge::samples(),
        models::samples(),
        session::samples(),
        setup::samples(),
        transport::samples(),
    ];
    rooms.into_iter().flatten().collect()
}

#[test]
fn what_to_do_reaches_every_edge() {
    for sample in all() {
        let name = format!("{}::{}", sample.of, sample.variant);
        let hint = sample.hint.unwrap_or_else(|| panic!("{name} does not say what to do"));
        assert!(hint.len() > 9, "{name}: {hint:?}");
        let on_a_line = format!("\nwhat to do: {hint}");
        assert!(sample.command_line.starts_with("error: "), "{name}");
        for printed in [&sample.command_line, &sample.command_line_with_context] {
            assert!(printed.ends_with(&on_a_line), "{name}: {printed}");
        }
        assert!(
            sample.command_line_with_context.starts_with("error: it was tried: "),
            "{name}"
        );
        assert!(
            sample.tool.ends_with(&format!("\nWhat to do: {hint}")),
            "{name}: {}",
            sample.tool
        );
        assert!(sample.sentence.ends_with(&hint), "{name}: {}", sample.sentence);
    }
}

/// The error types in the source, with their variants; a struct's only one is itself.
fn in_the_source() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = in_crate("prompt_calibrator", &root.join("src"));
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().replace('-', "_");
        found.extend(in_crate(&format!("prompt_calibrator_{name}"), &path.join("src")));
    }
    found
}

/// The error types in the source of one crate.
fn in_crate(name: &str, root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = path.strip_prefix(root).unwrap().with_extension("");
                let module = module.to_str().unwrap().trim_end_matches("/mod").replace('/', "::");
                let module = if module == "lib" {
                    name.to_owned()
                } else {
                    format!("{name}::{module}")
                };
                for (error, variants) in error_types(&fs::read_to_string(&path).unwrap()) {
                    let of = format!("{module}::{error}");
                    assert!(found.insert(of.clone(), variants).is_none(), "{of} is there twice");
                }
            }
        }
    }
    found
}

/// The types of a formatted file that derive or implement `Error`.
fn error_types(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if let Some(implemented) = line
            .strip_prefix("impl ")
            .and_then(|rest| rest.split_once("Error for "))
        {
            let (of, name) = implemented;
            if ["std::error::", "error::", ""].contains(&of) {
                let name = first_word(name).to_owned();
                found.push((name.clone(), BTreeSet::from([name])));
            }
        }
        let derives = line.strip_prefix("#[derive(").and_then(|rest| rest.strip_suffix(")]"));
        let is_error = |name: &str| ["Error", "thiserror::Error"].contains(&name.trim());
        if !derives.is_some_and(|derives| derives.split(',').any(is_error)) {
            continue;
        }
        let after = lines.iter().enumerate().skip(at);
        let mut items = after.filter_map(|(at, line)| Some((at, item(line)?)));
        let (start, (kind, name)) = items.next().expect("a derive stands before an item");
        let variants = match kind {
            "enum" => lines[start + 1..]
                .iter()
                .take_while(|line| **line != "}")
                .filter_map(|line| line.strip_prefix("    "))
                .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
                .map(|line| first_word(line).to_owned())
                .collect(),
            _ => BTreeSet::from([name.to_owned()]),
        };
        found.push((name.to_owned(), variants));
    }
    found
}

/// `enum` or `struct`, and its name.
fn item(line: &str) -> Option<(&str, &str)> {
    let mut words = line.split_whitespace();
    let kind = words.find(|word| !word.starts_with("pub"))?;
    ["enum", "struct"].contains(&kind).then_some(())?;
    Some((kind, first_word(words.next()?)))
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

#[test]
fn every_error_type_and_variant_has_a_sample() {
    let mut sampled: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sample in all() {
        sampled.entry(sample.of.to_owned()).or_default().insert(sample.variant);
    }
    let mut in_source = in_the_source();
    assert!(in_source.len() > 35, "the source was read: {}", in_source.len());
    for (of, why) in apart::TYPES {
        assert!(
            in_source.remove(*of).is_some(),
            "{of} stands apart ({why}) and is no more"
        );
        assert!(!sampled.contains_key(*of), "{of} stands apart ({why}) and has samples");
    }
    for (of, variants) in in_source {
        let sampled = sampled.remove(&of).unwrap_or_default();
        assert_eq!(sampled, variants, "{of} in src/hints: samples left, variants right");
    }
    assert!(sampled.is_empty(), "they are not found in the source: {sampled:?}");
}

/// docs/troubleshooting.md names the error of an entry in a comment: `<!-- ComfyError::Unreachable -->`, several with commas.
#[test]
fn the_page_on_troubleshooting_has_every_error() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md")).unwrap();
    let comments = page.split("<!--").skip(1).filter_map(|rest| rest.split("-->").next());
    let named: BTreeSet<String> = comments
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    let mut known = BTreeSet::new();
    for (of, variants) in in_the_source() {
        let error = of.rsplit("::").next().unwrap();
        for variant in variants {
            // A struct is its own only variant.
            let name = if variant == error {
                variant
            } else {
                format!("{error}::{variant}")
            };
            let shown_by_another = apart::TYPES.iter().any(|(apart, _)| *apart == of);
            assert!(
                shown_by_another || named.contains(&name),
                "docs/troubleshooting.md does not have {name}"
            );
            known.insert(name);
        }
    }
    let gone: Vec<&String> = named.difference(&known).collect();
    assert!(
        gone.is_empty(),
        "docs/troubleshooting.md has errors that are no more: {gone:?}"
    );
}

#[test]
fn the_source_is_read_as_it_is_written() {
    let text = "#[derive(Debug, thiserror::Error)]\n#[error(\"x\")]\npub(super) enum A {\n    /// B.\n    #[error(\"b\")]\n    B,\n    C {\n        \
                d: u8,\n    },\n    E(u8),\n}\n\n#[derive(Error)]\npub struct F;\n\nimpl std::error::Error for G {}\n\nimpl From<Error for H> {}\n";
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let wanted = vec![
        ("A".to_owned(), of(&["B", "C", "E"])),
        ("F".to_owned(), of(&["F"])),
        ("G".to_owned(), of(&["G"])),
    ];
    assert_eq!(error_types(text), wanted);
}
