//! Chunks of a prompt: text, and pictures.

use std::marker::PhantomData;
use std::ptr::NonNull;

use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;

use crate::error::LlamaError;

/// A list of prompt chunks.
pub struct Chunks {
    list: NonNull<sys::mtmd_input_chunks>,
}

/// What a chunk is.
pub enum ChunkKind {
    Text(Vec<LlamaToken>),
    Image,
    Other,
}

/// A chunk borrowed from its list.
#[derive(Clone, Copy)]
pub struct ChunkRef<'a> {
    ptr: NonNull<sys::mtmd_input_chunk>,
    _list: PhantomData<&'a Chunks>,
}

impl Chunks {
    /// An empty list.
    pub(super) fn new() -> Result<Self, LlamaError> {
        // SAFETY: allocates an empty list.
        let list = unsafe { sys::mtmd_input_chunks_init() };
        NonNull::new(list)
            .map(|list| Self { list })
            .ok_or(LlamaError::Encode(-1))
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mtmd_input_chunks {
        self.list.as_ptr()
    }

    pub fn iter(&self) -> impl Iterator<Item = ChunkRef<'_>> {
        // SAFETY: the list is live; the index stays below its size.
        let size = unsafe { sys::mtmd_input_chunks_size(self.list.as_ptr()) };
        (0..size).filter_map(|i| {
            // SAFETY: as above.
            let ptr = unsafe { sys::mtmd_input_chunks_get(self.list.as_ptr(), i) };
            NonNull::new(ptr.cast_mut()).map(|ptr| ChunkRef {
                ptr,
                _list: PhantomData,
            })
        })
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        // SAFETY: created by mtmd_input_chunks_init, freed once with the chunks it owns.
        unsafe { sys::mtmd_input_chunks_free(self.list.as_ptr()) }
    }
}

impl ChunkRef<'_> {
    pub(super) fn as_ptr(&self) -> *mut sys::mtmd_input_chunk {
        self.ptr.as_ptr()
    }

    /// Tokens this chunk takes in the context.
    pub fn tokens(&self) -> usize {
        // SAFETY: the chunk is live while its list is borrowed.
        unsafe { sys::mtmd_input_chunk_get_n_tokens(self.ptr.as_ptr()) }
    }

    pub fn kind(&self) -> ChunkKind {
        // SAFETY: as above.
        match unsafe { sys::mtmd_input_chunk_get_type(self.ptr.as_ptr()) } {
            sys::MTMD_INPUT_CHUNK_TYPE_IMAGE => ChunkKind::Image,
            sys::MTMD_INPUT_CHUNK_TYPE_TEXT => {
                let mut count = 0usize;
                // SAFETY: returns a pointer to `count` tokens owned by the chunk.
                let tokens = unsafe { sys::mtmd_input_chunk_get_tokens_text(self.ptr.as_ptr(), &raw mut count) };
                if tokens.is_null() || count == 0 {
                    return ChunkKind::Text(Vec::new());
                }
                // SAFETY: as above; copied at once.
                let tokens = unsafe { std::slice::from_raw_parts(tokens, count) };
                ChunkKind::Text(tokens.iter().map(|&t| LlamaToken(t)).collect())
            }
            _ => ChunkKind::Other,
        }
    }

    /// An owned stand-in that keeps the token positions and drops the pixels: enough to decode an
    /// embedding that was already computed.
    pub fn placeholder(&self) -> Result<Chunk, LlamaError> {
        // SAFETY: the chunk is live; the result is owned by the caller.
        let ptr = unsafe { sys::mtmd_input_chunk_get_placeholder(self.ptr.as_ptr()) };
        NonNull::new(ptr).map(|ptr| Chunk { ptr }).ok_or(LlamaError::Encode(-1))
    }
}

/// An owned chunk: positions without pixels.
pub struct Chunk {
    ptr: NonNull<sys::mtmd_input_chunk>,
}

impl Chunk {
    pub(super) fn as_ptr(&self) -> *mut sys::mtmd_input_chunk {
        self.ptr.as_ptr()
    }

    /// Tokens this chunk takes in the context.
    pub fn tokens(&self) -> usize {
        // SAFETY: ptr is a live chunk.
        unsafe { sys::mtmd_input_chunk_get_n_tokens(self.ptr.as_ptr()) }
    }

    /// The chunk as bytes, for [`Chunk::load`] of the same llama.cpp.
    pub fn save(&self) -> Option<Vec<u8>> {
        let mut length = 0usize;
        // SAFETY: ptr is live; without a buffer only the length is written.
        let code = unsafe { sys::mtmd_input_chunk_save(self.ptr.as_ptr(), std::ptr::null_mut(), 0, &raw mut length) };
        if code != 0 {
            return None;
        }
        let mut bytes = vec![0u8; length];
        // SAFETY: the buffer has the length that was asked for.
        let code = unsafe {
            sys::mtmd_input_chunk_save(self.ptr.as_ptr(), bytes.as_mut_ptr().cast(), length, &raw mut length)
        };
        (code == 0).then_some(bytes)
    }

    /// A chunk from its bytes; nothing when llama.cpp cannot read them.
    pub fn load(bytes: &[u8]) -> Option<Self> {
        // SAFETY: the bytes are only read, and malformed ones are reported (an exception caught inside).
        let ptr = unsafe { sys::mtmd_input_chunk_load(bytes.as_ptr().cast(), bytes.len()) };
        NonNull::new(ptr).map(|ptr| Self { ptr })
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { sys::mtmd_input_chunk_free(self.ptr.as_ptr()) }
    }
}
