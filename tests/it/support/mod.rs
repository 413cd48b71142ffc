//! What several of the tests share.

pub mod answering;
pub mod browser;
pub mod chain;
pub mod long_session;
pub mod mcp_client;
pub mod mcp_inbox;
pub mod mcp_wire;
pub mod random_judges;
pub mod signal;

/// Says that a test, or the rest of it, is not run, past the test runner, which shows nothing of what a test prints that passes.
pub fn not_run(why: &str) {
    use std::io::Write as _;
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "{test} is not run: {why}");
}
