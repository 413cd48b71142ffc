//! What several integration tests share.

// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod answering;
pub mod browser;
pub mod chain;
pub mod long_session;
pub mod mcp_client;
pub mod mcp_inbox;
pub mod mcp_wire;
