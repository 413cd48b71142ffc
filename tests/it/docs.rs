//! The README and the pages in `docs/`: they stay short, their links lead somewhere, and what they say of settings and
//! files is what the program does. `UPDATE_DOCS=1 cargo test --release --test it docs::` rewrites what is generated.

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use prompt_calibrator::config::{Config, Environment, PREFIX, Settings};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The README and the pages beside each other in `docs/`, by their paths below the repository.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .collect();
    assert!(pages.len() >= 11, "{pages:?}");
    pages.push("README.md".into());
    pages
}

/// The code block of this language that holds `word`.
fn block(page: &str, language: &str, word: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    let found: Vec<&str> = blocks.filter(|block| block.contains(word)).collect();
    assert_eq!(found.len(), 1, "{language} blocks with {word}");
    found[0].to_owned()
}

/// The table of settings, from the definition of the command line: a default stands at the end of a flag's help.
fn settings_table() -> String {
    let mut table = format!("| flag | variable `{PREFIX}…` | what it sets | default |\n| --- | --- | --- | --- |\n");
    let command = Settings::augment_args(clap::Command::new("settings"));
    for argument in command.get_arguments() {
        let flag = argument.get_long().unwrap();
        let variable = flag.replace('-', "_").to_ascii_uppercase();
        let value = argument.get_value_names().unwrap()[0].as_str().replace('|', "\\|");
        let help = argument.get_help().unwrap().to_string();
        let (what, default) = help
            .strip_suffix(']')
            .and_then(|help| help.split_once(" [default: "))
            .unwrap_or_else(|| panic!("--{flag} does not say what its default is: {help}"));
        table += &format!("| `--{flag} {value}` | `{variable}` | {what} | {default} |\n");
    }
    table
}

#[test]
fn the_table_of_settings_is_the_command_lines() {
    const PAGE: &str = "docs/configuration.md";
    let (begin, end) = ("<!-- settings -->\n", "<!-- /settings -->");
    let page = text(PAGE);
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{begin}{}{end}{after}", settings_table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(root().join(PAGE), &wanted).unwrap();
        return;
    }
    for (is, should_be) in page.lines().zip(wanted.lines()) {
        assert_eq!(is, should_be, "{PAGE} is not up to date: UPDATE_DOCS=1 rewrites it");
    }
    assert_eq!(page, wanted, "{PAGE} is not up to date: UPDATE_DOCS=1 rewrites it");
}

#[test]
fn the_readme_is_short() {
    let bytes = text("README.md").len();
    assert!(
        bytes <= 9_000,
        "README.md has {bytes} bytes: what is longer belongs into docs/"
    );
}

/// The name that GitHub gives to a heading.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    let kept = letters.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut links = 0;
    for page in pages() {
        let folder = page.parent().unwrap().to_owned();
        for link in text(&page)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let file = if path.is_empty() {
                page.clone()
            } else {
                folder.join(path)
            };
            assert!(root().join(&file).exists(), "{}: {link} is not there", page.display());
            if !heading.is_empty() {
                let text = text(&file);
                let mut headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.any(|line| anchor(line.trim_start_matches('#')) == heading);
                assert!(found, "{}: {link} names no heading", page.display());
            }
        }
    }
    assert!(links > 30, "{links} links were found");
}

#[test]
fn the_readme_and_the_architecture_lead_to_every_page() {
    let readme = text("README.md") + &text("ARCHITECTURE.md");
    for page in pages() {
        let link = format!("({})", page.display());
        let found = readme.contains(&link) || page == Path::new("README.md");
        assert!(
            found,
            "neither README.md nor ARCHITECTURE.md has a link to {}",
            page.display()
        );
    }
}

#[test]
fn the_rubric_that_is_shown_is_the_example() {
    let shown = block(&text("docs/rubrics.md"), "toml", "extends");
    assert!(
        text("examples/rubrics/product.toml").starts_with(&shown),
        "docs/rubrics.md and examples/rubrics/product.toml differ"
    );
}

#[test]
fn the_configuration_file_that_is_shown_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let home = folder.path().to_owned();
    for below in ["Pictures", "ComfyUI/output"] {
        fs::create_dir_all(home.join(below)).unwrap();
    }
    fs::write(&file, block(&text("docs/configuration.md"), "toml", "comfyui =")).unwrap();
    let flags = Settings {
        config: Some(file),
        ..Settings::default()
    };
    let environment = Environment {
        data_dir: Some(home.join("data")),
        cwd: home.clone(),
        home: Some(home),
        ..Environment::default()
    };
    let config = Config::resolve(flags, &environment).unwrap();
    assert_eq!(config.comfyui.value.as_str(), "http://127.0.0.1:8000/");
    assert_eq!(config.root.unwrap().value.len(), 2);
}

#[test]
fn every_variable_that_is_named_means_something() {
    let all: String = pages().iter().map(text).collect();
    let words = all.split(|c: char| !(c.is_ascii_uppercase() || c == '_'));
    let names: BTreeSet<&str> = words.filter(|w| w.starts_with(PREFIX) && *w != PREFIX).collect();
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let environment = Environment {
            vars: BTreeMap::from([(name.to_owned(), "8".into())]),
            data_dir: Some("/data".into()),
            cwd: "/".into(),
            ..Environment::default()
        };
        // An unknown variable is a warning, never an error: an error is about the value of a known one.
        if let Ok(config) = Config::resolve(Settings::default(), &environment) {
            assert_eq!(config.warnings, [""; 0], "{name}");
        }
    }
}
