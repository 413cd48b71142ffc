use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::super::LONGEST;
use super::super::normal::tokens;
use super::{LANGUAGES, Language, Minors, Words, parsed};

/// A list of a file.
struct Listed {
    /// `minors.toml: phrases`.
    of: String,
    words: Vec<String>,
}

/// The TOML files of a folder of `words/`.
fn files(folder: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("words");
    let names = fs::read_dir(root.join(folder)).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap();
        path.is_file().then(|| name.to_owned())
    });
    names.collect()
}

/// Every list of words, read without regard to what the program knows of them.
fn lists() -> Vec<Listed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("words");
    let mut lists = Vec::new();
    for file in [files(""), files("languages")].concat() {
        let text = fs::read_to_string(root.join(&file)).unwrap();
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(!table.is_empty(), "{file} has no lists");
        for (key, list) in table.iter().filter(|(key, _)| *key != "ratios") {
            let of = format!("{file}: {key}");
            let words = list.as_array().unwrap_or_else(|| panic!("{of} is no list"));
            let words = words.iter().map(|word| word.as_str().unwrap().to_owned());
            let words = words.collect();
            lists.push(Listed { of, words });
        }
    }
    lists
}

#[test]
fn the_program_can_read_all_lists() {
    if let Err(error) = Words::read() {
        panic!("{error}");
    }
    let known = BTreeSet::from(LANGUAGES.map(|(name, _)| name.to_owned()));
    assert_eq!(
        BTreeSet::from_iter(files("languages")),
        known,
        "files, and those compiled in"
    );
}

#[test]
fn no_list_is_empty_and_no_word_stands_in_it_twice() {
    for Listed { of, words } in lists() {
        assert!(!words.is_empty(), "{of} is empty");
        let distinct: BTreeSet<_> = words.iter().collect();
        let twice: Vec<_> = distinct
            .into_iter()
            .filter(|word| words.iter().filter(|other| other == word).count() > 1)
            .collect();
        assert!(twice.is_empty(), "{of}: twice: {twice:?}");
    }
}

#[test]
fn words_are_in_lower_case_with_single_spaces() {
    for Listed { of, words } in lists() {
        for word in words {
            assert_eq!(word, word.to_lowercase(), "{of}: {word:?} has capitals");
            let spaced: Vec<_> = word.split_whitespace().collect();
            assert!(
                !word.is_empty() && word == spaced.join(" "),
                "{of}: {word:?} has odd spaces"
            );
        }
    }
}

/// A word with an accent, for example, would never be found: texts are compared without.
#[test]
fn words_are_written_as_texts_are_compared() {
    let as_written = ["minors_anywhere", "strict_anywhere"];
    for Listed { of, words } in lists() {
        if as_written.iter().any(|key| of.ends_with(key)) {
            continue;
        }
        for word in words {
            let read = tokens(&word);
            let read: Vec<_> = read.iter().filter_map(|token| token.spellings.first()).collect();
            assert!(
                word.split(' ').eq(read.iter().map(|word| word.as_str())),
                "{of}: {word:?} is compared as {read:?}: write it so"
            );
            let letters = word.replace(' ', "").chars().count();
            assert!(letters <= LONGEST, "{of}: {word:?} is longer than {LONGEST} letters");
            let starred = of.ends_with("starred");
            assert!(
                !starred || word.is_ascii(),
                "{of}: {word:?} has other letters than a to z"
            );
        }
    }
}

#[test]
fn unknown_and_missing_lists_and_broken_files_are_errors() {
    let whole = include_str!("../../../words/minors.toml");
    assert!(parsed::<Minors>(("minors.toml", whole)).is_ok());
    for broken in [
        "",
        "phrases = [\"child\"]",
        "phrases = [\"child\"",
        "phrases = \"child\"",
        concat!(include_str!("../../../words/minors.toml"), "\nmore = [\"child\"]"),
    ] {
        let error = parsed::<Minors>(("minors.toml", broken)).err().unwrap();
        assert!(error.starts_with("words/minors.toml: "), "{error}");
    }
    let error = parsed::<Language>(("languages/x.toml", "strict_phrase = [\"a\"]"))
        .err()
        .unwrap();
    assert!(error.contains("unknown field"), "{error}");
}
