//! The decisions about a session so far, recorded or only worked out, and what follows from them: the incumbent. Pure.

use std::collections::{BTreeMap, VecDeque};

use crate::decided::{Decided, newest};
use types::{ComparisonId, DecisionId, IterationNo, JudgementId, TookOver, Unreadable};

/// Which record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordId {
    /// A judgement.
    Judgement(JudgementId),
    /// A decision.
    Decision(DecisionId),
    /// A direct comparison.
    Comparison(ComparisonId),
}

/// Records that could not be read: told to whoever looks, and never taken for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadableRecords(BTreeMap<RecordId, Unreadable>);

impl UnreadableRecords {
    /// Adds one; one that is known already counts once.
    pub fn add(&mut self, id: RecordId, error: Unreadable) {
        self.0.insert(id, error);
    }

    /// Adds those of another.
    pub fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(id, error)| (*id, error.clone())));
    }

    /// Whether all could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What to say of them; nothing where all could be read.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let first = self.0.values().next()?;
        let what = match self.0.len() {
            1 => "1 record of this session cannot be read".to_owned(),
            n => format!("{n} records of this session cannot be read; the first"),
        };
        Some(format!(
            "WARNING: {what}: {first}. Nothing is decided from it. Use the prompt-calibrator that wrote it, or judge the iterations again."
        ))
    }
}

/// The newest decisions about a session by one judge.
#[derive(Clone, Debug, Default)]
pub struct DecisionLog {
    /// Oldest first.
    decisions: VecDeque<Decided>,
    /// Those that are in force, newest first.
    took_over: Vec<TookOver>,
    limit: usize,
    /// Recorded decisions that could not be read.
    pub unreadable: UnreadableRecords,
}

impl DecisionLog {
    /// From what is recorded: the newest `limit` decisions, oldest first, as far as they can be read, and the iterations that
    /// took over and are in force, newest first.
    pub fn of(
        decisions: impl IntoIterator<Item = (DecisionId, Result<Decided, Unreadable>)>,
        took_over: Vec<TookOver>,
        limit: u32,
    ) -> Self {
        let mut log = Self {
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            took_over,
            ..Self::default()
        };
        for (id, decision) in decisions {
            match decision {
                Ok(decided) => log.decisions.push_back(decided),
                Err(error) => log.unreadable.add(RecordId::Decision(id), error),
            }
        }
        log
    }

    /// Adds a decision, as if it were recorded now.
    pub fn push(&mut self, decided: Decided) {
        let taken = TookOver {
            iteration: decided.iteration,
            against: decided.against,
        };
        // The newest decision in one comparison is in force.
        self.took_over.retain(|known| *known != taken);
        if decided.kind.takes_over() {
            self.took_over.insert(0, taken);
        }
        self.decisions.push_back(decided);
        if self.decisions.len() > self.limit {
            self.decisions.pop_front();
        }
    }

    /// What new iterations are compared with; nothing before the first.
    pub fn incumbent(&self) -> Option<IterationNo> {
        self.took_over.first().map(|taken| taken.iteration)
    }

    /// The newest decision about every iteration.
    pub fn newest(&self) -> BTreeMap<IterationNo, &Decided> {
        newest(&self.decisions)
    }

    /// All of them, oldest first.
    pub fn into_decisions(self) -> Vec<Decided> {
        self.decisions.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decided::Detail;
    use types::DecisionKind;

    fn no(n: u32) -> IterationNo {
        IterationNo::new(n).unwrap()
    }

    fn decided(iteration: u32, against: Option<u32>, kind: DecisionKind) -> Decided {
        Decided {
            iteration: no(iteration),
            against: against.map(no),
            kind,
            detail: Detail::default(),
            awaits_direct_comparison: false,
        }
    }

    fn log(limit: usize) -> DecisionLog {
        DecisionLog {
            limit,
            ..DecisionLog::default()
        }
    }

    #[test]
    fn the_incumbent_is_the_newest_that_took_over_and_was_not_decided_otherwise_in_the_same_comparison() {
        use DecisionKind::{First, Keep, Revert, TentativeKeep};
        let mut log = log(60);
        assert_eq!(log.incumbent(), None);
        for (iteration, against, kind, incumbent) in [
            (1, None, First, 1),
            (2, Some(1), TentativeKeep, 2),
            (3, Some(2), Keep, 3),
            // A revert of 2 against 1 leaves 3, and then 1 is behind it.
            (2, Some(1), Revert, 3),
            (3, Some(2), Revert, 1),
            // In another comparison it says nothing of the first.
            (4, Some(1), Keep, 4),
            (4, Some(3), Revert, 4),
        ] {
            log.push(decided(iteration, against, kind));
            assert_eq!(log.incumbent(), Some(no(incumbent)), "{iteration} against {against:?}");
        }
        assert_eq!(log.newest()[&no(4)].kind, Revert);
    }

    #[test]
    fn only_the_newest_decisions_are_looked_back_at() {
        let mut log = log(2);
        for n in 1..=3 {
            log.push(decided(n, None, DecisionKind::First));
        }
        let left: Vec<u32> = log.into_decisions().iter().map(|d| d.iteration.get()).collect();
        assert_eq!(left, [2, 3]);
    }
}
