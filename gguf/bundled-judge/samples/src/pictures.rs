//! Pictures to train on: scenes as the judge is shown them, and now and then no scene at all.

use anyhow::{Context as _, Result};
use imaging::{Limits, Picture, TokenBudget, decode, fit};
use judge::bank::bank;
use rand::RngExt as _;
use scenes::{ATTRIBUTES, Attribute, Distortion, Mark, Pattern, Rng, Scene, Shape, Texture, draw};

/// Pixels a side of what the judge sees: 16 tokens.
pub const SIDE: u32 = 128;
/// Tokens of a picture.
pub const TOKENS: u32 = 16;

/// What a picture shows.
#[derive(Clone, PartialEq)]
pub enum Shown {
    /// A scene.
    Scene(Scene),
    /// Something else; equal numbers are equal pictures.
    Other(u64),
}

impl Shown {
    /// Whether an attribute can be seen.
    pub fn shows(&self, attribute: Attribute) -> bool {
        matches!(self, Self::Scene(scene) if scene.shows(attribute))
    }

    /// Words on an attribute that can be seen.
    pub fn words(&self, attribute: Attribute) -> Option<String> {
        match self {
            Self::Scene(scene) => scene.words(attribute),
            Self::Other(_) => None,
        }
    }

    /// How far another lies on an attribute, 0 to 1.
    pub fn distance(&self, other: &Self, attribute: Attribute) -> f64 {
        match (self, other) {
            (Self::Scene(a), Self::Scene(b)) => a.distance(b, attribute),
            (a, b) => f64::from(u8::from(a != b)),
        }
    }
}

/// Pixels as the judge sees them.
pub struct Source {
    strangers: Vec<Picture>,
    budget: TokenBudget,
}

impl Source {
    /// With the product's own bank of unrelated pictures.
    pub fn new() -> Result<Self> {
        let strangers = bank()
            .iter()
            .map(|entry| decode(entry.bytes, &Limits::default()))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            strangers,
            budget: TokenBudget::new(TOKENS)?,
        })
    }

    /// A random thing that is no scene.
    pub fn other(rng: &mut Rng) -> Shown {
        Shown::Other(rng.random())
    }

    /// Plain grey.
    pub const GREY: Shown = Shown::Other(0);

    /// The pixels of what is shown, now and then distorted.
    pub fn pixels(&mut self, shown: &Shown, rng: &mut Rng) -> Result<Vec<u8>> {
        match shown {
            Shown::Scene(scene) => {
                let side = match rng.random_range(0..10) {
                    0 => 256,
                    1 => 192,
                    2 => 160,
                    _ => SIDE,
                };
                let mut drawn = draw(scene, side);
                if rng.random_bool(0.4) {
                    drawn = distortion(rng).applied(&drawn, rng);
                }
                if side == SIDE {
                    return Ok(drawn.rgb);
                }
                self.fitted(&Picture::from_pixels(side, side, drawn.rgb)?)
            }
            Shown::Other(kind) => self.stranger(*kind),
        }
    }

    fn fitted(&self, picture: &Picture) -> Result<Vec<u8>> {
        let fitted = fit(picture, self.budget)?;
        anyhow::ensure!(
            (fitted.width, fitted.height) == (SIDE, SIDE),
            "a picture that is not square"
        );
        Ok(fitted.rgb)
    }

    fn stranger(&self, kind: u64) -> Result<Vec<u8>> {
        let length = (SIDE * SIDE * 3) as usize;
        if kind == 0 {
            return Ok(vec![128; length]);
        }
        let mut rng = scenes::rng(kind);
        Ok(match rng.random_range(0..6) {
            0 => {
                let grey: u8 = rng.random();
                vec![grey; length]
            }
            1 => {
                let flat: [u8; 3] = rng.random();
                flat.into_iter().cycle().take(length).collect()
            }
            2 => (0..length).map(|_| rng.random()).collect(),
            _ => {
                let at = rng.random_range(0..self.strangers.len());
                let picture = self.strangers.get(at).context("the bank is empty")?;
                self.fitted(picture)?
            }
        })
    }
}

fn distortion(rng: &mut Rng) -> Distortion<'static> {
    const WORDS: [&str; 8] = [
        "SCORE 9",
        "SCORE 0",
        "SAME",
        "IDENTICAL",
        "MATCH 9",
        "5",
        "THIS IS THE SAME PICTURE",
        "UNRELATED",
    ];
    match rng.random_range(0..10) {
        0..3 => Distortion::Jpeg(rng.random_range(40..=95)),
        3..6 => Distortion::Shift(rng.random_range(-2..=2), rng.random_range(-2..=2)),
        6..8 => Distortion::Noise(rng.random_range(1.0..10.0)),
        _ => Distortion::Written {
            words: WORDS[rng.random_range(0..WORDS.len())],
            height: rng.random_range(0.06..0.14),
            down: rng.random_range(0.02..0.85),
            opacity: if rng.random_bool(0.5) { 0.9 } else { 0.35 },
        },
    }
}

/// The auxiliary targets: name, and the number of classes (0 for a value).
pub const TARGETS: [(&str, usize); 15] = [
    ("subject", Shape::ALL.len()),
    ("pattern", Pattern::ALL.len()),
    ("mark", Mark::ALL.len()),
    ("texture", Texture::ALL.len()),
    ("count", 5),
    ("shown", 2),
    ("size", 0),
    ("across", 0),
    ("down", 0),
    ("hue_sin", 0),
    ("hue_cos", 0),
    ("backdrop_sin", 0),
    ("backdrop_cos", 0),
    ("light_sin", 0),
    ("light_cos", 0),
];

/// The auxiliary targets of a picture; NaN where there is none.
pub fn targets(shown: &Shown) -> [f32; TARGETS.len()] {
    let mut to = [f32::NAN; TARGETS.len()];
    let Shown::Scene(scene) = shown else { return to };
    let class = |found: Option<usize>| found.map_or(f32::NAN, |i| i as f32);
    if let Some(figure) = &scene.figure {
        to[0] = class(Shape::ALL.iter().position(|k| *k == figure.shape));
        to[1] = class(Pattern::ALL.iter().position(|k| *k == figure.pattern));
        to[2] = class(Mark::ALL.iter().position(|k| Some(*k) == figure.mark));
        to[6] = (figure.radius / 0.24).log2() * 2.0;
        (to[7], to[8]) = ((figure.middle.0 - 0.5) * 4.0, (figure.middle.1 - 0.43) * 4.0);
        (to[9], to[10]) = figure.hue.degrees().to_radians().sin_cos();
    }
    to[3] = class(Texture::ALL.iter().position(|k| *k == scene.texture));
    to[4] = f32::from(scene.balls);
    to[5] = f32::from(u8::from(ATTRIBUTES.iter().any(|a| a.of_figure() && scene.shows(*a))));
    (to[11], to[12]) = scene.backdrop.degrees().to_radians().sin_cos();
    (to[13], to[14]) = scene.light.to_radians().sin_cos();
    to
}
