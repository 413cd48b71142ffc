//! Ages and school years below 18, as people write them.

use super::normal::Token;
use super::words::{Ages, words};

const ADULT: u32 = 18;
/// "18 months old" is an age as well.
const ADULT_MONTHS: u32 = ADULT * 12;
/// Below this a number beside "girl" or "boy" is a count or an index, not an age.
const YOUNGEST_BARE: u32 = 5;

/// The first age below 18, in plain words.
pub(super) fn find(tokens: &[Token]) -> Option<String> {
    (0..tokens.len()).find_map(|i| {
        let at = View {
            tokens,
            i,
            words: &words().ages,
        };
        at.years_old()
            .or_else(|| at.months_old())
            .or_else(|| at.aged())
            .or_else(|| at.below())
            .or_else(|| at.somebody())
            .or_else(|| at.singular())
            .or_else(|| at.school_year())
            .or_else(|| at.ordinal())
    })
}

/// A place among the tokens.
struct View<'a> {
    tokens: &'a [Token],
    i: usize,
    words: &'static Ages,
}

impl View<'_> {
    fn ahead(&self, steps: usize) -> Option<&Token> {
        self.tokens.get(self.i + steps)
    }

    fn is(&self, steps: usize, words: &[&str]) -> bool {
        self.ahead(steps).is_some_and(|token| token.is_one_of(words))
    }

    fn number(&self, steps: usize) -> Option<u32> {
        self.ahead(steps).and_then(|token| token.number)
    }

    /// A number below `limit` here, or at the start of a range that ends here ("16 to 18 year old").
    fn low_number(&self, limit: u32) -> Option<u32> {
        let low = |number: Option<u32>| number.filter(|&n| n < limit);
        let here = self.number(0)?;
        let back = |steps: usize| self.i.checked_sub(steps).and_then(|i| self.tokens.get(i));
        let joins = back(1).is_some_and(|t| t.is_one_of(&["to", "or", "and", "until", "through"]));
        let start = back(if joins { 2 } else { 1 }).and_then(|token| token.number);
        low(Some(here)).or_else(|| low(start))
    }

    /// "14 years old", "14-year-old", "14yo", "14 y.o.", "14 years of age", "14 and a half years old".
    fn years_old(&self) -> Option<String> {
        let age = self.low_number(ADULT)?;
        let half = self.is(1, &["and"]) && self.is(2, &["a"]) && self.is(3, &["half"]);
        let unit = if half { 4 } else { 1 };
        let directly = self.is(unit, &self.words.years_old) || self.is(unit, &["y"]) && self.is(unit + 1, &["o"]);
        let old = self.is(
            unit + 1,
            &["old", "olds", "older", "aged", "girl", "girls", "boy", "boys"],
        ) || self.is(unit + 1, &["of"]) && self.is(unit + 2, &["age"]);
        (directly || self.is(unit, &self.words.years) && old).then(|| format!("{age} years old"))
    }

    /// "18 months old".
    fn months_old(&self) -> Option<String> {
        let count = self.low_number(ADULT_MONTHS)?;
        (self.is(1, &self.words.short_units) && self.is(2, &["old", "olds"]))
            .then(|| format!("{count} months (or less) old"))
    }

    /// "aged 15", "age: 15", "at the age of 15", "ages 15-20".
    fn aged(&self) -> Option<String> {
        if !self.is(0, &self.words.age) {
            return None;
        }
        let skipped = (1..=3).take_while(|&step| self.is(step, &self.words.about)).count();
        self.number(1 + skipped)
            .filter(|&n| n < ADULT)
            .map(|age| format!("age {age}"))
    }

    /// "under 18", "younger than 18", "not yet 18", "almost 18".
    fn below(&self) -> Option<String> {
        let step = if self.is(1, &["yet", "quite", "the"]) { 2 } else { 1 };
        let step = if self.is(step, &["age"]) && self.is(step + 1, &["of"]) {
            step + 2
        } else {
            step
        };
        let age = self.number(step).filter(|&n| (10..=ADULT).contains(&n))?;
        if self.is(0, &["than"])
            && !self.tokens[..self.i]
                .last()
                .is_some_and(|t| t.is_one_of(&["younger", "less"]))
        {
            return None;
        }
        (self.is(0, &self.words.below) && !self.is(step + 1, &self.words.units)).then(|| format!("under {age}"))
    }

    /// "she is 15", "a girl of 15", "girl, 15", "turning 17", "sweet sixteen".
    fn somebody(&self) -> Option<String> {
        if self.is(0, &["sweet"]) && self.number(1) == Some(16) {
            return Some("sweet sixteen".into());
        }
        let linked = (1..=3)
            .take_while(|&step| self.is(step, &self.words.being) || self.is(step, &self.words.about))
            .count();
        let linking = linked > 0 && self.is(0, &self.words.somebody_maybe) || self.is(0, &self.words.turning);
        if !linking && !self.is(0, &self.words.somebody) {
            return None;
        }
        let age = self.number(1 + linked).filter(|n| (YOUNGEST_BARE..ADULT).contains(n))?;
        let measured = self.is(2 + linked, &self.words.units) || self.number(2 + linked).is_some();
        // A bare number ends its clause when it is an age; otherwise it counts something.
        let stands = linked > 0 || linking || self.ahead(1).is_some_and(|token| token.ends_clause);
        (stands && !measured).then(|| format!("age {age}"))
    }

    /// "16 girl", where "16 girls" would be a count.
    fn singular(&self) -> Option<String> {
        let token = self.ahead(0).filter(|token| !token.ends_clause)?;
        let age = token.number.filter(|n| (YOUNGEST_BARE..ADULT).contains(n))?;
        self.is(1, &self.words.one_person).then(|| format!("age {age}"))
    }

    /// "grade 7 student", "year 9 girl".
    fn school_year(&self) -> Option<String> {
        let year = self.number(1).filter(|&n| n <= 13)?;
        let pupil = self.is(2, &["student", "pupil", "girl", "boy"]);
        (self.is(0, &["grade", "year"]) && pupil).then(|| format!("school year {year}"))
    }

    /// "16th birthday", "ninth grade", "7th grader".
    fn ordinal(&self) -> Option<String> {
        let token = self.ahead(0)?;
        let word = token.spellings.first()?;
        let rank = words()
            .numbers
            .ordinals
            .iter()
            .position(|&o| o == word)
            .map(|n| n + 1)
            .or_else(|| {
                let digits = ["st", "nd", "rd", "th"]
                    .into_iter()
                    .find_map(|end| word.strip_suffix(end))?;
                digits.parse().ok()
            })?;
        let birthday = self.is(1, &["birthday", "birthdays"]) && rank < ADULT as usize;
        let school = self.is(1, &["grade", "grader", "graders"]) && rank <= 12;
        if birthday {
            Some(format!("birthday {rank}"))
        } else {
            school.then(|| format!("school grade {rank}"))
        }
    }
}
