//! A session as one self-contained page for a browser: what was tried, what moved, what is best.
//!
//! [`page`] turns a notebook into the page's data; [`html`] puts data, style and script into one file that asks nothing of the
//! network, and forbids the browser to. The drawing is `draw.js` (from data to nodes, for whoever shows a calibration) and `page.js`
//! (this page: what is chosen, the keyboard, the address). Texts go into the page as text only, never as markup.

mod data;

pub use data::{Page, page};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use text::secrets::Secrets;
use text::{escaped, filled, outgoing, outgoing_json};

const TEMPLATE: &str = include_str!("page.html");
/// The page's style, for whoever shows a calibration.
pub const STYLE: &str = include_str!("page.css");
/// The drawing functions, likewise.
pub const DRAW: &str = include_str!("draw.js");
const SCRIPT: &str = include_str!("page.js");

/// The page as a file. Pictures and words of explicit work are veiled until the reader lifts that.
///
/// # Errors
/// When a number of the data cannot be written as JSON.
pub fn html(page: &Page) -> serde_json::Result<String> {
    let script = format!("{DRAW}\n{SCRIPT}");
    // Only this very script may run, whatever else gets into the page.
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{}'",
        STANDARD.encode(Sha256::digest(&script))
    );
    // Within a script element nothing but "</script" and "<!--" means anything.
    let mut data = serde_json::to_value(page)?;
    shown(&mut data, &page.secrets);
    let data = data.to_string().replace('<', "\\u003c");
    let class = if page.explicit { "veiled" } else { "" };
    let parts = [
        ("{{class}}", class),
        ("{{policy}}", &policy),
        (
            "{{title}}",
            &escaped(&outgoing(page.title.as_deref().unwrap_or(&page.session))),
        ),
        ("{{style}}", STYLE),
        ("{{data}}", &data),
        ("{{draw}}\n{{page}}", &script),
    ];
    Ok(filled(TEMPLATE, &parts))
}

/// Data as it may be shown, pictures apart.
fn shown(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => {
            *text = secrets.masked(text);
            outgoing_json(value);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shown(item, secrets)),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name != data::PICTURE || !field.is_string() {
                    shown(field, secrets);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests;
