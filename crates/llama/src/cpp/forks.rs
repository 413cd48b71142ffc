//! The branches: one sequence each behind the shared prefix, decoded together.

use std::time::Instant;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::sampling::LlamaSampler;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::token::data::LlamaTokenData;
use llama_cpp_2::token::data_array::LlamaTokenDataArray;
use llama_cpp_2::vocab::LlamaVocab;

use super::StopFlag;
use super::raw::{Context, Entry};
use super::tokens::Tokens;
use crate::error::LlamaError;
use judge::engine::{Answer, Branch, Cost, Want};

pub struct Forks<'a, 'm> {
    pub context: &'a mut Context<'m>,
    pub model: &'m LlamaModel,
    pub tokens: &'a Tokens,
    pub vocabulary: &'a LlamaVocab<'a>,
    pub stop: &'a StopFlag,
    /// The position after the shared prefix.
    pub start: i32,
    /// The sequence of the first question; the others follow. All share the prefix already.
    pub first: i32,
}

/// Questions that share a lead, as tokens.
pub struct Group {
    /// What stands before each of them; may be empty.
    pub lead: Vec<LlamaToken>,
    /// Where the group begins among the branches.
    pub begin: usize,
    /// One per branch of the group, in order.
    pub questions: Vec<Vec<LlamaToken>>,
}

impl Group {
    /// Tokens that are fed.
    pub fn tokens(&self) -> usize {
        self.lead.len() + self.questions.iter().map(Vec::len).sum::<usize>()
    }
}

/// A text answer being decoded.
struct Growing {
    branch: usize,
    tokens: Vec<LlamaToken>,
    position: i32,
    limit: usize,
    grammar: Option<LlamaSampler>,
}

impl Growing {
    /// Takes the most likely token (that the grammar allows, if there is one).
    fn take(&mut self, logits: &[f32]) -> Result<(), LlamaError> {
        let token = match &mut self.grammar {
            None => best(logits)?,
            Some(grammar) => best_allowed(logits, grammar)?,
        };
        self.tokens.push(token);
        Ok(())
    }
}

impl Forks<'_, '_> {
    pub fn run(mut self, branches: &[Branch], groups: &[Group], cost: &mut Cost) -> Result<Vec<Answer>, LlamaError> {
        let started = Instant::now();
        let mut answers: Vec<Option<Answer>> = vec![None; branches.len()];
        let mut growing = Vec::new();
        self.questions(branches, groups, &mut answers, &mut growing)?;
        let fed: usize = groups.iter().map(Group::tokens).sum();
        cost.branch_s += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let decoded = self.grow(growing, &mut answers)?;
        cost.decode_s += started.elapsed().as_secs_f64();
        cost.branch_tokens += u32::try_from(fed + decoded).unwrap_or(u32::MAX);
        answers
            .into_iter()
            .map(|a| a.ok_or_else(|| LlamaError::Protocol("a branch got no answer".into())))
            .collect()
    }

    /// Feeds all questions, whole ones, as many at once as the model computes at once.
    ///
    /// A question that is answered by its first token leaves at once, so that those after it attend to
    /// fewer cells.
    fn questions(
        &mut self,
        branches: &[Branch],
        groups: &[Group],
        answers: &mut [Option<Answer>],
        growing: &mut Vec<Growing>,
    ) -> Result<(), LlamaError> {
        let capacity = self.context.micro_batch_size();
        let mut entries: Vec<Entry> = Vec::new();
        let mut asked: Vec<Asked> = Vec::new();
        for group in groups {
            for (n, question) in group.questions.iter().enumerate() {
                let lead: &[LlamaToken] = if n == 0 { &group.lead } else { &[] };
                if !entries.is_empty() && entries.len() + lead.len() + question.len() > capacity {
                    self.feed(branches, &mut entries, &mut asked, answers, growing)?;
                }
                let whole = self.sequence(group.begin)..self.sequence(group.begin + group.questions.len());
                entries.extend(lead.iter().zip(self.start..).map(|(&token, position)| Entry {
                    token,
                    position,
                    sequences: whole.clone(),
                    logits: false,
                }));
                let branch = group.begin + n;
                let from = self.start + length(&group.lead);
                entries.extend(
                    question
                        .iter()
                        .zip(from..)
                        .enumerate()
                        .map(|(i, (&token, position))| Entry {
                            token,
                            position,
                            sequences: self.sequence(branch)..self.sequence(branch + 1),
                            logits: i + 1 == question.len(),
                        }),
                );
                asked.push(Asked {
                    branch,
                    row: entries.len().saturating_sub(1),
                    end: from + length(question),
                });
            }
        }
        self.feed(branches, &mut entries, &mut asked, answers, growing)
    }

