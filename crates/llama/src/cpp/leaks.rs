//! Whether a model gives the same answer whatever else is in memory: measured once, when it is loaded.
//!
//! A short question is asked twice: forked from prefixes as in a judgement, beside a picture that it must not know of; and in one
//! sequence on its own. Both runs decode equal batches into equal cells, so that sums are taken in the same order and equal
//! means equal: no rounding, and no expert chosen otherwise, has to be forgiven. Pictures are made-up vectors, because nothing
//! here depends on what they show and encoding is what takes time.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;

use super::StopFlag;
use super::buffers::context_freed;
use super::prefixes::{BASE, FIRST_BRANCH, SYSTEM, WORK, decode_text};
use super::raw::{Chunk, ChunkKind, Context, ContextSize, Entry, LoadedAdapter, Vision, embedding_width};
use super::tokens::{Step, Tokens};
use crate::error::LlamaError;

/// The part of the logits' range by which they may differ. All architectures tried differ by nothing; the leak that this is for,
/// by a tenth and more.
const TOLERANCE: f32 = 0.01;
/// The largest picture that is laid. Some models have no smaller one than 256 tokens, which takes too long on a processor;
/// for them text stands in for pictures.
const LARGEST: usize = 32;
/// The sequences of the two questions.
const BRANCHES: [i32; 2] = [FIRST_BRANCH, FIRST_BRANCH + 1];
const SEQUENCES: u32 = FIRST_BRANCH as u32 + 2;

/// Refuses a model whose answers depend on what is in memory beside the question.
pub fn check<'m>(
    model: &'m LlamaModel,
    vision: &mut Vision<'m>,
    adapters: &[LoadedAdapter<'m>],
    tokens: &Tokens,
    threads: i32,
    stop: &StopFlag,
) -> Result<(), LlamaError> {
    let mut trial = Trial::new(model, vision, adapters, tokens, threads, stop)?;
    let alone = trial.alone()?;
    let forked = trial.forked(|context, _| context.fork(SYSTEM, WORK))?;
    drop(trial);
    context_freed();
    judge(&alone, &forked)
}

/// Compares the logits of both runs.
fn judge(alone: &[f32], forked: &[f32]) -> Result<(), LlamaError> {
    let finite = |logits: &[f32]| logits.iter().all(|x| x.is_finite());
    if !finite(alone) {
        // Broken weights, which is for the first judgement to say.
        return Ok(());
    }
    let range = alone.iter().copied().fold(f32::MIN, f32::max) - alone.iter().copied().fold(f32::MAX, f32::min);
    let largest = |most: f32, (a, b): (&f32, &f32)| most.max((a - b).abs());
    let difference = if finite(forked) {
        alone.iter().zip(forked).fold(0.0, largest)
    } else {
        f32::INFINITY
    };
    tracing::debug!(difference, range, "answers with another picture in memory");
    if difference <= TOLERANCE * range {
        Ok(())
    } else {
        Err(LlamaError::Leaks { difference, range })
    }
}

/// A picture of the trial: its chunk and its vectors, or text instead.
enum Seen {
    Picture(Chunk, Vec<f32>),
    Text(Vec<LlamaToken>),
}

struct Trial<'a, 'm> {
    context: Context<'m>,
    vision: &'a mut Vision<'m>,
    system: Vec<LlamaToken>,
    /// The picture that the question is not about, and the one that it is about.
    seen: [Seen; 2],
    lead: Vec<LlamaToken>,
    questions: [Vec<LlamaToken>; 2],
}

