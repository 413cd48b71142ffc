//! How much memory a judge takes, and where its parts go when there is too little on the GPU. Sizes come from the files'
//! own heads; nothing is loaded.

pub mod gguf;
mod need;
mod place;
mod shape;

#[cfg(test)]
mod tests;

pub use gguf::{GgufError, Head};
pub use need::{Need, Part, need};
pub use place::{MARGIN, Placement, choose, place};
pub use shape::{Layer, Shape, ShapeError, TextShape, VisionShape};
