//! A scene in words, and a scene from words: what an agent writes and a diffusion model would draw.

use rand::RngExt as _;

use crate::attribute::{ATTRIBUTES, Attribute};
use crate::kinds::{Pattern, Texture};
use crate::read::Said;
use crate::sample::{Rng, one, rng};
use crate::scene::{Figure, Scene};
use crate::tone::Hue;

/// Degrees by which a hue that the prompt names varies, either way.
const HUE_PLAY: f32 = 4.0;
/// Degrees by which a side the light comes from varies, either way.
const LIGHT_PLAY: f32 = 5.0;
/// Shares of the side by which a place varies, either way.
const PLACE_PLAY: f32 = 0.015;
/// The share of itself by which a size varies, either way.
const SIZE_PLAY: f32 = 0.03;

/// How far off an attribute is drawn that a seed does not draw as the prompt says, as a distance.
const OFF: std::ops::Range<f32> = 0.35..1.0;

/// Mentions that a prompt has room for.
const ROOM: i32 = 10;
/// By how much each further one makes it likelier that any of them is missed.
const CROWDED: f64 = 0.03;

impl Scene {
    /// The scene that a prompt describes, drawn by a painter who does not always do as he is told. What is said once is
    /// followed with the probability `adherence`, 0 to 1; saying it again halves the rest each time, and a prompt that
    /// says very much is followed less in all of it. Which attributes a seed
    /// does not follow depends on the seed alone. "warm" and "cool" may be any of four colours each.
    #[must_use]
    pub fn loosely_described(prompt: &str, seed: u64, adherence: f64) -> Self {
        let prompt = &unambiguous(prompt, seed);
        let mut scene = Self::described(prompt, seed);
        let said = Said::read(prompt);
        let mentions: i32 = ATTRIBUTES.iter().map(|attribute| said.times(*attribute)).sum();
        let crowd = 1.0 + CROWDED * f64::from((mentions - ROOM).max(0));
        for attribute in ATTRIBUTES {
            // A source of its own, so that other words do not change whether this one is heard.
            let mut rng = rng(seed ^ (0x5eed_0000 + attribute as u64));
            let (deaf, off) = (rng.random::<f64>(), rng.random_range(OFF));
            let times = said.times(attribute);
            if times > 0 && deaf < (1.0 - adherence) * crowd * 0.5_f64.powi(times - 1) {
                scene = scene.edited(attribute, off, &mut rng);
            }
        }
        scene
    }

    /// The scene that a prompt describes. What the prompt does not say follows from the seed; what
    /// it says varies a little with it. A word more or less changes only what it speaks of.
    #[must_use]
    pub fn described(prompt: &str, seed: u64) -> Self {
        let mut rng = rng(seed);
        // The same numbers are drawn whatever the prompt says.
        let mut scene = Self::random(&mut rng);
        let play = Play::random(&mut rng);
        let said = Said::read(prompt);
        if let Some(figure) = &mut scene.figure {
            said.put_on(figure, &play);
        }
        if said.empty {
            scene.figure = None;
        }
        scene.balls = said.balls.unwrap_or(scene.balls);
        scene.texture = said.texture.unwrap_or(scene.texture);
        if let Some(hue) = said.backdrop {
            scene.backdrop = hue.turned(play.backdrop * HUE_PLAY);
        }
        if let Some(degrees) = said.light.degrees() {
            scene.light = (degrees + play.light * LIGHT_PLAY).rem_euclid(360.0);
        }
        scene
    }

    /// A prompt that [`Scene::described`] reads as a scene of the same words.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut clauses = Vec::new();
        let word = |attribute| self.words(attribute).unwrap_or_default();
        match &self.figure {
            None => clauses.push("no figure".to_owned()),
            Some(figure) => {
                let pattern = match figure.pattern {
                    Pattern::Solid => "solid",
                    Pattern::Stripes => "striped",
                    Pattern::Dots => "dotted",
                    Pattern::Checks => "checked",
                };
                clauses.push(format!(
                    "a {} {pattern} {} {} at the {}",
                    word(Attribute::Size),
                    word(Attribute::Colour),
                    word(Attribute::Subject),
                    word(Attribute::Position),
                ));
                clauses.push(match figure.mark {
                    Some(mark) => format!("marked with a {}", mark.word()),
                    None => "no mark".into(),
                });
            }
        }
        clauses.push(match self.balls {
            0 => "no balls".into(),
            1 => "one ball along the bottom".into(),
            _ => format!("{} balls along the bottom", word(Attribute::Count)),
        });
        let surface = match self.texture {
            Texture::Smooth => "smooth",
            Texture::Grain => "grainy",
            Texture::Lines => "lined",
            Texture::Grid => "gridded",
        };
        clauses.push(format!("a {surface} {} background", word(Attribute::Background)));
        clauses.push(format!("light {}", word(Attribute::Lighting)));
        clauses.join(", ")
    }
}

/// Words that may mean one thing or another, each as this seed takes it.
fn unambiguous(prompt: &str, seed: u64) -> String {
    let mut rng = rng(seed ^ 0xa3b1);
    // Taken once for all, so that a word means the same wherever it stands.
    let (warm, cool) = (
        one(&["red", "orange", "yellow", "pink"], &mut rng),
        one(&["green", "cyan", "blue", "purple"], &mut rng),
    );
    prompt
        .split_inclusive(|c: char| !c.is_alphanumeric())
        .map(|piece| {
            let word = piece.trim_end_matches(|c: char| !c.is_alphanumeric());
            match word.to_lowercase().as_str() {
                "warm" => piece.replacen(word, warm, 1),
                "cool" | "cold" => piece.replacen(word, cool, 1),
                _ => piece.to_owned(),
            }
        })
        .collect()
}

/// How a seed varies what a prompt says: each in `[-1, 1]`.
struct Play {
    hue: f32,
    backdrop: f32,
    light: f32,
    size: f32,
    place: (f32, f32),
}

impl Play {
    fn random(rng: &mut Rng) -> Self {
        let mut next = || rng.random_range(-1.0..=1.0);
        Self {
            hue: next(),
            backdrop: next(),
            light: next(),
            size: next(),
            place: (next(), next()),
        }
    }
}

impl Said {
    fn put_on(&self, figure: &mut Figure, play: &Play) {
        figure.shape = self.shape.unwrap_or(figure.shape);
        figure.pattern = self.pattern.unwrap_or(figure.pattern);
        figure.mark = self.mark.unwrap_or(figure.mark);
        if let Some(hue) = self.hue {
            figure.hue = Hue::turned(hue, play.hue * HUE_PLAY);
        }
        if let Some(radius) = self.radius {
            figure.radius = radius * (1.0 + play.size * SIZE_PLAY);
        }
        if let Some((across, down)) = self.place.middle() {
            figure.middle = (across + play.place.0 * PLACE_PLAY, down + play.place.1 * PLACE_PLAY);
        }
    }
}
