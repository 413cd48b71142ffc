//! Prompt Calibrator: an agent calibrates an image prompt against a reference picture.
//!
//! Data flows one way: [`cli`] → [`mcp`] → [`session`] → [`judge`] | [`comfyui`] | [`history`].
//! [`eval`] and [`mod@bench`] stand beside `mcp`: they drive the judge and nothing else.

pub mod bench;
pub mod bundled;
pub mod cli;
pub mod clients;
pub mod config;
#[cfg(test)]
mod hints;
mod machine;
pub mod mcp;
pub mod report;
pub mod session;
mod signals;
pub mod telemetry;
