//! What looks like a secret in a text, wherever it stands.

use std::ops::Range;

use super::MASK;
use super::names::is_secret_name;

/// How keys of services begin; what follows is random.
const PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "rk_",
    "pk_live_",
    "hf_",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "gsk_",
    "xai-",
    "xoxa-",
    "xoxb-",
    "xoxp-",
    "xoxr-",
    "xoxs-",
    "nvapi-",
    "pplx-",
    "tvly-",
    "r8_",
    "AIza",
    "comfyui-",
    "dop_v1_",
    "shpat_",
    "npm_",
    "pypi-",
];

/// How AWS names its keys: these four letters and sixteen more, in capitals and digits.
const AWS: &[&str] = &["AKIA", "ASIA"];

/// How far is looked for the end of a secret, in bytes.
const LONGEST: usize = 4_096;

/// How far is looked for what tells a secret from words, in bytes: a long text takes no longer for it.
const TELLING: usize = 256;

/// The secrets of a text, from its beginning; none reaches into another.
pub fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for word in words(text) {
        if found.last().is_some_and(|last| word.start < last.end) {
            continue;
        }
        let (run, after) = (&text[word.clone()], &text[word.end..]);
        let behind = |at: Range<usize>| word.end + at.start..word.end + at.end;
        let secret = if let Some(length) = web_token(&text[word.start..]) {
            Some(word.start..word.start + length)
        } else if is_key(run) {
            Some(word.clone())
        } else if let Some(at) = address_password(after) {
            Some(behind(at))
        } else if run.eq_ignore_ascii_case("bearer") {
            borne(after).map(behind)
        } else {
            assigned(after).filter(|_| is_secret_name(run)).map(behind)
        };
        found.extend(secret);
    }
    found
}

/// Runs of what names and keys are made of.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let from = at + text[at..].find(is_of_word)?;
        let length = text[from..].find(|c| !is_of_word(c)).unwrap_or(text.len() - from);
        at = from + length;
        Some(from..at)
    })
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_of_header(c: char) -> bool {
    is_of_word(c) || matches!(c, '.' | '~' | '+' | '/' | '=')
}

/// The beginning of a text that is made of such characters, of `most` bytes about.
fn value_of(text: &str, most: usize, is_of: impl Fn(char) -> bool) -> &str {
    let end = text
        .char_indices()
        .find(|(at, c)| *at >= most || !is_of(*c))
        .map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Whether a word is the key of a service, by how it begins.
fn is_key(word: &str) -> bool {
    let aws = AWS.iter().any(|prefix| word.starts_with(prefix));
    if aws && word.len() == 20 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
        return true;
    }
    PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix)
            .is_some_and(|rest| rest.split(['-', '_']).any(is_random))
    })
}

/// Whether a piece is more likely random than a word: files are called `sk-style-detailer-v2` too.
fn is_random(piece: &str) -> bool {
    piece.len() >= 20 || (piece.len() >= 12 && is_mixed(piece))
}

fn is_mixed(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic())
}

/// The length of the JSON web token with which a text begins.
fn web_token(text: &str) -> Option<usize> {
    if !text.starts_with("eyJ") {
        return None;
    }
    let head = value_of(text, LONGEST, is_of_word).len();
    let rest = text[head..].strip_prefix('.')?;
    let body = value_of(rest, LONGEST, is_of_word).len();
    if head < 10 || body < 10 {
        return None;
    }
    let length = head + 1 + body;
    Some(match text[length..].strip_prefix('.') {
        Some(rest) => match value_of(rest, LONGEST, is_of_word).len() {
            0 => length,
            signature => length + 1 + signature,
        },
        None => length,
    })
}

/// Where the token stands in what follows the word "Bearer", as a request's head has it.
fn borne(after: &str) -> Option<Range<usize>> {
    let begins = after.len() - after.trim_start_matches(' ').len();
    let value = value_of(&after[begins..], LONGEST, is_of_header);
    (begins > 0 && value.len() >= 16 && is_mixed(value)).then(|| begins..begins + value.len())
}

/// Where a value stands in what follows its name: `="…"`, `: …`, `=Basic …`. Words are none.
fn assigned(after: &str) -> Option<Range<usize>> {
    let quote = |c: char| matches!(c, '"' | '\'' | '\\' | '`');
    let without = |at: usize, skipped: fn(char) -> bool| after.len() - after[at..].trim_start_matches(skipped).len();
    let mut at = without(0, |c| matches!(c, '"' | '\'' | '\\' | '`'));
    at = without(at, |c| c == ' ');
    if !after[at..].starts_with(['=', ':']) {
        return None;
    }
    let begin = |at: usize| without(at, |c| matches!(c, ' ' | '"' | '\'' | '\\' | '`'));
    at = begin(at + 1);
    for scheme in ["basic ", "bearer ", "token "] {
        let said = after[at..].get(..scheme.len());
        if said.is_some_and(|said| said.eq_ignore_ascii_case(scheme)) {
            at = begin(at + scheme.len());
            break;
        }
    }
    let value = |most: usize| {
        value_of(&after[at..], most, |c| {
            !c.is_whitespace() && !quote(c) && !matches!(c, '&' | ',' | ';' | ')' | ']' | '}' | '>' | '<')
        })
    };
    let telling = value(TELLING);
    (telling.len() >= 8 && is_mixed(telling)).then(|| at..at + value(LONGEST).len())
}

/// Where the password stands in what follows the scheme of an address, `https://user:password@host`.
fn address_password(after: &str) -> Option<Range<usize>> {
    let host = after.strip_prefix("://")?;
    let host = value_of(host, LONGEST, |c| {
        !c.is_whitespace() && !matches!(c, '/' | '?' | '#' | '"' | '\'')
    });
    let (login, _) = host.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let begins = "://".len() + user.len() + 1;
    (!password.is_empty() && password != MASK).then(|| begins..begins + password.len())
}
