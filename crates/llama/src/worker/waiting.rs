//! How the judge's threads wait for one another.
//!
//! Between two operations of the model each thread waits for the slowest. libgomp, which runs the threads on Linux,
//! spins for milliseconds before it sleeps. Beside other programs the thread that is waited for does not run at that time,
//! because the one that waits has its core; so two threads were up to sixty times slower than one. A wait that soon
//! sleeps gives the core away, and on an idle machine a short spin is as fast as a long one.

/// What libgomp reads when a process starts.
const SPINS: &str = "GOMP_SPINCOUNT";
/// Some 25 µs: what libgomp itself takes where there are more threads than cores.
const FEW: &str = "1000";

/// How threads wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Waiting {
    /// A short while awake, then asleep.
    #[default]
    Brief,
    /// As the library that runs the threads does by itself, or as its own variables say.
    Library,
}

impl Waiting {
    /// What the judge process's environment has to say; other libraries for threads than libgomp pass over it.
    pub(super) fn variables(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Brief => Some((SPINS, FEW)),
            Self::Library => None,
        }
    }
}
