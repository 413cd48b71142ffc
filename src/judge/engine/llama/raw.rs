//! The project's only `unsafe` code: thin owners over llama.cpp's C types.
//!
//! Each type frees what it owns in `Drop`; lifetimes tie a context to its model. Nothing here
//! knows about judging.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_2::token::LlamaToken;
use llama_cpp_sys_2 as sys;

use super::StopFlag;
use crate::judge::engine::EngineError;

/// llama.cpp's version string.
#[must_use]
pub fn version() -> String {
    // SAFETY: llama_version returns a pointer to a static NUL-terminated string.
    unsafe { CStr::from_ptr(sys::llama_version()) }
        .to_string_lossy()
        .into_owned()
}

fn model_ptr(model: &LlamaModel) -> *mut sys::llama_model {
    const _: () = assert!(size_of::<LlamaModel>() == size_of::<*mut sys::llama_model>());
    // SAFETY: LlamaModel is `repr(transparent)` over a `repr(transparent)` non-null pointer to
    // llama_model, so reading it as that pointer is its documented layout; the assertion above
    // fails the build should that change. The pointer is valid while `model` is borrowed.
    unsafe { *std::ptr::from_ref(model).cast::<*mut sys::llama_model>() }
}

/// Floats per token that the text model expects of an image embedding.
pub fn embedding_width(model: &LlamaModel) -> usize {
    // SAFETY: the pointer comes from a live model.
    let width = unsafe { sys::llama_model_n_embd_inp(model_ptr(model)) };
    usize::try_from(width).unwrap_or(0)
}

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
    /// Whether a GPU runs the model; flash attention is on there and off on the CPU, always the
    /// same on one backend, because on and off give different numbers.
    pub gpu: bool,
}

/// A `llama_context` of its model.
pub struct Context<'m> {
    ptr: NonNull<sys::llama_context>,
    batch: Batch,
    vocabulary: usize,
    // Boxed: the C side holds its address.
    _stop: Box<StopFlag>,
    _model: PhantomData<&'m LlamaModel>,
}

/// One token to decode.
pub struct Entry {
    pub token: LlamaToken,
    pub position: i32,
    pub sequence: i32,
    pub logits: bool,
}

impl<'m> Context<'m> {
    pub fn new(model: &'m LlamaModel, size: ContextSize, stop: &StopFlag) -> Result<Self, EngineError> {
        const BATCH: u32 = 2048;
        let stop = Box::new(stop.clone());
        // SAFETY: a plain function returning a value.
        let mut params = unsafe { sys::llama_context_default_params() };
        params.n_ctx = size.cells;
        params.n_batch = BATCH.min(size.cells);
        params.n_ubatch = 512.min(size.cells);
        params.n_seq_max = size.sequences;
        params.n_threads = size.threads;
        params.n_threads_batch = size.threads;
        params.kv_unified = true;
        params.no_perf = true;
        params.flash_attn_type = if size.gpu {
            sys::LLAMA_FLASH_ATTN_TYPE_ENABLED
        } else {
            sys::LLAMA_FLASH_ATTN_TYPE_DISABLED
        };
        params.abort_callback = Some(abort_callback);
        params.abort_callback_data = std::ptr::from_ref::<StopFlag>(&stop).cast_mut().cast();
        // SAFETY: the model outlives the context ('m), and the callback's data is boxed in self
        // and dropped after the context (fields drop after Drop::drop).
        let ptr = unsafe { sys::llama_init_from_model(model_ptr(model), params) };
        let ptr = NonNull::new(ptr).ok_or(EngineError::Context { cells: size.cells })?;
        // SAFETY: ptr is a live context. n_batch is clamped by llama.cpp, so it is read back: a
        // larger batch would abort the process.
        let batch = unsafe { sys::llama_n_batch(ptr.as_ptr()) };
        Ok(Self {
            ptr,
            batch: Batch::new(batch as usize),
            vocabulary: usize::try_from(model.n_vocab()).unwrap_or(0),
            _stop: stop,
            _model: PhantomData,
        })
    }

    fn memory(&self) -> sys::llama_memory_t {
        // SAFETY: ptr is a live context.
        unsafe { sys::llama_get_memory(self.ptr.as_ptr()) }
    }

