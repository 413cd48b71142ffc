//! Explicit work is for adults only. This says when explicit work is at hand ([`applies`]), which texts
//! ([`check_text`]) and which answers about a picture ([`check_age`]) are refused then, and reads texts for it
//! ([`describes_minor`], [`explicit_terms`]). Nothing here asks a model or opens a file.
//!
//! The words are data: `words/` beside `src/`, compiled in.

mod adults_only;
mod filter;

pub use adults_only::{AgeAnswer, Refusal, Side, applies, check_age, check_text};
pub use filter::{MinorMatch, describes_minor, explicit_terms};