    /// Decodes what was gathered and reads the first token of each answer.
    fn feed(
        &mut self,
        branches: &[Branch],
        entries: &mut Vec<Entry>,
        asked: &mut Vec<Asked>,
        answers: &mut [Option<Answer>],
        growing: &mut Vec<Growing>,
    ) -> Result<(), LlamaError> {
        self.check()?;
        self.context.decode(entries)?;
        entries.clear();
        for Asked { branch, row, end } in asked.drain(..) {
            let logits = self.context.logits(row)?;
            let (limit, grammar) = match &branches[branch].want {
                Want::Digits => {
                    answers[branch] = Some(self.digits(logits)?);
                    self.context.remove(self.sequence(branch));
                    continue;
                }
                Want::YesNo => {
                    answers[branch] = Some(self.yes_no(logits)?);
                    self.context.remove(self.sequence(branch));
                    continue;
                }
                Want::Text { max_tokens } => (*max_tokens, None),
                Want::Constrained { grammar, max_tokens } => (*max_tokens, Some(self.grammar(grammar)?)),
            };
            let mut text = Growing {
                branch,
                tokens: Vec::new(),
                position: end,
                limit: limit as usize,
                grammar,
            };
            text.take(logits)?;
            growing.push(text);
        }
        Ok(())
    }

    fn sequence(&self, branch: usize) -> i32 {
        self.first + i32::try_from(branch).unwrap_or(i32::MAX - self.first)
    }

    /// Decodes all text answers together, a token each a step.
    fn grow(&mut self, mut growing: Vec<Growing>, answers: &mut [Option<Answer>]) -> Result<usize, LlamaError> {
        let mut decoded = 0;
        loop {
            growing.retain(|g| match self.finished(g) {
                Some(answer) => {
                    answers[g.branch] = Some(answer);
                    false
                }
                None => true,
            });
            if growing.is_empty() {
                return Ok(decoded);
            }
            self.check()?;
            let entries: Vec<Entry> = growing
                .iter()
                .filter_map(|g| {
                    g.tokens.last().map(|&token| Entry {
                        token,
                        position: g.position,
                        sequences: self.sequence(g.branch)..self.sequence(g.branch + 1),
                        logits: true,
                    })
                })
                .collect();
            self.context.decode(&entries)?;
            decoded += entries.len();
            for (row, g) in growing.iter_mut().enumerate() {
                g.take(self.context.logits(row)?)?;
                g.position += 1;
            }
        }
    }

    fn finished(&self, g: &Growing) -> Option<Answer> {
        let last = g.tokens.last().copied()?;
        let end = self.vocabulary.is_eog(last);
        let said = &g.tokens[..g.tokens.len() - usize::from(end)];
        let bytes = self.vocabulary.detokenize(said, false, false);
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_start();
        let line = text.lines().next().unwrap_or("").trim().to_owned();
        let ended = end || (!line.is_empty() && text.contains('\n'));
        (ended || g.tokens.len() >= g.limit).then_some(Answer::Text { text: line, ended })
    }

    fn grammar(&self, text: &str) -> Result<LlamaSampler, LlamaError> {
        LlamaSampler::grammar(self.model, text, "root")
            .map_err(|error| LlamaError::Protocol(format!("a grammar that llama.cpp cannot read: {error}")))
    }

