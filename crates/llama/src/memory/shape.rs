//! What of a model's shape decides how much memory it takes.

use super::gguf::{GgufError, Head, Value};
use std::path::{Path, PathBuf};

/// Widths and vocabularies beyond this are taken for this.
const MOST: u64 = 1 << 24;
/// The same for heads and their widths.
const MOST_HEADS: u64 = 1 << 14;
/// The same for layers and experts.
const MOST_LAYERS: u64 = 1 << 12;

/// The bytes of a layer's weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layer {
    /// All but the experts.
    pub dense: u64,
    /// The experts of a mixture; 0 in a dense model.
    pub experts: u64,
    /// Bytes that a token's keys and values take in this layer; 0 in one that does not attend.
    pub cache: u64,
    /// Bytes of the state that a recurrent layer keeps for each sequence; 0 in one that has none.
    pub state: u64,
}

/// A language model, as far as memory goes. All sizes are bytes, all widths numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextShape {
    /// `general.architecture`.
    pub architecture: String,
    /// The layers, the first first.
    pub layers: Vec<Layer>,
    /// What turns tokens into vectors; it always stays with the processor.
    pub input: u64,
    /// What turns vectors into probabilities, and its norm.
    pub output: u64,
    /// Whether the input's tensor is the output's too: then a GPU gets a copy of it.
    pub tied: bool,
    /// Width of a vector.
    pub width: u64,
    /// Vectors that a token of a picture brings in: one, and one for each deepstack layer.
    pub inputs: u64,
    /// Width of the feed-forward part that is at work for a token: in a mixture that of the experts used, together.
    pub feed_forward: u64,
    /// Experts that are used for a token; 0 in a dense model.
    pub experts_used: u64,
    /// Width of what a recurrent layer works on; 0 in a model without such layers.
    pub recurrent: u64,
    /// The largest single tensor of a layer.
    pub largest: u64,
    /// Tokens of the vocabulary.
    pub vocabulary: u64,
}

/// A vision encoder with its projector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VisionShape {
    /// Bytes of all weights.
    pub weights: u64,
    /// Width of a patch's vector.
    pub width: u64,
    /// Width of the feed-forward part.
    pub feed_forward: u64,
    /// Patches that become one token.
    pub patches_a_token: u64,
    /// Pixels of a patch's side.
    pub patch: u64,
    /// Width of the vectors that the language model gets, where the file says.
    pub output: Option<u64>,
    /// Deepstack layers: so many more vectors a token.
    pub deepstack: u64,
}

/// Both halves of a judge, and its adapters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The language model.
    pub text: TextShape,
    /// Its eyes.
    pub vision: VisionShape,
    /// Bytes of LoRA adapters.
    pub adapters: u64,
}

/// Why a judge's shape is not known.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] GgufError),
    /// A file is a GGUF, but not one of these.
    #[error("{} is not {what}: it has no {key}", path.display())]
    Lacks {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// The key or tensor that is missing.
        key: String,
    },
}

impl Shape {
    /// Reads the shape out of a judge's files.
    ///
    /// # Errors
    /// [`ShapeError`].
    pub fn read<'a>(
        model: &Path,
        mmproj: &Path,
        adapters: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, ShapeError> {
        let sizes = adapters.into_iter().map(|path| Ok(Head::read(path)?.bytes()));
        Ok(Self {
            text: TextShape::of(&Head::read(model)?, model)?,
            vision: VisionShape::of(&Head::read(mmproj)?, mmproj)?,
            adapters: sizes.sum::<Result<u64, ShapeError>>()?,
        })
    }
}

impl Shape {
    /// Why the two files cannot belong together, as far as their heads tell.
    #[must_use]
    pub fn mismatch(&self) -> Option<String> {
        let (text, vision) = (&self.text, &self.vision);
        if let Some(output) = vision.output.filter(|output| *output != text.width) {
            let width = text.width;
            return Some(format!(
                "it makes vectors of {output}, and the model's are {width} wide"
            ));
        }
        let (made, taken) = (vision.deepstack, text.inputs - 1);
        (made != taken).then(|| format!("it has {made} deepstack layers, and the model takes {taken}"))
    }
}

