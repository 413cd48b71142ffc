//! Names inside a rubric: axes and groups.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most characters of an id.
const MAX_ID: usize = 40;

/// A text that is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name of 1 to {MAX_ID} characters from a-z, 0-9 and _ that starts with a letter")]
pub struct IdError {
    /// The text.
    pub text: String,
}

/// Checks `snake_case`: a letter first, then letters, digits and single underscores between them.
///
/// # Errors
/// [`IdError`].
pub fn check_name(text: &str) -> Result<(), IdError> {
    let allowed = text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_'));
    let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
    let tidy = !text.contains("__") && !text.ends_with('_');
    if allowed && starts && tidy && text.len() <= MAX_ID {
        Ok(())
    } else {
        Err(IdError {
            text: text.chars().take(2 * MAX_ID).collect(),
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks and wraps a text.
            ///
            /// # Errors
            /// [`IdError`] if it is not `snake_case` or longer than 40 characters.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check_name(&text)?;
                Ok(Self(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }

        // Their order and their hashes are those of the texts.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                self.0 == *text
            }
        }
    };
}

id!(
    /// The name of an axis: `snake_case`, at most 40 characters.
    AxisId
);
id!(
    /// The name of a group of axes: `snake_case`, at most 40 characters.
    Group
);
