//! What is told while models are fetched and checked.

use tokio::sync::mpsc;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Work on a file began.
    Begins {
        /// What is done, and the file.
        what: String,
        /// Bytes that are done already.
        done: u64,
        /// Bytes altogether.
        total: u64,
    },
    /// So many bytes more are done.
    Moved(u64),
    /// A sentence worth reading.
    Note(String),
}

/// Where it is told. Of [`types::progress::Teller`] only the newest state is heard; here every event is, or bytes and sentences would
/// be lost.
#[derive(Debug, Clone)]
pub struct Telling(mpsc::UnboundedSender<Event>);

impl Telling {
    /// A place to tell, and its listener.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells. Nobody has to listen.
    pub fn tell(&self, event: Event) {
        let _ = self.0.send(event);
    }

    /// Tells a sentence.
    pub fn note(&self, text: impl Into<String>) {
        self.tell(Event::Note(text.into()));
    }

    /// Work on a file began.
    pub fn begins(&self, what: impl Into<String>, done: u64, total: u64) {
        let what = what.into();
        self.tell(Event::Begins { what, done, total });
    }
}
