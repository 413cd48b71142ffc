//! How long a judge process was silent although it could have said something.
//!
//! A process that hangs sleeps or computes without end. One that is starved beside other programs stands in line for the
//! processor, and one whose parent was stopped said things that nobody heard. Neither hangs, so neither time counts.

use std::collections::HashMap;
use std::time::Duration;

/// What of `patience` is waited for at once: nothing that stops us adds more than that to a silence.
const PARTS: u32 = 8;
const LONGEST: Duration = Duration::from_secs(5);

/// A silence that is being measured.
#[derive(Debug, Default)]
pub struct Silence {
    counted: Duration,
    lined_up: Queued,
}

/// Time that threads stood in line for a processor, by their ids; empty where the system does not say.
pub type Queued = HashMap<u32, Duration>;

/// How long to wait before the next look.
pub fn step(patience: Duration) -> Duration {
    (patience / PARTS).min(LONGEST)
}

impl Silence {
    /// Begins with what the process's threads have stood in line so far.
    pub fn begin(lined_up: Queued) -> Self {
        Self {
            counted: Duration::ZERO,
            lined_up,
        }
    }

    /// Another `step` went by without a word; returns what counts so far.
    pub fn another(&mut self, step: Duration, lined_up: Queued) -> Duration {
        // One thread in line holds all others up: they wait for it.
        let starved = lined_up
            .iter()
            .map(|(thread, now)| now.saturating_sub(self.lined_up.get(thread).copied().unwrap_or_default()))
            .max()
            .unwrap_or_default();
        self.counted += step.saturating_sub(starved);
        self.lined_up = lined_up;
        self.counted
    }
}

/// How long each thread of a process stood in line for a processor; only Linux says.
pub fn queued(pid: u32) -> Queued {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Queued::new();
    };
    threads
        .flatten()
        .filter_map(|thread| {
            let id = thread.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            // Time on a processor, time in line, and how often, in nanoseconds.
            let nanoseconds = text.split_whitespace().nth(1)?.parse().ok()?;
            Some((id, Duration::from_nanos(nanoseconds)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn line(threads: &[(u32, u64)]) -> Queued {
        threads.iter().map(|&(id, n)| (id, seconds(n))).collect()
    }

    #[test]
    fn a_process_that_sleeps_or_computes_is_silent_for_all_of_the_time() {
        let mut silence = Silence::begin(line(&[(1, 7), (2, 0)]));
        for n in 1..=8 {
            assert_eq!(silence.another(seconds(5), line(&[(1, 7), (2, 0)])), seconds(5 * n));
        }
        let mut unknown = Silence::begin(Queued::new());
        assert_eq!(unknown.another(seconds(5), Queued::new()), seconds(5));
    }

    #[test]
    fn time_in_line_for_a_processor_does_not_count() {
        // The second thread gets a fiftieth of the processor; the first sleeps until that one is done.
        let mut silence = Silence::begin(line(&[(1, 0), (2, 100)]));
        let mut counted = Duration::ZERO;
        for n in 1..=120 {
            let lined_up = Queued::from([(1, Duration::ZERO), (2, seconds(100) + n * Duration::from_millis(4900))]);
            counted = silence.another(seconds(5), lined_up);
        }
        assert_eq!(counted, seconds(12), "of ten minutes");
    }

    #[test]
    fn a_thread_that_is_new_or_gone_changes_nothing() {
        let mut silence = Silence::begin(line(&[(1, 0), (2, 500)]));
        assert_eq!(silence.another(seconds(5), line(&[(1, 0), (3, 2)])), seconds(3));
        assert_eq!(silence.another(seconds(5), line(&[(1, 0), (3, 2)])), seconds(8));
    }

    #[test]
    fn no_wait_is_longer_than_a_part_of_the_patience() {
        assert_eq!(step(seconds(120)), seconds(5));
        assert_eq!(step(seconds(8)), seconds(1));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_says_how_long_threads_stood_in_line() {
        let own = queued(std::process::id());
        assert!(!own.is_empty());
        assert!(queued(u32::MAX).is_empty());
    }
}