    /// Most tokens one decode may hold.
    pub fn batch_size(&self) -> usize {
        self.batch.capacity
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        // SAFETY: the memory belongs to a live context.
        unsafe { sys::llama_memory_clear(self.memory(), false) }
    }

    /// Forgets one sequence.
    pub fn remove(&mut self, sequence: i32) {
        // SAFETY: as above; removing a whole sequence cannot fail and never aborts.
        unsafe { sys::llama_memory_seq_rm(self.memory(), sequence, -1, -1) };
    }

    /// Shares the cells of `from` at positions `0..end` with `to`, without copying.
    pub fn share(&mut self, from: i32, to: i32, end: i32) {
        // SAFETY: the context is created with kv_unified, so both sequences live in one stream,
        // where a partial copy is allowed.
        unsafe { sys::llama_memory_seq_cp(self.memory(), from, to, 0, end) }
    }

    /// Decodes at most [`Context::batch_size`] tokens; afterwards [`Context::logits`] holds the
    /// rows of the entries that asked for them, by their index in `entries`.
    pub fn decode(&mut self, entries: &[Entry]) -> Result<(), EngineError> {
        if entries.is_empty() {
            return Ok(());
        }
        if entries.len() > self.batch.capacity {
            return Err(EngineError::Protocol(format!(
                "a batch of {} tokens exceeds {}",
                entries.len(),
                self.batch.capacity
            )));
        }
        self.batch.fill(entries);
        // SAFETY: the batch was filled with entries.len() ≤ capacity valid rows and lives in self.
        let code = unsafe { sys::llama_decode(self.ptr.as_ptr(), self.batch.raw) };
        match code {
            0 => Ok(()),
            2 => Err(EngineError::Cancelled),
            code => Err(EngineError::Decode(code)),
        }
    }

    /// The logits of one row of the last decode, of the vocabulary's length.
    pub fn logits(&self, row: usize) -> Result<&[f32], EngineError> {
        let index = i32::try_from(row).map_err(|_| EngineError::Decode(-1))?;
        // SAFETY: ptr is live; for an index without logits llama.cpp returns null (handled).
        let row = unsafe { sys::llama_get_logits_ith(self.ptr.as_ptr(), index) };
        if row.is_null() {
            return Err(EngineError::Decode(-1));
        }
        // SAFETY: llama.cpp returns n_vocab floats that stay valid until the next decode, which
        // needs &mut self.
        Ok(unsafe { std::slice::from_raw_parts(row, self.vocabulary) })
    }

    /// Decodes an image from its embedding at `position` and returns the next position.
    pub fn decode_image(
        &mut self,
        vision: &mut Vision<'_>,
        chunk: &Chunk,
        embedding: &mut [f32],
        position: i32,
        sequence: i32,
    ) -> Result<i32, EngineError> {
        let mut next = position;
        let batch = i32::try_from(self.batch.capacity).unwrap_or(i32::MAX);
        // SAFETY: all pointers are live; `embedding` has chunk.tokens × embedding width floats
        // (checked by the caller when it was read); new_n_past is initialised as the helper needs.
        let code = unsafe {
            sys::mtmd_helper_decode_image_chunk(
                vision.ptr.as_ptr(),
                self.ptr.as_ptr(),
                chunk.ptr.as_ptr(),
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
            2 => Err(EngineError::Cancelled),
            code => Err(EngineError::Decode(code)),
        }
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: created by llama_init_from_model, freed once.
        unsafe { sys::llama_free(self.ptr.as_ptr()) }
    }
}

/// A reusable token batch, one sequence id per token.
struct Batch {
    raw: sys::llama_batch,
    capacity: usize,
}

impl Batch {
    fn new(capacity: usize) -> Self {
        let tokens = i32::try_from(capacity).unwrap_or(i32::MAX);
        // SAFETY: allocates arrays for `tokens` tokens with one sequence id each.
        let raw = unsafe { sys::llama_batch_init(tokens, 0, 1) };
        Self { raw, capacity }
    }

