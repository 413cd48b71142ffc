//! What a scene is made of.

use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;
use crate::kinds::{Mark, Pattern, Shape, Texture};
use crate::tone::Hue;

/// The least and the largest radius of a figure, as shares of the picture's side.
pub const RADII: (f32, f32) = (0.17, 0.34);
/// Where a figure's middle may lie across, as shares of the side.
pub const ACROSS: (f32, f32) = (0.22, 0.78);
/// Where it may lie down from the top; the balls have the bottom.
pub const DOWN: (f32, f32) = (0.2, 0.66);
/// The most balls.
pub const MOST_BALLS: u8 = 4;

/// A scene. Lengths are shares of the picture's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The large figure; none when it is out of frame.
    pub figure: Option<Figure>,
    /// Small balls along the bottom, 0 to 4.
    pub balls: u8,
    /// The backdrop's hue.
    pub backdrop: Hue,
    /// The backdrop's surface.
    pub texture: Texture,
    /// Where the light comes from: degrees clockwise from the top, `[0, 360)`.
    pub light: f32,
    /// What says nothing: seeds the grain and shifts the patterns.
    pub detail: u32,
}

/// The large figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its shape.
    pub shape: Shape,
    /// Its hue.
    pub hue: Hue,
    /// Its filling.
    pub pattern: Pattern,
    /// Its radius.
    pub radius: f32,
    /// Its middle: across and down.
    pub middle: (f32, f32),
    /// The sign on it.
    pub mark: Option<Mark>,
    /// Degrees it is tilted by; says nothing.
    pub tilt: f32,
}

impl Scene {
    /// Whether an attribute can be seen.
    #[must_use]
    pub fn shows(&self, attribute: Attribute) -> bool {
        match attribute {
            Attribute::Mark => self.figure.as_ref().is_some_and(|f| f.mark.is_some()),
            Attribute::Count => self.balls > 0,
            other if other.of_figure() => self.figure.is_some(),
            _ => true,
        }
    }

    /// A few words on an attribute; nothing when it cannot be seen.
    #[must_use]
    pub fn words(&self, attribute: Attribute) -> Option<String> {
        let figure = self.figure.as_ref();
        let words = match attribute {
            Attribute::Subject => figure?.shape.word(),
            Attribute::Colour => figure?.hue.word(),
            Attribute::Pattern => figure?.pattern.word(),
            Attribute::Size => match figure?.radius {
                r if r < 0.202 => "small",
                r if r < 0.24 => "medium",
                r if r < 0.286 => "large",
                _ => "huge",
            },
            Attribute::Position => return figure.map(|f| place(f.middle)),
            Attribute::Mark => figure?.mark?.word(),
            Attribute::Count => match self.balls {
                0 => return None,
                1 => "one",
                2 => "two",
                3 => "three",
                _ => "four",
            },
            Attribute::Background => self.backdrop.word(),
            Attribute::Lighting => return Some(side(self.light)),
            Attribute::Texture => self.texture.word(),
        };
        Some(words.to_owned())
    }
}

fn place((across, down): (f32, f32)) -> String {
    let row = if down < 0.34 {
        "top"
    } else if down < 0.52 {
        ""
    } else {
        "bottom"
    };
    let column = if across < 0.4 {
        "left"
    } else if across < 0.6 {
        ""
    } else {
        "right"
    };
    match (row, column) {
        ("", "") => "middle".into(),
        ("", side) | (side, "") => side.into(),
        (row, column) => format!("{row} {column}"),
    }
}

fn side(degrees: f32) -> String {
    const SIDES: [&str; 8] = [
        "top",
        "top right",
        "right",
        "bottom right",
        "bottom",
        "bottom left",
        "left",
        "top left",
    ];
    let nearest = ((degrees + 22.5).rem_euclid(360.0) / 45.0) as usize;
    format!("from {}", SIDES[nearest.min(7)])
}
