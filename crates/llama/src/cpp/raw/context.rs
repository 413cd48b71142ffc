//! Contexts: keys and values of sequences, and what comes out of decoding.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ops::Range;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;

use super::{Chunk, LoadedAdapter, Vision, embedding_width, model_ptr};
use crate::cells::MICRO_BATCH;
use crate::cpp::StopFlag;
use crate::error::LlamaError;

unsafe extern "C" fn abort_callback(data: *mut c_void) -> bool {
    // SAFETY: `data` points to the StopFlag boxed in the Context that registered it, which
    // outlives the llama_context that calls this.
    unsafe { &*data.cast::<StopFlag>() }.is_set()
}

/// Sizes of a context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextSize {
    /// Key-value cells.
    pub cells: u32,
    /// Sequences.
    pub sequences: u32,
    /// Threads.
    pub threads: i32,
}

/// A `llama_context` of its model.
pub struct Context<'m> {
    ptr: NonNull<sys::llama_context>,
    batch: Batch,
    micro_batch: usize,
    vocabulary: usize,
    embedding_width: usize,
    // Boxed: the C side holds its address.
    _stop: Box<StopFlag>,
    _model: PhantomData<&'m LlamaModel>,
}

/// One token to decode.
pub struct Entry {
    pub token: LlamaToken,
    pub position: i32,
    /// The sequences it belongs to, at least one and at most those of the context.
    pub sequences: Range<i32>,
    pub logits: bool,
}

impl<'m> Context<'m> {
    /// A context with these adapters in force.
    pub fn new(
        model: &'m LlamaModel,
        adapters: &[LoadedAdapter<'m>],
        size: ContextSize,
        stop: &StopFlag,
    ) -> Result<Self, LlamaError> {
        const BATCH: u32 = 2048;
        let stop = Box::new(stop.clone());
        // SAFETY: a plain function returning a value.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = size.cells;
        params.n_batch = BATCH.min(size.cells);
        params.n_ubatch = MICRO_BATCH.min(size.cells);
        params.n_seq_max = size.sequences;
        // A branch asks for one row at a time; room for more would be hundreds of megabytes of a large vocabulary.
        params.n_outputs_max = size.sequences;
        // A token that is decoded alone (what stands around a picture) attends to all cells at once, and llama.cpp cuts them
        // into as many sums as there are threads: with more than one, scores would depend on their number.
        params.n_threads = 1;
        params.n_threads_batch = size.threads;
        params.kv_unified = true;
        // Sequences that share a prefix need all of it, also in layers that look at a window only (Gemma 3).
        params.swa_full = true;
        params.no_perf = true;
        // Everywhere, because on and off give different numbers; on a CPU it is a sixth faster too.
        params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_ENABLED;
        params.abort_callback = Some(abort_callback);
        params.abort_callback_data = std::ptr::from_ref::<StopFlag>(&stop).cast_mut().cast();
        // SAFETY: the model outlives the context ('m), and the callback's data is boxed in self
        // and dropped after the context (fields drop after Drop::drop).
        let ptr = unsafe { sys::llama_init_from_model(model_ptr(model), params) };
        let ptr = NonNull::new(ptr).ok_or(LlamaError::Context { cells: size.cells })?;
        // SAFETY: ptr is a live context. n_batch is clamped by llama.cpp, so it is read back: a
        // larger batch would abort the process.
        let batch = unsafe { sys::llama_n_batch(ptr.as_ptr()) };
        // SAFETY: as above.
        let micro_batch = unsafe { sys::llama_n_ubatch(ptr.as_ptr()) };
        let context = Self {
            ptr,
            batch: Batch::new(batch as usize, size.sequences),
            micro_batch: micro_batch as usize,
            vocabulary: usize::try_from(model.n_vocab()).unwrap_or(0),
            embedding_width: embedding_width(model),
            _stop: stop,
            _model: PhantomData,
        };
        context.put_in_force(adapters)?;
        Ok(context)
    }

    fn put_in_force(&self, adapters: &[LoadedAdapter<'m>]) -> Result<(), LlamaError> {
        let mut pointers: Vec<_> = adapters.iter().map(LoadedAdapter::as_ptr).collect();
        let mut scales: Vec<f32> = adapters.iter().map(LoadedAdapter::scale).collect();
        // SAFETY: ptr is a live context, both lists have the given length, and the adapters belong to the
        // context's own model and live as long ('m).
        let code = unsafe {
            sys::llama_set_adapters_lora(
                self.ptr.as_ptr(),
                pointers.as_mut_ptr(),
                pointers.len(),
                scales.as_mut_ptr(),
            )
        };
        if code == 0 {
            Ok(())
        } else {
            Err(LlamaError::Protocol(format!(
                "adapters could not be put in force (code {code})"
            )))
        }
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: ptr is a live context.
        unsafe { sys::llama_get_memory(self.ptr.as_ptr()) }
    }

    /// Most tokens one decode may hold.
    pub fn batch_size(&self) -> usize {
        self.batch.capacity
    }

    /// Tokens that are computed at once; a larger decode is cut into these.
    pub fn micro_batch_size(&self) -> usize {
        self.micro_batch
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        // SAFETY: the memory belongs to a live context.
        unsafe { sys::llama_memory_clear(self.memory(), false) }
    }

    /// Forgets everything and zeroes the memory itself. llama.cpp begins a new state by multiplying what lay there by zero, which
    /// does not help where that is not a number.
    pub fn wipe(&mut self) {
        // SAFETY: as above.
        unsafe { sys::llama_memory_clear(self.memory(), true) }
    }

    /// Forgets one sequence.
    pub fn remove(&mut self, sequence: i32) {
        // SAFETY: as above; removing a whole sequence cannot fail and never aborts.
        unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, -1, -1) };
    }

