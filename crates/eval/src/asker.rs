//! Asks the judge, and keeps what it said.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::journal::Journal;
use super::json;
use super::{EvalError, Plan};
use imaging::Picture;
use judge::protocol::{AxisValue, Evidence};
use judge::rubric::Rubric;
use judge::score::{Closer, Reading, read};
use judge::{Call, Given, Judge, Pair};
use types::JudgeHash;
use types::progress::Teller;

/// What was read of a pair: per axis the digits in either order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PairRead {
    /// As in [`judge::Observation`].
    pub digits: Vec<[[f64; 10]; 2]>,
}

impl PairRead {
    /// The readings, from both orders.
    pub fn readings(&self) -> Vec<Reading> {
        self.digits.iter().map(|[a, b]| read([a, b])).collect()
    }

    /// The expectations, one an axis, in `[0, 1]`.
    pub fn raws(&self) -> Vec<f64> {
        self.readings().iter().map(|r| r.raw).collect()
    }

    /// Their mean over the axes.
    pub fn overall(&self) -> f64 {
        mean(&self.raws())
    }
}

/// The mean; 0 of nothing.
pub(super) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        0.0
    } else {
        values.iter().sum::<f64>() / values.len() as f64
    }
}

/// The judge behind a journal.
pub(super) struct Asker<'a> {
    judge: &'a Judge,
    rubric: &'a Rubric,
    hash: JudgeHash,
    journal: Mutex<Journal>,
    quiet: Teller,
    cancel: &'a tokio_util::sync::CancellationToken,
    read: AtomicU64,
}

impl<'a> Asker<'a> {
    pub fn new(plan: &Plan<'a>, rubric: &'a Rubric, hash: JudgeHash, journal: Journal) -> Self {
        Self {
            judge: plan.judge,
            rubric,
            hash,
            journal: Mutex::new(journal),
            quiet: Teller::silent(),
            cancel: plan.cancel,
            read: AtomicU64::new(0),
        }
    }

    /// The judge's hash.
    pub fn judge_hash(&self) -> &JudgeHash {
        &self.hash
    }

    /// The rubric.
    pub fn rubric(&self) -> &'a Rubric {
        self.rubric
    }

    /// The judge, for what must not come from the journal.
    pub fn judge(&self) -> &'a Judge {
        self.judge
    }

    /// Pairs that the judge has read in this run.
    pub fn pairs_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How the judge is called.
    pub fn call(&self) -> Call<'_> {
        Call {
            rubric: self.rubric,
            guarded: false,
            teller: &self.quiet,
            cancel: self.cancel,
        }
    }

    /// What a picture shows.
    pub async fn look(&self, picture: &Picture) -> Result<Vec<AxisValue>, EvalError> {
        let key = key(&["look", &picture.hash().to_string()]);
        self.kept(key, async { Ok(self.judge.look(picture, self.call()).await?) })
            .await
    }

    /// How alike a pair is, with the judge's own values where the mode needs any.
    pub async fn pair(&self, reference: &Picture, other: &Picture, evidence: Evidence) -> Result<PairRead, EvalError> {
        let pair = Pair {
            reference,
            generated: other,
        };
        if evidence == Evidence::Values {
            let (of_reference, of_other) = (self.look(reference).await?, self.look(other).await?);
            self.pair_given(pair, evidence, &of_reference, &of_other).await
        } else {
            self.pair_given(pair, evidence, &[], &[]).await
        }
    }

    /// How alike a pair is, with these values in the questions.
    pub async fn pair_given(
        &self,
        pair: Pair<'_>,
        evidence: Evidence,
        of_reference: &[AxisValue],
        of_other: &[AxisValue],
    ) -> Result<PairRead, EvalError> {
        let words = |values: &[AxisValue]| values.iter().map(AxisValue::words).collect::<Vec<_>>().join("\n");
        let key = key(&[
            "pair",
            evidence.name_in_hash(),
            &pair.reference.hash().to_string(),
            &pair.generated.hash().to_string(),
            &words(of_reference),
            &words(of_other),
        ]);
        self.kept(key, async {
            self.read.fetch_add(1, Ordering::Relaxed);
            let given = Given::These(of_reference, of_other);
            let seen = self.judge.observe(pair, evidence, given, self.call()).await?;
            Ok(PairRead { digits: seen.digits })
        })
        .await
    }

    /// Which of two is closer, per group.
    pub async fn closer(
        &self,
        reference: &Picture,
        first: &Picture,
        second: &Picture,
    ) -> Result<Vec<Closer>, EvalError> {
        let hashes = [reference, first, second].map(|p| p.hash().to_string());
        let key = key(&["closer", &hashes[0], &hashes[1], &hashes[2]]);
        self.kept(key, async {
            Ok(self.judge.closer(reference, first, second, self.call()).await?)
        })
        .await
    }

    /// The naive protocol's scores, one an axis: the mean of both orders' printed numbers; an axis
    /// that a document lacks counts as 0 there, as it would to whoever reads the document.
    pub async fn printed(&self, reference: &Picture, other: &Picture) -> Result<Vec<f64>, EvalError> {
        let key = key(&["json", &reference.hash().to_string(), &other.hash().to_string()]);
        self.kept(key, async {
            self.read.fetch_add(1, Ordering::Relaxed);
            let pair = Pair {
                reference,
                generated: other,
            };
            let documents = json::documents(self.judge, pair, self.call()).await?;
            let score = |entry: &Option<json::Entry>| entry.as_ref().map_or(0.0, |e| e.score);
            let [a, b] = &documents.entries;
            Ok(a.iter()
                .zip(b)
                .map(|(a, b)| f64::midpoint(score(a), score(b)))
                .collect())
        })
        .await
    }

    /// What a whole judgement says: the overall score, if there is one.
    pub async fn overall_score(&self, reference: &Picture, other: &Picture) -> Result<Option<f64>, EvalError> {
        let key = key(&["score", &reference.hash().to_string(), &other.hash().to_string()]);
        self.kept(key, async {
            self.read.fetch_add(1, Ordering::Relaxed);
            let pair = Pair {
                reference,
                generated: other,
            };
            Ok(self.judge.compare(pair, self.call()).await?.overall_score)
        })
        .await
    }

    async fn kept<T: Serialize + DeserializeOwned>(
        &self,
        key: String,
        ask: impl Future<Output = Result<T, EvalError>>,
    ) -> Result<T, EvalError> {
        if let Some(known) = self.journal().get(&key)
            && let Ok(known) = T::deserialize(known)
        {
            return Ok(known);
        }
        let answer = ask.await?;
        let value = serde_json::to_value(&answer).map_err(|error| EvalError::Internal(error.to_string()))?;
        self.journal().put(key, value)?;
        Ok(answer)
    }

    fn journal(&self) -> std::sync::MutexGuard<'_, Journal> {
        // A panic elsewhere leaves whole lines behind.
        self.journal.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A short name for a question: its kind, and a hash of what it is about.
fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let hash = hash.finalize();
    format!("{} {}", parts.first().unwrap_or(&""), types::digest::hex(&hash[..12]))
}