    fn fill(&mut self, entries: &[Entry]) {
        debug_assert!(entries.len() <= self.capacity);
        self.raw.n_tokens = i32::try_from(entries.len()).unwrap_or(0);
        for (i, entry) in entries.iter().enumerate() {
            // SAFETY: i < capacity, the length each array was allocated with in `new`.
            unsafe {
                *self.raw.token.add(i) = entry.token.0;
                *self.raw.pos.add(i) = entry.position;
                *self.raw.n_seq_id.add(i) = 1;
                **self.raw.seq_id.add(i) = entry.sequence;
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

/// What the encoder's callback sees: the flag, and a counter that makes it look only sometimes.
struct EncodeWatch {
    stop: StopFlag,
    nodes: std::cell::Cell<u32>,
}

/// Every how many graph nodes the encoder stops to look at the flag. Each look is a barrier, so
/// not every node; 64 keeps a look every few milliseconds at the sizes in use.
const LOOK_EVERY: u32 = 64;

unsafe extern "C" fn encode_callback(_tensor: *mut sys::ggml_tensor, ask: bool, data: *mut c_void) -> bool {
    // SAFETY: `data` points to the EncodeWatch boxed in the Vision that registered it; encoding
    // runs on one thread at a time (&mut Vision), so the Cell is not shared.
    let watch = unsafe { &*data.cast::<EncodeWatch>() };
    if ask {
        let seen = watch.nodes.get().wrapping_add(1);
        watch.nodes.set(seen);
        seen.is_multiple_of(LOOK_EVERY)
    } else {
        !watch.stop.is_set()
    }
}

unsafe extern "C" fn progress_callback(progress: f32, data: *mut c_void) -> bool {
    // SAFETY: `data` points to the `&mut dyn FnMut` that Vision::load keeps alive on its stack
    // during mtmd_init_from_file, the only caller.
    let report = unsafe { &mut *data.cast::<&mut dyn FnMut(f32) -> bool>() };
    report(progress)
}

/// The vision encoder with its projector (`mtmd_context`).
pub struct Vision<'m> {
    ptr: NonNull<sys::mtmd_context>,
    watch: Box<EncodeWatch>,
    width: usize,
    _model: PhantomData<&'m LlamaModel>,
}

impl<'m> Vision<'m> {
    /// Loads a projector for `model`. `report` gets progress in `[0, 1]`; false aborts.
    pub fn load(
        model: &'m LlamaModel,
        path: &Path,
        image_tokens: u32,
        threads: i32,
        gpu: bool,
        stop: &StopFlag,
        mut report: &mut dyn FnMut(f32) -> bool,
    ) -> Result<Self, EngineError> {
        let failed = |reason: &str| EngineError::Load {
            what: "projector".into(),
            path: path.into(),
            reason: reason.into(),
        };
        let name = path
            .to_str()
            .and_then(|p| CString::new(p).ok())
            .ok_or_else(|| failed("its path is not valid UTF-8"))?;
        let watch = Box::new(EncodeWatch {
            stop: stop.clone(),
            nodes: std::cell::Cell::new(0),
        });
        // SAFETY: a plain function returning a value.
        let mut params = unsafe { sys::mtmd_context_params_default() };
        params.use_gpu = gpu;
        params.print_timings = false;
        params.warmup = false;
        params.n_threads = threads;
        params.image_max_tokens = i32::try_from(image_tokens).unwrap_or(i32::MAX);
        params.flash_attn_type = if gpu {
            sys::LLAMA_FLASH_ATTN_TYPE_ENABLED
        } else {
            sys::LLAMA_FLASH_ATTN_TYPE_DISABLED
        };
        params.cb_eval = Some(encode_callback);
        params.cb_eval_user_data = std::ptr::from_ref::<EncodeWatch>(&watch).cast_mut().cast();
        params.progress_callback = Some(progress_callback);
        params.progress_callback_user_data = (&raw mut report).cast();
        // SAFETY: name is NUL-terminated, the model outlives the result ('m), `watch` is boxed and
        // kept in self, `report` lives until the call returns.
        let ptr = unsafe { sys::mtmd_init_from_file(name.as_ptr(), model_ptr(model), params) };
        let ptr =
            NonNull::new(ptr).ok_or_else(|| failed("it is damaged, or made for a model of another width or kind"))?;
        let vision = Self {
            ptr,
            watch,
            width: embedding_width(model),
            _model: PhantomData,
        };
        // SAFETY: ptr is a live mtmd context.
        if unsafe { sys::mtmd_support_vision(ptr.as_ptr()) } {
            Ok(vision)
        } else {
            Err(failed("it has no vision encoder"))
        }
    }

    /// Splits a picture (RGB8, row-major, `width × height × 3` bytes) into the chunks that stand
    /// for it in a prompt: marker tokens and one image chunk.
    pub fn split(&self, width: u32, height: u32, rgb: &[u8]) -> Result<Chunks, EngineError> {
        if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 || rgb.is_empty() {
            return Err(EngineError::Protocol(format!(
                "{} bytes are no {width}×{height} RGB picture",
                rgb.len()
            )));
        }
        // SAFETY: rgb has exactly nx·ny·3 bytes, which mtmd_bitmap_init copies.
        let bitmap = unsafe { sys::mtmd_bitmap_init(width, height, rgb.as_ptr()) };
        let bitmap = NonNull::new(bitmap).ok_or(EngineError::Encode(-1))?;
        // SAFETY: allocates an empty list.
        let list = unsafe { sys::mtmd_input_chunks_init() };
        let Some(list) = NonNull::new(list) else {
            // SAFETY: created above, freed once.
            unsafe { sys::mtmd_bitmap_free(bitmap.as_ptr()) };
            return Err(EngineError::Encode(-1));
        };
        let chunks = Chunks { list };
        // SAFETY: returns a static string.
        let marker = unsafe { CStr::from_ptr(sys::mtmd_default_marker()) };
        let text = sys::mtmd_input_text {
            text: marker.as_ptr(),
            text_len: marker.to_bytes().len(),
            add_special: false,
            parse_special: true,
        };
        let bitmaps = [bitmap.as_ptr().cast_const()];
        // SAFETY: one marker, one bitmap, all pointers live for the call.
        let code =
            unsafe { sys::mtmd_tokenize(self.ptr.as_ptr(), list.as_ptr(), &raw const text, bitmaps.as_ptr(), 1) };
        // SAFETY: the chunks hold their own copy of the pixels; freed once.
        unsafe { sys::mtmd_bitmap_free(bitmap.as_ptr()) };
        if code == 0 {
            Ok(chunks)
        } else {
            Err(EngineError::Encode(code))
        }
    }

    /// Runs the vision encoder on an image chunk: tokens × embedding width floats.
    pub fn encode(&mut self, chunk: ChunkRef<'_>) -> Result<Vec<f32>, EngineError> {
        // SAFETY: ptr is live and chunk belongs to a live list.
        let code = unsafe { sys::mtmd_encode_chunk(self.ptr.as_ptr(), chunk.ptr.as_ptr()) };
        // A stopped encode still reports success, with stale data: the flag is what counts.
        if self.watch.stop.is_set() {
            return Err(EngineError::Cancelled);
        }
        if code != 0 {
            return Err(EngineError::Encode(code));
        }
        // SAFETY: ptr is live; null is handled.
        let data = unsafe { sys::mtmd_get_output_embd(self.ptr.as_ptr()) };
        if data.is_null() {
            return Err(EngineError::Encode(-1));
        }
        // SAFETY: after a successful encode the buffer holds n_tokens × n_embd_inp floats
        // (mtmd.h), valid until the next encode; it is copied at once.
        let embedding = unsafe { std::slice::from_raw_parts(data, chunk.tokens() * self.width) }.to_vec();
        if embedding.iter().all(|x| x.is_finite()) {
            Ok(embedding)
        } else {
            Err(EngineError::NotFinite("vision encoder".into()))
        }
    }
}

impl Drop for Vision<'_> {
    fn drop(&mut self) {
        // SAFETY: created by mtmd_init_from_file, freed once.
        unsafe { sys::mtmd_free(self.ptr.as_ptr()) }
    }
}

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
    pub fn placeholder(&self) -> Result<Chunk, EngineError> {
        // SAFETY: the chunk is live; the result is owned by the caller.
        let ptr = unsafe { sys::mtmd_input_chunk_get_placeholder(self.ptr.as_ptr()) };
        NonNull::new(ptr)
            .map(|ptr| Chunk { ptr })
            .ok_or(EngineError::Encode(-1))
    }
}

/// An owned chunk.
pub struct Chunk {
    ptr: NonNull<sys::mtmd_input_chunk>,
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { sys::mtmd_input_chunk_free(self.ptr.as_ptr()) }
    }
}
