//! Numbers up to 17 that may be ages: all that the text does not plainly use for something else.

use super::super::Pieces;
use super::super::normal::{Token, number};
use super::super::words::{Numbers, People, words};
use super::adults::{MOST_COUNTED, is_any, is_girl_or_boy};
use super::around;

const ADULT: u32 = 18;
/// From here on a number alone is enough: hardly anything else in a prompt is counted so far.
const BARE: u32 = 10;
/// Below this a number means an age only where the sentence says so.
const UNLIKELY: u32 = 5;
const REACH: usize = 4;
/// Weights in prompts lie below this: "(soft light:1.3)".
const WEIGHT: u32 = 3;
/// Somebody born in this year or later may be under 18; no clock is asked, so it errs one way only.
const BIRTH_YEAR: u32 = 2007;

/// The first number that may be an age. In the name of a file a number alone is none.
pub(super) fn find(tokens: &[Token], file_name: bool) -> Option<String> {
    (0..tokens.len()).find_map(|i| {
        let at = Place {
            tokens,
            i,
            numbers: &words().numbers,
            people: &words().people,
        };
        at.plain(file_name)
            .or_else(|| at.two_digits())
            .or_else(|| at.disguised())
            .or_else(|| at.ordinal())
            .or_else(|| at.born())
    })
}

