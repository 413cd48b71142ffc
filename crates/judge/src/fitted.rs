//! The way a judge is asked and scored with a rubric: as fitted for it, or as configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use types::digest::digest;

use super::cache::{Kind, MemoryKey};
use super::calibration::{Fit, MonotoneMap};
use super::identity::Identity;
use super::protocol::Evidence;
use super::rubric::Rubric;
use super::stored::Stored;
use super::{Judge, JudgeError, to_json};

/// How a judge is asked and scored with a rubric.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// What stands before the question.
    pub evidence: Evidence,
    /// Maps from raw values to scores, by axis.
    pub maps: BTreeMap<String, MonotoneMap>,
    /// Hash of the maps; empty without any.
    pub digest: String,
}

impl Judge {
    /// The way of the judge of this identity, whatever evidence mode and fit the identity names.
    pub(super) async fn way(&self, identity: &Identity) -> Result<Arc<Way>, JudgeError> {
        let key = key(identity);
        if let Some(known) = self.ways.lock().await.get(&key.judge) {
            return Ok(Arc::clone(known));
        }
        let kept = self.memory.load(&key).await?;
        let fit = kept.map(|kept| Fit::from_stored(&kept.value)).transpose()?;
        let evidence = self.evidence.or(fit.as_ref().map(|f| f.evidence)).unwrap_or_default();
        // Maps belong to the mode they were fitted in.
        let maps = fit
            .filter(|f| f.evidence == evidence)
            .map(|f| f.maps)
            .unwrap_or_default();
        let digest = if maps.is_empty() {
            String::new()
        } else {
            digest(&[&to_json(&maps)?.to_string()])
        };
        let way = Arc::new(Way { evidence, maps, digest });
        self.ways.lock().await.insert(key.judge, Arc::clone(&way));
        Ok(way)
    }

    /// The evidence mode this judge uses with a rubric. Loads the model if needed.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn evidence_for(&self, rubric: &Rubric, cancel: &CancellationToken) -> Result<Evidence, JudgeError> {
        Ok(self.identity(rubric, cancel).await?.evidence)
    }

    /// Keeps what suits this judge with a rubric; from now on it is asked and scored so. Its hash
    /// changes: scores from before are not compared with those from now on.
    ///
    /// # Errors
    /// [`JudgeError`].
    pub async fn keep_fit(&self, rubric: &Rubric, fit: &Fit, cancel: &CancellationToken) -> Result<(), JudgeError> {
        let key = key(&self.identity(rubric, cancel).await?);
        self.memory.store(&key, fit.to_stored()).await?;
        self.ways.lock().await.remove(&key.judge);
        Ok(())
    }
}

/// Under which a fit is kept: the judge without what the fit decides.
fn key(identity: &Identity) -> MemoryKey {
    let plain = Identity {
        evidence: Evidence::None,
        fit: String::new(),
        ..identity.clone()
    };
    MemoryKey {
        kind: Kind::Fit,
        judge: plain.hash(),
        rubric: identity.rubric.clone(),
    }
}
