//! The Model Context Protocol side, the only place that names rmcp.
//!
//! [`server`] is the handler, `tools` has one file a tool (parameters, result, a thin call),
//! `convert` turns the domain into what goes over the wire, [`transport`] carries it.

mod convert;
pub mod panic_guard;
pub mod progress;
mod schema;
pub mod server;
mod tools;
pub mod transport;
