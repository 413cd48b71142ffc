//! Who a text says is an adult, and whether that covers its "girls" and "boys".

use super::super::Pieces;
use super::super::normal::Token;
use super::super::words::{List, words};

const ADULT_AGE: std::ops::RangeInclusive<u32> = 18..=110;
/// More people than any text names one by one.
const MANY: usize = 100;
/// Above this a number before "girls" is taken for an age.
pub(super) const MOST_COUNTED: u32 = 4;
/// How far "petite" and the like reach.
const SMALL_REACH: usize = 6;

/// How many adults a text states.
#[derive(Default)]
struct Stated {
    women: usize,
    men: usize,
    /// Said of somebody, without saying of which sex.
    somebody: usize,
    everybody: bool,
}

impl Stated {
    /// Whether so many girls and boys of the text may all be the adults it states.
    fn covers(&self, girls: usize, boys: usize) -> bool {
        let covered = |wanted: usize, same: usize, other: usize, alone: bool| {
            wanted <= same || alone && wanted == 1 && other == 0 && self.somebody > 0
        };
        self.everybody
            || covered(girls, self.women, self.men, boys == 0) && covered(boys, self.men, self.women, girls == 0)
    }
}

/// Whether `token` is a noun for adults.
pub(super) fn is_adult_noun(token: &Token) -> bool {
    let people = &words().people;
    [&people.woman, &people.women, &people.man, &people.men, &people.adults]
        .iter()
        .any(|list| token.is_one_of(list))
        || token.is_one_of(&["adult"])
}

/// The words that "not" and "barely" turn round.
pub(super) fn is_adult_word(token: &Token) -> bool {
    token.is_one_of(&[
        "adult",
        "adults",
        "woman",
        "women",
        "man",
        "men",
        "grown",
        "grownup",
        "mature",
        "adulthood",
        "womanhood",
        "manhood",
    ])
}

/// Whether anything says that somebody is an adult.
pub(super) fn stated(tokens: &[Token]) -> bool {
    let all = statements(tokens);
    all.everybody || all.women + all.men + all.somebody > 0
}

/// Whether an adult's age ("25 years old", "aged 30", "30s") stands up to so many words away.
pub(super) fn age_near(tokens: &[Token], at: usize, before: usize, after: usize) -> bool {
    let end = (at + after + 1).min(tokens.len());
    (at.saturating_sub(before)..end).any(|i| adult_age(tokens, i))
}

fn adult_age(tokens: &[Token], at: usize) -> bool {
    let token = &tokens[at];
    let decade = |word: &String| {
        let digits = word.strip_suffix('s').and_then(|digits| digits.parse::<u32>().ok());
        words().people.decades.contains(&word.as_str()) || digits.is_some_and(|n| (20..=90).contains(&n) && n % 10 == 0)
    };
    let number = token.number.is_some_and(|n| ADULT_AGE.contains(&n));
    let unit = tokens
        .get(at + 1)
        .is_some_and(|next| next.is_one_of(&words().people.years));
    let said = (1..=2).any(|back| at >= back && tokens[at - back].is_one_of(&["age", "aged", "ages"]));
    token.spellings.first().is_some_and(decade) || number && (unit || said)
}

/// "not an adult", "no men".
fn negated(tokens: &[Token], at: usize) -> bool {
    tokens[at.saturating_sub(3)..at]
        .iter()
        .any(|token| token.is_one_of(&words().people.not) || token.is_one_of(&["no", "without"]))
}

fn statements(tokens: &[Token]) -> Stated {
    let people = &words().people;
    let mut all = Stated::default();
    for at in (0..tokens.len()).filter(|&at| !negated(tokens, at)) {
        let token = &tokens[at];
        if token.is_one_of(&people.woman) {
            all.women += 1;
        } else if token.is_one_of(&people.women) {
            all.women += MANY;
        } else if token.is_one_of(&people.man) {
            all.men += 1;
        } else if token.is_one_of(&people.men) {
            all.men += MANY;
        } else if token.is_one_of(&people.adults) {
            all.everybody = true;
        } else if token.is_one_of(&people.adult) || adult_age(tokens, at) {
            // "adult" and ages belong to the noun that follows in the same clause, if there is one.
            match described(tokens, at) {
                Described::Woman => all.women += 1,
                Described::Man => all.men += 1,
                Described::Somebody => all.somebody += 1,
                Described::Nobody => {}
            }
        }
    }
    all
}

enum Described {
    Woman,
    Man,
    Somebody,
    /// A noun that counts by itself, or the picture.
    Nobody,
}