    /// Makes `to` what `from` is now, without copying: cells are shared, and so is a state until one of the two goes on.
    ///
    /// Always the whole of it. A recurrent state stands for the end of its sequence only; asked for a part, llama.cpp hands
    /// over the state of the end without an error.
    pub fn fork(&mut self, from: i32, to: i32) {
        self.remove(to);
        // SAFETY: the memory belongs to a live context; a whole sequence may always be copied.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, -1, -1) }
    }

    /// Shares the cells of `from` at positions `0..end` with `to`: what must not be done, for the test that shows why.
    #[cfg(test)]
    pub fn share_part(&mut self, from: i32, to: i32, end: i32) {
        // SAFETY: the context is created with kv_unified, so both sequences live in one stream, where a partial copy is allowed.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, 0, end) }
    }

    /// Decodes at most [`Context::batch_size`] tokens; afterwards [`Context::logits`] holds the
    /// rows of the entries that asked for them, by their index in `entries`.
    pub fn decode(&mut self, entries: &[Entry]) -> Result<(), LlamaError> {
        if entries.is_empty() {
            return Ok(());
        }
        if entries.len() > self.batch.capacity {
            return Err(LlamaError::Protocol(format!(
                "a batch of {} tokens exceeds {}",
                entries.len(),
                self.batch.capacity
            )));
        }
        let most = self.batch.sequences;
        if entries
            .iter()
            .any(|e| e.sequences.is_empty() || e.sequences.len() > most)
        {
            return Err(LlamaError::Protocol(format!(
                "a token of no sequence, or of more than {most}"
            )));
        }
        // The context has room for so many rows of probabilities, and llama.cpp ends the process over more.
        if entries.iter().filter(|e| e.logits).count() > most {
            return Err(LlamaError::Protocol(format!("more than {most} answers at once")));
        }
        self.batch.fill(entries);
        // SAFETY: the batch was filled with entries.len() ≤ capacity valid rows and lives in self.
        let code = unsafe { sys::llama_decode(self.ptr.as_ptr(), self.batch.raw) };
        match code {
            0 => Ok(()),
            2 => Err(LlamaError::Cancelled),
            code => Err(LlamaError::Decode(code)),
        }
    }

