//! The buffers that llama.cpp holds. It says their sizes in its log only, so its log is listened to.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::machine::{Buffer, BufferKind};

/// What was heard in this process.
static HEARD: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());

/// The buffers that this process holds now.
pub fn buffers() -> Vec<Buffer> {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A layer of the log that notes what is said of buffers.
pub struct Listener;

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let line = format!("{}: {}", line.module, line.message);
        note(&line, &mut HEARD.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// A line as llama.cpp wrote it: what stands before its first colon comes as a field of its own.
#[derive(Default)]
struct Line {
    module: String,
    message: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            "module" => value.clone_into(&mut self.module),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

/// Takes one line in. A new context takes the place of the old one's buffers.
fn note(line: &str, heard: &mut Vec<Buffer>) {
    if line.contains("constructing llama_context") {
        drop_context(heard);
    }
    heard.extend(parse(line));
}

/// Notes that the context is no more, which llama.cpp does not say.
pub fn context_freed() {
    drop_context(&mut HEARD.lock().unwrap_or_else(PoisonError::into_inner));
}

fn drop_context(heard: &mut Vec<Buffer>) {
    use BufferKind::{Compute, Context, Output};
    heard.retain(|buffer| !matches!(buffer.kind, Context | Compute | Output));
}

/// `load_tensors:   CPU_Mapped model buffer size =   604.15 MiB`, and the projector's `load_hparams: model size:  749.40 MiB`.
fn parse(line: &str) -> Option<Buffer> {
    let mebibytes = |text: &str| {
        let number: f64 = text.trim().strip_suffix("MiB")?.trim().parse().ok()?;
        // Two digits behind the point: rounding is right.
        (0.0..1e9)
            .contains(&number)
            .then(|| (number * f64::from(1 << 20)).round() as u64)
    };
    if let Some((_, size)) = line.split_once("load_hparams: model size:") {
        return Some(Buffer {
            place: String::new(),
            kind: BufferKind::Projector,
            bytes: mebibytes(size)?,
        });
    }
    let (words, size) = line.split_once("buffer size =")?;
    let mut words = words.rsplit([' ', ':']).filter(|word| !word.is_empty());
    let kind = match words.next()? {
        "model" => BufferKind::Model,
        // Keys and values, and the states of recurrent layers.
        "KV" | "RS" => BufferKind::Context,
        "compute" => BufferKind::Compute,
        "output" => BufferKind::Output,
        "LoRA" => BufferKind::Adapter,
        _ => return None,
    };
    Some(Buffer {
        place: words.next()?.to_owned(),
        kind,
        bytes: mebibytes(size)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_llama_cpp_are_read() {
        let mut heard = Vec::new();
        let lines = [
            "load_tensors:   CPU_Mapped model buffer size =   604.15 MiB",
            "load_tensors:        CUDA0 model buffer size =  4096.00 MiB",
            "llama_context: constructing llama_context",
            "llama_context:        CPU  output buffer size =    25.50 MiB",
            "llama_kv_cache:      CUDA0 KV buffer size =   896.00 MiB",
            "llama_memory_recurrent:      CUDA0 RS buffer size =   954.19 MiB",
            "sched_reserve:        CPU compute buffer size =    47.46 MiB",
            "load_hparams: model size:         749.40 MiB",
            "llama_adapter_lora_init_impl:        CPU LoRA buffer size =     0.02 MiB",
            "graph splits = 1",
            "x buffer size = many MiB",
        ];
        lines.iter().for_each(|line| note(line, &mut heard));
        let said: Vec<_> = heard
            .iter()
            .map(|b| (b.place.as_str(), b.kind, b.bytes >> 20))
            .collect();
        assert_eq!(
            said,
            [
                ("CPU_Mapped", BufferKind::Model, 604),
                ("CUDA0", BufferKind::Model, 4096),
                ("CPU", BufferKind::Output, 25),
                ("CUDA0", BufferKind::Context, 896),
                ("CUDA0", BufferKind::Context, 954),
                ("CPU", BufferKind::Compute, 47),
                ("", BufferKind::Projector, 749),
                ("CPU", BufferKind::Adapter, 0),
            ]
        );
        note("llama_context: constructing llama_context", &mut heard);
        let left: Vec<_> = heard.iter().map(|b| b.kind).collect();
        assert_eq!(
            left,
            [
                BufferKind::Model,
                BufferKind::Model,
                BufferKind::Projector,
                BufferKind::Adapter
            ]
        );
    }
}
