//! Questions that ended the process, so that one of them cannot end it for ever.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::WorkerError;
use judge::engine::Ask;

/// As often as a question may end the process.
const MOST: u32 = 2;

/// A question's name: a hash over all of it, its pictures among it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Question([u8; 32]);

impl Question {
    pub fn of(ask: &Ask) -> Self {
        // Writing plain data of strings and numbers as JSON does not fail.
        let text = serde_json::to_vec(ask).unwrap_or_default();
        Self(Sha256::digest(text).into())
    }
}

/// What ended the process, and how often.
#[derive(Default)]
pub struct Offences(HashMap<Question, (u32, String)>);

impl Offences {
    /// Refuses a question that ended the process as often as is tried.
    pub fn admit(&self, question: &Question) -> Result<(), WorkerError> {
        match self.0.get(question) {
            Some((times, last)) if *times >= MOST => Err(WorkerError::Refused {
                times: *times,
                last: last.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Takes note of how a question ended.
    pub fn note<T>(&mut self, question: Question, result: &Result<T, WorkerError>) {
        match result {
            Err(error) if error.blames_the_question() => {
                let (times, last) = self.0.entry(question).or_default();
                *times += 1;
                *last = match error {
                    WorkerError::Died { status, .. } => status.clone(),
                    _ => "it hung".into(),
                };
            }
            Ok(_) => {
                self.0.remove(&question);
            }
            Err(_) => {}
        }
    }
}