impl<'a, 'm> Trial<'a, 'm> {
    fn new(
        model: &'m LlamaModel,
        vision: &'a mut Vision<'m>,
        adapters: &[LoadedAdapter<'m>],
        tokens: &Tokens,
        threads: i32,
        stop: &StopFlag,
    ) -> Result<Self, LlamaError> {
        let vocabulary = model.vocab();
        let mut system = Vec::new();
        for step in tokens.steps(&vocabulary, "You compare pictures.", &[]) {
            if let Step::Tokens(tokens) = step {
                system.extend(tokens);
            }
        }
        let words = ["A red house by the sea.", "Two dogs, at night."];
        let mut seen = words.map(|words| Seen::Text(tokens.lead(&vocabulary, words)));
        for (n, seen) in seen.iter_mut().enumerate() {
            if let Some((chunk, tokens)) = smallest_picture(vision)? {
                let numbers = made_up(tokens * embedding_width(model), n);
                *seen = Seen::Picture(chunk, numbers);
            }
        }
        let size = ContextSize {
            cells: 256,
            sequences: SEQUENCES,
            threads,
        };
        Ok(Self {
            context: Context::new(model, adapters, size, stop)?,
            vision,
            system,
            seen,
            lead: tokens.lead(&vocabulary, "One digit. "),
            questions: ["light", "place"].map(|text| tokens.branch(&vocabulary, text)),
        })
    }

    /// The second question as a judgement asks it. `part` makes [`WORK`] of what is laid, given the position behind the system prompt.
    fn forked(&mut self, part: impl FnOnce(&mut Context<'m>, i32)) -> Result<Vec<f32>, LlamaError> {
        self.context.clear();
        let system = decode_text(&mut self.context, &self.system, 0, SYSTEM)?;
        self.context.fork(SYSTEM, BASE);
        self.see(0, system, BASE)?;
        part(&mut self.context, system);
        let mut end = self.see(1, system, WORK)?;
        for branch in BRANCHES {
            self.context.fork(WORK, branch);
        }
        let [first, second] = BRANCHES;
        self.context.decode(&entries(&self.lead, end, first..second + 1))?;
        end += length(&self.lead);
        self.ask([(first, end), (second, end)])
    }

    /// The same question, without a fork: all else that is decoded is in sequences that have nothing to do with it.
    fn alone(&mut self) -> Result<Vec<f32>, LlamaError> {
        self.context.clear();
        let mut end = decode_text(&mut self.context, &self.system, 0, SYSTEM)?;
        self.see(0, 0, BASE)?;
        end = self.see(1, end, SYSTEM)?;
        end = decode_text(&mut self.context, &self.lead, end, SYSTEM)?;
        self.ask([(BRANCHES[0], 0), (SYSTEM, end)])
    }

    fn see(&mut self, which: usize, position: i32, sequence: i32) -> Result<i32, LlamaError> {
        let context = &mut self.context;
        match &mut self.seen[which] {
            Seen::Picture(chunk, numbers) => context.decode_image(self.vision, chunk, numbers, position, sequence),
            Seen::Text(tokens) => decode_text(context, tokens, position, sequence),
        }
    }

    /// Decodes both questions together, each behind its sequence, and reads the second one's logits.
    fn ask(&mut self, places: [(i32, i32); 2]) -> Result<Vec<f32>, LlamaError> {
        let mut both = Vec::new();
        for (question, (sequence, position)) in self.questions.iter().zip(places) {
            both.extend(entries(question, position, sequence..sequence + 1));
        }
        let last = both.len().saturating_sub(1);
        if let Some(entry) = both.last_mut() {
            entry.logits = true;
        }
        self.context.decode(&both)?;
        Ok(self.context.logits(last)?.to_vec())
    }
}

fn entries(tokens: &[LlamaToken], position: i32, sequences: std::ops::Range<i32>) -> Vec<Entry> {
    let entry = |(&token, position)| Entry {
        token,
        position,
        sequences: sequences.clone(),
        logits: false,
    };
    tokens.iter().zip(position..).map(entry).collect()
}

fn length(tokens: &[LlamaToken]) -> i32 {
    i32::try_from(tokens.len()).unwrap_or(i32::MAX)
}

/// A picture as small as this model takes it, and its tokens; nothing where that is large.
fn smallest_picture(vision: &Vision<'_>) -> Result<Option<(Chunk, usize)>, LlamaError> {
    const SIDE: u32 = 64;
    let grey = vec![128; (SIDE * SIDE * 3) as usize];
    let chunks = vision.split(SIDE, SIDE, &grey)?;
    let mut pictures = chunks.iter().filter(|chunk| matches!(chunk.kind(), ChunkKind::Image));
    match (pictures.next(), pictures.next()) {
        (Some(picture), None) if picture.tokens() <= LARGEST => Ok(Some((picture.placeholder()?, picture.tokens()))),
        _ => Ok(None),
    }
}

/// Numbers as small as those of a vocabulary, other ones for each `n`.
fn made_up(count: usize, n: usize) -> Vec<f32> {
    let step = [12_345u32, 54_321][n.min(1)];
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 ^ step);
        ((state >> 16) as f32 / 65_536.0 - 0.5) * 0.1
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
#[path = "../../../../tests/it/support/random_judges.rs"]
mod random_judges;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use llama_cpp_2::llama_backend::LlamaBackend;
    use llama_cpp_2::model::params::LlamaModelParams;

    use super::random_judges::RANDOM_JUDGES;
    use super::*;

    fn gguf(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../gguf").join(name)
    }

    /// One test, because llama.cpp starts once in a process.
    #[test]
    fn whole_forks_leak_nothing_and_what_leaks_is_refused() {
        let backend = LlamaBackend::init().unwrap();
        for files in &RANDOM_JUDGES {
            let name = files.architecture;
            let params = LlamaModelParams::default().with_n_gpu_layers(0);
            let model = LlamaModel::load_from_file(&backend, gguf(files.model), &params).unwrap();
            let stop = StopFlag::default();
            let mut vision = Vision::load(&model, &gguf(files.mmproj), 64, 1, false, &stop, &mut |_| true).unwrap();
            let tokens = Tokens::of(&model).unwrap();
            check(&model, &mut vision, &[], &tokens, 1, &stop).unwrap();

            let mut trial = Trial::new(&model, &mut vision, &[], &tokens, 1, &stop).unwrap();
            assert!(
                trial.seen.iter().all(|seen| matches!(seen, Seen::Picture(..))),
                "{name}"
            );
            let alone = trial.alone().unwrap();
            let forked = trial.forked(|context, _| context.fork(SYSTEM, WORK)).unwrap();
            assert!(alone == forked, "{name}: to the bit");

            // As it was once: the system prompt's part of the sequence that has gone on to the reference.
            let partly = trial
                .forked(|context, end| context.share_part(BASE, WORK, end))
                .unwrap();
            let states = super::super::raw::keeps_states(&model);
            assert_eq!(states, name.starts_with("qwen35"));
            match judge(&alone, &partly) {
                Ok(()) => assert!(!states, "{name}"),
                Err(error @ LlamaError::Leaks { difference, range }) => {
                    assert!(states, "{name}: {error}");
                    eprintln!("{name}: {difference} of {range}");
                    assert!(difference > 5.0 * TOLERANCE * range, "{name}: {error}");
                    assert!(error.to_string().contains("judged before"), "{error}");
                    assert!(error.hint().contains("another model"), "{error}");
                }
                Err(error) => panic!("{name}: {error}"),
            }

            // A system prompt that gets lost is noticed in every architecture.
            let lost = trial.forked(|_, _| ()).unwrap();
            assert!(judge(&alone, &lost).is_err(), "{name}");
        }
        let broken = judge(&[f32::NAN, 1.0], &[0.0, 1.0]);
        assert_eq!(broken, Ok(()), "the first judgement says so");
        assert!(judge(&[0.0, 1.0], &[f32::NAN, 1.0]).is_err());
    }
}
