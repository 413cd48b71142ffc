//! Prompt Calibrator: an agent calibrates an image prompt against a reference picture.
//!
//! Data flows one way: [`cli`] → [`mcp`] → [`session`] → [`judge`] | [`comfy`] | [`history`].
//! [`eval`] and [`mod@bench`] stand beside `mcp`: they drive the judge and nothing else.

pub mod bench;
mod bounded;
pub mod bundled;
pub mod cli;
pub mod clients;
pub mod comfy;
pub mod config;
pub mod eval;
pub mod hint;
pub mod history;
pub mod judge;
pub mod mcp;
pub mod models;
mod near;
pub mod picture;
mod processor;
pub mod progress;
mod regular;
mod replace;
pub mod report;
mod secrets;
pub mod session;
mod signals;
pub mod telemetry;
mod text;
