//! Who judged: the hash under which scores may be compared.

use super::engine::EngineIdentity;
use super::protocol::{self, Evidence};
use serde::{Deserialize, Serialize};
use types::digest::digest;

/// Everything a score depends on beside the pictures. Scores of different identities are never
/// compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Fingerprint of the model file.
    pub model: String,
    /// Fingerprint of the projector file.
    pub mmproj: String,
    /// Fingerprints of the adapters, with their weights.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adapters: Vec<String>,
    /// llama.cpp's version.
    pub engine: String,
    /// The device and, of a processor, its instruction sets in use.
    pub backend: String,
    /// Most tokens an image takes.
    pub image_tokens: u32,
    /// The rubric's hash.
    pub rubric: String,
    /// What stands before the question.
    pub evidence: Evidence,
    /// The wording's version.
    pub protocol: u32,
    /// Hash of the maps that were fitted for this judge; empty without any.
    pub fit: String,
}

impl Identity {
    /// Puts the parts together.
    #[must_use]
    pub fn new(engine: &EngineIdentity, image_tokens: u32, rubric: String, evidence: Evidence) -> Self {
        Self {
            model: engine.model.clone(),
            mmproj: engine.mmproj.clone(),
            adapters: engine.adapters.clone(),
            engine: engine.engine.clone(),
            backend: engine.backend.clone(),
            image_tokens,
            rubric,
            evidence,
            protocol: protocol::VERSION,
            fit: String::new(),
        }
    }

    /// Sha-256 (hex) over all parts.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(&[
            &self.model,
            &self.mmproj,
            &self.adapters.join(", "),
            &self.engine,
            &self.backend,
            &self.image_tokens.to_string(),
            &self.rubric,
            self.evidence.name_in_hash(),
            &self.protocol.to_string(),
            &self.fit,
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_changes_the_hash() {
        let identity = Identity {
            model: "a".into(),
            mmproj: "b".into(),
            adapters: vec!["z 1".into()],
            engine: "c".into(),
            backend: "d".into(),
            image_tokens: 256,
            rubric: "e".into(),
            evidence: Evidence::Values,
            protocol: 1,
            fit: String::new(),
        };
        let changes: [fn(&mut Identity); 10] = [
            |i| i.model.push('x'),
            |i| i.mmproj.push('x'),
            |i| i.adapters.push("y 0.5".into()),
            |i| i.engine.push('x'),
            |i| i.backend.push('x'),
            |i| i.image_tokens += 1,
            |i| i.rubric.push('x'),
            |i| i.evidence = Evidence::None,
            |i| i.fit = "maps".into(),
            |i| i.protocol += 1,
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut other = identity.clone();
            change(&mut other);
            assert_ne!(identity.hash(), other.hash(), "{n}");
        }
    }
}
