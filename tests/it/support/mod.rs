//! What several of the tests share.

pub mod answering;
pub mod browser;
pub mod chain;
pub mod long_session;
pub mod mcp_client;
pub mod mcp_inbox;
pub mod mcp_wire;
pub mod random_judges;
