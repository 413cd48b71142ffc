//! From a shape to bytes: arithmetic, without I/O.
//!
//! Weights and cache are exact. The buffers of computation are a model of what llama.cpp reserved for shapes from 0.6B to 30B-A3B
//! (`gguf/PERFORMANCE.md`): within 4 % of each.

use serde::{Deserialize, Serialize};

use super::place::Placement;
use super::shape::{Shape, TextShape, VisionShape};
use crate::cells::{MICRO_BATCH, cells, sequences};
use judge::engine::Layout;

/// What a GPU's driver and its libraries keep for a process. An assumption: CUDA takes a few hundred megabytes.
const DRIVER: u64 = 400 << 20;
/// Bytes of a number in computation.
const FLOAT: u64 = 4;

/// Bytes in one kind of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The language model's weights, adapters included.
    pub weights: u64,
    /// The projector's weights.
    pub projector: u64,
    /// Keys, values and states of a judgement.
    pub context: u64,
    /// What the language model computes in.
    pub buffers: u64,
    /// What a picture is encoded in.
    pub pictures: u64,
    /// What drivers keep for a process.
    pub driver: u64,
}

impl Part {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.weights + self.projector + self.context + self.buffers + self.pictures + self.driver
    }
}

/// What a judge takes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// On the GPUs, together.
    pub gpu: Part,
    /// In main memory.
    pub processor: Part,
}

impl Need {
    fn at(&mut self, gpu: bool) -> &mut Part {
        if gpu { &mut self.gpu } else { &mut self.processor }
    }
}

/// What a judge of this shape takes for judgements of this layout where its parts lie so, on `gpus` GPUs.
#[must_use]
pub fn need(shape: &Shape, layout: &Layout, placement: &Placement, gpus: u64) -> Need {
    let text = &shape.text;
    let mut need = Need::default();
    let first = text.first_on_gpu(placement);
    let (cells, sequences) = (
        u64::from(cells(layout)),
        u64::from(sequences(layout, text.keeps_states())),
    );
    for (index, layer) in text.layers.iter().enumerate() {
        let on_gpu = index >= first;
        let experts_on_gpu = on_gpu && index >= placement.experts_away as usize;
        need.at(on_gpu).weights += layer.dense;
        need.at(experts_on_gpu).weights += layer.experts;
        need.at(on_gpu).context += layer.cache * cells + layer.state * sequences;
    }
    need.processor.weights += text.input;
    need.at(placement.layers > 0).weights += text.output + shape.adapters;
    if placement.layers > 0 && text.tied {
        need.gpu.weights += text.input;
    }
    let computing = text.computing(layout);
    // What a GPU computes for a layer that lies elsewhere is copied there first, up to two tensors at a time.
    let copied = if placement.is_whole(text.layers.len()) {
        0
    } else {
        2 * text.largest
    };
    if placement.layers > 0 {
        need.gpu.buffers += gpus * computing + copied;
        // Layers are not cut in two, so each further GPU may leave room for nearly one; and they are shared out as if the
        // projector were on none, so each has to have room for it.
        let layer = text.layers.iter().map(|layer| layer.dense + layer.experts).max();
        let eyes = if placement.projector {
            shape.vision.weights + shape.vision.computing(layout)
        } else {
            0
        };
        need.gpu.buffers += gpus.saturating_sub(1) * (layer.unwrap_or(0) + eyes);
    }
    if placement.layers == 0 || first > 0 {
        need.processor.buffers += computing;
    }
    // Probabilities come back to main memory in any case.
    need.processor.buffers += text.probabilities(layout);
    let eyes = if placement.projector {
        &mut need.gpu
    } else {
        &mut need.processor
    };
    eyes.projector += shape.vision.weights;
    eyes.pictures += shape.vision.computing(layout);
    if placement.uses_gpu() {
        need.gpu.driver = gpus * DRIVER;
    }
    need
}

impl TextShape {
    /// The first layer that lies on a GPU: llama.cpp takes them from the end, and the output first.
    fn first_on_gpu(&self, placement: &Placement) -> usize {
        let layers = self.layers.len();
        (layers + 1).saturating_sub(placement.layers as usize).min(layers)
    }

    /// Probabilities of all tokens, for the answers of one micro batch.
    fn probabilities(&self, layout: &Layout) -> u64 {
        u64::from(sequences(layout, self.keeps_states())) * self.vocabulary * FLOAT
    }

    /// The buffer of one micro batch: what every cell may look at (16 bits each), and the largest of what the attending layers,
    /// the recurrent layers and the probabilities take, one after the other.
    fn computing(&self, layout: &Layout) -> u64 {
        let tokens = u64::from(MICRO_BATCH.min(cells(layout)));
        let mask = 2 * tokens * u64::from(cells(layout));
        let parts = [
            self.attending(tokens),
            self.remembering(tokens, layout),
            self.probabilities(layout),
        ];
        mask + parts.into_iter().max().unwrap_or(0)
    }

    /// The pictures' vectors and a copy of them, two feed-forward parts, and ten vectors; a mixture holds one vector for each
    /// expert used beside.
    fn attending(&self, tokens: u64) -> u64 {
        // A mixture keeps what its experts make of a gate beside gate and product.
        let parts = if self.experts_used > 0 { 3 } else { 2 };
        let numbers = (2 * self.inputs + self.experts_used + 10) * self.width + parts * self.feed_forward;
        tokens * numbers * FLOAT
    }

    /// The states of all sequences before and after, and ten vectors of a recurrent layer's width.
    fn remembering(&self, tokens: u64, layout: &Layout) -> u64 {
        let state = self.layers.iter().map(|layer| layer.state).max().unwrap_or(0);
        2 * state * u64::from(sequences(layout, true)) + 10 * tokens * self.recurrent * FLOAT
    }
}

impl VisionShape {
    /// The buffer of one picture: its pixels, five vectors and one feed-forward part a patch.
    fn computing(&self, layout: &Layout) -> u64 {
        let patches = u64::from(layout.image_tokens) * self.patches_a_token;
        let pixels = 3 * self.patch * self.patch;
        patches * (5 * self.width + self.feed_forward + pixels) * FLOAT
    }
}
