//! Stand-ins for a ComfyUI server. Neither renders with a model.
//!
//! - [`replay`] plays recorded runs back to a client under test, with every way of going wrong that a test asks for,
//!   and remembers every request that was not expected.
//! - [`studio`] is a small living server for the offline demo: it queues, reports progress and draws a scene from the
//!   words of the prompt. Its `/system_stats` says that it is a stand-in.

pub mod gpu;
pub mod replay;
pub mod studio;
