//! The definitions of node classes that a server was asked for, as far as there is room.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use text::bounded::Size;

/// What the definitions that are kept may take in memory, in bytes: those of a few hundred classes, of which a workflow has some
/// dozens. Where it is reached they are asked for anew.
const KEPT_DEFINITIONS: usize = 64 * 1024 * 1024;

/// The definitions of node classes that were asked for, as far as there is room.
#[derive(Default)]
pub(super) struct Definitions {
    known: HashMap<String, Arc<Value>>,
    /// What they take in memory, at worst.
    taken: usize,
}

impl Definitions {
    pub(super) fn get(&self, class: &str) -> Option<Arc<Value>> {
        self.known.get(class).cloned()
    }

    pub(super) fn forget(&mut self, class: &str) {
        if let Some(definition) = self.known.remove(class) {
            self.taken = self.taken.saturating_sub(Self::size(class, &definition));
        }
    }

    /// Keeps a definition; where all of them would be too large, it alone.
    pub(super) fn keep(&mut self, class: &str, definition: Arc<Value>) {
        self.forget(class);
        let size = Self::size(class, &definition);
        if self.taken + size > KEPT_DEFINITIONS {
            *self = Self::default();
        }
        self.taken += size;
        self.known.insert(class.to_owned(), definition);
    }

    fn size(class: &str, definition: &Value) -> usize {
        class.len() + Size::of(definition).memory()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn however_many_are_asked_for_those_that_are_kept_have_a_bound() {
        let mut kept = Definitions::default();
        let text = "x".repeat(KEPT_DEFINITIONS / 10);
        for n in 0..100 {
            kept.keep(&n.to_string(), Arc::new(json!(text)));
            let held: usize = kept
                .known
                .values()
                .map(|value| value.as_str().map_or(0, str::len))
                .sum();
            assert!(held <= KEPT_DEFINITIONS, "{n}: {held}");
            assert!(kept.get(&n.to_string()).is_some(), "the one that is used is there: {n}");
        }
        assert!(kept.get("0").is_none());
        // The same one again takes no more.
        let mut same = Definitions::default();
        for _ in 0..100 {
            same.keep("a", Arc::new(json!(text)));
            same.keep("b", Arc::new(json!(text)));
        }
        assert!(same.get("a").is_some() && same.get("b").is_some());
        same.forget("a");
        same.forget("b");
        assert_eq!((same.taken, same.get("a")), (0, None));
    }
}
