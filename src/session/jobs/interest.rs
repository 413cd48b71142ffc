//! Who still wants a piece of work to go on, and who stopped it. Pure.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many callers are remembered singly who left with a handle.
const REMEMBERED: usize = 64;

/// Who calls: one connection of a client, over which it may call again. Where requests have no connection in common (HTTP
/// without sessions), each is a caller of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Caller(u64);

impl Caller {
    /// One that nobody else is.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for Caller {
    fn default() -> Self {
        Self::new()
    }
}

/// Why work was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The last who wanted it has gone.
    NobodyLeft,
    /// Somebody asked for it, in words.
    Asked(Caller),
}

/// Who wants one piece of work to go on.
///
/// - A call that waits wants it. A task is such a call.
/// - A call whose time to wait is up was told that the work goes on. Its caller still wants it, until the same caller waits
///   again: then that wait stands for both.
/// - A call that is cancelled, or whose client hangs up, wants it no more. When nobody else does, the work stops.
///
/// So one client alone stops its work by cancelling, however often it has called again; and nobody stops by cancelling what
/// another one waits for or was promised. Stopping that needs words ([`Self::stop`]).
#[derive(Debug, Default)]
pub(super) struct Interest {
    waiting: usize,
    /// Who left with a handle and has not come back.
    promised: HashSet<Caller>,
    /// More left with a handle than are remembered singly: cancelling stops nothing any more.
    promised_to_many: bool,
    stopped: Option<Stop>,
}

impl Interest {
    /// Somebody begins to wait. False when the work is being stopped: it is not to be joined any more.
    pub fn join(&mut self, caller: Caller) -> bool {
        if self.stopped.is_none() {
            self.promised.remove(&caller);
            self.waiting += 1;
        }
        self.stopped.is_none()
    }

    /// A wait ends because its time is up.
    pub fn leave_with_handle(&mut self, caller: Caller) {
        self.waiting = self.waiting.saturating_sub(1);
        if self.promised.len() < REMEMBERED {
            self.promised.insert(caller);
        } else {
            self.promised_to_many = true;
        }
    }

    /// A wait ends because it was given up. Whether the work stops now, or is being stopped already.
    pub fn leave(&mut self) -> bool {
        self.waiting = self.waiting.saturating_sub(1);
        if self.waiting == 0 && self.promised.is_empty() && !self.promised_to_many {
            self.stopped.get_or_insert(Stop::NobodyLeft);
        }
        self.stopped.is_some()
    }

    /// Somebody asks in words that the work stops, whoever wants it.
    pub fn stop(&mut self, by: Caller) {
        self.stopped.get_or_insert(Stop::Asked(by));
    }

    /// Why the work was stopped, if it was.
    pub fn stopped(&self) -> Option<Stop> {
        self.stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_stops_with_the_last_who_waits() {
        let mut interest = Interest::default();
        let [a, b] = [Caller::new(), Caller::new()];
        assert!(interest.join(a) && interest.join(b));
        assert!(!interest.leave(), "the other one waits");
        assert!(interest.leave());
        assert_eq!(interest.stopped(), Some(Stop::NobodyLeft));
        assert!(!interest.join(a), "what is being stopped is not joined");
    }

    #[test]
    fn who_left_with_a_handle_keeps_the_work_until_it_is_the_one_who_cancels() {
        let mut interest = Interest::default();
        let [a, b] = [Caller::new(), Caller::new()];
        interest.join(a);
        interest.leave_with_handle(a);
        interest.join(b);
        assert!(!interest.leave(), "a was told that it goes on");
        interest.join(a);
        assert!(interest.leave(), "a came back, and nobody else wants it");
    }

    #[test]
    fn what_many_were_promised_goes_on_and_costs_no_more_memory() {
        let mut interest = Interest::default();
        let callers: Vec<Caller> = (0..=REMEMBERED).map(|_| Caller::new()).collect();
        for caller in &callers {
            interest.join(*caller);
            interest.leave_with_handle(*caller);
        }
        assert_eq!(interest.promised.len(), REMEMBERED);
        for caller in &callers[..REMEMBERED] {
            interest.join(*caller);
            assert!(!interest.leave(), "one of them is not known any more");
        }
        interest.stop(callers[0]);
        assert_eq!(interest.stopped(), Some(Stop::Asked(callers[0])));
    }
}
