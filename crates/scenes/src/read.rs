//! Reading a prompt in free words.
//!
//! The prompt falls into phrases, at punctuation and at words such as "with" and "before". A phrase
//! speaks of what its noun names ("background", "ball", a shape, ...); one without a noun goes on
//! with what stood before it, unless punctuation stands between.

use std::collections::BTreeMap;

use crate::attribute::Attribute;
use crate::kinds::{Mark, Pattern, Shape, Texture};
use crate::tone::Hue;

/// What a prompt says; nothing where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub shape: Option<Shape>,
    pub hue: Option<Hue>,
    pub pattern: Option<Pattern>,
    pub radius: Option<f32>,
    pub place: Place,
    /// A mark, or that there is none.
    pub mark: Option<Option<Mark>>,
    pub balls: Option<u8>,
    pub backdrop: Option<Hue>,
    pub texture: Option<Texture>,
    pub light: Place,
    /// That there is no figure.
    pub empty: bool,
    /// How often each attribute was spoken of.
    times: BTreeMap<Attribute, i32>,
}

/// Words of a place: -1 for the left or the top, 1 for the right or the bottom.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Place {
    across: Option<i8>,
    down: Option<i8>,
    middle: bool,
}

impl Place {
    /// Where the middle of a figure in this place lies; nothing when nothing was said.
    pub fn middle(self) -> Option<(f32, f32)> {
        if self.across.is_none() && self.down.is_none() && !self.middle {
            return None;
        }
        let at = |side: Option<i8>, [low, between, high]: [f32; 3]| match side {
            Some(-1) => low,
            Some(1) => high,
            _ => between,
        };
        Some((at(self.across, [0.29, 0.5, 0.71]), at(self.down, [0.26, 0.43, 0.59])))
    }

    /// The side as degrees clockwise from the top; nothing when no side was said.
    pub fn degrees(self) -> Option<f32> {
        let (right, up) = (self.across.unwrap_or(0), -self.down.unwrap_or(0));
        (right != 0 || up != 0).then(|| f32::from(right).atan2(f32::from(up)).to_degrees())
    }

    /// Whether the word is one of a place.
    fn hear(&mut self, word: &str) -> bool {
        match word {
            "left" => self.across = Some(-1),
            "right" => self.across = Some(1),
            "top" | "upper" | "above" | "overhead" => self.down = Some(-1),
            "bottom" | "lower" | "below" | "beneath" => self.down = Some(1),
            "middle" | "centre" | "center" | "central" | "centred" | "centered" => self.middle = true,
            _ => return false,
        }
        true
    }
}

/// What a phrase speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    /// It does not say: each word for what it usually means.
    Open,
    Figure,
    Mark,
    Balls,
    Backdrop,
    Light,
}

#[derive(Debug)]
struct Phrase {
    words: Vec<String>,
    /// What its noun names.
    noun: Option<Topic>,
    /// Whether punctuation stands before it.
    fresh: bool,
}

impl Said {
    /// How often the prompt speaks of an attribute.
    pub fn times(&self, attribute: Attribute) -> i32 {
        self.times.get(&attribute).copied().unwrap_or(0)
    }

    /// Takes a value that a word may have named, and counts it.
    fn heard<T>(&mut self, attribute: Attribute, value: Option<T>) -> Option<T> {
        if value.is_some() {
            *self.times.entry(attribute).or_default() += 1;
        }
        value
    }

    /// Reads a prompt. Words that mean nothing here are passed over; of two that disagree the later
    /// one counts.
    pub fn read(prompt: &str) -> Self {
        let mut said = Self::default();
        let mut topic = Topic::Open;
        for phrase in phrases(prompt) {
            topic = match phrase.noun {
                Some(noun) => noun,
                None if phrase.fresh => Topic::Open,
                None => topic,
            };
            said.hear(&phrase, topic);
        }
        said
    }

