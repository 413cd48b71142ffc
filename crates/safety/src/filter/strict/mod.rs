//! The strict reading, for explicit work: what might be about somebody under 18 counts, unless the
//! text itself explains it otherwise. Refusing an innocent prompt costs a rewording.
//!
//! On top of [`super::describes_minor`]: any number up to 17 that is not plainly a count, a unit or
//! a setting (`numbers`), "girl" and "boy" where nothing says adult (`adults`), and words of school,
//! family and looks that are harmless elsewhere.

mod adults;
mod numbers;

use super::normal::{Token, number as number_word, tokens};
use super::words::words;
use super::{MinorMatch, anywhere, describes_minor, find, phrase_at};

/// The first thing in `text` that may describe somebody under 18 or childlike. Everything that
/// [`describes_minor`] finds, and more; for text of explicit work only, since it refuses much that is
/// ordinary elsewhere.
pub fn describes_minor_strict(text: &str) -> Option<MinorMatch> {
    // A capital I inside a word may stand for an l ("loIi"), which is lost in lower case.
    let inside = text
        .chars()
        .zip(text.chars().skip(1))
        .any(|(a, b)| a.is_lowercase() && b == 'I');
    let other = inside.then(|| text.replace('I', "l"));
    read(text).or_else(|| other.as_deref().and_then(read))
}

fn read(text: &str) -> Option<MinorMatch> {
    if let Some(found) = describes_minor(text) {
        return Some(found);
    }
    let lower = text.to_lowercase();
    if let Some(term) = anywhere(&lower, &words().foreign.strict_anywhere) {
        return Some(MinorMatch::Term(term));
    }
    if let Some(age) = numbers::east_asian(&lower) {
        return Some(MinorMatch::Age(age));
    }
    if let Some(term) = masked(&lower) {
        return Some(MinorMatch::Term(term));
    }
    let tokens = split_glued(tokens(text));
    find(&tokens, &words().foreign.strict_phrases, &[])
        .or_else(|| refused(&tokens))
        .or_else(|| young(&tokens))
        .or_else(|| pupil(&tokens))
        .or_else(|| childish(&tokens))
        .or_else(|| not_yet_adult(&tokens))
        .or_else(|| adults::girl_or_boy(&tokens))
        .or_else(|| needs_adult(&tokens))
        .map(MinorMatch::Term)
        .or_else(|| {
            let age = numbers::after_less_than(text).or_else(|| numbers::find(&tokens, is_file_name(&lower)));
            age.map(MinorMatch::Age)
        })
}

/// A model's file is often the value of a knob, and its name often ends in a number.
fn is_file_name(lower: &str) -> bool {
    let ends = [".safetensors", ".gguf", ".ckpt", ".pt", ".pth", ".bin", ".onnx"];
    !lower.contains(char::is_whitespace) && ends.iter().any(|end| lower.ends_with(end))
}

/// "l*li", "g**l": a word of the list with letters starred out, but not its first.
fn masked(lower: &str) -> Option<&'static str> {
    let stars = ['*', '#', '•', '●', '■', '█', '_', '.', '-', '·'];
    lower
        .split(|c: char| !c.is_alphanumeric() && !stars.contains(&c))
        .map(|word| word.chars().collect::<Vec<_>>())
        .filter(|word| word.iter().any(|c| stars.contains(c)))
        .find_map(|word| {
            let fits = |listed: &str| {
                let known = word.iter().filter(|c| !stars.contains(c)).count();
                listed.len() == word.len()
                    && known * 2 >= word.len()
                    && listed
                        .chars()
                        .zip(&word)
                        .enumerate()
                        .all(|(i, (l, w))| l == *w || i > 0 && stars.contains(w))
            };
            words().strict.starred.iter().copied().find(|listed| fits(listed))
        })
}

/// "f15", "17female", "petite13" as two words; digits that stand for letters ("g1rl") stay.
fn split_glued(tokens: Vec<Token>) -> Vec<Token> {
    let mut split = Vec::with_capacity(tokens.len());
    for token in tokens {
        match halves(&token) {
            Some([first, second]) => {
                split.push(Token::new(&first, false, String::new()));
                split.push(Token::new(&second, token.ends_clause, token.gap));
            }
            None => split.push(token),
        }
    }
    split
}

