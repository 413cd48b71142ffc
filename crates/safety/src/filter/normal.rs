//! From text as people write it to plain words and numbers.

use super::fold::fold;
use super::words::words;

/// A word or number of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// How it may be read, lower case, plain letters; the first is closest to what was written.
    pub spellings: Vec<String>,
    /// Its value if it is a number (whole part).
    pub number: Option<u32>,
    /// Whether it ends a clause: followed by `.`, `,`, `;`, `:`, `(`, `)`, a line break or the end.
    pub ends_clause: bool,
    /// What stands between it and the next one.
    pub gap: String,
}

impl Token {
    pub fn new(raw: &str, ends_clause: bool, gap: String) -> Self {
        let number = number(raw);
        Self {
            spellings: if number.is_some() {
                vec![raw.to_owned()]
            } else {
                spellings(raw)
            },
            number,
            ends_clause,
            gap,
        }
    }

    /// Whether it can be read as `word` or its plural.
    pub fn is(&self, word: &str) -> bool {
        self.spellings.iter().any(|spelling| {
            spelling
                .strip_prefix(word)
                .is_some_and(|rest| matches!(rest, "" | "s" | "es" | "z"))
        })
    }

    /// Whether it can be read as exactly one of `words`.
    pub fn is_one_of(&self, words: &[&str]) -> bool {
        self.spellings.iter().any(|spelling| words.contains(&spelling.as_str()))
    }

    /// Whether it is one letter or digit.
    pub fn is_single(&self) -> bool {
        self.spellings
            .first()
            .is_some_and(|spelling| spelling.chars().count() == 1)
    }

    /// The number that two number words make together: tens and a unit, hundreds and what follows.
    fn sum_with(&self, next: &Self, joined: bool) -> Option<Self> {
        let spelt = |token: &Self| {
            token
                .spellings
                .first()
                .is_some_and(|s| s.starts_with(char::is_alphabetic))
        };
        let (first, second) = (self.number?, next.number?);
        if !spelt(next) || self.ends_clause {
            return None;
        }
        let number = match (first, second) {
            (_, 100 | 1000) if !joined => first.saturating_mul(second),
            (100.., 1..100) if spelt(self) => first.saturating_add(second),
            (20..100, 1..10) if !joined && spelt(self) => first.saturating_add(second),
            _ => return None,
        };
        Some(Self {
            spellings: self.spellings.clone(),
            number: Some(number),
            ends_clause: next.ends_clause,
            gap: next.gap.clone(),
        })
    }

    /// Several tokens read as one word.
    pub fn joined(tokens: &[Self]) -> Self {
        if let [only] = tokens {
            return only.clone();
        }
        let raw: String = tokens
            .iter()
            .filter_map(|token| token.spellings.first())
            .cloned()
            .collect();
        Self {
            spellings: spellings(&raw),
            number: None,
            ends_clause: false,
            gap: String::new(),
        }
    }
}

/// The words and numbers of `text` in order.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut plain = Vec::with_capacity(text.len());
    text.chars().for_each(|c| fold(c, &mut plain));
    let mut tokens = Vec::new();
    let mut word = String::new();
    for (i, &c) in plain.iter().enumerate() {
        let next = plain.get(i + 1).copied();
        if c.is_alphanumeric() || is_inside(c, &word, next, plain.get(i + 2).copied()) {
            word.push(c);
            continue;
        }
        flush(&mut word, &plain[i..], &mut tokens);
    }
    flush(&mut word, &[], &mut tokens);
    merge_numbers(tokens)
}

/// "twenty-five" and "a hundred and fifteen" as one number each; an adult's age must not end in a
/// child's.
fn merge_numbers(tokens: Vec<Token>) -> Vec<Token> {
    let mut merged: Vec<Token> = Vec::with_capacity(tokens.len());
    for token in tokens {
        let joined = merged.len() > 1 && merged.last().is_some_and(|last| last.is_one_of(&["and"]));
        let before = merged.len().checked_sub(if joined { 2 } else { 1 });
        let earlier = before.and_then(|at| merged[at].sum_with(&token, joined).map(|sum| (at, sum)));
        match earlier {
            Some((at, sum)) => {
                merged.truncate(at);
                merged.push(sum);
            }
            None => merged.push(token),
        }
    }
    merged
}

fn flush(word: &mut String, rest: &[char], tokens: &mut Vec<Token>) {
    // A row of marks is gone through once, by the word before it.
    if word.is_empty() {
        return;
    }
    let gap: String = rest.iter().copied().take_while(|c| !c.is_alphanumeric()).collect();
    // A mark before the next word ends the clause.
    let ends_clause = gap.chars().count() == rest.len() || gap.contains(['.', ',', ';', ':', '(', ')', '\n', '|']);
    for (i, piece) in split_age(word).into_iter().rev().enumerate() {
        let at = tokens.len() - i;
        let last = i == 0;
        let gap = if last { gap.clone() } else { String::new() };
        tokens.insert(at, Token::new(&piece, ends_clause && last, gap));
    }
    word.clear();
}

