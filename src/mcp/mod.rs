//! The Model Context Protocol side, the only place that names rmcp.
//!
//! [`server`] is the handler and says who answers which request: `tools` (one file a tool: parameters, result, a thin call),
//! `resources`, `prompts`, `completions`, `tasks`, `following` (subscriptions), `log`. A tool call is a `call`; `asking` asks the
//! user. `convert` turns the domain into what goes over the wire, [`transport`] carries it. `app` holds the page that shows a
//! calibration inside a client.

mod asking;
mod call;
mod completions;
pub(crate) mod convert;
mod following;
mod log;
pub mod panic_guard;
pub mod progress;
mod prompts;
mod resources;
mod schema;
pub mod server;
mod tasks;
mod tools;
pub mod transport;
