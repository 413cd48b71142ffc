//! The GPUs that llama.cpp would use.

use llama_cpp_2::{LlamaBackendDeviceType, list_llama_ggml_backend_devices};

use judge::engine::GpuMemory;

/// The GPUs in words: which and how many, since sums come out otherwise on others.
pub(super) fn gpu_names() -> Option<String> {
    let names: Vec<String> = gpus()
        .into_iter()
        .map(|gpu| format!("{} ({})", gpu.name, gpu.description))
        .collect();
    (!names.is_empty()).then(|| names.join(" + "))
}

/// The GPUs that this build can use, with their memory now. Starts their drivers.
pub fn gpus() -> Vec<GpuMemory> {
    let devices = list_llama_ggml_backend_devices();
    let of = |kind| {
        let devices = devices.iter().filter(move |device| device.device_type == kind);
        devices.cloned().collect::<Vec<_>>()
    };
    // As llama.cpp has it: integrated ones only where there is nothing else.
    let mut chosen = of(LlamaBackendDeviceType::Gpu);
    if chosen.is_empty() {
        chosen = of(LlamaBackendDeviceType::IntegratedGpu);
    }
    chosen
        .into_iter()
        .map(|device| GpuMemory {
            name: device.name,
            description: device.description,
            free: device.memory_free as u64,
            total: device.memory_total as u64,
        })
        .collect()
}
