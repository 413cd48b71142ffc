//! JSON of others, of a size that is known before it is in memory: small values take up to a hundred times their text.

use serde_json::Value;

/// How much JSON is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JsonLimit {
    /// Bytes of text.
    pub bytes: usize,
    /// Values: objects, lists and what stands in them. One takes 40 to 400 bytes.
    pub values: usize,
}

/// Why JSON is not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// It holds more values than are read.
    TooMany {
        /// How many are read.
        limit: usize,
    },
    /// It is no JSON, or more than 127 lists and objects lie in one another.
    Syntax(serde_json::Error),
}

/// Reads a text of at most `values` values.
pub(super) fn parse(text: &[u8], values: usize) -> Result<Value, Unread> {
    if values_of(text) > values {
        return Err(Unread::TooMany { limit: values });
    }
    serde_json::from_slice(text).map_err(Unread::Syntax)
}

/// How many values a text holds at most, told by its punctuation.
fn values_of(text: &[u8]) -> usize {
    let mut values = 1;
    let (mut in_string, mut escaped) = (false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'[' | b'{' if !in_string => values += 1,
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not() {
        for (text, wanted) in [
            ("1", 1),
            ("[]", 2),
            (r#"{"a": 1, "b": [2, 3]}"#, 5),
            (r#"["a,[{", "\",[", "\\", 1]"#, 5),
        ] {
            assert_eq!(values_of(text.as_bytes()), wanted, "{text}");
            assert!(parse(text.as_bytes(), wanted).is_ok(), "{text}");
            assert!(
                matches!(parse(text.as_bytes(), wanted - 1), Err(Unread::TooMany { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(parse(deep.as_bytes(), 1 << 20), Err(Unread::Syntax(_))));
    }
}