    fn digits(&self, logits: &[f32]) -> Result<Answer, LlamaError> {
        let total = log_sum_exp(logits)?;
        Ok(Answer::Digits {
            log_probs: self.tokens.digits.map(|token| f64::from(logit(logits, token)) - total),
        })
    }

    fn yes_no(&self, logits: &[f32]) -> Result<Answer, LlamaError> {
        let total = log_sum_exp(logits)?;
        let mass = |tokens: &[LlamaToken]| -> f64 {
            tokens
                .iter()
                .map(|&t| (f64::from(logit(logits, t)) - total).exp())
                .sum()
        };
        Ok(Answer::YesNo {
            yes: mass(&self.tokens.yes),
            no: mass(&self.tokens.no),
        })
    }

    fn check(&self) -> Result<(), LlamaError> {
        if self.stop.is_set() {
            Err(LlamaError::Cancelled)
        } else {
            Ok(())
        }
    }
}

/// A question in a batch that is being gathered.
struct Asked {
    branch: usize,
    /// The entry whose logits hold the answer's first token.
    row: usize,
    /// The position after the question.
    end: i32,
}

fn length(tokens: &[LlamaToken]) -> i32 {
    i32::try_from(tokens.len()).unwrap_or(i32::MAX)
}

fn logit(logits: &[f32], token: LlamaToken) -> f32 {
    usize::try_from(token.0)
        .ok()
        .and_then(|i| logits.get(i))
        .copied()
        .unwrap_or(f32::NEG_INFINITY)
}

fn not_finite() -> LlamaError {
    LlamaError::NotFinite("language model".into())
}

/// `ln Σ exp(x)`, summed in index order so that equal logits give equal bits.
fn log_sum_exp(logits: &[f32]) -> Result<f64, LlamaError> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() || logits.iter().any(|x| x.is_nan()) {
        return Err(not_finite());
    }
    let max = f64::from(max);
    let sum: f64 = logits.iter().map(|&x| (f64::from(x) - max).exp()).sum();
    Ok(max + sum.ln())
}

/// The most likely token that a grammar allows; the grammar moves on by it.
fn best_allowed(logits: &[f32], grammar: &mut LlamaSampler) -> Result<LlamaToken, LlamaError> {
    // Most often the likeliest token is allowed, and testing one is far cheaper than testing all.
    let first = best(logits)?;
    let allowed = |grammar: &mut LlamaSampler, tokens: Vec<LlamaTokenData>| {
        let mut array = LlamaTokenDataArray::new(tokens, false);
        array.apply_sampler(grammar);
        array
            .data
            .iter()
            .filter(|t| t.logit() > f32::NEG_INFINITY)
            .fold(None::<LlamaTokenData>, |best, t| match best {
                Some(b) if b.logit() >= t.logit() => Some(b),
                _ => Some(*t),
            })
    };
    let one = vec![LlamaTokenData::new(first, logit(logits, first), 0.0)];
    let all = || {
        (0..)
            .zip(logits)
            .map(|(id, &x)| LlamaTokenData::new(LlamaToken(id), x, 0.0))
            .collect()
    };
    let token = match allowed(grammar, one) {
        Some(token) => token.id(),
        None => allowed(grammar, all())
            .ok_or_else(|| LlamaError::Protocol("the grammar allows no token at all".into()))?
            .id(),
    };
    grammar.accept(token);
    Ok(token)
}

/// The most likely token; the lowest id wins a tie.
fn best(logits: &[f32]) -> Result<LlamaToken, LlamaError> {
    let mut best = (0usize, f32::NEG_INFINITY);
    for (i, &x) in logits.iter().enumerate() {
        if x.is_nan() {
            return Err(not_finite());
        }
        if x > best.1 {
            best = (i, x);
        }
    }
    i32::try_from(best.0).map(LlamaToken).map_err(|_| not_finite())
}
