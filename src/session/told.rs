//! What is told of a session's workflow once, and not with every result.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use types::SessionId;

/// Sessions of which it is known what was told; beyond them all is told again.
const SESSIONS: usize = 256;

/// The notes that every session was told since this program began.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Arc<Mutex<BTreeMap<SessionId, BTreeSet<String>>>>);

impl Told {
    /// Those of some notes that are new to a session, in their order. From now on they are told.
    pub fn news(&self, session: &SessionId, notes: Vec<String>) -> Vec<String> {
        if notes.is_empty() {
            return notes;
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= SESSIONS && !all.contains_key(session) {
            all.clear();
        }
        let told = all.entry(session.clone()).or_default();
        notes.into_iter().filter(|note| told.insert(note.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_told_once_a_session() {
        let told = Told::default();
        let (one, other) = (SessionId::random(), SessionId::random());
        let notes = || vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
        assert_eq!(told.news(&one, notes()), ["a", "b"]);
        assert_eq!(told.news(&one, vec!["c".into(), "b".into()]), ["c"]);
        assert_eq!(told.news(&other, notes()), ["a", "b"]);
        for _ in 0..SESSIONS {
            told.news(&SessionId::random(), notes());
        }
        assert!(told.0.lock().unwrap().len() <= SESSIONS);
    }
}
