//! The real binary over MCP, with the bundled judge, against the drawing stand-in for ComfyUI.

#![cfg(test)]

mod support;

#[path = "mcp_binary/asking.rs"]
mod asking;
#[path = "mcp_binary/bad_pictures.rs"]
mod bad_pictures;
#[path = "mcp_binary/bad_rubrics.rs"]
mod bad_rubrics;
#[path = "mcp_binary/bench.rs"]
mod bench;
#[path = "mcp_binary/calibration.rs"]
mod calibration;
#[path = "mcp_binary/comfyui_down.rs"]
mod comfyui_down;
#[path = "mcp_binary/first_minute.rs"]
mod first_minute;
#[path = "mcp_binary/following.rs"]
mod following;
#[path = "mcp_binary/foreign.rs"]
mod foreign;
#[path = "mcp_binary/handles.rs"]
mod handles;
#[path = "mcp_binary/in_flight.rs"]
mod in_flight;
#[path = "mcp_binary/knobs.rs"]
mod knobs;
#[path = "mcp_binary/notebook.rs"]
mod notebook;
#[path = "mcp_binary/pictures.rs"]
mod pictures;
#[path = "mcp_binary/places.rs"]
mod places;
#[path = "mcp_binary/reading.rs"]
mod reading;
#[path = "mcp_binary/refusals.rs"]
mod refusals;
#[path = "mcp_binary/replaced.rs"]
mod replaced;
#[path = "mcp_binary/resources.rs"]
mod resources;
#[path = "mcp_binary/restart.rs"]
mod restart;
#[path = "mcp_binary/secrets.rs"]
mod secrets;
#[path = "mcp_binary/secured.rs"]
mod secured;
#[path = "mcp_binary/seeds.rs"]
mod seeds;
#[path = "mcp_binary/shape.rs"]
mod shape;
#[path = "mcp_binary/sharing.rs"]
mod sharing;
#[path = "mcp_binary/studio.rs"]
mod studio;
#[path = "mcp_binary/tasks.rs"]
mod tasks;
#[path = "mcp_binary/together.rs"]
mod together;
#[path = "mcp_binary/warm.rs"]
mod warm;

use support::mcp_client::Era;

/// What most tests of one transport speak.
const ERA: Era = Era::Session("2025-11-25");

/// Makes a module of tests from each body: one for each way to reach the server.
macro_rules! over_every_transport {
    ($($body:ident)*) => {$(
        mod $body {
            use crate::bench::{Bench, Via};
            use crate::support::mcp_client::Era;

            $crate::over_every_transport! { @each $body
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
