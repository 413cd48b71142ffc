//! JSON of others, of a size that is known before it is in memory: small values take up to a hundred times their text.

use std::io;

use serde::Serialize;
use serde_json::Value;

/// What one value takes in memory at worst, in bytes, its text apart.
const VALUE_BYTES: usize = 400;

/// How much JSON is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimit {
    /// Bytes of text.
    pub bytes: usize,
    /// Values: objects, lists and what stands in them. One takes 40 to 400 bytes.
    pub values: usize,
}

/// Why JSON is not read.
#[derive(Debug)]
pub enum Unread {
    /// It holds more values than are read.
    TooMany {
        /// How many are read.
        limit: usize,
    },
    /// It is no JSON, or more than 127 lists and objects lie in one another.
    Syntax(serde_json::Error),
}

/// Reads a text of at most `values` values.
pub fn parse(text: &[u8], values: usize) -> Result<Value, Unread> {
    if Size::of_text(text).values > values {
        return Err(Unread::TooMany { limit: values });
    }
    serde_json::from_slice(text).map_err(Unread::Syntax)
}

/// How large a JSON text is, told by its punctuation. Nothing is built for it.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Bytes of text.
    pub bytes: usize,
    /// How many values it holds at most.
    pub values: usize,
    in_string: bool,
    escaped: bool,
}

impl Size {
    fn of_nothing() -> Self {
        Self {
            bytes: 0,
            values: 1,
            in_string: false,
            escaped: false,
        }
    }

    /// Of a text that was not read yet.
    pub fn of_text(text: &[u8]) -> Self {
        let mut size = Self::of_nothing();
        size.add(text);
        size
    }

    /// Of what would be written for a value.
    pub fn of(value: &impl Serialize) -> Self {
        let mut size = Self::of_nothing();
        // Counting does not fail, and what is measured here can be written as JSON.
        let _ = serde_json::to_writer(&mut size, value);
        size
    }

    /// What it takes in memory at worst, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes + self.values * VALUE_BYTES
    }

    fn add(&mut self, text: &[u8]) {
        self.bytes += text.len();
        for byte in text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                b',' | b'[' | b'{' if !self.in_string => self.values += 1,
                _ => {}
            }
        }
    }
}

impl io::Write for Size {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.add(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
            assert_eq!(Size::of_text(text.as_bytes()).values, wanted, "{text}");
            assert!(
                matches!(parse(text.as_bytes(), wanted - 1), Err(Unread::TooMany { .. })),
                "{text}"
            );
            let value = parse(text.as_bytes(), wanted).unwrap();
            let written = Size::of(&value);
            assert_eq!(written.values, wanted, "{text}");
            assert_eq!(written.bytes, value.to_string().len(), "{text}");
        }
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(parse(deep.as_bytes(), 1 << 20), Err(Unread::Syntax(_))));
    }
}
