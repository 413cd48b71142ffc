//! The names of what can be seen in a scene.

use serde::{Deserialize, Serialize};

/// One aspect of a scene; its name is the id of the rubric's axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// The figure's shape.
    Subject,
    /// The figure's hue.
    Colour,
    /// What fills the figure.
    Pattern,
    /// The figure's radius.
    Size,
    /// The figure's middle.
    Position,
    /// The sign on the figure.
    Mark,
    /// Balls along the bottom.
    Count,
    /// The backdrop's hue.
    Background,
    /// Where the light comes from.
    Lighting,
    /// The backdrop's surface.
    Texture,
}

/// All attributes, in the order of the rubric.
pub const ATTRIBUTES: [Attribute; 10] = [
    Attribute::Subject,
    Attribute::Colour,
    Attribute::Pattern,
    Attribute::Size,
    Attribute::Position,
    Attribute::Mark,
    Attribute::Count,
    Attribute::Background,
    Attribute::Lighting,
    Attribute::Texture,
];

impl Attribute {
    /// The id of its axis.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Colour => "colour",
            Self::Pattern => "pattern",
            Self::Size => "size",
            Self::Position => "position",
            Self::Mark => "mark",
            Self::Count => "count",
            Self::Background => "background",
            Self::Lighting => "lighting",
            Self::Texture => "texture",
        }
    }

    /// The attribute of an axis id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        ATTRIBUTES.into_iter().find(|a| a.id() == id)
    }

    /// Whether its distance grows in many small steps (hues, sizes, places) rather than in kinds.
    #[must_use]
    pub fn is_graded(self) -> bool {
        matches!(
            self,
            Self::Colour | Self::Size | Self::Position | Self::Background | Self::Lighting
        )
    }

    /// Whether it belongs to the figure, and so is hidden when the figure is out of frame.
    #[must_use]
    pub fn of_figure(self) -> bool {
        matches!(
            self,
            Self::Subject | Self::Colour | Self::Pattern | Self::Size | Self::Position | Self::Mark
        )
    }
}
