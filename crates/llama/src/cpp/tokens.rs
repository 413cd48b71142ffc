//! The few tokens the protocol reads, and the markup around a turn.

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_2::vocab::LlamaVocab;

use crate::error::LlamaError;
use judge::engine::PixelKey;

/// Token ids and markup of one model.
pub struct Tokens {
    /// The single tokens `0` … `9`.
    pub digits: [LlamaToken; 10],
    /// Every single token that reads as yes.
    pub yes: Vec<LlamaToken>,
    /// Every single token that reads as no.
    pub no: Vec<LlamaToken>,
    /// Whether the template opens a thinking block.
    pub closes_thinking: bool,
    chat: Chat,
    suffix: Vec<LlamaToken>,
}

/// How a model marks who speaks. Rendered here and not by the model's own template, so that a prefix can be cut
/// at a picture's edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chat {
    /// Qwen's.
    ChatMl,
    /// Gemma's: it knows no system turn, so what would stand there begins the user's.
    Gemma,
}

impl Chat {
    /// The format whose markers are single tokens of the vocabulary.
    fn of(vocabulary: &LlamaVocab<'_>) -> Option<Self> {
        let known = |marker: &str| vocabulary.tokenize(marker.as_bytes(), false, true).len() == 1;
        if known("<|im_start|>") && known("<|im_end|>") {
            Some(Self::ChatMl)
        } else if known("<start_of_turn>") && known("<end_of_turn>") && known("<bos>") {
            Some(Self::Gemma)
        } else {
            None
        }
    }

    /// What stands before the system prompt, and between it and the pictures.
    fn head(self) -> (&'static str, &'static str) {
        match self {
            Self::ChatMl => ("<|im_start|>system\n", "<|im_end|>\n<|im_start|>user\n"),
            Self::Gemma => ("<bos><start_of_turn>user\n", "\n\n"),
        }
    }

    /// What ends the user's turn and opens the answer.
    fn suffix(self) -> &'static str {
        match self {
            Self::ChatMl => "<|im_end|>\n<|im_start|>assistant\n",
            Self::Gemma => "<end_of_turn>\n<start_of_turn>model\n",
        }
    }
}

/// One step of a prefix: tokens, or the n-th picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Tokens(Vec<LlamaToken>),
    Image(PixelKey),
}

impl Tokens {
    pub fn of(model: &LlamaModel) -> Result<Self, LlamaError> {
        let vocabulary = model.vocab();
        let single = |text: &str| -> Option<LlamaToken> {
            match vocabulary.tokenize(text.as_bytes(), false, false)[..] {
                [token] => Some(token),
                _ => None,
            }
        };
        let mut digits = [LlamaToken(0); 10];
        for (value, slot) in digits.iter_mut().enumerate() {
            *slot = single(&value.to_string())
                .ok_or_else(|| LlamaError::Unsuitable(format!("the digit {value} is not one token of it")))?;
        }
        let spellings = |words: &[&str]| -> Vec<LlamaToken> {
            let mut found: Vec<LlamaToken> = words.iter().filter_map(|w| single(w)).collect();
            found.sort_unstable_by_key(|t| t.0);
            found.dedup();
            found
        };
        let yes = spellings(&["yes", "Yes", "YES", " yes", " Yes"]);
        let no = spellings(&["no", "No", "NO", " no", " No"]);
        if yes.is_empty() || no.is_empty() {
            return Err(LlamaError::Unsuitable(
                "it has no single token for yes or for no".into(),
            ));
        }
        let chat = Chat::of(&vocabulary).ok_or_else(|| {
            LlamaError::Unsuitable(
                "its chat format is neither ChatML (Qwen) nor Gemma's: the vocabulary has no token <|im_start|> or <start_of_turn>".into(),
            )
        })?;
        let closes_thinking = opens_thinking(model);
        let mut suffix = markup(&vocabulary, chat.suffix());
        if closes_thinking {
            suffix.extend(markup(&vocabulary, "<think>\n\n</think>\n\n"));
        }
        Ok(Self {
            digits,
            yes,
            no,
            closes_thinking,
            chat,
            suffix,
        })
    }

    /// The prefix as steps: one user turn with neutrally labelled pictures.
    pub fn steps(&self, vocabulary: &LlamaVocab<'_>, system: &str, images: &[PixelKey]) -> Vec<Step> {
        let (before, behind) = self.chat.head();
        let mut head = markup(vocabulary, before);
        head.extend(plain(vocabulary, system));
        head.extend(markup(vocabulary, behind));
        let mut steps = vec![Step::Tokens(head)];
        for (i, key) in images.iter().enumerate() {
            steps.push(Step::Tokens(plain(vocabulary, &format!("Image {}: ", i + 1))));
            steps.push(Step::Image(key.clone()));
            steps.push(Step::Tokens(plain(vocabulary, "\n")));
        }
        steps
    }

    /// What stands before a branch.
    pub fn lead(&self, vocabulary: &LlamaVocab<'_>, text: &str) -> Vec<LlamaToken> {
        plain(vocabulary, text)
    }

    /// A branch: the question as plain text, then the markup that opens the answer.
    pub fn branch(&self, vocabulary: &LlamaVocab<'_>, text: &str) -> Vec<LlamaToken> {
        let mut tokens = plain(vocabulary, text);
        tokens.extend_from_slice(&self.suffix);
        tokens
    }
}

fn plain(vocabulary: &LlamaVocab<'_>, text: &str) -> Vec<LlamaToken> {
    vocabulary.tokenize(text.as_bytes(), false, false)
}

fn markup(vocabulary: &LlamaVocab<'_>, text: &str) -> Vec<LlamaToken> {
    vocabulary.tokenize(text.as_bytes(), false, true)
}

/// A template whose generation prompt holds `<think>` would make the next token a thought.
fn opens_thinking(model: &LlamaModel) -> bool {
    let Ok(template) = model.chat_template(None) else {
        return false;
    };
    let Ok(text) = template.to_str() else {
        return false;
    };
    text.rsplit_once("add_generation_prompt")
        .is_some_and(|(_, tail)| tail.contains("<think>"))
}
