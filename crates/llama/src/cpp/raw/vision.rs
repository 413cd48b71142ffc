//! The vision encoder.

use std::ffi::{CStr, CString, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::{ChunkRef, Chunks, embedding_width, model_ptr};
use crate::cpp::StopFlag;
use crate::error::LlamaError;

/// What the encoder's callback sees: the flag, and a counter that makes it look only sometimes.
struct EncodeWatch {
    stop: StopFlag,
    nodes: std::cell::Cell<u32>,
}

/// Every how many graph nodes the encoder stops to look at the flag. Each look is a barrier, so not
/// every node; a layer has about 30 of them and takes up to a second on a CPU with 1,024 tokens a picture.
const LOOK_EVERY: u32 = 8;

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
    ) -> Result<Self, LlamaError> {
        let failed = |reason: &str| LlamaError::Load {
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
        params.flash_attn_type = sys::LLAMA_FLASH_ATTN_TYPE_ENABLED;
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

    /// Whether the language model looks at all of a picture from each of its tokens: then a picture has to fit
    /// into one micro batch, or llama.cpp ends the process.
    pub fn whole_pictures(&self) -> bool {
        // SAFETY: ptr is live; without a chunk the question is about pictures.
        unsafe { sys::mtmd_decode_use_non_causal(self.ptr.as_ptr(), std::ptr::null()) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::mtmd_context {
        self.ptr.as_ptr()
    }

    /// Splits a picture (RGB8, row-major, `width × height × 3` bytes) into the chunks that stand
    /// for it in a prompt: marker tokens and one image chunk.
    pub fn split(&self, width: u32, height: u32, rgb: &[u8]) -> Result<Chunks, LlamaError> {
        if rgb.len() as u64 != u64::from(width) * u64::from(height) * 3 || rgb.is_empty() {
            return Err(LlamaError::Protocol(format!(
                "{} bytes are no {width}×{height} RGB picture",
                rgb.len()
            )));
        }
        let chunks = Chunks::new()?;
        // SAFETY: rgb has exactly nx·ny·3 bytes, which mtmd_bitmap_init copies.
        let bitmap = unsafe { sys::mtmd_bitmap_init(width, height, rgb.as_ptr()) };
        let bitmap = NonNull::new(bitmap).ok_or(LlamaError::Encode(-1))?;
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
            unsafe { sys::mtmd_tokenize(self.ptr.as_ptr(), chunks.as_ptr(), &raw const text, bitmaps.as_ptr(), 1) };
        // SAFETY: the chunks hold their own copy of the pixels; freed once.
        unsafe { sys::mtmd_bitmap_free(bitmap.as_ptr()) };
        if code == 0 {
            Ok(chunks)
        } else {
            Err(LlamaError::Encode(code))
        }
    }

    /// Runs the vision encoder on an image chunk: tokens × embedding width floats.
    pub fn encode(&mut self, chunk: ChunkRef<'_>) -> Result<Vec<f32>, LlamaError> {
        // SAFETY: ptr is live and chunk belongs to a live list.
        let code = unsafe { sys::mtmd_encode_chunk(self.ptr.as_ptr(), chunk.as_ptr()) };
        // A stopped encode still reports success, with stale data: the flag is what counts.
        if self.watch.stop.is_set() {
            return Err(LlamaError::Cancelled);
        }
        if code != 0 {
            return Err(LlamaError::Encode(code));
        }
        // SAFETY: ptr is live; null is handled.
        let data = unsafe { sys::mtmd_get_output_embd(self.ptr.as_ptr()) };
        if data.is_null() {
            return Err(LlamaError::Encode(-1));
        }
        // SAFETY: after a successful encode the buffer holds n_tokens × n_embd_inp floats
        // (mtmd.h), valid until the next encode; it is copied at once.
        let embedding = unsafe { std::slice::from_raw_parts(data, chunk.tokens() * self.width) }.to_vec();
        if embedding.iter().all(|x| x.is_finite()) {
            Ok(embedding)
        } else {
            Err(LlamaError::NotFinite("vision encoder".into()))
        }
    }
}

impl Drop for Vision<'_> {
    fn drop(&mut self) {
        // SAFETY: created by mtmd_init_from_file, freed once.
        unsafe { sys::mtmd_free(self.ptr.as_ptr()) }
    }
}
