//! The attributes that come in kinds.

use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $kind:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$of])* $kind),+ }

        impl $name {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// Its word.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$kind => $word),+ }
            }
        }
    };
}

kinds! {
    /// The figure's shape.
    Shape {
        /// A disc.
        Circle = "circle",
        /// A disc with a hole.
        Ring = "ring",
        /// A crescent.
        Moon = "moon",
        /// Four equal sides.
        Square = "square",
        /// Three sides.
        Triangle = "triangle",
        /// Five points.
        Star = "star",
        /// Two crossed beams.
        Plus = "plus",
        /// Two lobes and a point.
        Heart = "heart",
    }
}

kinds! {
    /// What fills the figure.
    Pattern {
        /// One tone.
        Solid = "solid",
        /// Level bands.
        Stripes = "stripes",
        /// Round spots.
        Dots = "dots",
        /// A chequerboard.
        Checks = "checks",
    }
}

kinds! {
    /// The white sign in the dark disc on the figure.
    Mark {
        /// A round spot.
        Dot = "dot",
        /// A level bar.
        Bar = "bar",
        /// Two crossed bars.
        Cross = "cross",
    }
}

kinds! {
    /// The backdrop's surface.
    Texture {
        /// Nothing.
        Smooth = "smooth",
        /// Coarse random specks.
        Grain = "grain",
        /// Upright lines.
        Lines = "lines",
        /// Crossing lines.
        Grid = "grid",
    }
}

/// 0 for the same kind, one half for kinds of one family, 1 otherwise.
pub(crate) fn apart<T: PartialEq>(a: &T, b: &T, families: &[&[T]]) -> f64 {
    if a == b {
        0.0
    } else if families.iter().any(|f| f.contains(a) && f.contains(b)) {
        0.5
    } else {
        1.0
    }
}

impl Shape {
    /// Shapes that are alike.
    pub(crate) const FAMILIES: &[&[Self]] = &[
        &[Self::Circle, Self::Ring, Self::Moon],
        &[Self::Square, Self::Triangle],
        &[Self::Star, Self::Plus],
    ];
}

impl Pattern {
    /// Patterns that are alike.
    pub(crate) const FAMILIES: &[&[Self]] = &[&[Self::Dots, Self::Checks]];
}

impl Mark {
    /// Marks that are alike.
    pub(crate) const FAMILIES: &[&[Self]] = &[&[Self::Bar, Self::Cross]];
}

impl Texture {
    /// Textures that are alike.
    pub(crate) const FAMILIES: &[&[Self]] = &[&[Self::Lines, Self::Grid]];
}
