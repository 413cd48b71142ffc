//! From the words of a prompt to a list of shapes. Pure, and the same for the same words and seed.

use sha2::{Digest, Sha256};

/// Ends a clause: what was said about a place holds for the shapes of its clause.
const CLAUSE_END: &str = "and";

/// Red, green and blue, 0 to 1.
pub type Colour = [f32; 3];

/// A shape that can be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    Circle,
    Square,
    Triangle,
    Ring,
    Star,
}

/// One shape in a picture of side 2 around the centre.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    pub form: Form,
    pub colour: Colour,
    pub x: f32,
    pub y: f32,
    /// Half of its width.
    pub size: f32,
}

/// What is to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    pub background: Colour,
    pub shapes: Vec<Shape>,
    /// Factor on all brightness: below 1 for "dark".
    pub light: f32,
}

/// Reads a prompt. Words of the negative prompt are left out of the positive one.
///
/// A colour belongs to the shape, or to the background, that follows it ("red circle on a blue background"); a word that
/// says nothing here leaves a small dot of its own colour, so that every change of the prompt changes the picture.
pub fn scene(positive: &str, negative: &str, seed: u64) -> Scene {
    let unwanted: Vec<String> = words(negative).filter(|word| word != CLAUSE_END).collect();
    let mut chance = Chance(seed);
    let mut scene = Scene {
        background: [0.86, 0.86, 0.84],
        shapes: Vec::new(),
        light: 1.0,
    };
    let (mut colour, mut count, mut size) = (None, 1, 0.42);
    let (mut shift_x, mut shift_y, mut clause) = (0.0, 0.0, 0);
    let mut dots = Vec::new();
    let ended = std::iter::once(CLAUSE_END.to_owned());
    for word in words(positive).filter(|word| !unwanted.contains(word)).chain(ended) {
        if let Some(named) = named_colour(&word) {
            colour = Some(named);
        } else if let Some(form) = named_form(&word) {
            let colour = colour.take().unwrap_or_else(|| hashed_colour(&word));
            for index in 0..count {
                let spread = (index as f32 - (count as f32 - 1.0) / 2.0) * 1.6 / count as f32;
                scene.shapes.push(Shape {
                    form,
                    colour,
                    x: if count > 1 { spread } else { 0.0 } + chance.around(0.12),
                    y: chance.around(0.12),
                    size: size / (count as f32).sqrt() * (1.0 + chance.around(0.15)),
                });
            }
            (count, size) = (1, 0.42);
        } else {
            match word.as_str() {
                "background" | "backdrop" | "sky" | "wall" => {
                    scene.background = colour.take().unwrap_or(scene.background)
                }
                "big" | "large" | "huge" => size = 0.7,
                "small" | "tiny" | "little" => size = 0.2,
                "two" => count = 2,
                "three" => count = 3,
                "four" => count = 4,
                "left" => shift_x = -0.45,
                "right" => shift_x = 0.45,
                "top" | "upper" => shift_y = -0.45,
                "bottom" | "lower" => shift_y = 0.45,
                "dark" | "night" | "dim" => scene.light = 0.5,
                "bright" | "sunny" => scene.light = 1.15,
                CLAUSE_END => {
                    for shape in &mut scene.shapes[clause..] {
                        (shape.x, shape.y) = (shape.x + shift_x, shape.y + shift_y);
                    }
                    (shift_x, shift_y, clause) = (0.0, 0.0, scene.shapes.len());
                }
                "a" | "an" | "the" | "of" | "on" | "in" | "with" | "at" => {}
                _ => dots.push(hashed_colour(&word)),
            }
        }
    }
    for colour in dots {
        scene.shapes.push(Shape {
            form: Form::Circle,
            colour,
            x: chance.around(0.9),
            y: chance.around(0.9),
            size: 0.05,
        });
    }
    scene
}

/// The words in lower case; a comma or the like ends a clause as "and" does.
fn words(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace([',', '.', ';', '\n'], " and ");
    let words: Vec<String> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.into_iter()
}

fn named_colour(word: &str) -> Option<Colour> {
    Some(match word {
        "red" => [0.85, 0.12, 0.12],
        "green" => [0.13, 0.6, 0.22],
        "blue" => [0.15, 0.3, 0.85],
        "yellow" => [0.95, 0.85, 0.15],
        "orange" => [0.95, 0.55, 0.1],
        "purple" | "violet" => [0.5, 0.2, 0.7],
        "pink" => [0.95, 0.55, 0.7],
        "brown" => [0.45, 0.28, 0.15],
        "black" => [0.05, 0.05, 0.05],
        "white" => [0.97, 0.97, 0.97],
        "grey" | "gray" => [0.5, 0.5, 0.5],
        "cyan" | "turquoise" | "teal" => [0.1, 0.7, 0.7],
        _ => return None,
    })
}

fn named_form(word: &str) -> Option<Form> {
    Some(match word.strip_suffix('s').unwrap_or(word) {
        "circle" | "disc" | "disk" | "ball" | "sun" | "moon" => Form::Circle,
        "square" | "box" | "boxe" | "cube" => Form::Square,
        "triangle" | "pyramid" | "mountain" => Form::Triangle,
        "ring" => Form::Ring,
        "star" => Form::Star,
        _ => return None,
    })
}

fn hashed_colour(word: &str) -> Colour {
    let hash = Sha256::digest(word.as_bytes());
    [hash[0], hash[1], hash[2]].map(|byte| 0.15 + 0.7 * f32::from(byte) / 255.0)
}

/// A small generator of numbers (splitmix64): the same for the same seed everywhere.
struct Chance(u64);

impl Chance {
    /// A number in `-reach..reach`.
    fn around(&mut self, reach: f32) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        ((z >> 40) as f32 / (1u64 << 24) as f32 * 2.0 - 1.0) * reach
    }
}