fn halves(token: &Token) -> Option<[String; 2]> {
    let raw: Vec<char> = token.spellings.first()?.chars().collect();
    if token.number.is_some() {
        return None;
    }
    let text = |chars: &[char]| chars.iter().collect::<String>();
    let digits = |chars: &[char]| chars.iter().all(char::is_ascii_digit);
    [1, 2].into_iter().filter(|&count| count < raw.len()).find_map(|count| {
        let (head, rest) = raw.split_at(count);
        let (front, tail) = raw.split_at(raw.len() - count);
        let goes_with = |number: &[char], letters: &[char]| {
            let word = Token::new(&text(letters), false, String::new());
            let small = text(number).parse::<u32>().is_ok_and(|n| n < 5);
            // "2m" and "3m" are names of samplers.
            let letter = letters.len() == 1 && small;
            let person = words().numbers.person.iter().any(|person| word.is(person));
            let other = ["u", "y", "ish"].contains(&text(letters).as_str()) || number_word(&text(letters)).is_some();
            digits(number) && !letter && (person || other || letters.starts_with(&['y', 'r']))
        };
        if goes_with(head, rest) || digits(head) && rest.first() == Some(&'y') {
            Some([text(head), text(rest)])
        } else {
            goes_with(tail, front).then(|| [text(front), text(tail)])
        }
    })
}

fn refused(tokens: &[Token]) -> Option<&'static str> {
    let strict = &words().strict;
    (0..tokens.len()).find_map(|at| {
        let rest = &tokens[at..];
        let exempt = strict
            .phrases_except
            .iter()
            .any(|phrase| super::starts_with_phrase(rest, phrase));
        let found = phrase_at(rest, &strict.phrases).filter(|_| !exempt)?;
        let grown = found == "school" && at > 0 && tokens[at - 1].is_one_of(&strict.school_except);
        (!grown).then_some(found)
    })
}

/// "young" says somebody is young unless it is said of a woman or a man, or an adult's age follows.
fn young(tokens: &[Token]) -> Option<&'static str> {
    let is_young = |at: &usize| ["young", "younger", "youngish"].iter().any(|word| tokens[*at].is(word));
    let fine = |at: &usize| {
        let mut ahead = (*at..(*at + 3).min(tokens.len() - 1)).take_while(|&i| !tokens[i].ends_clause);
        ahead.any(|i| adults::is_adult_noun(&tokens[i + 1])) || adults::age_near(tokens, *at, 0, 4)
    };
    (0..tokens.len())
        .any(|at| is_young(&at) && !fine(&at))
        .then_some("young")
}

/// A pupil of a school, where nothing says that it is one of an eye.
fn pupil(tokens: &[Token]) -> Option<&'static str> {
    let of_an_eye = |token: &Token| {
        token.is("eye") || token.is_one_of(&["dilated", "constricted", "slit", "shaped", "iris", "pinpoint"])
    };
    (0..tokens.len())
        .any(|at| tokens[at].is("pupil") && !around(tokens, at, 3).any(of_an_eye))
        .then_some("pupil")
}

/// Pigtails, braces and the like, where the text also says girl, boy, young or small.
fn childish(tokens: &[Token]) -> Option<&'static str> {
    let with = || {
        tokens
            .iter()
            .any(|token| words().strict.childish_with.iter().any(|word| token.is(word)))
    };
    find(tokens, &words().strict.childish, &[]).filter(|_| with())
}

/// "not an adult", "almost a woman", "barely 18", "just turned 18", "before her 18th birthday".
fn not_yet_adult(tokens: &[Token]) -> Option<&'static str> {
    let age = |token: &Token| {
        let ordinal = token.is_one_of(&["18th", "eighteenth", "19th", "nineteenth"]);
        ordinal || token.number.is_some_and(|n| (18..=19).contains(&n))
    };
    let grown = |token: &Token| adults::is_adult_word(token) || token.is_one_of(&["legal"]) || age(token);
    let recent = |token: &Token| {
        token.is_one_of(&[
            "just", "newly", "freshly", "fresh", "recently", "only", "turn", "turns", "turned", "turning", "will",
        ])
    };
    let day = |token: &Token| token.is_one_of(&["today", "yesterday", "tomorrow", "tonight", "soon"]);
    (0..tokens.len()).find_map(|at| {
        let rest = &tokens[at + 1..];
        let not =
            tokens[at].is_one_of(&words().people.not) && !tokens[at].ends_clause && rest.iter().take(3).any(grown);
        let recently = recent(&tokens[at]) && rest.iter().take(2).any(age);
        let at_last = age(&tokens[at]) && rest.first().is_some_and(day);
        (not || recently || at_last).then_some("not (or barely) an adult")
    })
}

/// Students, cheerleaders and so on are adults only if the text says that somebody is.
fn needs_adult(tokens: &[Token]) -> Option<&'static str> {
    find(tokens, &words().strict.needs_adult, &[]).filter(|_| !adults::stated(tokens))
}

/// The words up to `reach` before and after a place.
fn around(tokens: &[Token], at: usize, reach: usize) -> impl Iterator<Item = &Token> {
    let end = (at + reach + 1).min(tokens.len());
    tokens[at.saturating_sub(reach)..at].iter().chain(&tokens[at + 1..end])
}

#[cfg(test)]
mod tests;
