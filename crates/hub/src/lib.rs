//! Models for the judge: which there are, how they come onto this machine, and what is there.
//!
//! [`catalog`] and [`name`] say what is meant, [`hub`] fetches it, [`record`] remembers it. Files lie in the cache that
//! Hugging Face's own programs use, so that none is fetched twice.
//!
//! Pure: `catalog`, `name` (what a name means, which projector belongs to a model), `hub::answers` and `hub::pieces`. With I/O: `hub::client`,
//! `hub::download`, `hub::cache`, `local` (files that are on this machine already), `pull`, `verify`, `remove`.

pub mod catalog;
pub mod error;
pub mod hub;
pub mod local;
pub mod name;
pub mod pull;
pub mod record;
pub mod remove;
pub mod settings;
pub mod telling;
pub mod verify;

pub use error::ModelsError;
pub use settings::HubSettings;
