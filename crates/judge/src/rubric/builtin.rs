//! The rubrics that ship inside the binary.

use super::RubricText;

/// Their names.
pub const BUILTIN_NAMES: [&str; 3] = ["default", "explicit", "scenes"];

/// The groups that they use; others are free to be added.
pub const BUILTIN_GROUPS: [&str; 7] = ["identity", "body", "wardrobe", "action", "affect", "camera", "render"];

/// The text of a built-in rubric, or nothing if there is none of this name.
pub fn builtin(name: &str) -> Option<RubricText> {
    let text = match name {
        "default" => include_str!("../rubrics/default.toml"),
        "explicit" => include_str!("../rubrics/explicit.toml"),
        "scenes" => include_str!("../rubrics/scenes.toml"),
        _ => return None,
    };
    Some(RubricText {
        text: text.to_owned(),
        origin: format!("builtin:{name}"),
    })
}
