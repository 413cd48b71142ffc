//! Secrets in a line of a log, by the name they stand under. What a program prints of its values is no JSON, so that the line is
//! gone through as text: `"api_key": "…"`, `\"api_key\":\"…\"`, `"api_key": String("…")`, `password: ["…"]`, `password=…`.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;
use super::names::is_secret_name;

/// How far is looked for the end of a value, in bytes.
const LONGEST: usize = 4_096;

/// Names that are words of a sentence too: "the key: soft light". After them a bare value is left to its shape.
const WORDS: [&str; 5] = ["key", "token", "secret", "secrets", "auth"];

/// Values that say nothing.
const PLAIN: [&str; 5] = ["none", "null", "true", "false", "nan"];

/// What stands before the value of a request's `Authorization`.
const SCHEMES: [&str; 3] = ["basic", "bearer", "token"];

/// A line without what stands under the name of a secret, whatever it looks like.
pub fn masked_by_name(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(name) = word(text, at) {
        at = name.end;
        let name = &text[name];
        if !is_secret_name(name) {
            continue;
        }
        let Some((sign, begin)) = assigned(text, at) else {
            continue;
        };
        let bare = sign == '=' || !WORDS.contains(&name.to_lowercase().as_str());
        let value = Value::read(text, begin, bare);
        for secret in value.secrets {
            shown.push_str(&text[copied..secret.start]);
            shown.push_str(MASK);
            copied = secret.end;
        }
        at = at.max(value.end);
    }
    match copied {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(shown + &text[copied..]),
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

/// The next run of what names are made of.
fn word(text: &str, at: usize) -> Option<Range<usize>> {
    let from = at + text[at..].find(is_of_word)?;
    Some(from..past(text, from, is_of_word))
}

/// Where a run of such characters ends.
fn past(text: &str, at: usize, is_of: impl Fn(char) -> bool) -> usize {
    text[at..].find(|c| !is_of(c)).map_or(text.len(), |length| at + length)
}

/// The sign behind a name, and where its value begins.
fn assigned(text: &str, at: usize) -> Option<(char, usize)> {
    let at = past(text, at, |c| is_quote(c) || c == '\\');
    let at = past(text, at, |c| c == ' ');
    let sign = text[at..].chars().next().filter(|c| matches!(c, ':' | '='))?;
    // The path of a type or a module.
    if text[at + 1..].starts_with(':') {
        return None;
    }
    Some((sign, past(text, at + 1, |c| c == ' ')))
}

/// What stands under a name.
struct Value {
    /// Its texts.
    secrets: Vec<Range<usize>>,
    /// Where it ends, or where it is not followed any more.
    end: usize,
}

impl Value {
    /// `bare`: whether a word without quotes is a value.
    fn read(text: &str, begin: usize, bare: bool) -> Self {
        let limit = (begin + LONGEST).min(text.len());
        let limit = (begin..=limit)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(begin);
        let text = &text[..limit];
        let mut value = Self {
            secrets: Vec::new(),
            end: begin,
        };
        let mut depth = 0_usize;
        while let Some(c) = text[value.end..].chars().next() {
            let at = value.end;
            let next = at + c.len_utf8();
            if text[at..].starts_with(MASK) {
                value.end = at + MASK.len();
            } else if let Some((content, end)) = quoted(text, at) {
                value.end = end;
                let names = depth > 0 && assigned(text, end).is_some();
                if !names && !text[content.clone()].trim().is_empty() && &text[content.clone()] != MASK {
                    value.secrets.push(content);
                }
            } else {
                match c {
                    '(' | '[' | '{' => {
                        (depth, value.end) = (depth + 1, next);
                        continue;
                    }
                    ')' | ']' | '}' if depth > 0 => (depth, value.end) = (depth - 1, next),
                    _ if depth > 0 && !is_of_word(c) => {
                        // A run of backslashes is one: no quote is behind it.
                        value.end = past(text, next, |after| c == '\\' && after == '\\');
                        continue;
                    }
                    _ => {
                        let end = past(text, at, is_of_bare);
                        if end == at {
                            return value;
                        }
                        value.end = end;
                        if let Some(inside) = wrapped(text, at..end) {
                            value.end = inside;
                            continue;
                        }
                        let names = depth > 0 && assigned(text, end).is_some();
                        if (bare || depth > 0) && !names && !is_plain(&text[at..end]) {
                            value.secrets.push(at..end);
                        }
                    }
                }
            }
            if depth == 0 {
                return value;
            }
        }
        value
    }
}

fn is_of_bare(c: char) -> bool {
    !c.is_whitespace() && !is_quote(c) && !matches!(c, '&' | ',' | ';' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
}

fn is_plain(word: &str) -> bool {
    PLAIN.contains(&word.to_lowercase().as_str()) || word.parse::<f64>().is_ok()
}

/// Where the value goes on behind a word that is none: the name of a type before its brackets, a scheme, the `b` of bytes.
fn wrapped(text: &str, word: Range<usize>) -> Option<usize> {
    let behind = past(text, word.end, |c| c == ' ');
    let next = text[behind..].chars().next()?;
    let word = &text[word];
    let is_type = word.starts_with(|c: char| c.is_ascii_uppercase()) && matches!(next, '(' | '[' | '{');
    let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme)) && is_of_word(next);
    (is_type || is_scheme || (word == "b" && is_quote(next))).then_some(behind)
}

/// The content of a quoted text that begins here, and where it ends. A text in a text has backslashes before its quotes: 1, 3, 7 …
/// by how deep it lies.
fn quoted(text: &str, at: usize) -> Option<(Range<usize>, usize)> {
    let open = past(text, at, |c| c == '\\');
    let slashes = open - at;
    let quote = text[open..].chars().next().filter(|c| is_quote(*c))?;
    let from = open + 1;
    let mut run = 0;
    for (offset, c) in text[from..].char_indices() {
        if c == quote {
            let closes = run < slashes || (run - slashes).is_multiple_of(2 * (slashes + 1));
            if closes {
                let end = from + offset;
                return Some((from..end - run.min(slashes), end + 1));
            }
        }
        run = if c == '\\' { run + 1 } else { 0 };
    }
    // Cut off, or longer than is looked at.
    Some((from..text.len(), text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_under_the_name_of_a_secret_is_masked_in_whatever_is_printed() {
        for (line, shown) in [
            // As JSON values print themselves.
            (
                r#"knobs: Object {"20.api_key": String("correct-horse"), "3.steps": Number(20)}"#,
                r#"knobs: Object {"20.api_key": String("[masked]"), "3.steps": Number(20)}"#,
            ),
            (
                r#""password": Array [String("hunter"), String("two")], "text": String("a fox")"#,
                r#""password": Array [String("[masked]"), String("[masked]")], "text": String("a fox")"#,
            ),
            (
                r#"token: Some("open sesame"), n: 3"#,
                r#"token: Some("[masked]"), n: 3"#,
            ),
            // JSON, and JSON in a text.
            (
                r#"{"password": ["hunter2pass"], "text": ["a fox"]}"#,
                r#"{"password": ["[masked]"], "text": ["a fox"]}"#,
            ),
            (
                r#"{"auth": {"user": "me", "n": [1, true, null]}, "seed": 3}"#,
                r#"{"auth": {"user": "[masked]", "n": [1, true, null]}, "seed": 3}"#,
            ),
            (
                r#"said="{\"api_key\":\"open \\\"sesame\\\"\",\"x\":\"y\"}""#,
                r#"said="{\"api_key\":\"[masked]\",\"x\":\"y\"}""#,
            ),
            (
                r#""api_key": "ends with \\", "x": "y""#,
                r#""api_key": "[masked]", "x": "y""#,
            ),
            (r#"{"API key": "correct horse"}"#, r#"{"API key": "[masked]"}"#),
            (r#"{"API密钥": "correct horse"}"#, r#"{"API密钥": "[masked]"}"#),
            // Names and values.
            ("password: hunter, user: me", "password: [masked], user: me"),
            ("db_password=hunter user=me", "db_password=[masked] user=me"),
            ("GET /x?token=abc&x=1", "GET /x?token=[masked]&x=1"),
            (
                "authorization: Basic bWU6eA==, x: y",
                "authorization: Basic [masked], x: y",
            ),
            (r#"body=b"{}" secret=b"sesame""#, r#"body=b"{}" secret=b"[masked]""#),
            // Cut off.
            (r#"{"api_key": "correct-ho"#, r#"{"api_key": "[masked]"#),
        ] {
            assert_eq!(masked_by_name(line), shown);
            assert_eq!(masked_by_name(shown), shown, "masking twice changes nothing");
        }
    }

    #[test]
    fn what_says_nothing_and_what_is_said_in_passing_stays() {
        for line in [
            "the key: soft light from the left, a token: of love",
            "seed=7 steps=20 max_tokens=300 token_count: 7",
            r#"{"key_color": "green", "positive": "the key to it"}"#,
            "password: None, api_key: null, token=3",
            "tls::key::Share is not a value, key",
            "api_key=[masked] and [masked]",
            "api_key",
            "password:",
            "",
        ] {
            assert_eq!(masked_by_name(line), line);
        }
    }

    #[test]
    fn long_lines_take_no_longer_for_what_looks_like_a_name() {
        // Followed anew from every name, each would take hours.
        for piece in [
            "key: [\\\\\\\\",
            "key: [",
            "\"password\": {",
            "secret=\\",
            "token: \"",
            "api_key:(b",
        ] {
            let line = piece.repeat(2_000_000 / piece.len());
            assert!(masked_by_name(&line).len() <= line.len() * 2, "{piece}");
        }
    }
}
