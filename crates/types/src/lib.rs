//! What all crates share: what to do about an error ([`hint`]), how far long work is
//! ([`progress`]), values that are not shown ([`Secret`]).

pub mod digest;
pub mod hint;
pub mod progress;
mod secret;

pub use secret::Secret;
