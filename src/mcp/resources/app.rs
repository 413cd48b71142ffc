//! The page that shows a calibration inside a client (MCP Apps): one file that asks nothing of the network.
//!
//! The drawing is the report's (`report/draw.js`); the rest lies in `mcp/app`.

use rmcp::model::{JsonObject, MetaObject};
use serde_json::json;

use super::APP;
use crate::report::{DRAW, STYLE};
use text::filled;

/// How clients know such a page.
pub const MIME: &str = "text/html;profile=mcp-app";

/// The page.
pub fn html() -> String {
    let style = format!("{STYLE}\n{}", include_str!("../app/app.css"));
    filled(
        include_str!("../app/app.html"),
        &[
            ("{{style}}", &style),
            ("{{draw}}", DRAW),
            ("{{bridge}}", include_str!("../app/bridge.js")),
            ("{{read}}", include_str!("../app/read.js")),
            ("{{ask}}", include_str!("../app/ask.js")),
            ("{{app}}", include_str!("../app/app.js")),
        ],
    )
}

/// What a host must know of the page: it loads nothing, from nowhere.
pub fn meta() -> MetaObject {
    MetaObject(JsonObject::from_iter([(
        "ui".to_owned(),
        json!({"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": true}),
    )]))
}

/// What a tool says whose results the page shows; twice, since older hosts know only the second name.
pub fn tool_meta() -> MetaObject {
    MetaObject(JsonObject::from_iter([
        ("ui".to_owned(), json!({"resourceUri": APP})),
        ("ui/resourceUri".to_owned(), json!(APP)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_asks_nothing_of_the_network() {
        let page = html();
        assert!(!page.contains("{{"), "a place was left open");
        for part in ["function bars(", "ui/initialize", "get_history"] {
            assert!(page.contains(part), "{part}");
        }
        for loading in [
            "src=\"http",
            "href=\"http",
            "import(",
            "fetch(",
            "eval(",
            "innerHTML",
            "@import",
        ] {
            assert!(!page.contains(loading), "{loading}");
        }
        assert!(
            page.contains("default-src 'none'") && page.len() < 100_000,
            "{} bytes",
            page.len()
        );
    }
}
