//! The memory that decoding takes: one budget for the whole process, so that many pictures at once take no more than one
//! large one.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that decoding takes at most, over all pictures that are decoded at once: the decoders' buffers and the pixels
/// they make. What one picture alone would exceed is refused.
pub const MOST_MEMORY: u64 = 240 << 20;

static ROOM: Room = Room::new(MOST_MEMORY);

/// Waits until `bytes` of the budget are free, and takes them until the answer is dropped. `None` where one alone would
/// exceed it. Nobody who holds some asks for more.
pub(super) fn take(bytes: u64) -> Option<Held<'static>> {
    ROOM.take(bytes)
}

/// A number of bytes that is shared.
struct Room {
    total: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    held: u64,
    /// The number of the next one who asks.
    next: u64,
    /// The number of the one whose turn it is: a large request is not passed over for ever by small ones.
    turn: u64,
}

/// Bytes that are taken.
pub(super) struct Held<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    const fn new(total: u64) -> Self {
        let state = State {
            held: 0,
            next: 0,
            turn: 0,
        };
        Self {
            total,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    fn take(&self, bytes: u64) -> Option<Held<'_>> {
        if bytes > self.total {
            return None;
        }
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        while state.turn != number || state.held + bytes > self.total {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.turn += 1;
        state.held += bytes;
        drop(state);
        self.changed.notify_all();
        Some(Held { room: self, bytes })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Plain numbers, which a panic elsewhere leaves whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.room.state().held -= self.bytes;
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_all_hold_never_exceeds_the_total() {
        let room = Room::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..32_u64 {
                let (room, now, most) = (&room, &now, &most);
                scope.spawn(move || {
                    for turn in 0..50 {
                        let bytes = 1 + (thread * 37 + turn * 11) % 100;
                        let held = room.take(bytes).unwrap();
                        most.fetch_max(now.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(held);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100, "{most:?}");
        assert_eq!(room.state().held, 0);
    }

    #[test]
    fn what_can_never_fit_is_refused_at_once() {
        let room = Room::new(100);
        let all = room.take(100).unwrap();
        assert!(room.take(101).is_none());
        drop(all);
        assert!(room.take(100).is_some());
    }
}
