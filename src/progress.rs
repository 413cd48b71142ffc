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

/// Where progress is told. Clones tell the same listeners.
pub type Teller = watch::Sender<Progress>;

/// A teller whose listener does not matter.
#[must_use]
pub fn silent() -> Teller {
    watch::Sender::new(Progress::default())
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
        self.teller.send_replace(Progress {
            done: Done::Steps {
                done,
                total: self.total,
            },
            message: self.message.clone(),
        });
    }
}
