//! The prefixes that stay in memory between asks, each in a sequence of its own.
//!
//! What a sequence holds is handed on at its end only, whole ([`Context::fork`]): a recurrent state cannot be cut. So there is a
//! sequence for each place where prompts part: the system prompt, that with the base picture, and the present prompt.

use llama_cpp_2::token::LlamaToken;

use super::StopFlag;
use super::raw::{Context, Entry, Vision};
use super::tokens::Step;
use super::vision::Shelf;
use crate::cells::PREFIXES;
use crate::error::LlamaError;
use judge::engine::Cost;

/// The sequence of the system prompt, up to the first picture.
pub const SYSTEM: i32 = 0;
/// The sequence of the system prompt and the base picture.
pub const BASE: i32 = 1;
/// The sequence of the present ask's prefix.
pub const WORK: i32 = 2;
/// The first sequence of the branches.
pub const FIRST_BRANCH: i32 = 3;

const _: () = assert!(FIRST_BRANCH as u32 == PREFIXES);

/// What a sequence holds: its steps, and the position behind them.
#[derive(Clone, Default)]
struct Chain {
    steps: Vec<Step>,
    end: i32,
}

impl Chain {
    /// How many of these steps it holds, where it holds nothing else.
    fn begins(&self, steps: &[Step]) -> Option<usize> {
        steps.starts_with(&self.steps).then_some(self.steps.len())
    }
}

/// What the prefixes' sequences hold.
#[derive(Default)]
pub struct Prefixes {
    system: Chain,
    base: Chain,
    work: Chain,
}

/// What laying a prefix takes.
pub struct Means<'a, 'm> {
    pub context: &'a mut Context<'m>,
    pub vision: &'a mut Vision<'m>,
    /// Holds every picture of the prefix.
    pub shelf: &'a mut Shelf,
    pub stop: &'a StopFlag,
    pub cost: &'a mut Cost,
}

impl Prefixes {
    /// Makes [`WORK`] hold exactly `steps` and [`BASE`] exactly `base`; returns the position behind `steps`. After an error nothing
    /// is known of the context.
    pub fn lay(&mut self, base: &[Step], steps: &[Step], means: &mut Means<'_, '_>) -> Result<i32, LlamaError> {
        self.lay_base(base, means)?;
        self.lay_work(steps, means)?;
        Ok(self.work.end)
    }

    /// A base that differs is laid anew from the first cell, after clearing everything: where cells lie decides the order of sums,
    /// so the layout must not depend on what ran before.
    fn lay_base(&mut self, steps: &[Step], means: &mut Means<'_, '_>) -> Result<(), LlamaError> {
        if self.base.steps == steps {
            return Ok(());
        }
        *self = Self::default();
        means.context.clear();
        let pictures = steps.iter().position(|step| matches!(step, Step::Image(_)));
        let (system, rest) = steps.split_at(pictures.unwrap_or(steps.len()));
        self.system = means.extend(SYSTEM, Chain::default(), system)?;
        means.context.fork(SYSTEM, BASE);
        self.base = means.extend(BASE, self.system.clone(), rest)?;
        Ok(())
    }

    /// Goes on from the longest prefix that is all of it a part of these steps.
    fn lay_work(&mut self, steps: &[Step], means: &mut Means<'_, '_>) -> Result<(), LlamaError> {
        let [system, base, work] = [&self.system, &self.base, &self.work].map(|chain| chain.begins(steps));
        let chain = if work > base.max(system) {
            std::mem::take(&mut self.work)
        } else {
            self.work = Chain::default();
            let kept = [(base, BASE, &self.base), (system, SYSTEM, &self.system)];
            match kept.into_iter().find(|(held, ..)| held.is_some()) {
                Some((_, sequence, chain)) => {
                    means.context.fork(sequence, WORK);
                    chain.clone()
                }
                None => {
                    means.context.remove(WORK);
                    Chain::default()
                }
            }
        };
        means.cost.reused_tokens += tokens_of(&chain.steps);
        let rest = steps.get(chain.steps.len()..).unwrap_or(&[]);
        self.work = means.extend(WORK, chain, rest)?;
        Ok(())
    }
}

impl Means<'_, '_> {
    /// Lays steps behind what a sequence holds.
    fn extend(&mut self, sequence: i32, mut chain: Chain, steps: &[Step]) -> Result<Chain, LlamaError> {
        for step in steps {
            if self.stop.is_set() {
                return Err(LlamaError::Cancelled);
            }
            let context = &mut *self.context;
            match step {
                Step::Tokens(tokens) => {
                    chain.end = decode_text(context, tokens, chain.end, sequence)?;
                    self.cost.prefill_tokens += u32::try_from(tokens.len()).unwrap_or(0);
                }
                Step::Image(key) => {
                    let picture = self
                        .shelf
                        .get_mut(key)
                        .ok_or_else(|| LlamaError::Protocol("a picture left the shelf while in use".into()))?;
                    let most = u32::try_from(context.micro_batch_size()).unwrap_or(u32::MAX);
                    if self.vision.whole_pictures() && picture.tokens > most {
                        return Err(LlamaError::TooLong {
                            what: "a picture (this model has to take it at once)".into(),
                            tokens: picture.tokens,
                            limit: most,
                        });
                    }
                    chain.end = decode_text(context, &picture.before, chain.end, sequence)?;
                    let (chunk, embedding) = (&picture.chunk, &mut picture.embedding);
                    chain.end = context.decode_image(self.vision, chunk, embedding, chain.end, sequence)?;
                    chain.end = decode_text(context, &picture.after, chain.end, sequence)?;
                    self.cost.prefill_tokens += picture.tokens;
                }
            }
            chain.steps.push(step.clone());
        }
        Ok(chain)
    }
}

/// Tokens of the texts among these steps.
pub fn tokens_of(steps: &[Step]) -> u32 {
    let text = steps.iter().map(|step| match step {
        Step::Tokens(tokens) => tokens.len(),
        Step::Image(_) => 0,
    });
    u32::try_from(text.sum::<usize>()).unwrap_or(u32::MAX)
}

/// Lays a text behind what a sequence holds; returns the position behind it.
pub fn decode_text(
    context: &mut Context<'_>,
    tokens: &[LlamaToken],
    mut position: i32,
    sequence: i32,
) -> Result<i32, LlamaError> {
    for part in tokens.chunks(context.batch_size().max(1)) {
        let entries: Vec<Entry> = part
            .iter()
            .zip(position..)
            .map(|(&token, position)| Entry {
                token,
                position,
                sequences: sequence..sequence + 1,
                logits: false,
            })
            .collect();
        context.decode(&entries)?;
        position += i32::try_from(part.len()).unwrap_or(0);
    }
    Ok(position)
}
