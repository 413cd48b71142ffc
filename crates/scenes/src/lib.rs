//! Rendered scenes with known attributes.
//!
//! A [`Scene`] is a large figure before a backdrop, with small balls along the bottom and light
//! from a side. Its ten [`Attribute`]s mirror the groups of a real rubric, each has words
//! ([`Scene::words`]) and a known distance to another scene's ([`Scene::distance`]), so a judge can
//! be trained and measured without a human label. Everything follows from a seed.

mod attribute;
mod compare;
mod distort;
mod draw;
mod edit;
mod figure;
mod glyphs;
mod kinds;
mod read;
mod sample;
mod scene;
mod steps;
mod tone;
mod words;

pub use attribute::{ATTRIBUTES, Attribute};
pub use distort::Distortion;
pub use draw::{Drawn, draw};
pub use kinds::{Mark, Pattern, Shape, Texture};
pub use sample::{Rng, rng};
pub use scene::{Figure, Scene};
pub use tone::Hue;
