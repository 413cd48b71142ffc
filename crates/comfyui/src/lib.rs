//! ComfyUI: what a workflow means, and how a server runs it.
//!
//! The pure half: [`graph`] (a workflow), [`object_info`] (what its nodes are), [`inject`] (where
//! a prompt goes), [`knobs`] (writing), [`lint`] (what must not be posted), [`replacements`] (classes that run in place of
//! others), [`outputs`] (which nodes make no image). The half with I/O:
//! [`client`] (HTTP), [`discover`] (on which port), [`events`] (WebSocket), [`runs`] (submit, follow, fetch).

pub mod calls;
pub mod client;
mod definitions;
pub mod describe;
pub mod discover;
pub mod error;
pub mod events;
mod folders;
mod follow;
pub mod graph;
pub mod images;
pub mod inject;
pub mod knobs;
pub mod lint;
pub mod object_info;
pub mod outputs;
mod patience;
pub mod progress;
pub mod record;
mod rejection;
pub mod replacements;
pub mod runs;
mod socket;
pub mod tls;
