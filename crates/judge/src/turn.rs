//! Whose turn it is: one judgement at a time, a bounded line before it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::SemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::engine::EngineError;
use super::score::Closer;
use super::verdict::Verdict;
use super::{Call, Judge, JudgeError, Pair, Target};
use imaging::Picture;
use types::AxisId;
use types::progress::{Progress, Teller};

/// Judgements that may wait for their turn; more are told to come back.
pub const MAX_WAITING: usize = 32;

/// The judge's turn: until it is dropped all others wait. Pictures that are stored are best decoded now, so that
/// whoever waits holds none.
pub struct Turn<'a> {
    judge: &'a Judge,
    _permit: SemaphorePermit<'a>,
}

impl Judge {
    /// Waits for the turn.
    ///
    /// # Errors
    /// [`JudgeError::Incapable`] and, when too many wait, [`JudgeError::Busy`], both at once; or the cancellation.
    pub async fn turn(&self, teller: &Teller, cancel: &CancellationToken) -> Result<Turn<'_>, JudgeError> {
        self.able()?;
        let given = |permit| Turn {
            judge: self,
            _permit: permit,
        };
        if let Ok(permit) = self.turn.try_acquire() {
            return Ok(given(permit));
        }
        let line = Line::join(&self.waiting)?;
        teller.tell(Progress::words(format!("waiting for the judge, {} ahead", line.ahead)));
        tokio::select! {
            permit = self.turn.acquire() => permit.map(given).map_err(|_| JudgeError::Busy { waiting: 0 }),
            () = cancel.cancelled() => Err(EngineError::Cancelled.into()),
        }
    }

    /// [`Turn::compare`] when its turn has come.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn compare(&self, pair: Pair<'_>, call: Call<'_>) -> Result<Verdict, JudgeError> {
        self.turn(call.teller, call.cancel).await?.compare(pair, call).await
    }

    /// [`Turn::target`] when its turn has come.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn target(&self, reference: &Picture, call: Call<'_>) -> Result<Target, JudgeError> {
        self.turn(call.teller, call.cancel).await?.target(reference, call).await
    }

    /// [`Turn::closer`] when its turn has come.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn closer(
        &self,
        reference: &Picture,
        first: &Picture,
        second: &Picture,
        call: Call<'_>,
    ) -> Result<Vec<Closer>, JudgeError> {
        let turn = self.turn(call.teller, call.cancel).await?;
        turn.closer(reference, first, second, call).await
    }
}

impl Turn<'_> {
    /// Compares a pair and scores it.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn compare(&self, pair: Pair<'_>, call: Call<'_>) -> Result<Verdict, JudgeError> {
        self.judge.compare_now(pair, call).await
    }

    /// What a reference shows; computed once for a reference and a judge, then frozen.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn target(&self, reference: &Picture, call: Call<'_>) -> Result<Target, JudgeError> {
        self.judge.target_now(reference, call).await
    }

    /// Writes what a reference shows on some axes by hand, for all judgements to come, and gives the whole table. An axis
    /// that is `None` counts as not visible.
    ///
    /// # Errors
    /// [`JudgeError`]; a refusal of the guard among them.
    pub async fn edit_target(
        &self,
        reference: &Picture,
        edits: &BTreeMap<AxisId, Option<String>>,
        call: Call<'_>,
    ) -> Result<Target, JudgeError> {
        self.judge.edit_target_now(reference, edits, call).await
    }

    /// Which of two pictures is closer to the reference, per group of axes ([`super::protocol::groups`]).
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn closer(
        &self,
        reference: &Picture,
        first: &Picture,
        second: &Picture,
        call: Call<'_>,
    ) -> Result<Vec<Closer>, JudgeError> {
        self.judge.closer_now(reference, first, second, call).await
    }
}

/// A place in the line of those who wait; left when dropped.
struct Line<'a> {
    waiting: &'a AtomicUsize,
    ahead: usize,
}

impl<'a> Line<'a> {
    fn join(waiting: &'a AtomicUsize) -> Result<Self, JudgeError> {
        let ahead = waiting.fetch_add(1, Ordering::SeqCst);
        let line = Self {
            waiting,
            ahead: ahead + 1,
        };
        if ahead >= MAX_WAITING {
            return Err(JudgeError::Busy { waiting: ahead });
        }
        Ok(line)
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}
