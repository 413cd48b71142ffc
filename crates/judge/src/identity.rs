//! Who judged: the hash under which scores may be compared.

use super::engine::EngineIdentity;
use super::protocol::{self, Evidence};
use serde::{Deserialize, Serialize};
use types::{JudgeHash, RubricHash};

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
    pub rubric: RubricHash,
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
    pub fn new(engine: &EngineIdentity, image_tokens: u32, rubric: RubricHash, evidence: Evidence) -> Self {
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

    /// Sha-256 over all parts.
    #[must_use]
    pub fn hash(&self) -> JudgeHash {
        JudgeHash::of_texts(&[
            &self.model,
            &self.mmproj,
            &self.adapters.join(", "),
            &self.engine,
            &self.backend,
            &self.image_tokens.to_string(),
            self.rubric.as_str(),
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
            rubric: RubricHash::parse("e5516aa3f093fc15fa70679d89d17a7a485470e0b6d8e51372c92938bddb9d91").unwrap(),
            evidence: Evidence::Values,
            protocol: 1,
            fit: String::new(),
        };
        // Kept scores are named by it.
        assert_eq!(
            identity.hash().to_string(),
            "a8573e93707d6c0a603f9ab9ede82f4d96de7f86640fd1cfd622f751c0fe9231"
        );
        let changes: [fn(&mut Identity); 10] = [
            |i| i.model.push('x'),
            |i| i.mmproj.push('x'),
            |i| i.adapters.push("y 0.5".into()),
            |i| i.engine.push('x'),
            |i| i.backend.push('x'),
            |i| i.image_tokens += 1,
            |i| i.rubric = RubricHash::of(b"another"),
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
