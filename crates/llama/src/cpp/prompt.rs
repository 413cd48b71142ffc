//! Prompts as a model's tokens, without running it: what a judge is trained on is then to the
//! token what it is asked.

use std::path::Path;

use llama_cpp_2::llama_backend::LlamaBackend;
use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::model::params::LlamaModelParams;
use llama_cpp_2::token::LlamaToken;

use super::tokens::{Step, Tokens};
use crate::error::LlamaError;
use judge::engine::PixelKey;

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Token ids.
    Tokens(Vec<i32>),
    /// A picture with the markers around it.
    Picture,
}

/// Turns the protocol's texts into token ids, just as the engine does.
pub struct Prompter {
    model: LlamaModel,
    tokens: Tokens,
    // Dropped last: the model needs it.
    _backend: LlamaBackend,
}

impl Prompter {
    /// Takes the vocabulary of a model file. Once at a time in a process.
    ///
    /// # Errors
    /// [`LlamaError::Load`] or [`LlamaError::Unsuitable`].
    pub fn load(model: &Path) -> Result<Self, LlamaError> {
        let backend =
            LlamaBackend::init().map_err(|error| LlamaError::Protocol(format!("llama.cpp did not start: {error}")))?;
        let params = LlamaModelParams::default().with_n_gpu_layers(0);
        let model = LlamaModel::load_from_file(&backend, model, &params).map_err(|error| LlamaError::Load {
            what: "model".into(),
            path: model.into(),
            reason: error.to_string(),
        })?;
        let tokens = Tokens::of(&model)?;
        Ok(Self {
            model,
            tokens,
            _backend: backend,
        })
    }

    /// The prefix of a prompt with this many pictures.
    #[must_use]
    pub fn prefix(&self, system: &str, pictures: usize) -> Vec<Piece> {
        let keys: Vec<PixelKey> = (0..pictures).map(|i| PixelKey(i.to_string())).collect();
        self.tokens
            .steps(&self.model.vocab(), system, &keys)
            .into_iter()
            .map(|step| match step {
                Step::Tokens(tokens) => Piece::Tokens(ids(&tokens)),
                Step::Image(_) => Piece::Picture,
            })
            .collect()
    }

    /// A branch, up to where its answer begins.
    #[must_use]
    pub fn branch(&self, text: &str) -> Vec<i32> {
        ids(&self.tokens.branch(&self.model.vocab(), text))
    }

    /// Plain text, and nothing in it taken for a control token.
    #[must_use]
    pub fn text(&self, text: &str) -> Vec<i32> {
        ids(&self.model.vocab().tokenize(text.as_bytes(), false, false))
    }

    /// A control token such as `<|im_end|>`; nothing when the vocabulary lacks it.
    #[must_use]
    pub fn control(&self, text: &str) -> Option<i32> {
        match self.model.vocab().tokenize(text.as_bytes(), false, true)[..] {
            [LlamaToken(id)] => Some(id),
            _ => None,
        }
    }
}

fn ids(tokens: &[LlamaToken]) -> Vec<i32> {
    tokens.iter().map(|t| t.0).collect()
}