/// Marks that belong to a word: a symbol standing for a letter ("ch!ld", "@dult"), the point or
/// comma of a number ("17.5", "1,000").
fn is_inside(c: char, word: &str, next: Option<char>, after: Option<char>) -> bool {
    let follows = |test: fn(&char) -> bool| next.as_ref().is_some_and(test);
    match c {
        '@' | '$' => follows(|n| n.is_alphabetic()),
        '!' | '|' => word.contains(char::is_alphabetic) && follows(|n| n.is_alphabetic()),
        '.' => is_digits(word) && follows(char::is_ascii_digit),
        // A thousands separator, not a list of numbers: three digits have to follow.
        ',' => is_digits(word) && follows(char::is_ascii_digit) && after.is_some_and(|a| a.is_ascii_digit()),
        _ => false,
    }
}

fn is_digits(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

/// "14yo", "15yrs", "1girl", "age14" as two words; other mixtures of letters and digits stay, since
/// the digits may stand for letters ("l0li").
fn split_age(word: &str) -> Vec<String> {
    if word.is_empty() {
        return Vec::new();
    }
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let (number, rest) = word.split_at(digits);
    let units = [
        "y", "yo", "yos", "yr", "yrs", "year", "years", "yearold", "yearsold", "month", "months", "mo", "girl",
        "girls", "boy", "boys",
    ];
    if !number.is_empty() && units.contains(&rest) {
        return vec![number.to_owned(), rest.to_owned()];
    }
    // "17f" as in personal ads, and the ages of East Asian texts ("14歳").
    let short = rest == "f" && digits == 2;
    if !number.is_empty() && (short || rest.starts_with(['歳', '才', '岁', '歲', '세', '살'])) {
        return vec![number.to_owned(), "yo".to_owned()];
    }
    let letters = word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len());
    let (name, tail) = word.split_at(letters);
    if is_digits(tail) && ["age", "aged", "ages"].contains(&name) {
        return vec![name.to_owned(), tail.to_owned()];
    }
    vec![word.to_owned()]
}

/// The value of digits or of a number word; the whole part of "17.5".
pub(super) fn number(word: &str) -> Option<u32> {
    if word.starts_with(|c: char| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || c == '.' || c == ',')
    {
        let whole: String = word
            .split('.')
            .next()
            .unwrap_or("")
            .chars()
            .filter(|&c| c != ',')
            .collect();
        // More digits than fit is a large number, not a small one.
        return Some(whole.parse().unwrap_or(u32::MAX));
    }
    let numbers = &words().numbers;
    let place = |list: &[&str]| list.iter().position(|&w| w == word).and_then(|n| u32::try_from(n).ok());
    match word {
        "hundred" => Some(100),
        "thousand" => Some(1000),
        _ => place(&numbers.ones).or_else(|| place(&numbers.tens).map(|n| 20 + 10 * n)),
    }
}

/// The readings of a word: as it stands, with digits and symbols taken for letters, with drawn-out
/// letters shortened ("teeeen").
fn spellings(raw: &str) -> Vec<String> {
    let mut all = vec![raw.to_owned()];
    let has_letter = raw.chars().any(char::is_alphabetic);
    if has_letter && raw.chars().any(|c| !c.is_alphabetic()) {
        // "1" and "|" may be an i or an l.
        for one in ['i', 'l'] {
            all.push(raw.chars().map(|c| letter_for(c, one)).collect());
        }
    }
    for spelling in all.clone() {
        for keep in [1, 2] {
            all.push(shortened(&spelling, keep));
        }
    }
    let mut distinct: Vec<String> = Vec::new();
    for spelling in all {
        if !distinct.contains(&spelling) {
            distinct.push(spelling);
        }
    }
    distinct
}

fn letter_for(c: char, one: char) -> char {
    match c {
        '0' => 'o',
        '1' | '|' | '!' => one,
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '6' | '9' => 'g',
        '7' => 't',
        '8' => 'b',
        other => other,
    }
}

/// Runs of three or more equal letters become `keep` letters.
fn shortened(word: &str, keep: usize) -> String {
    let chars: Vec<char> = word.chars().collect();
    chars
        .chunk_by(|a, b| a == b)
        .flat_map(|run| &run[..if run.len() > 2 { keep } else { run.len() }])
        .collect()
}