fn described(tokens: &[Token], at: usize) -> Described {
    let people = &words().people;
    let clause_goes_on = |i: &usize| tokens[at..*i].iter().all(|token| !token.ends_clause);
    let ahead = (at + 1..tokens.len().min(at + 6)).take_while(clause_goes_on);
    let of = |i: usize| {
        let token = &tokens[i];
        let is = |lists: &[&List]| lists.iter().any(|list| is_any(token, list));
        if is(&[&people.woman, &people.women, &people.man, &people.men]) || i == at + 1 && is(&[&people.themes]) {
            Some(Described::Nobody)
        } else if is(&[&people.female, &people.girl]) {
            Some(Described::Woman)
        } else {
            is(&[&people.male, &people.boy]).then_some(Described::Man)
        }
    };
    ahead.into_iter().find_map(of).unwrap_or(Described::Somebody)
}

/// "girl" or "boy", unless the text says that it means adults. Tags ("1girl", "two boys") may be
/// covered anywhere in the text, since tags come in a list; otherwise it has to be said right there
/// ("a woman and a girl" is about two people). Nothing covers "petite girl".
pub(super) fn girl_or_boy(tokens: &[Token]) -> Option<&'static str> {
    let people = &words().people;
    let (mut girls, mut boys) = (0, 0);
    for at in 0..tokens.len() {
        let pieces = Pieces::of(&tokens[at..]);
        let in_pieces = |word| !tokens[at].is(word) && pieces.are(word);
        if in_pieces("girl") || in_pieces("boy") {
            return Some(UNSAID);
        }
        let girl = is_any(&tokens[at], &people.girl);
        if !girl && !is_any(&tokens[at], &people.boy) {
            continue;
        }
        if super::around(tokens, at, SMALL_REACH).any(|token| token.is_one_of(&people.small)) {
            return Some("a small or young girl or boy");
        }
        match tag(tokens, at) {
            Some(count) if !beside_adult(tokens, at) => {
                let all = if girl { &mut girls } else { &mut boys };
                *all = count.max(*all);
            }
            Some(_) => return Some(UNSAID),
            None if said_there(tokens, at) => {}
            None => return Some(UNSAID),
        }
    }
    (!statements(tokens).covers(girls, boys)).then_some(UNSAID)
}

const UNSAID: &str = "girl or boy, where nothing says adult";

/// Whether `token` can be read as one of `words` or its plural.
pub(super) fn is_any(token: &Token, words: &[&str]) -> bool {
    words.iter().any(|word| token.is(word))
}

/// Whether `token` is "girl" or "boy" in any of their spellings.
pub(super) fn is_girl_or_boy(token: &Token) -> bool {
    let people = &words().people;
    is_any(token, &people.girl) || is_any(token, &people.boy)
}

/// The count of "1girl", "2 boys", "multiple girls".
fn tag(tokens: &[Token], at: usize) -> Option<usize> {
    let before = &tokens[at.checked_sub(1)?];
    let count = before
        .number
        .filter(|n| (1..=MOST_COUNTED).contains(n) && !before.ends_clause);
    let many = before.is_one_of(&["multiple", "several", "many"]).then_some(2);
    count.and_then(|n| usize::try_from(n).ok()).or(many)
}

/// "a woman and 1girl", "1girl with a man": the adult is somebody else.
fn beside_adult(tokens: &[Token], at: usize) -> bool {
    let people = &words().people;
    let link = |i: usize| tokens.get(i).is_some_and(|token| token.is_one_of(&people.links));
    let other = |i: usize| {
        let child = tokens.get(i).is_some_and(is_girl_or_boy);
        tokens.get(i).is_some() && !child
    };
    let before = at >= 3 && link(at - 2) && other(at - 3);
    let after = link(at + 1) && (2..=4).any(|step| tokens.get(at + step).is_some_and(is_adult_noun));
    before || after
}

/// "adult girl", "25 year old girl", "girl, aged 30", with nobody else in between.
fn said_there(tokens: &[Token], at: usize) -> bool {
    let people = &words().people;
    let nobody = |token: &&Token| {
        ![
            &people.woman,
            &people.women,
            &people.man,
            &people.men,
            &people.female,
            &people.male,
            &people.girl,
            &people.boy,
        ]
        .iter()
        .any(|list| is_any(token, list))
            && !token.is_one_of(&people.links)
    };
    let says = |i: usize| !negated(tokens, i) && (adult_age(tokens, i) || tokens[i].is_one_of(&people.adult));
    let before = tokens[..at].iter().rev().take(4).take_while(nobody).count();
    let after = tokens[at + 1..].iter().take(4).take_while(nobody).count();
    // "girl, adult man" says it of the man.
    let mut ahead = (at + 1..=at + after).filter(|&i| says(i));
    (at - before..at).any(says) || ahead.any(|i| matches!(described(tokens, i), Described::Somebody))
}