    fn hear(&mut self, phrase: &Phrase, topic: Topic) {
        let none = phrase
            .words
            .iter()
            .any(|w| matches!(w.as_str(), "no" | "without" | "none" | "zero"));
        if none {
            match topic {
                Topic::Mark => self.mark = self.heard(Attribute::Mark, Some(None)),
                Topic::Balls => self.balls = self.heard(Attribute::Count, Some(0)),
                Topic::Figure if phrase.words.iter().any(|w| w == "figure") => self.empty = true,
                _ => {}
            }
            return;
        }
        if phrase.words.iter().any(|w| w == "ball") {
            self.balls = self.heard(Attribute::Count, Some(1));
        }
        for word in &phrase.words {
            match topic {
                Topic::Light => {
                    if self.light.hear(word) {
                        self.heard(Attribute::Lighting, Some(()));
                    }
                }
                Topic::Balls => self.balls = self.heard(Attribute::Count, number(word)).or(self.balls),
                Topic::Backdrop => {
                    self.backdrop = self.heard(Attribute::Background, hue(word)).or(self.backdrop);
                    let surface = texture(word).or_else(|| pattern(word).map(surface));
                    self.texture = self.heard(Attribute::Texture, surface).or(self.texture);
                    // "before a blue background at the left" places the figure.
                    if phrase.noun.is_none() {
                        self.hear_place(word);
                    }
                }
                Topic::Mark => {
                    self.mark = self.heard(Attribute::Mark, mark(word).map(Some)).or(self.mark);
                    self.hear_place(word);
                }
                Topic::Figure | Topic::Open => self.hear_of_figure(word, topic),
            }
        }
    }

    fn hear_place(&mut self, word: &str) {
        if self.place.hear(word) {
            self.heard(Attribute::Position, Some(()));
        }
    }

    fn hear_of_figure(&mut self, word: &str, topic: Topic) {
        self.hear_place(word);
        self.shape = self.heard(Attribute::Subject, shape(word)).or(self.shape);
        self.hue = self.heard(Attribute::Colour, hue(word)).or(self.hue);
        self.radius = self.heard(Attribute::Size, radius(word)).or(self.radius);
        self.pattern = self.heard(Attribute::Pattern, pattern(word)).or(self.pattern);
        if matches!(word, "dot" | "bar" | "cross") {
            self.mark = self.heard(Attribute::Mark, mark(word).map(Some));
        } else if word == "unmarked" {
            self.mark = self.heard(Attribute::Mark, Some(None));
        }
        // A figure has no texture: "smooth" by itself means the backdrop, "a smooth ring" is a solid one.
        match texture(word) {
            Some(Texture::Smooth) if topic == Topic::Figure => {
                self.pattern = self.heard(Attribute::Pattern, Some(Pattern::Solid));
            }
            Some(texture) => self.texture = self.heard(Attribute::Texture, Some(texture)),
            None => {}
        }
    }
}

fn phrases(prompt: &str) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for clause in prompt.to_lowercase().split([',', ';', '.', '!', '|', '\n']) {
        let begin = phrases.len();
        let mut words: Vec<String> = Vec::new();
        for word in clause.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            if parts(word) && !words.is_empty() {
                close(&mut phrases, std::mem::take(&mut words), begin);
            }
            words.push(word.to_owned());
        }
        close(&mut phrases, words, begin);
    }
    phrases
}

/// Adds a phrase, or several when it has several nouns ("red star blue background"): what stands
/// after a noun belongs to the next.
fn close(phrases: &mut Vec<Phrase>, mut words: Vec<String>, begin: usize) {
    while !words.is_empty() {
        let nouns: Vec<(usize, Topic)> = (0..words.len()).filter_map(|i| Some((i, noun(&words, i)?))).collect();
        let first = nouns.first().map(|(_, topic)| *topic);
        let other = nouns.iter().position(|(_, topic)| Some(*topic) != first);
        let rest = match other.and_then(|other| nouns.get(other - 1)) {
            Some((last, _)) => words.split_off(last + 1),
            None => Vec::new(),
        };
        phrases.push(Phrase {
            words: std::mem::replace(&mut words, rest),
            noun: first,
            fresh: phrases.len() == begin,
        });
    }
}

