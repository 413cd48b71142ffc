//! Words of the adults-only guard: does a text describe anyone under 18, does it name sexual
//! content? Deciding what follows is done elsewhere; this is a pure reading of text.
//!
//! Matching is by whole words, after undoing the usual disguises (case, accents, look-alike and
//! full-width letters, digits for letters, hyphens, dots and spaces inside a word). Where a text could
//! be read both ways it counts: a refused whisky label costs a rewording, the other mistake does not
//! bear a cost at all. It is a first barrier, not the only one: every picture is asked about as well.
//!
//! Negation is not understood ("no children" matches), so a negative prompt should not be checked.

mod ages;
mod fold;
mod normal;
mod strict;
mod words;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;

use normal::{Token, tokens};
pub use strict::describes_minor_strict;
use words::words;

/// What made a text count, for the message that explains the refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MinorMatch {
    /// A word or phrase of the list, in its plain spelling.
    Term(&'static str),
    /// An age or a school year, as read.
    Age(String),
}

impl fmt::Display for MinorMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(term) => f.write_str(term),
            Self::Age(text) => f.write_str(text),
        }
    }
}

/// The first thing in `text` that describes somebody under 18 or childlike.
pub fn describes_minor(text: &str) -> Option<MinorMatch> {
    if !words::readable() {
        return Some(MinorMatch::Term("anything, since the word lists cannot be read"));
    }
    if let Some(term) = anywhere(&text.to_lowercase(), &words().foreign.minors_anywhere) {
        return Some(MinorMatch::Term(term));
    }
    let tokens = tokens(text);
    let minors = &words().minors;
    find(&tokens, &minors.phrases, &minors.phrases_except)
        .or_else(|| tokens.iter().find_map(minor_stem))
        .map(MinorMatch::Term)
        .or_else(|| ages::find(&tokens).map(MinorMatch::Age))
}

/// Whether `text` names nudity or sexual content.
pub fn explicit_terms(text: &str) -> bool {
    if !words::readable() {
        return true;
    }
    let tokens = tokens(text);
    let (sexual, foreign) = (&words().sexual, &words().foreign.sexual_begins);
    let stem = |token: &Token| {
        let mut stems = sexual.begins.iter().chain(foreign);
        stems.any(|stem| token.spellings.iter().any(|word| word.starts_with(stem)))
    };
    find(&tokens, &sexual.phrases, &[]).is_some() || tokens.iter().any(stem)
}

/// The first of `terms` in a text in lower case, inside of a word as well.
fn anywhere(lower: &str, terms: &[&'static str]) -> Option<&'static str> {
    terms.iter().copied().find(|term| lower.contains(term))
}

/// Words built around a term: "teengirl", "stepchild", "cuteloli".
fn minor_stem(token: &Token) -> Option<&'static str> {
    let minors = &words().minors;
    token.spellings.iter().find_map(|word| {
        if minors.words_except.iter().any(|exempt| word.starts_with(exempt)) {
            return None;
        }
        let begins = minors.begins.iter().copied().find(|stem| word.starts_with(stem));
        let ends = || minors.ends.iter().copied().find(|stem| word.ends_with(stem));
        begins.or_else(ends).or_else(|| anywhere(word, &minors.anywhere))
    })
}

/// The first phrase of `list` in `tokens`; a phrase's words may also be written as one, and a word
/// may be spread over single letters or two pieces. Occurrences inside `exempt` phrases do not count.
fn find(tokens: &[Token], list: &[&'static str], exempt: &[&str]) -> Option<&'static str> {
    for start in 0..tokens.len() {
        let rest = &tokens[start..];
        if exempt.iter().any(|phrase| starts_with_phrase(rest, phrase)) {
            continue;
        }
        if let Some(phrase) = phrase_at(rest, list) {
            return Some(phrase);
        }
    }
    None
}

/// The phrase of `list` that `rest` begins with.
fn phrase_at(rest: &[Token], list: &[&'static str]) -> Option<&'static str> {
    let pieces = Pieces::of(rest);
    list.iter()
        .copied()
        .find(|phrase| starts_with_phrase(rest, phrase) || pieces.are(phrase))
}

/// Whether `tokens` begin with the words of `phrase`, the last one possibly in the plural.
fn starts_with_phrase(tokens: &[Token], phrase: &str) -> bool {
    let words = phrase.split(' ').count();
    tokens.len() >= words && phrase.split(' ').zip(tokens).all(|(word, token)| token.is(word))
}

/// So many single letters are read as one word; no word of the lists is longer.
const LONGEST: usize = 24;

/// What a text begins with, read in other pieces: run together ("highschool"), letter by letter ("l o l i"), or cut in two
/// ("te en"). The readings are made when they are asked for, and once.
struct Pieces<'a> {
    tokens: &'a [Token],
    /// How many single letters it begins with.
    letters: usize,
    /// The first tokens joined, by how many they are.
    joined: [OnceCell<Token>; LONGEST + 1],
}

impl<'a> Pieces<'a> {
    fn of(tokens: &'a [Token]) -> Self {
        let first = tokens.iter().take(LONGEST);
        Self {
            tokens,
            letters: first.take_while(|token| token.is_single()).count(),
            joined: std::array::from_fn(|_| OnceCell::new()),
        }
    }

    /// Whether it begins with the words of `phrase` in other pieces.
    fn are(&self, phrase: &str) -> bool {
        let whole = match phrase.contains(' ') {
            true => Cow::Owned(phrase.replace(' ', "")),
            false => Cow::Borrowed(phrase),
        };
        let join = |size: usize| self.joined[size].get_or_init(|| Token::joined(&self.tokens[..size]));
        // Single letters would match by accident: "a wide shot a friend took".
        let cut = self.tokens.len() > 1 && !self.tokens[..2].iter().any(Token::is_single);
        let spelt = 2..=self.letters;
        self.tokens.first().is_some_and(|token| token.is(&whole))
            || cut && join(2).is(&whole)
            || spelt.contains(&whole.len()) && join(whole.len()).is(&whole)
    }
}

#[cfg(test)]
mod tests;
