//! Texts that people and agents read, and texts that strangers wrote: cut, escaped, cleaned ([`Foreign`]), without secrets
//! ([`secrets`]), within limits ([`bounded`]), in dots ([`font`]), why something
//! failed ([`causes`]), and names that are near ([`near`]).

pub mod bounded;
pub mod causes;
pub mod font;
mod foreign;
pub mod near;
pub mod secrets;

pub use foreign::{Foreign, cleaned, outgoing, outgoing_json, shown_json};

/// The text with its first letter as a capital.
pub fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// At most so many characters of a text, with `…` for the last where it was cut; nothing where there is no room for a word.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    if most < 2 {
        return String::new();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A text as it is shown in HTML, between tags and in quotes.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A template with its places filled in. It is gone through once, so that what is put in is never taken for a place.
pub fn filled(template: &str, parts: &[(&str, &str)]) -> String {
    let room: usize = parts.iter().map(|(_, value)| value.len()).sum();
    let mut text = String::with_capacity(template.len() + room);
    let mut rest = template;
    while let Some((at, place, value)) = parts
        .iter()
        .filter_map(|(place, value)| Some((rest.find(place)?, *place, *value)))
        .min_by_key(|(at, ..)| *at)
    {
        text.push_str(&rest[..at]);
        text.push_str(value);
        rest = &rest[at + place.len()..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters_and_never_longer_than_asked() {
        assert_eq!(shortened("früh", 4), "früh");
        assert_eq!(shortened("früher", 4), "frü…");
        assert_eq!(
            (shortened("früher", 1), shortened("", 0)),
            (String::new(), String::new())
        );
        assert_eq!(
            (capitalised("über"), capitalised("")),
            ("Über".to_owned(), String::new())
        );
        assert_eq!(escaped("<a b='\"&'>"), "&lt;a b=&#39;&quot;&amp;&#39;&gt;");
    }

    #[test]
    fn what_is_put_into_a_template_is_never_taken_for_a_place() {
        let parts = [("{{a}}", "1 {{b}}"), ("{{b}}", "{{a}}"), ("{{none}}", "x")];
        assert_eq!(
            filled("<{{a}}|{{b}}|{{a}}|{{c}}>", &parts),
            "<1 {{b}}|{{a}}|1 {{b}}|{{c}}>"
        );
        assert_eq!(filled("nothing", &[]), "nothing");
    }
}
