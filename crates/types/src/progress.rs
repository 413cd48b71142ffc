//! How far long work is: one type, from the judge and ComfyUI up to the client.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// How much of the work is done.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Done {
    /// Nobody can tell.
    #[default]
    Unknown,
    /// A part of the whole, 0 to 1.
    Fraction(f64),
    /// `done` of `total` equal steps.
    Steps {
        /// Steps that are finished.
        done: u64,
        /// Steps altogether.
        total: u64,
    },
}

impl Done {
    /// 0 to 1, or nothing when it cannot be told.
    #[must_use]
    pub fn fraction(self) -> Option<f64> {
        let fraction = match self {
            Self::Unknown | Self::Steps { total: 0, .. } => return None,
            Self::Fraction(fraction) => fraction,
            Self::Steps { done, total } => done as f64 / total as f64,
        };
        (!fraction.is_nan()).then(|| fraction.clamp(0.0, 1.0))
    }
}

/// A state of the work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: Done,
    /// What is being done, in a few words; empty for none.
    pub message: String,
}

impl Progress {
    /// A state of which only the words are known.
    pub fn words(message: impl Into<String>) -> Self {
        Self {
            done: Done::Unknown,
            message: message.into(),
        }
    }
}

/// Where progress is told: a listener, and which part of the whole this work is.
///
/// Long work is made of parts (renders, then judgements, each of several steps); every part tells
/// its own 0 to 1, and the listener hears of the whole.
#[derive(Clone, Debug)]
pub struct Teller {
    sender: watch::Sender<Progress>,
    from: f64,
    span: f64,
}

impl Teller {
    /// A teller of the whole, and its first listener.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Progress>) {
        let (sender, receiver) = watch::channel(Progress::default());
        (
            Self {
                sender,
                from: 0.0,
                span: 1.0,
            },
            receiver,
        )
    }

    /// A teller that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self::new().0
    }

    /// A teller of the part of this work from `from` to `to`, both in `[0, 1]`.
    #[must_use]
    pub fn part(&self, from: f64, to: f64) -> Self {
        Self {
            sender: self.sender.clone(),
            from: self.from + self.span * from,
            span: self.span * (to - from),
        }
    }

    /// Tells how far this part is.
    pub fn tell(&self, progress: Progress) {
        let done = match progress.done.fraction() {
            Some(fraction) => Done::Fraction(self.from + self.span * fraction),
            None if self.from > 0.0 => Done::Fraction(self.from),
            None => Done::Unknown,
        };
        self.sender.send_replace(Progress { done, ..progress });
    }
}

/// Counts equal steps of one piece of work.
pub struct Meter {
    teller: Teller,
    message: String,
    done: AtomicU64,
    total: u64,
}

impl Meter {
    /// Starts to count `total` steps.
    #[must_use]
    pub fn new(teller: &Teller, message: impl Into<String>, total: u64) -> Self {
        let meter = Self {
            teller: teller.clone(),
            message: message.into(),
            done: AtomicU64::new(0),
            total,
        };
        meter.tell(0);
        meter
    }

    /// One step is done.
    pub fn step(&self) {
        self.tell(self.done.fetch_add(1, Ordering::Relaxed) + 1);
    }

    fn tell(&self, done: u64) {
        let message = match self.total {
            0 | 1 => self.message.clone(),
            total => format!("{}, {done} of {total}", self.message),
        };
        let done = Done::Steps {
            done,
            total: self.total,
        };
        self.teller.tell(Progress { done, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_parts_tell_of_the_whole() {
        let (whole, listener) = Teller::new();
        let second_half = whole.part(0.5, 1.0);
        let meter = Meter::new(&second_half.part(0.5, 1.0), "comparing", 2);
        assert_eq!(listener.borrow().done.fraction(), Some(0.75));
        meter.step();
        assert_eq!(listener.borrow().done.fraction(), Some(0.875));
        assert_eq!(listener.borrow().message, "comparing, 1 of 2");
        second_half.tell(Progress::words("waiting"));
        assert_eq!(listener.borrow().done.fraction(), Some(0.5));
        whole.tell(Progress::words("starting"));
        assert_eq!(listener.borrow().done, Done::Unknown);
    }
}
