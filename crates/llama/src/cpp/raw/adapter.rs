//! LoRA adapters.

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::NonNull;

use llama_cpp_2::model::LlamaModel;
use llama_cpp_sys_2 as sys;

use super::model_ptr;
use crate::error::LlamaError;
use crate::spec::Adapter;

/// A LoRA adapter of a model, with its weight.
pub struct LoadedAdapter<'m> {
    ptr: NonNull<sys::llama_adapter_lora>,
    scale: f32,
    _model: PhantomData<&'m LlamaModel>,
}

impl<'m> LoadedAdapter<'m> {
    /// Loads an adapter. Contexts are to be made afterwards: their graphs are planned with it.
    pub fn load(model: &'m LlamaModel, adapter: &Adapter) -> Result<Self, LlamaError> {
        let failed = |reason: &str| LlamaError::Load {
            what: "adapter".into(),
            path: adapter.path.clone(),
            reason: reason.into(),
        };
        let name = adapter
            .path
            .to_str()
            .and_then(|p| CString::new(p).ok())
            .ok_or_else(|| failed("its path is not valid UTF-8"))?;
        // SAFETY: name is NUL-terminated, and the model outlives the adapter ('m).
        let ptr = unsafe { sys::llama_adapter_lora_init(model_ptr(model), name.as_ptr()) };
        NonNull::new(ptr)
            .map(|ptr| Self {
                ptr,
                scale: adapter.scale,
                _model: PhantomData,
            })
            .ok_or_else(|| failed("it is damaged, no LoRA adapter, or made for another model"))
    }

    pub(super) fn as_ptr(&self) -> *mut sys::llama_adapter_lora {
        self.ptr.as_ptr()
    }

    pub(super) fn scale(&self) -> f32 {
        self.scale
    }
}

impl Drop for LoadedAdapter<'_> {
    fn drop(&mut self) {
        // SAFETY: created by llama_adapter_lora_init, freed once, while its model lives ('m).
        unsafe { sys::llama_adapter_lora_free(self.ptr.as_ptr()) }
    }
}
