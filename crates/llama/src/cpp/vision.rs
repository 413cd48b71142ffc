//! Pictures as embeddings: encoded once, kept while there is room.

use llama_cpp_2::token::LlamaToken;

use super::raw::{Chunk, ChunkKind, Vision};
use crate::error::LlamaError;
use judge::engine::{PixelKey, Pixels};

/// Bytes of embeddings kept; the least recently used leave first.
const BUDGET: usize = 512 << 20;

/// A picture ready to be decoded: marker tokens before and after, and the embedding between.
pub struct Embedded {
    pub before: Vec<LlamaToken>,
    pub after: Vec<LlamaToken>,
    pub chunk: Chunk,
    pub embedding: Vec<f32>,
    pub tokens: u32,
}

/// Embeddings by pixel key, most recently used last.
#[derive(Default)]
pub struct Shelf {
    kept: Vec<(PixelKey, Embedded)>,
}

impl Shelf {
    /// Moves `key` to the most recently used place; false if it is not here.
    pub fn touch(&mut self, key: &PixelKey) -> bool {
        let Some(at) = self.kept.iter().position(|(k, _)| k == key) else {
            return false;
        };
        let entry = self.kept.remove(at);
        self.kept.push(entry);
        true
    }

    pub fn get_mut(&mut self, key: &PixelKey) -> Option<&mut Embedded> {
        self.kept
            .iter_mut()
            .find(|(k, _)| k == key)
            .map(|(_, embedded)| embedded)
    }

    /// Puts a picture on the shelf; the oldest leave until the budget holds, but never `keep`.
    pub fn put(&mut self, key: PixelKey, embedded: Embedded, keep: &[PixelKey]) {
        self.kept.push((key, embedded));
        while self.bytes() > BUDGET {
            let Some(oldest) = self.kept.iter().position(|(k, _)| !keep.contains(k)) else {
                break;
            };
            self.kept.remove(oldest);
        }
    }

    fn bytes(&self) -> usize {
        self.kept
            .iter()
            .map(|(_, e)| e.embedding.len() * size_of::<f32>())
            .sum()
    }
}

/// Encodes a picture.
pub fn embed(vision: &mut Vision<'_>, pixels: &Pixels, limit: u32) -> Result<Embedded, LlamaError> {
    let chunks = vision.split(pixels.width, pixels.height, &pixels.rgb)?;
    let (mut before, mut after, mut image) = (Vec::new(), Vec::new(), None);
    for chunk in chunks.iter() {
        match (chunk.kind(), image.is_some()) {
            (ChunkKind::Text(tokens), false) => before.extend(tokens),
            (ChunkKind::Text(tokens), true) => after.extend(tokens),
            (ChunkKind::Image, false) => {
                let tokens = u32::try_from(chunk.tokens()).unwrap_or(u32::MAX);
                if tokens > limit {
                    return Err(LlamaError::TooLong {
                        what: "a picture".into(),
                        tokens,
                        limit,
                    });
                }
                let embedding = vision.encode(chunk)?;
                image = Some((chunk.placeholder()?, embedding, tokens));
            }
            (ChunkKind::Image | ChunkKind::Other, _) => {
                return Err(LlamaError::Unsuitable("it splits a picture into several parts".into()));
            }
        }
    }
    let (chunk, embedding, tokens) = image.ok_or(LlamaError::Encode(-1))?;
    Ok(Embedded {
        before,
        after,
        chunk,
        embedding,
        tokens,
    })
}
