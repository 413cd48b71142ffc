//! Rust source as the rules see it: the code without comments, strings and tests, and the names in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A part of a line of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// `::`
    Into,
    /// Any other sign.
    Sign(char),
}

/// A token and the line that it stands in, from 1.
pub type Placed<'a> = (Token<'a>, usize);

/// A path such as `crate::session::Service`; of a `use` with braces, each of its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named<'a> {
    /// From its root on.
    pub path: Vec<&'a str>,
    /// What a `use` calls it here; nothing of a path in code.
    pub here: Option<&'a str>,
    /// The line.
    pub line: usize,
}

/// A file.
pub struct Source {
    /// Its path below the repository.
    pub place: String,
    code: String,
}

impl Source {
    pub fn new(place: &str, text: &str) -> Self {
        Self {
            place: place.to_owned(),
            code: without_tests(&without_texts(text)),
        }
    }

    /// What it says, in order.
    pub fn tokens(&self) -> Vec<Placed<'_>> {
        tokens(&self.code)
    }
}

/// The Rust files below this folder of the repository that are no tests, in order.
pub fn sources(root: &Path, folder: &str) -> Vec<Source> {
    let mut all: Vec<_> = fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap).collect();
    all.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in all {
        let name = entry.file_name().into_string().unwrap();
        let place = format!("{folder}/{name}");
        if entry.path().is_dir() {
            if name != "tests" && name != "target" {
                found.extend(sources(root, &place));
            }
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(Source::new(&place, &fs::read_to_string(entry.path()).unwrap()));
        }
    }
    found
}

/// All paths, those of `use` with everything in their braces.
pub fn names<'a>(tokens: &[Placed<'a>]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&(token, line)) = tokens.get(at) {
        let next = tokens.get(at + 1).map(|(token, _)| *token);
        match token {
            // `use<'a>` is a bound.
            Token::Word("use") if next != Some(Token::Sign('<')) => at = tree(tokens, at + 1, &[], &mut found),
            Token::Word(_) if next == Some(Token::Into) => {
                let mut path = Vec::new();
                while let Some((Token::Word(word), _)) = tokens.get(at) {
                    path.push(*word);
                    at += 1;
                    if tokens.get(at).map(|(token, _)| *token) != Some(Token::Into) {
                        break;
                    }
                    at += 1;
                }
                found.push(Named { path, here: None, line });
            }
            _ => at += 1,
        }
    }
    found
}

/// Reads the tree of a `use` from `at` on, below these names. Returns where it ends.
fn tree<'a>(tokens: &[Placed<'a>], mut at: usize, above: &[&'a str], found: &mut Vec<Named<'a>>) -> usize {
    let mut path = above.to_vec();
    while let Some(&(token, line)) = tokens.get(at) {
        match token {
            Token::Into => at += 1,
            Token::Sign('{') => {
                at += 1;
                while tokens.get(at).is_some_and(|(token, _)| *token != Token::Sign('}')) {
                    at = tree(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|(token, _)| *token == Token::Sign(',')) {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Token::Word("as") => {
                if let (Some(last), Some(&(Token::Word(here), _))) = (found.last_mut(), tokens.get(at + 1)) {
                    last.here = Some(here);
                }
                return at + 2;
            }
            Token::Word(_) | Token::Sign('*') => {
                let word = if let Token::Word(word) = token { word } else { "*" };
                path.push(word);
                at += 1;
                match tokens.get(at) {
                    Some((Token::Into, _)) => {}
                    more => {
                        // `self` within braces is the path before it.
                        let path: Vec<&str> = path.iter().copied().filter(|word| *word != "self").collect();
                        let here = path.last().copied();
                        found.push(Named { path, here, line });
                        if !matches!(more, Some((Token::Word("as"), _))) {
                            return at;
                        }
                    }
                }
            }
            Token::Sign(_) => return at,
        }
    }
    at
}

/// The modules that the file declares itself.
pub fn declared<'a>(tokens: &[Placed<'a>]) -> BTreeSet<&'a str> {
    let pairs = tokens.windows(2);
    pairs
        .filter_map(|pair| match (pair[0].0, pair[1].0) {
            (Token::Word("mod"), Token::Word(name)) => Some(name),
            _ => None,
        })
        .collect()
}

fn tokens(code: &str) -> Vec<Placed<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut line, mut rest) = (Vec::new(), 1, code);
    while let Some(first) = rest.chars().next() {
        let length = if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push((Token::Word(&rest[..length]), line));
            length
        } else if rest.starts_with("::") {
            found.push((Token::Into, line));
            2
        } else {
            if first == '\n' {
                line += 1;
            } else if !first.is_whitespace() {
                found.push((Token::Sign(first), line));
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    found
}

/// The code with blanks for comments, strings and characters; every line stays where it is.
fn without_texts(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let (mut rest, mut before) = (text, ' ');
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => comment(rest),
            '"' => string(rest),
            'r' if !before.is_alphanumeric() && before != '_' => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            code.push(first);
            before = first;
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            before = ' ';
            rest = &rest[length..];
        }
    }
    code
}

/// How long the comment is that starts here; such comments may hold others.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// How long the string is that starts here.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// How long the raw string is that starts here, if one does.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let from = hashes + 2;
    text[from..].find(&end).map_or(text.len(), |at| from + at + end.len())
}

/// How long the character is that starts here, if it is no lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => text[3..].find('\'').map_or(0, |at| at + 4),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// The code with blanks for what is compiled for tests only.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        let item = &rest[at + MARK.len()..];
        let mut depth = 0_usize;
        let end = item.char_indices().find_map(|(at, c)| {
            match c {
                '{' | '[' | '(' => depth += 1,
                '}' | ']' | ')' => depth -= 1,
                _ => {}
            }
            (depth == 0 && matches!(c, '}' | ';')).then_some(at + 1)
        });
        let end = at + MARK.len() + end.unwrap_or(item.len());
        kept.extend(rest[at..end].chars().filter(|c| *c == '\n'));
        rest = &rest[end..];
    }
    kept + rest
}

#[test]
fn comments_strings_and_tests_are_skipped() {
    let text = r####"
        // use a::b;
        /* use c::d; /* inner */ use e::f; */
        const TEXT: &str = "use g::h; \" use i::j;"; const RAW: &str = r#"k::l " m::n"#;
        fn of<'a>(x: &'a str) -> char { if x == "'" { '"' } else { '\'' } }
        #[cfg(test)]
        mod tests { use o::p; fn q() { r::s(); } }
        #[cfg(test)]
        #[path = "x.rs"]
        mod more;
        use t::{u, v::{self, w as x}, y::*};
        fn z() -> impl Sized + use<'static> { crate::one::Two::new(three::<four::Five>()) }
    "####;
    let source = Source::new("x.rs", text);
    let tokens = source.tokens();
    let found: Vec<String> = names(&tokens)
        .iter()
        .map(|named| format!("{} {} {}", named.line, named.path.join("::"), named.here.unwrap_or("-")))
        .collect();
    assert_eq!(
        found,
        [
            "11 t::u u",
            "11 t::v v",
            "11 t::v::w x",
            "11 t::y::* *",
            "12 crate::one::Two::new -",
            "12 three -",
            "12 four::Five -",
        ]
    );
    assert!(declared(&tokens).is_empty());
}
