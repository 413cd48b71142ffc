//! What a JSON text holds, read without making its values: it may be a stranger's, and of any size.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{MASK, is_secret_name, masked};

/// What is named where a text holds a secret outside of any input.
const SOMEWHERE: &str = "a text";

/// The names of the inputs in which a text, JSON as a rule, holds secrets.
pub fn inputs_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let look = Look {
        name: "",
        found: &mut found,
    };
    if look.deserialize(&mut serde_json::Deserializer::from_str(text)).is_err()
        && matches!(masked(text), Cow::Owned(_))
        && found.is_empty()
    {
        found.insert(SOMEWHERE.to_owned());
    }
    found
}

/// Looks at a value that stands under a name.
struct Look<'a> {
    name: &'a str,
    found: &'a mut BTreeSet<String>,
}

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let named = is_secret_name(self.name) && !text.trim().is_empty() && text != MASK;
        if named || matches!(masked(text), Cow::Owned(_)) {
            let name = if self.name.is_empty() { SOMEWHERE } else { self.name };
            self.found.insert(name.to_owned());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        // A link to another node is a list, and no secret whatever its name.
        let mut inside = BTreeSet::new();
        while items
            .next_element_seed(Look {
                name: "",
                found: &mut inside,
            })?
            .is_some()
        {}
        if inside.remove(SOMEWHERE) {
            self.found
                .insert(if self.name.is_empty() { SOMEWHERE } else { self.name }.to_owned());
        }
        self.found.append(&mut inside);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while let Some(name) = fields.next_key::<String>()? {
            fields.next_value_seed(Look {
                name: &name,
                found: &mut *self.found,
            })?;
        }
        Ok(())
    }
}