    /// The logits of one row of the last decode, of the vocabulary's length.
    pub fn logits(&self, row: usize) -> Result<&[f32], LlamaError> {
        let index = i32::try_from(row).map_err(|_| LlamaError::Decode(-1))?;
        // SAFETY: ptr is live; for an index without logits llama.cpp returns null (handled).
        let row = unsafe { sys::llama_get_logits_ith(self.ptr.as_ptr(), index) };
        if row.is_null() {
            return Err(LlamaError::Decode(-1));
        }
        // SAFETY: llama.cpp returns n_vocab floats that stay valid until the next decode, which
        // needs &mut self.
        Ok(unsafe { std::slice::from_raw_parts(row, self.vocabulary) })
    }

    /// Decodes an image from its embedding at `position` and returns the next position.
    ///
    /// # Errors
    /// [`LlamaError::Protocol`] for an embedding that does not hold a vector of this model for each of the chunk's tokens.
    pub fn decode_image(
        &mut self,
        vision: &mut Vision<'_>,
        chunk: &Chunk,
        embedding: &mut [f32],
        position: i32,
        sequence: i32,
    ) -> Result<i32, LlamaError> {
        let wanted = chunk.tokens() * self.embedding_width;
        if embedding.len() != wanted {
            let numbers = embedding.len();
            return Err(LlamaError::Protocol(format!(
                "an embedding of {numbers} numbers was to be decoded where the picture takes {wanted}"
            )));
        }
        let mut next = position;
        let batch = i32::try_from(self.batch.capacity).unwrap_or(i32::MAX);
        // SAFETY: all pointers are live; `embedding` has chunk.tokens × embedding width floats (checked above); new_n_past is
        // initialised as the helper needs.
        let code = unsafe {
            sys::mtmd_helper_decode_image_chunk(
                vision.as_ptr(),
                self.ptr.as_ptr(),
                chunk.as_ptr(),
                embedding.as_mut_ptr(),
                position,
                sequence,
                batch,
                &raw mut next,
                None,
                std::ptr::null_mut(),
            )
        };
        match code {
            0 => Ok(next),
            2 => Err(LlamaError::Cancelled),
            code => Err(LlamaError::Decode(code)),
        }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: created by llama_init_from_model, freed once.
        unsafe { sys::llama_free(self.ptr.as_ptr()) }
    }
}

/// A reusable token batch.
struct Batch {
    raw: sys::llama_batch,
    capacity: usize,
    /// Most sequences of one token.
    sequences: usize,
}

impl Batch {
    fn new(capacity: usize, sequences: u32) -> Self {
        let tokens = i32::try_from(capacity).unwrap_or(i32::MAX);
        let most = i32::try_from(sequences).unwrap_or(i32::MAX);
        // SAFETY: allocates arrays for `tokens` tokens with `most` sequence ids each.
        let raw = unsafe { sys::llama_batch_init(tokens, 0, most) };
        Self {
            raw,
            capacity,
            sequences: sequences as usize,
        }
    }

    fn fill(&mut self, entries: &[Entry]) {
        debug_assert!(entries.len() <= self.capacity);
        self.raw.n_tokens = i32::try_from(entries.len()).unwrap_or(0);
        for (i, entry) in entries.iter().enumerate() {
            debug_assert!(entry.sequences.len() <= self.sequences);
            // SAFETY: i < capacity, the length each array was allocated with in `new`, and each list of
            // sequence ids has room for `sequences`, which `decode` has checked.
            unsafe {
                *self.raw.token.add(i) = entry.token.0;
                *self.raw.pos.add(i) = entry.position;
                *self.raw.n_seq_id.add(i) = i32::try_from(entry.sequences.len()).unwrap_or(0);
                for (n, sequence) in entry.sequences.clone().enumerate() {
                    *(*self.raw.seq_id.add(i)).add(n) = sequence;
                }
                *self.raw.logits.add(i) = i8::from(entry.logits);
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        // SAFETY: allocated by llama_batch_init, freed once.
        unsafe { sys::llama_batch_free(self.raw) }
    }
}
