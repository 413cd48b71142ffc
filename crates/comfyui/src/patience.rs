//! How long looks at a server may fail before it is given up.

use std::time::{Duration, Instant};

use super::error::ComfyError;

/// So many looks in a row may be refused, or answered by something else than ComfyUI: a server or a proxy may be restarting.
const REFUSALS: u32 = 3;

/// Looks that failed in a row. Silence is borne as long as `grace`; a plain refusal only a few times, since it says what is wrong.
#[derive(Debug)]
pub(super) struct Patience {
    grace: Duration,
    since: Option<Instant>,
    refusals: u32,
}

impl Patience {
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            grace,
            since: None,
            refusals: 0,
        }
    }

    /// A look was answered.
    pub(super) fn renew(&mut self) {
        *self = Self::new(self.grace);
    }

    /// A look failed. Whether that is the end of it.
    pub(super) fn is_over(&mut self, error: &ComfyError, now: Instant) -> bool {
        self.refusals = if error.is_plain() { self.refusals + 1 } else { 0 };
        let since = *self.since.get_or_insert(now);
        self.refusals >= REFUSALS || now.duration_since(since) >= self.grace
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> ComfyError {
        ComfyError::Unreachable {
            url: "http://x/".to_owned(),
            detail: "connection refused".to_owned(),
        }
    }

    fn silent() -> ComfyError {
        ComfyError::Timeout {
            what: "an answer".to_owned(),
            limit: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_refusal_is_told_after_a_few_looks_and_silence_after_the_grace_period() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut patience = Patience::new(Duration::from_secs(60));
        assert!(!patience.is_over(&refused(), at(0)) && !patience.is_over(&refused(), at(1)));
        assert!(patience.is_over(&refused(), at(2)));

        patience.renew();
        assert!(!patience.is_over(&silent(), at(10)) && !patience.is_over(&silent(), at(69)));
        assert!(patience.is_over(&silent(), at(70)));

        patience.renew();
        // Silence between refusals: nobody says plainly what is wrong.
        for (error, seconds) in [(refused(), 100), (refused(), 101), (silent(), 102), (refused(), 103)] {
            assert!(!patience.is_over(&error, at(seconds)));
        }
    }
}
