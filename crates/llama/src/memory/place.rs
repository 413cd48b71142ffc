//! Where the parts of a judge go. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::need::{Need, need};
use super::shape::{Shape, TextShape};
use judge::engine::GpuMemory;
use judge::engine::Layout;

/// What is left free on a GPU, so that nothing runs out over a buffer that was counted too small.
pub const MARGIN: u64 = 512 << 20;

/// Steps in which free memory counts where the usual placement does not fit.
const STEP: u64 = 1 << 30;

/// What a desktop, and a ComfyUI that has unloaded, keep of a card: a tenth, and 1.5 GiB at least.
fn others(gpu: &GpuMemory) -> u64 {
    (gpu.total / 10).max(3 << 29)
}

/// Where the parts of a judge lie: on the GPUs, or with the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// Layers on the GPUs, the last ones; the output counts as one more. As llama.cpp's `n_gpu_layers`.
    pub layers: u32,
    /// Of so many of the first layers the experts stay with the processor, where their rows are read only when used. As
    /// llama.cpp's `--n-cpu-moe`.
    pub experts_away: u32,
    /// Whether the projector lies on a GPU.
    pub projector: bool,
}

impl Placement {
    /// Everything with the processor.
    pub const PROCESSOR: Self = Self {
        layers: 0,
        experts_away: 0,
        projector: false,
    };

    /// Everything on the GPUs, as far as it can be there.
    #[must_use]
    pub fn whole(text: &TextShape) -> Self {
        Self {
            layers: u32::try_from(text.layers.len()).unwrap_or(u32::MAX).saturating_add(1),
            experts_away: 0,
            projector: true,
        }
    }

    /// Whether all weights of a model of so many layers that can lie on a GPU do.
    #[must_use]
    pub fn is_whole(&self, layers: usize) -> bool {
        self.layers as usize > layers && self.experts_away == 0
    }

    /// Whether anything lies on a GPU.
    #[must_use]
    pub fn uses_gpu(&self) -> bool {
        self.layers > 0 || self.projector
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            layers,
            experts_away,
            projector,
        } = self;
        write!(f, "{layers} layers")?;
        if *experts_away > 0 {
            write!(f, " without the experts of {experts_away}")?;
        }
        if !projector {
            f.write_str(", projector on the processor")?;
        }
        Ok(())
    }
}

/// The best placement that fits into `free` bytes on `gpus` GPUs together. In this order: everything; all but experts of as
/// few layers as possible (they are many bytes and little work); all but layers; the projector alone, which is most of the
/// work on a picture; nothing.
#[must_use]
pub fn place(shape: &Shape, layout: &Layout, free: u64, gpus: u64) -> Placement {
    let text = &shape.text;
    let whole = Placement::whole(text);
    let all = whole.layers - 1;
    let mixture = text.layers.iter().any(|layer| layer.experts > 0);
    let away = (1..=all).filter(|_| mixture);
    let fewer_experts = away.map(|experts_away| Placement { experts_away, ..whole });
    let experts_away = if mixture { all } else { 0 };
    let fewer_layers = (1..=all).rev().map(|layers| Placement {
        layers,
        experts_away,
        ..whole
    });
    let eyes_only = Placement {
        projector: true,
        ..Placement::PROCESSOR
    };
    std::iter::once(whole)
        .chain(fewer_experts)
        .chain(fewer_layers)
        .chain([eyes_only])
        .find(|placement| need(shape, layout, placement, gpus).gpu.total() <= free)
        .unwrap_or(Placement::PROCESSOR)
}

/// The placement on these GPUs now, and what it takes. What fits the cards when they are empty is taken as long as it fits
/// them now: numbers that are summed elsewhere come out otherwise, and scores would not be comparable from one load
/// to the next.
#[must_use]
pub fn choose(shape: &Shape, layout: &Layout, gpus: &[GpuMemory]) -> (Placement, Need) {
    let count = gpus.len() as u64;
    let sum = |left: fn(&GpuMemory) -> u64| gpus.iter().map(left).sum::<u64>();
    if gpus.is_empty() {
        let placement = Placement::PROCESSOR;
        return (placement, need(shape, layout, &placement, 0));
    }
    let whole = Placement::whole(&shape.text);
    let wholly = need(shape, layout, &whole, count);
    let (usual, usually) = if wholly.gpu.total() <= sum(|gpu| gpu.total.saturating_sub(MARGIN)) {
        (whole, wholly)
    } else {
        // What would fill the card to the brim would fit on one day and not on the next.
        let usual = place(shape, layout, sum(|gpu| gpu.total.saturating_sub(others(gpu))), count);
        (usual, need(shape, layout, &usual, count))
    };
    // The process that asked has its driver's part already.
    let driver = usually.gpu.driver;
    let free = sum(|gpu| gpu.free.saturating_sub(MARGIN)) + driver;
    if usually.gpu.total() <= free {
        return (usual, usually);
    }
    // In coarse steps, so that the same little memory gives the same placement.
    let now = place(shape, layout, free / STEP * STEP, count);
    (now, need(shape, layout, &now, count))
}