impl TextShape {
    fn of(head: &Head, path: &Path) -> Result<Self, ShapeError> {
        let lacks = |key: &str| ShapeError::Lacks {
            path: path.to_owned(),
            what: "a language model",
            key: key.to_owned(),
        };
        let architecture = head
            .text("general.architecture")
            .ok_or_else(|| lacks("general.architecture"))?;
        // No model comes near these bounds, and no product of numbers within them overflows.
        let optional = |key: &str| {
            head.whole(&format!("{architecture}.{key}"))
                .map(|number| number.min(MOST))
        };
        let wanted = |key: &str| optional(key).ok_or_else(|| lacks(&format!("{architecture}.{key}")));
        let count = wanted("block_count")?;
        let width = wanted("embedding_length")?;
        let heads = wanted("attention.head_count")?.max(1);
        let head_width = width / heads;
        let width_of = |key: &str| optional(key).unwrap_or(head_width).min(MOST_HEADS);
        let cache_width = width_of("attention.key_length") + width_of("attention.value_length");
        let kv_heads = match head.get(&format!("{architecture}.attention.head_count_kv")) {
            Some(Value::List(list)) => list.clone(),
            Some(Value::Whole(number)) => vec![*number],
            _ => vec![heads],
        };
        // Keys and values are kept as 16-bit numbers.
        let cache = |layer: usize| {
            let heads = kv_heads.get(layer).or(kv_heads.last()).copied().unwrap_or(heads);
            2 * cache_width * heads.min(MOST_HEADS)
        };
        let recurrent = State::of(optional);
        // Layers that guess further tokens come last; they are counted and not loaded.
        let guessing = optional("nextn_predict_layers").unwrap_or(0);
        let asked = usize::try_from(count.saturating_sub(guessing)).unwrap_or(usize::MAX);
        let count = usize::try_from(count.min(MOST_LAYERS))
            .unwrap_or(0)
            .min(head.tensors.len());
        let mut layers: Vec<Layer> = (0..count)
            .map(|layer| Layer {
                cache: if layer < asked { cache(layer) } else { 0 },
                ..Layer::default()
            })
            .collect();
        let (mut input, mut output, mut tied) = (0, 0, true);
        let (mut largest, mut vocabulary) = (0, 0);
        for tensor in &head.tensors {
            let layer = tensor.name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
            let index = layer.and_then(|(n, _)| n.parse::<usize>().ok());
            if index.is_some_and(|index| index >= asked) {
                continue;
            }
            match (index.and_then(|index| layers.get_mut(index)), layer) {
                (Some(layer), Some((_, part))) => {
                    if part == "ssm_conv1d.weight" {
                        *layer = Layer {
                            cache: 0,
                            state: recurrent.bytes(),
                            ..*layer
                        };
                    }
                    largest = tensor.bytes.max(largest);
                    let of = if part.contains("_exps") {
                        &mut layer.experts
                    } else {
                        &mut layer.dense
                    };
                    *of += tensor.bytes;
                }
                _ if tensor.name == "token_embd.weight" => {
                    input = tensor.bytes;
                    vocabulary = tensor.dimensions.get(1).copied().unwrap_or(0).min(MOST);
                }
                _ => {
                    tied &= tensor.name != "output.weight";
                    output += tensor.bytes;
                }
            }
        }
        if vocabulary == 0 {
            return Err(lacks("token_embd.weight"));
        }
        let experts_used = optional("expert_used_count").unwrap_or(0).min(MOST_LAYERS);
        let expert_width = optional("expert_feed_forward_length").unwrap_or(0) * experts_used;
        let feed_forward = if experts_used > 0 {
            expert_width
        } else {
            wanted("feed_forward_length")?
        };
        Ok(Self {
            architecture: architecture.to_owned(),
            layers,
            input,
            output,
            tied,
            width,
            inputs: 1 + optional("n_deepstack_layers").unwrap_or(0).min(MOST_LAYERS),
            feed_forward,
            experts_used,
            recurrent: recurrent.inner,
            largest,
            vocabulary,
        })
    }

    /// Whether any layer keeps a state for each sequence.
    #[must_use]
    pub fn keeps_states(&self) -> bool {
        self.layers.iter().any(|layer| layer.state > 0)
    }

    /// Bytes of all weights that are loaded, as in the file.
    #[must_use]
    pub fn weights(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.dense + layer.experts).sum();
        layers + self.input + self.output
    }
}

/// What a recurrent layer remembers of a sequence.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// The width of what it works on.
    inner: u64,
    /// Numbers of the state itself.
    numbers: u64,
    /// Vectors that its convolution looks back at.
    back: u64,
    /// The width of these.
    width: u64,
}

impl State {
    fn of(number: impl Fn(&str) -> Option<u64>) -> Self {
        let of = |key: &str| number(&format!("ssm.{key}")).unwrap_or(0).min(MOST_HEADS * 4);
        let (inner, size) = (of("inner_size"), of("state_size"));
        Self {
            inner,
            numbers: inner * size,
            back: of("conv_kernel").saturating_sub(1).min(64),
            width: inner + 2 * of("group_count").min(MOST_LAYERS) * size,
        }
    }

    /// Numbers of 32 bits.
    fn bytes(&self) -> u64 {
        4 * (self.numbers + self.back * self.width)
    }
}

impl VisionShape {
    fn of(head: &Head, path: &Path) -> Result<Self, ShapeError> {
        let wanted = |key: &str| {
            let key = format!("clip.vision.{key}");
            head.whole(&key)
                .map(|number| number.min(MOST))
                .ok_or_else(|| ShapeError::Lacks {
                    path: path.to_owned(),
                    what: "a vision projector (mmproj)",
                    key,
                })
        };
        let merge = head.whole("clip.vision.spatial_merge_size");
        let gemma = head.text("clip.projector_type") == Some("gemma3");
        // Gemma averages four by four patches into a token, whatever its file says; the others say.
        let merge = merge.unwrap_or(if gemma { 4 } else { 1 }).clamp(1, 64);
        Ok(Self {
            weights: head.bytes(),
            width: wanted("embedding_length")?,
            feed_forward: wanted("feed_forward_length")?,
            patches_a_token: merge * merge,
            patch: wanted("patch_size")?.clamp(1, 4096),
            output: head.whole("clip.vision.projection_dim"),
            deepstack: match head.get("clip.vision.is_deepstack_layers") {
                Some(Value::List(layers)) => layers.iter().filter(|is| **is != 0).count() as u64,
                _ => 0,
            },
        })
    }
}