/// Words that begin a phrase.
fn parts(word: &str) -> bool {
    matches!(
        word,
        "and" | "with" | "without" | "on" | "in" | "at" | "before" | "against" | "over" | "under" | "lit" | "marked"
    )
}

/// What a word names, among the words of its phrase.
fn noun(words: &[String], at: usize) -> Option<Topic> {
    match words[at].as_str() {
        "background" | "backdrop" | "wall" | "sky" | "texture" | "surface" => Some(Topic::Backdrop),
        "ball" | "balls" | "count" => Some(Topic::Balls),
        "mark" | "marked" | "sign" | "badge" => Some(Topic::Mark),
        "lit" | "lighting" => Some(Topic::Light),
        // "a light green star" is no lamp.
        "light" if !words.iter().any(|w| hue(w).is_some() || shape(w).is_some()) => Some(Topic::Light),
        "figure" | "pattern" | "size" | "position" | "subject" => Some(Topic::Figure),
        word => shape(word).map(|_| Topic::Figure),
    }
}

fn shape(word: &str) -> Option<Shape> {
    Some(match word.strip_suffix('s').unwrap_or(word) {
        "circle" | "disc" | "disk" => Shape::Circle,
        "ring" | "donut" | "doughnut" => Shape::Ring,
        "moon" | "crescent" => Shape::Moon,
        "square" | "box" => Shape::Square,
        "triangle" | "pyramid" => Shape::Triangle,
        "star" => Shape::Star,
        "plu" => Shape::Plus,
        "heart" => Shape::Heart,
        _ => return None,
    })
}

fn hue(word: &str) -> Option<Hue> {
    Hue::named(match word {
        "crimson" | "scarlet" => "red",
        "amber" => "orange",
        "gold" | "golden" => "yellow",
        "turquoise" | "teal" | "aqua" => "cyan",
        "navy" => "blue",
        "violet" | "lilac" => "purple",
        "magenta" | "rose" => "pink",
        word => word,
    })
}

fn radius(word: &str) -> Option<f32> {
    Some(match word {
        "small" | "tiny" | "little" => 0.187,
        "medium" => 0.22,
        "large" | "big" => 0.262,
        "huge" | "giant" | "enormous" => 0.312,
        _ => return None,
    })
}

fn pattern(word: &str) -> Option<Pattern> {
    Some(match word {
        "solid" | "plain" | "uniform" => Pattern::Solid,
        "stripe" | "stripes" | "striped" | "stripy" | "banded" => Pattern::Stripes,
        "dots" | "dotted" | "spots" | "spotted" | "polka" => Pattern::Dots,
        "checks" | "checked" | "checkered" | "chequered" | "checkerboard" | "chequerboard" => Pattern::Checks,
        _ => return None,
    })
}

/// The texture that a pattern's word means when it is said of a backdrop.
fn surface(pattern: Pattern) -> Texture {
    match pattern {
        Pattern::Solid => Texture::Smooth,
        Pattern::Stripes => Texture::Lines,
        Pattern::Dots => Texture::Grain,
        Pattern::Checks => Texture::Grid,
    }
}

fn texture(word: &str) -> Option<Texture> {
    Some(match word {
        "smooth" => Texture::Smooth,
        "grain" | "grainy" | "speckled" | "noisy" => Texture::Grain,
        "line" | "lines" | "lined" => Texture::Lines,
        "grid" | "gridded" | "mesh" => Texture::Grid,
        _ => return None,
    })
}

fn mark(word: &str) -> Option<Mark> {
    Some(match word {
        "dot" | "spot" | "point" => Mark::Dot,
        "bar" | "minus" => Mark::Bar,
        "cross" => Mark::Cross,
        _ => return None,
    })
}

fn number(word: &str) -> Option<u8> {
    Some(match word {
        "one" | "single" | "1" => 1,
        "two" | "2" => 2,
        "three" | "3" => 3,
        "four" | "4" => 4,
        _ => return None,
    })
}
