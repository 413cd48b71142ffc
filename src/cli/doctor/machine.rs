//! This build, this machine, and whether the judge fits it.

use serde_json::json;

use super::check::{Check, Health};
use super::limit::{Limit, QUICK};
use crate::cli::show;
use crate::machine;
use crate::session::Service;
use judge::engine::{GpuMemory, Layout};
use llama::Llama;
use llama::machine::{Backends, Buffer, BufferKind, Unused};
use llama::memory::{Need, Part};
use llama::worker::WorkerError;

/// What the judge process finds, before anything is loaded.
pub struct Machine {
    backends: Result<Backends, WorkerError>,
    gpus: Vec<GpuMemory>,
    /// Free main memory in bytes, where the system says.
    main: Option<u64>,
    limit: Limit,
}

pub async fn look(engine: &Llama) -> Machine {
    let limit = Limit::new(QUICK);
    let asked = async {
        let backends = engine.backends(&limit.cancel).await;
        (backends, engine.gpus_now(&limit.cancel).await.unwrap_or_default())
    };
    let (backends, gpus) = limit.over(asked).await;
    Machine {
        backends,
        gpus,
        main: machine::free_memory(),
        limit,
    }
}

impl Machine {
    /// Whether the judge process did not answer in time, though it had loaded nothing.
    pub fn is_late(&self) -> bool {
        self.limit.is_reached()
    }

    /// What this program was built with, and which parts of llama.cpp it finds.
    pub fn build(&self) -> Check {
        if self.is_late() {
            let at = "asking the judge process for what it can compute on";
            return self
                .limit
                .reached("build", at, "Look at the GPU's driver; --gpu-layers 0 does without it.");
        }
        let backends = match &self.backends {
            Ok(backends) => backends,
            Err(error) => return Check::failed("build", Health::Missing, error),
        };
        let version = env!("CARGO_PKG_VERSION");
        let devices = backends.devices.join(", ");
        if !backends.dynamic {
            let with: Vec<&str> = [
                (cfg!(feature = "cuda"), "CUDA"),
                (cfg!(feature = "vulkan"), "Vulkan"),
                (cfg!(feature = "metal"), "Metal"),
            ]
            .iter()
            .filter_map(|(is, name)| is.then_some(*name))
            .collect();
            let with = if with.is_empty() {
                "for the processor only".to_owned()
            } else {
                format!("with {}", with.join(", "))
            };
            return Check::ok("build", format!("{version}, {with}; computes on {devices}"));
        }
        let found = format!("{version}, backends are files beside the program; computes on {devices}");
        let details = backends.unused.iter();
        let details = details.map(|unused| format!("not used: {}: {}", unused.file.display(), unused.reason));
        let check = if backends.unused.iter().any(Unused::is_a_fault) {
            let fix = "Install or update the GPU's driver, or remove the file; the judge runs without it.";
            Check::warning("build", found, fix)
        } else {
            Check::ok("build", found)
        };
        check.with(details.collect())
    }

    /// What the judge computes on.
    pub fn device(&self) -> Check {
        let threads = machine::cores();
        let main = self.main.map_or(String::new(), |bytes| {
            format!(", {} of main memory free", gigabytes(bytes))
        });
        if self.gpus.is_empty() {
            return Check::ok("device", format!("the processor, {threads} threads{main}"));
        }
        let gpus = self.gpus.iter().map(|gpu| {
            let (free, total) = (gigabytes(gpu.free), gigabytes(gpu.total));
            format!("{} ({}) with {free} of {total} free", gpu.name, gpu.description)
        });
        Check::ok("device", format!("{}{main}", gpus.collect::<Vec<_>>().join("; ")))
    }

    /// What the judge needs, part by part, beside what there is; nothing where its shape is not known.
    pub fn memory(&self, engine: &Llama, layout: Option<&Layout>, held: &[Buffer]) -> Option<Check> {
        let (placement, need) = engine.plan(&self.gpus, layout).ok()?;
        let free: u64 = self.gpus.iter().map(|gpu| gpu.free).sum();
        let layers = engine.shape().ok()?.text.layers.len();
        let mut check = if !self.gpus.is_empty() {
            let found = format!(
                "needs {} on the GPU, where {} are free, and {} of main memory",
                gigabytes(need.gpu.total()),
                gigabytes(free),
                gigabytes(need.processor.total())
            );
            if need.gpu.total() > free {
                let fix = "Free memory there, use a smaller model (models list), or fewer --gpu-layers.";
                Check::warning("memory", found, fix)
            } else if placement.is_whole(layers) && placement.projector {
                Check::ok("memory", format!("{found}: all of it on the GPU"))
            } else {
                let fix = "It runs, slower. Free memory on the GPU (ComfyUI gives its own back when asked), or use a smaller model: models list.";
                Check::warning(
                    "memory",
                    format!("{found}: {placement}, of {layers} and the output"),
                    fix,
                )
            }
        } else {
            let found = format!("needs {} of main memory", gigabytes(need.processor.total()));
            match self.main {
                Some(main) if main < need.processor.total() => Check::warning(
                    "memory",
                    format!("{found}; {} are free", gigabytes(main)),
                    "Close programs, or use a smaller model: models list.",
                ),
                _ => Check::ok("memory", found),
            }
        };
        check.details = table(&need, held).lines().map(str::to_owned).collect();
        check.data = Some(
            json!({"placement": placement, "need": need, "held": held, "gpus": self.gpus, "free_main": self.main}),
        );
        Some(check)
    }
}

/// A part's name, its bytes, and what llama.cpp calls it.
type Row = (&'static str, fn(&Part) -> u64, &'static [BufferKind]);

/// Parts as rows; what llama.cpp itself reports, where it is loaded, in the last column.
fn table(need: &Need, held: &[Buffer]) -> String {
    let mut table = show::table(["part", "GPU", "main memory", "llama.cpp says"]);
    let says = |kinds: &[BufferKind]| {
        let bytes: u64 = held
            .iter()
            .filter(|buffer| kinds.contains(&buffer.kind))
            .map(|buffer| buffer.bytes)
            .sum();
        if bytes == 0 { String::new() } else { gigabytes(bytes) }
    };
    let rows: [Row; 6] = [
        (
            "weights",
            |part| part.weights,
            &[BufferKind::Model, BufferKind::Adapter],
        ),
        ("projector", |part| part.projector, &[BufferKind::Projector]),
        ("context", |part| part.context, &[BufferKind::Context]),
        (
            "buffers",
            |part| part.buffers,
            &[BufferKind::Compute, BufferKind::Output],
        ),
        ("pictures", |part| part.pictures, &[]),
        ("driver", |part| part.driver, &[]),
    ];
    for (name, of, kinds) in rows {
        let [gpu, main] = [&need.gpu, &need.processor].map(|part| match of(part) {
            0 => String::new(),
            bytes => gigabytes(bytes),
        });
        if !gpu.is_empty() || !main.is_empty() {
            table.add_row([name.to_owned(), gpu, main, says(kinds)]);
        }
    }
    table.to_string()
}

/// How judge and ComfyUI share the GPU.
pub async fn sharing(service: &Service) -> Check {
    let limit = Limit::new(QUICK);
    match limit.over(service.gpu_sharing(&limit.cancel)).await {
        Ok(words) => Check::ok("GPU sharing", words),
        Err(_) if limit.is_reached() => {
            let at = "asking ComfyUI and the driver for free memory";
            limit.reached("GPU sharing", at, "Look at ComfyUI's terminal and the GPU's driver.")
        }
        Err(error) => Check::failed("GPU sharing", Health::Warning, error),
    }
}

fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        10_000_000..100_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
