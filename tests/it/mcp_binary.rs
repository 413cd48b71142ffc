//! The real binary over MCP, with the bundled judge, against the drawing stand-in for ComfyUI.

mod asking;
mod bad_pictures;
mod bad_rubrics;
pub mod bench;
mod calibration;
mod comfyui_down;
mod first_minute;
mod following;
mod foreign;
mod handles;
mod in_flight;
mod knobs;
mod notebook;
mod pictures;
mod places;
mod reading;
mod refusals;
mod replaced;
mod resources;
mod restart;
mod secrets;
mod secured;
mod seeds;
mod shape;
mod sharing;
pub mod studio;
mod tasks;
mod together;
pub mod warm;

use crate::support::mcp_client::Era;

/// What most tests of one transport speak.
const ERA: Era = Era::Session("2025-11-25");

/// Makes a module of tests from each body: one for each way to reach the server.
macro_rules! over_every_transport {
    ($($body:ident)*) => {$(
        mod $body {
            use crate::mcp_binary::bench::{Bench, Via};
            use crate::support::mcp_client::Era;

            $crate::mcp_binary::over_every_transport! { @each $body
                stdio_2025_11_25 Stdio Era::Session("2025-11-25");
                stdio_2026_07_28 Stdio Era::Modern;
                http_2025_11_25 Http Era::Session("2025-11-25");
                http_2026_07_28 Http Era::Modern;
                legacy_sse_2024_11_05 LegacySse Era::Session("2024-11-05");
            }
        }
    )*};
    (@each $body:ident $($name:ident $via:ident $era:expr;)*) => {$(
        #[tokio::test]
        async fn $name() {
            super::bodies::$body(Bench::new(Via::$via, $era).await).await;
        }
    )*};
}
pub(crate) use over_every_transport;
