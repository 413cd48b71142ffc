//! What a literal looks like: words for a picture, a file, a choice, a schedule.

/// Whether a literal is a yes or no in words.
pub(super) fn is_yes_or_no(text: &str) -> bool {
    matches!(
        text.trim().to_lowercase().as_str(),
        "yes" | "no" | "on" | "off" | "true" | "false" | "enable" | "disable" | "enabled" | "disabled"
    )
}

/// Whether a choice decides a size, whatever the numbers beside it say.
pub(super) fn is_preset(name: &str, chosen: &str) -> bool {
    let name = name.to_lowercase();
    let chosen = chosen.trim().to_lowercase();
    let own = ["none", "manual", ""].contains(&chosen.as_str())
        || ["custom", "自定义", "width x height"]
            .iter()
            .any(|word| chosen.contains(word));
    !own && !is_yes_or_no(&chosen)
        && ["ratio", "preset", "resolution", "dimensions"]
            .iter()
            .any(|word| name.contains(word))
        || ["swap", "flip"].iter().any(|stem| name.starts_with(stem))
            && ["on", "yes", "true"].contains(&chosen.as_str())
}

/// Whether a literal reads like words for a picture, rather than a choice, a file or a formula.
pub(super) fn is_prose(text: &str) -> bool {
    let formula = text.contains("[%") || text.contains("%]") || text.contains("[[");
    // Some scripts need no spaces.
    let several = text.trim().contains([' ', ',', '\n']) || text.chars().any(|c| c > '\u{2e80}');
    text.chars().any(char::is_alphabetic) && several && !formula && !is_weights(text)
}

/// Whether a literal names a file of model weights.
pub(super) fn is_weights(text: &str) -> bool {
    let text = text.to_lowercase();
    [".safetensors", ".ckpt", ".gguf", ".sft", ".pth", ".pt", ".bin"]
        .iter()
        .any(|ending| text.ends_with(ending))
}

/// Whether a literal is a setting rather than words: a yes or no, a number, a colour, a file, an address, a delimiter.
pub(super) fn is_setting(text: &str) -> bool {
    const FILES: [&str; 8] = [".png", ".jpg", ".jpeg", ".webp", ".txt", ".json", ".yaml", ".csv"];
    let text = text.trim();
    let lower = text.to_lowercase();
    let colour = text
        .strip_prefix('#')
        .is_some_and(|rest| matches!(rest.len(), 3 | 4 | 6 | 8) && rest.chars().all(|digit| digit.is_ascii_hexdigit()));
    !text.is_empty()
        && (is_yes_or_no(text)
            || is_weights(text)
            || colour
            || text.parse::<f64>().is_ok()
            || !text.chars().any(char::is_alphanumeric)
            || lower.starts_with("http://")
            || lower.starts_with("https://")
            || FILES.iter().any(|ending| lower.ends_with(ending)))
}

/// Whether a literal is a list of prompts by the frame at which they begin: `"0": "a castle", "12": "a tower"`.
pub(super) fn is_schedule(text: &str) -> bool {
    let quotes = ['"', '\''];
    let text = text.trim_start().trim_start_matches(['{', ' ', '\n']);
    let frame = text.trim_start_matches(quotes);
    let rest = frame.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let Some(words) = rest.trim_start_matches(quotes).trim_start().strip_prefix(':') else {
        return false;
    };
    rest.len() < frame.len() && words.trim_start().starts_with(quotes)
}