/// "<18", "≤ 17".
pub(super) fn after_less_than(text: &str) -> Option<String> {
    text.split(['<', '＜', '≤', '⩽']).skip(1).find_map(|rest| {
        let rest = rest.trim_start_matches([' ', '=']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let n = rest[..digits].parse::<u32>().ok().filter(|n| (2..=ADULT).contains(n))?;
        Some(format!("under {n}"))
    })
}

/// Chinese numerals before a sign for years of age: "十四歳".
pub(super) fn east_asian(text: &str) -> Option<String> {
    const DIGITS: [char; 10] = ['〇', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let end = |c: char| matches!(c, '歳' | '才' | '岁' | '歲');
    text.match_indices(end).find_map(|(at, _)| {
        let numeral: Vec<char> = text[..at]
            .chars()
            .rev()
            .take_while(|c| *c == '十' || DIGITS.contains(c))
            .collect();
        let value = |c: &char| DIGITS.iter().position(|digit| digit == c);
        // Read from the back: a unit, then ten.
        let age = match numeral.as_slice() {
            ['十'] => Some(10),
            [unit, '十'] => value(unit).map(|unit| 10 + unit),
            [unit] => value(unit),
            _ => None,
        };
        age.filter(|&age| age < ADULT as usize)
            .map(|age| format!("{age} years old"))
    })
}

struct Place<'a> {
    tokens: &'a [Token],
    i: usize,
    numbers: &'static Numbers,
    people: &'static People,
}

impl Place<'_> {
    fn here(&self) -> &Token {
        &self.tokens[self.i]
    }

    fn ahead(&self, steps: usize) -> Option<&Token> {
        self.tokens.get(self.i + steps)
    }

    fn back(&self, steps: usize) -> Option<&Token> {
        self.i.checked_sub(steps).and_then(|i| self.tokens.get(i))
    }

    fn near(&self, reach: usize, words: &[&str]) -> bool {
        around(self.tokens, self.i, reach).any(|token| is_any(token, words))
    }

    fn is_decimal(&self) -> bool {
        self.here().spellings.first().is_some_and(|raw| raw.contains('.'))
    }

    /// A number as such: "17", "petite 13", "(14:1.2)".
    fn plain(&self, file_name: bool) -> Option<String> {
        let n = self.here().number.filter(|n| (2..ADULT).contains(n))?;
        if self.is_weight(n) || self.is_explained(n) {
            return None;
        }
        let suspect = if n >= BARE && !file_name {
            true
        } else if n >= UNLIKELY {
            self.near(REACH, &self.numbers.person) || self.near(2, &self.numbers.age)
        } else {
            self.is_said_of_somebody()
        };
        suspect.then(|| format!("{n}, perhaps an age"))
    }

    /// Small numbers count all kinds of things, so the sentence has to end with them or go on with
    /// one person: "girl, 3", "she is four", "(3:1.2) girl".
    fn is_said_of_somebody(&self) -> bool {
        let one = |token: &Token| {
            token.is_one_of(&self.numbers.person) && !token.is_one_of(&self.numbers.counted_people)
                || token.is_one_of(&self.people.small)
        };
        let before = self
            .back(1)
            .is_some_and(|token| one(token) || token.is_one_of(&self.numbers.age));
        let after = self
            .ahead(1)
            .is_some_and(|token| one(token) || token.is_one_of(&self.numbers.age));
        before && self.here().ends_clause || after
    }

    fn is_weight(&self, n: u32) -> bool {
        let colon = self.back(1).is_some_and(|token| token.gap.contains(':'));
        n < WEIGHT && (colon || self.is_decimal())
    }

    fn is_explained(&self, n: u32) -> bool {
        self.is_count(n) || self.is_measure() || self.is_label() || self.is_ratio(n) || self.is_aperture(n)
    }

    /// "3 people", "two mature women", "15 candles".
    fn is_count(&self, n: u32) -> bool {
        if self.here().ends_clause {
            return false;
        }
        let few = n <= MOST_COUNTED;
        let plural = |token: &Token| {
            token.is_one_of(&self.numbers.counted_people)
                || few && (is_plural(token, &self.people.girl) || is_plural(token, &self.people.boy))
        };
        let thing = |token: &Token| {
            let birthday = || self.tokens.iter().any(|t| is_any(t, &["birthday", "bday", "cake"]));
            token.is_one_of(&self.numbers.counted_things) && !(token.is("candle") && birthday())
                || few && token.is_one_of(&self.numbers.counted_parts)
        };
        // Up to three words may describe what is counted; above a few they must not be words of youth.
        for step in 1..=4 {
            let Some(token) = self.ahead(step) else { break };
            if plural(token) || step <= 3 && thing(token) {
                return true;
            }
            let youth = !few && (token.is_one_of(&self.people.small) || is_girl_or_boy(token));
            let person = !few && step > 1 && token.is_one_of(&["she", "he", "her", "him"]);
            if token.ends_clause || token.number.is_some() || youth || person {
                return false;
            }
        }
        false
    }

    /// "6 feet", "5'7", "8 k".
    fn is_measure(&self) -> bool {
        let feet = |token: &Token| token.gap.starts_with(['\'', '’', '′']) && token.number.is_some();
        let taken = |token: &Token| is_any(token, &self.numbers.age) || is_girl_or_boy(token);
        let unit = self.ahead(1).is_some_and(|next| next.is_one_of(&self.numbers.units)) && !self.here().ends_clause;
        let inches = self.back(1).is_some_and(feet);
        let height = feet(self.here()) && self.ahead(1).is_some_and(|next| next.number.is_some());
        (unit || inches || height) && !self.ahead(2).is_some_and(taken)
    }

    /// "cfg 7", "score_9", but not "size 14 girl".
    fn is_label(&self) -> bool {
        let label = self.back(1).is_some_and(|token| token.is_one_of(&self.numbers.labels));
        let person = self
            .ahead(1)
            .is_some_and(|next| is_any(next, &self.numbers.person) || is_any(next, &self.numbers.age));
        label && (self.here().ends_clause || !person)
    }

    /// "16:9", "3/4 view", "1/15 s".
    fn is_ratio(&self, n: u32) -> bool {
        let pair = |a: &Token, b: &Token| {
            let (Some(first), Some(second)) = (a.number, b.number) else {
                return false;
            };
            let colon = a.gap == ":" && self.numbers.ratios.contains(&(first, second));
            let slash = a.gap == "/" && (first.max(second) <= BARE || first == 1);
            colon || slash
        };
        let first = self.ahead(1).is_some_and(|next| pair(self.here(), next));
        let second = self.back(1).is_some_and(|before| pair(before, self.here()));
        n > 0 && (first || second)
    }

    /// "f/5.6"; "f/8" and "f/16" only beside a word of cameras, since "f/16" may be a woman's age.
    fn is_aperture(&self, n: u32) -> bool {
        let f = self.back(1).is_some_and(|token| token.is_one_of(&["f"]));
        f && (self.is_decimal() || [2, 4, 8, 11, 16].contains(&n) && self.near(3, &self.numbers.camera))
    }

    /// "1 7", "1-7" and "one seven" for 17.
    fn two_digits(&self) -> Option<String> {
        let (one, next) = (self.here(), self.ahead(1)?);
        let digit = |token: &Token| token.number.filter(|&n| n < BARE);
        let decimal = |token: &Token| token.spellings.iter().any(|raw| raw.contains('.'));
        let together = ["", ".", "-", "_", "·", "*", "+"].contains(&one.gap.trim()) || one.gap == ",";
        let one_first = digit(one) == Some(1) && !decimal(one) && !decimal(next) && together;
        let unit = digit(next).filter(|&n| n < 8 && one_first)?;
        Some(format!("{}, perhaps an age", 10 + unit))
    }

    /// "th1rteen", "s i x t e e n", "seventeengirl"; "l7" and "XVI" beside a person.
    fn disguised(&self) -> Option<String> {
        let token = self.here();
        if token.number.is_some() {
            return None;
        }
        let found = |what: &str| Some(format!("{what}, perhaps an age"));
        let pieces = Pieces::of(&self.tokens[self.i..]);
        let mut below_twenty = self.numbers.eleven_twelve.iter().chain(&self.numbers.teens);
        if let Some(word) = below_twenty.find(|word| pieces.are(word)) {
            return found(word);
        }
        for word in &token.spellings {
            let inside = self.numbers.teens.iter().find(|number| word.contains(**number));
            let yearold = word.contains("yearold") || word.contains("yrold");
            if let Some(number) = inside.filter(|_| !word.ends_with("th") && !word.ends_with("ths")) {
                return found(number);
            }
            let adult = [
                "eighteen", "nineteen", "twent", "thirt", "fort", "fift", "sixt", "sevent", "eight", "ninet",
            ];
            if yearold && !adult.iter().any(|tens| word.starts_with(tens)) {
                return found(word);
            }
        }
        let raw = token.spellings.first()?;
        let teen = raw
            .strip_suffix("teen")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if teen && !["8teen", "9teen"].contains(&raw.as_str()) || raw == "10s" {
            return found(raw);
        }
        let digits: Option<String> = raw.chars().map(digit_for).collect();
        let mixed =
            raw.len() == 2 && raw.contains(|c: char| c.is_ascii_digit()) || ["il", "lo", "io"].contains(&raw.as_str());
        let value = digits.filter(|_| mixed).and_then(|digits| number(&digits));
        let beside = self.near(1, &self.numbers.person) || self.near(1, &self.numbers.age);
        if value.is_some_and(|n| (BARE..ADULT).contains(&n)) && beside
            || token.is_one_of(&self.numbers.roman) && self.near(1, &self.numbers.person)
        {
            return found(raw);
        }
        None
    }

    /// "her 13th year", "fifteenth summer", "year 9".
    fn ordinal(&self) -> Option<String> {
        let word = self.here().spellings.first()?;
        let digits = || {
            ["st", "nd", "rd", "th"]
                .into_iter()
                .find_map(|end| word.strip_suffix(end))
        };
        let named = self.numbers.ordinals.iter().position(|&o| o == word).map(|n| n + 1);
        let rank = named
            .or_else(|| digits().and_then(|n| n.parse().ok()))
            .filter(|rank| (1..ADULT as usize).contains(rank))?;
        let season = (1..=2).any(|step| self.ahead(step).is_some_and(|next| is_any(next, &self.numbers.seasons)));
        // "first class" is a way to travel.
        let class = self.ahead(1).is_some_and(|next| next.is("class")) && rank < 3;
        let apart = [
            "century",
            "floor",
            "street",
            "avenue",
            "edition",
            "anniversary",
            "row",
            "shot",
            "image",
        ];
        let other = (1..=2).any(|step| self.ahead(step).is_some_and(|next| is_any(next, &apart)));
        let bare = rank >= BARE as usize && !other && self.near(REACH, &self.numbers.person);
        (season && !class || bare).then(|| format!("{word}, perhaps an age"))
    }

    /// "born in 2012", "class of 2030", "year 1", "u18", "going on 9".
    fn born(&self) -> Option<String> {
        let n = self.here().number?;
        let back = |steps: usize, words: &[&str]| self.back(steps).is_some_and(|token| token.is_one_of(words));
        let birth = (1..=5).any(|steps| back(steps, &["born", "birth", "class", "birthyear", "dob", "b"]))
            || self.ahead(1).is_some_and(|token| token.is("born"));
        let recent = (BIRTH_YEAR..BIRTH_YEAR + 100).contains(&n) && birth;
        let school = n < ADULT && back(1, &["year", "grade", "class", "form", "age"]) && !self.is_decimal();
        let under = (2..=ADULT).contains(&n)
            && (back(1, &["u", "sub", "pre", "under"])
                || back(1, &["on"]) && back(2, &["going"])
                || back(2, &["isn", "wasn", "not"]) && back(1, &["t", "yet"]));
        (recent || school || under).then(|| format!("{n}, perhaps of somebody under 18"))
    }
}

fn is_plural(token: &Token, words: &[&str]) -> bool {
    is_any(token, words) && !token.is_one_of(words)
}

/// The digit that a character is drawn like.
fn digit_for(c: char) -> Option<char> {
    match c {
        'l' | 'i' | '|' | '!' => Some('1'),
        'o' => Some('0'),
        'z' => Some('2'),
        'e' => Some('3'),
        'a' => Some('4'),
        's' => Some('5'),
        'b' => Some('6'),
        't' => Some('7'),
        digit => digit.is_ascii_digit().then_some(digit),
    }
}
