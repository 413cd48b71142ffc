//! The word lists: data files in `words/`, compiled in and read once. Each says what its lists are for and how they are
//! matched.

use std::sync::LazyLock;

use serde::Deserialize;

pub(in crate::filter) type List = Vec<&'static str>;

/// All lists, those of English by file, those of other languages together.
#[derive(Default)]
pub(in crate::filter) struct Words {
    pub minors: Minors,
    pub sexual: Sexual,
    pub ages: Ages,
    pub strict: Strict,
    pub people: People,
    pub numbers: Numbers,
    pub foreign: Language,
}

/// A struct for a file: what the file lacks, and what it has and the struct has not, is an error.
macro_rules! lists {
    ($(#[$attribute:meta])* $name:ident { $($field:ident: $type:ty,)+ }) => {
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields, bound(deserialize = "'de: 'static"))]
        $(#[$attribute])*
        pub(in crate::filter) struct $name {
            $(pub $field: $type,)+
        }
    };
}

lists!(Minors {
    phrases: List,
    phrases_except: List,
    begins: List,
    ends: List,
    anywhere: List,
    words_except: List,
});
lists!(Sexual {
    phrases: List,
    begins: List,
});
lists!(Ages {
    years: List,
    years_old: List,
    short_units: List,
    age: List,
    about: List,
    somebody: List,
    somebody_maybe: List,
    one_person: List,
    turning: List,
    being: List,
    below: List,
    units: List,
});
lists!(Strict {
    phrases: List,
    phrases_except: List,
    school_except: List,
    starred: List,
    childish: List,
    childish_with: List,
    needs_adult: List,
});
lists!(People {
    girl: List,
    boy: List,
    small: List,
    woman: List,
    women: List,
    man: List,
    men: List,
    female: List,
    male: List,
    adult: List,
    adults: List,
    decades: List,
    years: List,
    themes: List,
    links: List,
    not: List,
});
lists!(Numbers {
    ones: [&'static str; 20],
    tens: [&'static str; 8],
    ordinals: [&'static str; 17],
    teens: List,
    eleven_twelve: List,
    roman: List,
    person: List,
    age: List,
    counted_people: List,
    counted_things: List,
    counted_parts: List,
    units: List,
    labels: List,
    camera: List,
    seasons: List,
    ratios: Vec<(u32, u32)>,
});
lists!(
    /// Hardly any language has all of these.
    #[serde(default)]
    Language {
        minors_anywhere: List,
        strict_anywhere: List,
        strict_phrases: List,
        sexual_begins: List,
    }
);

/// The name of a file of `words/`, and its text.
macro_rules! text {
    ($name:literal) => {
        ($name, include_str!(concat!("../../words/", $name)))
    };
}

/// The first word that is found is the one that a refusal names, so their order counts.
const LANGUAGES: [(&str, &str); 15] = [
    text!("languages/chinese_japanese.toml"),
    text!("languages/korean.toml"),
    text!("languages/russian.toml"),
    text!("languages/ukrainian.toml"),
    text!("languages/arabic.toml"),
    text!("languages/hindi.toml"),
    text!("languages/emoji.toml"),
    text!("languages/spanish.toml"),
    text!("languages/portuguese.toml"),
    text!("languages/french.toml"),
    text!("languages/german.toml"),
    text!("languages/italian.toml"),
    text!("languages/polish.toml"),
    text!("languages/dutch.toml"),
    text!("languages/swedish.toml"),
];

static READ: LazyLock<Result<Words, String>> = LazyLock::new(Words::read);
static NONE: LazyLock<Words> = LazyLock::new(Words::default);

/// The lists. They are empty where they are not [`readable`].
pub(in crate::filter) fn words() -> &'static Words {
    READ.as_ref().unwrap_or(&NONE)
}

/// Whether the files could be read, which a test makes sure of. Without its words the filter refuses everything.
pub(in crate::filter) fn readable() -> bool {
    READ.is_ok()
}

impl Words {
    fn read() -> Result<Self, String> {
        let mut foreign = Language::default();
        for file in LANGUAGES {
            foreign.add(parsed(file)?);
        }
        Ok(Self {
            minors: parsed(text!("minors.toml"))?,
            sexual: parsed(text!("sexual.toml"))?,
            ages: parsed(text!("ages.toml"))?,
            strict: parsed(text!("strict.toml"))?,
            people: parsed(text!("people.toml"))?,
            numbers: parsed(text!("numbers.toml"))?,
            foreign,
        })
    }
}

impl Language {
    fn add(&mut self, other: Self) {
        self.minors_anywhere.extend(other.minors_anywhere);
        self.strict_anywhere.extend(other.strict_anywhere);
        self.strict_phrases.extend(other.strict_phrases);
        self.sexual_begins.extend(other.sexual_begins);
    }
}

fn parsed<T: Deserialize<'static>>((name, text): (&str, &'static str)) -> Result<T, String> {
    toml::from_str(text).map_err(|error| format!("words/{name}: {error}"))
}

#[cfg(test)]
mod tests;
