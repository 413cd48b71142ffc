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

use std::fmt;

use normal::{Token, tokens};
pub use strict::describes_minor_strict;

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
    let lowercase = text.to_lowercase();
    if let Some(term) = words::MINOR_FOREIGN
        .iter()
        .copied()
        .find(|term| lowercase.contains(term))
    {
        return Some(MinorMatch::Term(term));
    }
    let tokens = tokens(text);
    find(&tokens, words::MINOR, words::MINOR_EXEMPT)
        .or_else(|| tokens.iter().find_map(minor_stem))
        .map(MinorMatch::Term)
        .or_else(|| ages::find(&tokens).map(MinorMatch::Age))
}

/// Whether `text` names nudity or sexual content.
pub fn explicit_terms(text: &str) -> bool {
    let tokens = tokens(text);
    let stem = |token: &Token| {
        token
            .spellings
            .iter()
            .any(|word| words::EXPLICIT_STEMS.iter().any(|stem| word.starts_with(stem)))
    };
    find(&tokens, words::EXPLICIT, &[]).is_some() || tokens.iter().any(stem)
}

/// Words built around a term: "teengirl", "stepchild", "cuteloli".
fn minor_stem(token: &Token) -> Option<&'static str> {
    token.spellings.iter().find_map(|word| {
        if words::MINOR_STEM_EXEMPT.iter().any(|exempt| word.starts_with(exempt)) {
            return None;
        }
        let begins = words::MINOR_PREFIXES
            .iter()
            .copied()
            .find(|stem| word.starts_with(stem));
        let ends = || words::MINOR_SUFFIXES.iter().copied().find(|stem| word.ends_with(stem));
        let holds = || words::MINOR_ANYWHERE.iter().copied().find(|stem| word.contains(stem));
        begins.or_else(ends).or_else(holds)
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
    let pieces = pieces(rest);
    list.iter()
        .copied()
        .find(|phrase| starts_with_phrase(rest, phrase) || is_in_pieces(&pieces, phrase))
}

/// Whether `tokens` begin with the words of `phrase`, the last one possibly in the plural.
fn starts_with_phrase(tokens: &[Token], phrase: &str) -> bool {
    let words = phrase.split(' ').count();
    tokens.len() >= words && phrase.split(' ').zip(tokens).all(|(word, token)| token.is(word))
}

/// Whether `tokens` begin with `phrase` in other pieces: run together ("highschool"), letter by
/// letter ("l o l i"), or cut in two ("te en").
fn starts_with_pieces(tokens: &[Token], phrase: &str) -> bool {
    is_in_pieces(&pieces(tokens), phrase)
}

/// The first tokens joined, and the length a word must have to be read so (none: any).
fn pieces(tokens: &[Token]) -> Vec<(Option<usize>, Token)> {
    /// No word of the lists is longer.
    const LONGEST: usize = 24;
    let letters = tokens
        .iter()
        .take(LONGEST)
        .take_while(|token| token.is_single())
        .count();
    let spelt = (2..=letters).map(|size| (Some(size), size));
    // Single letters would match by accident: "a wide shot a friend took".
    let cut = tokens.len() > 1 && tokens.iter().take(2).all(|token| !token.is_single());
    let whole = [Some((None, 1)).filter(|_| !tokens.is_empty()), cut.then_some((None, 2))];
    whole
        .into_iter()
        .flatten()
        .chain(spelt)
        .map(|(length, size)| (length, Token::joined(&tokens[..size])))
        .collect()
}

fn is_in_pieces(pieces: &[(Option<usize>, Token)], phrase: &str) -> bool {
    let whole: String = phrase.split(' ').collect();
    pieces
        .iter()
        .any(|(length, token)| length.is_none_or(|length| length == whole.len()) && token.is(&whole))
}

#[cfg(test)]
mod tests;
